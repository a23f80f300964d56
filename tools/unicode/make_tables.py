#!/usr/bin/env python3
"""Makes the tables of src/text and src/console from the Unicode Character Database.

usage: tools/unicode/make_tables.py text [DIRECTORY] > src/text/unicode_tables.c
       tools/unicode/make_tables.py console [DIRECTORY] > src/console/grapheme_table.c

DIRECTORY holds the database's files; Debian's package unicode-data puts them into /usr/share/unicode. The build does not
run this: it is run when the tables get a new Unicode version or a new property.
"""
import re
import sys

LETTER, NUMBER, SPACE, MARK = 1, 2, 3, 4
N_CODE_POINTS = 0x110000
HANGUL = range(0xAC00, 0xD7A4)
# In the order of enum grapheme_class, from 1; then come pictographs and Hangul syllables.
GRAPHEME_CLASSES = ["CR", "LF", "Control", "Extend", "ZWJ", "Regional_Indicator", "Prepend", "SpacingMark", "L", "V", "T"]


def read_ranges(path, wanted):
    """Yields the code points with one of the wanted properties (or property values) in a property file."""
    for line in open(path, encoding="utf-8"):
        fields = [field.strip() for field in line.split("#")[0].split(";")]
        if len(fields) < 2 or "; ".join(fields[1:]) not in wanted:
            continue
        first, _, last = fields[0].partition("..")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def read_unicode_data(path):
    """Yields (first, last, general category, combining class, decomposition mapping) of each line or range."""
    first = None
    for line in open(path, encoding="utf-8"):
        fields = line.split(";")
        code = int(fields[0], 16)
        if fields[1].endswith(", First>"):
            first = code
            continue
        yield (code if first is None else first), code, fields[2], int(fields[3]), fields[5]
        first = None


def starts(values):
    """The code points at which a list of values, indexed by code point, changes, each with its new value."""
    return [(code, value) for code, value in enumerate(values) if code == 0 or value != values[code - 1]]


def print_array(name, comment, declaration, items, per_line):
    print(f"\n/* {comment} */\n{declaration} = {{")
    for i in range(0, len(items), per_line):
        print("\t" + ", ".join(items[i:i + per_line]) + ",")
    print("};")
    print(f"const size_t tern_n_{name} = sizeof tern_{name} / sizeof tern_{name}[0];")


def make_text_tables(directory, version):
    classes = [0] * N_CODE_POINTS
    combining = [0] * N_CODE_POINTS
    decompositions = {}
    for first, last, category, combining_class, mapping in read_unicode_data(f"{directory}/UnicodeData.txt"):
        for code in range(first, last + 1):
            classes[code] = {"L": LETTER, "N": NUMBER, "M": MARK}.get(category[0], 0)
            combining[code] = combining_class
        if mapping and not mapping.startswith("<"):
            decompositions[first] = [int(part, 16) for part in mapping.split()]
    for code in read_ranges(f"{directory}/PropList.txt", {"White_Space"}):
        classes[code] = SPACE

    derived = f"{directory}/DerivedNormalizationProps.txt"
    excluded = set(read_ranges(derived, {"Full_Composition_Exclusion"}))
    not_boundary = set(read_ranges(derived, {"NFC_QC; N", "NFC_QC; M"}))
    normal = [combining[code] | (256 if combining[code] or code in not_boundary else 0)
              for code in range(N_CODE_POINTS)]
    compositions = sorted((parts, code) for code, parts in decompositions.items() if code not in excluded)
    assert all(len(parts) <= 2 for parts in decompositions.values())
    assert not any(code in HANGUL for code in decompositions)

    print(f"""/* Unicode {version}: character classes and what normal form C needs. Made by
 *     tools/unicode/make_tables.py text > src/text/unicode_tables.c
 * from Debian's package unicode-data; not to be edited. The tables are described in unicode.h. */
#include "text/unicode.h"

/* clang-format off */""")
    print("\nconst unsigned char tern_unicode_ascii[128] = {")
    for i in range(0, 128, 32):
        print("\t" + ", ".join(str(value) for value in classes[i:i + 32]) + ",")
    print("};")
    print_array("unicode_classes", "enum unicode_class", "const uint32_t tern_unicode_classes[]",
                [f"{code << 9 | value:#x}" for code, value in starts(classes)], 11)
    print_array("unicode_normal", "Combining class, and 256 for characters that are no boundary",
                "const uint32_t tern_unicode_normal[]",
                [f"{code << 9 | value:#x}" for code, value in starts(normal)], 11)
    print_array("unicode_decompositions", "By the composed character",
                "const struct unicode_pair tern_unicode_decompositions[]",
                [f"{{{code:#x}, {parts[0]:#x}, {parts[1] if len(parts) > 1 else 0:#x}}}"
                 for code, parts in sorted(decompositions.items())], 5)
    print_array("unicode_compositions", "By the first, then the second part",
                "const struct unicode_pair tern_unicode_compositions[]",
                [f"{{{code:#x}, {parts[0]:#x}, {parts[1]:#x}}}" for parts, code in compositions], 5)


