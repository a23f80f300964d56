/* Looking things up in a parsed GGUF file: keys and tensors by name, values by the expected type. */
#include "model/gguf.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/sort.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void tern_gguf_free(struct gguf *gguf)
{
	tern_free(gguf->pairs);
	tern_free(gguf->tensors);
	tern_free(gguf->pair_order);
	tern_free(gguf->tensor_order);
	memset(gguf, 0, sizeof *gguf);
}

static struct gguf_string key_at(const struct gguf *gguf, uint32_t i) { return gguf->pairs[i].key; }

static struct gguf_string name_at(const struct gguf *gguf, uint32_t i) { return gguf->tensors[i].name; }

/* Binary search for a name among n sorted by name; its index, or -1. */
static int64_t search(const struct gguf *gguf, const uint32_t *order, size_t n,
                      struct gguf_string (*string_at)(const struct gguf *gguf, uint32_t i), const char *wanted)
{
	size_t low = 0, high = n, length = strlen(wanted);

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct gguf_string string = string_at(gguf, order[mid]);
		int sign = tern_compare_bytes(wanted, length, string.bytes, string.length);
		if (sign == 0)
			return order[mid];
		if (sign < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return -1;
}

const struct gguf_pair *tern_gguf_find(const struct gguf *gguf, const char *key)
{
	int64_t i = search(gguf, gguf->pair_order, gguf->n_pairs, key_at, key);
	return i < 0 ? NULL : &gguf->pairs[i];
}

bool tern_gguf_string_is(struct gguf_string string, const char *text)
{
	return string.length == strlen(text) && memcmp(string.bytes, text, string.length) == 0;
}

bool tern_gguf_string_ends_in(struct gguf_string string, const char *ending)
{
	size_t length = strlen(ending);
	return string.length >= length && memcmp(string.bytes + string.length - length, ending, length) == 0;
}

const struct gguf_tensor *tern_gguf_find_tensor(const struct gguf *gguf, const char *name)
{
	int64_t i = search(gguf, gguf->tensor_order, gguf->n_tensors, name_at, name);
	return i < 0 ? NULL : &gguf->tensors[i];
}

enum tern_status tern_gguf_fail_key(const struct gguf *gguf, const char *key, struct tern_error *err,
                                    const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	return tern_fail(err, TERN_ERR_FILE, "%s: key '%s': %s", gguf->path, key, what);
}

static enum tern_status wrong_type(const struct gguf *gguf, const char *key, const struct gguf_pair *pair,
                                   const char *expected, struct tern_error *err)
{
	if (pair->type == GGUF_ARRAY)
		return tern_gguf_fail_key(gguf, key, err, "is an array of %s; expected %s",
		                          tern_gguf_value_type_name(pair->item_type), expected);
	return tern_gguf_fail_key(gguf, key, err, "is of type %s; expected %s", tern_gguf_value_type_name(pair->type),
	                          expected);
}

/* Finds a key; *found (may be NULL): whether it exists. */
static const struct gguf_pair *find(const struct gguf *gguf, const char *key, bool *found)
{
	const struct gguf_pair *pair = tern_gguf_find(gguf, key);

	if (found)
		*found = pair != NULL;
	return pair;
}

/* A value of any integer type; false for other types. *too_big: a u64 beyond int64. */
static bool load_integer(enum gguf_value_type type, const uint8_t *at, int64_t *value, bool *too_big)
{
	*too_big = false;
	switch (type) {
	case GGUF_U8:
		*value = *at;
		return true;
	case GGUF_I8:
		*value = (int8_t)*at;
		return true;
	case GGUF_U16:
		*value = tern_load_u16(at);
		return true;
	case GGUF_I16:
		*value = (int16_t)tern_load_u16(at);
		return true;
	case GGUF_U32:
		*value = tern_load_u32(at);
		return true;
	case GGUF_I32:
		*value = (int32_t)tern_load_u32(at);
		return true;
	case GGUF_U64:
		*too_big = tern_load_u64(at) > INT64_MAX;
		*value = (int64_t)tern_load_u64(at);
		return true;
	case GGUF_I64:
		*value = (int64_t)tern_load_u64(at);
		return true;
	default:
		return false;
	}
}

bool tern_gguf_array_integer(const struct gguf_pair *pair, uint64_t index, int64_t *value)
{
	const uint8_t *at = pair->value + index * tern_gguf_value_size(pair->item_type);
	bool too_big;

	return load_integer(pair->item_type, at, value, &too_big) && !too_big;
}

enum tern_status tern_gguf_get_u32(const struct gguf *gguf, const char *key, uint32_t *value, bool *found,
                                   struct tern_error *err)
{
	const struct gguf_pair *pair = find(gguf, key, found);
	int64_t integer;
	bool too_big;

