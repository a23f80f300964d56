/* What the files of `tern bench` share: a model under test, one test, its result. */
#ifndef TERN_CLI_BENCH_H
#define TERN_CLI_BENCH_H

#include "cli/common.h"
#include "console/text.h"
#include "kernels/peak.h"
#include "model/transformer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tern.h>

/* ---- models: bench_subject.c, bench_shape.c ---- */

/* A model under test: opened from a file, or of random weights. */
struct bench_subject {
	const char *file; /* path, or "--shape NAME" in own_name */
	char own_name[32];
	char *type;       /* "bitnet-b1.58 2.4B T2R16" */
	uint64_t n_bytes; /* of all tensors */
	uint64_t n_params;
	bool use_mmap;
	int32_t bos; /* -1 if there is none */
	const struct tern_transformer *transformer;
	/* All the tensors, as one stretch of memory. */
	const uint8_t *weights;
	size_t n_weight_bytes;

	/* what bench_subject_close() gives back */
	struct opened opened;
	uint8_t *image;
	struct gguf gguf;
	struct tern_transformer own;
};

/* Opens the model that the options name. Errors were reported. Close also after an error. */
enum tern_status bench_subject_open(struct bench_subject *subject, const struct common_options *options);
/* Random weights of the shape called `name`, made by n_threads threads. */
enum tern_status bench_subject_make(struct bench_subject *subject, const char *name, int n_threads);
void bench_subject_close(struct bench_subject *subject);

/* A GGUF file of random weights in memory: the caller frees *image with tern_free(). `path` is what its messages call
 * it. TERN_ERR_USAGE if there is no such shape. "NAME:N" has
 * scales for groups of N columns. Not quick: shows its progress. */
enum tern_status bench_make_image(const char *name, int n_threads, uint8_t **image, size_t *n_bytes,
                                  struct tern_error *err);
/* For the help text: the shapes of bench_shape.c and what they are. */
#define BENCH_SHAPES_TEXT                                                          \
	"Shapes:\n"                                                                \
	"  0.7b  1bitLLM large       1b    Falcon3 1B          1.7b  Qwen3 1.7B\n" \
	"  2b    BitNet 2B-4T        3b    1bitLLM 3B          4b    Qwen3 4B\n"   \
	"  7b    Falcon3 7B          8b    Llama 3 8B          10b   Falcon3 10B\n"

/* ---- work per token: bench_work.c ---- */

/* The largest logits that a generated token is drawn from by default, which the tests compute too. */
size_t bench_n_top(void);
/* Bytes of weights and scales that one token, or one batch, needs read in all layers; and that the logits of one token
 * need from the head. second_pass: part (0 .. 1) of the rows whose low nibbles are read, if it is of type Q8P. */
uint64_t bench_layer_bytes(const struct tern_transformer *transformer);
uint64_t bench_head_bytes(const struct tern_transformer *transformer, double second_pass);
/* Multiply-adds of all projections for one token, and of the head. */
uint64_t bench_layer_macs(const struct tern_transformer *transformer);
uint64_t bench_head_macs(const struct tern_transformer *transformer);

/* ---- tests: bench_measure.c ---- */

struct bench_test {
	int n_prompt, n_gen, n_depth, n_batch, n_threads, n_reps;
	enum tern_kv_type kv;
};

struct bench_sample {
	uint64_t ns;
	double tokens_per_second;
	double read_rate;     /* bytes per second around this repetition */
	double multiply_rate; /* multiply-adds per second around it; 0 if no prompt is processed */
};

struct bench_result {
	struct bench_test test;
	char time[24];                /* when it began, RFC 3339 */
	struct bench_sample *samples; /* [n_reps] */
	double avg_ns, stddev_ns, avg_ts, stddev_ts;
	double bytes_per_token;
	double head_second_pass_pct;     /* of a Q8P head's rows, that are read as a whole; NaN: no such head */
	double limit_pct;                /* of what the limits allow, the median of the repetitions */
	bool has_overhead;               /* generation alone */
	double overhead_us;              /* per token, beyond reading the weights */
	double read_rate, multiply_rate; /* medians; multiply_rate 0 if not measured */
	const char *isa;
};

