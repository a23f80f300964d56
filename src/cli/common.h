/* What all subcommands with a model share: groups of options, and opening it. */
#ifndef TERN_CLI_COMMON_H
#define TERN_CLI_COMMON_H

#include "console/options.h"

#include <stdint.h>
#include <tern.h>

/* Groups "Model", "Computing" and "Messages". */
struct common_options {
	const char *model; /* NULL if not given */
	int i2s_layout;    /* enum tern_i2s_layout */
	bool no_mmap, mlock;
	int n_threads; /* 0 if not given: see common_threads() */
	int kv;        /* enum tern_kv_type */
	bool quiet, verbose;
	int color; /* enum term_color */
	/* Not an option of these groups: set by commands that let the user choose, before the model is opened. */
	bool no_text; /* set by commands that need no tokenizer */
	const char *chat_format;
};

extern const struct option common_model_options[], common_computing_options[], common_message_options[];

/* The words for enum tern_kv_type. */
#define COMMON_KV_TYPES "f16|q8"

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

/* Makes the options known to the other parts (colour, quiet), and takes the first operand as the model if it is a
 * .gguf file and -m is absent. To be called after options_parse(). */
void common_apply(struct common_options *options, struct operands *operands);

/* An open model and where it came from. */
struct opened {
	struct tern_model *model;
	char *path;
	enum tern_kv_type kv; /* for its sessions */
	struct tern_model_info info;
	struct tern_error not_locked; /* why --mlock had no effect; status TERN_OK if it had or was not asked for */
	uint64_t open_ns;
};

/* Finds and opens the model; errors are reported. With --verbose tells what was opened. */
enum tern_status common_open(struct opened *opened, const struct common_options *options);
/* The same, and refuses a file of a vocabulary alone. */
enum tern_status common_open_weights(struct opened *opened, const struct common_options *options);
void common_close(struct opened *opened);

/* The parts of common_open_weights(), for a command that opens in another thread: the first finds the file and the last
 * tells about it; both report. The one between may run in any thread and prints nothing. */
enum tern_status common_find(struct opened *opened, const struct common_options *options,
                             struct tern_model_options *settings);
enum tern_status common_open_found(struct opened *opened, struct tern_model_options settings, struct tern_error *err);
enum tern_status common_tell_opened(const struct opened *opened, const struct common_options *options);

/* The number of threads from -t or $TERN_THREADS, 0 if neither; TERN_ERR_USAGE was reported for a bad variable. */
enum tern_status common_threads(const struct common_options *options, int *n_threads);

#endif
