#include "cli/loader.h"
#include "base/error.h"
#include "console/term.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static bool note_progress(void *user, uint64_t n_done, uint64_t n_total)
{
	struct loader *loader = user;

	atomic_store(&loader->n_done, n_done);
	atomic_store(&loader->n_total, n_total);
	return !atomic_load(&loader->is_unwanted);
}

static void note_repacking(void *user, uint64_t n_bytes)
{
	struct loader *loader = user;
	atomic_store(&loader->n_repacked, n_bytes);
}

static void *load(void *context)
{
	struct loader *loader = context;
	struct opened *opened = &loader->opened;

	loader->status = open_model_load(opened, loader->settings, &loader->err);
	if (!loader->status && opened->info.n_layer > 0)
		loader->status = generation_open_session(&loader->session, &loader->generation, opened,
		                                         loader->settings.n_threads, &loader->err);
	/* Cannot block or fail: the pipe is empty. */
	while (write(loader->pipe[1], "", 1) < 0 && errno == EINTR)
		continue;
	return NULL;
}

/* Blocks signals in the thread: the one with the terminal handles them. */
static int start_thread(struct loader *loader)
{
	sigset_t all, before;
	int failure;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failure = pthread_create(&loader->thread, NULL, load, loader);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failure;
}

enum tern_status loader_start(struct loader *loader, const struct common_options *common,
                              const struct generation_options *generation)
{
	enum tern_status status;

	*loader = (struct loader){.generation = *generation};
	if ((status = open_model_find(&loader->opened, common, &loader->settings)))
		return status;
	loader->settings.on_repack = note_repacking;
	loader->settings.on_progress = note_progress;
	loader->settings.user = loader;
	if (pipe(loader->pipe) != 0) {
		tern_fail(&loader->err, TERN_ERR_FAILED, "cannot make a pipe: %s", strerror(errno));
		return report_error(&loader->err);
	}
	for (int i = 0; i < 2; i++)
		fcntl(loader->pipe[i], F_SETFD, FD_CLOEXEC);
	if (start_thread(loader) != 0)
		load(loader); /* no thread to be had: open it now */
	else
		loader->is_running = true;
	return TERN_OK;
}

int loader_fd(const struct loader *loader) { return loader->pipe[0]; }

bool loader_wait(const struct loader *loader, int timeout_ms)
{
	struct pollfd done = {.fd = loader->pipe[0], .events = POLLIN};

	return poll(&done, 1, timeout_ms) == 1;
}

enum tern_status loader_finish(struct loader *loader, struct tern_error *err)
{
	char byte;

	if (loader->is_running)
		pthread_join(loader->thread, NULL);
	loader->is_running = false;
	/* Empty the pipe, so that it wakes nobody again. */
	while (loader_wait(loader, 0) && read(loader->pipe[0], &byte, 1) < 0 && errno == EINTR)
		continue;
	if (loader->status)
		*err = loader->err;
	return loader->status;
}

bool loader_free(struct loader *loader)
{
	struct tern_error err;

	atomic_store(&loader->is_unwanted, true);
	if (loader->is_running && !loader_wait(loader, 0))
		return false;
	if (loader->is_running)
		loader_finish(loader, &err);
	tern_session_free(loader->session);
	open_model_close(&loader->opened);
	if (loader->pipe[0] > 0) {
		close(loader->pipe[0]);
		close(loader->pipe[1]);
	}
	*loader = (struct loader){.is_running = false};
	return true;
}
