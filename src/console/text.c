#include "console/text.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static bool make_room(struct text *text, size_t n_more)
{
	size_t n_needed;

	if (!text->failed && tern_add_size(text->n_bytes, n_more, &n_needed) && tern_add_size(n_needed, 1, &n_needed) &&
	    TERN_GROW(text->bytes, text->capacity, n_needed))
		return true;
	text->failed = true;
	return false;
}

void text_append(struct text *text, const char *bytes, size_t n_bytes)
{
	if (!make_room(text, n_bytes))
		return;
	if (n_bytes > 0)
		memcpy(text->bytes + text->n_bytes, bytes, n_bytes);
	text->n_bytes += n_bytes;
	text->bytes[text->n_bytes] = '\0';
}

void text_vprintf(struct text *text, const char *format, va_list args)
{
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (n < 0 || !make_room(text, (size_t)n))
		return;
	vsnprintf(text->bytes + text->n_bytes, (size_t)n + 1, format, args);
	text->n_bytes += (size_t)n;
}

void text_printf(struct text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_vprintf(text, format, args);
	va_end(args);
}

void text_free(struct text *text)
{
	tern_free(text->bytes);
	memset(text, 0, sizeof *text);
}
