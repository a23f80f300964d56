/* The limits of AVX-512 VNNI: vpdpbusd multiplies 64 codes and adds four products into each 32-bit sum. */
#if defined(__x86_64__)

#include <immintrin.h>

#define NAME         avx512vnni
#define INSTRUCTION  "vpdpbusd zmm"
#define VECTOR_BYTES 64
#define MACS         64
#define SUMS         16
#define sums_type    __m512i
#define codes_type   __m512i
#define x_type       __m512i
#define ZERO         _mm512_setzero_si512()
#define CODES        _mm512_set1_epi8(2)
#define X            _mm512_set1_epi8(3)
#define DOT(s, c, x) _mm512_dpbusd_epi32(s, c, x)
#define FIRST(s)     _mm_cvtsi128_si32(_mm512_castsi512_si128(s))
#define REGISTER     "v"
#include "kernels/limits_dot.h"

#endif
