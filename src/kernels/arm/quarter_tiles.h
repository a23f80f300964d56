/* For the instruction sets of AArch64, whose registers hold a quarter of a tile, 4 rows x 4 bytes. Their float
 * parameters and unpacking. */
#ifndef TERN_KERNELS_ARM_QUARTER_TILES_H
#define TERN_KERNELS_ARM_QUARTER_TILES_H

#include "kernels/compiler.h"
#include "kernels/kernels.h"
#include "kernels/panels.h"

#include <arm_neon.h>

#define VECTOR_LANES    4
#define ATTENTION_SUMS  4
#define LOAD_F16(h)     ((vfloat)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(h))))
#define LOAD_BF16(h)    ((vfloat)vshlq_n_u32(vmovl_u16(vld1_u16(h)), 16))
#define STORE_F16(h, v) vst1_u16(h, vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)(v))))
#define FMA(a, b, c)    ((vfloat)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define LOAD_I8(q)      ((vfloat)load_i8(q))
#define STORE_I8(q, i)  store_i8(q, (uint32x4_t)(i))

#include "kernels/vectors_template.h"

static inline float32x4_t load_i8(const int8_t *q)
{
	uint32_t bytes;
	memcpy(&bytes, q, sizeof bytes);
	return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(bytes))))));
}

static inline void store_i8(int8_t *q, uint32x4_t integers)
{
	uint16x4_t words = vmovn_u32(integers);
	uint32_t bytes = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
	memcpy(q, &bytes, sizeof bytes);
}

/* The codes of the 4 quads in a register of ternary codes, or of the 2 in one of nibbles. */
static inline void split_ternary(uint8x16_t out[4], uint8x16_t codes)
{
	const uint8x16_t mask = vdupq_n_u8(3);
	out[0] = vandq_u8(codes, mask);
	out[1] = vandq_u8(vshrq_n_u8(codes, 2), mask);
	out[2] = vandq_u8(vshrq_n_u8(codes, 4), mask);
	out[3] = vshrq_n_u8(codes, 6);
}

static inline void split_nibble(uint8x16_t out[2], uint8x16_t codes)
{
	out[0] = vandq_u8(codes, vdupq_n_u8(15));
	out[1] = vshrq_n_u8(codes, 4);
}

/* The bits of the 8 quads in a register of bits, as 0 and 2. */
INLINE void split_binary(uint8x16_t out[8], uint8x16_t bits)
{
	const uint8x16_t mask = vdupq_n_u8(2);
	out[0] = vandq_u8(vshlq_n_u8(bits, 1), mask);
	out[1] = vandq_u8(bits, mask);
	out[2] = vandq_u8(vshrq_n_u8(bits, 1), mask);
	out[3] = vandq_u8(vshrq_n_u8(bits, 2), mask);
	out[4] = vandq_u8(vshrq_n_u8(bits, 3), mask);
	out[5] = vandq_u8(vshrq_n_u8(bits, 4), mask);
	out[6] = vandq_u8(vshrq_n_u8(bits, 5), mask);
	out[7] = vandq_u8(vshrq_n_u8(bits, 6), mask);
}

static inline void unpack_ternary(uint8_t *quads, const uint8_t *tile)
{
	for (size_t i = 0; i < VECTORS; i++) {
		uint8x16_t codes[4];
		split_ternary(codes, vld1q_u8(tile + VECTOR_BYTES * i));
		for (size_t s = 0; s < 4; s++)
			vst1q_u8(quads + s * QUAD_BYTES + VECTOR_BYTES * i, codes[s]);
	}
}

static inline void unpack_binary(uint8_t *quads, const uint8_t *tile)
{
	for (size_t i = 0; i < VECTORS; i++) {
		uint8x16_t codes[8];
		split_binary(codes, vld1q_u8(tile + VECTOR_BYTES * i));
		for (size_t s = 0; s < 8; s++)
			vst1q_u8(quads + s * QUAD_BYTES + VECTOR_BYTES * i, codes[s]);
	}
}

static inline void unpack_nibble(uint8_t *quads, const uint8_t *tile)
{
	for (size_t i = 0; i < VECTORS; i++) {
		uint8x16_t codes[2];
		split_nibble(codes, vld1q_u8(tile + VECTOR_BYTES * i));
		for (size_t s = 0; s < 2; s++)
			vst1q_u8(quads + s * QUAD_BYTES + VECTOR_BYTES * i, codes[s]);
	}
}

#endif
