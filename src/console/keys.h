/* Keys from the bytes that a terminal sends: runs of text, control characters, escape sequences, bracketed pastes.
 * Sequences may be cut anywhere between reads; unknown ones are swallowed whole. */
#ifndef TERN_CONSOLE_KEYS_H
#define TERN_CONSOLE_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum {
	KEYS_BUFFER = 1 << 16, /* bytes taken at a time */
};

/* A key is one of these, or a control character (0 to 31, 127), or a printable ASCII character with KEY_ALT; the
 * special keys come with modifiers. */
enum key_code {
	KEY_TEXT = 256, /* bytes to insert */
	KEY_PASTE,      /* bytes of a paste, which may go on */
	KEY_PASTE_END,
	KEY_UP,
	KEY_DOWN,
	KEY_RIGHT,
	KEY_LEFT,
	KEY_HOME,
	KEY_END,
	KEY_DELETE,
	KEY_ENTER, /* only with modifiers: Enter itself is '\r' */
	KEY_UNKNOWN,
	KEY_SHIFT = 1 << 10,
	KEY_ALT = 1 << 11,
	KEY_CTRL = 1 << 12,
};

struct key {
	int code;
	const char *bytes; /* of KEY_TEXT and KEY_PASTE, valid until keys_room() */
	size_t n_bytes;
};

struct keys {
	char buffer[KEYS_BUFFER];
	size_t begin, end; /* what of the buffer has not been used yet */
	bool in_paste;
};

/* Where to read bytes to, and how many there is room for (at least 1); then keys_add() says how many were read. */
char *keys_room(struct keys *keys, size_t *n_room);
void keys_add(struct keys *keys, size_t n_bytes);

/* The next key; false if more bytes are needed. With is_timed_out, no more are coming for now: what has begun is all
 * there is of it, and a lone Escape is the key of that name. */
bool keys_next(struct keys *keys, bool is_timed_out, struct key *key);

/* Takes a Ctrl-C out of what has not been used yet; false if there is none, or a paste is before it. */
bool keys_drop_interrupt(struct keys *keys);

/* True if the beginning of a key waits for its rest. */
bool keys_are_pending(const struct keys *keys);

/* Cleans a paste in place and returns its new length: every kind of line break becomes a newline; sequences like those
 * of colors (ESC [ ... letter) are removed, and so is any other control character but the tab. */
size_t keys_clean_paste(char *bytes, size_t n_bytes);

#endif
