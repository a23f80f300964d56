#include "console/help.h"
#include "console/output.h"
#include "console/term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	WIDTH = 80,
	HELP_COLUMN = 28
};

static void heading(const char *title)
{
	output_printf("\n%s%s%s\n", term_style(STDOUT_FILENO, TERM_BOLD), title, term_style(STDOUT_FILENO, TERM_PLAIN));
}

/* Goes on in column `column` with the words of n_bytes at `text`; lines that follow are indented. Returns the column
 * reached. */
static int fill(const char *text, size_t n_bytes, int column, int indent)
{
	const char *end = text + n_bytes;

	for (const char *word = text; word < end; word += strspn(word, " ")) {
		int length = (int)strcspn(word, " ");
		length = length < end - word ? length : (int)(end - word);
		if (column > indent && column + 1 + length >= WIDTH) {
			output_printf("\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			output_printf(" ");
			column++;
		}
		output_printf("%.*s", length, word);
		column += length;
		word += length;
	}
	return column;
}

/* Paragraphs; lines that begin with a space stay as they are. */
static void print_notes(const char *notes)
{
	int column = 0;

	for (const char *line = notes; *line; line += *line == '\n') {
		size_t n_bytes = strcspn(line, "\n");
		if (n_bytes > 0 && *line != ' ') {
			column = fill(line, n_bytes, column, 0);
		} else {
			output_printf("%s%.*s\n", column ? "\n" : "", (int)n_bytes, line);
			column = 0;
		}
		line += n_bytes;
	}
	if (column)
		output_printf("\n");
}

static bool has_default(const struct option *option)
{
	bool is_number = option->kind == OPTION_INT || option->kind == OPTION_FLOAT;
	return option->initial && is_number && atof(option->initial) >= option->min;
}

void help_describe(struct text *text, const struct option *option)
{
	char range[OPTION_RANGE_SIZE];

	text_printf(text, "%s", option->help);
	option_range(range, option, false);
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
		fill(right.bytes, right.n_bytes, HELP_COLUMN, HELP_COLUMN);
		output_printf("\n");
	}
	text_free(&left);
	text_free(&right);
}

void help_print(const struct command *command)
{
	output_printf("Usage: %s\n\n", command->usage);
	fill(".", 1, fill(command->summary, strlen(command->summary), 0, 0), WIDTH);
	output_printf("\n");
	heading("Examples:");
	output_printf("%s", command->examples);
	for (const struct option_group *group = command->groups; group->options; group++) {
		heading(group->title);
		for (const struct option *option = group->options; option->name; option++)
			if (option->help)
				print_option(option);
	}
	if (command->notes) {
		output_printf("\n");
		print_notes(command->notes);
	}
}

void help_print_version(void) { output_printf("%s %s\n", term_program(), TERN_VERSION); }
