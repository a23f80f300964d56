/* tern bench: how fast a model runs here, and how far that is from what the machine allows. Tests, options and formats
 * follow llama-bench; bench.h names the parts. */
#include "cli/bench.h"
#include "base/memory.h"
#include "cli/bench_options.h"
#include "cli/commands.h"
#include "console/output.h"
#include "console/signals.h"
#include "console/term.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct option_group groups[] = {
        {"Tests:", bench_own_options, offsetof(struct bench_options, own)},
        {"Models:", bench_source_options, offsetof(struct bench_options, source)},
        COMMON_MESSAGE_GROUP(struct bench_options, common),
        {.options = NULL},
};

static const char notes[] =
        "A LIST is a number, several (1,2,4), a range (1-8, 1-8+2, 1-8*2), or the option given\n"
        "several times; all combinations are measured.\n"
        "\n"
        "bytes/token is what has to be read at least: the weights, once per token generated or per\n"
        "batch of a prompt, and the keys and values of the context. Of an 8-bit output head that is\n"
        "the high halves of all rows, and the low halves of those that can be among the 40 best\n"
        "tokens, which the default sampler draws from; how many those are is measured. % of limit is\n"
        "the least time that this machine allows over the time taken: for generation, reading those\n"
        "bytes; for a prompt, its multiply-adds (or the reading, if that takes longer). Both limits\n"
        "are measured by the same threads between the repetitions, and the median is shown.\n"
        "\n" BENCH_SHAPES_TEXT;

static enum tern_status bench_main(int argc, char **argv);

const struct command command_bench = {
        .name = "bench",
        .summary = "Measure speed, next to what the machine allows",
        .usage = "tern bench [OPTION...] [MODEL.gguf...]",
        .examples = "  tern bench -m model.gguf\n"
                    "  tern bench --shape 2b -t 1,2,4 -d 0,4096\n"
                    "  tern bench -m model.gguf -p 0 -n 32-128*2 -o csv\n"
                    "  tern bench --shape 4b --threads-sweep\n",
        .notes = notes,
        .groups = groups,
        .values_size = sizeof(struct bench_options),
        .run = bench_main,
};

struct bench {
	struct bench_options options;
	struct operands operands;
	struct bench_plan plan;
	struct bench_printer printers[2];
	size_t n_printers;
	size_t n_total, n_begun; /* tests, for --progress */
	bool header_is_printed;

	struct bench_subject subject;
	struct bench_point *points;
	size_t n_points, points_capacity;
};

static void set_up_printers(struct bench *b)
{
	const struct bench_own_options *own = &b->options.own;
	bool show_batch = b->plan.batches.n_items > 1 || b->plan.batches.items[0] != BENCH_DEFAULT_BATCH;

	b->printers[b->n_printers++] =
	        (struct bench_printer){.format = (enum bench_format)own->output, .show_batch = show_batch};
	if (own->output_err <= BENCH_SQL)
		b->printers[b->n_printers++] = (struct bench_printer){
		        .format = (enum bench_format)own->output_err, .to_stderr = true, .show_batch = show_batch};
	for (size_t i = 0; i < b->n_printers; i++)
		bench_cpu_name(b->printers[i].cpu);
}

/* ---- running ---- */

static bool print_lines(struct bench *b, struct text *lines)
{
	bool good = true;

	for (size_t i = 0; i < b->n_printers; i++)
		good = bench_print_lines(&b->printers[i], lines) && good;
	text_free(lines);
	return good;
}

static bool print_header(struct bench *b, const struct bench_session *session)
{
	struct bench_limits limits;
	struct text lines = {0};
	bool is_wanted = false;

	for (size_t i = 0; i < b->n_printers; i++)
		is_wanted |= b->printers[i].format == BENCH_MD;
	if (b->header_is_printed || !is_wanted)
		return true;
	b->header_is_printed = true;
	bench_session_limits(session, &limits);
	bench_describe_machine(&lines, bench_session_threads(session), &limits);
	return print_lines(b, &lines);
}

struct step {
	const struct bench *bench;
	const char *label;
};

static void show_step(void *user, const char *what)
{
	const struct step *step = user;
	const struct bench *b = step->bench;
	char line[256];

	snprintf(line, sizeof line, "test %zu of %zu: %s, %s", b->n_begun, b->n_total, step->label, what);
	if (b->options.own.progress)
		note("%s", line);
	else if (term_columns() > (int)strlen(line))
		term_show_status(line);
}

static void pause_for(double seconds)
{
	struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};

	nanosleep(&time, NULL);
}

