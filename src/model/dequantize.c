#include "model/dequantize.h"

#include "base/bytes.h"
#include "model/gguf.h"
#include "model/ternary_blocks.h"

enum {
	LARGEST_BLOCK = 256
};

static float half_at(const uint8_t *at) { return tern_f32_from_f16(tern_load_u16(at)); }

/* ---- blocks of 32: d [min] [fifth bits] codes ---- */

static void dequantize_q8_0(float *out, const uint8_t *block)
{
	float d = half_at(block);

	for (size_t i = 0; i < 32; i++)
		out[i] = d * (float)(int8_t)block[2 + i];
}

/* Low nibbles are the first 16 values, high nibbles the last 16. */
static int nibble(const uint8_t *codes, size_t i) { return i < 16 ? codes[i] & 15 : codes[i - 16] >> 4; }

static void dequantize_q4_0(float *out, const uint8_t *block)
{
	float d = half_at(block);

	for (size_t i = 0; i < 32; i++)
		out[i] = d * (float)(nibble(block + 2, i) - 8);
}

static void dequantize_q4_1(float *out, const uint8_t *block)
{
	float d = half_at(block), min = half_at(block + 2);

	for (size_t i = 0; i < 32; i++)
		out[i] = d * (float)nibble(block + 4, i) + min;
}

/* Bit i of a 32-bit number is the fifth bit of value i. */
static int five_bits(const uint8_t *fifth_bits, const uint8_t *codes, size_t i)
{
	return nibble(codes, i) | (int)(tern_load_u32(fifth_bits) >> i & 1) << 4;
}

static void dequantize_q5_0(float *out, const uint8_t *block)
{
	float d = half_at(block);

	for (size_t i = 0; i < 32; i++)
		out[i] = d * (float)(five_bits(block + 2, block + 6, i) - 16);
}

static void dequantize_q5_1(float *out, const uint8_t *block)
{
	float d = half_at(block), min = half_at(block + 2);

	for (size_t i = 0; i < 32; i++)
		out[i] = d * (float)five_bits(block + 4, block + 8, i) + min;
}

/* ---- K-quants: blocks of 256 ---- */

/* The 6-bit scale and minimum of part j of 8: twelve bytes hold the low six bits of parts 0..3 of both, then the low
 * nibbles of parts 4..7, whose upper two bits are the upper two of the first eight bytes. */
static void scale_and_min(const uint8_t s[12], size_t j, int *scale, int *min)
{
	if (j < 4) {
		*scale = s[j] & 63;
		*min = s[j + 4] & 63;
	} else {
		*scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
		*min = s[j + 4] >> 4 | (s[j] >> 6) << 4;
	}
}

/* Part j of 32 values: the low (even j) or high (odd j) nibbles of 32 bytes. fifth_bits: NULL, or 32 bytes whose bit j
 * belongs to part j. */
static void dequantize_k_part(float *out, const uint8_t *block, const uint8_t *codes, const uint8_t *fifth_bits,
                              size_t j)
{
	int scale, min;

	scale_and_min(block + 4, j, &scale, &min);
	float d = half_at(block) * (float)scale, minimum = half_at(block + 2) * (float)min;
	for (size_t i = 0; i < 32; i++) {
		int code = codes[j / 2 * 32 + i] >> (j % 2 * 4) & 15;
		if (fifth_bits)
			code |= (fifth_bits[i] >> j & 1) << 4;
		out[32 * j + i] = d * (float)code - minimum;
	}
}

static void dequantize_q4_k(float *out, const uint8_t *block)
{
	for (size_t j = 0; j < 8; j++)
		dequantize_k_part(out, block, block + 16, NULL, j);
}

static void dequantize_q5_k(float *out, const uint8_t *block)
{
	for (size_t j = 0; j < 8; j++)
		dequantize_k_part(out, block, block + 48, block + 16, j);
}

/* Two halves of 128 values in four parts of 32: nibbles from ql (64 bytes a half), two more bits from qh (32 bytes),
 * a scale for each 16 values. */
static void dequantize_q6_k(float *out, const uint8_t *block)
{
	float d = half_at(block + 208);

	for (size_t half = 0; half < 2; half++)
		for (size_t part = 0; part < 4; part++) {
			const uint8_t *low = block + 64 * half + 32 * (part % 2), *high = block + 128 + 32 * half;
			const uint8_t *scales = block + 192 + 8 * half + 2 * part;
			for (size_t i = 0; i < 32; i++) {
				int code = (low[i] >> (part / 2 * 4) & 15) | (high[i] >> (2 * part) & 3) << 4;
				*out++ = d * (float)(int8_t)scales[i / 16] * (float)(code - 32);
			}
		}
}

static const struct stock_type {
	uint32_t type;
	void (*dequantize)(float *out, const uint8_t *block);
} stock_types[] = {
        {GGUF_TENSOR_Q4_0, dequantize_q4_0}, {GGUF_TENSOR_Q4_1, dequantize_q4_1}, {GGUF_TENSOR_Q5_0, dequantize_q5_0},
        {GGUF_TENSOR_Q5_1, dequantize_q5_1}, {GGUF_TENSOR_Q8_0, dequantize_q8_0}, {GGUF_TENSOR_Q4_K, dequantize_q4_k},
        {GGUF_TENSOR_Q5_K, dequantize_q5_k}, {GGUF_TENSOR_Q6_K, dequantize_q6_k},
};

static const struct stock_type *find_type(uint32_t type)
{
	for (size_t i = 0; i < sizeof stock_types / sizeof *stock_types; i++)
		if (stock_types[i].type == type)
			return &stock_types[i];
	return NULL;
}

bool tern_is_float_type(uint32_t type)
{
	return type == GGUF_TENSOR_F32 || type == GGUF_TENSOR_F16 || type == GGUF_TENSOR_BF16;
}

bool tern_can_dequantize(uint32_t type)
{
	return tern_is_float_type(type) || find_type(type) || tern_ternary_block(type);
}

static void dequantize_floats(float *out, uint32_t type, const uint8_t *row, size_t n)
{
	if (type == GGUF_TENSOR_F32)
		memcpy(out, row, n * sizeof *out);
	else if (type == GGUF_TENSOR_F16)
		for (size_t i = 0; i < n; i++)
			out[i] = half_at(row + 2 * i);
	else
		for (size_t i = 0; i < n; i++)
			out[i] = tern_f32_from_bf16(tern_load_u16(row + 2 * i));
}

static void dequantize_ternary(float *out, uint32_t type, const uint8_t *block, size_t n_weight)
{
	uint8_t codes[LARGEST_BLOCK];
	uint16_t scale;

	tern_ternary_unpack_row(codes, &scale, type, block, n_weight); /* a row of one block */
	float d = tern_f32_from_f16(scale);
	for (size_t i = 0; i < n_weight; i++)
		out[i] = d * (float)(codes[i] - 1);
}

void tern_dequantize_row(float *out, uint32_t type, const uint8_t *row, size_t n_col)
{
	const struct stock_type *stock = find_type(type);
	size_t block = (size_t)tern_gguf_type_block(type), block_bytes = tern_gguf_row_bytes(type, block);

	if (tern_is_float_type(type)) {
		dequantize_floats(out, type, row, n_col);
		return;
	}
	for (size_t c = 0; c < n_col; c += block, row += block_bytes)
		if (stock)
			stock->dequantize(out + c, row);
		else
			dequantize_ternary(out + c, type, row, block);
}
