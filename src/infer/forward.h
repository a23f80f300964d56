/* The layers of the network, from token ids to what the head reads. */
#ifndef TERN_INFER_FORWARD_H
#define TERN_INFER_FORWARD_H

#include "infer/engine.h"

/* Computes engine->tokens, n_token of them, into engine->x. Returns early if engine->keep_going refuses. */
void tern_forward(struct tern_engine *engine);

#endif
