#include "cli/json_out.h"
#include "base/utf8.h"
#include "console/escape.h"
#include "console/format.h"
#include "console/output.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void put(struct json *json, const char *bytes, size_t n_bytes)
{
	if (json->to)
		text_append(json->to, bytes, n_bytes);
	else
		output_write(bytes, n_bytes);
}

static void put_text(struct json *json, const char *text) { put(json, text, strlen(text)); }

static void begin_value(struct json *json)
{
	if (json->needs_comma && !json->after_key)
		put_text(json, ", ");
	json->needs_comma = true;
	json->after_key = false;
}

static void begin(struct json *json, const char *bracket)
{
	begin_value(json);
	put_text(json, bracket);
	json->needs_comma = false;
}

static void end(struct json *json, const char *bracket)
{
	put_text(json, bracket);
	json->needs_comma = true;
}

void json_begin_object(struct json *json) { begin(json, "{"); }
void json_end_object(struct json *json) { end(json, "}"); }
void json_begin_array(struct json *json) { begin(json, "["); }
void json_end_array(struct json *json) { end(json, "]"); }

/* One character. RFC 8259 wants quotes, backslashes and C0 controls escaped; the other characters that can harm a
 * terminal are escaped too, because JSON ends up there. */
static void put_character(struct json *json, uint32_t c, const char *bytes, size_t length)
{
	char escaped[8];

	if (c == '"' || c == '\\')
		snprintf(escaped, sizeof escaped, "\\%c", (char)c);
	else if (c == '\n')
		strcpy(escaped, "\\n");
	else if (c == '\t')
		strcpy(escaped, "\\t");
	else if (escape_is_harmful(c))
		snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)(c & 0xffff));
	else {
		put(json, bytes, length);
		return;
	}
	put_text(json, escaped);
}

static void put_string(struct json *json, const char *bytes, size_t n_bytes)
{
	uint32_t c = 0;
	size_t length;

	put_text(json, "\"");
	for (size_t i = 0; i < n_bytes; i += length)
		if (tern_utf8_decode(bytes + i, n_bytes - i, &c, &length) == TERN_UTF8_CHARACTER)
			put_character(json, c, bytes + i, length);
		else
			put_text(json, "\xef\xbf\xbd");
	put_text(json, "\"");
}

void json_key_bytes(struct json *json, const char *bytes, size_t n_bytes)
{
	begin_value(json);
	put_string(json, bytes, n_bytes);
	put_text(json, ": ");
	json->after_key = true;
}

void json_key(struct json *json, const char *key) { json_key_bytes(json, key, strlen(key)); }

void json_bytes(struct json *json, const char *bytes, size_t n_bytes)
{
	begin_value(json);
	put_string(json, bytes, n_bytes);
}

void json_string(struct json *json, const char *string) { json_bytes(json, string, strlen(string)); }

void json_int(struct json *json, int64_t value)
{
	char text[24];

	begin_value(json);
	snprintf(text, sizeof text, "%" PRId64, value);
	put_text(json, text);
}

void json_uint(struct json *json, uint64_t value)
{
	char text[24];

	begin_value(json);
	snprintf(text, sizeof text, "%" PRIu64, value);
	put_text(json, text);
}

void json_real(struct json *json, double value, int n_digits)
{
	char text[FORMAT_SIZE];

	begin_value(json);
	put_text(json, isfinite(value) ? format_real(text, value, n_digits) : "null");
}

void json_bool(struct json *json, bool value)
{
	begin_value(json);
	put_text(json, value ? "true" : "false");
}

void json_null(struct json *json)
{
	begin_value(json);
	put_text(json, "null");
}
