#include "json/write.h"
#include "base/utf8.h"
#include "console/escape.h"
#include "console/format.h"
#include "console/output.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void put(struct json_writer *json, const char *bytes, size_t n_bytes)
{
	if (json->to)
		text_append(json->to, bytes, n_bytes);
	else
		output_write(bytes, n_bytes);
}

static void put_text(struct json_writer *json, const char *text) { put(json, text, strlen(text)); }

static void begin_value(struct json_writer *json)
{
	if (json->needs_comma && !json->after_key)
		put_text(json, ", ");
	json->needs_comma = true;
	json->after_key = false;
}

static void begin(struct json_writer *json, const char *bracket)
{
	begin_value(json);
	put_text(json, bracket);
	json->needs_comma = false;
}

static void end(struct json_writer *json, const char *bracket)
{
	put_text(json, bracket);
	json->needs_comma = true;
}

void json_write_begin_object(struct json_writer *json) { begin(json, "{"); }
void json_write_end_object(struct json_writer *json) { end(json, "}"); }
void json_write_begin_array(struct json_writer *json) { begin(json, "["); }
void json_write_end_array(struct json_writer *json) { end(json, "]"); }

/* RFC 8259 requires escapes for quotes, backslashes and C0 controls. Other characters that can harm a terminal are
 * escaped too, because JSON may be shown on one. */
static void put_character(struct json_writer *json, uint32_t c, const char *bytes, size_t length)
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

static void put_string(struct json_writer *json, const char *bytes, size_t n_bytes)
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

void json_write_key_bytes(struct json_writer *json, const char *bytes, size_t n_bytes)
{
	begin_value(json);
	put_string(json, bytes, n_bytes);
	put_text(json, ": ");
	json->after_key = true;
}

void json_write_key(struct json_writer *json, const char *key) { json_write_key_bytes(json, key, strlen(key)); }

void json_write_bytes(struct json_writer *json, const char *bytes, size_t n_bytes)
{
	begin_value(json);
	put_string(json, bytes, n_bytes);
}

void json_write_string(struct json_writer *json, const char *string) { json_write_bytes(json, string, strlen(string)); }

void json_write_int(struct json_writer *json, int64_t value)
{
	char text[24];

	begin_value(json);
	snprintf(text, sizeof text, "%" PRId64, value);
	put_text(json, text);
}

void json_write_uint(struct json_writer *json, uint64_t value)
{
	char text[24];

	begin_value(json);
	snprintf(text, sizeof text, "%" PRIu64, value);
	put_text(json, text);
}

void json_write_real(struct json_writer *json, double value, int n_digits)
{
	char text[FORMAT_SIZE];

	begin_value(json);
	put_text(json, isfinite(value) ? format_real(text, value, n_digits) : "null");
}

void json_write_bool(struct json_writer *json, bool value)
{
	begin_value(json);
	put_text(json, value ? "true" : "false");
}

void json_write_scalar(struct json_writer *json, const char *text, size_t n_bytes)
{
	begin_value(json);
	put(json, text, n_bytes);
}

void json_write_null(struct json_writer *json)
{
	begin_value(json);
	put_text(json, "null");
}

void json_put_string(struct json_writer *json, const char *key, const char *string)
{
	json_write_key(json, key);
	json_write_string(json, string);
}

void json_put_bytes(struct json_writer *json, const char *key, const char *bytes, size_t n_bytes)
{
	json_write_key(json, key);
	json_write_bytes(json, bytes, n_bytes);
}

void json_put_int(struct json_writer *json, const char *key, int64_t value)
{
	json_write_key(json, key);
	json_write_int(json, value);
}

void json_put_uint(struct json_writer *json, const char *key, uint64_t value)
{
	json_write_key(json, key);
	json_write_uint(json, value);
}

void json_put_real(struct json_writer *json, const char *key, double value, int n_digits)
{
	json_write_key(json, key);
	json_write_real(json, value, n_digits);
}

void json_put_bool(struct json_writer *json, const char *key, bool value)
{
	json_write_key(json, key);
	json_write_bool(json, value);
}
