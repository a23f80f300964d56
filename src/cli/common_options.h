/* Options that all subcommands with a model share. */
#ifndef TERN_CLI_COMMON_OPTIONS_H
#define TERN_CLI_COMMON_OPTIONS_H

#include "console/options.h"

#include <stdbool.h>
#include <tern.h>

/* Groups "Model", "Computing" and "Messages". */
struct common_options {
	const char *model; /* NULL if not given */
	int i2s_layout;    /* enum tern_i2s_layout */
	bool no_mmap, mlock, overcommit;
	int n_threads; /* 0 if not given: see common_threads() */
	int kv;        /* enum tern_kv_type */
	bool quiet, verbose;
	int color; /* enum term_color */
	/* No options of these groups: some commands set them before they open the model. */
	bool no_text;            /* they need no tokenizer */
	const char *chat_format; /* --template */
};

extern const struct option common_model_options[], common_computing_options[], common_message_options[];

/* The words for enum tern_kv_type. */
#define COMMON_KV_TYPES "f16|q8"

/* The groups as rows of a command's table; `field` is the struct common_options among the command's values. */
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

/* Applies color and quiet, and takes the first operand as the model if it ends in .gguf and there is no -m. Call it
 * after options_parse(). */
void common_apply(struct common_options *options, struct operands *operands);

/* Gets the number of threads from -t or $TERN_THREADS; 0 if there is neither. TERN_ERR_USAGE, reported, if the variable
 * is no such number. */
enum tern_status common_threads(const struct common_options *options, int *n_threads);

#endif
