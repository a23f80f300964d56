/* What follows the table: overheads, what the head took, and how speed grows with threads. */
#include "cli/bench.h"
#include "console/format.h"

#include <math.h>
#include <string.h>

enum {
	BAR_WIDTH = 40
};

void bench_draw_overhead(struct text *to, const struct bench_point *points, size_t n_points)
{
	char label[BENCH_LABEL_SIZE], bytes[FORMAT_SIZE];

	for (size_t i = 0; i < n_points; i++) {
		const struct bench_point *point = &points[i];
		if (!point->has_overhead)
			continue;
		bench_label(label, &point->test);
		text_printf(to, "overhead: %s, %s, %d thread%s: %.1f us per token beyond reading %s at %.1f GB/s\n",
		            point->model, label, point->test.n_threads, point->test.n_threads == 1 ? "" : "s",
		            point->overhead_us, format_bytes(bytes, (uint64_t)point->bytes_per_token),
		            point->read_rate * 1e-9);
		if (!isnan(point->head_second_pass_pct))
			text_printf(to, "head: %s, %s: %.2f %% of the rows are read as a whole to find the %zu best\n",
			            point->model, label, point->head_second_pass_pct, bench_n_top());
	}
}

/* The same test but for its threads. */
static bool is_same_curve(const struct bench_point *one, const struct bench_point *other)
{
	const struct bench_test *a = &one->test, *b = &other->test;

	return !strcmp(one->model, other->model) && a->n_prompt == b->n_prompt && a->n_gen == b->n_gen &&
	       a->n_depth == b->n_depth && a->n_batch == b->n_batch && a->n_reps == b->n_reps;
}

/* A bar of `length` of BAR_WIDTH columns; `mark` is the column, from 0, of the mark for perfect scaling. */
static void draw_bar(struct text *to, double length, size_t mark, bool unicode)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	size_t n_eighth = length > 0 ? (size_t)(length * 8 + 0.5) : 0;
	size_t n_full = unicode ? n_eighth / 8 : (n_eighth + 4) / 8;

	for (size_t i = 0; i < BAR_WIDTH + 1; i++) {
		if (i < n_full)
			text_printf(to, "%s", unicode ? "█" : "#");
		else if (unicode && i == n_full && n_eighth % 8)
			text_printf(to, "%s", eighths[n_eighth % 8]);
		else if (i == mark)
			text_printf(to, "%s", unicode ? "┊" : "|");
		else
			text_printf(to, " ");
	}
}

static void draw_curve(struct text *to, const struct bench_point *points, size_t n_points, size_t first, bool unicode)
{
	const struct bench_point *base = &points[first];
	double per_thread = base->avg_ts / base->test.n_threads, longest = 0;
	char label[BENCH_LABEL_SIZE];

	for (size_t i = first; i < n_points; i++) {
		double ideal = per_thread * points[i].test.n_threads;
		if (!is_same_curve(base, &points[i]))
			continue;
		longest = points[i].avg_ts > longest ? points[i].avg_ts : longest;
		longest = ideal > longest ? ideal : longest;
	}
	text_printf(to, "\n%s, %s: t/s by threads (%s if each did %.2f)\n", base->model,
	            bench_label(label, &base->test), unicode ? "┊" : "|", per_thread);
	for (size_t i = first; i < n_points; i++) {
		const struct bench_point *point = &points[i];
		if (!is_same_curve(base, point))
			continue;
		text_printf(to, "%4d  ", point->test.n_threads);
		draw_bar(to, point->avg_ts / longest * BAR_WIDTH,
		         (size_t)(per_thread * point->test.n_threads / longest * BAR_WIDTH), unicode);
		text_printf(to, " %10.2f  %5.2fx\n", point->avg_ts, point->avg_ts / base->avg_ts);
	}
}

void bench_draw_sweep(struct text *to, const struct bench_point *points, size_t n_points, bool unicode)
{
	for (size_t i = 0; i < n_points; i++) {
		size_t before = 0;
		while (before < i && !is_same_curve(&points[before], &points[i]))
			before++;
		if (before == i)
			draw_curve(to, points, n_points, i, unicode);
	}
}
