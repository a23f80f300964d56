/* Waiting for input or a signal, and writing, as interactive programs need it. */
#ifndef TERN_CONSOLE_WAIT_H
#define TERN_CONSOLE_WAIT_H

#include <stdbool.h>
#include <stddef.h>

enum wait_event {
	WAIT_INPUT,
	WAIT_SIGNAL, /* signals_wake_fd() became readable, and was drained; or some signal ended the waiting */
	WAIT_WAKE,
	WAIT_TIMEOUT,
};

/* Waits until `in` can be read (or is at its end), a signal is noted, wake_fd (-1: none) becomes readable, or
 * timeout_ms (-1: for ever) have passed. Signals come before input, input before wake_fd. */
enum wait_event wait_for(int in, int wake_fd, int timeout_ms);

/* Writes everything, again after interruptions; false when that fails. */
bool write_all(int fd, const char *bytes, size_t n_bytes);

#endif
