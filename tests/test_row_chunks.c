/* infer/row_chunks.h: the chunks have every panel of every matrix exactly once, none is longer than kernels and scratch
 * allow, and threads get equal shares, whatever the matrices, tokens, threads and strips. */
#include "infer/row_chunks.h"
#include "model/layout.h"
#include "test.h"

#include <string.h>

enum {
	MAX_PANELS = 600,
};

/* How often each panel was in a chunk. */
struct seen {
	unsigned char times[TERN_MAX_READ_LINEARS][MAX_PANELS];
};

/* Counts the panels of a range; returns how many there are, or MAX_PANELS + 1 if one is beyond the matrix. */
static size_t mark(struct seen *seen, size_t linear, size_t n_panel, const struct tern_panel_range *range)
{
	size_t n = range->n * range->n_strip;

	for (size_t i = 0; i < n; i++) {
		size_t panel = tern_panel_at(range, i);
		if (panel >= n_panel)
			return MAX_PANELS + 1;
		seen->times[linear][panel]++;
	}
	return n;
}

static void check_division(const size_t *n_row, size_t n_linear, size_t n_token, int n_thread, size_t n_strip)
{
	struct tern_linear matrices[TERN_MAX_READ_LINEARS];
	const struct tern_linear *linears[TERN_MAX_READ_LINEARS];
	struct tern_row_chunks chunks;
	static struct seen seen;
	size_t most = n_token > TERN_READING_TOKENS ? TERN_MANY_TOKENS_PANELS : TERN_MAX_CHUNK_PANELS;
	size_t steps = 0, least_share = SIZE_MAX, most_share = 0, longest = 0, n_wrong = 0;

	memset(&seen, 0, sizeof seen);
	memset(matrices, 0, sizeof matrices);
	for (size_t i = 0; i < n_linear; i++) {
		matrices[i].n_row = n_row[i];
		linears[i] = &matrices[i];
	}
	tern_divide_rows(&chunks, linears, n_linear, n_token, n_thread, n_strip);
	size_t n_chunk = tern_row_chunk_count(&chunks), per_share = n_chunk / (size_t)n_thread;
	for (size_t c = 0; c < n_chunk; c++) {
		struct tern_row_span span = tern_row_chunk_at(&chunks, c);
		struct tern_rows rows;
		size_t n = 0;

		steps += span.end - span.first;
		while (tern_next_rows(&chunks, &span, &rows)) {
			size_t n_panel = tern_panel_count(n_row[rows.linear]);
			n += mark(&seen, rows.linear, n_panel, &rows.strips);
			n += mark(&seen, rows.linear, n_panel, &rows.behind);
		}
		longest = n > longest ? n : longest;
		if (c % per_share + 1 == per_share) {
			least_share = steps < least_share ? steps : least_share;
			most_share = steps > most_share ? steps : most_share;
			steps = 0;
		}
	}
	for (size_t i = 0; i < n_linear; i++)
		for (size_t p = 0; p < MAX_PANELS; p++)
			n_wrong += seen.times[i][p] != (p < tern_panel_count(n_row[i]));
	CHECK(n_wrong == 0,
	      "%zu panels are not in one chunk: %zu matrices of %zu.. rows, %zu tokens, %d threads, %zu strips",
	      n_wrong, n_linear, n_row[0], n_token, n_thread, n_strip);
	CHECK(longest <= most, "%zu panels in a chunk, at most %zu", longest, most);
	/* The last share may lack what the last unit of four panels lacks. */
	CHECK(most_share - least_share <= 7, "shares of %zu to %zu steps", least_share, most_share);
}

int main(void)
{
	static const size_t tokens[] = {1, 2, TERN_TUNED_TOKENS, TERN_TUNED_TOKENS + 1, TERN_READING_TOKENS, 33, 512};
	static const size_t strips[] = {1, 2, TERN_MAX_STREAMS};

	for (int round = 0; round < 3000; round++) {
		size_t n_row[TERN_MAX_READ_LINEARS], n_linear = 1 + test_random() % TERN_MAX_READ_LINEARS;
		for (size_t i = 0; i < n_linear; i++)
			n_row[i] = 1 + test_random() % (test_random() % 2 ? 100 : MAX_PANELS * TERN_PANEL_ROWS);
		check_division(n_row, n_linear, tokens[test_random() % (sizeof tokens / sizeof *tokens)],
		               1 + (int)(test_random() % (test_random() % 2 ? 4 : 200)), strips[test_random() % 3]);
	}
	return test_summary();
}
