#include "infer/embedding.h"

#include "base/bytes.h"
#include "model/dequantize.h"
#include "model/gguf.h"
#include "model/layout.h"

/* One row of int8. */
size_t tern_embedding_scratch_bytes(const struct tern_hparams *h) { return h->n_embd; }

static void embed_q8p(const struct tern_matrix *m, size_t row, int8_t *q, float *x)
{
	tern_q8p_unpack_row(q, m->data, m->n_row, m->n_col, row);
	for (size_t c = 0; c < m->n_col; c++)
		x[c] = (float)q[c] * m->row_scales[row];
}

static void embed_ternary(const struct tern_linear *linear, size_t row, int8_t *weights, float *x)
{
	size_t panel = row / TERN_PANEL_ROWS, in_panel = row % TERN_PANEL_ROWS, n_col = linear->n_col;
	size_t group = linear->scale_group ? linear->scale_group : n_col;

	tern_ternary_panel_row(weights, linear->panels + panel * tern_linear_panel_bytes(linear), in_panel, n_col,
	                       linear->is_binary);
	for (size_t g = 0; g < n_col / group; g++) {
		size_t at = (panel * (n_col / group) + g) * TERN_PANEL_ROWS + in_panel;
		float scale = linear->scale_group ? tern_f32_from_f16(linear->group_scales[at]) : linear->scale;
		for (size_t c = g * group; c < (g + 1) * group; c++)
			x[c] = scale * (float)weights[c];
	}
}

static void embed_token(struct tern_engine *engine, size_t row, float *x)
{
	const struct tern_transformer *t = engine->transformer;
	const struct tern_matrix *m = &t->embedding;
	int8_t *scratch = tern_worker_scratch(engine, 0);

	if (t->embedding_is_ternary)
		embed_ternary(&t->ternary_embedding, row, scratch, x);
	else if (m->type == GGUF_TENSOR_Q8P)
		embed_q8p(m, row, scratch, x);
	else
		tern_dequantize_row(x, m->type, m->data + row * tern_gguf_row_bytes(m->type, m->n_col), m->n_col);
}

/* Rows in a rotated basis: the transform is its own inverse, and so are the signs. */
static void rotate_back(const struct tern_engine *engine, float *x)
{
	const struct tern_transformer *t = engine->transformer;

	engine->kernels->hadamard(x, x, NULL, t->hparams.n_embd, t->embedding_block);
	for (size_t i = 0; i < t->hparams.n_embd && t->embedding_signs; i++)
		x[i] *= t->embedding_signs[i];
}

void tern_embed(struct tern_engine *engine)
{
	const struct tern_hparams *h = &engine->transformer->hparams;

	for (size_t t = 0; t < engine->n_token; t++)
		embed_token(engine, (size_t)engine->tokens[t].id, engine->x + t * h->n_embd);
	for (size_t t = 0; t < engine->n_token && engine->transformer->embedding_block; t++)
		rotate_back(engine, engine->x + t * h->n_embd);
	if (h->embedding_scale != 1.0f)
		for (size_t i = 0; i < engine->n_token * h->n_embd; i++)
			engine->x[i] *= h->embedding_scale;
}
