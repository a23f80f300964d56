/* Opens a model and its session in a thread, so that the user can already type. */
#ifndef TERN_CLI_LOADER_H
#define TERN_CLI_LOADER_H

#include "cli/generation.h"
#include "cli/open_model.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* Zero-initialized: never started. */
struct loader {
	struct opened opened;         /* valid after loader_finish() */
	struct tern_session *session; /* likewise */

	struct generation_options generation; /* a copy, since the user may change them meanwhile */
	struct tern_model_options settings;
	struct tern_error err;
	enum tern_status status;
	_Atomic uint64_t n_repacked;      /* bytes of memory that repacked weights take; 0: none, or not known yet */
	_Atomic uint64_t n_done, n_total; /* bytes of weights repacked, and to be repacked; 0: none */
	atomic_bool is_unwanted;          /* nobody waits for it any more */
	int pipe[2];                      /* receives a byte when the work is done */
	pthread_t thread;
	bool is_running;
};

/* Finds the model's file and starts to open it. Errors in finding it are reported. */
enum tern_status loader_start(struct loader *loader, const struct common_options *common,
                              const struct generation_options *generation);

/* The descriptor becomes readable when the work is done. */
int loader_fd(const struct loader *loader);

/* Waits up to timeout_ms milliseconds (-1: for ever) or until a signal comes; true if the work is done. */
bool loader_wait(const struct loader *loader, int timeout_ms);

/* Waits for the end; returns the result of opening. */
enum tern_status loader_finish(struct loader *loader, struct tern_error *err);

/* Closes the model and the session. While the work is still going on, only asks it to stop and returns false: the
 * program is about to end and must not wait. */
bool loader_free(struct loader *loader);

#endif
