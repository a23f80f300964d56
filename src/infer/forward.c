/* The network, layer by layer:
 *
 *     x = embedding[id]  [times a constant]
 *     per layer:  h = rms_norm(x, attn_norm);  q, k, v = linear(h);  [QK-norm]  RoPE
 *                 x += post_norm(linear(sub_norm(attention(q, k, v))))
 *                 h = rms_norm(x, ffn_norm)
 *                 x += post_norm(linear(sub_norm(f(linear(h)) * linear(h))))
 *
 * where linear() is tern_quantize_input() and tern_project(): own norm, int8, ternary product, scale, bias; sub-norms
 * are there in BitNet models only, post-norms and the constant in Gemma only. Every step treats every token alone, so a
 * batch of any size gives the same bits. */
#include "infer/forward.h"

#include "infer/attention.h"
#include "infer/embedding.h"
#include "infer/linear.h"
#include "infer/qkv.h"

static bool may_go_on(struct tern_session *session)
{
	if (session->keep_going && !session->keep_going(session->keep_going_user))
		session->was_stopped = true;
	return !session->was_stopped;
}

struct norm_task {
	struct tern_session *session;
	float *out;
	const float *in, *gain;
	size_t n;
};

static void norm_token(void *context, size_t token, int worker)
{
	const struct norm_task *task = context;
	const struct tern_kernels *kernels = task->session->kernels;
	const float *in = task->in + token * task->n;
	float eps = task->session->transformer->hparams.rms_eps;

	(void)worker;
	kernels->rms_scale(task->out + token * task->n, in, task->gain, tern_inv_rms(kernels, in, task->n, eps),
	                   task->n);
}

/* out = rms_norm(in, gain) for [n_token, n]; out may be in. */
static void rms_norm(struct tern_session *session, float *out, const float *in, const float *gain, size_t n,
                     size_t n_token)
{
	struct norm_task task = {session, out, in, gain, n};
	tern_session_run(session, norm_token, &task, n_token, n_token * n * 8);
}

/* out = linear(input), or out += linear(input). */
static void project_one(struct tern_session *session, const struct tern_linear *linear, const float *input, float *out,
                        bool add, size_t n_token)
{
	struct tern_projection projection = {linear, &session->quantized[0], out, add};
	tern_quantize_input(session, &session->quantized[0], linear, input, n_token);
	tern_project(session, &projection, 1, n_token);
}

static void add_token(void *context, size_t token, int worker)
{
	const struct norm_task *task = context;

	(void)worker;
	norm_token(context, token, worker);
	for (size_t i = 0; i < task->n; i++)
		task->session->x[token * task->n + i] += task->out[token * task->n + i];
}

/* x += linear(input), or x += rms_norm(linear(input), post_norm). */
static void project_to_stream(struct tern_session *session, const struct tern_linear *linear, const float *post_norm,
                              const float *input, size_t n_token)
{
	size_t n_embd = session->transformer->hparams.n_embd;
	struct norm_task task = {session, session->normed, session->normed, post_norm, n_embd};

	if (!post_norm) {
		project_one(session, linear, input, session->x, true, n_token);
		return;
	}
	project_one(session, linear, input, session->normed, false, n_token);
	tern_session_run(session, add_token, &task, n_token, n_token * n_embd * 8);
}

/* Several projections of one input; if their norms are equal they share one quantised vector. */
static void project_several(struct tern_session *session, struct tern_projection *projections, size_t n_projection,
                            bool share_input, const float *input, size_t n_token)
{
	for (size_t i = 0; i < n_projection; i++) {
		struct tern_quantized *quantized = &session->quantized[share_input ? 0 : i];
		if (i == 0 || !share_input)
			tern_quantize_input(session, quantized, projections[i].linear, input, n_token);
		projections[i].input = quantized;
	}
	tern_project(session, projections, n_projection, n_token);
}

