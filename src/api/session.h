/* The inside of struct tern_session, shared by the files of api/: an engine, one sequence, and guesses of its tokens.
 */
#ifndef TERN_API_SESSION_H
#define TERN_API_SESSION_H

#include "api/guesses.h"
#include "api/model.h"
#include "infer/engine.h"

struct tern_session {
	const struct tern_model *model;
	struct tern_engine engine;
	struct tern_sequence sequence;
	struct tern_guesses guesses;
};

/* Computes one batch, n_ids <= n_batch tokens that tern_sequence_begin() has accepted. False if keep_going ended it;
 * see tern_compute_batch(). */
bool tern_session_compute(struct tern_session *session, const int32_t *ids, size_t n_ids,
                          bool (*keep_going)(void *user), void *user);

#endif
