#include "model/verify.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/sort.h"
#include "model/dequantize.h"
#include "model/gguf_extent.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* How a block stores ternary codes. */
enum codes {
	CODES_NONE,
	CODES_TWO_BIT, /* four 2-bit codes a byte; 3 is no ternary weight */
	CODES_BASE_3,  /* five base-3 digits a byte, stored as ceil(value * 256 / 243) */
};

/* Types made of blocks with half-precision scales. Layouts: ggml-common.h of llama.cpp, PrismML's forks. */
static const struct block_type {
	uint32_t type;
	int scales[2]; /* byte offsets of the scales; -1 = none */
	enum codes codes;
	size_t codes_at, n_codes; /* bytes */
} block_types[] = {
        {GGUF_TENSOR_Q4_0, {0, -1}, CODES_NONE, 0, 0},      {GGUF_TENSOR_Q4_1, {0, 2}, CODES_NONE, 0, 0},
        {GGUF_TENSOR_Q5_0, {0, -1}, CODES_NONE, 0, 0},      {GGUF_TENSOR_Q5_1, {0, 2}, CODES_NONE, 0, 0},
        {GGUF_TENSOR_Q8_0, {0, -1}, CODES_NONE, 0, 0},      {GGUF_TENSOR_Q4_K, {0, 2}, CODES_NONE, 0, 0},
        {GGUF_TENSOR_Q5_K, {0, 2}, CODES_NONE, 0, 0},       {GGUF_TENSOR_Q6_K, {208, -1}, CODES_NONE, 0, 0},
        {GGUF_TENSOR_TQ1_0, {52, -1}, CODES_BASE_3, 0, 52}, {GGUF_TENSOR_TQ2_0, {64, -1}, CODES_TWO_BIT, 0, 64},
        {GGUF_TENSOR_Q1_0, {0, -1}, CODES_NONE, 0, 0},      {GGUF_TENSOR_Q2_0, {0, -1}, CODES_TWO_BIT, 2, 16},
        {GGUF_TENSOR_PQ2_0, {0, -1}, CODES_TWO_BIT, 2, 32}, {GGUF_TENSOR_PTQ1_0, {26, -1}, CODES_BASE_3, 0, 26},
};

/* What is counted in one tensor. */
struct counts {
	uint64_t bad_codes, bad_scales, not_finite;
};

static uint64_t count_two_bit(const uint8_t *bytes, uint64_t n_bytes)
{
	uint64_t n = 0, i = 0;

	for (; i + 8 <= n_bytes; i += 8) {
		uint64_t word = tern_load_u64(bytes + i);
		n += (uint64_t)__builtin_popcountll(word & (word >> 1) & 0x5555555555555555u);
	}
	for (; i < n_bytes; i++)
		n += (uint64_t)__builtin_popcount(bytes[i] & (bytes[i] >> 1) & 0x55u);
	return n;
}

static bool is_base_3(uint8_t byte)
{
	/* Decoding a byte and encoding the result gives the byte back only if it is valid. */
	unsigned value = (unsigned)byte * 243 / 256;
	return (value * 256 + 242) / 243 == byte;
}

static void check_blocks(const struct block_type *type, const struct gguf_tensor *tensor, struct counts *counts)
{
	const uint8_t *block = tensor->data, *end = tensor->data + tensor->n_bytes;
	size_t n_bytes = tern_gguf_row_bytes(type->type, tern_gguf_type_block(type->type));

	for (; block < end; block += n_bytes) {
		for (int i = 0; i < 2 && type->scales[i] >= 0; i++)
			if (!isfinite(tern_f32_from_f16(tern_load_u16(block + type->scales[i]))))
				counts->bad_scales++;
		if (type->codes == CODES_TWO_BIT)
			counts->bad_codes += count_two_bit(block + type->codes_at, type->n_codes);
		for (size_t i = 0; type->codes == CODES_BASE_3 && i < type->n_codes; i++)
			counts->bad_codes += !is_base_3(block[type->codes_at + i]);
	}
}

