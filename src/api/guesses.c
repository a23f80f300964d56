#include "api/guesses.h"

#include <string.h>

/* All guesses together may cost 2 % of the time at most. */
static const double max_loss = 0.02;
/* What is not expected to be so many times as fast is not worth the risk. */
static const double min_gain = 1.05;

void tern_guesses_free(struct tern_guesses *g) { tern_suffixes_free(&g->text); }

/* ---- where the next token may be found ---- */

/* The longest suffix that came before; if it is short, rather the place where a copy may go on. */
static struct tern_trace find_trace(const struct tern_guesses *g)
{
	struct tern_suffix_match match = tern_suffixes_match(&g->text);

	if (match.length < TERN_SURE_LENGTH && g->copied.next)
		return g->copied;
	return (struct tern_trace){.next = match.next, .length = match.length};
}

static bool is_empty(const struct tern_trace *trace) { return trace->length + trace->n_changes == 0; }

/* Follows a copy to the token behind id: the one there is id, or id comes a little later, what is between being left
 * out, or id replaces it. */
static void follow_copy(struct tern_guesses *g, int32_t id)
{
	enum {
		MAX_LEFT_OUT = 8,
		MAX_CHANGES = 8
	};
	struct tern_trace *copied = &g->copied;
	const int32_t *there = g->text.ids + copied->next;
	size_t n_left_out = 0;

	if (g->text.n_ids - copied->next <= MAX_LEFT_OUT) {
		copied->next = 0;
		return;
	}
	while (n_left_out < MAX_LEFT_OUT && there[n_left_out] != id)
		n_left_out++;
	copied->length = n_left_out == 0 ? copied->length + 1 : n_left_out < MAX_LEFT_OUT;
	copied->n_changes += n_left_out > 0;
	copied->next += n_left_out < MAX_LEFT_OUT ? n_left_out + 1 : 1;
	if (copied->n_changes > MAX_CHANGES)
		copied->next = 0;
}

/* ---- how often it is ---- */

/* Of suffixes, by length: 1, 2, 3, 4, up to 8, 16, 32, more. Of copies, by length since the last change: 0, 1, 2, 3. */
static size_t class_of(size_t length, bool is_copy)
{
	size_t at = 3;

	if (length < TERN_SURE_LENGTH)
		return is_copy ? 8 + length : length - 1;
	for (; length > TERN_SURE_LENGTH && at < 7; at++)
		length = (length + 1) / 2;
	return at;
}

static double hit_rate(const struct tern_guesses *g, size_t length, bool is_copy)
{
	const struct tern_hit_rate *hits = &g->hits[class_of(length, is_copy)];
	return hits->n ? hits->rate : 0.5;
}

/* The record needs no guesses to be made: each token shows whether it would have been guessed. */
static void note_hit(struct tern_guesses *g, const struct tern_trace *trace, bool is_hit)
{
	enum {
		MEMORY = 32
	};
	struct tern_hit_rate *hits = &g->hits[class_of(trace->length, trace->n_changes)];
	double rate = hit_rate(g, trace->length, trace->n_changes);

	hits->rate = rate + ((double)is_hit - rate) / (hits->n + 2);
	hits->n += hits->n < MEMORY - 2;
}

/* ---- the text ---- */

void tern_guesses_append(struct tern_guesses *g, int32_t id)
{
	struct tern_trace trace = find_trace(g);

	if (!is_empty(&trace))
		note_hit(g, &trace, g->text.ids[trace.next] == id);
	if (trace.length >= TERN_SURE_LENGTH)
		g->copied = trace;
	if (g->copied.next)
		follow_copy(g, id);
	g->is_off = g->is_off || !tern_suffixes_append(&g->text, id);
}

void tern_guesses_follow(struct tern_guesses *g, const int32_t *ids, size_t n_ids)
{
	size_t n = g->text.n_ids;

	if (n > n_ids || (n && memcmp(g->text.ids, ids, n * sizeof *ids))) {
		tern_suffixes_clear(&g->text);
		g->copied = (struct tern_trace){0};
	}
	for (size_t i = g->text.n_ids; i < n_ids; i++)
		tern_guesses_append(g, ids[i]);
}

/* ---- what batches cost ---- */

