/* The limits of AVX2: maddubs multiplies 32 codes and adds pairs into 16 bits; as many as fit there are added up
 * before they are widened, since the fewer widenings the faster. */
#if defined(__x86_64__)

#define VECTOR_BYTES 32
#include "kernels/limits_read.h"

#include <immintrin.h>

enum {
	SUMS = 6,
	PRODUCTS = 42, /* of a code up to 3 and an int8 fit 16 bits: see avx2.c */
};

/* The empty asm hides that the operands are the same every time, and costs nothing. */
static uint32_t multiply(size_t n_round)
{
	__m256i sums[SUMS], words[SUMS], codes = _mm256_set1_epi8(2), x = _mm256_set1_epi8(3);
	int32_t lanes[8];
	uint32_t result = 0;

	for (size_t s = 0; s < SUMS; s++)
		sums[s] = _mm256_setzero_si256();
	for (size_t round = 0; round < n_round; round++) {
		UNROLL
		for (size_t s = 0; s < SUMS; s++)
			words[s] = _mm256_setzero_si256();
		for (size_t i = 0; i < PRODUCTS; i++) {
			UNROLL
			for (size_t s = 0; s < SUMS; s++) {
				__asm__("" : "+x"(x));
				words[s] = _mm256_add_epi16(words[s], _mm256_maddubs_epi16(codes, x));
				__asm__("" : "+x"(words[s]));
			}
		}
		UNROLL
		for (size_t s = 0; s < SUMS; s++)
			sums[s] = _mm256_add_epi32(sums[s], _mm256_madd_epi16(words[s], _mm256_set1_epi16(1)));
	}
	for (size_t s = 0; s < SUMS; s++) {
		_mm256_storeu_si256((__m256i *)lanes, sums[s]);
		result += (uint32_t)lanes[0];
	}
	return result;
}

const struct tern_limits tern_limits_avx2 = {
        .name = "avx2",
        .instruction = "vpmaddubsw ymm",
        .read = read_bytes,
        .multiply = multiply,
        .macs_per_round = SUMS * PRODUCTS * 32,
};

#endif
