/* Reads a file or a stream line by line, with a limit on the length of a line. */
#ifndef TERN_CLI_LINE_READER_H
#define TERN_CLI_LINE_READER_H

#include "console/text.h"

#include <stddef.h>
#include <stdint.h>
#include <tern.h>

enum {
	LINE_BUFFER = 1 << 16,
	LINE_LIMIT = 16 << 20, /* bytes of a line: more than the longest context takes in escaped characters */
};

enum line_result {
	LINE_READ,
	LINE_TOO_LONG, /* the line was skipped; the next call reads the one after it */
	LINE_END,      /* also after an interrupt */
	LINE_FAILED,   /* reading failed: errno */
	LINE_OUT_OF_MEMORY,
};

struct line_reader {
	int fd;
	uint64_t n_read;    /* bytes read so far */
	uint64_t n_total;   /* bytes in all; 0 if unknown */
	size_t line_number; /* of the last line returned, from 1 */
	size_t at, n;       /* buffer[at .. n - 1] is not used yet */
	char buffer[LINE_BUFFER];
};

/* Starts reading a descriptor; the caller closes it. */
void line_reader_start(struct line_reader *reader, int fd);

/* Replaces `line` by the next line, without its newline and NUL-terminated, as soon as the line is complete. The last
 * line may lack its newline. An interrupt (see signals.h) ends the waiting. */
enum line_result line_reader_next(struct line_reader *reader, struct text *line);

#endif
