/* A growing piece of text. Appending never fails on the spot: when memory runs out the text remembers it in
 * `failed` and ignores what follows, so that a caller checks once at the end. */
#ifndef TERN_CONSOLE_TEXT_H
#define TERN_CONSOLE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct text {
	char *bytes; /* NUL-terminated, or NULL while nothing was appended */
	size_t n_bytes, capacity;
	bool failed;
};

void text_append(struct text *text, const char *bytes, size_t n_bytes);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* Frees the bytes; the text is empty again. */
void text_free(struct text *text);

#endif
