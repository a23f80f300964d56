#include "infer/head.h"

#include "infer/linear.h"
#include "model/layout.h"

enum {
	PANELS_PER_CHUNK = 16,
	TILE_ROWS = PANELS_PER_CHUNK * TERN_PANEL_ROWS,
	TOKENS_PER_TILE = 16
};

size_t tern_head_scratch_bytes(void) { return 2 * TOKENS_PER_TILE * TILE_ROWS * sizeof(int32_t); } /* of both planes */

struct head_task {
	struct tern_session *session;
	size_t n_token;
	float *logits;
};

static size_t rows_of_chunk(size_t chunk, size_t n_row)
{
	size_t left = n_row - chunk * TILE_ROWS;
	return left < TILE_ROWS ? left : TILE_ROWS;
}

/* F32, F16 and BF16 rows times session->normed. */
static void dense_chunk(void *context, size_t chunk, int worker)
{
	const struct head_task *task = context;
	const struct tern_matrix *m = &task->session->transformer->head;
	const struct tern_kernels *kernels = task->session->kernels;
	size_t first = chunk * TILE_ROWS, n_row = rows_of_chunk(chunk, m->n_row);

	(void)worker;
	for (size_t row = first; row < first + n_row; row++)
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

/* Q8P rows times the quantised vectors: q = 16 h + l - 128, so the sum over q is 16 (sum over h) + (sum over l) -
 * 128 (sum of x); at most 65,536 columns keep it below 2^31. */
static void q8p_tile(const struct head_task *task, size_t chunk, size_t first_token, size_t n_token, int worker)
{
	const struct tern_session *session = task->session;
	const struct tern_matrix *m = &session->transformer->head;
	const struct tern_activation *activations = session->quantized[0].activations + first_token;
	const int8_t *x = session->quantized[0].q + first_token * m->n_col;
	size_t n_row = rows_of_chunk(chunk, m->n_row), n_panel = tern_panel_count(n_row);
	size_t panel_bytes = tern_q8p_panel_bytes(m->n_col);
	const uint8_t *high_plane = m->data + chunk * PANELS_PER_CHUNK * panel_bytes;
	const uint8_t *low_plane = high_plane + tern_panel_count(m->n_row) * panel_bytes;
	int32_t *high = tern_worker_scratch(session, worker), *low = high + TOKENS_PER_TILE * TILE_ROWS;

	session->kernels->dot_nibble(high, high_plane, panel_bytes, n_panel, x, m->n_col, n_token, m->n_col);
	session->kernels->dot_nibble(low, low_plane, panel_bytes, n_panel, x, m->n_col, n_token, m->n_col);
	for (size_t t = 0; t < n_token; t++) {
		float *logits = task->logits + (first_token + t) * m->n_row + chunk * TILE_ROWS;
		const float *scales = m->row_scales + chunk * TILE_ROWS;
		float inverse = 1.0f / activations[t].scale;
		size_t at = t * n_panel * TERN_PANEL_ROWS;
		for (size_t r = 0; r < n_row; r++) {
			int32_t sum = 16 * high[at + r] + low[at + r] - 128 * activations[t].sum;
			logits[r] = (float)sum * (scales[r] * inverse);
		}
	}
}

static void q8p_chunk(void *context, size_t chunk, int worker)
{
	const struct head_task *task = context;

	for (size_t t = 0; t < task->n_token; t += TOKENS_PER_TILE)
		q8p_tile(task, chunk, t, task->n_token - t < TOKENS_PER_TILE ? task->n_token - t : TOKENS_PER_TILE,
		         worker);
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
	struct head_task task = {session, n_token, logits};
	size_t n_embd = t->hparams.n_embd, n_chunk = (t->hparams.n_vocab + TILE_ROWS - 1) / TILE_ROWS;
	size_t work = n_token * t->hparams.n_vocab * n_embd;

	output_norm(session, first, n_token);
	if (t->head_is_ternary) {
		struct tern_projection projection = {&t->ternary_head, &session->quantized[0], logits, false};
		tern_quantize_input(session, &session->quantized[0], &t->ternary_head, session->normed, n_token);
		tern_project(session, &projection, 1, n_token);
	} else if (t->head.type == GGUF_TENSOR_Q8P) {
		for (size_t i = 0; i < n_token; i++)
			session->quantized[0].activations[i] = session->kernels->norm_quantize(
			        session->quantized[0].q + i * n_embd, session->normed + i * n_embd, NULL, 1.0f, n_embd);
		tern_session_run(session, q8p_chunk, &task, n_chunk, work);
	} else {
		tern_session_run(session, dense_chunk, &task, n_chunk, work * 4);
	}
}