/* A session for tests that agree in threads, batch and depth; its context holds n_depth tokens between tests. */
struct bench_session;

/* Of the test, threads, batch, depth and kv count. */
enum tern_status bench_session_open(struct bench_session **session, const struct bench_subject *subject,
                                    const struct bench_test *test, int n_ctx, struct tern_error *err);
void bench_session_close(struct bench_session *session);
int bench_session_threads(const struct bench_session *session);

/* What limits the threads of the session. */
struct bench_limits {
	const char *isa, *instruction;
	double read_rate, multiply_rate;
};
void bench_session_limits(const struct bench_session *session, struct bench_limits *limits);

/* Runs one test. Told before each step: "warm-up", "repetition 3 of 5". The caller frees
 * result->samples with tern_free(). TERN_ERR_FAILED without a message if the user interrupted. */
enum tern_status bench_session_run(struct bench_session *session, const struct bench_test *test, bool warm_up,
                                   void (*progress)(void *user, const char *step), void *user,
                                   struct bench_result *result, struct tern_error *err);

/* "f16" or "q8" */
const char *bench_kv_name(enum tern_kv_type kv);

/* "pp512 @ d4096" */
enum {
	BENCH_LABEL_SIZE = 64
};
const char *bench_label(char out[BENCH_LABEL_SIZE], const struct bench_test *test);

/* ---- the machine: bench_machine.c ---- */

/* "Intel(R) Core(TM) Ultra 7 155H"; what the system says, else the architecture. */
enum {
	BENCH_CPU_SIZE = 128
};
const char *bench_cpu_name(char out[BENCH_CPU_SIZE]);
/* Lines that say what the measurements were made on. */
void bench_describe_machine(struct text *to, int n_threads, const struct bench_limits *limits);
/* Warns of what would spoil measurements: a busy machine, a battery. */
void bench_check_machine(void);

/* ---- output: bench_report.c, bench_fields.c, bench_sweep.c ---- */

enum bench_format {
	BENCH_CSV,
	BENCH_JSON,
	BENCH_JSONL,
	BENCH_MD,
	BENCH_SQL,
};

struct bench_printer {
	enum bench_format format;
	bool to_stderr;
	char cpu[BENCH_CPU_SIZE];
	bool show_batch; /* a column of its own in Markdown */
	size_t n_rows;
};

/* Puts one row out, at once. False if writing failed. */
bool bench_print_row(struct bench_printer *printer, const struct bench_subject *subject,
                     const struct bench_result *result);
/* Ends the output, if there is any. */
bool bench_print_end(struct bench_printer *printer);
/* Lines outside the table; the formats for machines leave them out. */
bool bench_print_lines(const struct bench_printer *printer, const struct text *lines);

/* What is remembered of a result to the end. */
struct bench_point {
	struct bench_test test;
	char model[32]; /* type of the subject, maybe cut */
	bool has_overhead;
	double avg_ts, overhead_us, bytes_per_token, read_rate, head_second_pass_pct;
};
/* Two lines for every result of generation alone. */
void bench_draw_overhead(struct text *to, const struct bench_point *points, size_t n_points);
/* Bars of the speeds by threads, for every test by itself, with a mark where perfect scaling from the first of them
 * would end; in ASCII unless `unicode`. */
void bench_draw_sweep(struct text *to, const struct bench_point *points, size_t n_points, bool unicode);

/* ---- records: bench_fields.c ---- */

struct bench_field {
	const char *name;
	enum {
		BENCH_TEXT,
		BENCH_INT,
		BENCH_REAL,
		BENCH_BOOL,
	} kind;
	const char *text;
	int64_t number; /* and bool */
	double real;    /* NaN: there is none */
};
enum {
	BENCH_MAX_FIELDS = 64
};
/* A result as llama-bench's fields, and tern's own after them. Returns how many. The fields point into the arguments.
 */
size_t bench_fields(struct bench_field fields[BENCH_MAX_FIELDS], const char *cpu, const struct bench_subject *subject,
                    const struct bench_result *result);

#endif
