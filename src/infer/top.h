/* The k largest of many numbered values, without sorting the others. */
#ifndef TERN_INFER_TOP_H
#define TERN_INFER_TOP_H

#include <stddef.h>
#include <stdint.h>

struct tern_ranked {
	float value;
	int32_t id;
};

/* The best candidates so far: a heap whose worst is heap[0]. Of equal values the lower id is better. */
struct tern_top {
	struct tern_ranked *heap; /* [k], the caller's */
	size_t k, n;              /* k >= 1 are kept, n are there */
};

/* Takes a candidate in; for tern_top_offer(), which has found that it belongs there. */
void tern_top_insert(struct tern_top *top, float value, int32_t id);

/* Keeps the candidate if it is among the k best so far. Of equals the lower id stays if ids come in ascending order. */
static inline void tern_top_offer(struct tern_top *top, float value, int32_t id)
{
	if (top->n < top->k || value > top->heap[0].value)
		tern_top_insert(top, value, id);
}

/* Best first; a heap no longer. */
void tern_top_sort(struct tern_top *top);

#endif
