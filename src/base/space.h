/* White space in what people type and in files of lines: JSON's. */
#ifndef TERN_BASE_SPACE_H
#define TERN_BASE_SPACE_H

#include <stdbool.h>
#include <stddef.h>

static inline bool tern_is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Whether there is nothing but white space. */
static inline bool tern_is_blank(const char *bytes, size_t n_bytes)
{
	while (n_bytes > 0 && tern_is_space(bytes[n_bytes - 1]))
		n_bytes--;
	return n_bytes == 0;
}

#endif
