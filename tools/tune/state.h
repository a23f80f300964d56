/* The state of a training run on disk, from which it goes on as if it had not stopped: parameters, moments, the step.
 * The order of the batches follows from the seed and the step. The file appears whole or not at all. */
#ifndef TUNE_STATE_H
#define TUNE_STATE_H

#include "tune/adamw.h"

enum {
	STATE_N_SETTINGS = 20
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

/* Writes to `path`. */
enum tern_status state_write(const char *path, const struct state *state, const struct network *network,
                             const struct adamw *adamw, void (*on_temp_file)(const char *path), struct tern_error *err);
/* Reads what state_write() wrote; *found is false if there is no such file. state->settings are what they have to be: a
 * run with others is refused by their name. */
enum tern_status state_read(const char *path, struct state *state, struct network *network, struct adamw *adamw,
                            bool *found, struct tern_error *err);

#endif
