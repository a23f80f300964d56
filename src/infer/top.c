#include "infer/top.h"

#include <stdbool.h>
#include <stdlib.h>

static bool is_better(struct tern_ranked a, struct tern_ranked b)
{
	return a.value > b.value || (a.value == b.value && a.id < b.id);
}

static void swap(struct tern_ranked *a, struct tern_ranked *b)
{
	struct tern_ranked other = *a;
	*a = *b;
	*b = other;
}

static void sift_up(struct tern_ranked *heap, size_t i)
{
	while (i > 0 && is_better(heap[(i - 1) / 2], heap[i])) {
		swap(&heap[(i - 1) / 2], &heap[i]);
		i = (i - 1) / 2;
	}
}

static void sift_down(struct tern_ranked *heap, size_t n)
{
	for (size_t i = 0, child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && is_better(heap[child], heap[child + 1]))
			child++;
		if (is_better(heap[child], heap[i]))
			return;
		swap(&heap[i], &heap[child]);
	}
}

void tern_top_insert(struct tern_top *top, float value, int32_t id)
{
	if (top->n < top->k) {
		top->heap[top->n] = (struct tern_ranked){value, id};
		sift_up(top->heap, top->n++);
	} else {
		top->heap[0] = (struct tern_ranked){value, id};
		sift_down(top->heap, top->n);
	}
}

static int by_rank(const void *a, const void *b)
{
	const struct tern_ranked *x = a, *y = b;
	return is_better(*x, *y) ? -1 : is_better(*y, *x);
}

void tern_top_sort(struct tern_top *top) { qsort(top->heap, top->n, sizeof *top->heap, by_rank); }
