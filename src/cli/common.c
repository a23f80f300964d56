#include "cli/common.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cli/models.h"
#include "console/signals.h"
#include "console/term.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MAX_THREADS = 1024
};

#define FIELD(name) offsetof(struct common_options, name)

const struct option common_model_options[] = {
        {.name = "model",
         .letter = 'm',
         .kind = OPTION_TEXT,
         .offset = FIELD(model),
         .argument = "FILE|NAME",
         .help = "the model, a GGUF file; default $TERN_MODEL, else the one that ships with tern"},
        {.name = NULL},
};

const struct option common_computing_options[] = {
        {.name = "threads",
         .letter = 't',
         .kind = OPTION_INT,
         .offset = FIELD(n_threads),
         .argument = "N",
         .min = 1,
         .max = MAX_THREADS,
         .help = "threads; default $TERN_THREADS, else the fast physical cores"},
        {.name = "no-mmap", .offset = FIELD(no_mmap), .help = "read the file into memory instead of mapping it"},
        {.name = "mlock", .offset = FIELD(mlock), .help = "keep the weights in memory, never on swap"},
        {.name = NULL},
};

const struct option common_message_options[] = {
        {.name = "quiet", .letter = 'q', .offset = FIELD(quiet), .help = "no warnings, no progress"},
        {.name = "verbose", .letter = 'v', .offset = FIELD(verbose), .help = "speed, seed and facts on standard error"},
        {.name = "color",
         .kind = OPTION_CHOICE,
         .offset = FIELD(color),
         .argument = "auto|always|never",
         .initial = "auto",
         .help = "colour"},
        {.name = "help", .letter = 'h', .kind = OPTION_HELP, .help = "this text"},
        {.name = "version", .kind = OPTION_VERSION, .help = "the version of tern"},
        {.name = NULL},
};

#undef FIELD
#define FIELD(name) offsetof(struct generation_options, name)

const struct option generation_options[] = {
        {.name = "predict",
         .letter = 'n',
         .kind = OPTION_INT,
         .offset = FIELD(n_predict),
         .argument = "N",
         .min = -1,
         .max = INT_MAX,
         .initial = "-1",
         .help = "tokens at most; -1: until the text ends or the context is full",
         .aliases = "n-predict"},
        {.name = "ctx",
         .letter = 'c',
         .kind = OPTION_INT,
         .offset = FIELD(n_ctx),
         .argument = "N",
         .max = INT_MAX,
         .initial = "-1",
         .help = "tokens of context; 0: all the model allows; default the least of 4096 and that",
         .aliases = "ctx-size"},
        {.name = "system",
         .letter = 's',
         .kind = OPTION_TEXT,
         .offset = FIELD(system),
         .argument = "TEXT",
         .help = "system text: who the model is to be",
         .aliases = "system-prompt"},
        {.name = "raw", .offset = FIELD(raw), .help = "continue the text as it is, without the model's chat format"},
        {.name = "temp",
         .kind = OPTION_FLOAT,
         .offset = FIELD(temperature),
         .argument = "T",
         .max = 100,
         .initial = "0.8",
         .help = "temperature; 0: always the likeliest token",
         .aliases = "temperature"},
        {.name = "top-k",
         .kind = OPTION_INT,
         .offset = FIELD(top_k),
         .argument = "N",
         .max = INT_MAX,
         .initial = "40",
         .help = "choose among the N likeliest tokens; 0: all"},
        {.name = "top-p",
         .kind = OPTION_FLOAT,
         .offset = FIELD(top_p),
         .argument = "P",
         .max = 1,
         .initial = "0.95",
         .help = "choose among the likeliest tokens that make up P of the probability"},
        {.name = "min-p",
         .kind = OPTION_FLOAT,
         .offset = FIELD(min_p),
         .argument = "P",
         .max = 1,
         .initial = "0.05",
         .help = "drop tokens less likely than P times the likeliest"},
        {.name = "repeat-penalty",
         .kind = OPTION_FLOAT,
         .offset = FIELD(repeat_penalty),
         .argument = "X",
         .min = 0.01,
         .max = 100,
         .initial = "1",
         .help = "make tokens of the recent text less likely; 1: off"},
        {.name = "repeat-last-n",
         .kind = OPTION_INT,
         .offset = FIELD(repeat_last_n),
         .argument = "N",
         .max = INT_MAX,
         .initial = "64",
         .help = "how many tokens are recent"},
        {.name = "seed",
         .kind = OPTION_SEED,
         .offset = FIELD(seed),
         .argument = "N",
         .help = "same seed, same text; default random, shown by -v"},
        {.name = "stop",
         .kind = OPTION_LIST,
         .offset = FIELD(stops),
         .argument = "TEXT",
         .help = "end where this text would come; may be given several times",
         .aliases = "reverse-prompt"},
        {.name = "ignore-eos", .offset = FIELD(ignore_eos), .help = "go on past the end of the text"},
        {.name = "show-special",
         .offset = FIELD(show_special),
         .help = "spell special tokens out",
         .aliases = "special"},
        {.name = NULL},
};

