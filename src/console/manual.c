#include "console/manual.h"
#include "console/help.h"
#include "console/output.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Text of a line: '-' as the character that can be searched and copied, and no line that begins like a request. */
static void print_text(const char *text, size_t n_bytes)
{
	for (size_t i = 0; i < n_bytes; i++) {
		bool begins_line = i == 0 || text[i - 1] == '\n';
		if (begins_line && (text[i] == '.' || text[i] == '\''))
			output_printf("\\&");
		if (text[i] == '\\')
			output_printf("\\e");
		else if (text[i] == '-')
			output_printf("\\-");
		else
			output_printf("%c", text[i]);
	}
}

static void print_string(const char *text) { print_text(text, strlen(text)); }

/* One paragraph; one whose lines are indented is shown as it stands. */
static void print_paragraph(const char *text, size_t n_bytes)
{
	bool is_literal = *text == ' ';

	if (is_literal)
		output_printf(".nf\n.RS\n");
	for (size_t at = 0; at < n_bytes;) {
		const char *end = memchr(text + at, '\n', n_bytes - at);
		size_t next = end ? (size_t)(end - text) + 1 : n_bytes;
		at += is_literal ? strspn(text + at, " ") : 0;
		print_text(text + at, next - at);
		at = next;
	}
	if (text[n_bytes - 1] != '\n')
		output_printf("\n");
	if (is_literal)
		output_printf(".RE\n.fi\n");
}

/* Paragraphs, divided by empty lines; `begins`: nothing stands before them in the section. The exit statuses, which
 * every help ends with, have a section of their own. */
static void print_paragraphs(const char *text, bool begins)
{
	for (text += strspn(text, "\n"); *text; text += strspn(text, "\n")) {
		const char *end = strstr(text, "\n\n");
		size_t n_bytes = end ? (size_t)(end - text) + 1 : strlen(text);
		if (strncmp(text, "Exit status:", 12) != 0) {
			output_printf("%s", begins ? "" : ".PP\n");
			print_paragraph(text, n_bytes);
			begins = false;
		}
		text += n_bytes;
	}
}

static void print_items(const struct manual_item *items)
{
	for (; items && items->term; items++) {
		output_printf(".TP\n.B ");
		print_string(items->term);
		output_printf("\n");
		print_string(items->text);
		output_printf("\n");
	}
}

static void print_title(const char *title)
{
	size_t length = strlen(title);

	output_printf(".SH \"");
	for (size_t i = 0; i < length && title[i] != ':'; i++)
		output_printf("%c", toupper((unsigned char)title[i]));
	output_printf("\"\n");
}

/* ---- options ---- */

static void print_option(const struct option *option)
{
	struct text help = {0};

	output_printf(".TP\n");
	if (option->letter)
		output_printf("\\fB\\-%c\\fR, ", option->letter);
	output_printf("\\fB\\-\\-");
	print_string(option->name);
	output_printf("\\fR");
	if (option->argument) {
		output_printf(" \\fI");
		print_string(option->argument);
		output_printf("\\fR");
	}
	output_printf("\n");
	help_describe(&help, option);
	if (!help.failed)
		print_string(help.bytes);
	output_printf("%s\n", !help.failed && help.bytes[help.n_bytes - 1] == '.' ? "" : ".");
	text_free(&help);
}

static void print_options(const struct option *options)
{
	for (const struct option *option = options; option->name; option++)
		if (option->help)
			print_option(option);
}

/* How many commands have the group, and whether this command is the first that does. */
static size_t count_users(const struct program *program, const struct option *options)
{
	size_t n = 0;

	for (const struct command *const *c = program->commands; *c; c++)
		for (const struct option_group *group = (*c)->groups; group && group->options; group++)
			n += group->options == options;
	return n;
}

/* ---- commands ---- */

/* "and those under Model, Computing below" for the groups that commands share. */
static void print_shared_names(const struct program *program, const struct command *command)
{
	const char *before = ".PP\nThe options under ";

	for (const struct option_group *group = command->groups; group && group->options; group++) {
		if (count_users(program, group->options) < 2)
			continue;
		output_printf("%s%.*s", before, (int)strcspn(group->title, ":"), group->title);
		before = ", ";
	}
	if (before[0] == ',')
		output_printf(" in OPTIONS OF SEVERAL COMMANDS apply too.\n");
}

static void print_command(const struct program *program, const struct command *command)
{
	output_printf(".SS \"");
	print_string(program->name);
	output_printf(" ");
	print_string(command->name);
	output_printf("\"\n");
	print_string(command->summary);
	output_printf(".\n");
	if (command->notes)
		print_paragraphs(command->notes, false);
	for (const struct option_group *group = command->groups; group && group->options; group++)
		if (count_users(program, group->options) == 1)
			print_options(group->options);
	print_shared_names(program, command);
	if (command->examples) {
		output_printf(".PP\nExamples:\n");
		print_paragraphs(command->examples, false);
	}
}

/* The groups of options that several commands have, each once, where the first of the commands names it. */
static void print_shared_options(const struct program *program)
{
	print_title("options of several commands");
	for (const struct command *const *c = program->commands; *c; c++)
		for (const struct option_group *group = (*c)->groups; group && group->options; group++) {
			bool is_first = true;
			for (const struct command *const *d = program->commands; d < c; d++)
				for (const struct option_group *other = (*d)->groups; other && other->options; other++)
					is_first = is_first && other->options != group->options;
			if (!is_first || count_users(program, group->options) < 2)
				continue;
			output_printf(".SS %.*s\n", (int)strcspn(group->title, ":"), group->title);
			print_options(group->options);
		}
}

static void print_commands(const struct program *program)
{
	print_title("commands");
	for (const struct command *const *c = program->commands; *c; c++)
		print_command(program, *c);
	print_shared_options(program);
}

/* A program that is one command. */
static void print_single(const struct command *command)
{
	print_title("description");
	print_string(command->summary);
	output_printf(".\n");
	if (command->notes)
		print_paragraphs(command->notes, false);
	for (const struct option_group *group = command->groups; group->options; group++) {
		print_title(group->title);
		print_options(group->options);
	}
}

/* ---- the whole ---- */

static void print_synopsis(const struct program *program)
{
	print_title("synopsis");
	for (const struct command *const *c = program->commands; *c; c++)
		for (const char *line = (*c)->usage; *line; line += strspn(line, "\n")) {
			line += strspn(line, " ");
			size_t n_name = strcspn(line, " "), length = strcspn(line, "\n");
			output_printf("%s.B ", line == program->commands[0]->usage ? "" : ".br\n");
			print_text(line, n_name);
			output_printf("\n");
			print_text(line + n_name + 1, length - n_name - 1);
			output_printf("\n");
			line += length;
		}
}

void manual_print(const struct program *program)
{
	output_printf(".TH \"");
	for (const char *c = program->name; *c; c++)
		output_printf("%c", toupper((unsigned char)*c));
	output_printf("\" 1 \"\" \"tern " TERN_VERSION "\"\n");
	print_title("name");
	print_string(program->name);
	output_printf(" \\- ");
	print_string(program->summary);
	output_printf("\n");
	print_synopsis(program);
	if (program_has_commands(program))
		print_commands(program);
	else
		print_single(program->commands[0]);
	for (const struct manual_section *section = program->sections; section->title; section++) {
		print_title(section->title);
		if (section->text)
			print_paragraphs(section->text, true);
		print_items(section->items);
	}
	if (!program_has_commands(program)) {
		print_title("examples");
		print_paragraphs(program->commands[0]->examples, true);
	}
	print_title("see also");
	print_string(program->see_also);
	output_printf("\n");
}