/* What disturbs a measurement makes it longer, and is gone again: an estimate falls faster than it rises. */
static void adjust(double *estimate, double sample)
{
	if (sample < *estimate)
		*estimate += (sample - *estimate) / 4;
	else
		*estimate += ((sample < 2 * *estimate ? sample : 2 * *estimate) - *estimate) / 8;
}

/* The cost of a batch of n tokens, n > 1; before: that of n - 1. Of a size that was not tried yet, another token costs
 * what it does in smaller batches or in a prompt, whichever is less, and little enough to try it. */
static double cost_of(const struct tern_guesses *g, size_t n, double before)
{
	double in_prompt = g->prompt_token_ns / g->token_ns, more = 0.5;

	if (g->batch_cost[n] > 0)
		return g->batch_cost[n];
	if (in_prompt > 0 && in_prompt < more)
		more = in_prompt;
	if (n > 2 && before - 1 < more * (double)(n - 2))
		more = before > 1 ? (before - 1) / (double)(n - 2) : 0;
	return before + more;
}

void tern_guesses_note_prompt(struct tern_guesses *g, size_t n_token, uint64_t ns)
{
	double token_ns = (double)ns / (double)n_token;

	g->total_ns += (double)ns;
	if (g->prompt_token_ns == 0 || token_ns < g->prompt_token_ns)
		g->prompt_token_ns = token_ns;
}

void tern_guesses_note_batch(struct tern_guesses *g, size_t n_guess, size_t n_picked, uint64_t ns)
{
	enum {
		MEMORY = 4096 /* batches; then a size that was slow is worth another try */
	};
	double cost = 1, sample = (double)ns / g->token_ns;

	g->total_ns += (double)ns;
	for (size_t n = 2; n < TERN_MAX_GUESSES + 2; n++)
		if (g->batch_cost[n] > 1)
			g->batch_cost[n] -= (g->batch_cost[n] - 1) / MEMORY;
	if (n_guess == 0) {
		g->token_ns = g->token_ns > 0 ? g->token_ns : (double)ns;
		adjust(&g->token_ns, (double)ns);
		return;
	}
	for (size_t n = 2; n <= n_guess + 1; n++)
		cost = cost_of(g, n, cost);
	if (g->batch_cost[n_guess + 1] == 0)
		g->batch_cost[n_guess + 1] = sample < 1.5 * cost ? sample : 1.5 * cost;
	else
		adjust(&g->batch_cost[n_guess + 1], sample);
	g->loss_ns += (double)ns - (double)n_picked * g->token_ns;
}

/* Whether the loss stays within its limit even if no guess is right. */
static bool can_afford(const struct tern_guesses *g, double batch_cost)
{
	return g->loss_ns + (batch_cost - 1) * g->token_ns <= max_loss * g->total_ns;
}

/* The number of guesses that gives most tokens in a time. Batches grow by doubling, lest one be a bad surprise. */
static size_t best_number(const struct tern_guesses *g, const struct tern_trace *trace, size_t n_most)
{
	double cost = 1, reached = 1, n_tokens = 1, best = min_gain;
	size_t n_best = 0, n_known = 1;

	for (size_t n = 1; n <= n_most && n < 2 * n_known; n++) {
		n_known = g->batch_cost[n + 1] > 0 ? n + 1 : n_known;
		cost = cost_of(g, n + 1, cost);
		reached *= hit_rate(g, trace->length + n - 1, trace->n_changes);
		n_tokens += reached;
		if (n_tokens > best * cost && can_afford(g, cost)) {
			best = n_tokens / cost;
			n_best = n;
		}
	}
	return n_best;
}

size_t tern_guesses_make(const struct tern_guesses *g, int32_t *ids, size_t n_most)
{
	struct tern_trace trace = find_trace(g);
	size_t n_left = g->text.n_ids - trace.next, n;

	if (g->is_off || g->token_ns == 0 || is_empty(&trace))
		return 0;
	n = best_number(g, &trace, n_most);
	for (size_t i = 0; i < n; i++) /* beyond the end of the text, the guesses follow themselves */
		ids[i] = i < n_left ? g->text.ids[trace.next + i] : ids[i - n_left];
	return n;
}
