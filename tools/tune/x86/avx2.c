/* The float products of AVX2 and FMA: 12 sums of 8 floats in 16 registers. */
#include <immintrin.h>

#define NAME         avx2
#define ROWS         6
#define VECTORS      2
#define LANES        8
#define vector       __m256
#define ZERO         _mm256_setzero_ps()
#define LOAD(p)      _mm256_loadu_ps(p)
#define STORE(p, v)  _mm256_storeu_ps(p, v)
#define SPLAT(x)     _mm256_set1_ps(x)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#include "tune/product_template.h"
