/* The callbacks of whoever runs a conversion. The parts of the converter print nothing themselves. */
#ifndef CONVERT_JOB_LISTENER_H
#define CONVERT_JOB_LISTENER_H

#include <stdint.h>

/* Any function may be NULL. */
struct listener {
	void *user;
	/* Something the user should know that is no error: one line. */
	void (*on_warning)(void *user, const char *message);
	/* n_done of n_total bytes of the input are read. */
	void (*on_progress)(void *user, uint64_t n_done, uint64_t n_total);
	/* The temporary name of the file being written; NULL: the file no longer exists. */
	void (*on_temp_file)(void *user, const char *path);
};

void listener_warn(const struct listener *listener, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
