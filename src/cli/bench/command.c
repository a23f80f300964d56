/* tern bench: how fast a model runs here, and how far that is from what the machine allows. Tests and options follow
 * llama-bench. */
#include "base/memory.h"
#include "cli/bench/footer.h"
#include "cli/bench/machine.h"
#include "cli/bench/measure.h"
#include "cli/bench/options.h"
#include "cli/bench/report.h"
#include "cli/commands.h"
#include "console/output.h"
#include "console/signals.h"
#include "console/term.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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
        "bytes/token is what must be read at least: all weights, once per generated token or per\n"
        "batch of a prompt, the keys and values of the context, and the states of delta nets, which\n"
        "are written as well. An 8-bit output head counts with the high halves of all rows and the\n"
        "low halves of the rows that were read to find the 40 best tokens, from which the default\n"
        "sampler draws. % of limit is the least time that this machine allows, in percent of the\n"
        "time taken: for generation, the time to read those bytes; for a prompt, the time for its\n"
        "multiply-adds (or to read, if that takes longer). The same threads measure both limits\n"
        "between the repetitions; the median is shown.\n"
        "\n" TERN_SHAPES_TEXT;

static enum tern_status bench_main(int argc, char **argv);

const struct command command_bench = {
        .name = "bench",
        .summary = "Measure speed, next to what the machine allows",
        .usage = "tern bench [OPTION...] [MODEL.gguf...]",
        .examples = "  tern bench -m model.gguf\n"
                    "  tern bench --shape 2b -t 1,2,4 -d 0,4096\n"
                    "  tern bench -m model.gguf -p 0 -n 32-128*2 -o jsonl\n"
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
	char cpu[BENCH_CPU_SIZE];
	struct bench_printer printers[2]; /* standard output, standard error */
	size_t n_total, n_begun;          /* tests, for --progress */
	bool header_is_printed;

	struct bench_subject subject;
	struct bench_result *results; /* without their samples */
	size_t n_results, results_capacity;
	struct text reads; /* lines for the end */
};

static void set_up_printers(struct bench *b)
{
	const int formats[] = {b->options.own.output, b->options.own.output_err};
	bool show_batch = b->plan.batches.n_items > 1 || b->plan.batches.items[0] != BENCH_DEFAULT_BATCH;

	bench_cpu_name(b->cpu);
	for (int i = 0; i < 2; i++)
		b->printers[i] = (struct bench_printer){.format = (enum bench_format)formats[i],
		                                        .to_stderr = i == 1,
		                                        .cpu = b->cpu,
		                                        .show_batch = show_batch};
}

/* ---- running ---- */

static bool print_lines(struct bench *b, struct text *lines)
{
	bool good = true;

	for (int i = 0; i < 2; i++)
		good = bench_print_lines(&b->printers[i], lines) && good;
	text_free(lines);
	return good;
}

static bool print_header(struct bench *b, const struct bench_session *session)
{
	struct text lines = {0};

	if (b->header_is_printed || (b->printers[0].format != BENCH_MD && b->printers[1].format != BENCH_MD))
		return true;
	b->header_is_printed = true;
	bench_describe_machine(&lines, bench_session_threads(session), bench_session_meter(session));
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

/* Keeps a result for the footer. */
static enum tern_status keep(struct bench *b, const struct bench_result *result)
{
	if (!TERN_GROW(b->results, b->results_capacity, b->n_results + 1))
		return report_out_of_memory();
	b->results[b->n_results] = *result;
	b->results[b->n_results++].samples = NULL;
	return TERN_OK;
}

static enum tern_status print_result(struct bench *b, const struct bench_result *result)
{
	char label[BENCH_LABEL_SIZE];
	bool good = true;

	for (int i = 0; i < 2; i++)
		good = bench_print_row(&b->printers[i], &b->subject, result) && good;
	if (result->stddev_ts > 0.05 * result->avg_ts)
		warn("%s: the repetitions differ, standard deviation %.0f %% of the mean; another program may disturb",
		     bench_label(label, &result->test), 100 * result->stddev_ts / result->avg_ts);
	return good ? keep(b, result) : TERN_ERR_FAILED;
}

static enum tern_status run_test(struct bench *b, struct bench_session *session, const struct bench_test *test)
{
	char label[BENCH_LABEL_SIZE];
	struct step step = {b, bench_label(label, test)};
	struct bench_result result;
	struct tern_error err = {0};
	enum tern_status status;

	b->n_begun++;
	if (b->options.own.delay > 0)
		pause_for((double)b->options.own.delay);
	status = bench_session_run(session, test, !b->options.own.no_warmup, show_step, &step, &result, &err);
	term_erase_status();
	if (!status)
		status = print_result(b, &result);
	else if (err.message[0])
		report_error(&err);
	tern_free(result.samples);
	return status;
}

/* All tests of one number of threads, batch size, depth and repetitions: prompts, then generation, then both, then
 * edits. */
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
	test.n_prompt = test.n_gen = 0;
	for (size_t i = 0; i < b->plan.edits.n_items && !status; i++) {
		test.n_edit = b->plan.edits.items[i];
		status = run_test(b, session, &test);
	}
	return status;
}

static int largest(const struct bench_list *list)
{
	int most = 0;

	for (size_t i = 0; i < list->n_items; i++)
		most = list->items[i] > most ? list->items[i] : most;
	return most;
}

/* Tokens that the longest test adds to the context; at least 1. */
static int longest_test(const struct bench *b)
{
	int prompt = largest(&b->plan.prompts), gen = largest(&b->plan.gens), longest = prompt > gen ? prompt : gen;

	for (size_t i = 0; i < b->plan.both.n_items; i += 2)
		if (b->plan.both.items[i] + b->plan.both.items[i + 1] > longest)
			longest = b->plan.both.items[i] + b->plan.both.items[i + 1];
	return 2 * largest(&b->plan.edits) > longest ? 2 * largest(&b->plan.edits) : longest;
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
	bench_append_reads(&b->reads, b->subject.type, session);
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

/* Prints what follows the table, even if an error cut it short. */
static bool print_end(struct bench *b)
{
	struct text lines = {0};
	bool good = true;

	if (b->n_results) {
		text_printf(&lines, "\nbuild: %s\n", TERN_VERSION);
		bench_append_overhead(&lines, b->results, b->n_results);
		text_append(&lines, b->reads.bytes ? b->reads.bytes : "", b->reads.n_bytes);
	}
	if (b->options.own.sweep)
		bench_append_curves(&lines, b->results, b->n_results);
	text_free(&b->reads);
	if (!print_lines(b, &lines))
		good = false;
	for (int i = 0; i < 2; i++)
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

/* Models, then shapes; without either, the default model. */
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
	b->options.common.overcommit = source->overcommit;
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
		bench_warn_of_battery();
		status = run_all(&b);
		if (!print_end(&b))
			status = TERN_ERR_FAILED;
	}
	bench_plan_free(&b.plan);
	tern_free(b.results);
	options_free(&command_bench, &b.options, &b.operands);
	if (signals_interrupted())
		signals_die_of_interrupt();
	return output_finish(status);
}
