/* What changes from step to step: lambda of each layer and the learning rate. */
#ifndef TUNE_SCHEDULE_H
#define TUNE_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

enum schedule_kind {
	SCHEDULE_RAMP,           /* all layers go over together, linearly */
	SCHEDULE_LAYERS,         /* one layer after the other, each linearly in its share of the ramp */
	SCHEDULE_NONE,           /* ternary from the first step on */
	SCHEDULE_FULL_PRECISION, /* never ternary */
};

struct schedule {
	enum schedule_kind kind;
	uint64_t n_steps, n_warmup;
	double start, ramp; /* where the ramp begins and how long it is, as parts of n_steps */
	double rate;        /* the highest learning rate */
	size_t n_layer;
};

/* lambda of a layer in step 0 .. n_steps - 1. 1 at the end of the ramp and from there on. */
float schedule_lambda(const struct schedule *schedule, uint64_t step, size_t layer);
/* Rises linearly over the warm-up, then falls as half a cosine, to 0 after the last step. */
double schedule_rate(const struct schedule *schedule, uint64_t step);

#endif
