/* The limits of the machine are measured before, between and after the repetitions by the same threads, so that a
 * disturbance of the machine affects both. */
#include "cli/bench/measure.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/sizes.h"
#include "console/signals.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	PROBE_NS = 50000000, /* of one measurement of a limit */
	EDIT_DISTANCE = 16,  /* one token of so many is changed in an edit */
};

struct bench_session {
	struct tern_session *session;
	const struct bench_subject *subject;
	struct tern_meter meter;
	struct tern_cost cost;
	size_t n_batch, n_depth;
	int32_t *ids; /* [n_ctx] random tokens */
	/* [n_ctx] random tokens, some as frequent as in real text: a text of n_edit tokens, then its edited copy. */
	int32_t *text;
};

/* Random tokens, after BOS where the model has one: as llama-bench does. */
static void fill_ids(struct bench_session *s, size_t n)
{
	uint64_t state = 1;
	double n_vocab = s->subject->opened.info.n_vocab;
	int32_t bos = tern_bos(s->subject->opened.model);

	for (size_t i = 0; i < n; i++)
		s->ids[i] = (int32_t)(tern_random_fraction(&state) * n_vocab);
	if (bos >= 0)
		s->ids[0] = bos;
}

/* A text of n tokens and, behind it, the same with changes. The 1000 most frequent tokens of 100,000 make up a third.
 */
static void fill_text(struct bench_session *s, size_t n)
{
	uint64_t state = 1;
	double n_vocab = s->subject->opened.info.n_vocab;

	for (size_t i = 0; i < n; i++) {
		s->text[i] = (int32_t)(pow(tern_random_fraction(&state), 4) * n_vocab);
		s->text[n + i] = i % EDIT_DISTANCE ? s->text[i] : s->ids[i];
	}
}

enum tern_status bench_session_open(struct bench_session **out, const struct bench_subject *subject,
                                    const struct bench_test *test, int n_ctx, struct tern_error *err)
{
	struct tern_session_options options = {.n_ctx = n_ctx,
	                                       .n_threads = test->n_threads,
	                                       .n_batch = test->n_batch,
	                                       .kv = test->kv,
	                                       .state_cache = -1};
	const struct tern_model *model = subject->opened.model;
	struct bench_session *s = tern_alloc(1, sizeof *s);
	enum tern_status status;

	*out = NULL;
	if (!s)
		return tern_fail_memory(err, sizeof *s);
	s->subject = subject;
	s->n_batch = (size_t)test->n_batch;
	s->n_depth = (size_t)test->n_depth;
	status = tern_session_new(&s->session, model, &options, err);
	s->ids = tern_alloc((size_t)n_ctx, sizeof *s->ids);
	s->text = tern_alloc((size_t)n_ctx, sizeof *s->text);
	if (!status && (!s->ids || !s->text))
		status = tern_fail_memory(err, (size_t)n_ctx * sizeof *s->ids);
	if (status) {
		bench_session_close(s);
		return status;
	}
	fill_ids(s, (size_t)n_ctx);
	tern_cost_of(&s->cost, model, test->kv);
	tern_meter_start(&s->meter, s->session);
	*out = s;
	return TERN_OK;
}

void bench_session_close(struct bench_session *s)
{
	if (!s)
		return;
	tern_session_free(s->session);
	tern_free(s->ids);
	tern_free(s->text);
	tern_free(s);
}

int bench_session_threads(const struct bench_session *s) { return tern_session_n_threads(s->session); }

const struct tern_meter *bench_session_meter(const struct bench_session *s) { return &s->meter; }

bool bench_session_read_choice(const struct bench_session *s, size_t index, struct tern_read_choice *choice)
{
	return tern_session_read_choice(s->session, index, choice);
}

size_t bench_session_stored_tokens(const struct bench_session *s) { return tern_session_stored_tokens(s->session); }

const char *bench_kv_name(enum tern_kv_type kv) { return kv == TERN_KV_Q8 ? "q8" : "f16"; }

