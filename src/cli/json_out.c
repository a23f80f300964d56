#include "cli/json_out.h"
#include "base/utf8.h"
#include "console/escape.h"
#include "console/format.h"
#include "console/output.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void begin_value(struct json *json)
{
	if (json->needs_comma && !json->after_key)
		output_printf(", ");
	json->needs_comma = true;
	json->after_key = false;
}

static void begin(struct json *json, const char *bracket)
{
	begin_value(json);
	output_write(bracket, 1);
	json->needs_comma = false;
}

static void end(struct json *json, const char *bracket)
{
	output_write(bracket, 1);
	json->needs_comma = true;
}

void json_begin_object(struct json *json) { begin(json, "{"); }
void json_end_object(struct json *json) { end(json, "}"); }
void json_begin_array(struct json *json) { begin(json, "["); }
void json_end_array(struct json *json) { end(json, "]"); }

/* One character. RFC 8259 wants quotes, backslashes and C0 controls escaped; the other characters that can harm a
 * terminal are escaped too, because JSON ends up there. */
static void put_character(uint32_t c, const char *bytes, size_t length)
{
	if (c == '"' || c == '\\')
		output_printf("\\%c", (char)c);
	else if (c == '\n')
		output_printf("\\n");
	else if (c == '\t')
		output_printf("\\t");
	else if (escape_is_harmful(c))
		output_printf("\\u%04" PRIx32, c);
	else
		output_write(bytes, length);
}

static void put_string(const char *bytes, size_t n_bytes)
{
	uint32_t c = 0;
	size_t length;

	output_write("\"", 1);
	for (size_t i = 0; i < n_bytes; i += length)
		if (tern_utf8_decode(bytes + i, n_bytes - i, &c, &length) == TERN_UTF8_CHARACTER)
			put_character(c, bytes + i, length);
		else
			output_printf("\xef\xbf\xbd");
	output_write("\"", 1);
}

void json_key_bytes(struct json *json, const char *bytes, size_t n_bytes)
{
	begin_value(json);
	put_string(bytes, n_bytes);
	output_printf(": ");
	json->after_key = true;
}

void json_key(struct json *json, const char *key) { json_key_bytes(json, key, strlen(key)); }

void json_bytes(struct json *json, const char *bytes, size_t n_bytes)
{
	begin_value(json);
	put_string(bytes, n_bytes);
}

void json_string(struct json *json, const char *string) { json_bytes(json, string, strlen(string)); }

void json_int(struct json *json, int64_t value)
{
	begin_value(json);
	output_printf("%" PRId64, value);
}

void json_uint(struct json *json, uint64_t value)
{
	begin_value(json);
	output_printf("%" PRIu64, value);
}

void json_real(struct json *json, double value, int n_digits)
{
	char text[FORMAT_SIZE];

	begin_value(json);
	if (isfinite(value))
		output_printf("%s", format_real(text, value, n_digits));
	else
		output_printf("null");
}

void json_bool(struct json *json, bool value)
{
	begin_value(json);
	output_printf(value ? "true" : "false");
}

void json_null(struct json *json)
{
	begin_value(json);
	output_printf("null");
}
