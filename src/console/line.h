/* The text being edited and the cursor in it. Any bytes; what is no UTF-8 counts as one character a byte. The cursor
 * moves by grapheme clusters. "Line" means the part between two newlines. */
#ifndef TERN_CONSOLE_LINE_H
#define TERN_CONSOLE_LINE_H

#include "console/text.h"

#include <stdbool.h>
#include <stddef.h>

struct line {
	char *bytes;
	size_t n_bytes, capacity;
	size_t cursor;
	struct text killed;  /* what line_yank() gives back */
	bool is_killing;     /* the last change was a kill: the next one adds to `killed` */
	bool is_moving;      /* the last move was up or down: the next one keeps its column */
	size_t goal_columns; /* which one */
};

enum line_unit {
	LINE_CHARACTER,
	LINE_WORD,       /* letters and digits */
	LINE_SPACE_WORD, /* anything but white space */
	LINE_LINE,       /* up to the end of the line; from there, one newline */
	LINE_TEXT,
};

void line_free(struct line *line);
/* False, and no change, when memory runs out. */
bool line_insert(struct line *line, const char *bytes, size_t n_bytes);
bool line_set(struct line *line, const char *bytes, size_t n_bytes);

/* Where a unit to the left or right of the cursor ends. */
size_t line_left_of(const struct line *line, enum line_unit unit);
size_t line_right_of(const struct line *line, enum line_unit unit);

void line_move(struct line *line, size_t to);
void line_move_home(struct line *line);
void line_move_end(struct line *line);
/* To the line above or below, to the column the first of these moves began in. False if there is none. */
bool line_move_up(struct line *line);
bool line_move_down(struct line *line);

/* Deletes what is between the cursor and `to`. */
void line_delete(struct line *line, size_t to);
/* The same, kept for line_yank(); kills that follow each other are kept together. */
void line_kill(struct line *line, size_t to);
void line_yank(struct line *line);
/* Swaps the two characters around the cursor, at the end of the line those before it, and moves behind them. */
void line_transpose(struct line *line);

/* To be called before each key, with whether it is a kill, and whether a move up or down. */
void line_begin_key(struct line *line, bool is_kill, bool is_vertical);

#endif
