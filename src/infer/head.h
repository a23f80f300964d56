/* The two ends of the network: token ids to vectors, vectors to logits. */
#ifndef TERN_INFER_HEAD_H
#define TERN_INFER_HEAD_H

#include "infer/state.h"

/* session->x[t] = embedding of ids[t]; ids are in range. */
void tern_embed(struct tern_session *session, const int32_t *ids, size_t n_token);

/* Logits [n_token, n_vocab] of tokens first .. first + n_token - 1 of session->x. */
void tern_head(struct tern_session *session, size_t first, size_t n_token, float *logits);

/* Bytes of scratch a worker needs. */
size_t tern_head_scratch_bytes(const struct tern_hparams *hparams);

#endif
