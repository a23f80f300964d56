#include "cli/info/values.h"
#include "base/bytes.h"
#include "console/format.h"
#include "console/output.h"

#include <inttypes.h>
#include <string.h>

enum {
	MAX_SHOWN = 60
}; /* bytes of a string in a table */

/* A value read from the file, widened. */
struct number {
	enum {
		NUMBER_INT,
		NUMBER_UINT,
		NUMBER_REAL,
		NUMBER_BOOL
	} kind;
	union {
		int64_t i;
		uint64_t u;
		double d;
		bool b;
	} as;
	int n_digits; /* of a real, enough to tell it from its neighbours */
};

static struct number make_int(int64_t value) { return (struct number){NUMBER_INT, {.i = value}, 0}; }
static struct number make_uint(uint64_t value) { return (struct number){NUMBER_UINT, {.u = value}, 0}; }

static struct number read_number(enum gguf_value_type type, const uint8_t *at)
{
	uint64_t bits;
	struct number real = {NUMBER_REAL, {.d = 0}, 17};

	switch (type) {
	case GGUF_U8:
		return make_uint(*at);
	case GGUF_I8:
		return make_int((int8_t)*at);
	case GGUF_U16:
		return make_uint(tern_load_u16(at));
	case GGUF_I16:
		return make_int((int16_t)tern_load_u16(at));
	case GGUF_U32:
		return make_uint(tern_load_u32(at));
	case GGUF_I32:
		return make_int((int32_t)tern_load_u32(at));
	case GGUF_U64:
		return make_uint(tern_load_u64(at));
	case GGUF_I64:
		return make_int((int64_t)tern_load_u64(at));
	case GGUF_BOOL:
		return (struct number){NUMBER_BOOL, {.b = *at != 0}, 0};
	case GGUF_F32:
		return (struct number){NUMBER_REAL, {.d = (double)tern_load_f32(at)}, 9};
	default:
		bits = tern_load_u64(at);
		memcpy(&real.as.d, &bits, sizeof bits);
		return real;
	}
}

static void print_number(struct number number)
{
	char text[FORMAT_SIZE];

	if (number.kind == NUMBER_INT)
		output_printf("%" PRId64, number.as.i);
	else if (number.kind == NUMBER_UINT)
		output_printf("%" PRIu64, number.as.u);
	else if (number.kind == NUMBER_BOOL)
		output_printf(number.as.b ? "true" : "false");
	else
		output_printf("%s", format_real(text, number.as.d, number.n_digits));
}

static void json_number(struct json_writer *json, struct number number)
{
	if (number.kind == NUMBER_INT)
		json_write_int(json, number.as.i);
	else if (number.kind == NUMBER_UINT)
		json_write_uint(json, number.as.u);
	else if (number.kind == NUMBER_BOOL)
		json_write_bool(json, number.as.b);
	else
		json_write_real(json, number.as.d, number.n_digits);
}

void info_put_value(const struct gguf_pair *pair)
{
	const uint8_t *cursor = pair->value;

	if (pair->type == GGUF_ARRAY) {
		output_printf("%" PRIu64 " x %s", pair->n_items, tern_gguf_value_type_name(pair->item_type));
	} else if (pair->type == GGUF_STRING) {
		struct gguf_string string = tern_gguf_next_string(&cursor);
		output_line_part(string.bytes, string.length < MAX_SHOWN ? string.length : MAX_SHOWN);
		if (string.length > MAX_SHOWN)
			output_printf("... (%zu bytes)", string.length);
	} else {
		print_number(read_number(pair->type, pair->value));
	}
}

void info_put_bare_value(const struct gguf_pair *pair)
{
	enum gguf_value_type type = pair->type == GGUF_ARRAY ? pair->item_type : pair->type;
	const uint8_t *cursor = pair->value;

	for (uint64_t i = 0; i < pair->n_items; i++) {
		if (type == GGUF_STRING) {
			struct gguf_string string = tern_gguf_next_string(&cursor);
			output_text(string.bytes, string.length);
		} else {
			print_number(read_number(type, cursor));
			cursor += tern_gguf_value_size(type);
		}
		output_write("\n", 1);
	}
}

static void json_items(struct json_writer *json, const struct gguf_pair *pair, enum gguf_value_type type)
{
	const uint8_t *cursor = pair->value;

	for (uint64_t i = 0; i < pair->n_items; i++)
		if (type == GGUF_STRING) {
			struct gguf_string string = tern_gguf_next_string(&cursor);
			json_write_bytes(json, string.bytes, string.length);
		} else {
			json_number(json, read_number(type, cursor));
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
		json_write_key(json, "type");
		json_write_string(json, tern_gguf_value_type_name(pair->item_type));
		json_write_key(json, "count");
		json_write_uint(json, pair->n_items);
		json_write_end_object(json);
	}
}
