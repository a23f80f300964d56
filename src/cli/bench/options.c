/* Names, letters and lists of numbers (512, 1,2,4, 1-8, 1-8+2, 1-8*2) are llama-bench's. */
#include "cli/bench/options.h"

#include "base/machine.h"
#include "base/memory.h"
#include "console/term.h"

#include <stdio.h>
#include <string.h>

enum {
	MAX_TOKENS = 1 << 24, /* more than any context */
	MAX_BATCH = 1 << 16,
	MAX_REPS = 10000,
	MAX_ITEMS = 65536,
	MAX_DIGITS = 10,
};

#define FIELD(name) offsetof(struct bench_own_options, name)

const struct option bench_own_options[] = {
        {.name = "n-prompt",
         .letter = 'p',
         .kind = OPTION_LIST,
         .offset = FIELD(prompts),
         .argument = "LIST",
         .help = "read prompts of so many tokens (default 512; 0: none)"},
        {.name = "n-gen",
         .letter = 'n',
         .kind = OPTION_LIST,
         .offset = FIELD(gens),
         .argument = "LIST",
         .help = "generate so many tokens (default 128; 0: none)"},
        {.name = "pg",
         .kind = OPTION_LIST,
         .offset = FIELD(both),
         .argument = "PP,TG",
         .help = "also: read PP tokens and then generate TG (-pg 512,128); may be given several times",
         .aliases = "-pg"},
        {.name = "edit",
         .kind = OPTION_LIST,
         .offset = FIELD(edits),
         .argument = "LIST",
         .help = "also: write so many tokens again that are in the context, one in 16 changed, with guesses (tern run "
                 "--lookup) and without"},
        {.name = "n-depth",
         .letter = 'd',
         .kind = OPTION_LIST,
         .offset = FIELD(depths),
         .argument = "LIST",
         .help = "with so many tokens in the context before (default 0)"},
        {.name = "batch-size",
         .letter = 'b',
         .kind = OPTION_LIST,
         .offset = FIELD(batches),
         .argument = "LIST",
         .help = "tokens of a prompt computed together (default 512)"},
        {.name = "kv",
         .kind = OPTION_CHOICE,
         .offset = FIELD(kv),
         .argument = COMMON_KV_TYPES,
         .initial = "f16",
         .help = "how keys and values of the context are stored; q8: half the memory"},
        {.name = "threads",
         .letter = 't',
         .kind = OPTION_LIST,
         .offset = FIELD(threads),
         .argument = "LIST",
         .help = "threads (default $TERN_THREADS, else the fast physical cores)"},
        {.name = "threads-sweep",
         .offset = FIELD(sweep),
         .help = "every number of threads up to that, and a plot of the speeds"},
        {.name = "repetitions",
         .letter = 'r',
         .kind = OPTION_LIST,
         .offset = FIELD(reps),
         .argument = "LIST",
         .help = "repetitions of each test (default 5)"},
        {.name = "no-warmup", .offset = FIELD(no_warmup), .help = "skip the run beforehand that does not count"},
        {.name = "delay",
         .kind = OPTION_FLOAT,
         .offset = FIELD(delay),
         .argument = "SECONDS",
         .max = 86400,
         .initial = "0",
         .help = "pause before each test, to cool down"},
        {.name = "output",
         .letter = 'o',
         .kind = OPTION_CHOICE,
         .offset = FIELD(output),
         .argument = "md|json|jsonl",
         .initial = "md",
         .help = "format on standard output"},
        {.name = "output-err",
         .kind = OPTION_CHOICE,
         .offset = FIELD(output_err),
         .argument = "md|json|jsonl|none",
         .initial = "none",
         .help = "the same on standard error (-oe)",
         .aliases = "-oe"},
        {.name = "progress", .offset = FIELD(progress), .help = "say on standard error what is being run"},
        {.name = NULL},
};

#undef FIELD
#define FIELD(name) offsetof(struct bench_source_options, name)

