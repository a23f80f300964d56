/* Sessions and samplers for a model: the defaults, and memory checked before it is used. */
#include "infer/session.h"

#include "api/model.h"
#include "base/memory.h"
#include "infer/sampler.h"

#include <stdlib.h>

enum {
	DEFAULT_CONTEXT = 4096,
	DEFAULT_BATCH = 256, /* as fast as more, and heard sooner when asked to stop */
	MAX_THREADS = 1024
};

static enum tern_status choose(struct tern_session_options *chosen, const struct tern_model *model,
                               const struct tern_session_options *options, struct tern_error *err)
{
	int n_ctx_train = (int)model->transformer.hparams.n_ctx_train;
	int n_ctx_max = (int)model->transformer.hparams.n_ctx_max;

	*chosen = options ? *options : (struct tern_session_options){0};
	if (chosen->n_ctx == 0)
		chosen->n_ctx = n_ctx_train < DEFAULT_CONTEXT ? n_ctx_train : DEFAULT_CONTEXT;
	else if (chosen->n_ctx == -1)
		chosen->n_ctx = n_ctx_train;
	if (chosen->n_threads == 0)
		chosen->n_threads = tern_default_threads();
	if (chosen->n_batch == 0)
		chosen->n_batch = DEFAULT_BATCH;
	if (chosen->n_ctx < 1)
		return tern_fail(err, TERN_ERR_USAGE, "context: expected at least 1 token, got %d", chosen->n_ctx);
	if (n_ctx_max && chosen->n_ctx > n_ctx_max)
		return tern_fail(err, TERN_ERR_USAGE,
		                 "context: the file does not say how far back its layers with a window look, so up to "
		                 "%d tokens are right, not %d",
		                 n_ctx_max, chosen->n_ctx);
	if (chosen->n_threads < 1 || chosen->n_threads > MAX_THREADS)
		return tern_fail(err, TERN_ERR_USAGE, "threads: expected 1 to %d, got %d", MAX_THREADS,
		                 chosen->n_threads);
	if (chosen->kv != TERN_KV_F16 && chosen->kv != TERN_KV_Q8)
		return tern_fail(err, TERN_ERR_USAGE, "kv: expected TERN_KV_F16 or TERN_KV_Q8, got %d",
		                 (int)chosen->kv);
	if (chosen->n_batch < 1)
		return tern_fail(err, TERN_ERR_USAGE, "batch: expected at least 1 token, got %d", chosen->n_batch);
	return TERN_OK;
}

enum tern_status tern_session_new(struct tern_session **out, const struct tern_model *model,
                                  const struct tern_session_options *options, struct tern_error *err)
{
	struct tern_session_options chosen;
	struct tern_session *session;
	enum tern_status status;

	*out = NULL;
	if (!model->has_weights)
		return tern_fail(err, TERN_ERR_FILE, "%s: the file has a tokenizer but no weights", model->path);
	if ((status = choose(&chosen, model, options, err)))
		return status;
	if (!(session = tern_alloc(1, sizeof *session)))
		return tern_fail_memory(err, sizeof *session);
	if ((status = tern_session_init(session, &model->transformer, &chosen, err))) {
		tern_free(session);
		return status;
	}
	session->model = model;
	*out = session;
	return TERN_OK;
}

void tern_session_free(struct tern_session *session)
{
	if (!session)
		return;
	tern_session_clear(session);
	tern_free(session);
}

enum tern_status tern_sampler_new(struct tern_sampler **sampler, const struct tern_model *model,
                                  const struct tern_sampler_options *options, struct tern_error *err)
{
	*sampler = NULL;
	if (!model->has_weights)
		return tern_fail(err, TERN_ERR_FILE, "%s: the file has a tokenizer but no weights", model->path);
	return tern_sampler_create(sampler, model->transformer.hparams.n_vocab, options, err);
}
