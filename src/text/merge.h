/* Merging: in a word that begins as one symbol per byte or character, neighbors are joined, the pair of the lowest
 * rank first and the leftmost of equals, until no pair can be joined. */
#ifndef TERN_TEXT_MERGE_H
#define TERN_TEXT_MERGE_H

#include "base/hash.h"
#include "text/piece_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MERGE_NONE UINT32_MAX /* the rank of a pair that cannot be joined */

/* A hash table from two token ids to the merge that joins them. Built once, then only read. */
struct merge_table {
	struct merge_slot {
		uint64_t pair; /* left id << 32 | right id */
		uint32_t rank; /* MERGE_NONE: free slot */
		int32_t joined;
	} * slots;
	int bits; /* there are 2^bits slots */
	struct tern_hash_key hash;
};

/* Makes room for n merges. False when memory runs out. Free with tern_free(table->slots). */
bool tern_merge_table_init(struct merge_table *table, size_t n);
/* Of equal pairs the one added first is kept. */
void tern_merge_table_add(struct merge_table *table, int32_t left, int32_t right, uint32_t rank, int32_t joined);
/* Prefetches the slot that tern_merge_table_add() writes. */
void tern_merge_table_prefetch(const struct merge_table *table, int32_t left, int32_t right);

/* How pairs are ranked. */
struct merge_rules {
	struct merge_table merges; /* by merges, or */
	uint32_t *ranks;           /* [n_pieces], if not NULL: by the rank of the piece that two symbols' text makes */
	size_t max_length;         /* with ranks: bytes of the longest piece whose rank is not MERGE_NONE */
	const struct piece_table *pieces;
};

struct merge_symbol {
	int32_t id;     /* -1: no token */
	uint32_t start; /* offset in the word */
	uint32_t rank;  /* of the merge with the next symbol */
	int32_t joined; /* the id that this merge makes */
};

/* Work space for merging, used for one word after the other. Zero-initialized is empty. */
struct merge_space {
	struct merge_symbol *symbols;
	size_t symbol_capacity;
	struct merge_link {
		uint32_t previous, next;
	} * links; /* of long words */
	size_t link_capacity;
	uint64_t *heap; /* of long words */
	size_t heap_capacity;
};

/* Makes room for a word of n symbols. False when memory runs out. */
bool tern_merge_reserve(struct merge_space *space, size_t n);
void tern_merge_space_free(struct merge_space *space);

/* Merges space->symbols[0..n), n > 0, whose id and start the caller has set and which divide the n_bytes at word.
 * Returns how many symbols are left. */
size_t tern_merge(const struct merge_rules *rules, struct merge_space *space, const char *word, size_t n_bytes,
                  size_t n);

#endif