static void attention_part(struct tern_session *session, const struct tern_layer *layer, size_t index, size_t n_token)
{
	const struct tern_hparams *h = &session->transformer->hparams;
	struct tern_projection qkv[] = {
	        {&layer->q, NULL, session->q, false},
	        {&layer->k, NULL, session->k, false},
	        {&layer->v, NULL, session->v, false},
	};

	tern_attention_ahead(session, layer, index, n_token);
	rms_norm(session, session->normed, session->x, layer->attn_norm, h->n_embd, n_token);
	project_several(session, qkv, 3, layer->qkv_share_input, session->normed, n_token);
	tern_qkv_prepare(session, layer, index, n_token);
	tern_project_ahead(session, (const struct tern_linear *[]){&layer->o}, 1, n_token);
	tern_attention(session, layer, index, n_token);
	if (layer->attn_sub_norm)
		rms_norm(session, session->attended, session->attended, layer->attn_sub_norm, h->n_head * h->head_dim,
		         n_token);
	tern_project_ahead(session, (const struct tern_linear *[]){&layer->gate, &layer->up}, 2, n_token);
	project_to_stream(session, &layer->o, layer->attn_post_norm, session->attended, n_token);
}

static void activate_token(void *context, size_t token, int worker)
{
	struct tern_session *session = context;
	const struct tern_hparams *h = &session->transformer->hparams;
	float *gate = session->gate + token * h->n_ff;
	const float *up = session->up + token * h->n_ff;

	(void)worker;
	switch (h->ffn_activation) {
	case TERN_FFN_SILU:
		session->kernels->silu_mul(gate, up, h->n_ff);
		break;
	case TERN_FFN_RELU2:
		session->kernels->relu2_mul(gate, up, h->n_ff);
		break;
	case TERN_FFN_GELU:
		session->kernels->gelu_mul(gate, up, h->n_ff);
		break;
	}
}

/* next: the layer that follows, or NULL. False if this one was not finished. The first two matrices are most of its
 * work, hence the question after them. */
static bool ffn_part(struct tern_session *session, const struct tern_layer *layer, const struct tern_layer *next,
                     size_t n_token)
{
	const struct tern_hparams *h = &session->transformer->hparams;
	struct tern_projection gate_up[] = {
	        {&layer->gate, NULL, session->gate, false},
	        {&layer->up, NULL, session->up, false},
	};

	tern_project_ahead(session, (const struct tern_linear *[]){&layer->down}, 1, n_token);
	rms_norm(session, session->normed, session->x, layer->ffn_norm, h->n_embd, n_token);
	project_several(session, gate_up, 2, layer->gate_up_share_input, session->normed, n_token);
	if (!may_go_on(session))
		return false;
	tern_session_run(session, activate_token, session, n_token, n_token * h->n_ff * 32);
	if (layer->ffn_sub_norm)
		rms_norm(session, session->gate, session->gate, layer->ffn_sub_norm, h->n_ff, n_token);
	if (next)
		tern_project_ahead(session, (const struct tern_linear *[]){&next->q, &next->k, &next->v}, 3, n_token);
	project_to_stream(session, &layer->down, layer->ffn_post_norm, session->gate, n_token);
	return true;
}

bool tern_forward(struct tern_session *session, const int32_t *ids, size_t n_token)
{
	const struct tern_transformer *t = session->transformer;

	tern_embed(session, ids, n_token);
	if (t->hparams.embedding_scale != 1.0f)
		for (size_t i = 0; i < n_token * t->hparams.n_embd; i++)
			session->x[i] *= t->hparams.embedding_scale;
	tern_rope_fill(session, n_token);
	for (size_t i = 0; i < t->hparams.n_layer; i++) {
		if (!may_go_on(session))
			return false;
		attention_part(session, &t->layers[i], i, n_token);
		const struct tern_layer *next = i + 1 < t->hparams.n_layer ? &t->layers[i + 1] : NULL;
		if (!may_go_on(session) || !ffn_part(session, &t->layers[i], next, n_token))
			return false;
	}
	return true;
}
