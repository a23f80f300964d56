/* Completion for zsh, with its _arguments. */
#include "console/output.h"
#include "console/program.h"
#include "console/text.h"

#include <string.h>

/* Text within single quotes: of the shell, and what _arguments and _describe take for markup. */
static void print_quoted(const char *text, const char *markup)
{
	for (; *text; text++) {
		if (*text == '\'')
			output_printf("'\\'");
		else if (strchr(markup, *text) || *text == '\\')
			output_printf("\\");
		output_printf("%c", *text);
	}
}

static void print_action(const struct program *program, enum value_kind kind, const char *name, size_t length)
{
	struct text words = {0};

	if (kind == VALUE_FILE) {
		output_printf("_files");
	} else if (kind == VALUE_MODEL) {
		output_printf("%s", program->lists_models ? "_tern_models" : "_files -g \"*.gguf\"");
	} else if (kind != VALUE_ANYTHING) {
		value_words(&words, program, kind, name, length);
		output_printf("(%s)", words.failed ? "" : words.bytes);
	} else {
		output_printf(" ");
	}
	text_free(&words);
}

/* One specification: spelling is "--predict=" or "-n+". */
static void print_spec(const struct program *program, const struct option *option, bool is_letter)
{
	bool repeats = option->kind == OPTION_LIST;

	output_printf(" \\\n\t\t'");
	if (repeats)
		output_printf("*");
	else if (option->letter)
		output_printf("(-%c --%s)", option->letter, option->name);
	if (is_letter)
		output_printf("-%c%s", option->letter, option->argument ? "+" : "");
	else
		output_printf("--%s%s", option->name, option->argument ? "=" : "");
	output_printf("[");
	print_quoted(option->help, "[]");
	output_printf("]");
	if (option->argument) {
		output_printf(":");
		print_quoted(option->argument, ":");
		output_printf(":");
		print_action(program, value_of_option(option), option->argument, strlen(option->argument));
	}
	output_printf("'");
}

static void print_arguments(const struct program *program, const struct command *command)
{
	const char *name;
	size_t length;
	enum value_kind kind = value_of_operand(command, &name, &length);

	output_printf("_arguments -s -S");
	for (const struct option_group *group = command->groups; group && group->options; group++)
		for (const struct option *option = group->options; option->name; option++) {
			if (!option->help)
				continue;
			print_spec(program, option, false);
			if (option->letter)
				print_spec(program, option, true);
		}
	if (length > 0) {
		output_printf(" \\\n\t\t'%s:%.*s:", kind == VALUE_WORDS || kind == VALUE_COMMAND ? "1" : "*",
		              (int)length, name);
		print_action(program, kind, name, length);
		output_printf("'");
	}
	output_printf("\n");
}

static void print_commands(const struct program *program)
{
	output_printf("\tlocal curcontext=$curcontext state line\n"
	              "\tlocal -a commands\n"
	              "\ttypeset -A opt_args\n"
	              "\ttypeset -g _tern_program=$words[1]\n"
	              "\t_arguments -C '(- *)'{-h,--help}'[help]' '(- *)--version[version]' \\\n"
	              "\t\t'1:command:->command' '*::argument:->argument' && return\n"
	              "\tcase $state in\n"
	              "\tcommand)\n"
	              "\t\tcommands=(");
	for (const struct command *const *c = program->commands; *c; c++) {
		output_printf("\n\t\t\t'%s:", (*c)->name);
		print_quoted((*c)->summary, ":");
		output_printf("'");
	}
	output_printf("\n\t\t)\n\t\t_describe command commands\n\t\t;;\n\targument)\n\t\tcase $line[1] in\n");
	for (const struct command *const *c = program->commands; *c; c++) {
		output_printf("\t\t%s%s%s) ", (*c)->name, (*c)->alias ? "|" : "", (*c)->alias ? (*c)->alias : "");
		print_arguments(program, *c);
		output_printf("\t\t;;\n");
	}
	output_printf("\t\tesac\n\t\t;;\n\tesac\n");
}

void completion_print_zsh(const struct program *program)
{
	output_printf("#compdef %s\n# zsh completion for %s\n\n", program->name, program->name);
	if (program->lists_models)
		output_printf("_tern_models() {\n"
		              "\tlocal -a names\n"
		              "\tnames=(${(f)\"$(${(Q)_tern_program} completion models 2>/dev/null)\"})\n"
		              "\t_alternative 'names:model:compadd -a names' 'files:file:_files -g \"*.gguf\"'\n"
		              "}\n\n");
	output_printf("_%s() {\n", program->name);
	if (program_has_commands(program)) {
		print_commands(program);
	} else {
		output_printf("\t");
		print_arguments(program, program->commands[0]);
	}
	/* Read with `source` it makes itself known; put in a folder of $fpath it is called. */
	output_printf("}\n\nif [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n\t_%s \"$@\"\nelse\n\tcompdef _%s "
	              "%s\nfi\n",
	              program->name, program->name, program->name);
}
