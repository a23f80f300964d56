/* Draws a prompt and a text at the cursor of a terminal and keeps it up to date: only what changed is written, with
 * one write(). */
#ifndef TERN_CONSOLE_SCREEN_H
#define TERN_CONSOLE_SCREEN_H

#include "console/frame.h"

struct screen {
	int out;
	int n_columns, n_rows; /* of the window */
	bool reflows;          /* the terminal breaks rows anew when its width changes */
	bool is_drawn;         /* `shown` is on the screen, and the cursor where it says */
	struct frame shown, next;
	struct text output; /* what goes into the next write() */
};

void screen_start(struct screen *screen, int out);
void screen_free(struct screen *screen);

/* Draws; where nothing is drawn yet, from the cursor's row on. */
void screen_draw(struct screen *screen, const struct frame_source *source);

/* Leaves what is drawn where it is, with `note` after it, and goes to the row below it. */
void screen_leave(struct screen *screen, const char *note);
/* Removes what is drawn; the cursor is where it began. */
void screen_erase(struct screen *screen);
/* Removes everything in the window. */
void screen_clear(struct screen *screen);
/* The window has another size: what is drawn has to be drawn again. */
void screen_resize(struct screen *screen);
/* Something else has been on the screen: the next drawing begins on the cursor's row. */
void screen_forget(struct screen *screen);

/* Lists n_words (each with its NUL) in columns below what is drawn. */
void screen_list(struct screen *screen, const char *words, size_t n_words);
void screen_beep(struct screen *screen);

#endif
