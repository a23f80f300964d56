/* Queries, keys and values of new tokens, made ready for attention. */
#ifndef TERN_INFER_QKV_H
#define TERN_INFER_QKV_H

#include "infer/state.h"

/* Cosines and sines for positions n_past .. n_past + n_token - 1, for all kinds of layers. */
void tern_rope_fill(struct tern_session *session, size_t n_token);

/* QK-norm and RoPE on session->q and k, then q rounded as attention wants it, and k and v into the cache of this layer,
 * for n_token tokens from n_past on. */
void tern_qkv_prepare(struct tern_session *session, const struct tern_layer *layer, size_t layer_index, size_t n_token);

#endif
