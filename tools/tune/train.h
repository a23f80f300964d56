/* A training run: from a base checkpoint and texts to a tuned checkpoint. */
#ifndef TUNE_TRAIN_H
#define TUNE_TRAIN_H

#include "base/error.h"
#include "tune/job.h"

enum train_end {
	TRAIN_DONE,
	TRAIN_INTERRUPTED, /* the state is written: to be resumed */
};

enum tern_status train(const struct train_options *options, const struct train_reporter *reporter, enum train_end *end,
                       struct tern_error *err);

#endif
