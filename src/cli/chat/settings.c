#include "cli/chat/settings.h"
#include "base/memory.h"
#include "console/format.h"
#include "console/suggest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	NAME_COLUMN = 18
};

/* The options of generation that are settings too; like on a command line, - may be typed for _, and the options' other
 * names. */
static const char *const generation_names[] = {"temp",          "top_k",  "top_p", "min_p",   "repeat_penalty",
                                               "repeat_last_n", "lookup", "seed",  "predict", "reasoning_effort"};

/* Settings that are on or off, with their fields of struct chat. */
static const struct {
	const char *name;
	size_t offset;
	bool is_inverted; /* the field is true when the setting is off */
} switches[] = {
        {"thinking", offsetof(struct chat, values.generation.no_thinking), true},
        {"wrap", offsetof(struct chat, is_unwrapped), true},
        {"show_probs", offsetof(struct chat, values.probs.show), false},
        {"verbose", offsetof(struct chat, values.common.verbose), false},
};

/* A setting is known by its place in the list that /set shows. */
enum {
	SETTING_STOP = sizeof generation_names / sizeof *generation_names,
	SETTING_SYSTEM,
	SETTING_SWITCH, /* the first of the switches */
	N_SETTINGS = SETTING_SWITCH + sizeof switches / sizeof *switches
};

static const char *name_of(size_t setting)
{
	return setting < SETTING_STOP      ? generation_names[setting]
	       : setting == SETTING_STOP   ? "stop"
	       : setting == SETTING_SYSTEM ? "system"
	                                   : switches[setting - SETTING_SWITCH].name;
}

/* The option of a setting of generation. */
static const struct option *option_of(size_t setting)
{
	return option_find(generation_options, generation_names[setting], strlen(generation_names[setting]));
}

/* The setting that n bytes name; N_SETTINGS if none. */
static size_t find_setting(const char *typed, size_t n)
{
	const struct option *option = option_find(generation_options, typed, n);

	for (size_t i = 0; i < N_SETTINGS; i++)
		if ((strlen(name_of(i)) == n && memcmp(name_of(i), typed, n) == 0) ||
		    (option && i < SETTING_STOP && option == option_of(i)))
			return i;
	return N_SETTINGS;
}

/* ---- showing ---- */

static void put_generation(const struct chat *chat, struct text *text, const struct option *option)
{
	const char *field = (const char *)&chat->values.generation + option->offset;
	char number[FORMAT_SIZE];
	size_t n_word;

	if (option->kind == OPTION_CHOICE) {
		const char *word = option_choice(option, *(const int *)field, &n_word);
		text_append(text, word, n_word);
	} else if (option->kind == OPTION_FLOAT)
		text_printf(text, "%s", format_real(number, (double)*(const float *)field, 9));
	else if (option->kind == OPTION_SEED)
		text_printf(text, "%" PRIu64, chat->seed + chat->n_answers);
	else
		text_printf(text, "%d", *(const int *)field);
}

static void put_stops(const struct chat *chat, struct text *text)
{
	const struct option_list *stops = &chat->values.generation.stops;

	for (size_t i = 0; i < stops->n_items; i++)
		text_printf(text, "%s%s", i ? ", " : "", stops->items[i]);
	if (stops->n_items == 0)
		text_printf(text, "none");
}

static void put_switch(const struct chat *chat, struct text *text, size_t i)
{
	bool is_set = *(const bool *)((const char *)chat + switches[i].offset);
	text_printf(text, "%s", is_set != switches[i].is_inverted ? "on" : "off");
}

static void put_value(const struct chat *chat, struct text *text, size_t setting)
{
	if (setting < SETTING_STOP)
		put_generation(chat, text, option_of(setting));
	else if (setting == SETTING_STOP)
		put_stops(chat, text);
	else if (setting == SETTING_SYSTEM)
		text_printf(text, "%s", chat->talk.system ? chat->talk.system : "none");
	else
		put_switch(chat, text, setting - SETTING_SWITCH);
}

static void put_line(const struct chat *chat, struct text *text, size_t setting)
{
	text_printf(text, "%-*s", NAME_COLUMN, name_of(setting));
	put_value(chat, text, setting);
	text_append(text, "\n", 1);
}

/* ---- changing ---- */

static void set_generation(struct chat *chat, const struct option *option, const char *name, const char *value)
{
	struct generation_options *generation = &chat->values.generation;
	struct generation_options changed;
	char expected[EXPECTED_SIZE];
	struct tern_error err;

	if (option->kind == OPTION_CHOICE && chat_need_model(chat)) /* which may add stop strings to the options */
		return;
	changed = *generation;
	if (!option_set(option, (char *)&changed + option->offset, value)) {
		chat_fail(chat, TERN_ERR_USAGE, "%s: expected %s, found '%.64s'", name,
		          option_expected(expected, option), value);
		return;
	}
	if (generation_find_fault(&changed, &err)) {
		chat_failed(chat, &err);
		return;
	}
	if (option->kind == OPTION_CHOICE && chat_check_effort(chat, &changed))
		return;
	*generation = changed;
	if (option->kind == OPTION_SEED) {
		chat->seed = generation_sampler(generation).seed;
		chat->n_answers = 0;
	}
}

