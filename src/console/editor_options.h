/* What the line editor is opened with, and what editor_read() returns. */
#ifndef TERN_CONSOLE_EDITOR_OPTIONS_H
#define TERN_CONSOLE_EDITOR_OPTIONS_H

#include "console/text.h"

#include <stddef.h>

struct history;

/* What Tab offers instead of the bytes from `start` up to the cursor. */
struct completions {
	size_t start;      /* first byte that a candidate replaces; the cursor unless the callback moves it back */
	struct text words; /* the candidates, each with its NUL */
	size_t n_words;
};

struct editor_options {
	int in;                  /* where keys come from: a terminal, a pipe or a file */
	int out;                 /* the terminal to draw on; standard error's when standard output is none */
	struct history *history; /* belongs to the caller; NULL: none. Messages sent from a terminal are added to it */
	/* Called by Tab: adds the candidates for the n_bytes of text, of which `cursor` are before the cursor. NULL:
	 * none */
	void (*complete)(void *user, const char *text, size_t n_bytes, size_t cursor, struct completions *completions);
	void *user;
	int wake_fd; /* when it becomes readable, editor_read() returns EDITOR_WAKE; -1: none */
};

enum editor_event {
	EDITOR_TEXT,              /* a message, sent with Enter */
	EDITOR_BLOCK,             /* a message from a """ block: what stands between the quotes, never a command */
	EDITOR_INTERRUPT_CLEARED, /* Ctrl-C cleared what was typed */
	EDITOR_INTERRUPT,         /* Ctrl-C with nothing typed */
	EDITOR_END,               /* Ctrl-D with nothing typed, end of input, or the terminal is gone */
	EDITOR_EXTERNAL,          /* Ctrl-G: the text so far, to be edited elsewhere and given back as `initial` */
	EDITOR_WAKE,              /* wake_fd became readable: the next call goes on with the text typed so far */
	EDITOR_FAILED,            /* out of memory */
};

#endif