static bool ends_in_gguf(const char *text)
{
	size_t length = strlen(text);
	return length > 5 && strcmp(text + length - 5, ".gguf") == 0;
}

void common_apply(struct common_options *options, struct operands *operands)
{
	term_configure((enum term_color)options->color, options->quiet);
	if (!options->model && operands->n_items > 0 && ends_in_gguf(operands->items[0])) {
		options->model = operands->items[0];
		operands->n_items--;
		memmove((void *)operands->items, (const void *)(operands->items + 1),
		        operands->n_items * sizeof *operands->items);
	}
}

enum tern_status common_threads(const struct common_options *options, int *n_threads)
{
	const char *preset = getenv("TERN_THREADS");

	*n_threads = options->n_threads;
	if (*n_threads || !preset || !*preset || parse_int(preset, 1, MAX_THREADS, n_threads))
		return TERN_OK;
	report("TERN_THREADS: '%.64s' is not a whole number (from 1 to %d)", preset, MAX_THREADS);
	return TERN_ERR_USAGE;
}

/* Opens; if the system refuses to lock memory, says so and goes on without. */
static enum tern_status open_model(struct opened *opened, struct tern_model_options settings, struct tern_error *err)
{
	enum tern_status status = tern_model_open(&opened->model, opened->path, &settings, err);
	struct tern_error second;

	if (status != TERN_ERR_FAILED || !settings.lock)
		return status;
	settings.lock = false;
	if (tern_model_open(&opened->model, opened->path, &settings, &second))
		return status;
	warn("%s; going on without --mlock", err->message);
	return TERN_OK;
}

enum tern_status common_open(struct opened *opened, const struct common_options *options)
{
	struct tern_model_options settings = {.no_mmap = options->no_mmap, .lock = options->mlock};
	struct tern_error err;
	uint64_t started = tern_clock_ns();
	enum tern_status status;

	memset(opened, 0, sizeof *opened);
	if ((status = common_threads(options, &settings.n_threads)) ||
	    (status = models_find(options->model, &opened->path)))
		return status;
	if (!options->no_mmap)
		signals_watch_map(opened->path);
	if ((status = open_model(opened, settings, &err))) {
		report_error(&err);
		common_close(opened);
		return status;
	}
	tern_model_get_info(opened->model, &opened->info);
	if (options->verbose)
		note("%s: %s, %.4g M parameters, %.4g MiB, opened in %.3g ms", opened->path, opened->info.arch,
		     (double)opened->info.n_params * 1e-6, (double)opened->info.n_weight_bytes / (1 << 20),
		     (double)(tern_clock_ns() - started) * 1e-6);
	return TERN_OK;
}

enum tern_status common_open_weights(struct opened *opened, const struct common_options *options)
{
	enum tern_status status = common_open(opened, options);

	if (status || opened->info.n_layer > 0)
		return status;
	report("%s: holds a vocabulary and no weights", opened->path);
	return TERN_ERR_FILE;
}

void common_close(struct opened *opened)
{
	tern_model_close(opened->model);
	tern_free(opened->path);
	memset(opened, 0, sizeof *opened);
}

/* A seed short enough to type and exact in every JSON reader. */
static uint64_t random_seed(void)
{
	uint32_t seed = 0;
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, &seed, sizeof seed) : 0;

	if (fd >= 0)
		close(fd);
	if (got != (ssize_t)sizeof seed)
		seed = (uint32_t)(tern_clock_ns() * 2654435761u) ^ (uint32_t)getpid();
	return seed;
}

struct tern_sampler_options generation_sampler(const struct generation_options *options)
{
	return (struct tern_sampler_options){
	        .temperature = options->temperature,
	        .top_k = options->top_k,
	        .top_p = options->top_p,
	        .min_p = options->min_p,
	        .repeat_penalty = options->repeat_penalty,
	        .repeat_last_n = options->repeat_last_n,
	        .seed = options->seed.is_given ? options->seed.value : random_seed(),
	};
}

enum tern_status generation_check(const struct command *command, const struct generation_options *options)
{
	const char *system = options->system;

	/* -s is the seed in llama.cpp. */
	if (system && *system && !system[strspn(system, "0123456789")])
		return usage_error(command,
		                   "-s is the system text, and '%.20s' is only a number; the seed is --seed %.20s",
		                   system, system);
	if (options->n_predict == 0)
		return usage_error(command, "--predict: 0 tokens would be no answer");
	for (size_t i = 0; i < options->stops.n_items; i++)
		if (!options->stops.items[i][0])
			return usage_error(command, "--stop: the text is empty");
	if (options->raw && system)
		return usage_error(command, "--system is part of the chat format, which --raw leaves out");
	return TERN_OK;
}
