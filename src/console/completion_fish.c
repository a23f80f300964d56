/* Completion for fish: one `complete` a command and an option. */
#include "console/output.h"
#include "console/program.h"
#include "console/text.h"

#include <string.h>

/* Text within single quotes. */
static void print_quoted(const char *text)
{
	output_printf("'");
	for (; *text; text++)
		output_printf("%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
	output_printf("'");
}

/* The part of a `complete` that says which values there are. */
static void print_values(const struct program *program, enum value_kind kind, const char *name, size_t length)
{
	struct text words = {0};

	if (kind == VALUE_FILE) {
		output_printf(" -F");
	} else if (kind == VALUE_MODEL) {
		output_printf(" -k -a '(%s__fish_complete_suffix .gguf)'",
		              program->lists_models ? "__tern_models; " : "");
	} else if (kind != VALUE_ANYTHING) {
		value_words(&words, program, kind, name, length);
		output_printf(" -a '%s'", words.failed ? "" : words.bytes);
	}
	text_free(&words);
}

/* The condition under which it holds: the subcommand. */
static void print_head(const struct program *program, const struct command *command)
{
	output_printf("complete -c %s", program->name);
	if (command->name)
		output_printf(" -n '__tern_is %s%s%s'", command->name, command->alias ? " " : "",
		              command->alias ? command->alias : "");
}

static void print_option(const struct program *program, const struct command *command, const struct option *option)
{
	print_head(program, command);
	if (option->letter)
		output_printf(" -s %c", option->letter);
	output_printf(" -l %s -d ", option->name);
	print_quoted(option->help);
	if (option->argument) {
		output_printf(value_of_option(option) == VALUE_FILE ? " -r" : " -x");
		print_values(program, value_of_option(option), option->argument, strlen(option->argument));
	}
	output_printf("\n");
}

static void print_command(const struct program *program, const struct command *command)
{
	const char *name;
	size_t length;
	enum value_kind kind = value_of_operand(command, &name, &length);

	for (const struct option_group *group = command->groups; group && group->options; group++)
		for (const struct option *option = group->options; option->name; option++)
			if (option->help)
				print_option(program, command, option);
	if (kind == VALUE_ANYTHING)
		return;
	print_head(program, command);
	print_values(program, kind, name, length);
	output_printf("\n");
}

static void print_commands(const struct program *program)
{
	output_printf("function __tern_is\n"
	              "\tset -l words (commandline -opc)\n"
	              "\tset -q words[2]; and contains -- $words[2] $argv\n"
	              "end\n"
	              "function __tern_lacks_command\n"
	              "\ttest (count (commandline -opc)) -eq 1\n"
	              "end\n");
	if (program->lists_models)
		output_printf("function __tern_models\n"
		              "\tset -l words (commandline -opc)\n"
		              "\t$words[1] completion models 2>/dev/null\n"
		              "end\n");
	output_printf("complete -c %s -n __tern_lacks_command -s h -l help -d 'help'\n"
	              "complete -c %s -n __tern_lacks_command -l version -d 'version'\n",
	              program->name, program->name);
	for (const struct command *const *c = program->commands; *c; c++) {
		output_printf("complete -c %s -n __tern_lacks_command -a %s -d ", program->name, (*c)->name);
		print_quoted((*c)->summary);
		output_printf("\n");
	}
}

void completion_print_fish(const struct program *program)
{
	output_printf("# fish completion for %s\n\ncomplete -c %s -f\n", program->name, program->name);
	if (program_has_commands(program))
		print_commands(program);
	for (const struct command *const *c = program->commands; *c; c++)
		print_command(program, *c);
}
