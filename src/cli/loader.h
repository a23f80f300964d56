/* Opening a model and its session in a thread, so that its user can type already. */
#ifndef TERN_CLI_LOADER_H
#define TERN_CLI_LOADER_H

#include "cli/open_model.h"
#include "cli/generation.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* Zero-initialised is one that was never started. */
struct loader {
	struct opened opened;         /* to be looked at after loader_finish() */
	struct tern_session *session; /* likewise */

	struct generation_options generation; /* a copy: the user may change them meanwhile */
	struct tern_model_options settings;
	struct tern_error err;
	enum tern_status status;
	_Atomic uint64_t n_done, n_total; /* of the work on weights that have to be repacked; 0 if there is none */
	atomic_bool is_unwanted;          /* nobody waits for it any more */
	int pipe[2];                      /* a byte comes when the work is done */
	pthread_t thread;
	bool is_running;
};

/* Finds the model's file and starts to open it. Errors that show at once were reported. */
enum tern_status loader_start(struct loader *loader, const struct common_options *common,
                              const struct generation_options *generation);

/* A descriptor that becomes readable when the work is done. */
int loader_fd(const struct loader *loader);

/* True when it is done, after timeout_ms milliseconds or a signal at the latest; -1: no limit. */
bool loader_wait(const struct loader *loader, int timeout_ms);

/* Waits for the end and says how it went. */
enum tern_status loader_finish(struct loader *loader, struct tern_error *err);

/* Closes the model and the session. If the work is still going on it is given up; nothing is freed then, since the
 * program is about to end and waiting would only hold it up: returns false. */
bool loader_free(struct loader *loader);

#endif
