#include "console/term.h"
#include "console/escape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

volatile sig_atomic_t term_status_shown;

static struct {
	bool is_terminal[3];
	bool stdin_is_closed;
	bool is_dumb;
	bool quiet;
	enum term_color color;
	const char *program;
} term = {.program = "tern"};

void term_start(void)
{
	const char *name = getenv("TERM");

	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
			int opened = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
			if (fd == STDIN_FILENO)
				term.stdin_is_closed = true;
			if (opened < 0)
				continue;
		}
		term.is_terminal[fd] = isatty(fd);
	}
	term.is_dumb = !name || !*name || strcmp(name, "dumb") == 0;
}

void term_set_program(const char *name) { term.program = name; }

const char *term_program(void) { return term.program; }

void term_configure(enum term_color color, bool quiet)
{
	term.color = color;
	term.quiet = quiet;
}

bool term_is_quiet(void) { return term.quiet; }

bool term_is_terminal(int fd) { return term.is_terminal[fd]; }

bool term_stdin_is_closed(void) { return term.stdin_is_closed; }

static int size_or(int known, const char *variable, int otherwise)
{
	const char *value = getenv(variable);

	if (known <= 0 && value)
		known = atoi(value);
	return known > 0 ? known : otherwise;
}

void term_size(int fd, int *n_columns, int *n_rows)
{
	*n_columns = *n_rows = 0;
#ifdef TIOCGWINSZ
	struct winsize size;
	if (ioctl(fd, TIOCGWINSZ, &size) == 0) {
		*n_columns = size.ws_col;
		*n_rows = size.ws_row;
	}
#endif
	*n_columns = size_or(*n_columns, "COLUMNS", 80);
	*n_rows = size_or(*n_rows, "LINES", 24);
}

int term_columns(void)
{
	int n_columns, n_rows;

	term_size(STDERR_FILENO, &n_columns, &n_rows);
	return n_columns;
}

const char *term_style(int fd, enum term_style style)
{
	static const char *const sequences[] = {
	        [TERM_PLAIN] = "\033[0m", [TERM_BOLD] = "\033[1m",     [TERM_DIM] = "\033[2m",
	        [TERM_RED] = "\033[31m",  [TERM_MAGENTA] = "\033[35m", [TERM_YELLOW] = "\033[33m",
	        [TERM_CYAN] = "\033[36m", [TERM_GREEN] = "\033[32m",
	};
	const char *no_color = getenv("NO_COLOR");
	bool wanted = term.is_terminal[fd] && !term.is_dumb && !(no_color && *no_color);

	if (term.color != TERM_COLOR_AUTO)
		wanted = term.color == TERM_COLOR_ALWAYS;
	return wanted ? sequences[style] : "";
}

/* Written with one call, so that lines of several processes do not mix. */
static void put_line(const char *program, const char *kind, enum term_style style, const char *format, va_list args)
{
	char message[4096];
	struct text line = {0};

	vsnprintf(message, sizeof message, format, args);
	if (style != TERM_PLAIN)
		text_printf(&line, "%s", term_style(STDERR_FILENO, style));
	text_printf(&line, "%s%s", program, kind);
	escape_append(&line, message, strlen(message), ESCAPE_TERMINAL);
	for (size_t i = 0; i < line.n_bytes; i++)
		if (line.bytes[i] == '\n')
			line.bytes[i] = ' ';
	if (style != TERM_PLAIN)
		text_printf(&line, "%s", term_style(STDERR_FILENO, TERM_PLAIN));
	text_append(&line, "\n", 1);

	term_erase_status();
	fflush(stderr);
	if (line.failed)
		fprintf(stderr, "%s: out of memory\n", term.program);
	else
		fwrite(line.bytes, 1, line.n_bytes, stderr);
	text_free(&line);
}

void report(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(term.program, ": ", TERM_PLAIN, format, args);
	va_end(args);
}

enum tern_status report_error(const struct tern_error *err)
{
	report("%s", err->message);
	return err->status;
}

enum tern_status report_out_of_memory(void)
{
	report("out of memory");
	return TERN_ERR_FAILED;
}

void warn(const char *format, ...)
{
	va_list args;

	if (term.quiet)
		return;
	va_start(args, format);
	put_line(term.program, ": warning: ", TERM_PLAIN, format, args);
	va_end(args);
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line("", "", TERM_DIM, format, args);
	va_end(args);
}

bool term_can_show_status(void) { return term.is_terminal[STDERR_FILENO] && !term.is_dumb && !term.quiet; }

void term_show_status(const char *line)
{
	if (!term_can_show_status())
		return;
	term_status_shown = 1;
	fprintf(stderr, TERM_ERASE "%s", line);
	fflush(stderr);
}

void term_erase_status(void)
{
	if (!term_status_shown)
		return;
	fputs(TERM_ERASE, stderr);
	fflush(stderr);
	term_status_shown = 0;
}
