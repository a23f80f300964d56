/* How text is generated: the options that `run` and `chat` share, and what follows from them. */
#ifndef TERN_CLI_GENERATION_H
#define TERN_CLI_GENERATION_H

#include "cli/open_model.h"
#include "console/text.h"

/* Group "Generation". */
struct generation_options {
	int n_predict;   /* -1 = until the text ends */
	int n_ctx;       /* as typed: -1 = not given, 0 = the model's */
	int state_cache; /* MiB */
	const char *system;
	float temperature, top_p, min_p, repeat_penalty;
	int top_k, repeat_last_n;
	int lookup; /* 0: none */
	struct option_seed seed;
	struct option_list stops;
	const char *chat_format; /* NULL: the model's own */
	bool no_thinking, raw, ignore_eos, show_special;
	int effort; /* index of a word of GENERATION_EFFORTS */
};

/* The words for the effort of reasoning. */
#define GENERATION_EFFORTS "auto|low|medium|xhigh"

extern const struct option generation_options[];
/* Those of a chat: all but the first one, --raw. */
#define GENERATION_CHAT_OPTIONS (generation_options + 1)
#define GENERATION_GROUP(values, field)                                    \
	{                                                                  \
		"Generation:", generation_options, offsetof(values, field) \
	}
#define GENERATION_CHAT_GROUP(values, field)                                    \
	{                                                                       \
		"Generation:", GENERATION_CHAT_OPTIONS, offsetof(values, field) \
	}

/* Settings of the sampler; the seed is random unless given. */
struct tern_sampler_options generation_sampler(const struct generation_options *options);

/* Settings of tern_generate(), without callbacks; the stop strings are those of the options. */
struct tern_generate_options generation_limits(const struct generation_options *options);

/* For tern_chat_tokenize(): an answer, with or without thoughts, and the effort of reasoning. */
unsigned generation_chat_flags(const struct generation_options *options);

/* TERN_ERR_USAGE for values that make no sense, alone or together. */
enum tern_status generation_find_fault(const struct generation_options *options, struct tern_error *err);
/* The same for a command line; the error was reported. */
enum tern_status generation_check(const struct command *command, const struct generation_options *options);

/* Opens the session that the options ask for. Prints nothing; may run in any thread. */
enum tern_status generation_open_session(struct tern_session **session, const struct generation_options *options,
                                         const struct opened *opened, int n_threads, struct tern_error *err);

/* Warns of a context longer than the model's; with --verbose prints facts about the session. chat_format: NULL if none
 * is used. */
void generation_tell_session(const struct tern_session *session, const struct common_options *common,
                             const struct opened *opened, const char *chat_format);

/* Appends the stop strings of the model's chat format to options->stops. They are the model's, which has to stay open
 * as long as they are used. */
enum tern_status generation_add_stops(struct generation_options *options, const struct tern_model *model,
                                      struct tern_error *err);

/* "prompt 12 tokens 412.1 t/s · generated 30 tokens 31.4 t/s, 9 of 12 guesses right" */
void generation_describe(struct text *line, const struct tern_generate_result *result);

#endif
