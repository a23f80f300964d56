/* Template: the kernel of one instruction set. Parameters, and the values that are used and so tested:
 *
 *     NAME        ROWS  VECTORS  LANES  vector       ZERO, LOAD, STORE, SPLAT, FMA
 *     avx2           6        2      8  __m256       _mm256_*
 *     avx512vnni    12        2     16  __m512       _mm512_*
 *     neon           6        4      4  float32x4_t  v*q_f32
 *
 * ROWS * VECTORS sums, VECTORS columns and a splat value fill the registers. */
#include "base/cache.h"
#include "kernels/compiler.h"
#include "tune/product_kernel.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define STRING_(a)  #a
#define STRING(a)   STRING_(a)

enum {
	COLUMNS = VECTORS * LANES,
	LINE = TERN_CACHE_LINE / sizeof(float),
};

/* sums += a column of a times a row of b. */
INLINE void add_products(vector sums[ROWS][VECTORS], const float *a, const float *b)
{
	vector columns[VECTORS];

	UNROLL
	for (size_t j = 0; j < VECTORS; j++)
		columns[j] = LOAD(b + j * LANES);
	UNROLL
	for (size_t i = 0; i < ROWS; i++) {
		vector x = SPLAT(a[i]);
		UNROLL
		for (size_t j = 0; j < VECTORS; j++)
			sums[i][j] = FMA(x, columns[j], sums[i][j]);
	}
}

/* Prefetches are spread over the steps of k, for CPUs drop them where too many come at once. */
static void multiply_floats(float *c, size_t c_stride, const float *a, const float *b, size_t k, bool accumulate,
                            const float *ahead, size_t ahead_stride)
{
	vector sums[ROWS][VECTORS];
	size_t p = 0;

	UNROLL
	for (size_t i = 0; i < ROWS; i++) {
		UNROLL
		for (size_t j = 0; j < VECTORS; j++)
			sums[i][j] = accumulate ? LOAD(c + i * c_stride + j * LANES) : ZERO;
	}
	/* A row of the next patch in each of the first steps. */
	for (; accumulate && p < ROWS && p < k; p++) {
		for (size_t j = COLUMNS; j < 2 * COLUMNS; j += LINE)
			__builtin_prefetch(c + p * c_stride + j, 0, TERN_TO_SECOND_CACHE);
		add_products(sums, a + p * ROWS, b + p * COLUMNS);
	}
	for (; p < k; p++, ahead += ahead_stride) {
		__builtin_prefetch(ahead, 0, TERN_TO_SECOND_CACHE);
		add_products(sums, a + p * ROWS, b + p * COLUMNS);
	}
	UNROLL
	for (size_t i = 0; i < ROWS; i++) {
		UNROLL
		for (size_t j = 0; j < VECTORS; j++)
			STORE(c + i * c_stride + j * LANES, sums[i][j]);
	}
}

static float run_peak(size_t n_round)
{
	vector sums[ROWS][VECTORS], x = SPLAT(0.999f), y = SPLAT(0.001f);
	float lanes[LANES];

	UNROLL
	for (size_t i = 0; i < ROWS; i++) {
		UNROLL
		for (size_t j = 0; j < VECTORS; j++)
			sums[i][j] = SPLAT((float)(i * VECTORS + j)); /* no two alike, or compilers keep one */
	}
	for (; n_round > 0; n_round--) {
		UNROLL
		for (size_t i = 0; i < ROWS; i++) {
			UNROLL
			for (size_t j = 0; j < VECTORS; j++)
				sums[i][j] = FMA(x, sums[i][j], y);
		}
	}
	UNROLL
	for (size_t i = 0; i < ROWS; i++) {
		UNROLL
		for (size_t j = 0; j < VECTORS; j++)
			x = FMA(y, sums[i][j], x);
	}
	STORE(lanes, x);
	return lanes[0];
}

const struct product_kernel JOIN(product_, NAME) = {
        .name = STRING(NAME),
        .n_row = ROWS,
        .n_column = COLUMNS,
        .multiply = multiply_floats,
        .peak = run_peak,
        .flops_per_round = 2 * ROWS * VECTORS * LANES,
};
