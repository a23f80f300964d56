#include "console/signals.h"
#include "console/term.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tern.h>
#include <unistd.h>

enum {
	FILE_NAME_SIZE = 4096 + 64 /* no system opens longer ones */
};

static volatile sig_atomic_t interrupted;
static bool interrupt_is_caught;
static const char *volatile file_to_remove; /* NULL or file_name */
static char file_name[FILE_NAME_SIZE];
static void (*volatile restore_hook)(void);
static int wake_pipe[2] = {-1, -1};
/* Prepared beforehand: a handler may not format. */
static char map_message[512];

static void write_stderr(const char *bytes)
{
	/* Nothing can be done about a failure here, but the compiler wants the result looked at. */
	if (write(STDERR_FILENO, bytes, strlen(bytes)) < 0)
		return;
}

static void set_handler(int signal_number, void (*handler)(int), int flags)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	action.sa_flags = flags;
	sigemptyset(&action.sa_mask);
	sigaction(signal_number, &action, NULL);
}

/* A signal that the parent ignores (nohup, a background job) stays ignored. */
static void set_death_handler(int signal_number, void (*handler)(int), int flags)
{
	struct sigaction old;

	if (sigaction(signal_number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		set_handler(signal_number, handler, flags);
}

void signals_start(void)
{
	set_handler(SIGPIPE, SIG_DFL, 0);
	set_handler(SIGXFSZ, SIG_IGN, 0);
}

/* What the terminal needs before the program ends. */
static void clean_up(void)
{
	if (term_status_shown)
		write_stderr(TERM_ERASE);
	if (restore_hook)
		restore_hook();
}

static void on_bus_error(int signal_number)
{
	(void)signal_number;
	clean_up();
	write_stderr(map_message);
	_exit(TERN_ERR_FILE);
}

void signals_watch_map(const char *path)
{
	char shown[400];

	/* The message keeps to one line whatever the path holds. */
	snprintf(shown, sizeof shown, "%s", path);
	for (char *c = shown; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	snprintf(map_message, sizeof map_message, "%s: %s: the file changed or could not be read while it was in use\n",
	         term_program(), shown);
	set_handler(SIGBUS, on_bus_error, 0);
}

static void on_death(int signal_number)
{
	const char *path = file_to_remove;

	if (path)
		unlink(path);
	clean_up();
	/* SA_RESETHAND has put the default action back; the signal is delivered when the handler returns. */
	raise(signal_number);
}

/* The second interrupt does not wait for anything. */
static void on_interrupt(int signal_number)
{
	if (interrupted) {
		set_handler(signal_number, SIG_DFL, 0);
		on_death(signal_number);
	}
	interrupted = 1;
	signals_wake();
}

void signals_catch_interrupt(void)
{
	if (!interrupt_is_caught)
		set_death_handler(SIGINT, on_interrupt, SA_RESTART);
	interrupt_is_caught = true;
}

bool signals_interrupted(void) { return interrupted; }

void signals_forget_interrupt(void) { interrupted = 0; }

void signals_die_of_interrupt(void)
{
	set_handler(SIGINT, SIG_DFL, 0);
	if (restore_hook)
		restore_hook();
	raise(SIGINT);
	exit(128 + SIGINT); /* not reached unless the signal is blocked */
}

int signals_wake_fd(void)
{
	if (wake_pipe[0] >= 0 || pipe(wake_pipe) != 0)
		return wake_pipe[0];
	for (int i = 0; i < 2; i++) {
		fcntl(wake_pipe[i], F_SETFD, FD_CLOEXEC);
		fcntl(wake_pipe[i], F_SETFL, O_NONBLOCK);
	}
	return wake_pipe[0];
}

void signals_drain(void)
{
	char bytes[64];

	while (read(wake_pipe[0], bytes, sizeof bytes) > 0)
		;
}

void signals_wake(void)
{
	int saved_errno = errno;

	/* A full pipe is readable already. */
	if (wake_pipe[1] >= 0 && write(wake_pipe[1], "", 1) < 0)
		errno = saved_errno;
	errno = saved_errno;
}

/* A sanitizer's handler, or one of ours that was set earlier, stays. */
static void set_if_default(int signal_number)
{
	struct sigaction old;

	if (sigaction(signal_number, NULL, &old) == 0 && old.sa_handler == SIG_DFL && !(old.sa_flags & SA_SIGINFO))
		set_handler(signal_number, on_death, (int)SA_RESETHAND);
}

void signals_restore_on_death(void (*restore)(void))
{
	static const int deadly[] = {SIGINT, SIGTERM, SIGHUP,  SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE,
	                             SIGILL, SIGSYS,  SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU, SIGPIPE};

	restore_hook = restore;
	for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
		set_if_default(deadly[i]);
}

/* Signals that end the program from outside. */
static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
static sigset_t mask_before_hold;

void signals_hold(void)
{
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
		sigaddset(&held, ending[i]);
	pthread_sigmask(SIG_BLOCK, &held, &mask_before_hold);
}

void signals_release(void) { pthread_sigmask(SIG_SETMASK, &mask_before_hold, NULL); }

void signals_clean_on_death(const char *path)
{
	file_to_remove = NULL;
	if (path && strlen(path) < sizeof file_name) {
		strcpy(file_name, path);
		file_to_remove = file_name;
	}
	for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
		if (ending[i] != SIGINT || !interrupt_is_caught)
			set_death_handler(ending[i], on_death, (int)SA_RESETHAND);
}
