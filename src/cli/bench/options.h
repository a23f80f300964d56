/* The command line of `tern bench`: its options, and the lists of numbers in them. */
#ifndef TERN_CLI_BENCH_OPTIONS_H
#define TERN_CLI_BENCH_OPTIONS_H

#include "cli/common_options.h"
#include "console/options.h"

#include <stddef.h>
#include <tern.h>

struct bench_own_options {
	struct option_list prompts, gens, both, edits, depths, batches, threads, reps;
	int kv;                 /* enum tern_kv_type */
	int output, output_err; /* enum bench_format */
	float delay;            /* seconds */
	bool no_warmup, progress, sweep;
};

struct bench_source_options {
	struct option_list models, shapes;
	bool no_mmap, mlock, overcommit;
};

struct bench_options {
	struct bench_own_options own;
	struct bench_source_options source;
	struct common_options common;
};

extern const struct option bench_own_options[], bench_source_options[];

enum {
	BENCH_DEFAULT_BATCH = 512,
};

struct bench_list {
	int *items;
	size_t n_items, capacity;
};

/* The tests: all combinations of these numbers. `both` holds pairs. */
struct bench_plan {
	struct bench_list prompts, gens, both, edits, depths, batches, threads, reps;
	size_t n_tests; /* of one model */
};

/* Errors are reported as usage errors of `command`. Free the plan also after an error. */
enum tern_status bench_plan_read(struct bench_plan *plan, const struct command *command,
                                 const struct bench_options *options);
void bench_plan_free(struct bench_plan *plan);

#endif
