/* A progress bar on standard error, for work that turns out to take longer than half a second. */
#ifndef TERN_CONSOLE_PROGRESS_H
#define TERN_CONSOLE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *label;   /* what is being done, e.g. "reading the prompt" */
	uint64_t started_ns; /* set by progress_start() */
	uint64_t shown_ns;   /* when it was last drawn; 0 = never */
};

void progress_start(struct progress *progress, const char *label);
/* Draws the bar if it is time to, with the time that is left. Nothing on anything but a terminal. */
void progress_update(struct progress *progress, uint64_t n_done, uint64_t n_total);
/* progress_update() as a callback of the library; returns true: go on. */
bool progress_callback(void *progress, uint64_t n_done, uint64_t n_total);
void progress_end(struct progress *progress);

#endif
