/* The network, layer by layer:
 *
 *     x = embedding[id]  [times a constant]
 *     per layer:  h = rms_norm(x, attn_norm);  q, k, v = linear(h);  [QK-norm]  RoPE
 *                 x += post_norm(linear(sub_norm(attention(q, k, v))))
 *                 h = rms_norm(x, ffn_norm)
 *                 x += post_norm(linear(sub_norm(f(linear(h)) * linear(h))))
 *                     or, of a mixture of experts, x += each weight * expert(h) of the experts that the router chooses
 *
 * where linear() is tern_quantize_input() and tern_project(): own norm, rotation (Hadamard), int8, ternary product,
 * scale, bias. Only BitNet models have sub-norms, only Gemma post-norms; MiniCPM multiplies what each half adds to x by
 * a constant. Each step computes tokens independently of each other, or one after the other, so a batch of any tokens
 * gives the same bits. In hybrids (qwen35) most layers have a delta net (delta.c) in place of attention, and attention
 * has a gate before its last projection. */
#include "infer/forward.h"

#include "infer/attention.h"
#include "infer/delta.h"
#include "infer/embedding.h"
#include "infer/experts.h"
#include "infer/float_matrix.h"
#include "infer/linear.h"
#include "infer/norm.h"
#include "infer/qkv.h"
#include "infer/router.h"

/* Several projections of one input, which first goes through an RMSNorm unless gain is NULL; if their own norms are
 * equal they share one quantized vector. */
static void project_several(struct tern_engine *engine, struct tern_projection *projections, size_t n_projection,
                            bool share_input, const float *input, const float *gain)
{
	if (gain && !share_input) { /* once for all */
		tern_rms_norm(engine, engine->normed, input, gain, projections[0].linear->n_col, engine->n_token);
		input = engine->normed;
		gain = NULL;
	}
	for (size_t i = 0; i < n_projection; i++) {
		struct tern_quantized *quantized = &engine->quantized[share_input ? 0 : i];
		if (i == 0 || !share_input)
			tern_quantize_input(engine, quantized, projections[i].linear, input, gain, engine->n_token);
		projections[i].input = quantized;
	}
	tern_project(engine, projections, n_projection, engine->n_token);
}

struct stream_task {
	struct tern_engine *engine;
	const float *post_norm;
};

/* x += post_norm(normed) * residual_scale */
static void add_to_stream(void *context, size_t token, int worker)
{
	const struct stream_task *task = context;
	const struct tern_engine *engine = task->engine;
	const struct tern_kernels *kernels = engine->kernels;
	const struct tern_hparams *h = &engine->transformer->hparams;
	float *y = engine->normed + token * h->n_embd;

	(void)worker;
	if (task->post_norm)
		kernels->rms_scale(y, y, task->post_norm, tern_inv_rms(kernels, y, h->n_embd, h->rms_eps), h->n_embd);
	kernels->combine(engine->x + token * h->n_embd, 1.0f, y, h->residual_scale, h->n_embd);
}

/* x += post_norm(linear(quantized[0])) * residual_scale, post_norm being NULL or the gain of an RMSNorm. */
static void project_to_stream(struct tern_engine *engine, const struct tern_linear *linear, const float *post_norm)
{
	size_t n_embd = engine->transformer->hparams.n_embd;
	bool is_plain = !post_norm && engine->transformer->hparams.residual_scale == 1.0f;
	struct tern_projection projection = {linear, &engine->quantized[0], is_plain ? engine->x : engine->normed,
	                                     .add = is_plain};
	struct stream_task task = {engine, post_norm};

	tern_project(engine, &projection, 1, engine->n_token);
	if (!is_plain)
		tern_engine_run(engine, add_to_stream, &task, engine->n_token,
		                engine->n_token * n_embd * 2 * TERN_WORK_NORM);
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

	project_several(engine, qkv, 3, a->share_input, engine->x, layer->attn_norm);
	tern_qkv_prepare(engine, a);
	tern_attention(engine, a);
	if (h->gates_attention)
		tern_gate_attention(engine);
	tern_quantize_input(engine, &engine->quantized[0], &a->o, engine->attended, a->sub_norm, engine->n_token);
	project_to_stream(engine, &a->o, layer->attn_post_norm);
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
	project_several(engine, projections, d->gates_are_float ? 2 : 4, d->share_input, engine->normed, NULL);
	if (d->gates_are_float) {
		tern_multiply_floats(engine, &d->float_beta, engine->normed, engine->n_token, engine->delta_beta);
		tern_multiply_floats(engine, &d->float_alpha, engine->normed, engine->n_token, engine->delta_decay);
	}
	tern_delta(engine, d);
	tern_quantize_input(engine, &engine->quantized[0], &d->out, engine->attended, NULL, engine->n_token);
	project_to_stream(engine, &d->out, layer->attn_post_norm);
}

struct activate_task {
	struct tern_engine *engine;
	const struct tern_dense_weights *weights;
};

/* gate = f(gate) * up, quantized while it is in the cache. */
static void activate_token(void *context, size_t token, int worker)
{
	const struct activate_task *task = context;
	struct tern_engine *engine = task->engine;
	const struct tern_hparams *h = &engine->transformer->hparams;
	float *gate = engine->gate + token * h->n_ff;
	const float *up = engine->up + token * h->n_ff;

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
	tern_quantize_vector(engine, &engine->quantized[0], token, &task->weights->down, gate, task->weights->sub_norm,
	                     worker);
}

static void dense_part(struct tern_engine *engine, const struct tern_layer *layer)
{
	const struct tern_dense_weights *d = &layer->dense;
	const struct tern_hparams *h = &engine->transformer->hparams;
	struct tern_projection gate_up[] = {
	        {&d->gate, NULL, engine->gate, .add = false},
	        {&d->up, NULL, engine->up, .add = false},
	};
	struct activate_task task = {engine, d};

	project_several(engine, gate_up, 2, d->share_input, engine->x, layer->ffn_norm);
	tern_engine_run(engine, activate_token, &task, engine->n_token,
	                engine->n_token * h->n_ff * (TERN_WORK_EXP + TERN_WORK_QUANTIZE));
	project_to_stream(engine, &d->down, layer->ffn_post_norm);
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
