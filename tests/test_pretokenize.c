/* Pre-tokenizers: where they cut texts, and their names. */
#include "text/pretokenize.h"

#include "test.h"
#include "text/tokenizer.h"

#include <string.h>

/* A text with bars where it must be cut. */
struct cut {
	const char *llama3, *qwen2, *gpt2; /* NULL: as llama3 */
};

static const struct cut cuts[] = {
        {"Hello| world|!", NULL, NULL},
        {"a|   | b", NULL, NULL},
        {"a|   |\tb", NULL, "a|   |\t|b"},
        {"x|\t|5", NULL, NULL},
        {" |1|", " |1|", " 1|"},
        {"123|456|7", "1|2|3|4|5|6|7", "1234567"},
        {"x|\n|5", NULL, NULL},
        {"x| |123|4", "x| |1|2|3|4", "x| 1234"},
        {"don|'t| I|'LL", NULL, "don|'t| I|'|LL"},
        {"'ve|'re|'m|'d|'ll|'s|'t", NULL, NULL},
        {"'s|treet", NULL, NULL},
        {"'x|'|9", NULL, "'|x|'|9"},
        {"'\xc5\xbf|a", NULL,
         "'|\xc5\xbf"
         "a"}, /* the long s folds to s */
        {"'L\xc5\xbf", NULL, "'|L\xc5\xbf"},
        {"(word| (|word", "(word| (|word", "(|word| (|word"},
        {"end|.\n\n|Next", NULL, "end|.|\n|\n|Next"},
        {"end|.\r\n|  | x", NULL, "end|.|\r\n  | x"},
        {"a|\n\n|\tb", NULL, "a|\n\n|\t|b"},
        {"a| \n \n| | x", NULL, "a| \n \n | x"},
        {"a|  \n|  ", NULL, "a|  \n  "},
        {"a|\n", NULL, NULL},
        {"a| ", NULL, NULL},
        {"\n|a", NULL, NULL},
        {" \n|a", NULL, " |\n|a"},
        {"\xc2\xa0"
         "a|\xe3\x80\x80"
         "b",
         NULL, "\xc2\xa0|a|\xe3\x80\x80|b"}, /* no-break and ideographic space */
        {"a|\xe3\x80\x80|\xe3\x80\x80|.", NULL, NULL},
        {"\xe6\x97\xa5\xe6\x9c\xac|\xef\xbc\x81", NULL, NULL},
        {"\xc2\xbd|!", NULL, NULL}, /* a half is a number */
        {"\xff\xfe", NULL, NULL},
        {"a| \xff\n|b", NULL, "a| \xff|\n|b"},
        {"\xe2\x82", NULL, NULL},
        {"x|=-=\r\n\n|y", NULL, "x|=-=|\r\n|\n|y"},
};

/* Texts with combining marks. */
static const struct {
	const char *qwen2, *gpt2, *qwen35; /* llama3: as qwen2 */
} mark_cuts[] = {
        {"e|\xcc\x81x", "e|\xcc\x81|x", "e\xcc\x81x"},
        {"x| e|\xcc\x81.", "x| e|\xcc\x81.", "x| e\xcc\x81|."},
        {"\xe0\xa4\xb9|\xe0\xa4\xbf\xe0\xa4\xa8|\xe0\xa5\x8d\xe0\xa4\xa6|\xe0\xa5\x80",
         "\xe0\xa4\xb9|\xe0\xa4\xbf|\xe0\xa4\xa8|\xe0\xa5\x8d|\xe0\xa4\xa6|\xe0\xa5\x80",
         "\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6\xe0\xa5\x80"}, /* Hindi */
        {"a|.\xcc\x81\n|b", "a|.\xcc\x81|\n|b", "a|.\xcc\x81|\n|b"},
        {"a| \xcc\x81", "a| \xcc\x81", "a| \xcc\x81"},
        {"1|\xcc\x81|2", "1|\xcc\x81|2", "1|\xcc\x81|2"},
        {"a|\n|\xcc\x81", "a|\n|\xcc\x81", "a|\n|\xcc\x81"},
        {"\xcc\x81\xcc\x81| b", "\xcc\x81\xcc\x81| b", "\xcc\x81\xcc\x81| b"},
};

/* The text of a row without its bars. ends[i]: a word ends before byte i. */
static size_t strip_bars(const char *row, char *text, bool *ends)
{
	size_t n = 0;

	memset(ends, 0, 64);
	for (; *row; row++) {
		if (*row == '|')
			ends[n] = true;
		else
			text[n++] = *row;
	}
	ends[n] = true;
	return n;
}

static void check_cut(enum pretoken_pattern pattern, const char *row)
{
	char text[64];
	bool ends[64];
	size_t n = strip_bars(row, text, ends);

	for (size_t at = 0; at < n;) {
		size_t length = tern_pretoken_length(pattern, text + at, n - at);
		CHECK(length > 0 && at + length <= n, "pattern %d, '%s': length %zu at %zu", (int)pattern, row, length,
		      at);
		for (size_t i = at + 1; i < at + length; i++)
			CHECK(!ends[i], "pattern %d, '%s': not cut at %zu", (int)pattern, row, i);
		at += length;
		CHECK(ends[at], "pattern %d, '%s': cut at %zu", (int)pattern, row, at);
		if (length == 0)
			return;
	}
}

