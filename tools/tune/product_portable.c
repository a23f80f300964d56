/* The definition of a product, see product.h. */
#include "tune/product_kernel.h"

#include <math.h>

enum {
	ROWS = 4,
	COLUMNS = 8
};

static void multiply(float *c, size_t c_stride, const float *a, const float *b, size_t k, bool accumulate,
                     const float *ahead, size_t ahead_stride)
{
	(void)ahead, (void)ahead_stride;

	for (size_t i = 0; i < ROWS; i++)
		for (size_t j = 0; j < COLUMNS; j++) {
			float sum = accumulate ? c[i * c_stride + j] : 0.0f;
			for (size_t p = 0; p < k; p++)
				sum = fmaf(a[p * ROWS + i], b[p * COLUMNS + j], sum);
			c[i * c_stride + j] = sum;
		}
}

static float peak(size_t n_round)
{
	float sums[ROWS] = {0.0f, 1.0f, 2.0f, 3.0f};

	for (; n_round > 0; n_round--)
		for (size_t i = 0; i < ROWS; i++)
			sums[i] = fmaf(0.999f, sums[i], 0.001f);
	return sums[0] + sums[1] + sums[2] + sums[3];
}

const struct product_kernel product_portable = {
        .name = "portable",
        .n_row = ROWS,
        .n_column = COLUMNS,
        .multiply = multiply,
        .peak = peak,
        .flops_per_round = 2 * ROWS,
};
