#include "console/progress.h"
#include "base/clock.h"
#include "console/format.h"
#include "console/term.h"

#include <stdio.h>
#include <string.h>

/* Nanoseconds before a bar appears, and between two drawings. */
#define PATIENCE_NS (500 * 1000000ull)
#define REDRAW_NS   (100 * 1000000ull)

enum {
	BAR_WIDTH = 24,
	MIN_COLUMNS = 60
};

void progress_start(struct progress *progress, const char *label)
{
	*progress = (struct progress){.label = label, .started_ns = tern_clock_ns()};
}

static void draw(const struct progress *progress, double fraction, double seconds)
{
	char bar[BAR_WIDTH + 1], left[FORMAT_SIZE], line[160];
	int n_full = (int)(fraction * BAR_WIDTH);

	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '=', (size_t)n_full);
	bar[BAR_WIDTH] = '\0';
	format_duration(left, seconds / fraction - seconds);
	/* A line that wraps could not be erased. */
	if (term_columns() < MIN_COLUMNS)
		snprintf(line, sizeof line, "%3d%%", (int)(fraction * 100));
	else
		snprintf(line, sizeof line, "%.20s [%s] %3d%%, %s left", progress->label, bar, (int)(fraction * 100),
		         left);
	term_show_status(line);
}

void progress_update(struct progress *progress, uint64_t n_done, uint64_t n_total)
{
	uint64_t now = tern_clock_ns();

	if (!term_can_show_status() || n_done == 0 || n_done > n_total)
		return;
	if (now - progress->started_ns < PATIENCE_NS || now - progress->shown_ns < REDRAW_NS)
		return;
	progress->shown_ns = now;
	draw(progress, (double)n_done / (double)n_total, (double)(now - progress->started_ns) * 1e-9);
}

bool progress_callback(void *progress, uint64_t n_done, uint64_t n_total)
{
	progress_update(progress, n_done, n_total);
	return true;
}

void progress_end(struct progress *progress)
{
	if (progress->shown_ns)
		term_erase_status();
}
