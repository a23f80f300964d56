/* The kernels for AArch64 with the int8 matrix multiplication and dot product instructions (ARMv8.6; Apple from the M2,
 * Neoverse V1 and N2, Cortex from 2021). One token: sdot.h, since a matrix product of one token would waste half of
 * itself. Several: smmla multiplies codes, 2 rows x 8 columns, by the activations of 2 tokens:
 *
 *     sums:   row 0 token 0 | row 0 token 1 | row 1 token 0 | row 1 token 1
 *
 * A stretch is unpacked not to quads but to the same bytes as 8 pairs of rows x 8 columns, two quads' worth at a time.
 * The tokens' activations are laid out in pairs too, once for the panels of a stretch: done for each panel, this took
 * three instructions of the vector units for 24 products. */
#if defined(__aarch64__)

#define NAME             i8mm
#define TOKENS_AT_ONCE   6 /* 24 registers of sums, 3 of activations, some of codes */
#define PANELS_AT_ONCE   4 /* one after the other */
#define TERNARY_STRETCH  512
#define NIBBLE_STRETCH   512
#define UNPACK_TERNARY   unpack_ternary_pairs
#define UNPACK_NIBBLE    unpack_nibble_pairs
#define UNPACK_BINARY    unpack_binary_pairs
#define HAS_STORED       0
#define PEAK_INSTRUCTION "usmmla"
#define PEAK_SUMS        16
#define PEAK_STEPS       16
#define PEAK_MACS        32
#define PEAK_WIDENS      0

#include "kernels/arm/sdot.h"

enum {
	ROW_PAIRS = TERN_PANEL_ROWS / 2,
	PAIR_COLS = 8,
	PAIR_BYTES = 16, /* 2 rows x 8 columns */
	TOKEN_PAIRS = TOKENS_AT_ONCE / 2,
};
_Static_assert(TERNARY_STRETCH == NIBBLE_STRETCH, "multiply_unpacked() has room for the longest stretch");

/* 4 rows x 8 columns as pairs of rows, from quarter i of the quads of the first and the last 4 columns. */
static inline void store_pairs(uint8_t *pairs, size_t i, uint8x16_t first, uint8x16_t last)
{
	uint32x4_t a = vreinterpretq_u32_u8(first), b = vreinterpretq_u32_u8(last);
	vst1q_u8(pairs + 2 * i * PAIR_BYTES, vreinterpretq_u8_u32(vzip1q_u32(a, b)));
	vst1q_u8(pairs + (2 * i + 1) * PAIR_BYTES, vreinterpretq_u8_u32(vzip2q_u32(a, b)));
}

static inline void unpack_ternary_pairs(uint8_t *pairs, const uint8_t *tile)
{
	for (size_t i = 0; i < VECTORS; i++) {
		uint8x16_t codes[4];
		split_ternary(codes, vld1q_u8(tile + VECTOR_BYTES * i));
		store_pairs(pairs, i, codes[0], codes[1]);
		store_pairs(pairs + ROW_PAIRS * PAIR_BYTES, i, codes[2], codes[3]);
	}
}

static inline void unpack_binary_pairs(uint8_t *pairs, const uint8_t *tile)
{
	for (size_t i = 0; i < VECTORS; i++) {
		uint8x16_t codes[8];
		split_binary(codes, vld1q_u8(tile + VECTOR_BYTES * i));
		for (size_t s = 0; s < 4; s++)
			store_pairs(pairs + s * ROW_PAIRS * PAIR_BYTES, i, codes[2 * s], codes[2 * s + 1]);
	}
}

static inline void unpack_nibble_pairs(uint8_t *pairs, const uint8_t *tile)
{
	for (size_t i = 0; i < VECTORS; i++) {
		uint8x16_t codes[2];
		split_nibble(codes, vld1q_u8(tile + VECTOR_BYTES * i));
		store_pairs(pairs, i, codes[0], codes[1]);
	}
}

/* Activations as [n_col / 8, pair of tokens, 2, 8]. A last token without a partner is its own. n_col is a multiple of
 * 16, as every stretch is. */
