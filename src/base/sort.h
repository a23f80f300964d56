/* Sorting by index, to find duplicates and overlaps in the lists of a file. No file can make it quadratic, unlike
 * qsort() of some C libraries. */
#ifndef TERN_BASE_SORT_H
#define TERN_BASE_SORT_H

#include "base/sizes.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The numbers 0 .. n-1, n < 2^32, in an order with compare(context, order[i], order[i + 1]) <= 0; equals keep their
 * order. The caller frees with tern_free(). NULL when memory runs out. */
uint32_t *tern_sort_indices(size_t n, int (*compare)(const void *context, uint32_t a, uint32_t b), const void *context);

/* Compares two byte strings like memcmp(); if one is the beginning of the other, the shorter comes first. */
static inline int tern_compare_bytes(const char *a, size_t n_a, const char *b, size_t n_b)
{
	size_t n = tern_smaller(n_a, n_b);
	int order = n ? memcmp(a, b, n) : 0;
	return order ? order : (n_a > n_b) - (n_a < n_b);
}

#endif
