/* Characters as a terminal shows them: how many columns one takes, and which code points are seen as one (Unicode
 * Standard Annex 29, extended grapheme clusters): a letter with its accents, a family of emoji, a flag.
 *
 * The width is that of single code points, added up: most terminals do the same for the parts of a cluster. */
#ifndef TERN_CONSOLE_GRAPHEME_H
#define TERN_CONSOLE_GRAPHEME_H

#include <stddef.h>
#include <stdint.h>

enum grapheme_class {
	GRAPHEME_OTHER,
	GRAPHEME_CR,
	GRAPHEME_LF,
	GRAPHEME_CONTROL,
	GRAPHEME_EXTEND,
	GRAPHEME_ZWJ,
	GRAPHEME_REGIONAL,
	GRAPHEME_PREPEND,
	GRAPHEME_SPACING_MARK,
	GRAPHEME_HANGUL_L,
	GRAPHEME_HANGUL_V,
	GRAPHEME_HANGUL_T,
	GRAPHEME_PICTOGRAPH,
	GRAPHEME_HANGUL_LV, /* in the table: any syllable; grapheme_class_of() tells the two apart */
	GRAPHEME_HANGUL_LVT,
};

/* The generated table: sorted entries `first code point << 6 | class << 2 | width`, each valid up to the next. */
extern const uint32_t grapheme_table[];
extern const size_t n_grapheme_table;

/* What stands for a byte that is no UTF-8. */
#define GRAPHEME_INVALID UINT32_MAX

/* Decodes the character at `bytes` (n_bytes > 0) and returns its length: 1 and GRAPHEME_INVALID for a byte that
 * belongs to none. */
size_t grapheme_decode(const char *bytes, size_t n_bytes, uint32_t *code_point);

/* Columns a printable character takes: 0, 1 or 2. Control characters and invalid bytes: 1. */
int grapheme_width(uint32_t code_point);
enum grapheme_class grapheme_class_of(uint32_t code_point);

/* The end of the cluster that begins at `at`, and the beginning of the one that ends there; n_bytes and 0 at the ends.
 * An invalid byte is a cluster. */
size_t grapheme_next(const char *bytes, size_t n_bytes, size_t at);
size_t grapheme_previous(const char *bytes, size_t at);

#endif
