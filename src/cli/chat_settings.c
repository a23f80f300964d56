/* /set and /system: settings that may change while a chat goes on. */
#include "base/memory.h"
#include "cli/chat.h"
#include "cli/chat_screen.h"
#include "console/format.h"
#include "console/suggest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	NAME_COLUMN = 16
};

/* The options of generation that are settings too, as /set lists them; they may be typed with - or with the other names
 * that the options have. */
static const char *const generation_names[] = {"temp",           "top_k",         "top_p", "min_p",
                                               "repeat_penalty", "repeat_last_n", "seed",  "predict"};
/* Settings that are handled one by one. */
static const char *const other_names[] = {"stop", "thinking", "show_probs", "verbose", "system"};

enum {
	N_GENERATION = sizeof generation_names / sizeof *generation_names,
	N_OTHER = sizeof other_names / sizeof *other_names,
	N_NAMES = N_GENERATION + N_OTHER
};

static const char *name_of(size_t i) { return i < N_GENERATION ? generation_names[i] : other_names[i - N_GENERATION]; }

/* ---- showing ---- */

static void put_generation(const struct chat *chat, struct text *text, const char *name)
{
	const struct option *option = option_find(generation_options, name, strlen(name));
	const char *field = (const char *)&chat->values.generation + option->offset;
	char number[FORMAT_SIZE];

	if (option->kind == OPTION_FLOAT)
		text_printf(text, "%s", format_real(number, (double)*(const float *)field, 9));
	else if (option->kind == OPTION_SEED)
		text_printf(text, "%" PRIu64, chat->seed + chat->n_answers);
	else
		text_printf(text, "%d", *(const int *)field);
}

static void put_value(const struct chat *chat, struct text *text, const char *name)
{
	if (strcmp(name, "thinking") == 0)
		text_printf(text, "%s", chat->values.chat.no_thinking ? "off" : "on");
	else if (strcmp(name, "verbose") == 0)
		text_printf(text, "%s", chat->values.common.verbose ? "on" : "off");
	else if (strcmp(name, "show_probs") == 0)
		text_printf(text, "%s", probs_wanted(&chat->values.probs) ? "on" : "off");
	else if (strcmp(name, "system") == 0)
		text_printf(text, "%s", chat->talk.system ? chat->talk.system : "none");
	else if (strcmp(name, "stop") == 0 && chat->values.generation.stops.n_items == 0)
		text_printf(text, "none");
	else if (strcmp(name, "stop") == 0)
		for (size_t i = 0; i < chat->values.generation.stops.n_items; i++)
			text_printf(text, "%s%s", i ? ", " : "", chat->values.generation.stops.items[i]);
	else
		put_generation(chat, text, name);
}

static void put_line(const struct chat *chat, struct text *text, const char *name)
{
	text_printf(text, "%-*s", NAME_COLUMN, name);
	put_value(chat, text, name);
	text_append(text, "\n", 1);
}

static void show_settings(const struct chat *chat)
{
	struct text text = {0};

	for (size_t i = 0; i < N_NAMES; i++)
		put_line(chat, &text, name_of(i));
	screen_say(&text);
}

/* ---- changing ---- */

static void set_generation(struct chat *chat, const char *name, const char *value)
{
	const struct option *option = option_find(generation_options, name, strlen(name));
	struct generation_options *generation = &chat->values.generation;
	struct generation_options changed = *generation;
	char expected[EXPECTED_SIZE];
	struct tern_error err;

	if (!option_set(option, (char *)&changed + option->offset, value)) {
		chat_fail(chat, TERN_ERR_USAGE, "%s: expected %s, found '%.64s'", name, help_expected(expected, option),
		          value);
		return;
	}
	if (generation_find_fault(&changed, &err)) {
		chat_failed(chat, &err);
		return;
	}
	*generation = changed;
	if (option->kind == OPTION_SEED) {
		chat->seed = generation_sampler(generation).seed;
		chat->n_answers = 0;
	}
}