INLINE void pair_tokens(int8_t *pairs, const int8_t *x, size_t x_stride, size_t n_token, size_t n_col)
{
	const size_t n_pair = (n_token + 1) / 2, step = n_pair * PAIR_BYTES;

	for (size_t c = 0; c < n_col; c += 2 * PAIR_COLS, pairs += 2 * step) {
		UNROLL
		for (size_t t = 0; t < n_pair; t++) {
			const int8_t *one = x + 2 * t * x_stride + c,
			             *other = 2 * t + 1 < n_token ? one + x_stride : one;
			int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(one)), b = vreinterpretq_s64_s8(vld1q_s8(other));
			vst1q_s8(pairs + t * PAIR_BYTES, vreinterpretq_s8_s64(vzip1q_s64(a, b)));
			vst1q_s8(pairs + t * PAIR_BYTES + step, vreinterpretq_s8_s64(vzip2q_s64(a, b)));
		}
	}
}

/* The products of one panel and the tokens of pair_tokens(). */
INLINE void multiply_pairs(int32x4_t sum[TOKEN_PAIRS][ROW_PAIRS], const uint8_t *codes, const int8_t *x, size_t n_pair,
                           size_t n_col)
{
	UNROLL
	for (size_t t = 0; t < n_pair; t++) {
		UNROLL
		for (size_t r = 0; r < ROW_PAIRS; r++)
			sum[t][r] = vdupq_n_s32(0);
	}
	for (size_t c = 0; c < n_col; c += PAIR_COLS, codes += ROW_PAIRS * PAIR_BYTES, x += n_pair * PAIR_BYTES) {
		int8x16_t activations[TOKEN_PAIRS];
		UNROLL
		for (size_t t = 0; t < n_pair; t++)
			activations[t] = vld1q_s8(x + t * PAIR_BYTES);
		UNROLL
		for (size_t r = 0; r < ROW_PAIRS; r++) {
			int8x16_t rows = vreinterpretq_s8_u8(vld1q_u8(codes + r * PAIR_BYTES));
			if (r % 2)
				NO_EARLIER_LOADS();
			UNROLL
			for (size_t t = 0; t < n_pair; t++)
				sum[t][r] = vmmlaq_s32(sum[t][r], rows, activations[t]);
		}
	}
}

INLINE void multiply_unpacked(vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], const struct stretch *stretch,
                              const int8_t *x, size_t x_stride, size_t n_token, const int32_t *first)
{
	const size_t n_pair = (n_token + 1) / 2, n_col = stretch->n_quad * QUAD_COLS;
	int8_t pairs[TOKENS_AT_ONCE * TERNARY_STRETCH];

	pair_tokens(pairs, x, x_stride, n_token, n_col);
	for (size_t p = 0; p < stretch->n_panel; p++) {
		int32x4_t products[TOKEN_PAIRS][ROW_PAIRS];
		multiply_pairs(products, stretch->codes + p * stretch->panel_stride, pairs, n_pair, n_col);
		UNROLL
		for (size_t t = 0; t < n_token; t++) {
			UNROLL
			for (size_t i = 0; i < VECTORS; i++) {
				int32x4_t a = products[t / 2][2 * i], b = products[t / 2][2 * i + 1];
				sum[t][p][i] =
				        (vint)(t % 2 ? vuzp2q_s32(a, b) : vuzp1q_s32(a, b)) + (first ? first[t] : 0);
			}
		}
	}
	for (size_t p = stretch->n_panel; p < PANELS_AT_ONCE; p++)
		for (size_t t = 0; t < n_token; t++)
			memcpy(sum[t][p], sum[t][stretch->n_panel - 1], sizeof sum[t][p]);
}

INLINE vint peak_products(vint sum, vint x, size_t s)
{
	(void)s;
	return (vint)vusmmlaq_s32((int32x4_t)sum, vdupq_n_u8(2), (int8x16_t)x);
}

#include "kernels/kernels_template.h"

#endif
