/* Short words, nearly all there are, are searched for the best pair before each merge. Long words (a megabyte of one
 * letter, or a whole text for SentencePiece) keep their pairs in a heap: O(n log n). Both give the same result. */
#include "text/merge.h"

#include "base/memory.h"

#include <string.h>

enum {
	SHORT_WORD = 40 /* symbols; about where both ways take the same time */
};

/* ---- the table of merges ---- */

static uint64_t pair_of(int32_t left, int32_t right) { return (uint64_t)(uint32_t)left << 32 | (uint32_t)right; }

bool tern_merge_table_init(struct merge_table *table, size_t n)
{
	table->bits = tern_hash_table_bits(n);
	size_t size = (size_t)1 << table->bits;

	table->hash = tern_hash_new_key(table);
	table->slots = tern_alloc_huge(size, sizeof *table->slots);
	if (!table->slots)
		return false;
	for (size_t i = 0; i < size; i++)
		table->slots[i].rank = MERGE_NONE;
	return true;
}

/* The slot of a pair, or the free one where it belongs. Called for every pair of every word. */
static inline struct merge_slot *find_slot(const struct merge_table *table, int32_t left, int32_t right)
{
	uint64_t pair = pair_of(left, right);
	size_t i = tern_hash_u64(table->hash, pair, table->bits), mask = ((size_t)1 << table->bits) - 1;

	while (table->slots[i].rank != MERGE_NONE && table->slots[i].pair != pair)
		i = (i + 1) & mask;
	return &table->slots[i];
}

void tern_merge_table_add(struct merge_table *table, int32_t left, int32_t right, uint32_t rank, int32_t joined)
{
	struct merge_slot *slot = find_slot(table, left, right);

	if (slot->rank == MERGE_NONE)
		*slot = (struct merge_slot){pair_of(left, right), rank, joined};
}

void tern_merge_table_prefetch(const struct merge_table *table, int32_t left, int32_t right)
{
	__builtin_prefetch(&table->slots[tern_hash_u64(table->hash, pair_of(left, right), table->bits)], 1);
}

/* ---- short words ---- */

/* Sets rank and joined of `left`; `right`, the next symbol, ends at byte `end` of the word. */
static void rate(const struct merge_rules *rules, const char *word, struct merge_symbol *left,
                 const struct merge_symbol *right, size_t end)
{
	if (!rules->ranks) {
		const struct merge_slot *merge = find_slot(&rules->merges, left->id, right->id);
		left->rank = merge->rank;
		left->joined = merge->joined;
		return;
	}
	size_t length = end - left->start;
	left->rank = MERGE_NONE;
	if (length > rules->max_length)
		return;
	left->joined = tern_piece_table_find(rules->pieces, word + left->start, length);
	if (left->joined >= 0)
		left->rank = rules->ranks[left->joined];
}

static size_t merge_short(const struct merge_rules *rules, const char *word, size_t n_bytes,
                          struct merge_symbol *symbols, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		rate(rules, word, &symbols[i], &symbols[i + 1], i + 2 < n ? symbols[i + 2].start : n_bytes);
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
			rate(rules, word, &symbols[best], &symbols[best + 1],
			     best + 2 < n ? symbols[best + 2].start : n_bytes);
		if (best > 0)
			rate(rules, word, &symbols[best - 1], &symbols[best],
			     best + 1 < n ? symbols[best + 1].start : n_bytes);
	}
}

/* ---- long words ---- */

/* A binary heap of pairs, the smallest on top: rank << 32 | index of the left symbol. An entry is stale once its symbol
 * has another rank. A merge removes one entry and adds at most two, so 2n places suffice. */
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

static const uint32_t END = UINT32_MAX; /* no neighbor */

/* Rates the pair that begins at symbol i and adds it to the heap. */
static void offer(const struct merge_rules *rules, struct merge_space *space, const char *word, size_t n_bytes,
                  uint32_t i, size_t *n_heap)
{
	struct merge_symbol *symbols = space->symbols;
	uint32_t right = space->links[i].next;

	symbols[i].rank = MERGE_NONE;
	if (right == END)
		return;
	uint32_t after = space->links[right].next;
	rate(rules, word, &symbols[i], &symbols[right], after == END ? n_bytes : symbols[after].start);
	if (symbols[i].rank != MERGE_NONE)
		heap_push(space->heap, n_heap, (uint64_t)symbols[i].rank << 32 | i);
}

static size_t merge_long(const struct merge_rules *rules, struct merge_space *space, const char *word, size_t n_bytes,
                         size_t n)
{
	struct merge_symbol *symbols = space->symbols;
	struct merge_link *links = space->links;
	size_t n_heap = 0, kept = 0;

	for (uint32_t i = 0; i < n; i++)
		links[i] = (struct merge_link){i - 1, i + 1 < n ? i + 1 : END}; /* 0 - 1 is END */
	for (uint32_t i = 0; i < n; i++)
		offer(rules, space, word, n_bytes, i, &n_heap);
	while (n_heap > 0) {
		uint64_t top = heap_pop(space->heap, &n_heap);
		uint32_t left = (uint32_t)top;
		if (symbols[left].rank != top >> 32)
			continue;
		uint32_t right = links[left].next, after = links[right].next;
		symbols[left].id = symbols[left].joined;
		symbols[right].rank = MERGE_NONE;
		links[left].next = after;
		if (after != END)
			links[after].previous = left;
		offer(rules, space, word, n_bytes, left, &n_heap);
		if (links[left].previous != END)
			offer(rules, space, word, n_bytes, links[left].previous, &n_heap);
	}
	for (uint32_t i = 0; i != END; i = links[i].next)
		symbols[kept++] = symbols[i];
	return kept;
}

bool tern_merge_reserve(struct merge_space *space, size_t n)
{
	if (!TERN_GROW(space->symbols, space->symbol_capacity, n))
		return false;
	return n <= SHORT_WORD || (TERN_GROW(space->links, space->link_capacity, n) &&
	                           TERN_GROW(space->heap, space->heap_capacity, 2 * n));
}

void tern_merge_space_free(struct merge_space *space)
{
	tern_free(space->symbols);
	tern_free(space->links);
	tern_free(space->heap);
}

size_t tern_merge(const struct merge_rules *rules, struct merge_space *space, const char *word, size_t n_bytes,
                  size_t n)
{
	return n <= SHORT_WORD ? merge_short(rules, word, n_bytes, space->symbols, n)
	                       : merge_long(rules, space, word, n_bytes, n);
}