static enum tern_status remember(struct bench *b, const struct bench_result *result)
{
	void *points = b->points;

	if (!tern_grow(&points, &b->points_capacity, b->n_points + 1, sizeof *b->points)) {
		report("out of memory");
		return TERN_ERR_FAILED;
	}
	b->points = points;
	b->points[b->n_points++] = (struct bench_point){
	        .test = result->test,
	        .has_overhead = result->has_overhead,
	        .avg_ts = result->avg_ts,
	        .overhead_us = result->overhead_us,
	        .bytes_per_token = result->bytes_per_token,
	        .read_rate = result->read_rate,
	        .head_second_pass_pct = result->head_second_pass_pct,
	};
	snprintf(b->points[b->n_points - 1].model, sizeof b->points->model, "%s", b->subject.type);
	return TERN_OK;
}

static enum tern_status run_test(struct bench *b, struct bench_session *session, const struct bench_test *test)
{
	char label[BENCH_LABEL_SIZE];
	struct step step = {b, bench_label(label, test)};
	struct bench_result result;
	struct tern_error err = {0};
	enum tern_status status;
	bool good = true;

	b->n_begun++;
	if (b->options.own.delay > 0)
		pause_for((double)b->options.own.delay);
	status = bench_session_run(session, test, !b->options.own.no_warmup, show_step, &step, &result, &err);
	term_erase_status();
	if (status && err.message[0])
		report_error(&err);
	if (!status) {
		for (size_t i = 0; i < b->n_printers; i++)
			good = bench_print_row(&b->printers[i], &b->subject, &result) && good;
		status = good ? remember(b, &result) : TERN_ERR_FAILED;
		if (result.stddev_ts > 0.05 * result.avg_ts)
			warn("%s: the repetitions differ, standard deviation %.0f %% of the mean; something disturbs",
			     label, 100 * result.stddev_ts / result.avg_ts);
	}
	tern_free(result.samples);
	return status;
}

/* All tests of one number of threads, batch size, depth and repetitions: prompts, then generation, then both. */
static enum tern_status run_tests(struct bench *b, struct bench_session *session, struct bench_test test)
{
	enum tern_status status = TERN_OK;

	for (size_t i = 0; i < b->plan.prompts.n_items && !status; i++) {
		test.n_prompt = b->plan.prompts.items[i];
		if (test.n_prompt)
			status = run_test(b, session, &test);
	}
	test.n_prompt = 0;
	for (size_t i = 0; i < b->plan.gens.n_items && !status; i++) {
		test.n_gen = b->plan.gens.items[i];
		if (test.n_gen)
			status = run_test(b, session, &test);
	}
	for (size_t i = 0; i < b->plan.both.n_items && !status; i += 2) {
		test.n_prompt = b->plan.both.items[i];
		test.n_gen = b->plan.both.items[i + 1];
		status = run_test(b, session, &test);
	}
	return status;
}

/* Tokens that the longest test adds to the context. */
static int longest_test(const struct bench *b)
{
	int longest = 1;

	for (size_t i = 0; i < b->plan.prompts.n_items; i++)
		longest = b->plan.prompts.items[i] > longest ? b->plan.prompts.items[i] : longest;
	for (size_t i = 0; i < b->plan.gens.n_items; i++)
		longest = b->plan.gens.items[i] > longest ? b->plan.gens.items[i] : longest;
	for (size_t i = 0; i < b->plan.both.n_items; i += 2)
		if (b->plan.both.items[i] + b->plan.both.items[i + 1] > longest)
			longest = b->plan.both.items[i] + b->plan.both.items[i + 1];
	return longest;
}

static enum tern_status run_session(struct bench *b, struct bench_test test)
{
	struct bench_session *session;
	struct tern_error err = {0};
	enum tern_status status =
	        bench_session_open(&session, &b->subject, &test, test.n_depth + longest_test(b), &err);

	if (status)
		return report_error(&err);
	if (bench_session_threads(session) < test.n_threads)
		warn("the system allows %d of %d threads", bench_session_threads(session), test.n_threads);
	test.n_threads = bench_session_threads(session);
	if (!print_header(b, session))
		status = TERN_ERR_FAILED;
	for (size_t i = 0; i < b->plan.reps.n_items && !status; i++) {
		test.n_reps = b->plan.reps.items[i];
		status = run_tests(b, session, test);
	}
	bench_session_close(session);
	return status;
}

static enum tern_status run_subject(struct bench *b)
{
	enum tern_status status = TERN_OK;
	struct bench_test test = {.kv = (enum tern_kv_type)b->options.own.kv};

