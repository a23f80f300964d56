#if defined(__APPLE__)
#define _DARWIN_C_SOURCE /* SIGWINCH */
#endif

#include "console/tty.h"
#include "console/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
	STOP_MS = 20 /* how often to look whether the program goes on */
};

/* Everything is set before the handlers that read it are installed, but for the flags. */
static struct {
	bool is_started;
	int in, out;
	struct termios modes[TTY_EDIT + 1];
	int n_cooked;               /* bytes that waited when TTY_AS_FOUND was left */
	volatile sig_atomic_t mode; /* enum tty_mode */
	volatile sig_atomic_t was_resumed, was_resized;
} tty;

/* The functions from here to on_resume() are called by handlers. */

static void write_bytes(const char *bytes)
{
	/* A terminal that is gone cannot be helped, but the compiler wants the result looked at. */
	if (write(tty.out, bytes, strlen(bytes)) < 0)
		return;
}

/* Bracketed paste belongs to TTY_EDIT. */
static void change(enum tty_mode from, enum tty_mode to)
{
	if (from == TTY_EDIT && to != TTY_EDIT)
		write_bytes("\033[?2004l");
	/* TCSANOW: nothing typed so far is thrown away. */
	tcsetattr(tty.in, TCSANOW, &tty.modes[to]);
	if (from != TTY_EDIT && to == TTY_EDIT)
		write_bytes("\033[?2004h");
}

static void restore(void)
{
	if (tty.mode != TTY_AS_FOUND)
		change((enum tty_mode)tty.mode, TTY_AS_FOUND);
}

static void on_resume(int signal_number)
{
	int saved_errno = errno;

	(void)signal_number;
	if (tty.mode != TTY_AS_FOUND)
		change(TTY_AS_FOUND, (enum tty_mode)tty.mode);
	tty.was_resumed = 1;
	signals_wake();
	errno = saved_errno;
}

static void on_resize(int signal_number)
{
	(void)signal_number;
	tty.was_resized = 1;
	signals_wake();
}

static void set_stop_handler(void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

	sigemptyset(&action.sa_mask);
	sigaction(SIGTSTP, &action, NULL);
}

static void on_stop(int signal_number)
{
	int saved_errno = errno;
	sigset_t only, before;

	restore();
	set_stop_handler(SIG_DFL);
	sigemptyset(&only);
	sigaddset(&only, signal_number);
	raise(signal_number); /* pending while this handler runs */
	pthread_sigmask(SIG_UNBLOCK, &only, &before);
	/* The program stops here until SIGCONT; an orphaned process group, which nobody could continue, is not
	 * stopped. */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	set_stop_handler(on_stop);
	on_resume(signal_number);
	errno = saved_errno;
}

static void set_handlers(void)
{
	struct sigaction action = {.sa_handler = on_resume, .sa_flags = SA_RESTART}, old;

	sigemptyset(&action.sa_mask);
	sigaction(SIGCONT, &action, NULL);
	action.sa_handler = on_resize;
	sigaction(SIGWINCH, &action, NULL);
	/* A shell without job control has it ignored. */
	if (sigaction(SIGTSTP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		set_stop_handler(on_stop);
	signals_restore_on_death(restore);
	atexit(restore);
}

bool tty_start(int in, int out)
{
	struct termios *found = &tty.modes[TTY_AS_FOUND], *quiet = &tty.modes[TTY_QUIET], *edit = &tty.modes[TTY_EDIT];

	if (tty.is_started)
		return tty.in == in;
	if (!isatty(in) || tcgetattr(in, found) != 0)
		return false;
	*quiet = *found;
	quiet->c_lflag &= ~(tcflag_t)(ICANON | ECHO | ECHONL);
	quiet->c_lflag |= ISIG | NOFLSH;
	/* Enter and Ctrl-J stay apart. */
	quiet->c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | ISTRIP);
	quiet->c_cc[VMIN] = 1;
	quiet->c_cc[VTIME] = 0;
	*edit = *quiet;
	edit->c_lflag &= ~(tcflag_t)(ISIG | IEXTEN);
	edit->c_iflag &= ~(tcflag_t)(IXON | BRKINT | PARMRK);
	tty.in = in;
	tty.out = out;
	tty.is_started = true;
	signals_wake_fd();
	set_handlers();
	return true;
}

void tty_set(enum tty_mode mode)
{
	enum tty_mode from = (enum tty_mode)tty.mode;

	if (!tty.is_started || from == mode)
		return;
	/* In this order a signal in between finds a mode that has at least everything to undo. */
	if (mode > from)
		tty.mode = (sig_atomic_t)mode;
	change(from, mode);
	tty.mode = (sig_atomic_t)mode;
#ifdef FIONREAD
	if (from == TTY_AS_FOUND && ioctl(tty.in, FIONREAD, &tty.n_cooked) != 0)
		tty.n_cooked = 0;
#endif
}

size_t tty_cooked_input(void)
{
	int n = tty.n_cooked;

	tty.n_cooked = 0;
	return n > 0 ? (size_t)n : 0;
}

void tty_stop(void)
{
	const struct timespec pause = {.tv_nsec = STOP_MS * 1000000};
	struct sigaction action;

	if (!tty.is_started || sigaction(SIGTSTP, NULL, &action) != 0 || action.sa_handler != on_stop)
		return;
	tty.was_resumed = 0;
	kill(0, SIGTSTP);
	/* Another thread may be the one that gets the signal, a moment later. */
	while (!tty.was_resumed)
		nanosleep(&pause, NULL);
}

static bool take(volatile sig_atomic_t *flag)
{
	bool was_set = *flag;

	*flag = 0;
	return was_set;
}

bool tty_was_resumed(void) { return take(&tty.was_resumed); }

bool tty_was_resized(void) { return take(&tty.was_resized); }