const char *bench_label(char out[BENCH_LABEL_SIZE], const struct bench_test *test)
{
	int at;

	if (test->n_edit)
		at = snprintf(out, BENCH_LABEL_SIZE, "edit%d", test->n_edit);
	else if (test->n_prompt && test->n_gen)
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

/* Feeds n tokens, `step` at a time, with the largest n_top logits after each step if n_top > 0. */
static enum tern_status feed(struct bench_session *s, size_t n, size_t step, size_t n_top, struct tern_error *err)
{
	enum tern_status status;

	for (size_t i = 0; i < n; i += step) {
		size_t n_now = tern_smaller(n - i, step);
		if (signals_interrupted())
			return interrupted(err);
		if ((status =
		             tern_session_feed(s->session, s->ids + tern_session_n_past(s->session), n_now, NULL, err)))
			return status;
		if (n_top)
			tern_compute_top_logits(s->session, n_top);
	}
	return TERN_OK;
}

/* Forgets the last test; the first time, fills the context up to the depth. */
static enum tern_status prepare(struct bench_session *s, struct tern_error *err)
{
	tern_session_rewind(s->session, (int)s->n_depth);
	return feed(s, s->n_depth - (size_t)tern_session_n_past(s->session), s->n_batch, 0, err);
}

static enum tern_status run_once(struct bench_session *s, const struct bench_test *test, double *ns,
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
	*ns = fmax(1, (double)(tern_clock_ns() - start));
	return TERN_OK;
}

static bool go_on(void *user)
{
	(void)user;
	return !signals_interrupted();
}

/* Reads a text, and writes it again with changes. */
static enum tern_status edit_once(struct bench_session *s, size_t n, int lookup, double *ns,
                                  struct tern_generate_result *result, struct tern_error *err)
{
	struct tern_generate_options options = {.n_predict = (int)n, .lookup = lookup, .keep_going = go_on};
	enum tern_status status = prepare(s, err);

	if (!status)
		status = tern_generate_given(s->session, s->text, n, s->text + n, &options, result, err);
	if (!status && signals_interrupted())
		return interrupted(err);
	*ns = fmax(1, result->generate_seconds * 1e9);
	return status;
}

/* Without guesses and with them. */
static enum tern_status edit(struct bench_session *s, struct bench_result *r, struct bench_sample *sample,
                             struct tern_error *err)
{
	struct tern_generate_result result = {0};
	size_t n = (size_t)r->test.n_edit;
	double plain_ns;
	enum tern_status status;

	fill_text(s, n);
	if ((status = edit_once(s, n, -1, &plain_ns, &result, err)) ||
	    (status = edit_once(s, n, 0, &sample->ns, &result, err)))
		return status;
	sample->lookup_gain = plain_ns / sample->ns;
	r->n_guessed += result.n_guessed;
	r->n_accepted += result.n_accepted;
	return TERN_OK;
}

/* The whole prompt, or one token. */
static enum tern_status run_warm_up(struct bench_session *s, const struct bench_test *test, struct tern_error *err)
{
	struct bench_test once = *test;
	double ns;

	once.n_gen = test->n_gen > 0 || test->n_edit > 0;
	return run_once(s, &once, &ns, err);
}

/* How far two rates are apart. */
static double drift(double a, double b) { return fmax(a, b) / fmin(a, b) - 1; }

/* All repetitions, into result->samples. */
static enum tern_status repeat(struct bench_session *s, struct bench_result *r,
                               void (*progress)(void *user, const char *step), void *user, struct tern_error *err)
{
	const struct bench_test *test = &r->test;
	bool multiplies = test->n_prompt > 0;
	double reads = tern_meter_read(&s->meter, PROBE_NS);
	double macs = multiplies ? tern_meter_multiply(&s->meter, PROBE_NS) : 0;
	enum tern_status status;
	char step[64];

	for (int i = 0; i < test->n_reps; i++) {
		struct bench_sample *sample = &r->samples[i];
		double reads_before = reads, macs_before = macs;
		snprintf(step, sizeof step, "repetition %d of %d", i + 1, test->n_reps);
		progress(user, step);
		status = test->n_edit ? edit(s, r, sample, err) : run_once(s, test, &sample->ns, err);
		if (status)
			return status;
		reads = tern_meter_read(&s->meter, PROBE_NS);
		macs = multiplies ? tern_meter_multiply(&s->meter, PROBE_NS) : 0;
		sample->limit_drift = fmax(drift(reads_before, reads), multiplies ? drift(macs_before, macs) : 0);
		sample->read_rate = (reads_before + reads) / 2;
		sample->multiply_rate = (macs_before + macs) / 2;
	}
	return TERN_OK;
}

/* ---- results ---- */

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The median of the member at `offset` of all samples; values: [n_reps] scratch. */
static double median_of(const struct bench_result *r, size_t offset, double *values)
{
	size_t n = (size_t)r->test.n_reps;

	for (size_t i = 0; i < n; i++)
		values[i] = *(const double *)(const void *)((const char *)&r->samples[i] + offset);
	qsort(values, n, sizeof *values, compare_doubles);
	return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

/* Mean and sample standard deviation of the member at `offset` of all samples. */
static void mean_of(const struct bench_result *r, size_t offset, double *mean, double *stddev)
{
	int n = r->test.n_reps;
	double sum = 0, squares = 0;

	for (int i = 0; i < n; i++)
		sum += *(const double *)(const void *)((const char *)&r->samples[i] + offset);
	*mean = sum / n;
	for (int i = 0; i < n; i++) {
		double value = *(const double *)(const void *)((const char *)&r->samples[i] + offset);
		squares += (value - *mean) * (value - *mean);
	}
	*stddev = n > 1 ? sqrt(squares / (n - 1)) : 0;
}

/* What a test has to read and multiply at least. */
struct work {
	double prompt_bytes, prompt_macs, gen_bytes;
};

/* What a batch reads of the layers: experts as if its tokens never agreed on one, until all are read. */
static double batch_layer_bytes(const struct tern_cost *c, double n_token)
{
	double experts = (double)c->expert_bytes;
	return (double)c->layer_bytes - experts + fmin(n_token * experts, (double)c->all_expert_bytes);
}

/* A batch reads all layers and states once; only the prompt's last token needs the head. A generated token reads all of
 * both, and the keys and values of all positions up to its own. second_pass: the part of the head that is read whole.
 */
static struct work work_of(const struct bench_session *s, const struct bench_test *test, double second_pass)
{
	const struct tern_cost *c = &s->cost;
	double layers = (double)c->layer_bytes, state = (double)c->state_bytes;
	double head = (double)(c->head_bytes - c->head_low_bytes) + (double)c->head_low_bytes * second_pass;
	double n_gen = test->n_gen + test->n_edit, n_prompt = test->n_prompt;
	double positions = n_gen * (test->n_depth + test->n_edit + n_prompt + (n_gen + 1) / 2);
	struct work work = {.gen_bytes = (layers + state + head) * n_gen + positions * (double)c->kv_bytes};

	if (test->n_prompt) {
		double batch_bytes = batch_layer_bytes(c, fmin(n_prompt, (double)s->n_batch)) + state;
		work.prompt_bytes = batch_bytes * ceil(n_prompt / (double)s->n_batch) + head;
		work.prompt_macs = n_prompt * (double)c->layer_macs + (double)c->head_macs;
	}
	return work;
}

/* Prompts are bound by multiplying, or by reading when they are short; generation by reading. */
static double least_seconds(const struct work *work, const struct bench_sample *sample)
{
	double seconds = work->gen_bytes / sample->read_rate;

	if (work->prompt_macs > 0)
		seconds += fmax(work->prompt_macs / sample->multiply_rate, work->prompt_bytes / sample->read_rate);
	return seconds;
}

/* values: [n_reps] scratch; reads: of the head, in all repetitions. */
static void summarize(const struct bench_session *s, struct bench_result *r, struct tern_head_reads reads,
                      double *values)
{
	double second_pass = (double)reads.n_whole_panels / (double)reads.n_panels;
	struct work work = work_of(s, &r->test, second_pass);
	double n_token = r->test.n_prompt + r->test.n_gen + r->test.n_edit;

	for (int i = 0; i < r->test.n_reps; i++) {
		struct bench_sample *sample = &r->samples[i];
		double seconds = sample->ns * 1e-9, least = least_seconds(&work, sample);
		sample->tokens_per_second = n_token / seconds;
		sample->limit_pct = 100 * least / seconds;
		sample->overhead_us = (seconds - least) / n_token * 1e6;
		r->limit_drift_pct = fmax(r->limit_drift_pct, 100 * sample->limit_drift);
	}
#define FIELD(name) offsetof(struct bench_sample, name)
	mean_of(r, FIELD(ns), &r->avg_ns, &r->stddev_ns);
	mean_of(r, FIELD(tokens_per_second), &r->avg_ts, &r->stddev_ts);
	r->limit_pct = median_of(r, FIELD(limit_pct), values);
	r->read_rate = median_of(r, FIELD(read_rate), values);
	r->multiply_rate = median_of(r, FIELD(multiply_rate), values);
	r->overhead_us =
	        r->test.n_gen == 0 || r->test.n_prompt ? (double)NAN : median_of(r, FIELD(overhead_us), values);
	r->lookup_gain = r->test.n_edit ? median_of(r, FIELD(lookup_gain), values) : (double)NAN;
#undef FIELD
	r->bytes_per_token = (work.prompt_bytes + work.gen_bytes) / n_token;
	r->head_second_pass_pct = second_pass < 1 ? 100 * second_pass : (double)NAN;
}

static void stamp_time(char out[24])
{
	time_t now = time(NULL);
	struct tm utc;

	out[0] = '\0';
	if (gmtime_r(&now, &utc))
		strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* The warm-up, or filling the context without one. */
static enum tern_status warm(struct bench_session *s, const struct bench_test *test, bool warm_up,
                             void (*progress)(void *user, const char *step), void *user, struct tern_error *err)
{
	if (warm_up || (size_t)tern_session_n_past(s->session) < s->n_depth)
		progress(user, warm_up ? "warm-up" : "filling the context");
	return warm_up ? run_warm_up(s, test, err) : prepare(s, err);
}

enum tern_status bench_session_run(struct bench_session *s, const struct bench_test *test, bool warm_up,
                                   void (*progress)(void *user, const char *step), void *user, struct bench_result *r,
                                   struct tern_error *err)
{
	size_t n = (size_t)test->n_reps;
	double *values = tern_alloc(n, sizeof *values);
	struct tern_head_reads before, reads;
	enum tern_status status;

	*r = (struct bench_result){.test = *test, .samples = tern_alloc(n, sizeof *r->samples)};
	snprintf(r->model, sizeof r->model, "%s", s->subject->type);
	stamp_time(r->time);
	if (!values || !r->samples)
		status = tern_fail_memory(err, n * sizeof *r->samples);
	else
		status = warm(s, test, warm_up, progress, user, err);
	before = tern_session_head_reads(s->session);
	if (!status)
		status = repeat(s, r, progress, user, err);
	reads = tern_session_head_reads(s->session);
	reads.n_panels -= before.n_panels;
	reads.n_whole_panels -= before.n_whole_panels;
	if (!status)
		summarize(s, r, reads, values);
	tern_free(values);
	return status;
}
