#include "infer/norm.h"

#include <math.h>

float tern_inv_rms(const struct tern_kernels *kernels, const float *x, size_t n, float eps)
{
	return 1.0f / sqrtf(kernels->sum_squares(x, n) / (float)n + eps);
}

struct norm_task {
	const struct tern_engine *engine;
	float *out;
	const float *x, *gain;
	size_t n;
};

static void norm_token(void *context, size_t token, int worker)
{
	const struct norm_task *task = context;
	const struct tern_kernels *kernels = task->engine->kernels;
	const float *x = task->x + token * task->n;
	float eps = task->engine->transformer->hparams.rms_eps;

	(void)worker;
	kernels->rms_scale(task->out + token * task->n, x, task->gain, tern_inv_rms(kernels, x, task->n, eps), task->n);
}

void tern_rms_norm(struct tern_engine *engine, float *out, const float *x, const float *gain, size_t n, size_t n_token)
{
	struct norm_task task = {engine, out, x, gain, n};
	tern_engine_run(engine, norm_token, &task, n_token, n_token * n * TERN_WORK_NORM);
}
