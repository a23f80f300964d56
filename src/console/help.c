/* --help and --version, made from the tables of commands and options. */
#include "console/options.h"
#include "console/output.h"
#include "console/term.h"
#include "console/text.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	WIDTH = 80,
	HELP_COLUMN = 28
};

const char *help_range(char out[RANGE_SIZE], const struct option *option)
{
	out[0] = '\0';
	if (option->kind == OPTION_SEED)
		snprintf(out, RANGE_SIZE, "from 0 to %" PRIu64, UINT64_MAX);
	else if (option->kind != OPTION_INT && option->kind != OPTION_FLOAT)
		return out;
	else if (option->max >= INT_MAX)
		snprintf(out, RANGE_SIZE, "at least %g", option->min);
	else
		snprintf(out, RANGE_SIZE, "from %g to %g", option->min, option->max);
	return out;
}

static void heading(const char *title)
{
	output_printf("\n%s%s%s\n", term_style(STDOUT_FILENO, TERM_BOLD), title, term_style(STDOUT_FILENO, TERM_PLAIN));
}

/* Words of `text` from column `column` on; lines that follow are indented to HELP_COLUMN. */
static void print_wrapped(const char *text, int column)
{
	for (const char *word = text; *word; word += strspn(word, " ")) {
		int length = (int)strcspn(word, " ");
		if (column > HELP_COLUMN && column + 1 + length >= WIDTH) {
			output_printf("\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (column > HELP_COLUMN) {
			output_printf(" ");
			column++;
		}
		output_printf("%.*s", length, word);
		column += length;
		word += length;
	}
	output_printf("\n");
}

static bool has_default(const struct option *option)
{
	bool is_number = option->kind == OPTION_INT || option->kind == OPTION_FLOAT;
	return option->initial && is_number && atof(option->initial) >= option->min;
}

void help_describe(struct text *text, const struct option *option)
{
	char range[RANGE_SIZE];

	text_printf(text, "%s", option->help);
	help_range(range, option);
	if (option->kind == OPTION_CHOICE && option->initial)
		text_printf(text, " (default %s)", option->initial);
	else if (option->kind == OPTION_CHOICE)
		text_printf(text, " (default %.*s)", (int)strcspn(option->argument, "|"), option->argument);
	else if (has_default(option))
		text_printf(text, " (default %s, %s)", option->initial, range);
	else if (range[0] && option->kind != OPTION_SEED)
		text_printf(text, " (%s)", range);
}

static void print_option(const struct option *option)
{
	struct text left = {0}, right = {0};

	if (option->letter)
		text_printf(&left, "  -%c, --%s", option->letter, option->name);
	else
		text_printf(&left, "      --%s", option->name);
	if (option->argument)
		text_printf(&left, " %s", option->argument);

	help_describe(&right, option);
	if (!left.failed && !right.failed) {
		output_printf("%-*s", HELP_COLUMN, left.bytes);
		if (left.n_bytes >= HELP_COLUMN)
			output_printf("\n%*s", HELP_COLUMN, "");
		print_wrapped(right.bytes, HELP_COLUMN);
	}
	text_free(&left);
	text_free(&right);
}

void help_print(const struct command *command)
{
	output_printf("Usage: %s\n\n%s.\n", command->usage, command->summary);
	heading("Examples:");
	output_printf("%s", command->examples);
	for (const struct option_group *group = command->groups; group->options; group++) {
		heading(group->title);
		for (const struct option *option = group->options; option->name; option++)
			if (option->help)
				print_option(option);
	}
	if (command->notes)
		output_printf("\n%s", command->notes);
}

void help_print_version(void) { output_printf("%s %s\n", term_program(), TERN_VERSION); }
