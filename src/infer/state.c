#include "infer/state.h"

#include <math.h>

float tern_inv_rms(const struct tern_kernels *kernels, const float *x, size_t n, float eps)
{
	return 1.0f / sqrtf(kernels->sum_squares(x, n) / (float)n + eps);
}

/* Below this many multiply-adds (some 20 microseconds of one core) waking other threads costs more than it saves. */
enum {
	MIN_PARALLEL_WORK = 1 << 19
};

void tern_session_run(struct tern_session *session, tern_task task, void *context, size_t n_chunk, size_t work)
{
	if (work >= MIN_PARALLEL_WORK)
		tern_pool_run(session->pool, task, context, n_chunk);
	else
		for (size_t chunk = 0; chunk < n_chunk; chunk++)
			task(context, chunk, 0);
}
