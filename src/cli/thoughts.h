/* Answers that begin with thoughts, <think> ... </think>, taken apart while they come. */
#ifndef TERN_CLI_THOUGHTS_H
#define TERN_CLI_THOUGHTS_H

#include <stdbool.h>
#include <stddef.h>

enum thoughts_state {
	THOUGHTS_START,  /* nothing but white space so far */
	THOUGHTS_INSIDE, /* between the tags */
	THOUGHTS_GAP,    /* newlines after them */
	THOUGHTS_ANSWER,
};

/* Zero-initialised but for put and user. */
struct thoughts {
	/* Receives the text piece by piece, without the tags, white space before everything, and the newlines around
	 * the thoughts. */
	void (*put)(void *user, const char *bytes, size_t n_bytes, bool is_thought);
	void *user;

	enum thoughts_state state;
	size_t at;    /* what was put, or needs not be */
	bool has_put; /* thoughts were put */
};

/* The answer so far, all of it: puts what is new, but for what may turn out to be part of a tag. at_end: no more comes.
 */
void thoughts_show(struct thoughts *thoughts, const char *bytes, size_t n_bytes, bool at_end);

#endif
