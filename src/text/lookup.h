/* Hash tables of a tokenizer: bytes to id, and pair of ids to the merge that joins them. Built once, then only read. */
#ifndef TERN_TEXT_LOOKUP_H
#define TERN_TEXT_LOOKUP_H

#include "base/hash.h"
#include "text/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes to id. Most pieces are short, so a slot holds up to eight bytes itself: looking elsewhere costs more than all
 * the rest. */
struct piece_table {
	const struct tern_piece *pieces; /* by id; the caller's */
	struct piece_slot {
		uint64_t key; /* the piece itself up to eight bytes; a hash of longer ones */
		uint32_t length;
		uint32_t id_plus_1; /* 0 = free */
	} * slots;
	int bits; /* there are 2^bits slots */
	struct tern_hash_key hash;
};

/* Room for n pieces. False when memory runs out. Free with tern_free(table->slots). */
bool tern_piece_table_init(struct piece_table *table, const struct tern_piece *pieces, size_t n);

/* Adds pieces[id], shorter than 4 GiB. False if an equal piece is there already: that one is kept. */
bool tern_piece_table_add(struct piece_table *table, int32_t id);

/* Begins to fetch what finding this piece will need, so that many can be under way at once. */
void tern_piece_table_prefetch(const struct piece_table *table, const char *bytes, size_t length);

/* The id of a piece, or -1. */
int32_t tern_piece_table_find(const struct piece_table *table, const char *bytes, size_t length);

/* Which merge joins two tokens. */
struct merge_slot {
	uint64_t pair; /* left id << 32 | right id */
	uint32_t rank; /* lower is earlier; MERGE_NONE = free slot */
	int32_t joined;
};

struct merge_table {
	struct merge_slot *slots;
	int bits;
	struct tern_hash_key hash;
};

#define MERGE_NONE UINT32_MAX

/* As above. Of equal pairs the one added first is kept. */
bool tern_merge_table_init(struct merge_table *table, size_t n);
void tern_merge_table_add(struct merge_table *table, int32_t left, int32_t right, uint32_t rank, int32_t joined);

static inline uint64_t merge_pair(int32_t left, int32_t right)
{
	return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* The slot where a pair is looked for first. */
static inline size_t merge_home(const struct merge_table *table, uint64_t pair)
{
	return tern_hash_u64(table->hash, pair, table->bits);
}

/* The merge of left and right; its rank is MERGE_NONE if there is none. Called for every pair of every word, hence
 * here. */
static inline const struct merge_slot *merge_find(const struct merge_table *table, int32_t left, int32_t right)
{
	uint64_t pair = merge_pair(left, right);
	size_t i = merge_home(table, pair), mask = ((size_t)1 << table->bits) - 1;

	while (table->slots[i].rank != MERGE_NONE && table->slots[i].pair != pair)
		i = (i + 1) & mask;
	return &table->slots[i];
}

static inline void tern_merge_table_prefetch(const struct merge_table *table, int32_t left, int32_t right)
{
	__builtin_prefetch(&table->slots[merge_home(table, merge_pair(left, right))], 1);
}

#endif
