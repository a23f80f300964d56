/* Tokens are measured in windows of time, long enough for the scheduler's time slices to average out. While all threads
 * run, a window in which they did not get the processor time that they asked for (waiting threads spin, so undisturbed
 * ones get nearly all of it) leads to a trial of fewer, and so on; while fewer run, more are tried now and then. What
 * is clearly faster stays.
 *
 * Windows that are compared hold batches of one size: 17 tokens with guesses cost little more than one. The first batch
 * of a size is left out, as it may have waited for the file's weights. */
#include "infer/thread_choice.h"

#include "infer/row_chunks.h"

enum {
	WINDOW_NS = 40000000,
	MIN_WINDOW_BATCHES = 2,
	MAX_OTHER_NS = 400000000, /* after so much of other sizes theirs is measured */
};

/* Threads' worth of processor time that n threads may not get: no thread gets all of it, a disturbed one half. */
#define FEW_MISSING(n) (0.3 + 0.01 * (n))
#define CLEARLY_FASTER 0.9 /* of the time per batch; what a short disturbance makes of it is soon tested again */
#define MIN_PAUSE_NS   250000000u
#define MAX_PAUSE_NS   8000000000u

void tern_thread_choice_init(struct tern_thread_choice *choice, int n_most, int n_first)
{
	*choice = (struct tern_thread_choice){
	        .n_most = n_most, .n_now = n_first, .step = 1, .pause_ns = MIN_PAUSE_NS, .other_ns = MAX_OTHER_NS};
}

bool tern_thread_choice_measures(const struct tern_thread_choice *choice, size_t n_token)
{
	return n_token <= TERN_READING_TOKENS && choice->n_most > 1;
}

int tern_thread_choice_threads(const struct tern_thread_choice *choice, size_t n_token)
{
	return tern_thread_choice_measures(choice, n_token) ? choice->n_now : choice->n_most;
}

static void start_window(struct tern_thread_choice *c)
{
	c->wall_ns = c->cpu_ns = 0;
	c->n_batch = 0;
}

static void start_trial(struct tern_thread_choice *c, int n_threads, double ns_per_batch)
{
	c->n_before = c->n_now;
	c->n_now = n_threads;
	c->ns_per_batch = ns_per_batch;
}

/* Of the time per batch with n_before threads, what n_now have to stay below. More threads stay if they save half of
 * what they could, so that one more of many is not asked for what it cannot give. */
static double limit_of(const struct tern_thread_choice *c)
{
	double half = 0.5 + 0.5 * c->n_before / c->n_now;
	return c->n_now > c->n_before && half > CLEARLY_FASTER ? half : CLEARLY_FASTER;
}

static void return_from_trial(struct tern_thread_choice *c)
{
	c->n_now = c->n_before;
	c->step = 1;
	c->pause_ns = 2 * c->pause_ns < MAX_PAUSE_NS ? 2 * c->pause_ns : MAX_PAUSE_NS;
}

static void end_trial(struct tern_thread_choice *c, double ns_per_batch)
{
	if (ns_per_batch < limit_of(c) * c->ns_per_batch) {
		c->step = c->n_now > c->n_before ? 2 * c->step : 1;
		c->pause_ns = MIN_PAUSE_NS;
	} else {
		return_from_trial(c);
	}
	c->n_before = 0;
	c->until_trial_ns = c->pause_ns;
}

/* Whether a batch belongs to the window, and not to another size. */
static bool is_of_window(struct tern_thread_choice *c, size_t n_token, uint64_t wall_ns)
{
	if (n_token == c->batch_size) {
		c->other_ns = 0;
		return true;
	}
	c->other_ns += wall_ns;
	if (c->other_ns < MAX_OTHER_NS)
		return false;
	if (c->n_before) {
		return_from_trial(c);
		c->n_before = 0;
	}
	c->batch_size = n_token;
	start_window(c);
	return false;
}

/* Threads that are left without those that another program disturbs, each of which gets about half of a core. */
static int without_disturbed(int n_threads, double n_missing)
{
	int n_left = n_threads - (int)(2 * n_missing + 0.5);

	return n_left < 1 ? 1 : n_left < n_threads ? n_left : n_threads - 1;
}

void tern_thread_choice_record(struct tern_thread_choice *c, size_t n_token, uint64_t wall_ns, uint64_t cpu_ns)
{
	double ns_per_batch, n_missing;

	c->until_trial_ns -= c->until_trial_ns < wall_ns ? c->until_trial_ns : wall_ns;
	if (!is_of_window(c, n_token, wall_ns))
		return;
	c->wall_ns += wall_ns;
	c->cpu_ns += cpu_ns;
	if (++c->n_batch < MIN_WINDOW_BATCHES || c->wall_ns < WINDOW_NS)
		return;
	ns_per_batch = (double)c->wall_ns / (double)c->n_batch;
	n_missing = c->n_now - (double)c->cpu_ns / (double)c->wall_ns;
	if (c->n_before)
		end_trial(c, ns_per_batch);
	else if (c->until_trial_ns == 0 && c->n_now > 1 && n_missing > FEW_MISSING(c->n_now))
		start_trial(c, without_disturbed(c->n_now, n_missing), ns_per_batch);
	else if (c->until_trial_ns == 0 && c->n_now < c->n_most)
		start_trial(c, c->n_most - c->n_now < c->step ? c->n_most : c->n_now + c->step, ns_per_batch);
	start_window(c);
}
