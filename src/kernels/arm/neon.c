/* The kernels for AArch64, every CPU of which has NEON and half-float conversion.
 *
 * A register holds a quarter of a tile, 4 rows x 4 bytes. Codes, as signed bytes, are multiplied by the 4 activations
 * of their columns, the same for all rows. smlal and smlal2 add each of the 16 products to a 16-bit sum of its own,
 * which wraps. Sums must therefore be widened to 32 bits in time. One product of a code up to m is -128 m .. 127 m:
 *
 *     ternary codes, m = 3:   384   85 fit 32768
 *     nibbles, m = 15:       1920   17 fit
 *
 * Bits of one token need no products: a set bit becomes a mask for the activations, and sadalp adds pairs of what is
 * left to 16-bit sums, -256 .. 254 each, of which 128 fit.
 */
#if defined(__aarch64__)

#define NAME             neon
#define TOKENS_AT_ONCE   3 /* 24 registers of sums, 4 of codes, 1 of activations */
#define PANELS_AT_ONCE   1
#define TERNARY_STRETCH  336 /* 21 tiles of 4 products with m = 3: 84 of 85 */
#define NIBBLE_STRETCH   64  /* 8 tiles of 2 products with m = 15: 16 of 17 */
#define UNPACK_TERNARY   unpack_ternary
#define UNPACK_NIBBLE    unpack_nibble
#define UNPACK_BINARY    unpack_binary
#define HAS_STORED       0
#define PEAK_INSTRUCTION "smlal"
#define PEAK_SUMS        10
#define PEAK_STEPS       85 /* products with m = 3 */
#define PEAK_MACS        8
#define PEAK_WIDENS      1

#include "kernels/arm/quarter_tiles.h"

enum {
	TERNARY_TILES = TERNARY_STRETCH / TERN_TERNARY_TILE_COLS, /* of one token, too, between widenings */
	NIBBLE_TILES = NIBBLE_STRETCH / TERN_NIBBLE_TILE_COLS,
	BINARY_TILES = 16, /* of 8 sums each: 128 of 128 */
};

/* The 16-bit sums of a register of codes: rows 0 and 1, rows 2 and 3, four columns each. */
struct words {
	int16x8_t half[2];
};

static inline struct words no_words(void) { return (struct words){{vdupq_n_s16(0), vdupq_n_s16(0)}}; }

/* Four activations, x[0..3], in each 32-bit lane. OPAQUE() because Clang, if it knew that all lanes are the same, would
 * split registers of codes rather than use smlal2. */
