/* What a kernel of the float products is: one per instruction set, each in a file of its own. */
#ifndef TUNE_PRODUCT_KERNEL_H
#define TUNE_PRODUCT_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

enum {
	PRODUCT_MAX_ROWS = 12, /* the most rows and columns that any kernel's patch has */
	PRODUCT_MAX_COLUMNS = 32,
};

/* Multiplies a panel of a by a panel of b into a patch of c, [n_row, n_column]: element (i, p) of the first is at
 * a[p * n_row + i], element (p, j) of the other at b[p * n_column + j]. Meanwhile it may prefetch the patch to the
 * right of this one, and k cache lines from `ahead` on, ahead_stride floats apart. */
struct product_kernel {
	const char *name;
	size_t n_row, n_column;
	void (*multiply)(float *c, size_t c_stride, const float *a, const float *b, size_t k, bool accumulate,
	                 const float *ahead, size_t ahead_stride);
	/* n_round rounds of flops_per_round floating-point operations in registers: the limit of multiply(). */
	float (*peak)(size_t n_round);
	size_t flops_per_round;
};

#endif
