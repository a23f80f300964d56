/* How sure the model was: the probability of each token it said and the likeliest alternatives, as color, as lines to
 * read and as JSON. Probabilities are the model's own, before temperature and the other settings of sampling. */
#ifndef TERN_CLI_TOKEN_PROBS_H
#define TERN_CLI_TOKEN_PROBS_H

#include "console/options.h"
#include "console/term.h"
#include "json/write.h"

#include <tern.h>

struct token_probs_options {
	bool show;
	int n_alternatives; /* to list for each token; more than 0 means `show` too */
};

extern const struct option token_probs_options[];
#define TOKEN_PROBS_GROUP(values, field)                                       \
	{                                                                      \
		"Probabilities:", token_probs_options, offsetof(values, field) \
	}

/* What was said of the tokens of one answer. Zero-initialized but for the first two fields. */
struct token_probs {
	const struct tern_model *model;
	struct token_probs_options options;
	size_t n_vocab;
	struct tern_candidate *rows; /* [n_tokens, 1 + n_alternatives]: the token, then the likeliest (id -1: none) */
	size_t n_tokens, capacity;
	size_t n_written; /* tokens that token_probs_write() wrote */
	float unshown;    /* probability of the least likely token whose text was not shown yet; 0 = none */
	bool failed;      /* out of memory: tokens are missing */
};

/* Whether tokens have to be told at all: whether tern_generate() needs an on_token. */
static inline bool token_probs_wanted(const struct token_probs_options *options)
{
	return options->show || options->n_alternatives > 0;
}

/* Whether probabilities will be seen: in JSON, as lines, or as color of standard output. */
bool token_probs_can_show(const struct token_probs_options *options, bool in_json);

/* For tern_generate_options.on_token. */
void token_probs_add(struct token_probs *probs, int32_t id, float probability, const float *logits);

/* The color, on standard output, of text that is shown now: text of several tokens has that of the least likely.
 * TERM_PLAIN if no tokens were told since the last call. */
enum term_style token_probs_style(struct token_probs *probs);

/* The member "tokens" of an object: an array of {id, text, prob, top: [{id, text, prob}, ...]}, one for each token that
 * was not written yet. `bytes` gives a text that is not UTF-8 by its numbers. */
void token_probs_write(struct token_probs *probs, struct json_writer *json);

/* On standard error: a line per token with its alternatives if these are wanted, and what the colors mean if colors
 * were shown. */
void token_probs_print(const struct token_probs *probs);

void token_probs_free(struct token_probs *probs);

#endif
