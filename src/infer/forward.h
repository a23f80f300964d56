/* The network from token ids to what the head reads. */
#ifndef TERN_INFER_FORWARD_H
#define TERN_INFER_FORWARD_H

#include "infer/state.h"

/* The network over n_token <= n_batch tokens at position n_past: session->x holds what goes to the head, the cache
 * their keys and values. n_past stays. False if session->keep_going ended it: x is then of no use. */
bool tern_forward(struct tern_session *session, const int32_t *ids, size_t n_token);

#endif
