/* The kernels for AArch64, every one of which has NEON and half-float conversion. Floats: lanes.h. The integer
 * kernels:
 *
 * A register holds a quarter of a tile, 4 rows x 4 bytes. Codes, as signed bytes, meet the 4 activations of their
 * columns, the same for all rows; smlal and smlal2 add the 16 products to 16-bit sums of their own, which wrap, so
 * sums must be widened to 32 bits before they could. One product of a code up to m is -128 m .. 127 m:
 *
 *     ternary codes, m = 3:   384   85 fit 32768
 *     nibbles, m = 15:       1920   17 fit
 */
#if defined(__aarch64__)

#include "kernels/arm/quarters.h"

enum {
	TERNARY_TILES = 21, /* between widenings: 4 products a tile with m = 3, 84 of 85 */
	NIBBLE_TILES = 8,   /* 2 products a tile with m = 15, 16 of 17 */
};

/* The 16-bit sums of a register of codes: rows 0 and 1, rows 2 and 3, four columns each. */
struct words {
	int16x8_t half[2];
};

static inline struct words no_words(void) { return (struct words){{vdupq_n_s16(0), vdupq_n_s16(0)}}; }

/* Four activations, x[0..3], in each 32-bit lane. The empty asm hides that all lanes are the same: Clang would split
 * registers of codes rather than use smlal2. */
static inline int8x16_t broadcast4(const int8_t *x)
{
	int8x16_t lanes = vreinterpretq_s8_u32(vdupq_n_u32(tern_load_u32(x)));
	__asm__("" : "+w"(lanes));
	return lanes;
}

static inline void add_products(struct words *sum, uint8x16_t codes, int8x16_t x)
{
	int8x16_t factors = vreinterpretq_s8_u8(codes);
	sum->half[0] = vmlal_s8(sum->half[0], vget_low_s8(factors), vget_low_s8(x));
	sum->half[1] = vmlal_high_s8(sum->half[1], factors, x);
}

/* The sums of rows 0..3. */
static inline int32x4_t widen(struct words sum)
{
	return vpaddq_s32(vpaddlq_s16(sum.half[0]), vpaddlq_s16(sum.half[1]));
}

/* ---- one token: the sums stay in registers for a whole panel ------------------------------------------------ */

/* Adds n <= TERNARY_TILES tiles. */
static inline void ternary_tiles(int32x4_t sum[QUARTERS], const uint8_t *tile, const int8_t *x, size_t n)
{
	struct words words[QUARTERS] = {no_words(), no_words(), no_words(), no_words()};

	for (; n > 0; n--, tile += TERN_TILE_BYTES, x += TERN_TERNARY_TILE_COLS) {
		int8x16_t x0 = broadcast4(x), x1 = broadcast4(x + 4), x2 = broadcast4(x + 8), x3 = broadcast4(x + 12);
		__builtin_prefetch(tile + PREFETCH);
		UNROLL
		for (size_t i = 0; i < QUARTERS; i++) {
			uint8x16_t codes[4];
			split_ternary(codes, vld1q_u8(tile + 16 * i));
			add_products(&words[i], codes[0], x0);
			add_products(&words[i], codes[1], x1);
			add_products(&words[i], codes[2], x2);
			add_products(&words[i], codes[3], x3);
		}
	}
	for (size_t i = 0; i < QUARTERS; i++)
		sum[i] = vaddq_s32(sum[i], widen(words[i]));
}

/* Adds n <= NIBBLE_TILES tiles. */
static inline void nibble_tiles(int32x4_t sum[QUARTERS], const uint8_t *tile, const int8_t *x, size_t n)
{
	struct words words[QUARTERS] = {no_words(), no_words(), no_words(), no_words()};

	for (; n > 0; n--, tile += TERN_TILE_BYTES, x += TERN_NIBBLE_TILE_COLS) {
		int8x16_t x0 = broadcast4(x), x1 = broadcast4(x + 4);
		__builtin_prefetch(tile + PREFETCH);
		UNROLL
		for (size_t i = 0; i < QUARTERS; i++) {
			uint8x16_t codes[2];
			split_nibble(codes, vld1q_u8(tile + 16 * i));
			add_products(&words[i], codes[0], x0);
			add_products(&words[i], codes[1], x1);
		}
	}
	for (size_t i = 0; i < QUARTERS; i++)
		sum[i] = vaddq_s32(sum[i], widen(words[i]));
}

