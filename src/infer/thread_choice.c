/* Tokens are measured in windows of time, long enough for the scheduler's time slices to average out. While all threads
 * run, a window in which they did not get the processor time that they asked for (waiting threads spin, so undisturbed
 * ones get nearly all of it) leads to a trial of fewer; while fewer run, one more is tried now and then. What is
 * clearly faster stays. */
#include "infer/thread_choice.h"

#include "base/clock.h"
#include "infer/row_chunks.h"

enum {
	WINDOW_NS = 40000000,
	MIN_WINDOW_TOKENS = 2,
};

#define FEW_MISSING    0.3 /* threads' worth of processor time that were not had */
#define CLEARLY_FASTER 0.9 /* of the time per token; what a short disturbance makes of it is soon tested again */
#define MIN_PAUSE_NS   250000000u
#define MAX_PAUSE_NS   8000000000u

void tern_thread_choice_init(struct tern_thread_choice *choice, int n_most, int n_first)
{
	*choice = (struct tern_thread_choice){.n_most = n_most, .n_now = n_first, .pause_ns = MIN_PAUSE_NS};
}

/* Processor time of all threads of the process. */
static uint64_t cpu_clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void start_window(struct tern_thread_choice *c)
{
	c->wall_ns = c->cpu_ns = 0;
	c->n_token = 0;
}

static void start_trial(struct tern_thread_choice *c, int n_threads, double ns_per_token)
{
	c->n_before = c->n_now;
	c->n_now = n_threads;
	c->ns_per_token = ns_per_token;
}

static void end_trial(struct tern_thread_choice *c, double ns_per_token)
{
	if (ns_per_token < CLEARLY_FASTER * c->ns_per_token) {
		c->pause_ns = MIN_PAUSE_NS;
	} else {
		c->n_now = c->n_before;
		c->pause_ns = 2 * c->pause_ns < MAX_PAUSE_NS ? 2 * c->pause_ns : MAX_PAUSE_NS;
	}
	c->n_before = 0;
	c->until_trial_ns = c->pause_ns;
}

/* Threads that are left without those that another program disturbs, each of which gets about half of a core. */
static int without_disturbed(int n_threads, double n_missing)
{
	int n_left = n_threads - (int)(2 * n_missing + 0.5);

	return n_left < 1 ? 1 : n_left < n_threads ? n_left : n_threads - 1;
}

void tern_thread_choice_record(struct tern_thread_choice *c, size_t n_token, uint64_t wall_ns, uint64_t cpu_ns)
{
	double ns_per_token, n_missing;

	c->wall_ns += wall_ns;
	c->cpu_ns += cpu_ns;
	c->n_token += n_token;
	c->until_trial_ns -= c->until_trial_ns < wall_ns ? c->until_trial_ns : wall_ns;
	if (c->wall_ns < WINDOW_NS || c->n_token < MIN_WINDOW_TOKENS)
		return;
	ns_per_token = (double)c->wall_ns / (double)c->n_token;
	n_missing = c->n_now - (double)c->cpu_ns / (double)c->wall_ns;
	if (c->n_before)
		end_trial(c, ns_per_token);
	else if (c->until_trial_ns == 0 && c->n_now > 1 && n_missing > FEW_MISSING)
		start_trial(c, without_disturbed(c->n_now, n_missing), ns_per_token);
	else if (c->until_trial_ns == 0 && c->n_now < c->n_most)
		start_trial(c, c->n_now + 1, ns_per_token);
	start_window(c);
}

int tern_thread_choice_start(struct tern_thread_choice *c, size_t n_token)
{
	if (n_token > TERN_FEW_TOKENS || c->n_most == 1)
		return c->n_most;
	c->wall_start = tern_clock_ns();
	c->cpu_start = cpu_clock_ns();
	return c->n_now;
}

void tern_thread_choice_stop(struct tern_thread_choice *c, size_t n_token)
{
	if (n_token > TERN_FEW_TOKENS || c->n_most == 1)
		return;
	tern_thread_choice_record(c, n_token, tern_clock_ns() - c->wall_start, cpu_clock_ns() - c->cpu_start);
}
