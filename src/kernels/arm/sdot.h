/* One token, for the instruction sets with sdot: dotprod and i8mm. sdot multiplies codes, as signed bytes, by the 4
 * activations of their columns and adds the products to 32-bit sums. Codes of 2 bits are multiplied where they are in
 * their byte, times 4 or 16 (times 64 they would not be signed bytes). Each place has its own sums, which are shifted
 * back at the end; a row of 2^16 columns keeps them below 16 * 3 * 128 * 2^14 < 2^27. */
#ifndef TERN_KERNELS_ARM_SDOT_H
#define TERN_KERNELS_ARM_SDOT_H

#include "kernels/arm/quarter_tiles.h"

/* sum + products of codes and x[4 * lane ...], for lane 0 .. 3, a constant. */
INLINE int32x4_t add_products(int32x4_t sum, uint8x16_t codes, int8x16_t x, size_t lane)
{
	int8x16_t factors = vreinterpretq_s8_u8(codes);

	return lane == 0   ? vdotq_laneq_s32(sum, factors, x, 0)
	       : lane == 1 ? vdotq_laneq_s32(sum, factors, x, 1)
	       : lane == 2 ? vdotq_laneq_s32(sum, factors, x, 2)
	                   : vdotq_laneq_s32(sum, factors, x, 3);
}

INLINE void ternary_panel(vint sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n_col, size_t prefetch)
{
	int32x4_t ones[VECTORS], fours[VECTORS], sixteens[VECTORS];

	for (size_t i = 0; i < VECTORS; i++)
		ones[i] = fours[i] = sixteens[i] = vdupq_n_s32(0);
	for (size_t c = 0; c < n_col; c += TERN_TERNARY_TILE_COLS, tile += TERN_TILE_BYTES) {
		int8x16_t activations = vld1q_s8(x + c);
		__builtin_prefetch(far_tile(tile, prefetch));
		UNROLL
		for (size_t i = 0; i < VECTORS; i++) {
			uint8x16_t codes = vld1q_u8(tile + VECTOR_BYTES * i);
			ones[i] = add_products(ones[i], vandq_u8(codes, vdupq_n_u8(0x03)), activations, 0);
			fours[i] = add_products(fours[i], vandq_u8(codes, vdupq_n_u8(0x0c)), activations, 1);
			sixteens[i] = add_products(sixteens[i], vandq_u8(codes, vdupq_n_u8(0x30)), activations, 2);
			ones[i] = add_products(ones[i], vshrq_n_u8(codes, 6), activations, 3);
		}
	}
	for (size_t i = 0; i < VECTORS; i++)
		sum[i] = (vint)vsraq_n_s32(vsraq_n_s32(ones[i], fours[i], 2), sixteens[i], 4);
}

/* A set bit becomes -1 where it is, so one register of sums takes all places; bits stand for 0 and 2. */
INLINE void binary_panel(vint sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n_col, size_t prefetch)
{
	int32x4_t negative[VECTORS];

	for (size_t i = 0; i < VECTORS; i++)
		negative[i] = vdupq_n_s32(0);
	for (size_t c = 0; c < n_col; c += TERN_BINARY_TILE_COLS, tile += TERN_TILE_BYTES) {
		int8x16_t first = vld1q_s8(x + c), last = vld1q_s8(x + c + 4 * QUAD_COLS);
		__builtin_prefetch(far_tile(tile, prefetch));
		UNROLL
		for (size_t i = 0; i < VECTORS; i++) {
			uint8x16_t bits = vld1q_u8(tile + VECTOR_BYTES * i);
			UNROLL
			for (size_t s = 0; s < 8; s++)
				negative[i] = add_products(negative[i], vtstq_u8(bits, vdupq_n_u8((uint8_t)(1u << s))),
				                           s < 4 ? first : last, s % 4);
		}
	}
	for (size_t i = 0; i < VECTORS; i++)
		sum[i] = (vint)vmulq_n_s32(negative[i], -2);
}

/* n_col is a multiple of 16: tiles come in pairs. */
INLINE void nibble_panel(vint sum[VECTORS], const uint8_t *tile, const int8_t *x, size_t n_col, size_t prefetch)
{
	int32x4_t low[VECTORS], high[VECTORS];

	for (size_t i = 0; i < VECTORS; i++)
		low[i] = high[i] = vdupq_n_s32(0);
	for (size_t c = 0; c < n_col; c += 2 * TERN_NIBBLE_TILE_COLS, tile += 2 * TERN_TILE_BYTES) {
		int8x16_t activations = vld1q_s8(x + c);
		UNROLL
		for (size_t half = 0; half < 2; half++) {
			const uint8_t *quarters = tile + half * TERN_TILE_BYTES;
			__builtin_prefetch(far_tile(quarters, prefetch));
			UNROLL
			for (size_t i = 0; i < VECTORS; i++) {
				uint8x16_t codes[2];
				split_nibble(codes, vld1q_u8(quarters + VECTOR_BYTES * i));
				low[i] = add_products(low[i], codes[0], activations, 2 * half);
				high[i] = add_products(high[i], codes[1], activations, 2 * half + 1);
			}
		}
	}
	for (size_t i = 0; i < VECTORS; i++)
		sum[i] = (vint)vaddq_s32(low[i], high[i]);
}

INLINE void sum_tiles(vint sum[TERN_MAX_STREAMS][VECTORS], const uint8_t *panels, size_t panel_stride, size_t n_panel,
                      const int8_t *x, size_t n_col, size_t prefetch, size_t codes_per_byte)
{
	for (size_t p = 0; p < n_panel; p++) {
		const uint8_t *panel = panels + p * panel_stride;
		if (codes_per_byte == 4)
			ternary_panel(sum[p], panel, x, n_col, prefetch);
		else if (codes_per_byte == 2)
			nibble_panel(sum[p], panel, x, n_col, prefetch);
		else
			binary_panel(sum[p], panel, x, n_col, prefetch);
	}
}

#endif
