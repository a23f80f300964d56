#include "infer/head.h"

#include "infer/head_q8p.h"
#include "infer/linear.h"
#include "model/layout.h"

enum {
	ROWS_PER_CHUNK = 256
};

struct dense_task {
	struct tern_session *session;
	size_t n_token;
	float *logits;
};

/* F32, F16 and BF16 rows times session->normed. */
static void dense_chunk(void *context, size_t chunk, int worker)
{
	const struct dense_task *task = context;
	const struct tern_matrix *m = &task->session->transformer->head;
	const struct tern_kernels *kernels = task->session->kernels;
	size_t first = chunk * ROWS_PER_CHUNK, end = first + ROWS_PER_CHUNK;

	(void)worker;
	for (size_t row = first; row < (end < m->n_row ? end : m->n_row); row++)
		for (size_t t = 0; t < task->n_token; t++) {
			const float *x = task->session->normed + t * m->n_col;
			size_t at = row * m->n_col;
			const float *floats = (const float *)(const void *)m->data + at;
			const uint16_t *halves = (const uint16_t *)(const void *)m->data + at;
			task->logits[t * m->n_row + row] =
			        m->type == GGUF_TENSOR_F32   ? kernels->dot_f32(floats, x, m->n_col)
			        : m->type == GGUF_TENSOR_F16 ? kernels->dot_f16(halves, x, m->n_col)
			                                     : kernels->dot_bf16(halves, x, m->n_col);
		}
}

/* The last norm, into session->normed. */
static void output_norm(struct tern_session *session, size_t first, size_t n_token)
{
	const struct tern_transformer *t = session->transformer;
	size_t n_embd = t->hparams.n_embd;

	for (size_t i = 0; i < n_token; i++) {
		const float *x = session->x + (first + i) * n_embd;
		session->kernels->rms_scale(session->normed + i * n_embd, x, t->output_norm,
		                            tern_inv_rms(session->kernels, x, n_embd, t->hparams.rms_eps), n_embd);
	}
}

void tern_head(struct tern_session *session, size_t first, size_t n_token, float *logits)
{
	const struct tern_transformer *t = session->transformer;
	struct dense_task task = {session, n_token, logits};
	size_t n_row = t->hparams.n_vocab;

	output_norm(session, first, n_token);
	if (t->head_is_ternary) {
		struct tern_projection projection = {&t->ternary_head, &session->quantized[0], logits, false};
		tern_quantize_input(session, &session->quantized[0], &t->ternary_head, session->normed, n_token);
		tern_project(session, &projection, 1, n_token);
	} else if (t->head.type == GGUF_TENSOR_Q8P) {
		tern_q8p_logits(session, n_token, logits);
	} else {
		tern_session_run(session, dense_chunk, &task, (n_row + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK,
		                 4 * n_token * n_row * t->hparams.n_embd);
	}
}

size_t tern_head_top(struct tern_session *session, size_t token, size_t n_top, float *logits)
{
	const struct tern_transformer *t = session->transformer;
	size_t n_panel = tern_panel_count(t->hparams.n_vocab);

	session->n_head_panel += n_panel;
	if (n_top > tern_q8p_max_top(t)) {
		session->n_low_panel += n_panel;
		tern_head(session, token, 1, logits);
		return t->hparams.n_vocab;
	}
	output_norm(session, token, 1);
	tern_q8p_top_logits(session, n_top, logits);
	return n_top;
}
