/* UTF-8, strictly: overlong forms, surrogates and values past U+10FFFF are not characters. */
#ifndef TERN_BASE_UTF8_H
#define TERN_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* What the bytes at `text` begin with. */
enum tern_utf8 {
	TERN_UTF8_CHARACTER,  /* a whole character */
	TERN_UTF8_INCOMPLETE, /* the beginning of one, cut by the end of the text */
	TERN_UTF8_INVALID,    /* nothing that could become one */
};

/* Decodes the first character of n_bytes (> 0) at text. *length is the bytes it takes: of the character, of the
 * incomplete rest, or of the longest invalid beginning (the Unicode standard's "maximal subpart", at least 1).
 * *code_point is set for a whole character only. */
enum tern_utf8 tern_utf8_decode(const char *text, size_t n_bytes, uint32_t *code_point, size_t *length);

/* Writes a code point as 1 to 4 bytes, returns how many. */
size_t tern_utf8_encode(uint32_t code_point, char out[4]);

/* The beginning of a text that has `limit` bytes at most and cuts no character: how many bytes that is. */
size_t tern_utf8_cut(const char *text, size_t n_bytes, size_t limit);

#endif
