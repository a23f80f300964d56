/* Merge sort of indices, bottom up. */
#include "base/sort.h"
#include "base/memory.h"
#include "base/sizes.h"

/* Merges the sorted runs from[0..mid) and from[mid..n) into `to`. */
static void merge(const uint32_t *from, size_t mid, size_t n, uint32_t *to,
                  int (*compare)(const void *context, uint32_t a, uint32_t b), const void *context)
{
	size_t left = 0, right = mid;

	if (mid == n || compare(context, from[mid - 1], from[mid]) <= 0) { /* already in order, as in most files */
		memcpy(to, from, n * sizeof *to);
		return;
	}
	while (left < mid && right < n)
		*to++ = compare(context, from[right], from[left]) < 0 ? from[right++] : from[left++];
	memcpy(to, from + left, (mid - left) * sizeof *to);
	memcpy(to + (mid - left), from + right, (n - right) * sizeof *to);
}

uint32_t *tern_sort_indices(size_t n, int (*compare)(const void *context, uint32_t a, uint32_t b), const void *context)
{
	uint32_t *order = tern_alloc(n, sizeof *order), *merged = tern_alloc(n, sizeof *merged);

	if (!order || !merged) {
		tern_free(order);
		tern_free(merged);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	for (size_t width = 1; width < n; width *= 2) {
		for (size_t low = 0; low < n; low += 2 * width) {
			size_t n_both = tern_smaller(n - low, 2 * width);
			merge(order + low, tern_smaller(n_both, width), n_both, merged + low, compare, context);
		}
		uint32_t *swap = order;
		order = merged;
		merged = swap;
	}
	tern_free(merged);
	return order;
}
