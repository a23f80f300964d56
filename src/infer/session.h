/* Making and clearing a session; feeding it is in tern.h. */
#ifndef TERN_INFER_SESSION_H
#define TERN_INFER_SESSION_H

#include "infer/state.h"

/* options: all numbers set (no defaults left to choose). On failure nothing is left. */
enum tern_status tern_session_init(struct tern_session *session, const struct tern_transformer *transformer,
                                   const struct tern_session_options *options, struct tern_error *err);
void tern_session_clear(struct tern_session *session);

#endif
