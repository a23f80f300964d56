/* A hash table from the bytes of a piece to its id. Built once, then only read. */
#ifndef TERN_TEXT_PIECE_TABLE_H
#define TERN_TEXT_PIECE_TABLE_H

#include "base/hash.h"
#include "text/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most pieces are short, so a slot holds up to eight bytes itself: following a pointer costs more than all the rest. */
struct piece_table {
	const struct tern_piece *pieces; /* by id; the caller's */
	struct piece_slot {
		uint64_t key; /* the piece itself up to eight bytes; a hash of longer ones */
		uint32_t length;
		uint32_t id_plus_1; /* 0: free */
	} * slots;
	int bits; /* there are 2^bits slots */
	struct tern_hash_key hash;
};

/* Makes room for n pieces. False when memory runs out. Free with tern_free(table->slots). */
bool tern_piece_table_init(struct piece_table *table, const struct tern_piece *pieces, size_t n);

/* Adds pieces[id], shorter than 4 GiB. False if an equal piece is there already: that one is kept. */
bool tern_piece_table_add(struct piece_table *table, int32_t id);

/* Prefetches the slot that finding this piece reads. */
void tern_piece_table_prefetch(const struct piece_table *table, const char *bytes, size_t length);

/* The id of a piece, or -1. */
int32_t tern_piece_table_find(const struct piece_table *table, const char *bytes, size_t length);

#endif
