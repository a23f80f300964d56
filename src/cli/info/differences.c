#include "cli/info/differences.h"

#include "base/bytes.h"
#include "cli/info/values.h"
#include "console/output.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- metadata ---- */

static void put_pair(const char *sign, const struct gguf_pair *pair)
{
	output_printf("%s %.*s ", sign, (int)pair->key.length, pair->key.bytes);
	info_put_value(pair);
	output_write("\n", 1);
}

static const struct gguf_pair *find_pair(const struct gguf *gguf, struct gguf_string key)
{
	char name[GGUF_MAX_KEY_LENGTH + 1];

	memcpy(name, key.bytes, key.length);
	name[key.length] = '\0';
	return tern_gguf_find(gguf, name);
}

static bool same_value(const struct gguf_pair *a, const struct gguf_pair *b)
{
	uint64_t n_bytes = tern_gguf_value_bytes(a);

	return a->type == b->type && (a->type != GGUF_ARRAY || a->item_type == b->item_type) &&
	       a->n_items == b->n_items && n_bytes == tern_gguf_value_bytes(b) &&
	       memcmp(a->value, b->value, (size_t)n_bytes) == 0;
}

static size_t diff_metadata(const struct gguf *first, const struct gguf *second)
{
	size_t n = 0;

	for (size_t i = 0; i < first->n_pairs; i++) {
		const struct gguf_pair *a = &first->pairs[i], *b = find_pair(second, a->key);
		if (b && same_value(a, b))
			continue;
		n++;
		put_pair(b ? "~" : "-", a);
		if (b)
			put_pair(" ", b);
	}
	for (size_t i = 0; i < second->n_pairs; i++)
		if (!find_pair(first, second->pairs[i].key)) {
			n++;
			put_pair("+", &second->pairs[i]);
		}
	return n;
}

/* ---- tensors ---- */

static void put_tensor(const char *sign, const struct gguf_tensor *tensor)
{
	output_printf("%s tensor '", sign);
	output_line_part(tensor->name.bytes, tensor->name.length);
	output_printf("' %s", tern_gguf_type_name(tensor->type));
	for (int d = 0; d < tensor->n_dims; d++)
		output_printf("%s%" PRIu64, d ? " x " : " ", tensor->dims[d]);
}

static const struct gguf_tensor *find_tensor(const struct gguf *gguf, struct gguf_string name)
{
	char spelled[GGUF_MAX_NAME_LENGTH + 1];

	if (memchr(name.bytes, '\0', name.length)) /* no name that anything looks for */
		return NULL;
	memcpy(spelled, name.bytes, name.length);
	spelled[name.length] = '\0';
	return tern_gguf_find_tensor(gguf, spelled);
}

static bool same_shape(const struct gguf_tensor *a, const struct gguf_tensor *b)
{
	return a->type == b->type && a->n_dims == b->n_dims && memcmp(a->dims, b->dims, sizeof a->dims) == 0;
}

static double float_at(const struct gguf_tensor *tensor, uint64_t i)
{
	if (tensor->type == GGUF_TENSOR_F32)
		return (double)tern_load_f32(tensor->data + 4 * i);
	uint16_t half = tern_load_u16(tensor->data + 2 * i);
	return (double)(tensor->type == GGUF_TENSOR_F16 ? tern_f32_from_f16(half) : tern_f32_from_bf16(half));
}

/* "3 of 256 values differ, by 0.0012 at most" for floats, "3 of 256 bytes differ, the first is byte 17" for others. */
static void put_data_difference(const struct gguf_tensor *a, const struct gguf_tensor *b)
{
	bool is_float = a->type == GGUF_TENSOR_F32 || a->type == GGUF_TENSOR_F16 || a->type == GGUF_TENSOR_BF16;
	unsigned size = !is_float ? 1 : a->type == GGUF_TENSOR_F32 ? 4 : 2;
	uint64_t n = a->n_bytes / size, n_differ = 0, first = 0;
	double largest = 0.0;

	for (uint64_t i = 0; i < n; i++) {
		if (memcmp(a->data + i * size, b->data + i * size, size) == 0)
			continue;
		first = n_differ++ ? first : i;
		if (is_float)
			largest = fmax(largest, fabs(float_at(a, i) - float_at(b, i)));
	}
	output_printf(": %" PRIu64 " of %" PRIu64 " %s differ, ", n_differ, n, is_float ? "values" : "bytes");
	if (is_float)
		output_printf("by %g at most\n", largest);
	else
		output_printf("the first is byte %" PRIu64 "\n", first);
}

static size_t diff_tensor(const struct gguf_tensor *a, const struct gguf_tensor *b)
{
	if (b && same_shape(a, b)) {
		if (a->n_bytes == 0 || memcmp(a->data, b->data, (size_t)a->n_bytes) == 0)
			return 0;
		put_tensor("~", a);
		put_data_difference(a, b);
		return 1;
	}
	put_tensor(b ? "~" : "-", a);
	output_write("\n", 1);
	if (b) {
		put_tensor(" ", b);
		output_write("\n", 1);
	}
	return 1;
}

static size_t diff_tensors(const struct gguf *first, const struct gguf *second)
{
	size_t n = 0;

	for (size_t i = 0; i < first->n_tensors; i++)
		n += diff_tensor(&first->tensors[i], find_tensor(second, first->tensors[i].name));
	for (size_t i = 0; i < second->n_tensors; i++)
		if (!find_tensor(first, second->tensors[i].name)) {
			n++;
			put_tensor("+", &second->tensors[i]);
			output_write("\n", 1);
		}
	return n;
}

size_t info_put_differences(const struct gguf *first, const struct gguf *second)
{
	size_t n = diff_metadata(first, second) + diff_tensors(first, second);

	if (n)
		output_printf("%zu difference%s\n", n, n == 1 ? "" : "s");
	else
		output_printf("no difference: %zu keys, %zu tensors\n", first->n_pairs, first->n_tensors);
	return n;
}
