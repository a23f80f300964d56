/* Answers that begin with thoughts, <think> ... </think>, taken apart while they come. */
#ifndef TERN_CLI_THINK_TAGS_H
#define TERN_CLI_THINK_TAGS_H

#include <stdbool.h>
#include <stddef.h>

enum think_state {
	THINK_START,  /* nothing but white space so far */
	THINK_INSIDE, /* between the tags */
	THINK_GAP,    /* newlines after them */
	THINK_ANSWER,
};

/* Zero-initialized but for put and user. */
struct think_tags {
	/* Receives the text piece by piece, without the tags, white space before everything, and the newlines around
	 * the thoughts. */
	void (*put)(void *user, const char *bytes, size_t n_bytes, bool is_thought);
	void *user;

	enum think_state state;
	size_t at;    /* bytes of the answer that are dealt with */
	bool has_put; /* thoughts were put */
};

/* The answer so far, all of it: puts what is new, but for what may turn out to be part of a tag. at_end: no more comes.
 */
void think_tags_split(struct think_tags *thoughts, const char *bytes, size_t n_bytes, bool at_end);

#endif
