/* Making and clearing a session, and its largest logits; feeding it is in tern.h. */
#ifndef TERN_INFER_SESSION_H
#define TERN_INFER_SESSION_H

#include "infer/state.h"

/* options: all numbers set (no defaults left to choose). On failure nothing is left. */
enum tern_status tern_session_init(struct tern_session *session, const struct tern_transformer *transformer,
                                   const struct tern_session_options *options, struct tern_error *err);
void tern_session_clear(struct tern_session *session);

/* Like tern_session_logits(), but only the n_top largest logits (0: all), and any equal to the least of them, have to
 * be right: the others may be estimates, below all those. If a logit is not finite, one of the result is not. Cheaper
 * for large heads of type Q8P, and as sure as head_q8p.c says. */
const float *tern_session_top_logits(struct tern_session *session, size_t n_top);

#endif
