/* Computing a batch of tokens of some sequences, and making them part of these. */
#ifndef TERN_INFER_BATCH_H
#define TERN_INFER_BATCH_H

#include "infer/engine.h"

/* Computes engine->tokens, 1 <= n_token <= n_batch of them: tokens of one sequence are adjacent, at the positions
 * behind its context. Afterwards engine->x holds the outputs of the last layer, and the tokens are part of their
 * sequences.
 *
 * Calls keep_going(user), unless NULL, several times a layer. False if it returned false: x is then undefined, and the
 * sequences are as before or, if they have a recurrent state, as at their last snapshot. */
bool tern_compute_batch(struct tern_engine *engine, size_t n_token, bool (*keep_going)(void *user), void *user);

#endif
