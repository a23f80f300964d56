#include "cli/lines.h"
#include "console/signals.h"
#include "console/wait.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void lines_start(struct lines *lines, int fd)
{
	struct stat st;

	memset(lines, 0, sizeof *lines);
	lines->fd = fd;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		lines->n_total = (uint64_t)st.st_size;
}

/* Fills the empty buffer. LINES_LINE if there is something in it now. */
static enum lines_result fill(struct lines *lines)
{
	ssize_t got;

	do {
		/* Waiting first: a read would go on waiting after an interrupt. */
		while (!signals_interrupted() && wait_for(lines->fd, -1, -1) != WAIT_INPUT)
			;
		if (signals_interrupted())
			return LINES_END;
		got = read(lines->fd, lines->buffer, sizeof lines->buffer);
	} while (got < 0 && (errno == EINTR || errno == EAGAIN));
	if (got < 0)
		return LINES_FAILED;
	lines->at = 0;
	lines->n = (size_t)got;
	lines->n_read += (uint64_t)got;
	return got > 0 ? LINES_LINE : LINES_END;
}

enum lines_result lines_next(struct lines *lines, struct text *line)
{
	bool is_too_long = false, has_begun = false;
	enum lines_result result = LINES_LINE;

	text_free(line);
	for (;;) {
		if (lines->at == lines->n && (result = fill(lines)) != LINES_LINE)
			break;
		const char *from = lines->buffer + lines->at, *end = memchr(from, '\n', lines->n - lines->at);
		size_t length = end ? (size_t)(end - from) : lines->n - lines->at;
		lines->line_number += !has_begun;
		has_begun = true;
		is_too_long |= line->n_bytes + length > LINES_LIMIT;
		if (!is_too_long)
			text_append(line, from, length);
		lines->at += length + (end != NULL);
		if (end)
			break;
	}
	if (result == LINES_FAILED || (result == LINES_END && (!has_begun || signals_interrupted())))
		return result;
	if (is_too_long)
		return LINES_TOO_LONG;
	return line->failed ? LINES_OUT_OF_MEMORY : LINES_LINE;
}
