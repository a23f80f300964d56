#include "console/option.h"
#include "base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool option_next(const struct command *command, struct option_walk *at)
{
	if (at->group) {
		at->option++;
		at->index++;
	} else {
		at->group = command->groups;
		at->option = at->group ? at->group->options : NULL;
	}
	while (at->option && !at->option->name)
		at->option = (++at->group)->options;
	return at->option != NULL;
}

/* Whether the first n bytes are the same name; a '_' typed stands for '-'. */
static bool is_same_name(const char *name, const char *typed, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (name[i] != (typed[i] == '_' ? '-' : typed[i]))
			return false;
	return true;
}

/* Whether the space-separated list holds the name. */
static bool is_in_list(const char *list, const char *name, size_t n_name)
{
	for (const char *at = list; at && *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");
		if (length == n_name && is_same_name(at, name, length))
			return true;
		at += length;
	}
	return false;
}

bool option_has_name(const struct option *option, const char *name, size_t n_name)
{
	return (strlen(option->name) == n_name && is_same_name(option->name, name, n_name)) ||
	       is_in_list(option->aliases, name, n_name);
}

const struct option *option_find(const struct option *options, const char *name, size_t n_name)
{
	for (const struct option *option = options; option->name; option++)
		if (option_has_name(option, name, n_name))
			return option;
	return NULL;
}

/* ---- values ---- */

bool parse_int(const char *text, int min, int max, int *value)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (end == text || *end || errno || n < min || n > max || strchr(" \t\n\v\f\r", text[0]))
		return false;
	*value = (int)n;
	return true;
}

/* Plain decimals only: strtof() also reads "nan", "inf" and hexadecimal. */
static bool parse_float(const char *text, double min, double max, float *value)
{
	char *end;

	if (text[strspn(text, "+-.0123456789eE")])
		return false;
	*value = strtof(text, &end);
	return end != text && !*end && *value >= (float)min && *value <= (float)max;
}

static bool parse_seed(const char *text, struct option_seed *seed)
{
	char *end;

	seed->is_given = strcmp(text, "-1") != 0; /* other programs' way to ask for a random one */
	if (!seed->is_given)
		return true;
	if (text[strspn(text, "0123456789")] || !*text)
		return false;
	errno = 0;
	seed->value = strtoull(text, &end, 10);
	return errno == 0;
}

static bool parse_choice(const struct option *option, const char *text, int *value)
{
	size_t length;
	int index = 0;

	for (const char *word = option->argument;; word += length + 1, index++) {
		length = strcspn(word, "|");
		if (strlen(text) == length && memcmp(word, text, length) == 0) {
			*value = index;
			return true;
		}
		if (!word[length])
			return false;
	}
}

const char *option_choice(const struct option *option, int index, size_t *n_word)
{
	const char *word = option->argument;

	for (; index > 0; index--)
		word += strcspn(word, "|") + 1;
	*n_word = strcspn(word, "|");
	return word;
}

static bool append_item(struct option_list *list, const char *text)
{
	const char **items = tern_realloc((void *)list->items, list->n_items + 1, sizeof *items);

	if (!items)
		return false;
	items[list->n_items++] = text;
	list->items = items;
	return true;
}

bool option_set(const struct option *option, void *field, const char *text)
{
	switch (option->kind) {
	case OPTION_INT:
		return parse_int(text, (int)option->min, (int)option->max, field);
	case OPTION_FLOAT:
		return parse_float(text, option->min, option->max, field);
	case OPTION_TEXT:
		*(const char **)field = text;
		return true;
	case OPTION_LIST:
		return append_item(field, text);
	case OPTION_CHOICE:
		return parse_choice(option, text, field);
	case OPTION_SEED:
		return parse_seed(text, field);
	default:
		*(bool *)field = true;
		return true;
	}
}

/* ---- ranges ---- */

const char *option_range(char out[OPTION_RANGE_SIZE], const struct option *option, bool is_exact)
{
	out[0] = '\0';
	if (option->kind == OPTION_SEED)
		snprintf(out, OPTION_RANGE_SIZE, "from 0 to %" PRIu64, UINT64_MAX);
	else if (option->kind != OPTION_INT && option->kind != OPTION_FLOAT)
		return out;
	else if (option->max >= INT_MAX && !is_exact)
		snprintf(out, OPTION_RANGE_SIZE, "at least %g", option->min);
	else
		snprintf(out, OPTION_RANGE_SIZE, "from %g to %.10g", option->min, option->max);
	return out;
}

const char *option_expected(char out[EXPECTED_SIZE], const struct option *option)
{
	char range[OPTION_RANGE_SIZE];

	if (option->kind == OPTION_CHOICE)
		snprintf(out, EXPECTED_SIZE, "one of %s", option->argument);
	else
		snprintf(out, EXPECTED_SIZE, "a %snumber (%s)", option->kind == OPTION_FLOAT ? "" : "whole ",
		         option_range(range, option, true));
	return out;
}