	for (size_t i = 0; i < b->plan.batches.n_items; i++)
		for (size_t k = 0; k < b->plan.threads.n_items; k++)
			for (size_t j = 0; j < b->plan.depths.n_items && !status; j++) {
				test.n_batch = b->plan.batches.items[i];
				test.n_threads = b->plan.threads.items[k];
				test.n_depth = b->plan.depths.items[j];
				status = run_session(b, test);
			}
	return status;
}

/* ---- the whole ---- */

/* Text in a terminal that shows more than ASCII, as far as the locale tells. */
static bool shows_unicode(void)
{
	const char *locale = getenv("LC_ALL");

	if (!locale || !*locale)
		locale = getenv("LC_CTYPE");
	if (!locale || !*locale)
		locale = getenv("LANG");
	return term_is_terminal(STDOUT_FILENO) && locale &&
	       (strstr(locale, "UTF-8") || strstr(locale, "utf8") || strstr(locale, "UTF8") || strstr(locale, "utf-8"));
}

/* What follows the table, also one that was cut short. */
static bool print_end(struct bench *b)
{
	struct text lines = {0};
	bool good = true;

	if (b->n_points) {
		text_printf(&lines, "\nbuild: %s\n", TERN_VERSION);
		bench_draw_overhead(&lines, b->points, b->n_points);
	}
	if (b->n_points && b->options.own.sweep)
		bench_draw_sweep(&lines, b->points, b->n_points, shows_unicode());
	if (!print_lines(b, &lines))
		good = false;
	for (size_t i = 0; i < b->n_printers; i++)
		good = bench_print_end(&b->printers[i]) && good;
	return good;
}

static enum tern_status run_model(struct bench *b, const char *model)
{
	enum tern_status status;

	b->options.common.model = model;
	status = bench_subject_open(&b->subject, &b->options.common);
	if (!status)
		status = run_subject(b);
	bench_subject_close(&b->subject);
	return status;
}

static enum tern_status run_shape(struct bench *b, const char *shape)
{
	enum tern_status status =
	        bench_subject_make(&b->subject, shape, b->plan.threads.items[b->plan.threads.n_items - 1]);

	if (!status)
		status = run_subject(b);
	bench_subject_close(&b->subject);
	return status;
}

/* Models, then shapes; the default model if there is neither. */
static enum tern_status run_all(struct bench *b)
{
	const struct bench_source_options *source = &b->options.source;
	enum tern_status status = TERN_OK;

	for (size_t i = 0; i < source->models.n_items && !status; i++)
		status = run_model(b, source->models.items[i]);
	for (size_t i = 0; i < b->operands.n_items && !status; i++)
		status = run_model(b, b->operands.items[i]);
	for (size_t i = 0; i < source->shapes.n_items && !status; i++)
		status = run_shape(b, source->shapes.items[i]);
	if (source->models.n_items + source->shapes.n_items + b->operands.n_items == 0)
		status = run_model(b, NULL);
	return status;
}

static enum tern_status prepare(struct bench *b)
{
	const struct bench_source_options *source = &b->options.source;
	struct operands none = {0};
	size_t n_models = source->models.n_items + source->shapes.n_items + b->operands.n_items;
	enum tern_status status;

	common_apply(&b->options.common, &none);
	b->options.common.no_mmap = source->no_mmap;
	b->options.common.mlock = source->mlock;
	for (size_t i = 0; i < b->operands.n_items; i++) {
		size_t length = strlen(b->operands.items[i]);
		if (length < 6 || strcmp(b->operands.items[i] + length - 5, ".gguf") != 0)
			return usage_error(&command_bench, "unexpected '%.64s'; a model is FILE.gguf, or given with -m",
			                   b->operands.items[i]);
	}
	if ((status = bench_plan_read(&b->plan, &command_bench, &b->options)))
		return status;
	b->n_total = b->plan.n_tests * (n_models ? n_models : 1);
	set_up_printers(b);
	return TERN_OK;
}

static enum tern_status bench_main(int argc, char **argv)
{
	struct bench b = {0};
	enum tern_status status;

	if (!options_parse(&command_bench, argc, argv, &b.options, &b.operands, &status))
		return status;
	if (!(status = prepare(&b))) {
		signals_catch_interrupt();
		bench_check_machine();
		status = run_all(&b);
		if (!print_end(&b))
			status = TERN_ERR_FAILED;
	}
	bench_plan_free(&b.plan);
	tern_free(b.points);
	options_free(&command_bench, &b.options, &b.operands);
	if (signals_interrupted())
		signals_die_of_interrupt();
	return output_finish(status);
}
