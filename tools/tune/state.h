/* The state of a training run on disk, from which it goes on as if it had not stopped: parameters, moments, the step.
 * The order of the batches follows from the seed and the step. The file appears whole or not at all. */
#ifndef TUNE_STATE_H
#define TUNE_STATE_H

#include "convert/job/listener.h"
#include "tune/adamw.h"

enum {
	STATE_N_SETTINGS = 24
};

/* Everything that decides the result: a run can only be resumed with the same. */
struct state_setting {
	char name[24];
	double value;
};

struct state {
	uint64_t step;                                   /* steps done */
	struct state_setting settings[STATE_N_SETTINGS]; /* unused ones have no name */
};

#define STATE_NAME "tune.state"

/* Writes the file STATE_NAME in the output directory. */
enum tern_status state_write(const char *directory, const struct state *state, const struct network *network,
                             const struct adamw *adamw, const struct listener *listener, struct tern_error *err);
/* Reads what state_write() wrote; without such a file nothing changes. state->settings hold the settings of this run: a
 * state that was written with others is refused, naming the first that differs, and so is a damaged one. */
enum tern_status state_read(const char *directory, struct state *state, struct network *network, struct adamw *adamw,
                            struct tern_error *err);

#endif
