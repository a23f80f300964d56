#include "infer/dense.h"

#include "model/gguf.h"

enum {
	ROWS_PER_CHUNK = 8
};

struct dense_task {
	const struct tern_kernels *kernels;
	const struct tern_matrix *matrix;
	const float *x;
	size_t n_token;
	float *out;
};

static float dot(const struct tern_kernels *kernels, const struct tern_matrix *m, size_t row, const float *x)
{
	const float *floats = (const float *)(const void *)m->data + row * m->n_col;
	const uint16_t *halves = (const uint16_t *)(const void *)m->data + row * m->n_col;

	return m->type == GGUF_TENSOR_F32   ? kernels->dot_f32(floats, x, m->n_col)
	       : m->type == GGUF_TENSOR_F16 ? kernels->dot_f16(halves, x, m->n_col)
	                                    : kernels->dot_bf16(halves, x, m->n_col);
}

static void dense_chunk(void *context, size_t chunk, int worker)
{
	const struct dense_task *task = context;
	const struct tern_matrix *m = task->matrix;
	size_t first = chunk * ROWS_PER_CHUNK, end = first + ROWS_PER_CHUNK;

	(void)worker;
	end = end < m->n_row ? end : m->n_row;
	for (size_t t = 0; t < task->n_token; t++)
		for (size_t row = first; row < end; row++)
			task->out[t * m->n_row + row] = dot(task->kernels, m, row, task->x + t * m->n_col);
}

void tern_dense(struct tern_engine *engine, const struct tern_matrix *matrix, const float *x, size_t n_token,
                float *out)
{
	struct dense_task task = {engine->kernels, matrix, x, n_token, out};
	tern_engine_run(engine, dense_chunk, &task, (matrix->n_row + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK,
	                4 * n_token * matrix->n_row * matrix->n_col);
}