const struct option bench_source_options[] = {
        {.name = "model",
         .letter = 'm',
         .kind = OPTION_LIST,
         .offset = FIELD(models),
         .argument = "FILE|NAME",
         .help = "the model, a GGUF file; may be given several times; default $TERN_MODEL, else the one that ships "
                 "with tern"},
        {.name = "shape",
         .kind = OPTION_LIST,
         .offset = FIELD(shapes),
         .argument = "SHAPE",
         .help = "random weights of that shape (below) instead of a file; SHAPE:128 with a scale for every 128 "
                 "columns, "
                 "as weight-only models have"},
        {.name = "overcommit",
         .offset = FIELD(overcommit),
         .help = "go on where the model and its context need more memory than is available"},
        {.name = "no-mmap", .offset = FIELD(no_mmap), .help = "read the file into memory instead of mapping it"},
        {.name = "mlock", .offset = FIELD(mlock), .help = "keep the weights in memory, never on swap"},
        {.name = NULL},
};

/* ---- lists ---- */

static bool append(struct bench_list *list, int value, bool *failed)
{
	if (list->n_items >= MAX_ITEMS)
		return false;
	if (!TERN_GROW(list->items, list->capacity, list->n_items + 1)) {
		*failed = true;
		return false;
	}
	list->items[list->n_items++] = value;
	return true;
}

/* Reads the digits at *at and moves past them. */
static bool take_number(const char **at, int *value)
{
	char digits[MAX_DIGITS + 1];
	size_t length = strspn(*at, "0123456789");

	if (length == 0 || length > MAX_DIGITS)
		return false;
	snprintf(digits, sizeof digits, "%.*s", (int)length, *at);
	*at += length;
	return parse_int(digits, 0, 1 << 30, value);
}

/* Reads "5", "1-8", "1-8+2" or "1-8*2" at *at and moves past it. */
static bool append_range(struct bench_list *list, const char **at, int min, int max, bool *failed)
{
	int first, last, step = 1;
	bool multiply = false;

	if (!take_number(at, &first))
		return false;
	last = first;
	if (**at == '-') {
		++*at;
		if (!take_number(at, &last))
			return false;
		if (**at == '+' || **at == '*') {
			multiply = *(*at)++ == '*';
			if (!take_number(at, &step))
				return false;
		}
	}
	/* Refuses ranges that would never end: steps of 0, factors of 1, factors from 0. */
	if (first < min || last > max || last < first || step < (multiply ? 2 : 1) || (multiply && first == 0))
		return false;
	for (int64_t value = first; value <= last; value = multiply ? value * step : value + step)
		if (!append(list, (int)value, failed))
			return false;
	return true;
}

/* Appends the numbers of an option's value. False if it is no list of numbers within min..max, or too long; *failed is
 * set if memory ran out. */
static bool parse_list(struct bench_list *list, const char *text, int min, int max, bool *failed)
{
	while (append_range(list, &text, min, max, failed))
		if (!*text)
			return true;
		else if (*text++ != ',')
			return false;
	return false;
}

/* ---- the plan ---- */

struct list_option {
	const char *name;
	size_t given, list; /* offsets in struct bench_own_options, struct bench_plan */
	const char *initial;
	int min, max;
};

#define LIST_OPTION(name, member, initial, min, max)                                                                 \
	{                                                                                                            \
		name, offsetof(struct bench_own_options, member), offsetof(struct bench_plan, member), initial, min, \
		        max                                                                                          \
	}

/* All but --pg, whose items are pairs. */
static const struct list_option list_options[] = {
        LIST_OPTION("n-prompt", prompts, "512", 0, MAX_TOKENS),
        LIST_OPTION("n-gen", gens, "128", 0, MAX_TOKENS),
        LIST_OPTION("edit", edits, NULL, 1, MAX_TOKENS),
        LIST_OPTION("n-depth", depths, "0", 0, MAX_TOKENS),
        LIST_OPTION("batch-size", batches, "512", 1, MAX_BATCH),
        LIST_OPTION("threads", threads, NULL, 1, TERN_MAX_THREADS),
        LIST_OPTION("repetitions", reps, "5", 1, MAX_REPS),
};

enum {
	N_LIST_OPTIONS = sizeof list_options / sizeof *list_options
};

static struct bench_list *list_of(struct bench_plan *plan, const struct list_option *option)
{
	return (struct bench_list *)(void *)((char *)plan + option->list);
}

