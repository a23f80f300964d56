#include "infer/session.h"

#include "base/memory.h"
#include "infer/attention.h"
#include "infer/embedding.h"
#include "infer/forward.h"
#include "infer/head.h"
#include "infer/head_q8p.h"
#include "infer/linear.h"

#include <stdlib.h>
#include <string.h>

static size_t largest(size_t a, size_t b, size_t c)
{
	size_t ab = a > b ? a : b;
	return ab > c ? ab : c;
}

/* n_batch * width items, or NULL. Pages stay untouched until a batch of that size comes. */
static void *alloc_batch(const struct tern_session *session, size_t width, size_t item_size)
{
	size_t n_items;
	return tern_mul_size(session->n_batch, width, &n_items) ? tern_alloc_aligned(n_items, item_size) : NULL;
}

static bool alloc_scratch(struct tern_session *s)
{
	const struct tern_hparams *h = &s->transformer->hparams;
	size_t q_width = h->n_head * h->head_dim, kv_width = h->n_head_kv * h->head_dim;
	size_t widest = largest(h->n_embd, q_width, h->n_ff);
	size_t n_group = h->activation_group ? widest / h->activation_group + 1 : 1;

	s->x = alloc_batch(s, h->n_embd, sizeof *s->x);
	s->normed = alloc_batch(s, h->n_embd, sizeof *s->normed);
	s->q = alloc_batch(s, q_width, sizeof *s->q);
	s->k = alloc_batch(s, kv_width, sizeof *s->k);
	s->v = alloc_batch(s, kv_width, sizeof *s->v);
	s->attended = alloc_batch(s, q_width, sizeof *s->attended);
	s->gate = alloc_batch(s, h->n_ff, sizeof *s->gate);
	s->up = alloc_batch(s, h->n_ff, sizeof *s->up);
	s->rope_cos = alloc_batch(s, h->n_rot / 2, sizeof *s->rope_cos);
	s->rope_sin = alloc_batch(s, h->n_rot / 2, sizeof *s->rope_sin);
	if (h->rope_freq_local) {
		s->rope_cos_local = alloc_batch(s, h->n_rot / 2, sizeof *s->rope_cos_local);
		s->rope_sin_local = alloc_batch(s, h->n_rot / 2, sizeof *s->rope_sin_local);
		if (!s->rope_cos_local || !s->rope_sin_local)
			return false;
	}
	s->logits = tern_alloc(h->n_vocab, sizeof *s->logits);
	s->n_top_logits = h->n_vocab; /* zeros */
	s->ids = tern_alloc_aligned(s->n_ctx, sizeof *s->ids);
	bool complete = tern_q8p_init(&s->pruning, s->transformer) && s->x && s->normed && s->q && s->k && s->v &&
	                s->attended && s->gate && s->up && s->rope_cos && s->rope_sin && s->logits && s->ids;
	for (size_t i = 0; i < 3; i++) {
		s->quantized[i].q = alloc_batch(s, widest, 1);
		s->quantized[i].activations = alloc_batch(s, n_group, sizeof *s->quantized[i].activations);
		s->quantized[i].inverses = alloc_batch(s, n_group, sizeof *s->quantized[i].inverses);
		complete = complete && s->quantized[i].q && s->quantized[i].activations && s->quantized[i].inverses;
	}
	size_t bytes = largest(tern_linear_scratch_bytes(), tern_attention_scratch_bytes(h), tern_q8p_scratch_bytes());
	bytes = largest(bytes, tern_embedding_scratch_bytes(h), 0);
	s->worker_scratch_bytes = (bytes + 63) / 64 * 64;
	s->worker_scratch = tern_alloc_aligned((size_t)tern_pool_size(s->pool), s->worker_scratch_bytes);
	return tern_attention_init(s) && complete && s->worker_scratch;
}

enum tern_status tern_session_init(struct tern_session *session, const struct tern_transformer *transformer,
                                   const struct tern_session_options *options, struct tern_error *err)
{
	enum tern_status status;

	memset(session, 0, sizeof *session);
	session->transformer = transformer;
	session->n_ctx = (size_t)options->n_ctx;
	session->n_batch = (size_t)(options->n_batch < options->n_ctx ? options->n_batch : options->n_ctx);
	if (!(session->kernels = tern_kernels_select(err)))
		return TERN_ERR_USAGE;
	if ((status = tern_kv_init(&session->kv, &transformer->hparams, options->kv, session->n_ctx, err)) ||
	    (status = tern_pool_new(&session->pool, options->n_threads, err))) {
		tern_session_clear(session);
		return status;
	}
	if (!alloc_scratch(session)) {
		tern_session_clear(session);
		return tern_fail(err, TERN_ERR_FAILED, "out of memory for batches of %d tokens", options->n_batch);
	}
	return TERN_OK;
}

