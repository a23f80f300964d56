/* Opening a model and its session in a thread, so that its user can type already. */
#ifndef TERN_CLI_LOADER_H
#define TERN_CLI_LOADER_H

#include "cli/common.h"
#include "cli/generation.h"

#include <pthread.h>

/* Zero-initialised is one that was never started. */
struct loader {
	struct opened opened;         /* to be looked at after loader_finish() */
	struct tern_session *session; /* likewise */

	const struct generation_options *generation;
	struct tern_model_options settings;
	struct tern_error err;
	enum tern_status status;
	int pipe[2]; /* a byte comes when the work is done */
	pthread_t thread;
	bool is_running;
};

/* Finds the model's file and starts to open it. The options have to stay as they are until it is done. Errors that show
 * at once were reported. */
enum tern_status loader_start(struct loader *loader, const struct common_options *common,
                              const struct generation_options *generation);

/* A descriptor that becomes readable when the work is done. */
int loader_fd(const struct loader *loader);

/* True when it is done, after timeout_ms milliseconds or a signal at the latest; -1: no limit. */
bool loader_wait(const struct loader *loader, int timeout_ms);

/* Waits for the end and says how it went. */
enum tern_status loader_finish(struct loader *loader, struct tern_error *err);

/* Closes the model and the session. If the work is still going on, nothing is freed: the program is about to end, and
 * reading on would only hold it up. Returns false then. */
bool loader_free(struct loader *loader);

#endif