static void set_switch(struct chat *chat, size_t i, const char *value)
{
	bool on = strcmp(value, "on") == 0 || strcmp(value, "true") == 0;
	bool *field = (bool *)((char *)chat + switches[i].offset);

	if (!on && strcmp(value, "off") != 0 && strcmp(value, "false") != 0) {
		chat_fail(chat, TERN_ERR_USAGE, "%s: '%.64s' is neither on nor off", switches[i].name, value);
		return;
	}
	*field = on != switches[i].is_inverted;
	if (field == &chat->values.probs.show) /* instead of the list of --alternatives */
		chat->values.probs.n_alternatives = 0;
}

/* The text that ends an answer, instead of all that were given before; those of the chat format stay. */
static void set_stop(struct chat *chat, const char *value)
{
	struct option_list *stops = &chat->values.generation.stops;
	struct tern_error err;

	if (chat_need_model(chat))
		return;
	tern_free((void *)stops->items);
	*stops = (struct option_list){0};
	text_free(&chat->stop);
	text_append(&chat->stop, value, strlen(value));
	if (*value && !chat->stop.failed) {
		const struct option *option = option_find(generation_options, "stop", strlen("stop"));
		chat->stop.failed = !option_set(option, stops, chat->stop.bytes);
	}
	if (chat->stop.failed)
		chat_fail(chat, TERN_ERR_FAILED, "out of memory");
	else if (generation_add_stops(&chat->values.generation, chat->loader.opened.model, &err))
		chat_failed(chat, &err);
}

/* A value without the quotes around it, which are the way to write an empty one. */
static struct text unquote(const char *typed)
{
	size_t n = strlen(typed);
	bool is_quoted = n >= 2 && typed[0] == '"' && typed[n - 1] == '"';
	struct text value = {0};

	text_append(&value, typed + is_quoted, n - 2 * (size_t)is_quoted);
	return value;
}

static void set_system(struct chat *chat, const char *value)
{
	if (chat_need_model(chat))
		return;
	if (*value && !chat->takes_system)
		chat_fail(chat, TERN_ERR_USAGE, "this model was not taught to follow a system text");
	else if (!conversation_set_system(&chat->talk, value, strlen(value)))
		chat_fail(chat, TERN_ERR_FAILED, "out of memory");
}

/* Changes a setting, and shows its new value. */
static void set_value(struct chat *chat, size_t setting, const char *value)
{
	enum tern_status worst = chat->worst;
	struct text line = {0};

	chat->worst = TERN_OK;
	if (setting < SETTING_STOP)
		set_generation(chat, option_of(setting), name_of(setting), value);
	else if (setting == SETTING_STOP)
		set_stop(chat, value);
	else if (setting == SETTING_SYSTEM)
		set_system(chat, value);
	else
		set_switch(chat, setting - SETTING_SWITCH, value);
	put_value(chat, &line, setting);
	if (!chat->worst && line.n_bytes > 0 && !line.failed)
		chat_hint("(%s: %s)", name_of(setting), line.bytes);
	text_free(&line);
	chat->worst = worst ? worst : chat->worst;
}

/* ---- the commands ---- */

static void unknown_setting(struct chat *chat, const char *typed, size_t n)
{
	struct suggestion suggestion;

	if (option_find(GENERATION_CHAT_OPTIONS, typed, n) || option_find(token_probs_options, typed, n)) {
		chat_fail(chat, TERN_ERR_USAGE, "%.*s can only be chosen at the start: tern chat --help", (int)n,
		          typed);
		return;
	}
	suggest_start(&suggestion, typed, n);
	for (size_t i = 0; i < N_SETTINGS; i++)
		suggest_offer(&suggestion, name_of(i), strlen(name_of(i)));
	if (suggestion.best[0])
		chat_fail(chat, TERN_ERR_USAGE, "unknown setting '%.*s' (did you mean '%s'?)", n < 64 ? (int)n : 64,
		          typed, suggestion.best);
	else
		chat_fail(chat, TERN_ERR_USAGE, "unknown setting '%.*s'; /set lists them", n < 64 ? (int)n : 64, typed);
}

/* The rest of the text after its first word and the space behind it. */
static const char *after_word(const char *text, size_t *n_word)
{
	static const char space[] = " \t\r\n";

	*n_word = strcspn(text, space);
	return text + *n_word + strspn(text + *n_word, space);
}

void chat_set(struct chat *chat, const char *argument)
{
	struct text lines = {0}, value;
	const char *rest;
	size_t n_name, setting;

	rest = after_word(argument, &n_name);
	if (n_name == strlen("parameter") && memcmp(argument, "parameter", n_name) == 0) {
		argument = rest;
		rest = after_word(argument, &n_name);
	}
	setting = find_setting(argument, n_name);
	if (*argument && setting == N_SETTINGS) {
		unknown_setting(chat, argument, n_name);
		return;
	}
	if (*rest) {
		value = unquote(rest);
		if (!value.failed)
			set_value(chat, setting, value.bytes);
		text_free(&value);
		return;
	}
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (i == setting || !*argument)
			put_line(chat, &lines, i);
	chat_say(&lines);
}

void chat_system(struct chat *chat, const char *argument)
{
	struct text text = {0};

	if (*argument) {
		text = unquote(argument);
		if (!text.failed)
			set_system(chat, text.bytes);
		text_free(&text);
	} else {
		put_value(chat, &text, SETTING_SYSTEM);
		text_append(&text, "\n", 1);
		chat_say(&text);
	}
}

void chat_complete_setting(const char *prefix, size_t n, struct completions *completions)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (n <= strlen(name_of(i)) && memcmp(name_of(i), prefix, n) == 0)
			completions_add(completions, name_of(i));
}
