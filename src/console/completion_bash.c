/* Completion for bash 3.2 and later; needs no package of helpers. The script holds everything but the names of models
 * and files. */
#include "console/output.h"
#include "console/program.h"
#include "console/text.h"

#include <string.h>

/* Prints a piece of the script; '~' in it is the name of the script's functions, "_tern". */
static void put(const struct program *program, const char *script)
{
	for (; *script; script++) {
		if (*script != '~') {
			output_write(script, 1);
			continue;
		}
		output_printf("_");
		for (const char *c = program->name; *c; c++)
			output_printf("%c", *c == '-' ? '_' : *c);
	}
}

static const char *name_of(const struct program *program, const struct command *command)
{
	return command->name ? command->name : program->name;
}

/* What fills COMPREPLY for a value. */
static void print_action(const struct program *program, enum value_kind kind, const char *name, size_t length)
{
	struct text words = {0};

	switch (kind) {
	case VALUE_FILE:
		put(program, "~_files");
		break;
	case VALUE_MODEL:
		put(program, "~_models");
		break;
	case VALUE_ANYTHING:
		output_printf(":");
		break;
	default:
		value_words(&words, program, kind, name, length);
		put(program, "~_fill -W '");
		output_printf("%s'", words.failed ? "" : words.bytes);
	}
	text_free(&words);
}

/* One line of the case on the option before the cursor. */
static void print_value_case(const struct program *program, const struct command *command, const struct option *option)
{
	const char *name = name_of(program, command);

	output_printf("\t'%s --%s'", name, option->name);
	if (option->letter)
		output_printf(" | '%s -%c'", name, option->letter);
	output_printf(") ");
	print_action(program, value_of_option(option), option->argument, strlen(option->argument));
	output_printf("; return ;;\n");
}

static void print_values(const struct program *program)
{
	output_printf("\tcase \"$command $prev\" in\n");
	for (const struct command *const *c = program->commands; *c; c++)
		for (const struct option_group *group = (*c)->groups; group && group->options; group++)
			for (const struct option *option = group->options; option->name; option++)
				if (option->help && option->argument)
					print_value_case(program, *c, option);
	output_printf("\tesac\n");
}

static void print_option_names(const struct program *program)
{
	output_printf("\tcase $command in\n");
	for (const struct command *const *c = program->commands; *c; c++) {
		output_printf("\t%s) options='", name_of(program, *c));
		for (const struct option_group *group = (*c)->groups; group && group->options; group++)
			for (const struct option *option = group->options; option->name; option++)
				if (option->help)
					output_printf("--%s ", option->name);
		output_printf("' ;;\n");
	}
	output_printf("\tesac\n");
}

static void print_operands(const struct program *program)
{
	output_printf("\tcase $command in\n");
	for (const struct command *const *c = program->commands; *c; c++) {
		const char *name;
		size_t length;
		enum value_kind kind = value_of_operand(*c, &name, &length);
		if (kind == VALUE_ANYTHING)
			continue;
		output_printf("\t%s) ", name_of(program, *c));
		print_action(program, kind, name, length);
		output_printf(" ;;\n");
	}
	output_printf("\tesac\n");
}

/* Finds the subcommand, or completes it. */
static void print_command(const struct program *program)
{
	if (!program_has_commands(program)) {
		output_printf("\tcommand=%s\n", program->name);
		return;
	}
	put(program, "\tif ((COMP_CWORD == 1)); then\n\t\t~_fill -W '");
	for (const struct command *const *c = program->commands; *c; c++)
		output_printf("%s ", (*c)->name);
	output_printf("--help --version'\n\t\treturn\n\tfi\n\tcommand=${COMP_WORDS[1]}\n\tcase $command in\n");
	for (const struct command *const *c = program->commands; *c; c++)
		if ((*c)->alias)
			output_printf("\t%s) command=%s ;;\n", (*c)->alias, (*c)->name);
	output_printf("\tesac\n");
}

static void print_helpers(const struct program *program)
{
	put(program, "~_fill() {\n"
	             "\tlocal line\n"
	             "\twhile IFS= read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen \"$@\" -- \"$cur\")\n"
	             "}\n"
	             "~_files() {\n"
	             "\tcompopt -o filenames 2>/dev/null\n"
	             "\t~_fill -f\n"
	             "}\n"
	             "~_models() {\n"
	             "\tlocal IFS=$'\\n'\n"
	             "\tcompopt -o filenames 2>/dev/null\n");
	if (program->lists_models)
		put(program, "\t~_fill -W \"$(\"${COMP_WORDS[0]}\" completion models 2>/dev/null)\"\n");
	put(program, "\t~_fill -f -X '!*.gguf'\n"
	             "\t~_fill -d\n"
	             "}\n\n");
}

void completion_print_bash(const struct program *program)
{
	output_printf("# bash completion for %s\n\n", program->name);
	print_helpers(program);
	put(program, "~() {\n"
	             "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev= command options= i\n"
	             "\tCOMPREPLY=()\n"
	             "\t((COMP_CWORD > 1)) && prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	             "\t# --name=value comes as three words\n"
	             "\tif [[ $cur == = ]]; then\n"
	             "\t\tcur=\n"
	             "\telif [[ $prev == = ]] && ((COMP_CWORD > 2)); then\n"
	             "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
	             "\tfi\n");
	print_command(program);
	print_values(program);
	print_option_names(program);
	put(program, "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	             "\t\t[[ ${COMP_WORDS[i]} == -- ]] && options=\n"
	             "\tdone\n"
	             "\tif [[ $cur == -* && $options ]]; then\n"
	             "\t\t~_fill -W \"$options\"\n"
	             "\t\treturn\n"
	             "\tfi\n");
	print_operands(program);
	put(program, "}\n\ncomplete -F ~ ");
	output_printf("%s\n", program->name);
}
