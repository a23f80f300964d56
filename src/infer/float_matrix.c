#include "infer/float_matrix.h"

#include "base/sizes.h"
#include "kernels/kernels.h"
#include "model/gguf.h"

enum {
	ROWS_PER_CHUNK = 16,
	TOKENS_PER_CHUNK = 64,
	ROW_MULTIPLE = 16 /* columns of what tern_kernels.dots_f32 takes */
};

struct float_task {
	const struct tern_kernels *kernels;
	const struct tern_matrix *matrix;
	const float *x;
	size_t n_token, n_row_chunk;
	float *out;
};

static const void *row_at(const struct tern_matrix *m, size_t row)
{
	return m->data + row * tern_gguf_row_bytes(m->type, m->n_col);
}

static float dot(const struct tern_kernels *kernels, const struct tern_matrix *m, size_t row, const float *x)
{
	const void *values = row_at(m, row);

	return m->type == GGUF_TENSOR_F32   ? kernels->dot_f32(values, x, m->n_col)
	       : m->type == GGUF_TENSOR_F16 ? kernels->dot_f16(values, x, m->n_col)
	                                    : kernels->dot_bf16(values, x, m->n_col);
}

/* Some rows times some tokens; the kernels of several rows give the bits of those of one. */
static void multiply_chunk(void *context, size_t chunk, int worker)
{
	const struct float_task *task = context;
	const struct tern_kernels *kernels = task->kernels;
	const struct tern_matrix *m = task->matrix;
	size_t row = chunk % task->n_row_chunk * ROWS_PER_CHUNK, token = chunk / task->n_row_chunk * TOKENS_PER_CHUNK;
	size_t n_row = tern_smaller(m->n_row - row, ROWS_PER_CHUNK);
	size_t n_token = tern_smaller(task->n_token - token, TOKENS_PER_CHUNK);
	const float *x = task->x + token * m->n_col;
	float *out = task->out + token * m->n_row + row;

	(void)worker;
	if (m->type == GGUF_TENSOR_F32 && m->n_col % ROW_MULTIPLE == 0)
		kernels->dots_f32(out, m->n_row, row_at(m, row), n_row, x, n_token, m->n_col);
	else if (m->type == GGUF_TENSOR_BF16 && m->n_col % ROW_MULTIPLE == 0)
		kernels->dots_bf16(out, m->n_row, row_at(m, row), n_row, x, n_token, m->n_col);
	else
		for (size_t t = 0; t < n_token; t++)
			for (size_t r = 0; r < n_row; r++)
				out[t * m->n_row + r] = dot(kernels, m, row + r, x + t * m->n_col);
}

static size_t chunks_of_rows(const struct tern_matrix *matrix) { return tern_divide_up(matrix->n_row, ROWS_PER_CHUNK); }

void tern_multiply_floats(struct tern_engine *engine, const struct tern_matrix *matrix, const float *x, size_t n_token,
                          float *out)
{
	struct float_task task = {engine->kernels, matrix, x, n_token, chunks_of_rows(matrix), out};
	size_t n_token_chunk = tern_divide_up(n_token, TOKENS_PER_CHUNK);

	tern_engine_run(engine, multiply_chunk, &task, task.n_row_chunk * n_token_chunk,
	                4 * n_token * matrix->n_row * matrix->n_col);
}

const void *tern_float_matrix_start(const struct tern_engine *engine, const struct tern_matrix *matrix, int worker,
                                    size_t *n_bytes)
{
	*n_bytes = ROWS_PER_CHUNK * tern_gguf_row_bytes(matrix->type, matrix->n_col);
	return row_at(matrix, tern_pool_first_chunk(engine->pool, worker, chunks_of_rows(matrix)) * ROWS_PER_CHUNK);
}
