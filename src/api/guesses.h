/* Guesses of the tokens that follow a text: what followed the longest suffix of it that came before ("prompt lookup").
 * Several guesses are checked in one batch, which takes less time than its tokens one by one; a batch gives the same
 * bits as single tokens, so a token that is picked from its logits is the one that would have been picked without.
 *
 * How many guesses a batch should have is judged by a record of how often guesses were right and of how long batches
 * took. So it depends on the clock, and may: the text does not depend on how many were guessed. */
#ifndef TERN_API_GUESSES_H
#define TERN_API_GUESSES_H

#include "api/suffixes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TERN_MAX_GUESSES = 16, /* in one batch */
	TERN_SURE_LENGTH = 4,  /* of a suffix that hardly came before by chance */
	TERN_HIT_CLASSES = 12, /* see class_of() */
};

/* Where in the text its next token may be found, and how many of its last tokens are the same there. */
struct tern_trace {
	size_t next, length;
	size_t n_changes; /* 0: it is a suffix that came before; else of a copy, in which so many tokens were not the
	                     same */
};

/* Zero-initialized: an empty text, and no record. */
struct tern_guesses {
	struct tern_suffixes text;
	bool is_off;              /* memory ran out */
	struct tern_trace copied; /* the last suffix of TERN_SURE_LENGTH, followed beyond changes; next 0: none */

	/* How often the token that a trace led to was the next one, the latest 32 or so counting most. */
	struct tern_hit_rate {
		double rate;
		int n;
	} hits[TERN_HIT_CLASSES];

	/* Of batches: the time of a single token, and that of n tokens next to it; 0: not known. */
	double token_ns, batch_cost[TERN_MAX_GUESSES + 2];
	double prompt_token_ns; /* the least time of a token of a prompt */
	/* All time so far, and how much of it guesses cost beyond what they saved. */
	double total_ns, loss_ns;
};

void tern_guesses_free(struct tern_guesses *guesses);

/* Makes ids the text. */
void tern_guesses_follow(struct tern_guesses *guesses, const int32_t *ids, size_t n_ids);

/* The next token of the text. */
void tern_guesses_append(struct tern_guesses *guesses, int32_t id);

/* As many of the next tokens as it pays to guess, at most n_most <= TERN_MAX_GUESSES; returns how many. */
size_t tern_guesses_make(const struct tern_guesses *guesses, int32_t *ids, size_t n_most);

/* A batch of a prompt took that long. */
void tern_guesses_note_prompt(struct tern_guesses *guesses, size_t n_token, uint64_t ns);

/* A batch of a token and n_guess guesses took that long, with its logits, and gave n_picked tokens. */
void tern_guesses_note_batch(struct tern_guesses *guesses, size_t n_guess, size_t n_picked, uint64_t ns);

#endif