/* F32, F16, BF16. The one scale of a matrix is above 0; of scales per row or group, those of zero weights are 0. */
static void check_floats(const struct gguf_tensor *tensor, struct counts *counts)
{
	size_t size = tensor->type == GGUF_TENSOR_F32 ? 4 : 2;
	uint64_t n = tensor->n_bytes / size;
	bool is_scale = tern_gguf_string_ends_in(tensor->name, ".scale");

	for (uint64_t i = 0; i < n; i++) {
		const uint8_t *at = tensor->data + i * size;
		float value;
		tern_dequantize_row(&value, tensor->type, at, 1);
		if (!isfinite(value))
			counts->not_finite++;
		else if (is_scale && (n == 1 ? value <= 0 : value < 0))
			counts->bad_scales++;
	}
}

static void check_i2_s(const struct gguf_tensor *tensor, struct counts *counts)
{
	/* The codes are followed by 32 bytes: the scale, and padding. */
	uint64_t n_codes = tensor->n_bytes - 32;
	float scale = tern_load_f32(tensor->data + n_codes);

	counts->bad_codes = count_two_bit(tensor->data, n_codes);
	counts->bad_scales = !(scale > 0) || !isfinite(scale);
}

static void check_tensor(const struct gguf_tensor *tensor, struct counts *counts)
{
	if (tern_is_float_type(tensor->type))
		check_floats(tensor, counts);
	else if (tensor->type == GGUF_TENSOR_T2R16)
		counts->bad_codes = count_two_bit(tensor->data, tensor->n_bytes);
	else if (tensor->type == GGUF_TENSOR_I2_S)
		check_i2_s(tensor, counts);
	for (size_t i = 0; i < sizeof block_types / sizeof *block_types; i++)
		if (block_types[i].type == tensor->type)
			check_blocks(&block_types[i], tensor, counts);
}

static bool add_fault(struct tern_verify_result *result, const struct gguf_tensor *tensor, const char *what,
                      uint64_t count)
{
	if (count == 0)
		return true;
	if (!TERN_GROW(result->faults, result->capacity, result->n_faults + 1))
		return false;
	result->faults[result->n_faults++] = (struct tern_verify_fault){tensor, what, count};
	return true;
}

/* Counts the bytes between and after the tensors that are not padding. */
static bool find_holes(const struct gguf *gguf, uint64_t file_size, struct tern_verify_result *result)
{
	uint32_t *order = tern_sort_indices(gguf->n_tensors, tern_gguf_compare_offsets, gguf->tensors);
	uint64_t end = 0;

	if (!order)
		return false;
	for (size_t i = 0; i < gguf->n_tensors; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[order[i]];
		if (i > 0 && tensor->offset > end)
			result->n_hole_bytes += tensor->offset - end;
		if (!tern_round_up_u64(tensor->offset + tensor->n_bytes, gguf->alignment, &end))
			end = UINT64_MAX;
	}
	if (gguf->n_tensors > 0 && file_size > end)
		result->n_trailing_bytes = file_size - end;
	tern_free(order);
	return true;
}

enum tern_status tern_verify_weights(const struct gguf *gguf, uint64_t file_size, struct tern_verify_result *result,
                                     bool (*progress)(void *user, uint64_t n_done, uint64_t n_total), void *user,
                                     struct tern_error *err)
{
	uint64_t n_total = 0, n_done = 0;
	bool good;

	memset(result, 0, sizeof *result);
	good = find_holes(gguf, file_size, result);
	for (size_t i = 0; i < gguf->n_tensors; i++)
		n_total += gguf->tensors[i].n_bytes;
	for (size_t i = 0; i < gguf->n_tensors && good; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[i];
		struct counts counts = {0};
		check_tensor(tensor, &counts);
		good = add_fault(result, tensor, "invalid ternary codes", counts.bad_codes) &&
		       add_fault(result, tensor, "scales not finite or not positive", counts.bad_scales) &&
		       add_fault(result, tensor, "NaN or infinite values", counts.not_finite);
		n_done += tensor->n_bytes;
		if (progress && !progress(user, n_done, n_total))
			return tern_fail(err, TERN_ERR_FAILED, "interrupted");
	}
	return good ? TERN_OK : tern_fail(err, TERN_ERR_FAILED, "out of memory");
}

void tern_verify_free(struct tern_verify_result *result)
{
	tern_free(result->faults);
	memset(result, 0, sizeof *result);
}
