/* The float products of CPUs with AVX-512 (and VNNI, which products of floats do not use): 24 sums of 16 floats in 32
 * registers. */
#include <immintrin.h>

#define NAME         avx512vnni
#define ROWS         12
#define VECTORS      2
#define LANES        16
#define vector       __m512
#define ZERO         _mm512_setzero_ps()
#define LOAD(p)      _mm512_loadu_ps(p)
#define STORE(p, v)  _mm512_storeu_ps(p, v)
#define SPLAT(x)     _mm512_set1_ps(x)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#include "tune/product_template.h"
