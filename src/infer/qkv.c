#include "infer/qkv.h"

#include "infer/norm.h"
#include "model/rope.h"

#include <string.h>

/* freq_long: of tokens whose sequence may grow long, or NULL. */
static void fill_angles(const struct tern_engine *engine, float *cosine, float *sine, const double *freq,
                        const double *freq_long, double factor)
{
	const struct tern_hparams *h = &engine->transformer->hparams;
	size_t n_pair = h->n_rot / 2;

	for (size_t t = 0; t < engine->n_token; t++) {
		const struct tern_token *token = &engine->tokens[t];
		bool is_long = freq_long && token->sequence->n_ctx > h->n_ctx_short;
		tern_rope_angles(cosine + t * n_pair, sine + t * n_pair, is_long ? freq_long : freq, n_pair,
		                 token->position, factor);
	}
}

void tern_rope_fill(struct tern_engine *engine)
{
	const struct tern_hparams *h = &engine->transformer->hparams;

	fill_angles(engine, engine->rope_cos, engine->rope_sin, h->rope_freq, h->rope_freq_long, h->rope_factor);
	if (h->rope_freq_local)
		fill_angles(engine, engine->rope_cos_local, engine->rope_sin_local, h->rope_freq_local, NULL, 1.0);
}

struct prepare_task {
	const struct tern_engine *engine;
	const struct tern_attention_weights *attention;
};

static void prepare_head(const struct tern_engine *engine, const struct tern_attention_weights *attention, float *head,
                         const float *norm, size_t token)
{
	const struct tern_hparams *h = &engine->transformer->hparams;
	bool is_local = attention->rope_is_local;
	const float *cosine = is_local ? engine->rope_cos_local : engine->rope_cos;
	const float *sine = is_local ? engine->rope_sin_local : engine->rope_sin;
	size_t at = token * (h->n_rot / 2);

	if (norm)
		engine->kernels->rms_scale(head, head, norm,
		                           tern_inv_rms(engine->kernels, head, h->head_dim, h->rms_eps), h->head_dim);
	if (!attention->ignores_positions)
		tern_rope_rotate(head, cosine + at, sine + at, h->n_rot, h->rope_interleaved);
}

static void prepare_token(void *context, size_t token, int worker)
{
	const struct prepare_task *task = context;
	const struct tern_engine *engine = task->engine;
	const struct tern_attention_weights *attention = task->attention;
	const struct tern_hparams *h = &engine->transformer->hparams;
	const struct tern_token *at_token = &engine->tokens[token];
	size_t dim = h->head_dim;
	float *q = engine->q + token * h->n_head * dim;

	for (size_t head = 0; head < h->n_head_kv; head++)
		tern_kv_prefetch(&at_token->sequence->kv, attention->cache_index, head, at_token->position);
	for (size_t head = 0; head < h->n_head && h->gates_attention; head++)
		memcpy(q + head * dim, engine->q_gate + (token * h->n_head + head) * 2 * dim, dim * sizeof *q);
	for (size_t head = 0; head < h->n_head; head++)
		prepare_head(engine, attention, q + head * dim, attention->q_norm, token);
	engine->kernels->narrow(q, h->n_head * dim);
	for (size_t head = 0; head < h->n_head_kv; head++) {
		size_t at = (token * h->n_head_kv + head) * dim;
		prepare_head(engine, attention, engine->k + at, attention->k_norm, token);
		tern_kv_store(&at_token->sequence->kv, engine->kernels, attention->cache_index, head,
		              at_token->position, engine->k + at, engine->v + at, tern_worker_scratch(engine, worker));
	}
}

void tern_qkv_prepare(struct tern_engine *engine, const struct tern_attention_weights *attention)
{
	const struct tern_hparams *h = &engine->transformer->hparams;
	struct prepare_task task = {engine, attention};
	tern_engine_run(engine, prepare_token, &task, engine->n_token,
	                engine->n_token * (h->n_head + h->n_head_kv) * h->head_dim * TERN_WORK_ROTATE);
}

static void gate_token(void *context, size_t token, int worker)
{
	const struct tern_engine *engine = context;
	const struct tern_hparams *h = &engine->transformer->hparams;

	(void)worker;
	for (size_t i = token * h->n_head; i < (token + 1) * h->n_head; i++) {
		float *gate = engine->q_gate + (2 * i + 1) * h->head_dim,
		      *attended = engine->attended + i * h->head_dim;
		engine->kernels->sigmoid_mul(gate, attended, h->head_dim);
		memcpy(attended, gate, h->head_dim * sizeof *attended);
	}
}

void tern_gate_attention(struct tern_engine *engine)
{
	const struct tern_hparams *h = &engine->transformer->hparams;
	tern_engine_run(engine, gate_token, engine, engine->n_token,
	                engine->n_token * h->n_head * h->head_dim * TERN_WORK_EXP);
}
