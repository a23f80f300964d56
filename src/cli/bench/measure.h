/* One test of `tern bench`: a prompt to read, tokens to generate, or both, repeated and compared with what the machine
 * allows. */
#ifndef TERN_CLI_BENCH_MEASURE_H
#define TERN_CLI_BENCH_MEASURE_H

#include "api/inspect.h"
#include "cli/bench/subject.h"

#include <stdbool.h>
#include <stddef.h>
#include <tern.h>

struct bench_test {
	int n_prompt, n_gen, n_depth, n_batch, n_threads, n_reps;
	int n_edit; /* tokens of a text in the context that are written again, with changes; alone */
	enum tern_kv_type kv;
};

/* One repetition. */
struct bench_sample {
	double ns;
	double tokens_per_second;
	double read_rate;     /* bytes per second, the mean of before and after */
	double multiply_rate; /* multiply-adds per second, likewise; 0 without a prompt */
	double limit_drift;   /* the larger of the rates before and after over the smaller, - 1; of the two the worse */
	double limit_pct;     /* the least time that these rates allow, in % of the time taken */
	double overhead_us;   /* per token, beyond that least time */
	double lookup_gain;   /* of an edit: the time that it takes without guesses over that with them */
};

enum {
	BENCH_STEADY_PCT = 5, /* limits that differ by more are not to be relied on */
};

struct bench_result {
	struct bench_test test;
	char model[BENCH_TYPE_SIZE];
	char time[24];                /* when it began, RFC 3339 */
	struct bench_sample *samples; /* [n_reps] */
	double avg_ns, stddev_ns, avg_ts, stddev_ts;
	double bytes_per_token;
	double head_second_pass_pct; /* panels of a Q8P head that were read whole; NaN: all, always */
	/* Medians of the samples. */
	double limit_pct, read_rate, multiply_rate;
	double limit_drift_pct;    /* by how much the limits before and after a repetition differed at most */
	double overhead_us;        /* NaN unless only generating */
	double lookup_gain;        /* NaN unless editing */
	int n_guessed, n_accepted; /* tokens, in all repetitions */
};

/* A session for tests that agree in threads, batch, depth and kv. Between tests its context holds n_depth tokens. */
struct bench_session;

/* Only threads, batch, depth and kv of the test are used. */
enum tern_status bench_session_open(struct bench_session **session, const struct bench_subject *subject,
                                    const struct bench_test *test, int n_ctx, struct tern_error *err);
void bench_session_close(struct bench_session *session);
int bench_session_threads(const struct bench_session *session);
/* For measuring what the machine allows these threads. */
const struct tern_meter *bench_session_meter(const struct bench_session *session);
/* See tern_session_read_choice(). */
bool bench_session_read_choice(const struct bench_session *session, size_t index, struct tern_read_choice *choice);
/* See tern_session_stored_tokens(). */
size_t bench_session_stored_tokens(const struct bench_session *session);

/* Runs one test. Calls progress() before each step: "warm-up", "repetition 3 of 5". The caller frees result->samples
 * with tern_free(), also after an error. TERN_ERR_FAILED without a message if the user interrupted. */
enum tern_status bench_session_run(struct bench_session *session, const struct bench_test *test, bool warm_up,
                                   void (*progress)(void *user, const char *step), void *user,
                                   struct bench_result *result, struct tern_error *err);

/* Tokens that the default sampler draws from; their logits are computed after every token. */
size_t bench_n_top(void);

/* "f16" or "q8" */
const char *bench_kv_name(enum tern_kv_type kv);

/* "pp512 @ d4096", "edit128" */
enum {
	BENCH_LABEL_SIZE = 64
};
const char *bench_label(char out[BENCH_LABEL_SIZE], const struct bench_test *test);

#endif
