#include "infer/head.h"

#include "infer/head_q8p.h"
#include "infer/linear.h"
#include "infer/norm.h"
#include "model/layout.h"

enum {
	ROWS_PER_CHUNK = 256
};

struct dense_task {
	struct tern_engine *engine;
	size_t n_token;
	float *logits;
};

/* F32, F16 and BF16 rows times engine->normed. */
static void dense_chunk(void *context, size_t chunk, int worker)
{
	const struct dense_task *task = context;
	const struct tern_matrix *m = &task->engine->transformer->head;
	const struct tern_kernels *kernels = task->engine->kernels;
	size_t first = chunk * ROWS_PER_CHUNK, end = first + ROWS_PER_CHUNK;

	(void)worker;
	for (size_t row = first; row < (end < m->n_row ? end : m->n_row); row++)
		for (size_t t = 0; t < task->n_token; t++) {
			const float *x = task->engine->normed + t * m->n_col;
			size_t at = row * m->n_col;
			const float *floats = (const float *)(const void *)m->data + at;
			const uint16_t *halves = (const uint16_t *)(const void *)m->data + at;
			task->logits[t * m->n_row + row] =
			        m->type == GGUF_TENSOR_F32   ? kernels->dot_f32(floats, x, m->n_col)
			        : m->type == GGUF_TENSOR_F16 ? kernels->dot_f16(halves, x, m->n_col)
			                                     : kernels->dot_bf16(halves, x, m->n_col);
		}
}

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
	struct dense_task task = {engine, n_token, logits};
	size_t n_row = t->hparams.n_vocab;

	output_norm(engine, x, n_token);
	if (t->head_is_ternary) {
		struct tern_projection projection = {&t->ternary_head, &engine->quantized[0], logits, .add = false};
		tern_quantize_input(engine, &engine->quantized[0], &t->ternary_head, engine->normed, n_token);
		tern_project(engine, &projection, 1, n_token);
	} else if (t->head.type == GGUF_TENSOR_Q8P) {
		tern_q8p_logits(engine, n_token, logits);
	} else {
		tern_engine_run(engine, dense_chunk, &task, (n_row + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK,
		                4 * n_token * n_row * t->hparams.n_embd);
	}
}

const float *tern_top_logits(struct tern_engine *engine, struct tern_sequence *sequence, size_t n_top)
{
	const struct tern_transformer *t = engine->transformer;
	size_t n_vocab = t->hparams.n_vocab, n_panel = tern_panel_count(n_vocab);

	if (n_top == 0 || n_top > n_vocab)
		n_top = n_vocab;
	if (sequence->n_top_logits >= n_top)
		return sequence->logits;
	engine->n_head_panel += n_panel;
	if (n_top > tern_q8p_max_top(t)) {
		engine->n_low_panel += n_panel;
		tern_head(engine, sequence->last, 1, sequence->logits);
		sequence->n_top_logits = n_vocab;
	} else {
		output_norm(engine, sequence->last, 1);
		tern_q8p_top_logits(engine, n_top, sequence->logits);
		sequence->n_top_logits = n_top;
	}
	return sequence->logits;
}
