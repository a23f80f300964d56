/* Lines of a file or a stream, one at a time as they come, with a limit to their length. */
#ifndef TERN_CLI_LINES_H
#define TERN_CLI_LINES_H

#include "console/text.h"

#include <stddef.h>
#include <stdint.h>
#include <tern.h>

enum {
	LINES_BUFFER = 1 << 16,
	LINES_LIMIT = 16 << 20, /* bytes of a line: more than the longest context in escaped characters */
};

enum lines_result {
	LINES_LINE,
	LINES_TOO_LONG, /* the line was dropped; reading goes on after it */
	LINES_END,      /* also after an interrupt */
	LINES_FAILED,   /* reading failed: errno */
	LINES_OUT_OF_MEMORY,
};

struct lines {
	int fd;
	uint64_t n_read;    /* bytes so far, those of lines not handed out too */
	uint64_t n_total;   /* bytes in all; 0 if unknown */
	size_t line_number; /* of the last line, from 1 */
	size_t at, n;       /* the part of the buffer that is unread */
	char buffer[LINES_BUFFER];
};

/* Starts reading a descriptor, which stays the caller's to close. */
void lines_start(struct lines *lines, int fd);

/* The next line without its end, NUL-terminated, in `line`, which is emptied first. A last line may lack its end. Hands
 * a line out as soon as it is whole. An interrupt (see signals.h) that was noted ends the waiting. */
enum lines_result lines_next(struct lines *lines, struct text *line);

#endif
