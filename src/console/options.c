#include "console/options.h"
#include "base/memory.h"
#include "console/help.h"
#include "console/output.h"
#include "console/suggest.h"
#include "console/term.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Where parsing stands. */
struct parser {
	const struct command *command;
	void *values;
	struct operands *operands;
	int argc, next; /* argv[next] is the argument to look at next */
	char **argv;
	unsigned char *seen; /* per option of all groups, for `once` */
	enum tern_status status;
};

/* An option found in its group. */
struct found {
	const struct option *option;
	void *field;
	size_t index; /* among all options of the command */
};

enum tern_status usage_error(const struct command *command, const char *format, ...)
{
	char message[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	report("%s. Try '%s%s%s --help'", message, term_program(), command->name ? " " : "",
	       command->name ? command->name : "");
	return TERN_ERR_USAGE;
}

static void *field_of(void *values, const struct option_walk *at)
{
	return (unsigned char *)values + at->group->offset + at->option->offset;
}

/* Finds an option by its long name (n_name > 0 bytes) or, if name is NULL, by its letter. */
static bool find_option(const struct parser *p, const char *name, size_t n_name, char letter, struct found *found)
{
	for (struct option_walk at = {0}; option_next(p->command, &at);)
		if (name ? option_has_name(at.option, name, n_name) : at.option->letter == letter) {
			*found = (struct found){at.option, field_of(p->values, &at), at.index};
			return true;
		}
	return false;
}

static bool takes_value(const struct option *option) { return option->argument != NULL; }

static enum tern_status bad_value(const struct parser *p, const struct option *option, const char *text)
{
	char expected[EXPECTED_SIZE];

