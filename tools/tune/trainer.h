/* What a training run works with, and everything before its first step: reading base, teacher and texts, checking that
 * memory suffices, the output directory, and the state of a run that is resumed. */
#ifndef TUNE_TRAINER_H
#define TUNE_TRAINER_H

#include "tune/data.h"
#include "tune/job.h"
#include "tune/log.h"
#include "tune/state.h"

/* A checkpoint, opened. */
struct source {
	struct directory dir;
	struct config config;
	struct checkpoint ckpt;
};

struct trainer {
	const struct train_options *options;
	const struct train_reporter *reporter;
	struct source base, teacher_source;
	struct tern_model *vocabulary;
	struct tern_pool *pool;
	const struct tern_kernels *kernels;
	struct network network, teacher;
	struct graph graph, teacher_graph;
	struct adamw adamw;
	struct corpus corpus, evaluation;
	struct walk walk;
	struct batch batch;
	struct schedule schedule;
	struct state state;
	struct log log;
	bool made_output;       /* the directory was not there before */
	float *lambdas, *zeros; /* [n_layer] */
	size_t context;
	double started; /* seconds; of this process' first step */
	uint64_t first_step;
	struct tern_error *err;
};

/* Prepares the first step and reports the facts. options, reporter and err are set, the rest is zero but for
 * directories, whose descriptors are -1. Close in either case. */
enum tern_status trainer_prepare(struct trainer *trainer);
void trainer_close(struct trainer *trainer);

#endif
