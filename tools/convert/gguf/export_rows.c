#include "convert/gguf/export_rows.h"

#include <string.h>

/* A block of TQ2_0 is two halves of 128 weights in 32 bytes each, then its scale: bits 2l, 2l+1 of byte m of a half
 * hold weight + 1 of the half's element 32 l + m. */
void encode_tq2_0_row(uint8_t *out, const int8_t *weights, const uint16_t *scales, size_t n_col)
{
	for (size_t block = 0; block < n_col / TQ2_0_BLOCK; block++, out += TQ2_0_BLOCK_BYTES) {
		for (size_t half = 0; half < 2; half++)
			for (size_t m = 0; m < 32; m++) {
				const int8_t *w = weights + block * TQ2_0_BLOCK + half * 128 + m;
				out[half * 32 + m] =
				        (uint8_t)((w[0] + 1) | (w[32] + 1) << 2 | (w[64] + 1) << 4 | (w[96] + 1) << 6);
			}
		memcpy(out + 64, &scales[block], 2);
	}
}

/* 128 weights are 32 bytes: bits 7, 6 of byte p hold weight + 1 of element p, then those of p + 32, p + 64, p + 96. */
void encode_i2_s_row(uint8_t *out, const int8_t *weights, size_t n_col)
{
	for (size_t block = 0; block < n_col / I2_S_BLOCK; block++)
		for (size_t p = 0; p < 32; p++) {
			const int8_t *w = weights + block * I2_S_BLOCK + p;
			*out++ = (uint8_t)((w[0] + 1) << 6 | (w[32] + 1) << 4 | (w[64] + 1) << 2 | (w[96] + 1));
		}
}

void encode_i2_s_tail(uint8_t *out, float scale)
{
	memset(out, 0, I2_S_TAIL_BYTES);
	memcpy(out, &scale, sizeof scale);
}

void encode_q8_0_row(uint8_t *out, const int8_t *q, uint16_t scale, size_t n_col)
{
	for (size_t block = 0; block < n_col / Q8_0_BLOCK; block++, out += Q8_0_BLOCK_BYTES) {
		memcpy(out, &scale, sizeof scale);
		memcpy(out + 2, q + block * Q8_0_BLOCK, Q8_0_BLOCK);
	}
}