	if (option->kind == OPTION_LIST)
		return report_out_of_memory();
	if (option->kind == OPTION_CHOICE)
		return usage_error(p->command, "--%s: '%.64s' is not one of %s", option->name, text, option->argument);
	return usage_error(p->command, "--%s: expected %s, found '%.64s'", option->name,
	                   option_expected(expected, option), text);
}

/* ---- arguments ---- */

/* Whether an argument would be an option if it stood alone: then it is hardly meant as another one's value. */
static bool looks_like_option(const struct parser *p, const char *argument)
{
	struct found found;

	if (argument[0] != '-' || !argument[1])
		return false;
	if (argument[1] == '-')
		return !argument[2] || find_option(p, argument + 2, strcspn(argument + 2, "="), 0, &found);
	if (argument[2] && find_option(p, argument, strcspn(argument, "="), 0, &found))
		return true;
	if (!find_option(p, NULL, 0, argument[1], &found))
		return false;
	return !argument[2] || ((found.option->kind == OPTION_INT || found.option->kind == OPTION_FLOAT) &&
	                        !argument[2 + strspn(argument + 2, "+-.0123456789")]);
}

static bool fail(struct parser *p, enum tern_status status)
{
	p->status = status;
	return false;
}

/* The value of an option: attached to it, or the next argument. False if there is none. */
static bool get_value(struct parser *p, const struct option *option, const char **value)
{
	bool may_be_empty = option->kind == OPTION_TEXT || option->kind == OPTION_LIST;

	if (!*value && p->next < p->argc) {
		*value = p->argv[p->next++];
		if (looks_like_option(p, *value))
			return fail(
			        p,
			        usage_error(p->command,
			                    "--%s needs a value, and '%.64s' is an option (if it is meant: --%s=%.64s)",
			                    option->name, *value, option->name, *value));
	}
	if (!*value || (!**value && !may_be_empty))
		return fail(p, usage_error(p->command, "--%s needs a value: --%s %s", option->name, option->name,
		                           option->argument));
	return true;
}

/* Handles an option; `value` is what was attached to it, or NULL. */
static bool apply(struct parser *p, const struct found *found, const char *value)
{
	const struct option *option = found->option;

	if (option->kind == OPTION_HELP || option->kind == OPTION_VERSION) {
		if (option->kind == OPTION_HELP)
			help_print(p->command);
		else
			help_print_version();
		return fail(p, output_finish(TERN_OK));
	}
	if (option->once && p->seen[found->index]++)
		return fail(p, usage_error(p->command, "--%s is given twice", option->name));
	if (takes_value(option) && !get_value(p, option, &value))
		return false;
	if (!option_set(option, found->field, value))
		return fail(p, bad_value(p, option, value));
	return true;
}

static bool unknown_long(struct parser *p, const char *argument, size_t n_name)
{
	struct suggestion suggestion;
	char shown[80];

	suggest_start(&suggestion, argument + 2, n_name);
	for (struct option_walk at = {0}; option_next(p->command, &at);)
		suggest_offer(&suggestion, at.option->name, strlen(at.option->name));
	snprintf(shown, sizeof shown, "%.*s", n_name < 64 ? (int)n_name + 2 : 66, argument);
	if (suggestion.best[0])
		return fail(p, usage_error(p->command, "unknown option '%s' (did you mean '--%s'?)", shown,
		                           suggestion.best));
	return fail(p, usage_error(p->command, "unknown option '%s'", shown));
}

static bool unknown_letter(struct parser *p, const char *argument, char letter)
{
	if (argument[2])
		return fail(p, usage_error(p->command, "unknown option '-%c' in '%.64s'", letter, argument));
	return fail(p, usage_error(p->command, "unknown option '%.64s'", argument));
}

/* Applies an option given by its name, with what follows a '=' as its value. */
static bool apply_named(struct parser *p, const struct found *found, const char *argument)
{
	const char *attached = strchr(argument, '=');

	if (attached && !takes_value(found->option))
		return fail(p, usage_error(p->command, "--%s takes no value", found->option->name));
	if (attached && !attached[1])
		return fail(p, usage_error(p->command, "--%s= has no value after it", found->option->name));
	return apply(p, found, attached ? attached + 1 : NULL);
}

static bool parse_long(struct parser *p, const char *argument)
{
	size_t n_name = strcspn(argument + 2, "=");
	struct found found;

	if (n_name == 0 || argument[2] == '-' || !find_option(p, argument + 2, n_name, 0, &found))
		return unknown_long(p, argument, n_name);
	return apply_named(p, &found, argument);
}

/* -v, -qv, -n5, -n 5, and the few long names after one dash */
static bool parse_short(struct parser *p, const char *argument)
{
	struct found found;

	if (argument[2] && find_option(p, argument, strcspn(argument, "="), 0, &found))
		return apply_named(p, &found, argument);
	/* Other programs have long names after one dash; -temp is hardly meant as -t emp. */
	if (argument[2] && find_option(p, argument + 1, strcspn(argument + 1, "="), 0, &found))
		return fail(p, usage_error(p->command, "unknown option '%.64s' (did you mean '--%s'?)", argument,
		                           found.option->name));
	for (const char *letter = argument + 1; *letter; letter++) {
		if (!find_option(p, NULL, 0, *letter, &found))
			return unknown_letter(p, argument, *letter);
		if (takes_value(found.option))
			return apply(p, &found, letter[1] ? letter + 1 : NULL);
		if (!apply(p, &found, NULL))
			return false;
	}
	return true;
}

static bool parse_arguments(struct parser *p)
{
	bool options_ended = false;

	while (p->next < p->argc) {
		const char *argument = p->argv[p->next++];
		bool good = true;
		if (options_ended || argument[0] != '-' || !argument[1])
			p->operands->items[p->operands->n_items++] = argument;
		else if (strcmp(argument, "--") == 0)
			options_ended = true;
		else if (argument[1] == '-')
			good = parse_long(p, argument);
		else
			good = parse_short(p, argument);
		if (!good)
			return false;
	}
	return true;
}

static void set_defaults(const struct parser *p)
{
	memset(p->values, 0, p->command->values_size);
	for (struct option_walk at = {0}; option_next(p->command, &at);) {
		struct option any = *at.option;
		any.min = INT_MIN;
		any.max = INT_MAX;
		if (any.initial)
			option_set(&any, field_of(p->values, &at), any.initial);
	}
}

static size_t count_options(const struct command *command)
{
	size_t n = 0;

	for (struct option_walk at = {0}; option_next(command, &at);)
		n++;
	return n;
}

bool options_parse(const struct command *command, int argc, char **argv, void *values, struct operands *operands,
                   enum tern_status *status)
{
	struct parser p = {.command = command, .values = values, .operands = operands, .argc = argc, .argv = argv};
	bool good = false;

	set_defaults(&p);
	p.next = 1;
	p.seen = tern_alloc(count_options(command), 1);
	*operands = (struct operands){.items = tern_alloc((size_t)argc, sizeof *operands->items)};
	if (p.seen && operands->items) {
		good = parse_arguments(&p);
	} else {
		p.status = report_out_of_memory();
	}
	tern_free(p.seen);
	*status = p.status;
	if (!good)
		options_free(command, values, operands);
	return good;
}

void options_free(const struct command *command, void *values, struct operands *operands)
{
	for (struct option_walk at = {0}; option_next(command, &at);)
		if (at.option->kind == OPTION_LIST)
			tern_free((void *)((struct option_list *)field_of(values, &at))->items);
	tern_free((void *)operands->items);
}