/* Reads all occurrences of an option; its initial value if there are none. */
static enum tern_status read_list(struct bench_plan *plan, const struct command *command,
                                  const struct bench_own_options *own, const struct list_option *option)
{
	const struct option_list *given = (const void *)((const char *)own + option->given);
	struct bench_list *list = list_of(plan, option);
	bool no_memory = false;

	if (given->n_items == 0 && option->initial)
		parse_list(list, option->initial, 0, MAX_TOKENS, &no_memory);
	for (size_t i = 0; i < given->n_items && !no_memory; i++)
		if (!parse_list(list, given->items[i], option->min, option->max, &no_memory) && !no_memory)
			return usage_error(command,
			                   "--%s: '%.64s' is not a list of whole numbers (like 512 or 1,2,4 or 1-8 or "
			                   "1-8+2 or 1-8*2, from %d to %d)",
			                   option->name, given->items[i], option->min, option->max);
	return no_memory ? report_out_of_memory() : TERN_OK;
}

/* Reads --pg, whose every occurrence is a pair. */
static enum tern_status read_pairs(struct bench_plan *plan, const struct command *command,
                                   const struct option_list *given)
{
	bool no_memory = false;

	for (size_t i = 0; i < given->n_items && !no_memory; i++) {
		size_t n_before = plan->both.n_items;
		bool good = parse_list(&plan->both, given->items[i], 1, MAX_TOKENS, &no_memory);
		if (!no_memory && (!good || plan->both.n_items != n_before + 2))
			return usage_error(command,
			                   "--pg: '%.64s' is not two numbers of tokens from 1 to %d, as 512,128",
			                   given->items[i], MAX_TOKENS);
	}
	return no_memory ? report_out_of_memory() : TERN_OK;
}

/* Without -t: $TERN_THREADS, else the machine's default. With --threads-sweep: all numbers up to the largest, or about
 * 16 of them. */
static enum tern_status complete_threads(struct bench_list *threads, const struct bench_options *options)
{
	int n, largest = 1;
	bool no_memory = false;
	enum tern_status status = common_threads(&options->common, &n);

	if (status)
		return status;
	if (threads->n_items == 0)
		append(threads, n ? n : tern_default_threads(), &no_memory);
	if (options->own.sweep && !no_memory) {
		for (size_t i = 0; i < threads->n_items; i++)
			largest = threads->items[i] > largest ? threads->items[i] : largest;
		int step = (largest + 15) / 16;
		threads->n_items = 0;
		append(threads, 1, &no_memory);
		for (n = step > 1 ? step : 2; n < largest; n += step)
			append(threads, n, &no_memory);
		if (largest > 1)
			append(threads, largest, &no_memory);
	}
	return no_memory ? report_out_of_memory() : TERN_OK;
}

static size_t count_nonzero(const struct bench_list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n_items; i++)
		n += list->items[i] > 0;
	return n;
}

enum tern_status bench_plan_read(struct bench_plan *plan, const struct command *command,
                                 const struct bench_options *options)
{
	size_t n_each;
	enum tern_status status = read_pairs(plan, command, &options->own.both);

	for (size_t i = 0; i < N_LIST_OPTIONS && !status; i++)
		status = read_list(plan, command, &options->own, &list_options[i]);
	if (status || (status = complete_threads(&plan->threads, options)))
		return status;
	n_each = count_nonzero(&plan->prompts) + count_nonzero(&plan->gens) + plan->both.n_items / 2 +
	         plan->edits.n_items;
	if (n_each == 0)
		return usage_error(command,
		                   "nothing to measure: all of -p and -n are 0, and there is no -pg or --edit");
	plan->n_tests =
	        n_each * plan->depths.n_items * plan->batches.n_items * plan->threads.n_items * plan->reps.n_items;
	return TERN_OK;
}

void bench_plan_free(struct bench_plan *plan)
{
	tern_free(plan->both.items);
	for (size_t i = 0; i < N_LIST_OPTIONS; i++)
		tern_free(list_of(plan, &list_options[i])->items);
	*plan = (struct bench_plan){0};
}
