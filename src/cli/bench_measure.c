/* One test of `tern bench`: warm-up and repetitions, with the limits of the machine measured before, between and after
 * them by the same threads, so that a disturbance of the machine strikes both. */
#include "base/clock.h"
#include "base/memory.h"
#include "cli/bench.h"
#include "console/signals.h"
#include "infer/head_q8p.h"
#include "infer/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	PROBE_NS = 50000000,        /* of one measurement of a limit between repetitions */
	FIRST_PROBE_NS = 100000000, /* of those in the header */
};

struct bench_session {
	struct tern_session inner;
	const struct bench_subject *subject;
	const struct tern_peak *peak;
	size_t n_depth, n_stream; /* n_stream: of reading */
	int32_t *ids;             /* [n_ctx] random tokens */
};

/* Random tokens below the vocabulary's size, the first of them BOS where there is one: as llama-bench has it. */
static void fill_ids(struct bench_session *s)
{
	uint32_t state = 1, n_vocab = (uint32_t)s->subject->transformer->hparams.n_vocab;

	for (size_t i = 0; i < s->inner.n_ctx; i++) {
		state = state * 1664525u + 1013904223u;
		s->ids[i] = (int32_t)((uint64_t)state * n_vocab >> 32);
	}
	if (s->subject->bos >= 0)
		s->ids[0] = s->subject->bos;
}

enum tern_status bench_session_open(struct bench_session **out, const struct bench_subject *subject,
                                    const struct bench_test *test, int n_ctx, struct tern_error *err)
{
	struct tern_session_options options = {
	        .n_ctx = n_ctx, .n_threads = test->n_threads, .n_batch = test->n_batch, .kv = test->kv};
	struct bench_session *s = tern_alloc(1, sizeof *s);
	enum tern_status status;

	*out = NULL;
	if (!s)
		return tern_fail_memory(err, sizeof *s);
	if ((status = tern_session_init(&s->inner, subject->transformer, &options, err))) {
		tern_free(s);
		return status;
	}
	s->subject = subject;
	s->peak = s->inner.kernels->peak;
	s->n_depth = (size_t)test->n_depth;
	s->n_stream = tern_choose_streams(s->inner.pool, s->peak, subject->weights, subject->n_weight_bytes);
	if (!(s->ids = tern_alloc((size_t)n_ctx, sizeof *s->ids))) {
		bench_session_close(s);
		return tern_fail_memory(err, (size_t)n_ctx * sizeof *s->ids);
	}
	fill_ids(s);
	*out = s;
	return TERN_OK;
}

void bench_session_close(struct bench_session *s)
{
	if (!s)
		return;
	tern_session_clear(&s->inner);
	tern_free(s->ids);
	tern_free(s);
}

int bench_session_threads(const struct bench_session *s) { return tern_session_n_threads(&s->inner); }

static double read_rate(const struct bench_session *s, uint64_t ns)
{
	return tern_measure_read(s->inner.pool, s->peak, s->subject->weights, s->subject->n_weight_bytes, s->n_stream,
	                         ns);
}

static double multiply_rate(const struct bench_session *s, uint64_t ns)
{
	return tern_measure_multiply(s->inner.pool, s->peak, ns);
}

void bench_session_limits(const struct bench_session *s, struct bench_limits *limits)
{
	*limits = (struct bench_limits){s->inner.kernels->name, s->peak->instruction, read_rate(s, FIRST_PROBE_NS),
	                                multiply_rate(s, FIRST_PROBE_NS)};
}

const char *bench_kv_name(enum tern_kv_type kv) { return kv == TERN_KV_Q8 ? "q8" : "f16"; }

const char *bench_label(char out[BENCH_LABEL_SIZE], const struct bench_test *test)
{
	int at;

	if (test->n_prompt && test->n_gen)
		at = snprintf(out, BENCH_LABEL_SIZE, "pp%d+tg%d", test->n_prompt, test->n_gen);
	else
		at = snprintf(out, BENCH_LABEL_SIZE, "%s%d", test->n_prompt ? "pp" : "tg",
		              test->n_prompt + test->n_gen);
	if (test->n_depth)
		snprintf(out + at, BENCH_LABEL_SIZE - (size_t)at, " @ d%d", test->n_depth);
	return out;
}

/* ---- running ---- */

size_t bench_n_top(void) { return (size_t)tern_sampler_defaults().top_k; }

