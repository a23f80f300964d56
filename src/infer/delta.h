/* Gated delta nets (arXiv 2412.06464): layers that remember in a state of fixed size what attention keeps in a cache.
 */
#ifndef TERN_INFER_DELTA_H
#define TERN_INFER_DELTA_H

#include "infer/engine.h"

/* engine->delta_decay and delta_beta [n_token, n_head] hold the projections alpha and beta; this makes gates of them,
 * convolves delta_raw, and runs the tokens through the states of their sequences: engine->attended [n_token, n_value]
 * is what the layer's last projection reads. */
void tern_delta(struct tern_engine *engine, const struct tern_delta_weights *delta);

#endif