def make_console_table(directory, version):
    """For a terminal: the columns of each character, and the class that decides where a grapheme cluster ends."""
    classes = [0] * N_CODE_POINTS
    widths = [1] * N_CODE_POINTS
    for line in open(f"{directory}/EastAsianWidth.txt", encoding="utf-8"):
        match = re.match(r"([0-9A-F]+)(?:\.\.([0-9A-F]+))?;([WF])", line)
        if match:
            for code in range(int(match[1], 16), int(match[2] or match[1], 16) + 1):
                widths[code] = 2
    prepended = set(read_ranges(f"{directory}/auxiliary/GraphemeBreakProperty.txt", {"Prepend"}))
    for first, last, category, _, _ in read_unicode_data(f"{directory}/UnicodeData.txt"):
        if category in ("Mn", "Me", "Cf", "Zl", "Zp") and first != 0xAD:
            for code in range(first, last + 1):
                widths[code] = 1 if category == "Cf" and code in prepended else 0
    # Hangul vowels and final consonants are drawn into the syllable of the leading consonant.
    for code in [*range(0x1160, 0x1200), *range(0xD7B0, 0xD7FC)]:
        widths[code] = 0
    for value, name in enumerate(GRAPHEME_CLASSES, 1):
        for code in read_ranges(f"{directory}/auxiliary/GraphemeBreakProperty.txt", {name}):
            classes[code] = value
    for code in read_ranges(f"{directory}/emoji/emoji-data.txt", {"Extended_Pictographic"}):
        classes[code] = len(GRAPHEME_CLASSES) + 1
    for code in HANGUL:
        classes[code] = len(GRAPHEME_CLASSES) + 2

    print(f"""/* Unicode {version}: widths and grapheme clusters. Made by
 *     tools/unicode/make_tables.py console > src/console/grapheme_table.c
 * from Debian's package unicode-data; not to be edited. The table is described in grapheme.h. */
#include "console/grapheme.h"

/* clang-format off */""")
    values = [cluster << 2 | width for cluster, width in zip(classes, widths)]
    items = [f"{code << 6 | value:#x}" for code, value in starts(values)]
    print("\nconst uint32_t grapheme_table[] = {")
    for i in range(0, len(items), 13):
        print("\t" + ", ".join(items[i:i + 13]) + ",")
    print("};\nconst size_t n_grapheme_table = sizeof grapheme_table / sizeof grapheme_table[0];")


def main():
    makers = {"text": make_text_tables, "console": make_console_table}
    if len(sys.argv) < 2 or sys.argv[1] not in makers:
        sys.exit(__doc__.split("\n\n")[1])
    directory = sys.argv[2] if len(sys.argv) > 2 else "/usr/share/unicode"
    first_line = open(f"{directory}/PropList.txt", encoding="utf-8").readline()
    makers[sys.argv[1]](directory, re.match(r"# PropList-([\d.]+)\.txt", first_line)[1])


main()
