/* The kernels for AArch64 with the dot product instructions (ARMv8.2 and later: most cores from 2018, all of Apple's
 * from the M1). One token: sdot.h. Several: unpacked codes, 4 rows x 4 columns in a register, are multiplied by the 4
 * activations of their columns, one lane of a register that holds 16 activations of a token. */
#if defined(__aarch64__)

#define NAME             dotprod
#define TOKENS_AT_ONCE   5 /* 20 registers of sums, 5 of activations, 4 of codes */
#define PANELS_AT_ONCE   1
#define TERNARY_STRETCH  512
#define NIBBLE_STRETCH   512
#define UNPACK_TERNARY   unpack_ternary
#define UNPACK_NIBBLE    unpack_nibble
#define UNPACK_BINARY    unpack_binary
#define HAS_STORED       0
#define PEAK_INSTRUCTION "sdot"
#define PEAK_SUMS        16
#define PEAK_STEPS       16
#define PEAK_MACS        16
#define PEAK_WIDENS      0

#include "kernels/arm/sdot.h"

INLINE void multiply_unpacked(vint sum[TOKENS_AT_ONCE][PANELS_AT_ONCE][VECTORS], const struct stretch *stretch,
                              const int8_t *x, size_t x_stride, size_t n_token, const int32_t *first)
{
	int32x4_t quarters[TOKENS_AT_ONCE][VECTORS];
	const uint8_t *quads = stretch->codes;

	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		UNROLL
		for (size_t i = 0; i < VECTORS; i++)
			quarters[t][i] = vdupq_n_s32(first ? first[t] : 0);
	}
	for (size_t c = 0; c < stretch->n_quad; c += 4, quads += 4 * QUAD_BYTES, x += 4 * QUAD_COLS) {
		int8x16_t activations[TOKENS_AT_ONCE];
		UNROLL
		for (size_t t = 0; t < n_token; t++)
			activations[t] = vld1q_s8(x + t * x_stride);
		UNROLL
		for (size_t s = 0; s < 4; s++) {
			UNROLL
			for (size_t i = 0; i < VECTORS; i++) {
				uint8x16_t codes = vld1q_u8(quads + s * QUAD_BYTES + VECTOR_BYTES * i);
				if (i % 2)
					NO_EARLIER_LOADS();
				UNROLL
				for (size_t t = 0; t < n_token; t++)
					quarters[t][i] = add_products(quarters[t][i], codes, activations[t], s);
			}
		}
	}
	UNROLL
	for (size_t t = 0; t < n_token; t++) {
		UNROLL
		for (size_t i = 0; i < VECTORS; i++)
			sum[t][0][i] = (vint)quarters[t][i];
	}
}

INLINE vint peak_products(vint sum, vint x, size_t s)
{
	(void)s;
	return (vint)vdotq_s32((int32x4_t)sum, vdupq_n_s8(2), (int8x16_t)x);
}

#include "kernels/kernels_template.h"

#endif
