/* The input end of the network: token ids to vectors. */
#ifndef TERN_INFER_EMBEDDING_H
#define TERN_INFER_EMBEDDING_H

#include "infer/engine.h"

/* engine->x[t] = embedding of the batch's token t, times the model's embedding_scale; ids are in range. */
void tern_embed(struct tern_engine *engine);

/* Bytes of scratch the calling thread needs. */
size_t tern_embedding_scratch_bytes(const struct tern_hparams *hparams);

#endif
