/* The messages typed earlier, kept in a file from one run to the next.
 *
 * The file is $TERN_HISTORY (empty: none is kept), else $XDG_STATE_HOME/tern/history, else
 * $HOME/.local/state/tern/history: one message a line, newlines and backslashes in it escaped, readable by its owner
 * only. Several programs may add to it at the same time. Nothing that is wrong with the file is an error: it is said
 * once, and the history lasts as long as the program then. */
#ifndef TERN_CONSOLE_HISTORY_H
#define TERN_CONSOLE_HISTORY_H

#include <stddef.h>

enum {
	HISTORY_MAX_ENTRIES = 1000,
	HISTORY_SLACK = 250,          /* as many more may be in the file before it is written anew */
	HISTORY_MAX_ENTRY = 16 << 10, /* bytes; longer messages are not written to the file */
	HISTORY_MAX_FILE = 64 << 20,  /* bytes; what is longer, or holds a NUL, is no history and left alone */
};

struct history;

/* Reads the file, which is created if there is none; a symbolic link is not followed. With path NULL nothing is read
 * or written. NULL is returned when memory runs out, and is fine for all functions here: nothing is kept then. */
struct history *history_open(const char *path);
void history_close(struct history *history);

/* The path that the environment asks for, to be freed with tern_free(); NULL if none is to be kept, or, after a
 * warning, if there is no place for it. Missing directories are made. */
char *history_default_path(void);

/* How many there are, and the i-th, 0 being the oldest; it stays valid until the next history_add(). */
size_t history_count(const struct history *history);
const char *history_entry(const struct history *history, size_t i, size_t *n_bytes);

/* Adds a message and appends it to the file. Not kept: empty ones, those that begin with a space, repetitions of the
 * last one. A long one is kept while the program runs: what was too much for a model is not to be pasted again. */
void history_add(struct history *history, const char *bytes, size_t n_bytes);

#endif
