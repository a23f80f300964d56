/* A model under test: opened from a file, or of random weights. */
#ifndef TERN_CLI_BENCH_SUBJECT_H
#define TERN_CLI_BENCH_SUBJECT_H

#include "cli/open_model.h"

#include <stdbool.h>
#include <tern.h>

enum {
	BENCH_TYPE_SIZE = 96
};

struct bench_subject {
	struct opened opened;       /* path is "--shape SHAPE" for random weights */
	char type[BENCH_TYPE_SIZE]; /* "bitnet-b1.58 2.4B T2R16" */
	bool use_mmap;
};

/* Opens the model that the options name. Errors are reported. Close also after an error. */
enum tern_status bench_subject_open(struct bench_subject *subject, const struct common_options *options);
/* Makes random weights of a shape with n_threads threads, showing progress. Errors and closing likewise. */
enum tern_status bench_subject_make(struct bench_subject *subject, const char *shape, int n_threads);
void bench_subject_close(struct bench_subject *subject);

#endif