static enum tern_status interrupted(struct tern_error *err)
{
	err->message[0] = '\0';
	return err->status = TERN_ERR_FAILED;
}

/* Feeds n tokens, one batch or one token at a time; n_top > 0: with that many of the largest logits after each. */
static enum tern_status feed(struct bench_session *s, size_t n, size_t step, size_t n_top, struct tern_error *err)
{
	enum tern_status status;

	for (size_t i = 0; i < n; i += step) {
		size_t at = s->inner.n_past, n_now = n - i < step ? n - i : step;
		if (signals_interrupted())
			return interrupted(err);
		if ((status = tern_session_feed(&s->inner, s->ids + at, n_now, NULL, err)))
			return status;
		if (n_top)
			tern_session_top_logits(&s->inner, n_top);
	}
	return TERN_OK;
}

/* Forgets the last test; the first time, fills the context up to the depth. */
static enum tern_status prepare(struct bench_session *s, struct tern_error *err)
{
	tern_session_rewind(&s->inner, (int)s->n_depth);
	return feed(s, s->n_depth - s->inner.n_past, s->inner.n_batch, 0, err);
}

static enum tern_status run_once(struct bench_session *s, const struct bench_test *test, uint64_t *ns,
                                 struct tern_error *err)
{
	size_t n_prompt = (size_t)test->n_prompt;
	enum tern_status status;
	uint64_t start;

	if ((status = prepare(s, err)))
		return status;
	start = tern_clock_ns();
	if (n_prompt && (status = feed(s, n_prompt, n_prompt, bench_n_top(), err)))
		return status;
	if ((status = feed(s, (size_t)test->n_gen, 1, bench_n_top(), err)))
		return status;
	*ns = tern_clock_ns() - start;
	*ns += *ns == 0;
	return TERN_OK;
}

/* The whole prompt, or one token. */
static enum tern_status run_warm_up(struct bench_session *s, const struct bench_test *test, struct tern_error *err)
{
	struct bench_test once = *test;
	uint64_t ns;

	once.n_gen = test->n_gen > 0;
	return run_once(s, &once, &ns, err);
}

