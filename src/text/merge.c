/* Joining symbols in the order of the merges' ranks, the leftmost of equals first. Short words, nearly all there are,
 * look through their symbols for each merge; long ones (a megabyte of one letter, or all of a text for SentencePiece)
 * keep the merges in a heap: O(n log n). Both give the same result. */
#include "text/merge.h"

#include "base/memory.h"

#include <string.h>

enum {
	SHORT_WORD = 40
}; /* symbols; about where the two take the same time */

/* Sets the rank of the merge of symbol `left` with `right`, the next; right ends at byte `end` of the word. */
static void rate(const struct tern_tokenizer *tokenizer, const char *word, struct merge_symbol *left,
                 const struct merge_symbol *right, size_t end)
{
	if (!tokenizer->by_score) {
		const struct merge_slot *merge = merge_find(&tokenizer->merges, left->id, right->id);
		left->rank = merge->rank;
		left->joined = merge->joined;
		return;
	}
	size_t length = end - left->start;
	left->rank = MERGE_NONE;
	if (length > tokenizer->max_joined_length)
		return;
	left->joined = tern_piece_table_find(&tokenizer->table, word + left->start, length);
	if (left->joined >= 0)
		left->rank = tokenizer->ranks[left->joined];
}

static size_t merge_short(const struct tern_tokenizer *tokenizer, const char *word, size_t n_bytes,
                          struct merge_symbol *symbols, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		rate(tokenizer, word, &symbols[i], &symbols[i + 1], i + 2 < n ? symbols[i + 2].start : n_bytes);
	symbols[n - 1].rank = MERGE_NONE;
	for (;;) {
		size_t best = 0;
		for (size_t i = 1; i < n; i++)
			if (symbols[i].rank < symbols[best].rank)
				best = i;
		if (symbols[best].rank == MERGE_NONE)
			return n;
		symbols[best].id = symbols[best].joined;
		n--;
		memmove(&symbols[best + 1], &symbols[best + 2], (n - best - 1) * sizeof *symbols);
		symbols[best].rank = MERGE_NONE;
		if (best + 1 < n)
			rate(tokenizer, word, &symbols[best], &symbols[best + 1],
			     best + 2 < n ? symbols[best + 2].start : n_bytes);
		if (best > 0)
			rate(tokenizer, word, &symbols[best - 1], &symbols[best],
			     best + 1 < n ? symbols[best + 1].start : n_bytes);
	}
}

/* ---- long words ---- */

/* A binary heap of numbers, the least on top: rank << 32 | index of the left symbol. An entry counts only while that
 * symbol's rank is the entry's. A merge takes one and puts in at most two, so 2n places suffice. */
static void sift_down(uint64_t *heap, size_t n, size_t i)
{
	uint64_t value = heap[i];

	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && heap[child + 1] < heap[child])
			child++;
		if (value <= heap[child])
			break;
		heap[i] = heap[child];
	}
	heap[i] = value;
}

static uint64_t heap_pop(uint64_t *heap, size_t *n)
{
	uint64_t top = heap[0];

	heap[0] = heap[--*n];
	if (*n > 0)
		sift_down(heap, *n, 0);
	return top;
}

static void heap_push(uint64_t *heap, size_t *n, uint64_t value)
{
	size_t i = (*n)++;

	for (; i > 0 && value < heap[(i - 1) / 2]; i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = value;
}

static const uint32_t END = UINT32_MAX; /* no neighbour */

/* Rates the pair that begins at symbol i and puts it into the heap. */
static void offer(struct encoder *encoder, const char *word, size_t n_bytes, uint32_t i, size_t *n_heap)
{
	struct merge_symbol *symbols = encoder->symbols;
	uint32_t right = encoder->links[i].next;

	symbols[i].rank = MERGE_NONE;
	if (right == END)
		return;
	uint32_t after = encoder->links[right].next;
	rate(encoder->tokenizer, word, &symbols[i], &symbols[right], after == END ? n_bytes : symbols[after].start);
	if (symbols[i].rank != MERGE_NONE)
		heap_push(encoder->heap, n_heap, (uint64_t)symbols[i].rank << 32 | i);
}

static size_t merge_long(struct encoder *encoder, const char *word, size_t n_bytes, size_t n)
{
	struct merge_symbol *symbols = encoder->symbols;
	struct merge_link *links = encoder->links;
	size_t n_heap = 0, kept = 0;

	for (uint32_t i = 0; i < n; i++)
		links[i] = (struct merge_link){i - 1, i + 1 < n ? i + 1 : END}; /* 0 - 1 is END */
	for (uint32_t i = 0; i < n; i++)
		offer(encoder, word, n_bytes, i, &n_heap);
	while (n_heap > 0) {
		uint64_t top = heap_pop(encoder->heap, &n_heap);
		uint32_t left = (uint32_t)top;
		if (symbols[left].rank != top >> 32)
			continue;
		uint32_t right = links[left].next, after = links[right].next;
		symbols[left].id = symbols[left].joined;
		symbols[right].rank = MERGE_NONE;
		links[left].next = after;
		if (after != END)
			links[after].previous = left;
		offer(encoder, word, n_bytes, left, &n_heap);
		if (links[left].previous != END)
			offer(encoder, word, n_bytes, links[left].previous, &n_heap);
	}
	for (uint32_t i = 0; i != END; i = links[i].next)
		symbols[kept++] = symbols[i];
	return kept;
}

size_t tern_merge_symbols(struct encoder *encoder, const char *word, size_t n_bytes, size_t n)
{
	if (n <= SHORT_WORD)
		return merge_short(encoder->tokenizer, word, n_bytes, encoder->symbols, n);
	if (!tern_grow((void **)&encoder->links, &encoder->link_capacity, n, sizeof *encoder->links) ||
	    !tern_grow((void **)&encoder->heap, &encoder->heap_capacity, 2 * n, sizeof *encoder->heap)) {
		tern_fail_memory(encoder->err, n * (sizeof *encoder->links + 2 * sizeof *encoder->heap));
		return 0;
	}
	return merge_long(encoder, word, n_bytes, n);
}