	if (!pair)
		return TERN_OK;
	if (!load_integer(pair->type, pair->value, &integer, &too_big))
		return wrong_type(gguf, key, pair, "an integer", err);
	if (too_big)
		return tern_gguf_fail_key(gguf, key, err, "%llu is too large; expected 0 to 2^32-1",
		                          (unsigned long long)tern_load_u64(pair->value));
	if (integer < 0 || integer > UINT32_MAX)
		return tern_gguf_fail_key(gguf, key, err, "%lld is out of range; expected 0 to 2^32-1",
		                          (long long)integer);
	*value = (uint32_t)integer;
	return TERN_OK;
}

enum tern_status tern_gguf_get_f32(const struct gguf *gguf, const char *key, float *value, bool *found,
                                   struct tern_error *err)
{
	const struct gguf_pair *pair = find(gguf, key, found);

	if (!pair)
		return TERN_OK;
	if (pair->type == GGUF_F32) {
		*value = tern_load_f32(pair->value);
		return TERN_OK;
	}
	if (pair->type != GGUF_F64)
		return wrong_type(gguf, key, pair, "f32", err);
	double number;
	memcpy(&number, pair->value, sizeof number);
	if (isfinite(number) && fabs(number) > FLT_MAX)
		return tern_gguf_fail_key(gguf, key, err, "%g is out of the range of f32", number);
	*value = (float)number;
	return TERN_OK;
}

enum tern_status tern_gguf_get_bool(const struct gguf *gguf, const char *key, bool *value, bool *found,
                                    struct tern_error *err)
{
	const struct gguf_pair *pair = find(gguf, key, found);

	if (!pair)
		return TERN_OK;
	if (pair->type != GGUF_BOOL)
		return wrong_type(gguf, key, pair, "bool", err);
	*value = *pair->value != 0;
	return TERN_OK;
}

enum tern_status tern_gguf_get_string(const struct gguf *gguf, const char *key, struct gguf_string *value, bool *found,
                                      struct tern_error *err)
{
	const struct gguf_pair *pair = find(gguf, key, found);

	if (!pair)
		return TERN_OK;
	if (pair->type != GGUF_STRING)
		return wrong_type(gguf, key, pair, "string", err);
	const uint8_t *cursor = pair->value;
	*value = tern_gguf_next_string(&cursor);
	return TERN_OK;
}

enum tern_status tern_gguf_get_array(const struct gguf *gguf, const char *key, enum gguf_value_type item_type,
                                     const struct gguf_pair **pair, struct tern_error *err)
{
	char expected[32];

	*pair = tern_gguf_find(gguf, key);
	if (!*pair || ((*pair)->type == GGUF_ARRAY && (*pair)->item_type == item_type))
		return TERN_OK;
	snprintf(expected, sizeof expected, "an array of %s", tern_gguf_value_type_name(item_type));
	enum tern_status status = wrong_type(gguf, key, *pair, expected, err);
	*pair = NULL;
	return status;
}

struct gguf_string tern_gguf_next_string(const uint8_t **cursor)
{
	struct gguf_string string = {(const char *)*cursor + 8, (size_t)tern_load_u64(*cursor)};

	*cursor += 8 + string.length;
	return string;
}

uint64_t tern_gguf_value_bytes(const struct gguf_pair *pair)
{
	const uint8_t *cursor = pair->value;

	if (pair->item_type != GGUF_STRING)
		return pair->n_items * tern_gguf_value_size(pair->item_type);
	for (uint64_t i = 0; i < pair->n_items; i++)
		tern_gguf_next_string(&cursor);
	return (uint64_t)(cursor - pair->value);
}
