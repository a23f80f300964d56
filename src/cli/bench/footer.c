#include "cli/bench/footer.h"

#include "console/format.h"

#include <math.h>
#include <string.h>

enum {
	BAR_WIDTH = 40
};

void bench_append_overhead(struct text *to, const struct bench_result *results, size_t n_results)
{
	char label[BENCH_LABEL_SIZE], bytes[FORMAT_SIZE];

	for (size_t i = 0; i < n_results; i++) {
		const struct bench_result *r = &results[i];
		if (r->limit_drift_pct > BENCH_STEADY_PCT)
			text_printf(
			        to,
			        "~: %s, %s, %d thread%s: the limits before and after a repetition differ by %.0f %%\n",
			        r->model, bench_label(label, &r->test), r->test.n_threads,
			        r->test.n_threads == 1 ? "" : "s", r->limit_drift_pct);
		bench_label(label, &r->test);
		if (r->test.n_edit)
			text_printf(
			        to,
			        "lookup: %s, %s, %d thread%s: %.2f times as fast as without; %d of %d guesses right\n",
			        r->model, label, r->test.n_threads, r->test.n_threads == 1 ? "" : "s", r->lookup_gain,
			        r->n_accepted, r->n_guessed);
		if (isnan(r->overhead_us))
			continue;
		text_printf(to, "overhead: %s, %s, %d thread%s: %.1f us per token beyond reading %s at %.1f GB/s\n",
		            r->model, label, r->test.n_threads, r->test.n_threads == 1 ? "" : "s", r->overhead_us,
		            format_bytes(bytes, (uint64_t)r->bytes_per_token), r->read_rate * 1e-9);
		if (!isnan(r->head_second_pass_pct))
			text_printf(to, "head: %s, %s: %.2f %% of the rows are read whole to find the %zu best\n",
			            r->model, label, r->head_second_pass_pct, bench_n_top());
	}
}

void bench_append_reads(struct text *to, const char *type, const struct bench_session *session)
{
	int n_threads = bench_session_threads(session);
	char all[FORMAT_SIZE], panel[FORMAT_SIZE];
	struct tern_read_choice choice;

	for (size_t i = 0; bench_session_read_choice(session, i, &choice); i++)
		if (choice.is_settled)
			text_printf(to, "reads: %s, %d thread%s%s: %s in panels of %s: %zu stream%s, %zu bytes ahead\n",
			            type, n_threads, n_threads == 1 ? "" : "s", choice.is_few ? ", some tokens" : "",
			            format_bytes(all, choice.n_bytes), format_bytes(panel, choice.panel_bytes),
			            choice.n_stream, choice.n_stream == 1 ? "" : "s", choice.prefetch);
	if (bench_session_stored_tokens(session) > 0)
		text_printf(to, "reads: %s, %d thread%s: weights are unpacked for more than %zu tokens\n", type,
		            n_threads, n_threads == 1 ? "" : "s", bench_session_stored_tokens(session));
}

/* The same test but for its threads. */
static bool is_same_curve(const struct bench_result *one, const struct bench_result *other)
{
	const struct bench_test *a = &one->test, *b = &other->test;

	return !strcmp(one->model, other->model) && a->n_prompt == b->n_prompt && a->n_gen == b->n_gen &&
	       a->n_edit == b->n_edit && a->n_depth == b->n_depth && a->n_batch == b->n_batch && a->n_reps == b->n_reps;
}

/* A bar over the first `length` columns, with the mark in column `mark`. */
static void append_bar(struct text *to, size_t length, size_t mark)
{
	for (size_t i = 0; i <= BAR_WIDTH; i++)
		text_append(to, i < length ? "#" : i == mark ? "|" : " ", 1);
}

static void append_curve(struct text *to, const struct bench_result *results, size_t n_results, size_t first)
{
	const struct bench_result *base = &results[first];
	double per_thread = base->avg_ts / base->test.n_threads, longest = 0;
	char label[BENCH_LABEL_SIZE];

	for (size_t i = first; i < n_results; i++)
		if (is_same_curve(base, &results[i]))
			longest = fmax(longest, fmax(results[i].avg_ts, per_thread * results[i].test.n_threads));
	text_printf(to, "\n%s, %s: t/s by threads (|: if each did %.2f)\n", base->model,
	            bench_label(label, &base->test), per_thread);
	for (size_t i = first; i < n_results; i++) {
		const struct bench_result *r = &results[i];
		if (!is_same_curve(base, r))
			continue;
		text_printf(to, "%4d  ", r->test.n_threads);
		append_bar(to, (size_t)(r->avg_ts / longest * BAR_WIDTH + 0.5),
		           (size_t)(per_thread * r->test.n_threads / longest * BAR_WIDTH));
		text_printf(to, " %10.2f  %5.2fx\n", r->avg_ts, r->avg_ts / base->avg_ts);
	}
}

void bench_append_curves(struct text *to, const struct bench_result *results, size_t n_results)
{
	for (size_t i = 0; i < n_results; i++) {
		size_t before = 0;
		while (before < i && !is_same_curve(&results[before], &results[i]))
			before++;
		if (before == i)
			append_curve(to, results, n_results, i);
	}
}
