#include "console/signals.h"
#include "console/term.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tern.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static const char *volatile file_to_remove;
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

static void on_bus_error(int signal_number)
{
	(void)signal_number;
	if (term_status_shown)
		write_stderr(TERM_ERASE);
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

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

void signals_catch_interrupt(void)
{
	static bool done;

	/* SA_RESETHAND: a second Ctrl-C does not wait for anything. */
	if (!done)
		set_death_handler(SIGINT, on_interrupt, (int)(SA_RESTART | SA_RESETHAND));
	done = true;
}

bool signals_interrupted(void) { return interrupted; }

void signals_die_of_interrupt(void)
{
	set_handler(SIGINT, SIG_DFL, 0);
	raise(SIGINT);
	exit(128 + SIGINT); /* not reached unless the signal is blocked */
}

static void on_death(int signal_number)
{
	const char *path = file_to_remove;

	if (path)
		unlink(path);
	if (term_status_shown)
		write_stderr(TERM_ERASE);
	/* SA_RESETHAND has put the default action back; the signal is delivered when the handler returns. */
	raise(signal_number);
}

void signals_clean_on_death(const char *path)
{
	static const int deadly[] = {SIGINT, SIGTERM, SIGHUP};

	file_to_remove = path;
	for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
		set_death_handler(deadly[i], on_death, (int)SA_RESETHAND);
}
