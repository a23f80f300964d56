/* loss.csv in the output directory: a line for every step. */
#ifndef TUNE_LOG_H
#define TUNE_LOG_H

#include "base/error.h"
#include "tune/job.h"

#include <stdio.h>

#define LOG_NAME "loss.csv"
extern const char log_title[]; /* its first line */

struct log {
	FILE *file;
};

/* Opens OUTPUT/loss.csv for the steps after `step`: lines of later steps, of a run that was killed, are cut off. */
enum tern_status log_open(struct log *log, const char *output, uint64_t step, struct tern_error *err);
enum tern_status log_add(struct log *log, const struct train_step *step, struct tern_error *err);
void log_close(struct log *log);

#endif
