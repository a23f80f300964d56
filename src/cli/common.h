/* What several subcommands share: groups of options, and opening a model with them. */
#ifndef TERN_CLI_COMMON_H
#define TERN_CLI_COMMON_H

#include "console/options.h"

#include <tern.h>

/* Groups "Model", "Computing" and "Messages". */
struct common_options {
	const char *model; /* NULL if not given */
	bool no_mmap, mlock;
	int n_threads; /* 0 if not given: see common_threads() */
	bool quiet, verbose;
	int color; /* enum term_color */
};

extern const struct option common_model_options[], common_computing_options[], common_message_options[];

/* The groups as rows of a command's table; `field` is the struct common_options in the command's values. */
#define COMMON_MODEL_GROUP(values, field)                               \
	{                                                               \
		"Model:", common_model_options, offsetof(values, field) \
	}
#define COMMON_COMPUTING_GROUP(values, field)                                   \
	{                                                                       \
		"Computing:", common_computing_options, offsetof(values, field) \
	}
#define COMMON_MESSAGE_GROUP(values, field)                                  \
	{                                                                    \
		"Messages:", common_message_options, offsetof(values, field) \
	}

/* Group "Generation". */
struct generation_options {
	int n_predict; /* -1 = until the text ends */
	int n_ctx;     /* as typed: -1 = not given, 0 = the model's */
	const char *system;
	float temperature, top_p, min_p, repeat_penalty;
	int top_k, repeat_last_n;
	struct option_seed seed;
	struct option_list stops;
	bool raw, ignore_eos, show_special;
};

extern const struct option generation_options[];
#define GENERATION_GROUP(values, field)                                    \
	{                                                                  \
		"Generation:", generation_options, offsetof(values, field) \
	}

/* Makes the options known to the other parts (colour, quiet), and takes the first operand as the model if it is a
 * .gguf file and -m is absent. To be called after options_parse(). */
void common_apply(struct common_options *options, struct operands *operands);

/* An open model and where it came from. */
struct opened {
	struct tern_model *model;
	char *path;
	struct tern_model_info info;
};

/* Finds and opens the model; errors are reported. With --verbose tells what was opened. */
enum tern_status common_open(struct opened *opened, const struct common_options *options);
/* The same, and refuses a file of a vocabulary alone. */
enum tern_status common_open_weights(struct opened *opened, const struct common_options *options);
void common_close(struct opened *opened);

/* The number of threads from -t or $TERN_THREADS, 0 if neither; TERN_ERR_USAGE was reported for a bad variable. */
enum tern_status common_threads(const struct common_options *options, int *n_threads);

/* Settings of the sampler; the seed is random unless given. */
struct tern_sampler_options generation_sampler(const struct generation_options *options);

/* Refuses combinations that make no sense; the error was reported. */
enum tern_status generation_check(const struct command *command, const struct generation_options *options);

#endif
