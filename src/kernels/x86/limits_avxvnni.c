/* The limits of AVX-VNNI: vpdpbusd multiplies 32 codes and adds four products into each 32-bit sum. */
#if defined(__x86_64__)

#include <immintrin.h>

#define NAME         avxvnni
#define INSTRUCTION  "vpdpbusd ymm"
#define VECTOR_BYTES 32
#define MACS         32
#define SUMS         12
#define sums_type    __m256i
#define codes_type   __m256i
#define x_type       __m256i
#define ZERO         _mm256_setzero_si256()
#define CODES        _mm256_set1_epi8(2)
#define X            _mm256_set1_epi8(3)
#define DOT(s, c, x) _mm256_dpbusd_avx_epi32(s, c, x)
#define FIRST(s)     _mm256_extract_epi32(s, 0)
#define REGISTER     "x"
#include "kernels/limits_dot.h"

#endif
