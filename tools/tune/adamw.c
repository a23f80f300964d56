#include "tune/adamw.h"

#include "base/memory.h"
#include "base/sizes.h"

#include <math.h>

enum {
	CHUNK = 1 << 14 /* floats of a task */
};

enum tern_status adamw_init(struct adamw *adamw, const struct network *network, double weight_decay, double clip,
                            struct tern_error *err)
{
	*adamw = (struct adamw){.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = weight_decay, .clip = clip};
	adamw->first = tern_alloc(network->n_floats, sizeof(float));
	adamw->second = tern_alloc(network->n_floats, sizeof(float));
	return adamw->first && adamw->second ? TERN_OK : tern_fail_memory(err, 2 * network->n_floats * sizeof(float));
}

void adamw_free(struct adamw *adamw)
{
	tern_free(adamw->first);
	tern_free(adamw->second);
	*adamw = (struct adamw){0};
}

/* ---- the norm: sums of parameters in 8 lanes, then in order ---- */

struct norm {
	const struct network *network;
	const float *gradients;
	double *sums; /* [n_parameters] */
};

static void norm_task(void *context, size_t chunk, int worker)
{
	const struct norm *norm = context;
	const struct parameter *p = &norm->network->parameters[chunk];
	const float *g = norm->gradients + p->offset;
	double lanes[8] = {0};
	size_t i = 0;

	(void)worker;
	for (; i + 8 <= p->n; i += 8)
		for (size_t j = 0; j < 8; j++)
			lanes[j] += (double)g[i + j] * (double)g[i + j];
	for (size_t j = 0; i + j < p->n; j++)
		lanes[j] += (double)g[i + j] * (double)g[i + j];
	norm->sums[chunk] =
	        ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

double adamw_norm(struct tern_pool *pool, const struct network *network, const float *gradients)
{
	struct norm norm = {network, gradients, tern_alloc(network->n_parameters, sizeof(double))};
	double sum = 0;

	if (!norm.sums)
		return NAN;
	tern_pool_run(pool, norm_task, &norm, network->n_parameters);
	for (size_t i = 0; i < network->n_parameters; i++)
		sum += norm.sums[i];
	tern_free(norm.sums);
	return sqrt(sum);
}

/* ---- the step ---- */

struct step {
	const struct adamw *adamw;
	float *values;
	const float *gradients;
	size_t offset, n; /* of the parameter */
	float scale, beta1, beta2, keep, eps, rate, unbias1, unbias2;
};

static void step_task(void *context, size_t chunk, int worker)
{
	const struct step *s = context;
	size_t first = chunk * CHUNK, end = tern_smaller(first + CHUNK, s->n);
	float *values = s->values + s->offset, *m = s->adamw->first + s->offset, *v = s->adamw->second + s->offset;
	const float *gradients = s->gradients + s->offset;

	(void)worker;
	for (size_t i = first; i < end; i++) {
		float g = gradients[i] * s->scale;
		m[i] = m[i] * s->beta1 + g * (1.0f - s->beta1);
		v[i] = v[i] * s->beta2 + g * g * (1.0f - s->beta2);
		values[i] = values[i] * s->keep - s->rate * (m[i] * s->unbias1) / (sqrtf(v[i] * s->unbias2) + s->eps);
	}
}

double adamw_step(struct adamw *adamw, struct network *network, const float *gradients, double rate,
                  struct tern_pool *pool)
{
	double norm = adamw_norm(pool, network, gradients);

	if (!isfinite(norm))
		return norm;
	double t = (double)++adamw->n_steps;
	struct step step = {.adamw = adamw,
	                    .values = network->values,
	                    .gradients = gradients,
	                    .scale = adamw->clip > 0 && norm > adamw->clip ? (float)(adamw->clip / norm) : 1.0f,
	                    .beta1 = (float)adamw->beta1,
	                    .beta2 = (float)adamw->beta2,
	                    .eps = (float)adamw->eps,
	                    .rate = (float)rate,
	                    .unbias1 = (float)(1.0 / (1.0 - pow(adamw->beta1, t))),
	                    .unbias2 = (float)(1.0 / (1.0 - pow(adamw->beta2, t)))};
	for (size_t i = 0; i < network->n_parameters; i++) {
		const struct parameter *p = &network->parameters[i];
		step.n = p->n;
		step.offset = p->offset;
		step.keep = p->is_matrix ? (float)(1.0 - rate * adamw->weight_decay) : 1.0f;
		tern_pool_run(pool, step_task, &step, tern_divide_up(p->n, CHUNK));
	}
	return norm;
}
