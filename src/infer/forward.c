/* The network, layer by layer:
 *
 *     x = embedding[id]  [times a constant]
 *     per layer:  h = rms_norm(x, attn_norm);  q, k, v = linear(h);  [QK-norm]  RoPE
 *                 x += post_norm(linear(sub_norm(attention(q, k, v))))
 *                 h = rms_norm(x, ffn_norm)
 *                 x += post_norm(linear(sub_norm(f(linear(h)) * linear(h))))
 *                     or, of a mixture of experts, x += each weight * expert(h) of the experts that the router chooses
 *
 * where linear() is tern_quantize_input() and tern_project(): own norm, int8, ternary product, scale, bias. Only BitNet
 * models have sub-norms, only Gemma post-norms; MiniCPM multiplies what each half adds to x by a constant. Every step
 * treats every token alone, or in their order, so a batch of any tokens gives the same bits. In hybrids (qwen35) most
 * layers have a delta net (delta.c) in place of attention, and attention has a gate before its last projection. */
#include "infer/forward.h"

#include "infer/attention.h"
#include "infer/delta.h"
#include "infer/dense.h"
#include "infer/embedding.h"
#include "infer/experts.h"
#include "infer/linear.h"
#include "infer/norm.h"
#include "infer/qkv.h"
#include "infer/router.h"

/* out = linear(input), or out += linear(input). */
static void project_one(struct tern_engine *engine, const struct tern_linear *linear, const float *input, float *out,
                        bool add)
{
	struct tern_projection projection = {linear, &engine->quantized[0], out, .add = add};
	tern_quantize_input(engine, &engine->quantized[0], linear, input, engine->n_token);
	tern_project(engine, &projection, 1, engine->n_token);
}

/* Several projections of one input; if their norms are equal they share one quantised vector. */
static void project_several(struct tern_engine *engine, struct tern_projection *projections, size_t n_projection,
                            bool share_input, const float *input)
{
	for (size_t i = 0; i < n_projection; i++) {
		struct tern_quantized *quantized = &engine->quantized[share_input ? 0 : i];
		if (i == 0 || !share_input)
			tern_quantize_input(engine, quantized, projections[i].linear, input, engine->n_token);
		projections[i].input = quantized;
	}
	tern_project(engine, projections, n_projection, engine->n_token);
}

/* x += post_norm(linear(input)) * residual_scale, post_norm being NULL or the gain of an RMSNorm. */
static void project_to_stream(struct tern_engine *engine, const struct tern_linear *linear, const float *post_norm,
                              const float *input)
{
	size_t n_embd = engine->transformer->hparams.n_embd, n_token = engine->n_token;
	float scale = engine->transformer->hparams.residual_scale;

	if (!post_norm && scale == 1.0f) {
		project_one(engine, linear, input, engine->x, true);
		return;
	}
	project_one(engine, linear, input, engine->normed, false);
	if (post_norm)
		tern_rms_norm(engine, engine->normed, engine->normed, post_norm, n_embd, n_token);
	for (size_t i = 0; i < n_token * n_embd; i++)
		engine->x[i] += engine->normed[i] * scale;
}

static void attention_part(struct tern_engine *engine, const struct tern_layer *layer)
{
	const struct tern_attention_weights *a = &layer->attention;
	const struct tern_hparams *h = &engine->transformer->hparams;
	struct tern_projection qkv[] = {
	        {&a->q, NULL, h->gates_attention ? engine->q_gate : engine->q, .add = false},
	        {&a->k, NULL, engine->k, .add = false},
	        {&a->v, NULL, engine->v, .add = false},
	};

	tern_rms_norm(engine, engine->normed, engine->x, layer->attn_norm, h->n_embd, engine->n_token);
	project_several(engine, qkv, 3, a->share_input, engine->normed);
	tern_qkv_prepare(engine, a);
	tern_attention(engine, a);
	if (h->gates_attention)
		tern_gate_attention(engine);
	if (a->sub_norm)
		tern_rms_norm(engine, engine->attended, engine->attended, a->sub_norm, h->n_head * h->head_dim,
		              engine->n_token);
	project_to_stream(engine, &a->o, layer->attn_post_norm, engine->attended);
}

