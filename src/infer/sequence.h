/* A sequence: the tokens of one text and what is kept of them. Computing happens in batches of tokens of one or more
 * sequences (batch.h). */
#ifndef TERN_INFER_SEQUENCE_H
#define TERN_INFER_SEQUENCE_H

#include "infer/kv.h"
#include "infer/snapshots.h"

enum {
	TERN_KEPT_OUTPUTS = 17 /* tokens of a sequence whose logits one pass over the head gives */
};

struct tern_sequence {
	const struct tern_transformer *transformer; /* whose states these are */
	size_t n_ctx, n_past;                       /* tokens that fit, tokens in the context */
	int32_t *ids;                               /* [n_ctx] the first n_past of them are the context */
	struct tern_kv kv;
	uint8_t *state; /* [tern_state_bytes()] of the recurrent layers, NULL if there are none */

	/* Where to go back to, if there is a state. */
	struct tern_snapshots snapshots;
	const bool *is_end; /* [n_is_end] tokens that end a turn */
	size_t n_is_end;
	size_t n_shared;     /* a snapshot is wanted after so many tokens, which other texts begin with; 0: none is */
	size_t snapshot_due; /* the batch under way ends where a snapshot is to be taken; 0: it does not */

	float *outputs;      /* [TERN_KEPT_OUTPUTS, n_embd] of the last layer for the last tokens of the last batch */
	float *last;         /* that of the last token, which the head reads */
	float *logits;       /* [n_vocab] of the last token; zeros before the first */
	size_t n_top_logits; /* how many of the largest are exact; n_vocab: all; 0: not computed */
};

/* On failure nothing is left. */
enum tern_status tern_sequence_init(struct tern_sequence *sequence, const struct tern_transformer *transformer,
                                    size_t n_ctx, enum tern_kv_type kv, struct tern_error *err);
void tern_sequence_clear(struct tern_sequence *sequence);

/* Allows snapshots of max_bytes in all. is_end [n_is_end] says which tokens end a turn; it outlives the sequence. */
void tern_sequence_allow_snapshots(struct tern_sequence *sequence, size_t max_bytes, const bool *is_end,
                                   size_t n_is_end);

/* TERN_ERR_USAGE for an id that is out of range. */
enum tern_status tern_sequence_check_ids(const struct tern_sequence *sequence, const int32_t *ids, size_t n_ids,
                                         struct tern_error *err);
/* Checks that n_ids tokens can follow: TERN_ERR_CONTEXT if they do not fit, else tern_sequence_check_ids(). */
enum tern_status tern_sequence_begin(const struct tern_sequence *sequence, const int32_t *ids, size_t n_ids,
                                     struct tern_error *err);

/* How many of the tokens that follow the next batch should have, at most max_ids: fewer if a snapshot should be taken
 * after some of them, at the end of the last turn or of a beginning that other texts share. */
size_t tern_sequence_step(struct tern_sequence *sequence, const int32_t *ids, size_t n_ids, size_t max_ids);

/* Takes a snapshot of the present, if the last one was long ago: the end of an answer. */
void tern_sequence_mark(struct tern_sequence *sequence);

/* A token of a batch. */
struct tern_token {
	struct tern_sequence *sequence;
	size_t position; /* in the sequence */
	int32_t id;
};

/* Makes n_token computed tokens part of the context. outputs: [n_token, n_embd] of the last layer. */
void tern_sequence_commit(struct tern_sequence *sequence, const struct tern_token *tokens, size_t n_token,
                          const float *outputs);

/* Takes the last n tokens of the last batch, n < TERN_KEPT_OUTPUTS and less than the batch had, out of the context
 * again: it is then the same as before they were computed. Only without a recurrent state. */
void tern_sequence_take_back(struct tern_sequence *sequence, size_t n);

/* Makes the first of the tokens that were taken back part of the context again. */
void tern_sequence_readmit(struct tern_sequence *sequence);

/* Goes back to the state after the first n_keep tokens, or to the last snapshot before. Returns the new n_past. */
size_t tern_sequence_go_back(struct tern_sequence *sequence, size_t n_keep);

/* The same for what the context and ids have in common at their beginning, without the last of ids. */
size_t tern_sequence_go_back_to(struct tern_sequence *sequence, const int32_t *ids, size_t n_ids);

/* After a batch that was not completed: goes back to where the state is known. */
void tern_sequence_recover(struct tern_sequence *sequence);

/* Consecutive tokens of one sequence in a batch. */
struct tern_segment {
	struct tern_sequence *sequence;
	size_t first, n_token; /* tokens of the batch */
	size_t position;       /* of the first one in the sequence */
};

/* Steps through the segments of a batch; *segment begins as {0}. False behind the last. */
bool tern_next_segment(const struct tern_token *tokens, size_t n_token, struct tern_segment *segment);

#endif