static inline int8x16_t broadcast4(const int8_t *x)
{
	int8x16_t lanes = vreinterpretq_s8_u32(vdupq_n_u32(tern_load_u32(x)));
	OPAQUE(lanes);
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
static inline void ternary_tiles(int32x4_t sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n,
                                 size_t prefetch)
{
	struct words words[VECTORS] = {no_words(), no_words(), no_words(), no_words()};

	for (; n > 0; n--, tile += TERN_TILE_BYTES, x += TERN_TERNARY_TILE_COLS) {
		int8x16_t x0 = broadcast4(x), x1 = broadcast4(x + 4), x2 = broadcast4(x + 8), x3 = broadcast4(x + 12);
		__builtin_prefetch(far_tile(tile, prefetch));
		UNROLL
		for (size_t i = 0; i < VECTORS; i++) {
			uint8x16_t codes[4];
			split_ternary(codes, vld1q_u8(tile + VECTOR_BYTES * i));
			add_products(&words[i], codes[0], x0);
			add_products(&words[i], codes[1], x1);
			add_products(&words[i], codes[2], x2);
			add_products(&words[i], codes[3], x3);
		}
	}
	for (size_t i = 0; i < VECTORS; i++)
		sum[i] = vaddq_s32(sum[i], widen(words[i]));
}

/* Adds n <= NIBBLE_TILES tiles. */
static inline void nibble_tiles(int32x4_t sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch)
{
	struct words words[VECTORS] = {no_words(), no_words(), no_words(), no_words()};

	for (; n > 0; n--, tile += TERN_TILE_BYTES, x += TERN_NIBBLE_TILE_COLS) {
		int8x16_t x0 = broadcast4(x), x1 = broadcast4(x + 4);
		__builtin_prefetch(far_tile(tile, prefetch));
		UNROLL
		for (size_t i = 0; i < VECTORS; i++) {
			uint8x16_t codes[2];
			split_nibble(codes, vld1q_u8(tile + VECTOR_BYTES * i));
			add_products(&words[i], codes[0], x0);
			add_products(&words[i], codes[1], x1);
		}
	}
	for (size_t i = 0; i < VECTORS; i++)
		sum[i] = vaddq_s32(sum[i], widen(words[i]));
}

/* Adds n <= BINARY_TILES tiles; bits stand for 0 and 2. */
static inline void binary_tiles(int32x4_t sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n, size_t prefetch)
{
	int16x8_t words[VECTORS] = {vdupq_n_s16(0), vdupq_n_s16(0), vdupq_n_s16(0), vdupq_n_s16(0)};

	for (; n > 0; n--, tile += TERN_TILE_BYTES, x += TERN_BINARY_TILE_COLS) {
		uint8x16_t bits[VECTORS];
		__builtin_prefetch(far_tile(tile, prefetch));
		UNROLL
		for (size_t i = 0; i < VECTORS; i++)
			bits[i] = vld1q_u8(tile + VECTOR_BYTES * i);
		UNROLL
		for (size_t s = 0; s < 8; s++) {
			int8x16_t activations = broadcast4(x + s * QUAD_COLS);
			UNROLL
			for (size_t i = 0; i < VECTORS; i++) {
				uint8x16_t mask = vtstq_u8(bits[i], vdupq_n_u8((uint8_t)(1u << s)));
				words[i] = vpadalq_s8(words[i], vandq_s8(vreinterpretq_s8_u8(mask), activations));
			}
		}
	}
	for (size_t i = 0; i < VECTORS; i++)
		sum[i] = vaddq_s32(sum[i], vshlq_n_s32(vpaddlq_s16(words[i]), 1));
}

/* Adds up one panel, with tiles() for at most n_step tiles of tile_cols columns at a time. */
INLINE void sum_panel(int32x4_t sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n_col, size_t tile_cols,
                      size_t n_step, void (*tiles)(int32x4_t *, const uint8_t *, const int8_t *, size_t, size_t),
                      size_t prefetch)
{
	for (size_t i = 0; i < VECTORS; i++)
		sum[i] = vdupq_n_s32(0);
	for (size_t n_tile = n_col / tile_cols, n; n_tile > 0; n_tile -= n) {
		n = n_tile < n_step ? n_tile : n_step;
		tiles(sum, tile, x, n, prefetch);
		tile += n * TERN_TILE_BYTES;
		x += n * tile_cols;
	}
}

INLINE void sum_tiles(vint sum[TERN_MAX_STREAMS][VECTORS], const uint8_t *panels, size_t panel_stride, size_t n_panel,
                      const int8_t *x, size_t n_col, size_t prefetch, size_t codes_per_byte)
{
	for (size_t p = 0; p < n_panel; p++) {
		const uint8_t *panel = panels + p * panel_stride;
		int32x4_t quarters[VECTORS];
		if (codes_per_byte == 4)
			sum_panel(quarters, panel, x, n_col, TERN_TERNARY_TILE_COLS, TERNARY_TILES, ternary_tiles,
			          prefetch);
		else if (codes_per_byte == 2)
			sum_panel(quarters, panel, x, n_col, TERN_NIBBLE_TILE_COLS, NIBBLE_TILES, nibble_tiles,
			          prefetch);
		else
			sum_panel(quarters, panel, x, n_col, TERN_BINARY_TILE_COLS, BINARY_TILES, binary_tiles,
			          prefetch);
		for (size_t i = 0; i < VECTORS; i++)
			sum[p][i] = (vint)quarters[i];
	}
}

/* ---- several tokens ------------------------------------------------------------------------------------------ */

INLINE void multiply_unpacked(vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], const struct stretch *stretch,
                              const int8_t *x, size_t x_stride, size_t n_token, const int32_t *first)
{
	struct words words[TOKENS_AT_ONCE][VECTORS];
	const uint8_t *quads = stretch->codes;

	for (size_t t = 0; t < n_token; t++)
		for (size_t i = 0; i < VECTORS; i++)
			words[t][i] = no_words();
	for (size_t c = 0; c < stretch->n_quad; c++, quads += QUAD_BYTES, x += QUAD_COLS) {
		uint8x16_t codes[VECTORS];
		UNROLL
		for (size_t i = 0; i < VECTORS; i++)
			codes[i] = vld1q_u8(quads + VECTOR_BYTES * i);
		UNROLL
		for (size_t t = 0; t < n_token; t++) {
			int8x16_t activations = broadcast4(x + t * x_stride);
			UNROLL
			for (size_t i = 0; i < VECTORS; i++)
				add_products(&words[t][i], codes[i], activations);
		}
	}
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		UNROLL
		for (size_t i = 0; i < VECTORS; i++)
			sum[t][0][i] = (vint)widen(words[t][i]) + (first ? first[t] : 0);
	}
}

/* ---- the peak ------------------------------------------------------------------------------------------------ */

/* smlal and smlal2, in turn. */
INLINE vint peak_products(vint sum, vint x, size_t s)
{
	const int8x16_t codes = vdupq_n_s8(2), factors = (int8x16_t)x;

	return s % 2 ? (vint)vmlal_high_s8((int16x8_t)sum, codes, factors)
	             : (vint)vmlal_s8((int16x8_t)sum, vget_low_s8(codes), vget_low_s8(factors));
}

INLINE vint peak_widen(vint sum, vint words) { return (vint)vpadalq_s16((int32x4_t)sum, (int16x8_t)words); }

#include "kernels/kernels_template.h"

#endif