void tern_session_clear(struct tern_session *s)
{
	void *const blocks[] = {s->x,
	                        s->normed,
	                        s->q,
	                        s->k,
	                        s->v,
	                        s->attended,
	                        s->gate,
	                        s->up,
	                        s->rope_cos,
	                        s->rope_sin,
	                        s->rope_cos_local,
	                        s->rope_sin_local,
	                        s->logits,
	                        s->ids,
	                        s->attention_results,
	                        s->attention_pending,
	                        s->worker_scratch};

	tern_pool_free(s->pool);
	tern_kv_free(&s->kv);
	tern_q8p_clear(&s->pruning);
	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
		tern_free(blocks[i]);
	for (size_t i = 0; i < 3; i++) {
		tern_free(s->quantized[i].q);
		tern_free(s->quantized[i].activations);
		tern_free(s->quantized[i].inverses);
	}
	memset(s, 0, sizeof *s);
}

/* Zeros, as before the first token. */
static void forget_logits(struct tern_session *session)
{
	session->n_top_logits = session->transformer->hparams.n_vocab;
	memset(session->logits, 0, session->n_top_logits * sizeof *session->logits);
}

enum tern_status tern_session_feed(struct tern_session *session, const int32_t *ids, size_t n_ids, float *logits,
                                   struct tern_error *err)
{
	size_t n_vocab = session->transformer->hparams.n_vocab;

	if (n_ids > session->n_ctx - session->n_past)
		return tern_fail(err, TERN_ERR_CONTEXT, "%zu tokens do not fit: %zu of %zu are in use", n_ids,
		                 session->n_past, session->n_ctx);
	for (size_t i = 0; i < n_ids; i++)
		if (ids[i] < 0 || (size_t)ids[i] >= n_vocab)
			return tern_fail(err, TERN_ERR_USAGE, "token id %d: expected 0 to %zu", ids[i], n_vocab - 1);
	session->was_stopped = false;
	while (n_ids) {
		size_t n = n_ids < session->n_batch ? n_ids : session->n_batch;
		if (!tern_forward(session, ids, n)) {
			forget_logits(session);
			return TERN_OK;
		}
		if (logits) {
			tern_head(session, 0, n, logits);
			logits += n * n_vocab;
		}
		if (n == n_ids && logits)
			memcpy(session->logits, logits - n_vocab, n_vocab * sizeof *logits);
		memcpy(session->ids + session->n_past, ids, n * sizeof *ids);
		session->last = n - 1;
		session->n_top_logits = logits ? n_vocab : 0;
		session->n_past += n;
		tern_kv_settle(&session->kv, session->n_past, n);
		ids += n;
		n_ids -= n;
	}
	return TERN_OK;
}

const float *tern_session_top_logits(struct tern_session *session, size_t n_top)
{
	size_t n_vocab = session->transformer->hparams.n_vocab;

	if (n_top == 0 || n_top > n_vocab)
		n_top = n_vocab;
	if (session->n_top_logits < n_top)
		session->n_top_logits = tern_head_top(session, session->last, n_top, session->logits);
	return session->logits;
}

const float *tern_session_logits(struct tern_session *session) { return tern_session_top_logits(session, 0); }

int tern_session_n_past(const struct tern_session *session) { return (int)session->n_past; }

int tern_session_n_ctx(const struct tern_session *session) { return (int)session->n_ctx; }

int tern_session_n_threads(const struct tern_session *session) { return tern_pool_size(session->pool); }

void tern_session_rewind(struct tern_session *session, int n_keep)
{
	if (n_keep >= 0 && (size_t)n_keep < session->n_past)
		session->n_past = (size_t)n_keep;
}

int tern_session_rewind_to(struct tern_session *session, const int32_t *ids, size_t n_ids)
{
	size_t n = 0;

	while (n < session->n_past && n + 1 < n_ids && session->ids[n] == ids[n])
		n++;
	session->n_past = n;
	return (int)n;
}
