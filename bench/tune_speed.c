/* The speed of tern-tune's float products next to the limit of the instruction set: the three products of a projection
 * in training, for the shapes of tern-tiny and of a 25 M model.   tune_speed [THREADS] */
#include "base/clock.h"
#include "base/memory.h"
#include "tune/product.h"

#include <stdio.h>
#include <stdlib.h>

/* x [n_token, n_col], W [n_row, n_col]: y = x W^T, dx = dy W, dW += dy^T x. */
static double measure(const struct product *product, int which, size_t n_token, size_t n_row, size_t n_col)
{
	float *x = tern_alloc_huge(n_token * n_col, sizeof *x), *w = tern_alloc_huge(n_row * n_col, sizeof *w),
	      *y = tern_alloc_huge(n_token * n_row, sizeof *y);
	double best = 0;

	for (size_t i = 0; i < n_token * n_col; i++)
		x[i] = (float)(i % 7) * 0.1f;
	for (size_t i = 0; i < n_row * n_col; i++)
		w[i] = (float)(i % 5) * 0.01f;
	for (size_t i = 0; i < n_token * n_row; i++)
		y[i] = (float)(i % 3) * 0.1f;
	for (int round = 0; round < 12; round++) {
		uint64_t start = tern_clock_ns();
		if (which == 0)
			product_run(product, y, n_row, (struct view){x, n_col, 1}, (struct view){w, 1, n_col}, n_token,
			            n_row, n_col, false);
		else if (which == 1)
			product_run(product, x, n_col, (struct view){y, n_row, 1}, (struct view){w, n_col, 1}, n_token,
			            n_col, n_row, false);
		else
			product_run(product, w, n_col, (struct view){y, 1, n_row}, (struct view){x, n_col, 1}, n_row,
			            n_col, n_token, true);
		double speed =
		        2.0 * (double)n_token * (double)n_row * (double)n_col / (double)(tern_clock_ns() - start);
		best = speed > best ? speed : best;
	}
	tern_free(x);
	tern_free(w);
	tern_free(y);
	return best;
}

int main(int argc, char **argv)
{
	static const size_t shapes[][3] = {{3200, 256, 256}, {3200, 128, 256}, {3200, 512, 256},  {3200, 256, 512},
	                                   {2048, 512, 512}, {2048, 256, 512}, {2048, 1408, 512}, {2048, 512, 1408}};
	static const char *const names[] = {"forward", "by input", "by weight"};
	struct tern_error err;
	struct tern_pool *pool;

	if (tern_pool_new(&pool, argc > 1 ? atoi(argv[1]) : 2, &err))
		return 1;
	for (size_t i = 1; tern_kernels_built()[i]; i++) {
		const struct tern_kernels *table = tern_kernels_built()[i];
		struct product product;
		if (!tern_kernels_usable(table))
			continue;
		if (!product_init(&product, product_kernel_of(table), pool))
			return 1;
		double peak = product_measure_peak(&product, 0.5) * 1e-9;
		printf("%s, %d threads: peak %.1f GFLOP/s\n", product.kernel->name, tern_pool_size(pool), peak);
		for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
			printf("  %4zu tokens, [%4zu, %4zu]:", shapes[s][0], shapes[s][1], shapes[s][2]);
			for (int which = 0; which < 3; which++) {
				double speed = measure(&product, which, shapes[s][0], shapes[s][1], shapes[s][2]);
				printf("  %s %6.1f (%.2f)", names[which], speed, speed / peak);
			}
			putchar('\n');
		}
		product_free(&product);
	}
	tern_pool_free(pool);
	return 0;
}
