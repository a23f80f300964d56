/* Sessions: an engine with one sequence. */
#include "api/session.h"

#include "api/options.h"
#include "base/memory.h"
#include "infer/batch.h"
#include "infer/engine_init.h"
#include "infer/head.h"

#include <string.h>

static enum tern_status init(struct tern_session *session, const struct tern_model *model,
                             const struct tern_session_options *options, struct tern_error *err)
{
	struct tern_engine_options engine = {.n_threads = options->n_threads, .n_batch = options->n_batch};
	struct tern_sequence_options sequence = {
	        .n_ctx = options->n_ctx, .kv = options->kv, .state_cache = options->state_cache};
	enum tern_status status;

	session->model = model;
	if ((status = tern_sequence_options_complete(&sequence, model, err)) ||
	    (status = tern_engine_options_complete(&engine, err)))
		return status;
	engine.n_batch = engine.n_batch < sequence.n_ctx ? engine.n_batch : sequence.n_ctx;
	status = tern_engine_init(&session->engine, &model->transformer, engine.n_threads, (size_t)engine.n_batch, err);
	if (status)
		return status;
	status = tern_sequence_make(&session->sequence, model, &sequence, err);
	if (status)
		tern_engine_clear(&session->engine);
	return status;
}

enum tern_status tern_session_new(struct tern_session **out, const struct tern_model *model,
                                  const struct tern_session_options *options, struct tern_error *err)
{
	struct tern_session_options defaults = {0};
	struct tern_session *session;
	enum tern_status status = tern_model_need_weights(model, err);

	*out = NULL;
	if (status)
		return status;
	if (!(session = tern_alloc(1, sizeof *session)))
		return tern_fail_memory(err, sizeof *session);
	if ((status = init(session, model, options ? options : &defaults, err))) {
		tern_free(session);
		return status;
	}
	*out = session;
	return TERN_OK;
}

void tern_session_free(struct tern_session *session)
{
	if (!session)
		return;
	tern_guesses_free(&session->guesses);
	tern_sequence_clear(&session->sequence);
	tern_engine_clear(&session->engine);
	tern_free(session);
}

bool tern_session_compute(struct tern_session *session, const int32_t *ids, size_t n_ids,
                          bool (*keep_going)(void *user), void *user)
{
	struct tern_sequence *sequence = &session->sequence;

	for (size_t i = 0; i < n_ids; i++)
		session->engine.tokens[i] = (struct tern_token){sequence, sequence->n_past + i, ids[i]};
	return tern_compute_batch(&session->engine, n_ids, keep_going, user);
}

enum tern_status tern_session_feed(struct tern_session *session, const int32_t *ids, size_t n_ids, float *logits,
                                   struct tern_error *err)
{
	struct tern_engine *engine = &session->engine;
	struct tern_sequence *sequence = &session->sequence;
	size_t n_vocab = engine->transformer->hparams.n_vocab;
	enum tern_status status = tern_sequence_begin(sequence, ids, n_ids, err);

	for (size_t done = 0, n; done < n_ids && !status; done += n) {
		n = tern_sequence_step(sequence, ids + done, n_ids - done, engine->n_batch);
		tern_session_compute(session, ids + done, n, NULL, NULL);
		if (!logits)
			continue;
		tern_head(engine, engine->x, n, logits + done * n_vocab);
		memcpy(sequence->logits, logits + (done + n - 1) * n_vocab, n_vocab * sizeof *logits);
		sequence->n_top_logits = n_vocab;
	}
	return status;
}

const float *tern_session_logits(struct tern_session *session)
{
	return tern_top_logits(&session->engine, &session->sequence, 0);
}

int tern_session_n_past(const struct tern_session *session) { return tern_sequence_n_past(&session->sequence); }

int tern_session_n_ctx(const struct tern_session *session) { return tern_sequence_n_ctx(&session->sequence); }

int tern_session_n_threads(const struct tern_session *session) { return tern_engine_n_threads(&session->engine); }

int tern_session_rewind(struct tern_session *session, int n_keep)
{
	return tern_sequence_rewind(&session->sequence, n_keep);
}

int tern_session_rewind_to(struct tern_session *session, const int32_t *ids, size_t n_ids)
{
	return tern_sequence_rewind_to(&session->sequence, ids, n_ids);
}
