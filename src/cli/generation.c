#include "cli/generation.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "console/suggest.h"
#include "console/term.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define FIELD(name) offsetof(struct generation_options, name)

const struct option generation_options[] = {
        {.name = "raw", .offset = FIELD(raw), .help = "continue the text as it is, without the model's chat format"},
        {.name = "predict",
         .letter = 'n',
         .kind = OPTION_INT,
         .offset = FIELD(n_predict),
         .argument = "N",
         .min = -1,
         .max = INT_MAX,
         .initial = "-1",
         .help = "tokens at most; -1: until the text ends or the context is full",
         .aliases = "n-predict num-predict max-tokens"},
        {.name = "ctx",
         .letter = 'c',
         .kind = OPTION_INT,
         .offset = FIELD(n_ctx),
         .argument = "N",
         .max = INT_MAX,
         .initial = "-1",
         .help = "tokens of context; 0: all the model allows; default the least of 4096 and that",
         .aliases = "ctx-size"},
        {.name = "state-cache",
         .kind = OPTION_INT,
         .offset = FIELD(state_cache),
         .argument = "N",
         .max = INT_MAX,
         .initial = "512",
         .help = "MiB for snapshots of a hybrid model's state, to go back to instead of reading all again"},
        {.name = "system",
         .letter = 's',
         .kind = OPTION_TEXT,
         .offset = FIELD(system),
         .argument = "TEXT",
         .help = "system text: who the model is to be",
         .aliases = "system-prompt"},
        {.name = "template",
         .kind = OPTION_TEXT,
         .offset = FIELD(chat_format),
         .argument = "FORMAT",
         .help = "the chat format, instead of what the model's file says: llama-3, chatml, qwen3, ...",
         .aliases = "chat-template"},
        {.name = "no-thinking",
         .offset = FIELD(no_thinking),
         .help = "leave thoughts out, and ask for none where the chat format can"},
        {.name = "reasoning-effort",
         .kind = OPTION_CHOICE,
         .offset = FIELD(effort),
         .argument = GENERATION_EFFORTS,
         .help = "how long to think, where the chat format can ask for it; auto: as its template does",
         .aliases = "effort"},
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
        {.name = "lookup",
         .kind = OPTION_INT,
         .offset = FIELD(lookup),
         .argument = "N",
         .max = 16,
         .initial = "16",
         .help = "guess up to N tokens at a time from repetitions, as far as that saves time; same text; 0: none"},
        {.name = "seed",
         .kind = OPTION_SEED,
         .offset = FIELD(seed),
         .argument = "N",
         .help = "same seed, same text; -1: a random one, as without the option; -v shows it"},
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

struct tern_generate_options generation_limits(const struct generation_options *options)
{
	return (struct tern_generate_options){
	        .n_predict = options->n_predict < 0 ? 0 : options->n_predict,
	        .stops = options->stops.items,
	        .n_stops = options->stops.n_items,
	        .lookup = options->lookup ? options->lookup : -1,
	        .ignore_end = options->ignore_eos,
	        .show_special = options->show_special,
	};
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

unsigned generation_chat_flags(const struct generation_options *options)
{
	static const unsigned efforts[] = {0, TERN_CHAT_EFFORT_LOW, TERN_CHAT_EFFORT_MEDIUM, TERN_CHAT_EFFORT_XHIGH};

	return TERN_CHAT_GENERATE | (options->no_thinking ? TERN_CHAT_NO_THINKING : 0) | efforts[options->effort];
}

static enum tern_status unknown_chat_format(const struct command *command, const char *name)
{
	struct suggestion suggestion;
	struct text list = {0};
	enum tern_status status;

	suggest_start(&suggestion, name, strlen(name));
	for (size_t i = 0; tern_chat_format_name(i); i++) {
		const char *known = tern_chat_format_name(i);
		suggest_offer(&suggestion, known, strlen(known));
		text_printf(&list, "%s%s", i ? ", " : "", known);
	}
	if (suggestion.best[0])
		status = usage_error(command, "--template: unknown chat format '%.64s' (did you mean '%s'?)", name,
		                     suggestion.best);
	else
		status = usage_error(command, "--template: unknown chat format '%.64s'; known are %s", name,
		                     list.failed ? "none" : list.bytes);
	text_free(&list);
	return status;
}

enum tern_status generation_find_fault(const struct generation_options *options, struct tern_error *err)
{
	if (options->n_predict == 0)
		return tern_fail(err, TERN_ERR_USAGE, "predict: 0 tokens would be no answer");
	for (size_t i = 0; i < options->stops.n_items; i++)
		if (!options->stops.items[i][0])
			return tern_fail(err, TERN_ERR_USAGE, "stop: the text is empty");
	if (options->raw && options->chat_format)
		return tern_fail(err, TERN_ERR_USAGE, "template is a chat format, which raw leaves out");
	if (options->raw && options->system)
		return tern_fail(err, TERN_ERR_USAGE, "system is part of the chat format, which raw leaves out");
	if (options->raw && (options->no_thinking || options->effort))
		return tern_fail(err, TERN_ERR_USAGE, "%s is part of the chat format, which raw leaves out",
		                 options->no_thinking ? "no-thinking" : "reasoning-effort");
	return TERN_OK;
}

enum tern_status generation_check(const struct command *command, const struct generation_options *options)
{
	const char *system = options->system;
	struct tern_error err;

	/* -s is the seed in llama.cpp. */
	if (system && *system && !system[strspn(system, "0123456789")])
		return usage_error(command,
		                   "-s is the system text, and '%.20s' is only a number; the seed is --seed %.20s",
		                   system, system);
	if (options->chat_format && !tern_chat_format_is_known(options->chat_format))
		return unknown_chat_format(command, options->chat_format);
	return generation_find_fault(options, &err) ? usage_error(command, "--%s", err.message) : TERN_OK;
}

enum tern_status generation_open_session(struct tern_session **session, const struct generation_options *options,
                                         const struct opened *opened, int n_threads, struct tern_error *err)
{
	int n_ctx = options->n_ctx;
	struct tern_session_options settings = {.n_ctx = n_ctx < 0    ? 0
	                                                 : n_ctx == 0 ? -1
	                                                              : n_ctx,
	                                        .n_threads = n_threads,
	                                        .kv = opened->kv,
	                                        .state_cache = options->state_cache ? options->state_cache : -1};

	return tern_session_new(session, opened->model, &settings, err);
}

void generation_tell_session(const struct tern_session *session, const struct common_options *common,
                             const struct opened *opened, const char *chat_format)
{
	int n_ctx = tern_session_n_ctx(session);

	if (n_ctx > opened->info.n_ctx_train)
		warn("a context of %d tokens is more than the %d the model was made for", n_ctx,
		     opened->info.n_ctx_train);
	if (common->verbose)
		note("context %d tokens, %d threads, kernels %s, %s", n_ctx, tern_session_n_threads(session),
		     tern_isa_name(NULL), chat_format ? chat_format : "no chat format");
}

enum tern_status generation_add_stops(struct generation_options *options, const struct tern_model *model,
                                      struct tern_error *err)
{
	const char *const *more = tern_chat_stops(model);
	struct option_list *stops = &options->stops;

	for (; *more; more++) {
		const char **items = tern_realloc((void *)stops->items, stops->n_items + 1, sizeof *items);
		if (!items)
			return tern_fail_memory(err, (stops->n_items + 1) * sizeof *items);
		items[stops->n_items++] = *more;
		stops->items = items;
	}
	return TERN_OK;
}

void generation_describe(struct text *line, const struct tern_generate_result *result)
{
	text_printf(line, "prompt %d tokens", result->n_prompt);
	if (result->prompt_seconds > 0)
		text_printf(line, " %.1f t/s", result->n_prompt / result->prompt_seconds);
	text_printf(line, " · generated %d tokens", result->n_generated);
	if (result->n_generated > 0 && result->generate_seconds > 0)
		text_printf(line, " %.1f t/s", result->n_generated / result->generate_seconds);
	if (result->n_guessed > 0)
		text_printf(line, ", %d of %d guesses right", result->n_accepted, result->n_guessed);
}