/* ---- results ---- */

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Sorts the values. */
static double median(double *values, size_t n)
{
	qsort(values, n, sizeof *values, compare_doubles);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Mean and sample standard deviation of a double at `offset` in every sample. */
static void mean_and_spread(const double *values, size_t n, double *mean, double *stddev)
{
	double sum = 0, squares = 0;

	for (size_t i = 0; i < n; i++)
		sum += values[i];
	*mean = sum / (double)n;
	for (size_t i = 0; i < n; i++)
		squares += (values[i] - *mean) * (values[i] - *mean);
	*stddev = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
}

/* What a test has to read and multiply at least. */
struct work {
	double prompt_bytes, prompt_macs, gen_bytes;
};

/* Part of the head's rows that were read as a whole, in the repetitions so far. */
static double second_pass(const struct bench_session *s)
{
	return s->inner.n_head_panel ? (double)s->inner.n_low_panel / (double)s->inner.n_head_panel : 1;
}

/* A batch reads all layers once; only the prompt's last token needs the head. A generated token reads all of both, and
 * the keys and values of all positions up to its own. */
static struct work work_of(const struct bench_session *s, const struct bench_test *test)
{
	const struct tern_transformer *t = s->subject->transformer;
	double layers = (double)bench_layer_bytes(t), head = (double)bench_head_bytes(t, second_pass(s));
	double n_gen = test->n_gen, n_prompt = test->n_prompt;
	double batches = ceil(n_prompt / (double)s->inner.n_batch);
	double positions = n_gen * (test->n_depth + n_prompt + (n_gen + 1) / 2);
	struct work work = {0};

	if (test->n_prompt) {
		work.prompt_bytes = layers * batches + head;
		work.prompt_macs = n_prompt * (double)bench_layer_macs(t) + (double)bench_head_macs(t);
	}
	work.gen_bytes = (layers + head) * n_gen + positions * (double)tern_kv_position_bytes(&t->hparams, test->kv);
	return work;
}

/* The least time that the limits around a repetition allow: prompts are bound by multiplying, or by reading when they
 * are short; generation by reading. */
static double least_seconds(const struct work *work, const struct bench_sample *sample)
{
	double seconds = work->gen_bytes / sample->read_rate;

	if (work->prompt_macs > 0)
		seconds += fmax(work->prompt_macs / sample->multiply_rate, work->prompt_bytes / sample->read_rate);
	return seconds;
}

/* Column by column, each into `values` first. */
static void summarise(const struct bench_session *s, struct bench_result *r, double *values)
{
	struct work work = work_of(s, &r->test);
	size_t n = (size_t)r->test.n_reps;
	double n_token = r->test.n_prompt + r->test.n_gen;
	bool is_pruned = tern_q8p_max_top(s->subject->transformer) > 0;

	for (size_t i = 0; i < n; i++)
		values[i] = (double)r->samples[i].ns;
	mean_and_spread(values, n, &r->avg_ns, &r->stddev_ns);
	for (size_t i = 0; i < n; i++)
		values[i] = r->samples[i].tokens_per_second;
	mean_and_spread(values, n, &r->avg_ts, &r->stddev_ts);
	for (size_t i = 0; i < n; i++)
		values[i] = r->samples[i].read_rate;
	r->read_rate = median(values, n);
	for (size_t i = 0; i < n; i++)
		values[i] = r->samples[i].multiply_rate;
	r->multiply_rate = median(values, n);
	for (size_t i = 0; i < n; i++)
		values[i] = 100 * least_seconds(&work, &r->samples[i]) / ((double)r->samples[i].ns * 1e-9);
	r->limit_pct = median(values, n);
	r->bytes_per_token = (work.prompt_bytes + work.gen_bytes) / n_token;
	r->head_second_pass_pct = is_pruned ? 100 * second_pass(s) : (double)NAN;
	r->has_overhead = r->test.n_prompt == 0;
	for (size_t i = 0; i < n; i++)
		values[i] = ((double)r->samples[i].ns * 1e-9 - least_seconds(&work, &r->samples[i])) / n_token * 1e6;
	r->overhead_us = r->has_overhead ? median(values, n) : 0;
}

static void stamp_time(char out[24])
{
	time_t now = time(NULL);
	struct tm utc;

	out[0] = '\0';
	if (gmtime_r(&now, &utc))
		strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* All repetitions into result->samples. */
static enum tern_status repeat(struct bench_session *s, struct bench_result *r,
                               void (*progress)(void *user, const char *step), void *user, struct tern_error *err)
{
	const struct bench_test *test = &r->test;
	bool multiplies = test->n_prompt > 0;
	double reads = read_rate(s, PROBE_NS), macs = multiplies ? multiply_rate(s, PROBE_NS) : 0;
	enum tern_status status;
	char step[64];

	s->inner.n_head_panel = s->inner.n_low_panel = 0;
	for (int i = 0; i < test->n_reps; i++) {
		struct bench_sample *sample = &r->samples[i];
		double reads_before = reads, macs_before = macs;
		snprintf(step, sizeof step, "repetition %d of %d", i + 1, test->n_reps);
		progress(user, step);
		if ((status = run_once(s, test, &sample->ns, err)))
			return status;
		reads = read_rate(s, PROBE_NS);
		macs = multiplies ? multiply_rate(s, PROBE_NS) : 0;
		sample->read_rate = (reads_before + reads) / 2;
		sample->multiply_rate = (macs_before + macs) / 2;
		sample->tokens_per_second = (test->n_prompt + test->n_gen) / ((double)sample->ns * 1e-9);
	}
	return TERN_OK;
}

enum tern_status bench_session_run(struct bench_session *s, const struct bench_test *test, bool warm_up,
                                   void (*progress)(void *user, const char *step), void *user,
                                   struct bench_result *result, struct tern_error *err)
{
	size_t n = (size_t)test->n_reps;
	double *values = tern_alloc(n, sizeof *values);
	enum tern_status status;

	*result = (struct bench_result){.test = *test, .isa = s->inner.kernels->name};
	result->samples = tern_alloc(n, sizeof *result->samples);
	if (!values || !result->samples) {
		tern_free(values);
		return tern_fail_memory(err, n * sizeof *result->samples);
	}
	stamp_time(result->time);
	if (warm_up || s->inner.n_past < s->n_depth)
		progress(user, warm_up ? "warm-up" : "filling the context");
	status = warm_up ? run_warm_up(s, test, err) : prepare(s, err);
	if (!status)
		status = repeat(s, result, progress, user, err);
	if (!status)
		summarise(s, result, values);
	tern_free(values);
	return status;
}
