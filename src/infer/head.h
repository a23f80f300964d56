/* The output end of the network: vectors to logits. */
#ifndef TERN_INFER_HEAD_H
#define TERN_INFER_HEAD_H

#include "infer/state.h"

/* Logits [n_token, n_vocab] of tokens first .. first + n_token - 1 of session->x. */
void tern_head(struct tern_session *session, size_t first, size_t n_token, float *logits);

/* Logits [n_vocab] of token `token` of session->x, of which the n_top largest are exact, as tern_session_top_logits()
 * has it. Returns how many are: n_top, or n_vocab. */
size_t tern_head_top(struct tern_session *session, size_t token, size_t n_top, float *logits);

#endif
