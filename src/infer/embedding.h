/* The input end of the network: token ids to vectors. */
#ifndef TERN_INFER_EMBEDDING_H
#define TERN_INFER_EMBEDDING_H

#include "infer/state.h"

/* session->x[t] = embedding of ids[t]; ids are in range. */
void tern_embed(struct tern_session *session, const int32_t *ids, size_t n_token);

/* Bytes of scratch the calling thread needs. */
size_t tern_embedding_scratch_bytes(const struct tern_hparams *hparams);

#endif