static void set_switch(struct chat *chat, const char *name, const char *value, bool *is_on)
{
	bool on = strcmp(value, "on") == 0 || strcmp(value, "true") == 0;

	if (!on && strcmp(value, "off") != 0 && strcmp(value, "false") != 0)
		chat_fail(chat, TERN_ERR_USAGE, "%s: '%.64s' is neither on nor off", name, value);
	else
		*is_on = on;
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

/* Takes the quotes off a text that stands between them; they are the way to write an empty one. */
static void unquote(struct text *text)
{
	size_t n = text->n_bytes;

	if (n < 2 || text->bytes[0] != '"' || text->bytes[n - 1] != '"')
		return;
	memmove(text->bytes, text->bytes + 1, n - 2);
	text->n_bytes = n - 2;
	text->bytes[n - 2] = '\0';
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

/* Changes a setting, and shows what it is then. */
static void set_value(struct chat *chat, const char *name, const char *value)
{
	bool thinks = !chat->values.chat.no_thinking, shows = probs_wanted(&chat->values.probs);
	enum tern_status worst = chat->worst;
	struct text line = {0};

	chat->worst = TERN_OK;
	if (strcmp(name, "thinking") == 0) {
		set_switch(chat, name, value, &thinks);
		chat->values.chat.no_thinking = !thinks;
	} else if (strcmp(name, "verbose") == 0) {
		set_switch(chat, name, value, &chat->values.common.verbose);
	} else if (strcmp(name, "show_probs") == 0) {
		set_switch(chat, name, value, &shows);
		chat->values.probs = (struct probs_options){.show = shows};
	} else if (strcmp(name, "stop") == 0) {
		set_stop(chat, value);
	} else if (strcmp(name, "system") == 0) {
		set_system(chat, value);
	} else {
		set_generation(chat, name, value);
	}
	put_value(chat, &line, name);
	if (!chat->worst && line.n_bytes > 0 && !line.failed)
		screen_hint("(%s: %s)", name, line.bytes);
	text_free(&line);
	chat->worst = worst ? worst : chat->worst;
}

/* ---- the commands ---- */

/* The setting's own name, whatever it was called; NULL for something else. */
static const char *canonical_name(const char *typed, size_t n)
{
	const struct option *option = option_find(generation_options, typed, n);

	for (size_t i = 0; i < N_OTHER; i++)
		if (strlen(other_names[i]) == n && memcmp(other_names[i], typed, n) == 0)
			return other_names[i];
	for (size_t i = 0; option && i < N_GENERATION; i++)
		if (option == option_find(generation_options, generation_names[i], strlen(generation_names[i])))
			return generation_names[i];
	return NULL;
}

static void unknown_setting(struct chat *chat, const char *typed, size_t n)
{
	struct suggestion suggestion;

	if (option_find(generation_options, typed, n) || option_find(probs_options, typed, n)) {
		chat_fail(chat, TERN_ERR_USAGE, "%.*s can only be chosen at the start: tern chat --help", (int)n,
		          typed);
		return;
	}
	suggest_start(&suggestion, typed, n);
	for (size_t i = 0; i < N_NAMES; i++)
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
	struct text value = {0}, line = {0};
	const char *rest, *name;
	size_t n_name;

	rest = after_word(argument, &n_name);
	if (n_name == strlen("parameter") && memcmp(argument, "parameter", n_name) == 0) {
		argument = rest;
		rest = after_word(argument, &n_name);
	}
	if (!*argument) {
		show_settings(chat);
		return;
	}
	name = canonical_name(argument, n_name);
	if (!name) {
		unknown_setting(chat, argument, n_name);
	} else if (!*rest) {
		put_line(chat, &line, name);
		screen_say(&line);
	} else {
		text_append(&value, rest, strlen(rest));
		if (!value.failed) {
			unquote(&value);
			set_value(chat, name, value.bytes);
		}
		text_free(&value);
	}
}

void chat_system(struct chat *chat, const char *argument)
{
	struct text text = {0};

	if (*argument) {
		text_append(&text, argument, strlen(argument));
		if (!text.failed) {
			unquote(&text);
			set_system(chat, text.bytes);
		}
		text_free(&text);
		return;
	}
	put_value(chat, &text, "system");
	text_append(&text, "\n", 1);
	screen_say(&text);
}

void chat_complete_setting(const char *prefix, size_t n, struct completions *completions)
{
	for (size_t i = 0; i < N_NAMES; i++)
		if (n <= strlen(name_of(i)) && memcmp(name_of(i), prefix, n) == 0)
			completions_add(completions, name_of(i));
}
