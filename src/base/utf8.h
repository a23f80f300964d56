/* Strict UTF-8: overlong forms, surrogates and values past U+10FFFF are not characters. */
#ifndef TERN_BASE_UTF8_H
#define TERN_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum tern_utf8 {
	TERN_UTF8_CHARACTER,  /* a whole character */
	TERN_UTF8_INCOMPLETE, /* the beginning of one, cut by the end of the text */
	TERN_UTF8_INVALID,    /* not the beginning of a character */
};

/* Decodes the first character of n_bytes (> 0) at text. *length is the number of bytes of the character, of the
 * incomplete one, or of the invalid sequence (the Unicode standard's "maximal subpart", at least 1). *code_point is set
 * only for a whole character. */
enum tern_utf8 tern_utf8_decode(const char *text, size_t n_bytes, uint32_t *code_point, size_t *length);

/* Writes a code point as 1 to 4 bytes and returns how many. */
size_t tern_utf8_encode(uint32_t code_point, char out[4]);

/* The bytes of the longest beginning of a text that has at most `limit` bytes and ends with a whole character. */
size_t tern_utf8_cut(const char *text, size_t n_bytes, size_t limit);

#endif
