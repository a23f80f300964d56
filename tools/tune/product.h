/* Products of float matrices, with a kernel per instruction set behind one table.
 *
 * Every element of a result is one chain of fused multiply-adds over k, in order:
 *
 *     c = fma(a[i][0], b[0][j], c), c = fma(a[i][1], b[1][j], c), ...
 *
 * so the order of the work, instruction set and number of threads cannot change a bit. CPUs without fused multiply-add
 * run the portable kernel, which is correct and slow. */
#ifndef TUNE_PRODUCT_H
#define TUNE_PRODUCT_H

#include "base/threads.h"
#include "tune/product_kernel.h"

/* A matrix in memory: element (i, j) is at[i * row_stride + j * column_stride]. One of the strides is 1. */
struct view {
	const float *at;
	size_t row_stride, column_stride;
};

/* Kernel, threads and packing buffers. */
struct product {
	const struct product_kernel *kernel;
	struct tern_pool *pool;
	float *own; /* of each thread: packed rows of a, then packed columns of b */
};

/* False when memory runs out; free in either case. */
bool product_init(struct product *product, const struct product_kernel *kernel, struct tern_pool *pool);
void product_free(struct product *product);

/* c[m, n] = a[m, k] b[k, n], or += with `accumulate`. By all threads. */
void product_run(const struct product *product, float *c, size_t c_stride, struct view a, struct view b, size_t m,
                 size_t n, size_t k, bool accumulate);
/* The same by one thread, from inside a task. */
void product_serial(const struct product *product, int worker, float *c, size_t c_stride, struct view a, struct view b,
                    size_t m, size_t n, size_t k, bool accumulate);

/* Floating-point operations per second of all threads of the pool together in peak(): the best of about a millisecond,
 * in at least that many seconds. */
double product_measure_peak(const struct product *product, double seconds);

#endif
