/* Breaks a stream of text into lines at its spaces, so that a terminal does not break words. Only newlines are written
 * for it, no cursor codes. Pure: the caller writes the bytes to the terminal.
 *
 * A word that does not begin a line is held back until it has ended, or until it is known not to fit: then a newline
 * takes the place of the spaces before it. What gains nothing from waiting is written at once: words at the beginning
 * of a line, however long, wide characters (Chinese and Japanese have no spaces), and lines between ``` and ```. */
#ifndef TERN_CONSOLE_WRAP_H
#define TERN_CONSOLE_WRAP_H

#include "console/text.h"

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialized but for n_columns. */
struct wrap {
	int n_columns; /* of the terminal; changed with wrap_resize() */
	int column;    /* of the cursor; n_columns after a full line */

	struct text spaces, word; /* held back: the spaces behind the cursor and the word behind them */
	int space_columns, word_columns;

	int n_ticks; /* how many ` the line begins with, after spaces; -1: the line goes on behind them */
	bool in_code;
};

/* How text is styled: the sequences that begin and end its style, both empty where there is none. */
struct wrap_style {
	const char *begin, *end;
};

/* Takes in text, and appends to `out` what is to be written now; nothing appended leaves a style switched on.
 * out->failed also says that memory for what is held back ran out. */
void wrap_text(struct wrap *wrap, struct text *out, const char *bytes, size_t n_bytes, struct wrap_style style);

/* Appends what is held back. */
void wrap_end(struct wrap *wrap, struct text *out);

/* The terminal has another width. */
void wrap_resize(struct wrap *wrap, int n_columns);

void wrap_free(struct wrap *wrap);

#endif
