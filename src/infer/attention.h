/* Causal attention over the key/value caches. */
#ifndef TERN_INFER_ATTENTION_H
#define TERN_INFER_ATTENTION_H

#include "infer/engine.h"

/* engine->attended from engine->q and the caches of the batch's sequences. Each token sees its own position and those
 * before it, and of these the last attention->window if that is not 0. */
void tern_attention(struct tern_engine *engine, const struct tern_attention_weights *attention);

/* Allocates engine->attention_*; false if memory runs out. The engine frees it. */
bool tern_attention_init(struct tern_engine *engine);

/* Bytes of scratch a worker needs. */
size_t tern_attention_scratch_bytes(const struct tern_hparams *hparams);

#endif
