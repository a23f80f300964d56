/* The limits of NEON: smlal and smlal2 multiply 16 codes into 16-bit sums; as many as fit there are added up before
 * they are widened, since the fewer widenings the faster. */
#if defined(__aarch64__)

#define VECTOR_BYTES 16
#include "kernels/limits_read.h"

#include <arm_neon.h>

enum {
	SUMS = 10,
	PRODUCTS = 85, /* of a code up to 3 and an int8 fit 16 bits: see neon.c */
};

/* The empty asm hides that the operands are the same every time, and costs nothing. */
static uint32_t multiply(size_t n_round)
{
	int8x16_t codes = vdupq_n_s8(2), x = vdupq_n_s8(3);
	int16x8_t words[SUMS];
	int32x4_t sums[SUMS];
	int32_t result = 0;

	for (size_t s = 0; s < SUMS; s++)
		sums[s] = vdupq_n_s32(0);
	for (size_t round = 0; round < n_round; round++) {
		UNROLL
		for (size_t s = 0; s < SUMS; s++)
			words[s] = vdupq_n_s16(0);
		for (size_t i = 0; i < PRODUCTS; i++) {
			UNROLL
			for (size_t s = 0; s < SUMS; s += 2) {
				__asm__("" : "+w"(x));
				words[s] = vmlal_s8(words[s], vget_low_s8(codes), vget_low_s8(x));
				words[s + 1] = vmlal_high_s8(words[s + 1], codes, x);
			}
		}
		UNROLL
		for (size_t s = 0; s < SUMS; s++)
			sums[s] = vpadalq_s16(sums[s], words[s]);
	}
	for (size_t s = 0; s < SUMS; s++)
		result += vgetq_lane_s32(sums[s], 0);
	return (uint32_t)result;
}

const struct tern_limits tern_limits_neon = {
        .name = "neon",
        .instruction = "smlal",
        .read = read_bytes,
        .multiply = multiply,
        .macs_per_round = SUMS * PRODUCTS * 8,
};

#endif
