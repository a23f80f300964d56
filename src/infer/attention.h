/* Causal attention over the key/value cache. */
#ifndef TERN_INFER_ATTENTION_H
#define TERN_INFER_ATTENTION_H

#include "infer/state.h"

/* session->attended from session->q and the cache. Token t sees positions 0 .. n_past + t, and of these the last
 * layer->window if that is not 0. */
void tern_attention(struct tern_session *session, const struct tern_layer *layer, size_t layer_index, size_t n_token);

/* Says that tern_attention() will follow after the next run of the pool: threads that are done with that one ask memory
 * for the keys that they will begin with. Does nothing for more than one token. */
void tern_attention_ahead(struct tern_session *session, const struct tern_layer *layer, size_t layer_index,
                          size_t n_token);

/* Allocates the session's own scratch of this file, attention_*; false if memory runs out. The session frees it. */
bool tern_attention_init(struct tern_session *session);

/* Bytes of scratch a worker needs. */
size_t tern_attention_scratch_bytes(const struct tern_hparams *hparams);

#endif