static void delta_part(struct tern_engine *engine, const struct tern_layer *layer)
{
	const struct tern_delta_weights *d = &layer->delta;
	struct tern_projection projections[] = {
	        {&d->qkv, NULL, engine->delta_raw, .add = false},
	        {&d->gate, NULL, engine->delta_gate, .add = false},
	        {&d->beta, NULL, engine->delta_beta, .add = false},
	        {&d->alpha, NULL, engine->delta_decay, .add = false},
	};

	tern_rms_norm(engine, engine->normed, engine->x, layer->attn_norm, engine->transformer->hparams.n_embd,
	              engine->n_token);
	project_several(engine, projections, d->gates_are_dense ? 2 : 4, d->share_input, engine->normed);
	if (d->gates_are_dense) {
		tern_dense(engine, &d->dense_beta, engine->normed, engine->n_token, engine->delta_beta);
		tern_dense(engine, &d->dense_alpha, engine->normed, engine->n_token, engine->delta_decay);
	}
	tern_delta(engine, d);
	project_to_stream(engine, &d->out, layer->attn_post_norm, engine->attended);
}

/* gate = f(gate) * up. */
static void activate_token(void *context, size_t token, int worker)
{
	const struct tern_engine *engine = context;
	const struct tern_hparams *h = &engine->transformer->hparams;
	float *gate = engine->gate + token * h->n_ff;
	const float *up = engine->up + token * h->n_ff;

	(void)worker;
	switch (h->ffn_activation) {
	case TERN_FFN_SILU:
		engine->kernels->silu_mul(gate, up, h->n_ff);
		break;
	case TERN_FFN_RELU2:
		engine->kernels->relu2_mul(gate, up, h->n_ff);
		break;
	case TERN_FFN_GELU:
		engine->kernels->gelu_mul(gate, up, h->n_ff);
		break;
	}
}

static void dense_part(struct tern_engine *engine, const struct tern_layer *layer)
{
	const struct tern_dense_weights *d = &layer->dense;
	const struct tern_hparams *h = &engine->transformer->hparams;
	struct tern_projection gate_up[] = {
	        {&d->gate, NULL, engine->gate, .add = false},
	        {&d->up, NULL, engine->up, .add = false},
	};

	tern_rms_norm(engine, engine->normed, engine->x, layer->ffn_norm, h->n_embd, engine->n_token);
	project_several(engine, gate_up, 2, d->share_input, engine->normed);
	tern_engine_run(engine, activate_token, engine, engine->n_token, engine->n_token * h->n_ff * 32);
	if (d->sub_norm)
		tern_rms_norm(engine, engine->gate, engine->gate, d->sub_norm, h->n_ff, engine->n_token);
	project_to_stream(engine, &d->down, layer->ffn_post_norm, engine->gate);
}

static void experts_part(struct tern_engine *engine, const struct tern_layer *layer)
{
	size_t n_embd = engine->transformer->hparams.n_embd;

	tern_rms_norm(engine, engine->normed, engine->x, layer->ffn_norm, n_embd, engine->n_token);
	tern_route(engine, &layer->experts);
	tern_experts(engine, &layer->experts);
}

void tern_forward(struct tern_engine *engine)
{
	const struct tern_transformer *t = engine->transformer;

	tern_embed(engine);
	tern_rope_fill(engine);
	for (size_t i = 0; i < t->hparams.n_layer && !engine->is_stopped; i++) {
		const struct tern_layer *layer = &t->layers[i];
		switch (layer->mixer) {
		case TERN_MIXER_ATTENTION:
			attention_part(engine, layer);
			break;
		case TERN_MIXER_DELTA:
			delta_part(engine, layer);
			break;
		}
		switch (layer->ffn) {
		case TERN_FFN_DENSE:
			dense_part(engine, layer);
			break;
		case TERN_FFN_EXPERTS:
			experts_part(engine, layer);
			break;
		}
	}
}
