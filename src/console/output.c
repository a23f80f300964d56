#include "console/output.h"
#include "base/sizes.h"
#include "console/escape.h"
#include "console/term.h"
#include "console/text.h"
#include "console/wait.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <tern.h>
#include <unistd.h>

enum {
	BUFFER_SIZE = 1 << 16
};

/* Instead of stdio's, which loses what a descriptor that does not block cannot take at once: another program may have
 * made a terminal or a pipe so that it shares. */
static char buffer[BUFFER_SIZE];
static size_t n_buffered;

static int write_error; /* errno of the first failed write; nothing is written after it */

static void note_error(void)
{
	if (!write_error)
		write_error = errno ? errno : EIO;
}

static void flush(void)
{
	if (!write_error && !write_all(STDOUT_FILENO, buffer, n_buffered))
		note_error();
	n_buffered = 0;
}

void output_write(const char *bytes, size_t n_bytes)
{
	size_t n_taken;

	for (size_t i = 0; i < n_bytes; i += n_taken) {
		n_taken = tern_smaller(n_bytes - i, BUFFER_SIZE - n_buffered);
		memcpy(buffer + n_buffered, bytes + i, n_taken);
		n_buffered += n_taken;
		if (n_buffered == BUFFER_SIZE)
			flush();
	}
	/* A person sees each line at once. */
	if (term_is_terminal(STDOUT_FILENO) && n_bytes > 0 && memchr(bytes, '\n', n_bytes))
		flush();
}

void output_printf(const char *format, ...)
{
	struct text text = {0};
	va_list args;

	va_start(args, format);
	text_vprintf(&text, format, args);
	va_end(args);
	output_write(text.bytes, text.n_bytes);
	if (text.failed) {
		errno = ENOMEM;
		note_error();
	}
	text_free(&text);
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
	flush();
	return write_error == 0;
}

enum tern_status output_finish(enum tern_status status)
{
	if (output_flush())
		return status;
	report("write error: %s", strerror(write_error));
	return TERN_ERR_FAILED;
}
