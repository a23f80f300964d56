/* Queries, keys and values of a batch, made ready for attention. */
#ifndef TERN_INFER_QKV_H
#define TERN_INFER_QKV_H

#include "infer/engine.h"

/* Cosines and sines for the positions of the batch's tokens, for all kinds of layers. */
void tern_rope_fill(struct tern_engine *engine);

/* QK-norm and RoPE on engine->q and k; then rounds q as attention wants it, and stores k and v in the caches. */
void tern_qkv_prepare(struct tern_engine *engine, const struct tern_attention_weights *attention);

/* engine->attended times the sigmoid of the gates that came with the queries. */
void tern_gate_attention(struct tern_engine *engine);

#endif
