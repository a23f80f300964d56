/* The line editor: reads messages that a person types at a terminal, one or many lines each.
 *
 * On a terminal that understands escape sequences (TERM set and not "dumb") it edits like a shell: the keys that
 * shell users know, history, search, completion, pastes taken whole. Anywhere else it reads plain lines and writes no
 * escape codes. Either way a trailing backslash continues a message on the next line, and a message that begins with
 * three double quotes goes on up to the next three.
 *
 * While editor_read() waits the terminal is in TTY_EDIT, afterwards in TTY_QUIET (see tty.h): what is typed before the
 * next call waits in the terminal's queue. Not for several threads at a time. */
#ifndef TERN_CONSOLE_EDITOR_H
#define TERN_CONSOLE_EDITOR_H

#include "console/text.h"

#include <stdbool.h>
#include <stddef.h>

struct editor;
struct history;

/* What Tab offers instead of the bytes from `start` up to the cursor. */
struct completions {
	size_t start;      /* first byte that a candidate replaces; the cursor unless the callback moves it back */
	struct text words; /* the candidates, each with its NUL */
	size_t n_words;
};

/* Adds a candidate; one that ends in '/' is not followed by a space when it is the only one. */
void completions_add(struct completions *completions, const char *word);

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

/* Opens the editor; the options are copied. NULL when memory runs out. */
struct editor *editor_open(const struct editor_options *options);
/* Gives the terminal back as it was found. NULL is fine. */
void editor_close(struct editor *editor);

/* True if it edits, false if it reads plain lines: then there are no prompts to colour and nothing to redraw. */
bool editor_is_interactive(const struct editor *editor);

/* Reads one message. The cursor of the terminal is expected in the first column, and is there again afterwards: below
 * the text, or, after EDITOR_EXTERNAL and EDITOR_WAKE, where the prompt was, which is erased then.
 * `prompt` stands before the first line, `more_prompt` before the others; both may hold colour sequences. Neither is
 * shown unless `in` is a terminal. `initial` is the text to begin with, or NULL.
 * *text, which the caller begins zeroed or used and frees with text_free(), receives the message (EDITOR_TEXT,
 * EDITOR_BLOCK, EDITOR_EXTERNAL) without the newline that ended it. It may hold any bytes, newlines and NUL too. */
enum editor_event editor_read(struct editor *editor, const char *prompt, const char *more_prompt, const char *initial,
                              struct text *text);

#endif
