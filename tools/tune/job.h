/* The settings of a training run, and what it reports. */
#ifndef TUNE_JOB_H
#define TUNE_JOB_H

#include "convert/job/listener.h"
#include "tune/schedule.h"

#include <stdbool.h>

/* The gains that inserted norms begin with. */
enum gains {
	GAINS_ONE, /* the paper's: inputs are scaled to unit RMS, which changes what the trained network computes */
	GAINS_RMS, /* the RMS of the norm's inputs, so that they keep their size */
};

struct train_options {
	const char *base, *data, *output;
	const char *evaluation; /* NULL: none */
	const char *teacher;    /* NULL: no distillation */
	uint64_t n_steps;       /* 0: by epochs */
	double epochs;
	size_t batch_tokens, context; /* context 0: the least of 512, the model's, and batch_tokens */
	double rate, weight_decay, clip, teacher_weight, start, ramp;
	uint64_t n_warmup, seed;
	enum schedule_kind schedule;
	enum gains gains;
	bool no_extra_norm, from_scratch, packed, resume;
	uint64_t eval_every, save_every; /* steps; 0: only at the end */
	int n_threads;                   /* 0: as tern_choose_threads() does */
};

/* What a step did. */
struct train_step {
	uint64_t step, n_steps; /* step counts from 1 */
	double loss, distilled; /* loss without what distillation adds */
	double norm;            /* of the gradients, before clipping */
	double rate, lambda;    /* lambda: mean of the layers */
	double tokens_per_second, seconds_left;
	double evaluation; /* NAN: not evaluated after this step */
};

/* What is known before the first step. */
struct train_facts {
	size_t n_parameters, n_documents, n_tokens, n_targets; /* of weights; of the data */
	uint64_t n_steps, first_step, n_bytes, n_available;    /* memory */
	size_t context, batch_tokens;
	int n_threads;
	const char *kernel; /* of the float products */
	bool is_resumed;
};

struct train_reporter {
	struct listener listener; /* without on_progress; the functions below get its `user` too */
	void (*on_facts)(void *user, const struct train_facts *facts);
	void (*on_step)(void *user, const struct train_step *step);
	bool (*keep_going)(void *user); /* called after every step; false: write the state and return */
};

#endif
