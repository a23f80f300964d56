/* How the parts of the converter speak to whoever runs it: they print nothing themselves. */
#ifndef CONVERT_REPORTER_H
#define CONVERT_REPORTER_H

#include <stdint.h>

/* Any function may be NULL. */
struct reporter {
	void *user;
	/* Something the user should know that is no error: one line. */
	void (*on_warning)(void *user, const char *message);
	/* n_done of n_total bytes of the checkpoint are read. */
	void (*on_progress)(void *user, uint64_t n_done, uint64_t n_total);
	/* The file being written has this temporary name; NULL: there is no such file any more. */
	void (*on_temp_file)(void *user, const char *path);
};

void reporter_warn(const struct reporter *reporter, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
