/* "Did you mean": the nearest of some names to what was typed. */
#ifndef TERN_CONSOLE_SUGGEST_H
#define TERN_CONSOLE_SUGGEST_H

#include <stddef.h>

struct suggestion {
	const char *typed;
	size_t n_typed;
	char best[64]; /* "" while nothing is near */
	int best_distance;
};

/* Start with suggest_start(), offer every name; then best holds the nearest one, if any is near enough to be meant. */
void suggest_start(struct suggestion *suggestion, const char *typed, size_t n_typed);
void suggest_offer(struct suggestion *suggestion, const char *name, size_t n_name);

#endif