/* One panel, with tiles() for stretches of at most n_stretch tiles of tile_cols columns. */
INLINE void dot_panel(int32_t *sums, const uint8_t *tile, const int8_t *x, size_t n_col, size_t tile_cols,
                      size_t n_stretch, void (*tiles)(int32x4_t *, const uint8_t *, const int8_t *, size_t))
{
	int32x4_t sum[QUARTERS] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};

	for (size_t n_tile = n_col / tile_cols, n; n_tile > 0; n_tile -= n) {
		n = n_tile < n_stretch ? n_tile : n_stretch;
		tiles(sum, tile, x, n);
		tile += n * TERN_TILE_BYTES;
		x += n * tile_cols;
	}
	for (size_t i = 0; i < QUARTERS; i++)
		vst1q_s32(sums + 4 * i, sum[i]);
}

/* ---- several tokens ------------------------------------------------------------------------------------------ */

enum {
	TOKEN_TILE = 3, /* tokens at a time: 24 registers of sums, 4 of codes, 1 of activations */
};

/* n_token is a constant, at most TOKEN_TILE. */
INLINE void multiply_tile(int32_t *sums, size_t sums_stride, const struct stretch *panel, const int8_t *x,
                          size_t x_stride, size_t n_token)
{
	struct words words[TOKEN_TILE][QUARTERS];
	const uint8_t *groups = panel->codes;

	for (size_t t = 0; t < n_token; t++)
		for (size_t i = 0; i < QUARTERS; i++)
			words[t][i] = no_words();
	for (size_t g = 0; g < panel->n_group; g++, groups += GROUP_BYTES, x += GROUP_COLS) {
		uint8x16_t codes[QUARTERS];
		UNROLL
		for (size_t i = 0; i < QUARTERS; i++)
			codes[i] = vld1q_u8(groups + 16 * i);
		UNROLL
		for (size_t t = 0; t < n_token; t++) {
			int8x16_t activations = broadcast4(x + t * x_stride);
			UNROLL
			for (size_t i = 0; i < QUARTERS; i++)
				add_products(&words[t][i], codes[i], activations);
		}
	}
	for (size_t t = 0; t < n_token; t++)
		for (size_t i = 0; i < QUARTERS; i++) {
			int32_t *sum = sums + t * sums_stride + 4 * i;
			vst1q_s32(sum, vaddq_s32(vld1q_s32(sum), widen(words[t][i])));
		}
}

static void multiply(int32_t *sums, size_t sums_stride, const struct stretch *panel, const int8_t *x, size_t x_stride,
                     size_t n_token)
{
	multiply_in_tiles(sums, sums_stride, panel, x, x_stride, n_token, TOKEN_TILE, multiply_tile);
}

static const struct tile_format ternary_format = {TERN_TERNARY_TILE_COLS, TERNARY_TILES, unpack_ternary};

static void dot_ternary(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                        size_t x_stride, size_t n_token, size_t n_col)
{
	if (n_token == 1)
		for (size_t p = 0; p < n_panel; p++)
			dot_panel(sums + p * TERN_PANEL_ROWS, panels + p * panel_stride, x, n_col,
			          TERN_TERNARY_TILE_COLS, TERNARY_TILES, ternary_tiles);
	else
		dot_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &ternary_format, 1,
		           multiply);
}

static void dot_nibble(int32_t *sums, const uint8_t *panels, size_t panel_stride, size_t n_panel, const int8_t *x,
                       size_t x_stride, size_t n_token, size_t n_col)
{
	static const struct tile_format nibble = {TERN_NIBBLE_TILE_COLS, NIBBLE_TILES, unpack_nibble};

	if (n_token == 1)
		for (size_t p = 0; p < n_panel; p++)
			dot_panel(sums + p * TERN_PANEL_ROWS, panels + p * panel_stride, x, n_col,
			          TERN_NIBBLE_TILE_COLS, NIBBLE_TILES, nibble_tiles);
	else
		dot_tokens(sums, panels, panel_stride, n_panel, x, x_stride, n_token, n_col, &nibble, 1, multiply);
}

#include "kernels/attend.h"
#include "kernels/lanes.h"

#define PANELS_MULTIPLIED 1

#include "kernels/groups.h"

const struct tern_kernels tern_kernels_neon = {
        .name = "neon",
        .dot_ternary = dot_ternary,
        .dot_nibble = dot_nibble,
        .dot_groups = dot_groups,
        LANES_SLOTS,
        ATTEND_SLOTS,
};

#endif
