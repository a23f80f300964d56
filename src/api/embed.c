/* The vector of a text, from the vectors of its tokens. */
#include "api/session.h"

#include "base/error.h"
#include "base/sizes.h"
#include "infer/norm.h"

#include <math.h>
#include <string.h>

/* Adds the outputs of n_token tokens of the last batch, from token `first` on, after the output norm. */
static void add_outputs(struct tern_engine *engine, size_t first, size_t n_token, float *embedding)
{
	const struct tern_transformer *t = engine->transformer;
	size_t n_embd = t->hparams.n_embd;

	tern_rms_norm(engine, engine->normed, engine->x + first * n_embd, t->output_norm, n_embd, n_token);
	for (size_t i = 0; i < n_token * n_embd; i++)
		embedding[i % n_embd] += engine->normed[i];
}

/* Scales to length 1, which makes the mean of the sum. A vector of zeros stays. */
static enum tern_status normalize(const struct tern_engine *engine, float *embedding, struct tern_error *err)
{
	size_t n_embd = engine->transformer->hparams.n_embd;
	float length = sqrtf(engine->kernels->sum_squares(embedding, n_embd));

	if (!isfinite(length))
		return tern_fail(err, TERN_ERR_FAILED,
		                 "the vector is not finite; the file is damaged or the model is not supported");
	for (size_t i = 0; i < n_embd && length > 0.0f; i++)
		embedding[i] /= length;
	return TERN_OK;
}

enum tern_status tern_session_embed(struct tern_session *session, const int32_t *ids, size_t n_ids,
                                    enum tern_pooling pooling, float *embedding, struct tern_error *err)
{
	struct tern_engine *engine = &session->engine;
	const struct tern_hparams *h = &engine->transformer->hparams;
	enum tern_status status;

	if (pooling == TERN_POOLING_MODEL)
		pooling = h->pooling;
	if (pooling < TERN_POOLING_LAST || pooling > TERN_POOLING_FIRST)
		return tern_fail(err, TERN_ERR_USAGE, "pooling: expected a TERN_POOLING_ constant, got %d",
		                 (int)pooling);
	if (n_ids == 0)
		return tern_fail(err, TERN_ERR_USAGE, "there are no tokens to embed");
	if (n_ids > session->sequence.n_ctx)
		return tern_fail(err, TERN_ERR_CONTEXT, "%zu tokens do not fit the context of %zu", n_ids,
		                 session->sequence.n_ctx);
	if ((status = tern_sequence_check_ids(&session->sequence, ids, n_ids, err)))
		return status;
	tern_session_rewind(session, 0);
	memset(embedding, 0, h->n_embd * sizeof *embedding);
	for (size_t done = 0, n; done < n_ids; done += n) {
		n = tern_smaller(n_ids - done, engine->n_batch);
		tern_session_compute(session, ids + done, n, NULL, NULL);
		if (pooling == TERN_POOLING_MEAN)
			add_outputs(engine, 0, n, embedding);
		else if (pooling == TERN_POOLING_FIRST && done == 0)
			add_outputs(engine, 0, 1, embedding);
		else if (pooling == TERN_POOLING_LAST && done + n == n_ids)
			add_outputs(engine, n - 1, 1, embedding);
	}
	return normalize(engine, embedding, err);
}
