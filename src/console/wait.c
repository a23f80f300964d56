#include "console/wait.h"
#include "console/signals.h"

#include <errno.h>
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

/* select() because poll() does not work on the terminals of every system. */
static void watch(fd_set *set, int fd, int *highest)
{
	if (fd < 0 || fd >= FD_SETSIZE)
		return;
	FD_SET(fd, set);
	if (fd > *highest)
		*highest = fd;
}

static bool is_ready(int fd, fd_set *set) { return fd >= 0 && fd < FD_SETSIZE && FD_ISSET(fd, set); }

enum wait_event wait_for(int in, int wake_fd, int timeout_ms)
{
	int signal_fd = signals_wake_fd(), highest = -1, n_ready;
	struct timeval time = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	fd_set set;

	FD_ZERO(&set);
	watch(&set, in, &highest);
	watch(&set, signal_fd, &highest);
	watch(&set, wake_fd, &highest);
	n_ready = select(highest + 1, &set, NULL, NULL, timeout_ms < 0 ? NULL : &time);
	if (n_ready == 0)
		return WAIT_TIMEOUT;
	/* ThreadSanitizer, which does not know select(), runs the handler of the signal that interrupted it only when
	 * the next call that it knows returns: read(), while draining. */
	if ((n_ready < 0 && errno == EINTR) || (n_ready > 0 && is_ready(signal_fd, &set))) {
		signals_drain();
		return WAIT_SIGNAL;
	}
	if (n_ready > 0 && is_ready(wake_fd, &set) && !is_ready(in, &set))
		return WAIT_WAKE;
	return WAIT_INPUT; /* after an error of select() too: reading will say what is wrong */
}

bool write_all(int fd, const char *bytes, size_t n_bytes)
{
	while (n_bytes > 0) {
		ssize_t n = write(fd, bytes, n_bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			/* Somebody made the terminal non-blocking: wait until it takes more. */
			fd_set set;
			FD_ZERO(&set);
			FD_SET(fd, &set);
			select(fd + 1, NULL, &set, NULL, NULL);
			continue;
		}
		if (n <= 0)
			return false;
		bytes += n;
		n_bytes -= (size_t)n;
	}
	return true;
}
