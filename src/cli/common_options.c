#include "cli/common_options.h"

#include "base/machine.h"
#include "console/term.h"

#include <stdlib.h>
#include <string.h>

#define FIELD(name) offsetof(struct common_options, name)

const struct option common_model_options[] = {
        {.name = "model",
         .letter = 'm',
         .kind = OPTION_TEXT,
         .offset = FIELD(model),
         .argument = "FILE|NAME",
         .help = "the model, a GGUF file; default $TERN_MODEL, else the one that ships with tern"},
        {.name = "i2s-layout",
         .kind = OPTION_CHOICE,
         .offset = FIELD(i2s_layout),
         .argument = "128|64|rows4",
         .initial = "128",
         .help = "how weights of type I2_S are packed, which the file does not say; 64: made on ARM"},
        {.name = NULL},
};

const struct option common_computing_options[] = {
        {.name = "threads",
         .letter = 't',
         .kind = OPTION_INT,
         .offset = FIELD(n_threads),
         .argument = "N",
         .min = 1,
         .max = TERN_MAX_THREADS,
         .help = "threads; default $TERN_THREADS, else the fast physical cores"},
        {.name = "kv",
         .kind = OPTION_CHOICE,
         .offset = FIELD(kv),
         .argument = COMMON_KV_TYPES,
         .initial = "f16",
         .help = "how keys and values of the context are stored; q8: half the memory, nearly the same results"},
        {.name = "overcommit",
         .offset = FIELD(overcommit),
         .help = "go on where the model and its context need more memory than is available"},
        {.name = "no-mmap", .offset = FIELD(no_mmap), .help = "read the file into memory instead of mapping it"},
        {.name = "mlock", .offset = FIELD(mlock), .help = "keep the weights in memory, never on swap"},
        {.name = NULL},
};

const struct option common_message_options[] = {
        {.name = "quiet", .letter = 'q', .offset = FIELD(quiet), .help = "no warnings, no progress"},
        {.name = "verbose",
         .letter = 'v',
         .offset = FIELD(verbose),
         .help = "print speed, seed and facts on standard error"},
        {.name = "color",
         .kind = OPTION_CHOICE,
         .offset = FIELD(color),
         .argument = "auto|always|never",
         .initial = "auto",
         .help = "color"},
        {.name = "help", .letter = 'h', .kind = OPTION_HELP, .help = "this text"},
        {.name = "version", .kind = OPTION_VERSION, .help = "the version of tern"},
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
	if (*n_threads || !preset || !*preset || parse_int(preset, 1, TERN_MAX_THREADS, n_threads))
		return TERN_OK;
	report("TERN_THREADS: expected a whole number (from 1 to %d), found '%.64s'", TERN_MAX_THREADS, preset);
	return TERN_ERR_USAGE;
}
