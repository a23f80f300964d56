/* The vector of a text, from the vectors of its tokens; the declaration is in tern.h. */
#include "base/error.h"
#include "infer/state.h"

#include <math.h>
#include <string.h>

/* Adds the vectors of the n_token tokens fed last, after the output norm, or takes the one of token `only`. */
static void pool(struct tern_session *session, size_t n_token, bool all, size_t only, float *embedding)
{
	const struct tern_transformer *t = session->transformer;
	size_t n_embd = t->hparams.n_embd;

	for (size_t i = all ? 0 : only; i < (all ? n_token : only + 1); i++) {
		const float *x = session->x + i * n_embd;
		session->kernels->rms_scale(session->normed, x, t->output_norm,
		                            tern_inv_rms(session->kernels, x, n_embd, t->hparams.rms_eps), n_embd);
		for (size_t j = 0; j < n_embd; j++)
			embedding[j] += session->normed[j];
	}
}

/* To length 1; the mean needs no division then. A vector of zeros stays. */
static enum tern_status normalize(const struct tern_session *session, float *embedding, struct tern_error *err)
{
	size_t n_embd = session->transformer->hparams.n_embd;
	float length = sqrtf(session->kernels->sum_squares(embedding, n_embd));

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
	size_t done = 0;

	if (pooling == TERN_POOLING_MODEL)
		pooling = session->transformer->hparams.pooling;
	if (n_ids == 0)
		return tern_fail(err, TERN_ERR_USAGE, "there are no tokens to embed");
	if (n_ids > session->n_ctx)
		return tern_fail(err, TERN_ERR_CONTEXT, "%zu tokens do not fit the context of %zu", n_ids,
		                 session->n_ctx);
	tern_session_rewind(session, 0);
	memset(embedding, 0, session->transformer->hparams.n_embd * sizeof *embedding);
	while (done < n_ids) {
		size_t n = n_ids - done < session->n_batch ? n_ids - done : session->n_batch;
		enum tern_status status = tern_session_feed(session, ids + done, n, NULL, err);
		if (status)
			return status;
		if (pooling == TERN_POOLING_MEAN)
			pool(session, n, true, 0, embedding);
		else if (pooling == TERN_POOLING_FIRST && done == 0)
			pool(session, n, false, 0, embedding);
		else if (pooling == TERN_POOLING_LAST && done + n == n_ids)
			pool(session, n, false, n - 1, embedding);
		done += n;
	}
	return normalize(session, embedding, err);
}
