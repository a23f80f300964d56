/* Untrusted text (of a model, a file, a command line) made safe to show. */
#ifndef TERN_CONSOLE_ESCAPE_H
#define TERN_CONSOLE_ESCAPE_H

#include "console/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True for control characters (C0, DEL, C1) and those that reorder text. */
bool escape_is_harmful(uint32_t code_point);

enum escape {
	/* For a terminal: control characters but newline and tab, C1 controls, characters that reorder text
	 * (U+202A-202E, U+2066-2069) and broken UTF-8 become \x1b or \u202e. */
	ESCAPE_TERMINAL,
	/* For one unambiguous line: newline, tab and backslash become \n, \t and \\ as well. */
	ESCAPE_LINE,
};

/* Room for one character in its longest form. */
enum {
	ESCAPE_SIZE = 16
};

/* Writes the safe form of the first character of n_bytes (> 0) at bytes into out, returns its length; *n_taken is
 * how many bytes the character took. */
size_t escape_character(char out[ESCAPE_SIZE], const char *bytes, size_t n_bytes, enum escape how, size_t *n_taken);

void escape_append(struct text *out, const char *bytes, size_t n_bytes, enum escape how);

#endif
