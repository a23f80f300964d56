#include "base/error.h"
#include "base/sizes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum tern_status tern_fail(struct tern_error *err, enum tern_status status, const char *format, ...)
{
	if (err) {
		va_list args;
		va_start(args, format);
		vsnprintf(err->message, sizeof err->message, format, args);
		va_end(args);
		for (char *at = err->message; *at; at++) /* one line, whatever a file's name has */
			*at = (unsigned char)*at < 0x20 || *at == 0x7f ? '?' : *at;
		err->status = status;
	}
	return status;
}

enum tern_status tern_fail_memory(struct tern_error *err, size_t n_bytes)
{
	return tern_fail(err, TERN_ERR_FAILED, "out of memory (%zu bytes)", n_bytes);
}

const char *tern_quote(char out[TERN_QUOTE_SIZE], const char *bytes, size_t n)
{
	size_t shown = tern_smaller(n, 64);
	char *to = out;

	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c >= 0x20 && c < 0x7f && c != '\\')
			*to++ = (char)c;
		else
			to += snprintf(to, 5, "\\x%02x", c);
	}
	strcpy(to, n > shown ? "..." : "");
	return out;
}

void tern_append_name(char *list, size_t size, const char *name)
{
	size_t n = strlen(list);

	snprintf(list + n, size - n, "%s%s", n ? ", " : "", name);
}
