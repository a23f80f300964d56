#include "infer/head.h"

#include "infer/float_matrix.h"
#include "infer/head_q8p.h"
#include "infer/linear.h"
#include "infer/norm.h"
#include "model/layout.h"

/* The last norm, into engine->normed. */
static void output_norm(struct tern_engine *engine, const float *x, size_t n_token)
{
	const struct tern_transformer *t = engine->transformer;
	tern_rms_norm(engine, engine->normed, x, t->output_norm, t->hparams.n_embd, n_token);
	if (t->hparams.logit_divisor != 1.0f)
		for (size_t i = 0; i < n_token * t->hparams.n_embd; i++)
			engine->normed[i] /= t->hparams.logit_divisor;
}

void tern_head(struct tern_engine *engine, const float *x, size_t n_token, float *logits)
{
	const struct tern_transformer *t = engine->transformer;

	output_norm(engine, x, n_token);
	if (t->head_is_ternary) {
		struct tern_projection projection = {&t->ternary_head, &engine->quantized[0], logits, .add = false};
		tern_quantize_input(engine, &engine->quantized[0], &t->ternary_head, engine->normed, NULL, n_token);
		tern_project(engine, &projection, 1, n_token);
	} else if (t->head.type == GGUF_TENSOR_Q8P) {
		tern_q8p_logits(engine, n_token, logits);
	} else {
		tern_multiply_floats(engine, &t->head, engine->normed, n_token, logits);
	}
}

bool tern_top_logits_of(struct tern_engine *engine, const float *x, size_t n_token, const size_t *n_top, float *logits)
{
	const struct tern_transformer *t = engine->transformer;
	size_t n_panel = n_token * tern_panel_count(t->hparams.n_vocab), max_top = tern_q8p_max_top(t);
	bool want_all = false;

	for (size_t i = 0; i < n_token; i++)
		want_all |= n_top[i] == 0 || n_top[i] > max_top;
	engine->n_head_panel += n_panel;
	if (want_all) {
		engine->n_low_panel += n_panel;
		tern_head(engine, x, n_token, logits);
	} else {
		output_norm(engine, x, n_token);
		tern_q8p_top_logits(engine, n_token, n_top, logits);
	}
	return want_all;
}

const float *tern_top_logits(struct tern_engine *engine, struct tern_sequence *sequence, size_t n_top)
{
	size_t n_vocab = engine->transformer->hparams.n_vocab;

	if (n_top == 0 || n_top > n_vocab)
		n_top = n_vocab;
	if (sequence->n_top_logits < n_top)
		sequence->n_top_logits =
		        tern_top_logits_of(engine, sequence->last, 1, &n_top, sequence->logits) ? n_vocab : n_top;
	return sequence->logits;
}
