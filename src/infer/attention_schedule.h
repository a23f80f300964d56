/* How the attention of one segment is divided among threads. Knows positions and heads only.
 *
 * The cache is cut into blocks of TERN_ATTENTION_BLOCK positions, the same for every token, and the partial softmaxes
 * of a token are combined in the order of the blocks: the result does not depend on which thread computed which block.
 *
 * An item of work is a range of tokens for one key/value head: it reads each block once for all their queries. Where
 * that makes few items, each block is an item of its own (split-KV), and the thread that ends last combines their
 * results. The heads of a block then follow each other, as they do in memory. The partial results are kept in memory
 * that is limited, so long contexts take several passes over consecutive blocks. */
#ifndef TERN_INFER_ATTENTION_SCHEDULE_H
#define TERN_INFER_ATTENTION_SCHEDULE_H

#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	/* Queries of an item, unless one token has more: their scratch and a block of keys and values stay in a
	 * core's cache. */
	TERN_MAX_QUERIES = 32,
	TERN_KEPT_RESULTS = 128 /* tokens times blocks whose partial results are kept in a pass, of each head */
};

struct tern_attention_schedule {
	/* Given: the segment, and what attends. */
	size_t position, n_token;  /* the segment's first position, and its tokens */
	size_t window;             /* tokens seen, the own one included; 0: all */
	size_t n_head_kv, n_query; /* n_query: query heads that share one key/value head */
	size_t n_thread;

	size_t tokens_per_range, n_range;
	bool is_split;
	size_t first_block, end_block, n_item; /* of this pass */
};

/* One item of work of a pass. */
struct tern_attention_item {
	size_t head_kv, token, n_token; /* of the segment */
	size_t range;                   /* 0 .. n_head_kv * n_range - 1: whose results belong together */
	size_t first_block, end_block;
};

/* Most tokens of an item for n_query query heads a key/value head. */
size_t tern_attention_max_tokens(size_t n_query);

/* Decides on ranges and splits; the first group of members is set. tern_attention_next_pass() begins. */
void tern_attention_divide(struct tern_attention_schedule *schedule);

/* Goes on to the next pass; false if there is none left. */
bool tern_attention_next_pass(struct tern_attention_schedule *schedule);

/* Item number index < n_item. Later tokens see more and come first. */
struct tern_attention_item tern_attention_item(const struct tern_attention_schedule *schedule, size_t index);

/* The blocks that a token sees some of are first .. end - 1. */
size_t tern_attention_first_block(const struct tern_attention_schedule *schedule, size_t token);
size_t tern_attention_end_block(const struct tern_attention_schedule *schedule, size_t token);

/* The positions that a token sees of a block; end is 0 if there are none. */
struct tern_positions tern_attention_visible(const struct tern_attention_schedule *schedule, size_t token,
                                             size_t block);

#endif
