#include "cli/line_reader.h"
#include "console/signals.h"
#include "console/wait.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void line_reader_start(struct line_reader *reader, int fd)
{
	struct stat st;

	memset(reader, 0, sizeof *reader);
	reader->fd = fd;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		reader->n_total = (uint64_t)st.st_size;
}

/* Fills the empty buffer. LINE_READ if it holds bytes now. */
static enum line_result fill(struct line_reader *reader)
{
	ssize_t got;

	do {
		/* Wait first: read() would go on waiting after an interrupt. */
		while (!signals_interrupted() && wait_for(reader->fd, -1, -1) != WAIT_INPUT)
			;
		if (signals_interrupted())
			return LINE_END;
		got = read(reader->fd, reader->buffer, sizeof reader->buffer);
	} while (got < 0 && (errno == EINTR || errno == EAGAIN));
	if (got < 0)
		return LINE_FAILED;
	reader->at = 0;
	reader->n = (size_t)got;
	reader->n_read += (uint64_t)got;
	return got > 0 ? LINE_READ : LINE_END;
}

enum line_result line_reader_next(struct line_reader *reader, struct text *line)
{
	bool is_too_long = false, has_begun = false;
	enum line_result result = LINE_READ;

	text_free(line);
	for (;;) {
		if (reader->at == reader->n && (result = fill(reader)) != LINE_READ)
			break;
		const char *from = reader->buffer + reader->at, *end = memchr(from, '\n', reader->n - reader->at);
		size_t length = end ? (size_t)(end - from) : reader->n - reader->at;
		reader->line_number += !has_begun;
		has_begun = true;
		is_too_long |= line->n_bytes + length > LINE_LIMIT;
		if (!is_too_long)
			text_append(line, from, length);
		reader->at += length + (end != NULL);
		if (end)
			break;
	}
	if (result == LINE_FAILED || (result == LINE_END && (!has_begun || signals_interrupted())))
		return result;
	if (is_too_long)
		return LINE_TOO_LONG;
	return line->failed ? LINE_OUT_OF_MEMORY : LINE_READ;
}
