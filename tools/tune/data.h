/* Texts to train on: read, tokenized, cut into pieces of at most a context, and put together to batches in an order
 * that the seed alone decides. */
#ifndef TUNE_DATA_H
#define TUNE_DATA_H

#include "tune/graph.h"

#include <tern.h>

/* Consecutive tokens of a document that are computed together; each predicts the token after it, the last one too. */
struct piece {
	size_t first, n_token;
};

struct corpus {
	int32_t *ids;     /* documents one after the other */
	uint8_t *learned; /* [n_ids] whether predicting this token counts */
	size_t n_ids, id_capacity, learned_capacity;
	struct piece *pieces;
	size_t n_pieces, piece_capacity;
	size_t n_tokens, n_targets; /* of all pieces */
	size_t n_documents;
};

/* Reads texts: JSON Lines if the name ends in .jsonl, each line {"text": ...} or {"messages": [{"role", "content"},
 * ...]}, the latter in the model's chat format with only the answers to be learned; else plain text, documents
 * separated by blank lines. Messages name the file and the line. Free in either case. */
enum tern_status corpus_read(struct corpus *corpus, const char *path, const struct tern_model *vocabulary,
                             size_t context, struct tern_error *err);
/* Reads plain text as `tern eval` does: as one document in windows of `context` tokens of which the second half is
 * predicted. JSON Lines as corpus_read(). */
enum tern_status corpus_read_evaluation(struct corpus *corpus, const char *path, const struct tern_model *vocabulary,
                                        size_t context, struct tern_error *err);
void corpus_free(struct corpus *corpus);
/* A number that differs, most likely, if the tokens do. */
uint64_t corpus_hash(const struct corpus *corpus);

/* A walk over the pieces, epoch after epoch, each in another order. */
struct walk {
	const struct corpus *corpus;
	uint64_t seed, epoch;
	bool shuffles;
	size_t *order; /* [n_pieces] */
	size_t at;
	size_t max_tokens; /* of a batch */
};

enum tern_status walk_init(struct walk *walk, const struct corpus *corpus, uint64_t seed, bool shuffles,
                           size_t max_tokens, struct tern_error *err);
void walk_free(struct walk *walk);
/* Fills `batch` with the next pieces of the epoch, as many as fit into max_tokens. NULL: skips them. */
void walk_next(struct walk *walk, struct batch *batch);

/* Buffers for batches of up to max_tokens. Free in either case. */
enum tern_status batch_init(struct batch *batch, size_t max_tokens, struct tern_error *err);
void batch_free(struct batch *batch);

#endif