/* The words of any bytes cover them completely. */
static void check_random(void)
{
	static const char *const parts[] = {
	        " ", "  ", "\n",       "\r\n", "\t",           "'s",           "'",        "a",           "Z",
	        "9", ".",  "\xc3\xa9", "\xff", "\xe2\x80\xa8", "\xe3\x80\x80", "\xcc\x81", "\xe2\x85\xa7"};
	char text[256];

	for (int round = 0; round < 20000; round++) {
		size_t n = 0;
		for (int i = 0; i < 20; i++) {
			const char *part = parts[test_random() % (sizeof parts / sizeof parts[0])];
			memcpy(text + n, part, strlen(part));
			n += strlen(part);
		}
		for (size_t at = 0; at < n;) {
			size_t length = tern_pretoken_length((enum pretoken_pattern)(round % 4), text + at, n - at);
			CHECK(length > 0 && length <= n - at, "length %zu of %zu", length, n - at);
			at += length ? length : n;
		}
	}
}

static void check_names(void)
{
	static const char *const known[] = {"llama-bpe",        "llama3", "llama-v3", "falcon3",   "falcon_e", "qwen2",
	                                    "deepseek-r1-qwen", "gpt-2",  "olmo",     "smaug-bpe", "qwen35"};
	static const char *const unknown[] = {"", "default", "qwen36", "llama-bpe ", "LLAMA3", "tekken"};
	static const char llama3[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
	                             " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
	static const char qwen2[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
	                            " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
	static const char qwen35[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}|"
	                             " ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
	static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
	const struct {
		const char *regex, *name;
		bool ignore_merges, nfc;
	} rows[] = {
	        {llama3, "llama-bpe", true, false}, {llama3, "smaug-bpe", false, false}, {qwen2, "qwen2", false, true},
	        {qwen2, "megrez", false, false},    {gpt2, "gpt-2", false, false},       {gpt2, "olmo", false, true},
	        {qwen35, "qwen35", false, false},   {qwen35, NULL, false, true},         {llama3, NULL, false, true},
	        {qwen2, NULL, true, true},          {"\\p{L}+", NULL, false, false},     {"", NULL, false, false},
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		CHECK(tern_pretokenizer_find(known[i], 0), "%s", known[i]);
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
		CHECK(!tern_pretokenizer_find(unknown[i], 0), "%s", unknown[i]);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *name = tern_pretokenizer_for_regex(rows[i].regex, strlen(rows[i].regex),
		                                               rows[i].ignore_merges, rows[i].nfc);
		CHECK(rows[i].name ? name && !strcmp(name, rows[i].name) : !name, "row %zu: %s", i,
		      name ? name : "none");
		if (!name)
			continue;
		const struct tern_pretokenizer *found = tern_pretokenizer_find(name, 0);
		CHECK(found && found->ignore_merges == rows[i].ignore_merges && found->nfc == rows[i].nfc, "%s", name);
	}
	CHECK(!tern_pretokenizer_find("default", 32000), "default");
	CHECK(tern_pretokenizer_find("default", 50304) == tern_pretokenizer_find("olmo", 0), "default of GPT-NeoX");
	CHECK(!tern_pretokenizer_for_regex(gpt2, sizeof gpt2 - 2, false, false), "a regex cut short");
	CHECK(!strcmp(tern_pretokenizer_for_byte_level(false, false), "gpt-2"), "ByteLevel");
	CHECK(!strcmp(tern_pretokenizer_for_byte_level(false, true), "olmo"), "ByteLevel after NFC");
	CHECK(!tern_pretokenizer_for_byte_level(true, false), "ByteLevel with ignore_merges");
}

int main(void)
{
	for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
		const struct cut *cut = &cuts[i];
		check_cut(PRETOKEN_LLAMA3, cut->llama3);
		check_cut(PRETOKEN_QWEN2, cut->qwen2 ? cut->qwen2 : cut->llama3);
		check_cut(PRETOKEN_QWEN35, cut->qwen2 ? cut->qwen2 : cut->llama3);
		check_cut(PRETOKEN_GPT2, cut->gpt2 ? cut->gpt2 : cut->llama3);
	}
	for (size_t i = 0; i < sizeof mark_cuts / sizeof mark_cuts[0]; i++) {
		check_cut(PRETOKEN_LLAMA3, mark_cuts[i].qwen2);
		check_cut(PRETOKEN_QWEN2, mark_cuts[i].qwen2);
		check_cut(PRETOKEN_GPT2, mark_cuts[i].gpt2);
		check_cut(PRETOKEN_QWEN35, mark_cuts[i].qwen35);
	}
	check_random();
	check_names();
	return test_summary();
}
