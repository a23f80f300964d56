/* Tokens that are found in text as a whole, before anything is merged: the leftmost first, of those the longest. */
#ifndef TERN_TEXT_SPECIAL_TOKENS_H
#define TERN_TEXT_SPECIAL_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When a token is found in text. Of two tokens with one spelling the higher value counts. */
enum special_match {
	SPECIAL_NEVER,     /* only tern_special_find() finds it: padding, byte tokens */
	SPECIAL_IF_WANTED, /* control tokens */
	SPECIAL_ALWAYS,    /* user-defined tokens */
};

/* Bytes of the longest special token. At every byte of a text the search may read this far. */
enum {
	SPECIAL_MAX_LENGTH = 256
};

struct special {
	const char *bytes; /* the caller's */
	size_t length;
	int32_t id;
	enum special_match match;
};

struct special_table {
	struct special *specials; /* sorted by their bytes, each spelling once */
	size_t n_specials;
	size_t first[257];         /* those that begin with byte b are first[b] .. first[b + 1] - 1 */
	unsigned char begins[256]; /* the highest enum special_match of those */
};

/* Sorts table->specials, allocated by the caller, and sets up the rest. An empty spelling is never matched. False
 * when memory runs out. Free with tern_free(table->specials). */
bool tern_special_table_init(struct special_table *table);

/* The longest token that the n_bytes (> 0) at text begin with, or NULL. Control tokens longer than n_control are not
 * found. */
const struct special *tern_special_match(const struct special_table *table, const char *text, size_t n_bytes,
                                         size_t n_control);

/* The token with exactly this spelling, or NULL. */
const struct special *tern_special_find(const struct special_table *table, const char *bytes, size_t length);

#endif
