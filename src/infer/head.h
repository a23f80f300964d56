/* The output end of the network: vectors to logits. */
#ifndef TERN_INFER_HEAD_H
#define TERN_INFER_HEAD_H

#include "infer/state.h"

/* Logits [n_token, n_vocab] of tokens first .. first + n_token - 1 of session->x. */
void tern_head(struct tern_session *session, size_t first, size_t n_token, float *logits);

/* Bytes of scratch a worker needs. */
size_t tern_head_scratch_bytes(void);

#endif
