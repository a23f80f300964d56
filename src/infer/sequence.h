/* A sequence: the tokens of one text and what is kept of them. Computing happens in batches of tokens of one or more
 * sequences (forward.h). */
#ifndef TERN_INFER_SEQUENCE_H
#define TERN_INFER_SEQUENCE_H

#include "infer/kv.h"

struct tern_sequence {
	const struct tern_transformer *transformer; /* whose states these are */
	size_t n_ctx, n_past;                       /* tokens that fit, tokens in the context */
	int32_t *ids;                               /* [n_ctx] the first n_past of them are the context */
	struct tern_kv kv;
	float *last;         /* [n_embd] output of the last layer for the last token, which the head reads */
	float *logits;       /* [n_vocab] of the last token; zeros before the first */
	size_t n_top_logits; /* how many of the largest are exact; n_vocab: all; 0: not computed */
};

/* On failure nothing is left. */
enum tern_status tern_sequence_init(struct tern_sequence *sequence, const struct tern_transformer *transformer,
                                    size_t n_ctx, enum tern_kv_type kv, struct tern_error *err);
void tern_sequence_clear(struct tern_sequence *sequence);

/* Checks that n_ids tokens can follow: TERN_ERR_CONTEXT if they do not fit, TERN_ERR_USAGE for an id that is out of
 * range. */
enum tern_status tern_sequence_begin(const struct tern_sequence *sequence, const int32_t *ids, size_t n_ids,
                                     struct tern_error *err);

/* A token of a batch. */
struct tern_token {
	struct tern_sequence *sequence;
	size_t position; /* in the sequence */
	int32_t id;
};

/* Makes n_token computed tokens part of the context. last: the output of the last layer for the last of them. */
void tern_sequence_commit(struct tern_sequence *sequence, const struct tern_token *tokens, size_t n_token,
                          const float *last);

/* Goes back to the state after the first n_keep tokens, or after fewer where that state is not kept. Returns the new
 * n_past. */
size_t tern_sequence_go_back(struct tern_sequence *sequence, size_t n_keep);

/* Consecutive tokens of one sequence in a batch. */
struct tern_segment {
	struct tern_sequence *sequence;
	size_t first, n_token; /* tokens of the batch */
	size_t position;       /* of the first one in the sequence */
};

/* Steps through the segments of a batch; *segment begins as {0}. False behind the last. */
bool tern_next_segment(const struct tern_token *tokens, size_t n_token, struct tern_segment *segment);

#endif
