/* The character classes of the pre-tokenizers' regular expressions, and the data for normal form C. unicode_tables.c
 * names its version of Unicode. */
#ifndef TERN_TEXT_UNICODE_H
#define TERN_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unicode_class {
	UNICODE_OTHER,
	UNICODE_LETTER, /* \p{L} */
	UNICODE_NUMBER, /* \p{N} */
	UNICODE_SPACE,  /* \s: the property White_Space */
	UNICODE_MARK,   /* \p{M} */
};

/* A character and its canonical decomposition; second is 0 if it is one character. */
struct unicode_pair {
	uint32_t composed, first, second;
};

/* The generated tables. Entries of tern_unicode_classes and _normal are `first << 9 | value`, sorted, and valid up to
 * the next entry. Hangul syllables are not in _decompositions and _compositions; unicode.c computes them. */
extern const unsigned char tern_unicode_ascii[128];
extern const uint32_t tern_unicode_classes[], tern_unicode_normal[];
extern const struct unicode_pair tern_unicode_decompositions[], tern_unicode_compositions[];
extern const size_t tern_n_unicode_classes, tern_n_unicode_normal;
extern const size_t tern_n_unicode_decompositions, tern_n_unicode_compositions;

/* Unassigned code points and values past U+10FFFF are UNICODE_OTHER. */
enum unicode_class tern_unicode_class_of_other(uint32_t code_point);

static inline enum unicode_class tern_unicode_class(uint32_t code_point)
{
	if (code_point < 128)
		return (enum unicode_class)tern_unicode_ascii[code_point];
	return tern_unicode_class_of_other(code_point);
}

/* The canonical combining class, by which marks on one letter are sorted; 0 for everything else. */
unsigned tern_unicode_combining_class(uint32_t code_point);

/* True if normalization does not change this character, nor joins or swaps it with the one before. */
bool tern_unicode_is_boundary(uint32_t code_point);

/* One step of canonical decomposition. False if there is none. */
bool tern_unicode_decompose(uint32_t code_point, uint32_t *first, uint32_t *second);

/* The character that first and second compose, or 0. */
uint32_t tern_unicode_compose(uint32_t first, uint32_t second);

#endif
