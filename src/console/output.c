#include "console/output.h"
#include "console/escape.h"
#include "console/term.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tern.h>
#include <unistd.h>

/* errno of the first failed write; stdio itself keeps only the fact. */
static int write_error;

static void check(bool good)
{
	if (!good && !write_error)
		write_error = errno ? errno : EIO;
}

void output_write(const char *bytes, size_t n_bytes)
{
	if (n_bytes) /* an empty text may have no bytes to point at */
		check(fwrite(bytes, 1, n_bytes, stdout) == n_bytes);
}

void output_printf(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	check(vfprintf(stdout, format, args) >= 0);
	va_end(args);
}

static void write_escaped(const char *bytes, size_t n_bytes, enum escape how)
{
	char shown[ESCAPE_SIZE];
	size_t n_taken;

	for (size_t i = 0; i < n_bytes; i += n_taken) {
		size_t length = escape_character(shown, bytes + i, n_bytes - i, how, &n_taken);
		output_write(shown, length);
	}
}

void output_text(const char *bytes, size_t n_bytes)
{
	if (term_is_terminal(STDOUT_FILENO))
		write_escaped(bytes, n_bytes, ESCAPE_TERMINAL);
	else
		output_write(bytes, n_bytes);
}

void output_line_part(const char *bytes, size_t n_bytes) { write_escaped(bytes, n_bytes, ESCAPE_LINE); }

bool output_flush(void)
{
	check(fflush(stdout) == 0 && !ferror(stdout));
	return write_error == 0;
}

enum tern_status output_finish(enum tern_status status)
{
	if (output_flush())
		return status;
	report("write error: %s", strerror(write_error));
	return TERN_ERR_FAILED;
}
