#include "console/escape.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

bool escape_is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* The short form of a character that would break a line or hide an escape, or NULL. */
static const char *short_form(uint32_t c)
{
	switch (c) {
	case '\n':
		return "\\n";
	case '\t':
		return "\\t";
	case '\r':
		return "\\r";
	case '\\':
		return "\\\\";
	default:
		return NULL;
	}
}

size_t escape_character(char out[ESCAPE_SIZE], const char *bytes, size_t n_bytes, enum escape how, size_t *n_taken)
{
	uint32_t c = 0;
	const char *form;

	if (tern_utf8_decode(bytes, n_bytes, &c, n_taken) != TERN_UTF8_CHARACTER) {
		*n_taken = 1;
		return (size_t)snprintf(out, ESCAPE_SIZE, "\\x%02x", (unsigned char)bytes[0]);
	}
	form = how == ESCAPE_LINE ? short_form(c) : NULL;
	if (form)
		return (size_t)snprintf(out, ESCAPE_SIZE, "%s", form);
	if (escape_is_harmful(c) && !(how == ESCAPE_TERMINAL && (c == '\n' || c == '\t')))
		return (size_t)snprintf(out, ESCAPE_SIZE, c < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)c);
	memcpy(out, bytes, *n_taken);
	return *n_taken;
}

void escape_append(struct text *out, const char *bytes, size_t n_bytes, enum escape how)
{
	char shown[ESCAPE_SIZE];
	size_t n_taken;

	for (size_t i = 0; i < n_bytes; i += n_taken) {
		size_t length = escape_character(shown, bytes + i, n_bytes - i, how, &n_taken);
		text_append(out, shown, length);
	}
}
