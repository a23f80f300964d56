/* The kernels for AArch64 with the dot product instructions (ARMv8.2 and later: most cores from 2018, all Apple's from
 * the M1). Floats: lanes.h. One token: sdot.h. Several: unpacked codes, 4 rows x 4 columns in a register, meet the 4
 * activations of their columns, the lane of a register that holds 16 of a token's. */
#if defined(__aarch64__)

#include "kernels/arm/sdot.h"

enum {
	TOKEN_TILE = 5, /* tokens at a time: 20 registers of sums, 5 of activations, 4 of codes */
	STRETCH_COLS = 512,
};

/* n_token is a constant, at most TOKEN_TILE. */
INLINE void multiply_tile(int32_t *sums, size_t sums_stride, const struct stretch *panel, const int8_t *x,
                          size_t x_stride, size_t n_token)
{
	int32x4_t sum[TOKEN_TILE][QUARTERS];
	const uint8_t *groups = panel->codes;

	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		UNROLL
		for (size_t i = 0; i < QUARTERS; i++)
			sum[t][i] = vdupq_n_s32(0);
	}
	for (size_t g = 0; g < panel->n_group; g += 4, groups += 4 * GROUP_BYTES, x += 4 * GROUP_COLS) {
		int8x16_t activations[TOKEN_TILE];
		UNROLL
		for (size_t t = 0; t < n_token; t++)
			activations[t] = vld1q_s8(x + t * x_stride);
		UNROLL
		for (size_t s = 0; s < 4; s++) {
			UNROLL
			for (size_t i = 0; i < QUARTERS; i++) {
				uint8x16_t codes = vld1q_u8(groups + s * GROUP_BYTES + QUARTER_BYTES * i);
				if (i % 2)
					NO_LOADS_AHEAD();
				UNROLL
				for (size_t t = 0; t < n_token; t++)
					sum[t][i] = add_products(sum[t][i], codes, activations[t], s);
			}
		}
	}
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		UNROLL
		for (size_t i = 0; i < QUARTERS; i++) {
			int32_t *to = sums + t * sums_stride + 4 * i;
			vst1q_s32(to, vaddq_s32(vld1q_s32(to), sum[t][i]));
		}
	}
}

static void multiply(int32_t *sums, size_t sums_stride, const struct stretch *panel, const int8_t *x, size_t x_stride,
                     size_t n_token)
{
	multiply_in_tiles(sums, sums_stride, panel, x, x_stride, n_token, TOKEN_TILE, multiply_tile);
}

static const struct tile_format ternary_format = {TERN_TERNARY_TILE_COLS, STRETCH_COLS / TERN_TERNARY_TILE_COLS,
                                                  unpack_ternary};

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
	                                          unpack_nibble};

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

const struct tern_kernels tern_kernels_dotprod = {
        .name = "dotprod",
        .dot_ternary = dot_ternary,
        .dot_nibble = dot_nibble,
        .dot_groups = dot_groups,
        LANES_SLOTS,
        ATTEND_SLOTS,
};

#endif
