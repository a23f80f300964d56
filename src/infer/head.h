/* The output end of the network: vectors to logits. */
#ifndef TERN_INFER_HEAD_H
#define TERN_INFER_HEAD_H

#include "infer/engine.h"

/* Logits [n_token, n_vocab] of outputs x [n_token, n_embd] of the last layer; n_token <= n_batch. */
void tern_head(struct tern_engine *engine, const float *x, size_t n_token, float *logits);

/* Logits [n_vocab] of a sequence's last token, valid until more is computed for it. Only the n_top largest (0: all),
 * and any equal to the least of them, have to be right: the others may be estimates, below all those. If a logit is not
 * finite, one of the result is not. Cheaper than all for large heads of type Q8P, and as sure as head_q8p.c says. */
const float *tern_top_logits(struct tern_engine *engine, struct tern_sequence *sequence, size_t n_top);

/* The same for outputs x [n_token, n_embd] of the last layer, n_token <= TERN_KEPT_OUTPUTS and <= n_batch, each with an
 * n_top of its own, into logits [n_token, n_vocab]: the weights are read once for all. True if all are right. */
bool tern_top_logits_of(struct tern_engine *engine, const float *x, size_t n_token, const size_t *n_top, float *logits);

#endif
