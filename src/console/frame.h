/* Where everything stands on the screen: a prompt and a text laid out in rows of a window's width. Pure: nothing is
 * written here. Rows are numbered from the first one of the prompt; what is shown of them is at most a window full. */
#ifndef TERN_CONSOLE_FRAME_H
#define TERN_CONSOLE_FRAME_H

#include "console/text.h"

#include <stdbool.h>
#include <stddef.h>

/* What is to be shown. Prompts may hold escape sequences (ESC [ ... letter); the text is shown escaped. */
struct frame_source {
	const char *prompt, *more_prompt; /* before the first line and before the others */
	const char *bytes;
	size_t n_bytes, cursor;
};

struct frame_row {
	size_t begin, end;   /* its bytes in frame.bytes */
	size_t after_escape; /* behind its last escape sequence; begin if there is none */
	int n_columns;
};

struct frame {
	struct text bytes;
	struct frame_row *rows; /* those that are shown */
	size_t n_rows, capacity;
	size_t top;                   /* number of the first row that is shown */
	size_t n_total;               /* rows there are */
	size_t cursor_row;            /* counted from the first row shown */
	int cursor_column, n_columns; /* the latter of the window */
};

/* Lays out for a window of n_columns x n_window_rows (each at least 1). frame->top is kept as far as the cursor
 * stays in sight; begin with a zeroed frame. False when memory runs out. */
bool frame_build(struct frame *frame, const struct frame_source *source, int n_columns, int n_window_rows);
void frame_free(struct frame *frame);

/* From where a row has to be written again when `shown` is on the screen: an offset from the row's begin, and the
 * column there. False if nothing has to be written. */
bool frame_row_differs(const struct frame *shown, const struct frame *next, size_t row, size_t *offset, int *column);

/* How many rows the cursor is below the first row shown after a terminal that breaks long rows anew became
 * n_columns wide. */
size_t frame_cursor_row_after_reflow(const struct frame *frame, int n_columns);

#endif
