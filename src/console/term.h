/* The terminal and its three streams: what they are, color, messages, and a line that comes and goes. */
#ifndef TERN_CONSOLE_TERM_H
#define TERN_CONSOLE_TERM_H

#include <signal.h>
#include <stdbool.h>
#include <tern.h>

enum term_color {
	TERM_COLOR_AUTO,
	TERM_COLOR_ALWAYS,
	TERM_COLOR_NEVER
};
enum term_style {
	TERM_PLAIN,
	TERM_BOLD,
	TERM_DIM,
	TERM_RED,
	TERM_MAGENTA,
	TERM_YELLOW,
	TERM_CYAN,
	TERM_GREEN
};

/* Called first of all. A stream that the parent closed is opened on /dev/null the wrong way round, so that using it
 * fails as before but no file opened later takes its place. */
void term_start(void);

/* What messages begin with and help calls the program; "tern" unless set. The string must stay where it is. */
void term_set_program(const char *name);
const char *term_program(void);

/* What the options say: color, and whether warnings are wanted. */
void term_configure(enum term_color color, bool quiet);
bool term_is_quiet(void);

bool term_is_terminal(int fd);
/* True if standard input was closed by the parent: there is nothing to read and that is no error. */
bool term_stdin_is_closed(void);
/* The size of a terminal in characters: where it does not know, $COLUMNS x $LINES, or 80 x 24. */
void term_size(int fd, int *n_columns, int *n_rows);
/* Columns of the terminal on standard error. */
int term_columns(void);

/* The sequence that switches a stream to a style, or "" where there is no color: NO_COLOR set and not empty, TERM
 * unset or dumb, no terminal; --color overrides all of them. */
const char *term_style(int fd, enum term_style style);

/* "PROGRAM: MESSAGE" on standard error, one line, control characters escaped. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* report() for what the library said; returns the status for main() to return. */
enum tern_status report_error(const struct tern_error *err);
/* report() for the programs' own allocations; returns TERN_ERR_FAILED. */
enum tern_status report_out_of_memory(void);
/* "PROGRAM: warning: MESSAGE", unless --quiet. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line of facts on standard error, as asked for with --verbose. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Shows one line on a terminal until it is replaced or erased; the functions above erase it. */
bool term_can_show_status(void);
void term_show_status(const char *line);
void term_erase_status(void);
/* 1 while such a line is shown; for signal handlers. */
extern volatile sig_atomic_t term_status_shown;
/* Erases the line; may be called from a signal handler. */
#define TERM_ERASE "\r\033[K"

#endif
