/* The kernels for AArch64 with the int8 matrix multiplication and dot product instructions (ARMv8.6; Apple from the M2,
 * Neoverse V1 and N2, Cortex from 2021). Floats: lanes.h. One token: sdot.h, since a matrix product of one token would
 * waste half of itself. Several: smmla multiplies codes, 2 rows x 8 columns, by the activations of 2 tokens:
 *
 *     sums:   row 0 token 0 | row 0 token 1 | row 1 token 0 | row 1 token 1 */
#if defined(__aarch64__)

#include "kernels/arm/sdot.h"

enum {
	ROW_PAIRS = TERN_PANEL_ROWS / 2,
	PAIR_COLS = 8,
	PAIR_BYTES = 16, /* 2 rows x 8 columns */
	TOKEN_TILE = 6,  /* tokens at a time: 24 registers of sums, 3 of activations, some of codes */
	TOKEN_PAIRS = TOKEN_TILE / 2,
	STRETCH_COLS = 512,
};

/* 16 rows x 8 columns in pairs of rows, from the registers of quarter i of the first and the last 4 columns. */
static inline void store_pairs(uint8_t *pairs, size_t i, uint8x16_t first, uint8x16_t last)
{
	uint32x4_t a = vreinterpretq_u32_u8(first), b = vreinterpretq_u32_u8(last);
	vst1q_u8(pairs + 2 * i * PAIR_BYTES, vreinterpretq_u8_u32(vzip1q_u32(a, b)));
	vst1q_u8(pairs + (2 * i + 1) * PAIR_BYTES, vreinterpretq_u8_u32(vzip2q_u32(a, b)));
}

static inline void unpack_ternary_pairs(uint8_t *pairs, const uint8_t *tile)
{
	for (size_t i = 0; i < QUARTERS; i++) {
		uint8x16_t codes[4];
		split_ternary(codes, vld1q_u8(tile + QUARTER_BYTES * i));
		store_pairs(pairs, i, codes[0], codes[1]);
		store_pairs(pairs + ROW_PAIRS * PAIR_BYTES, i, codes[2], codes[3]);
	}
}

static inline void unpack_nibble_pairs(uint8_t *pairs, const uint8_t *tile)
{
	for (size_t i = 0; i < QUARTERS; i++) {
		uint8x16_t codes[2];
		split_nibble(codes, vld1q_u8(tile + QUARTER_BYTES * i));
		store_pairs(pairs, i, codes[0], codes[1]);
	}
}

/* 8 activations of a token and of the next; of the last one twice if it has no partner. */
static inline int8x16_t load_pair(const int8_t *x, size_t x_stride, size_t token, size_t n_token)
{
	size_t partner = token + 1 < n_token ? token + 1 : token;
	return vcombine_s8(vld1_s8(x + token * x_stride), vld1_s8(x + partner * x_stride));
}

static inline void add_to(int32_t *sums, int32x4_t more) { vst1q_s32(sums, vaddq_s32(vld1q_s32(sums), more)); }

/* n_token is a constant, at most TOKEN_TILE. */
INLINE void multiply_tile(int32_t *sums, size_t sums_stride, const struct stretch *panel, const int8_t *x,
                          size_t x_stride, size_t n_token)
{
	const size_t n_pair = (n_token + 1) / 2;
	const uint8_t *pairs = panel->codes;
	int32x4_t sum[TOKEN_PAIRS][ROW_PAIRS];

	UNROLL
	for (size_t t = 0; t < n_pair; t++) {
		UNROLL
		for (size_t r = 0; r < ROW_PAIRS; r++)
			sum[t][r] = vdupq_n_s32(0);
	}
	for (size_t c = 0; c < panel->n_group * GROUP_COLS;
	     c += PAIR_COLS, pairs += ROW_PAIRS * PAIR_BYTES, x += PAIR_COLS) {
		int8x16_t activations[TOKEN_PAIRS];
		UNROLL
		for (size_t t = 0; t < n_pair; t++)
			activations[t] = load_pair(x, x_stride, 2 * t, n_token);
		UNROLL
		for (size_t r = 0; r < ROW_PAIRS; r++) {
			int8x16_t codes = vreinterpretq_s8_u8(vld1q_u8(pairs + r * PAIR_BYTES));
			if (r % 2)
				NO_LOADS_AHEAD();
			UNROLL
			for (size_t t = 0; t < n_pair; t++)
				sum[t][r] = vmmlaq_s32(sum[t][r], codes, activations[t]);
		}
	}
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		UNROLL
		for (size_t r = 0; r < ROW_PAIRS; r += 2) {
			int32x4_t first = sum[t / 2][r], second = sum[t / 2][r + 1];
			add_to(sums + t * sums_stride + 2 * r,
			       t % 2 ? vuzp2q_s32(first, second) : vuzp1q_s32(first, second));
		}
	}
}

static void multiply(int32_t *sums, size_t sums_stride, const struct stretch *panel, const int8_t *x, size_t x_stride,
                     size_t n_token)
{
	multiply_in_tiles(sums, sums_stride, panel, x, x_stride, n_token, TOKEN_TILE, multiply_tile);
}

static const struct tile_format ternary_format = {TERN_TERNARY_TILE_COLS, STRETCH_COLS / TERN_TERNARY_TILE_COLS,
                                                  unpack_ternary_pairs};

static void dot_ternary(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                        size_t x_stride, size_t n_token, size_t n_col)
{
	if (n_token == 1)
		for (size_t p = 0; p < n_panel; p++)
			ternary_panel(sums + p * TERN_PANEL_ROWS, panels + p * panel_stride, x, n_col);
	else
		dot_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &ternary_format, 1,
		           multiply);
}

static void dot_nibble(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col)
{
	static const struct tile_format nibble = {TERN_NIBBLE_TILE_COLS, STRETCH_COLS / TERN_NIBBLE_TILE_COLS,
	                                          unpack_nibble_pairs};

	if (n_token == 1)
		for (size_t p = 0; p < n_panel; p++)
			nibble_panel(sums + p * TERN_PANEL_ROWS, panels + p * panel_stride, x, n_col);
	else
		dot_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &nibble, 1, multiply);
}

#include "kernels/attend.h"
#include "kernels/lanes.h"

#define PANELS_MULTIPLIED 1

#include "kernels/groups.h"

const struct tern_kernels tern_kernels_i8mm = {
        .name = "i8mm",
        .dot_ternary = dot_ternary,
        .dot_nibble = dot_nibble,
        .dot_groups = dot_groups,
        LANES_SLOTS,
        ATTEND_SLOTS,
};

#endif
