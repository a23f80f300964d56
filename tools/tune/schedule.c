#include "tune/schedule.h"

#include <math.h>

static double clamp01(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

float schedule_lambda(const struct schedule *s, uint64_t step, size_t layer)
{
	double done = (double)(step + 1) - s->start * (double)s->n_steps, whole = s->ramp * (double)s->n_steps;

	if (s->kind == SCHEDULE_FULL_PRECISION)
		return 0.0f;
	if (s->kind == SCHEDULE_NONE)
		return 1.0f;
	double part = whole > 0 ? done / whole : done > 0;
	if (s->kind == SCHEDULE_LAYERS)
		part = part * (double)s->n_layer - (double)layer;
	return (float)clamp01(part);
}

double schedule_rate(const struct schedule *s, uint64_t step)
{
	const double pi = 3.141592653589793;

	if (step < s->n_warmup)
		return s->rate * (double)(step + 1) / (double)(s->n_warmup + 1);
	return s->rate * 0.5 * (1 + cos(pi * (double)(step - s->n_warmup) / (double)(s->n_steps - s->n_warmup)));
}
