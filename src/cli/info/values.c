#include "cli/info/values.h"
#include "base/bytes.h"
#include "base/sizes.h"
#include "console/format.h"
#include "console/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	MAX_SHOWN = 60 /* bytes of a string in a table */
};

/* An item as text that JSON takes, but for "nan", "inf" and "-inf". */
static const char *spell(char out[FORMAT_SIZE], enum gguf_value_type type, const uint8_t *at)
{
	unsigned n_bytes = tern_gguf_value_size(type), n_unused = 64 - 8 * n_bytes;
	uint64_t bits = 0;
	double real;

	memcpy(&bits, at, n_bytes);
	switch (type) {
	case GGUF_BOOL:
		return strcpy(out, bits ? "true" : "false");
	case GGUF_F32:
		return format_real(out, (double)tern_load_f32(at), 9);
	case GGUF_F64:
		memcpy(&real, at, sizeof real);
		return format_real(out, real, 17);
	case GGUF_I8:
	case GGUF_I16:
	case GGUF_I32:
	case GGUF_I64:
		snprintf(out, FORMAT_SIZE, "%" PRId64, (int64_t)(bits << n_unused) >> n_unused);
		return out;
	default:
		snprintf(out, FORMAT_SIZE, "%" PRIu64, bits);
		return out;
	}
}

void info_put_value(const struct gguf_pair *pair)
{
	const uint8_t *cursor = pair->value;
	char number[FORMAT_SIZE];

	if (pair->type == GGUF_ARRAY) {
		output_printf("%" PRIu64 " x %s", pair->n_items, tern_gguf_value_type_name(pair->item_type));
	} else if (pair->type == GGUF_STRING) {
		struct gguf_string string = tern_gguf_next_string(&cursor);
		output_line_part(string.bytes, tern_smaller(string.length, MAX_SHOWN));
		if (string.length > MAX_SHOWN)
			output_printf("... (%zu bytes)", string.length);
	} else {
		output_printf("%s", spell(number, pair->type, pair->value));
	}
}

void info_put_bare_value(const struct gguf_pair *pair)
{
	enum gguf_value_type type = pair->type == GGUF_ARRAY ? pair->item_type : pair->type;
	const uint8_t *cursor = pair->value;
	char number[FORMAT_SIZE];

	for (uint64_t i = 0; i < pair->n_items; i++) {
		if (type == GGUF_STRING) {
			struct gguf_string string = tern_gguf_next_string(&cursor);
			output_text(string.bytes, string.length);
		} else {
			output_printf("%s", spell(number, type, cursor));
			cursor += tern_gguf_value_size(type);
		}
		output_write("\n", 1);
	}
}

static void json_items(struct json_writer *json, const struct gguf_pair *pair, enum gguf_value_type type)
{
	const uint8_t *cursor = pair->value;
	char number[FORMAT_SIZE];

	for (uint64_t i = 0; i < pair->n_items; i++) {
		if (type == GGUF_STRING) {
			struct gguf_string string = tern_gguf_next_string(&cursor);
			json_write_bytes(json, string.bytes, string.length);
			continue;
		}
		spell(number, type, cursor);
		if (strstr(number, "nan") || strstr(number, "inf"))
			json_write_null(json);
		else
			json_write_scalar(json, number, strlen(number));
		cursor += tern_gguf_value_size(type);
	}
}

void info_json_value(struct json_writer *json, const struct gguf_pair *pair, uint64_t max_items)
{
	if (pair->type != GGUF_ARRAY) {
		json_items(json, pair, pair->type);
	} else if (pair->n_items <= max_items) {
		json_write_begin_array(json);
		json_items(json, pair, pair->item_type);
		json_write_end_array(json);
	} else {
		json_write_begin_object(json);
		json_put_string(json, "type", tern_gguf_value_type_name(pair->item_type));
		json_put_uint(json, "count", pair->n_items);
		json_write_end_object(json);
	}
}
