#include "console/completion.h"
#include "console/output.h"
#include "console/text.h"

#include <string.h>

/* ---- values ---- */

enum value_kind {
	VALUE_ANYTHING,
	VALUE_FILE,
	VALUE_MODEL,
	VALUE_WORDS,
	VALUE_FORMAT,
	VALUE_SHAPE,
	VALUE_COMMAND,
};

/* The value of an option, or an operand: what the help calls it, and what that means. */
struct value {
	const char *name;
	size_t length;
	enum value_kind kind;
};

/* Whether the name holds the word. */
static bool holds(const char *name, size_t length, const char *word)
{
	size_t n_word = strlen(word);

	for (size_t i = 0; i + n_word <= length; i++)
		if (memcmp(name + i, word, n_word) == 0)
			return true;
	return false;
}

static bool is(const char *name, size_t length, const char *word)
{
	return strlen(word) == length && memcmp(name, word, length) == 0;
}

static enum value_kind kind_of(const char *name, size_t length)
{
	if (is(name, length, "FILE|NAME") || (length >= 5 && memcmp(name, "MODEL", 5) == 0))
		return VALUE_MODEL;
	if (holds(name, length, "FILE") || holds(name, length, "DIRECTORY") || holds(name, length, ".gguf"))
		return VALUE_FILE;
	if (is(name, length, "FORMAT"))
		return VALUE_FORMAT;
	if (is(name, length, "SHAPE"))
		return VALUE_SHAPE;
	if (is(name, length, "COMMAND"))
		return VALUE_COMMAND;
	return holds(name, length, "|") ? VALUE_WORDS : VALUE_ANYTHING;
}

static struct value value_of(const char *name, size_t length)
{
	return (struct value){name, length, kind_of(name, length)};
}

static struct value value_of_option(const struct option *option)
{
	return value_of(option->argument, strlen(option->argument));
}

/* The first operand in a command's usage; its name is "" if there is none. */
static struct value value_of_operand(const struct command *command)
{
	const char *at = command->usage ? command->usage : "";

	at += strcspn(at, " "); /* the program */
	at += strspn(at, " ");
	if (command->name)
		at += strcspn(at, " ");
	for (at += strspn(at, " "); *at; at += strspn(at, " ")) {
		size_t n = strcspn(at, " \n");
		if (*at != '-' && !holds(at, n, "OPTION")) {
			bool is_bracketed = *at == '[';
			at += is_bracketed;
			return value_of(at, strcspn(at, is_bracketed ? " ]" : " \n"));
		}
		at += n;
	}
	return value_of("", 0);
}

/* ---- what the shells share ---- */

/* How a script offers values. '~' stands for the name of the script's functions, "_tern". */
struct shell {
	const char *name;
	const char *file;
	const char *model, *named_model; /* the latter for a program that lists the names of models */
	const char *words, *words_end;   /* before and after the words, each followed by a space */
	const char *anything;
	void (*print)(const struct program *program, const struct shell *shell);
};

/* Prints a piece of a script. */
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

static void print_names(const char *(*name)(size_t index))
{
	for (size_t i = 0; name && name(i); i++)
		output_printf("%s ", name(i));
}

/* Prints the words that a value may be. */
static void print_words(const struct program *program, struct value value)
{
	for (size_t i = 0; value.kind == VALUE_WORDS && i <= value.length; i++)
		output_printf("%c", i == value.length || value.name[i] == '|' ? ' ' : value.name[i]);
	if (value.kind == VALUE_FORMAT)
		print_names(program->chat_format);
	if (value.kind == VALUE_SHAPE)
		print_names(program->shape);
	for (size_t i = 0; value.kind == VALUE_COMMAND && program->commands[i]; i++)
		output_printf("%s ", program->commands[i]->name);
}

/* Prints what offers a value. */
static void print_value(const struct program *program, const struct shell *shell, struct value value)
{
	switch (value.kind) {
	case VALUE_FILE:
		put(program, shell->file);
		break;
	case VALUE_MODEL:
		put(program, program->lists_models ? shell->named_model : shell->model);
		break;
	case VALUE_ANYTHING:
		put(program, shell->anything);
		break;
	default:
		put(program, shell->words);
		print_words(program, value);
		put(program, shell->words_end);
	}
}

/* The next option that the help shows. */
static bool next_shown(const struct command *command, struct option_walk *at)
{
	while (option_next(command, at))
		if (at->option->help)
			return true;
	return false;
}

/* ---- bash, 3.2 and later; needs no package of helpers ---- */

static const char *bash_name(const struct program *program, const struct command *command)
{
	return command->name ? command->name : program->name;
}

/* The case on the option before the cursor. */
static void bash_print_values(const struct program *program, const struct shell *shell)
{
	output_printf("\tcase \"$command $prev\" in\n");
	for (const struct command *const *c = program->commands; *c; c++) {
		const char *name = bash_name(program, *c);
		for (struct option_walk at = {0}; next_shown(*c, &at);) {
			if (!at.option->argument)
				continue;
			output_printf("\t'%s --%s'", name, at.option->name);
			if (at.option->letter)
				output_printf(" | '%s -%c'", name, at.option->letter);
			output_printf(") ");
			print_value(program, shell, value_of_option(at.option));
			output_printf("; return ;;\n");
		}
	}
	output_printf("\tesac\n");
}

static void bash_print_option_names(const struct program *program)
{
	output_printf("\tcase $command in\n");
	for (const struct command *const *c = program->commands; *c; c++) {
		output_printf("\t%s) options='", bash_name(program, *c));
		for (struct option_walk at = {0}; next_shown(*c, &at);)
			output_printf("--%s ", at.option->name);
		output_printf("' ;;\n");
	}
	output_printf("\tesac\n");
}

static void bash_print_operands(const struct program *program, const struct shell *shell)
{
	output_printf("\tcase $command in\n");
	for (const struct command *const *c = program->commands; *c; c++) {
		struct value operand = value_of_operand(*c);
		if (operand.kind == VALUE_ANYTHING)
			continue;
		output_printf("\t%s) ", bash_name(program, *c));
		print_value(program, shell, operand);
		output_printf(" ;;\n");
	}
	output_printf("\tesac\n");
}

/* Finds the subcommand, or completes it. */
static void bash_print_command(const struct program *program)
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

static void bash_print_helpers(const struct program *program)
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

static void bash_print(const struct program *program, const struct shell *shell)
{
	output_printf("# bash completion for %s\n\n", program->name);
	bash_print_helpers(program);
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
	bash_print_command(program);
	bash_print_values(program, shell);
	bash_print_option_names(program);
	put(program, "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	             "\t\t[[ ${COMP_WORDS[i]} == -- ]] && options=\n"
	             "\tdone\n"
	             "\tif [[ $cur == -* && $options ]]; then\n"
	             "\t\t~_fill -W \"$options\"\n"
	             "\t\treturn\n"
	             "\tfi\n");
	bash_print_operands(program, shell);
	put(program, "}\n\ncomplete -F ~ ");
	output_printf("%s\n", program->name);
}

/* ---- zsh, with its _arguments ---- */

/* Text within single quotes: of the shell, and what _arguments and _describe take for markup. */
static void zsh_print_quoted(const char *text, const char *markup)
{
	for (; *text; text++) {
		if (*text == '\'')
			output_printf("'\\'");
		else if (strchr(markup, *text) || *text == '\\')
			output_printf("\\");
		output_printf("%c", *text);
	}
}

/* One specification, of "--predict=" or of "-n+". */
static void zsh_print_spec(const struct program *program, const struct shell *shell, const struct option *option,
                           bool is_letter)
{
	output_printf(" \\\n\t\t'");
	if (option->kind == OPTION_LIST)
		output_printf("*");
	else if (option->letter)
		output_printf("(-%c --%s)", option->letter, option->name);
	if (is_letter)
		output_printf("-%c%s", option->letter, option->argument ? "+" : "");
	else
		output_printf("--%s%s", option->name, option->argument ? "=" : "");
	output_printf("[");
	zsh_print_quoted(option->help, "[]");
	output_printf("]");
	if (option->argument) {
		output_printf(":");
		zsh_print_quoted(option->argument, ":");
		output_printf(":");
		print_value(program, shell, value_of_option(option));
	}
	output_printf("'");
}

static void zsh_print_arguments(const struct program *program, const struct shell *shell, const struct command *command)
{
	struct value operand = value_of_operand(command);
	bool is_one = operand.kind == VALUE_WORDS || operand.kind == VALUE_COMMAND;

	output_printf("_arguments -s -S");
	for (struct option_walk at = {0}; next_shown(command, &at);) {
		zsh_print_spec(program, shell, at.option, false);
		if (at.option->letter)
			zsh_print_spec(program, shell, at.option, true);
	}
	if (operand.length > 0) {
		output_printf(" \\\n\t\t'%s:%.*s:", is_one ? "1" : "*", (int)operand.length, operand.name);
		print_value(program, shell, operand);
		output_printf("'");
	}
	output_printf("\n");
}

static void zsh_print_commands(const struct program *program, const struct shell *shell)
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
		zsh_print_quoted((*c)->summary, ":");
		output_printf("'");
	}
	output_printf("\n\t\t)\n\t\t_describe command commands\n\t\t;;\n\targument)\n\t\tcase $line[1] in\n");
	for (const struct command *const *c = program->commands; *c; c++) {
		output_printf("\t\t%s%s%s) ", (*c)->name, (*c)->alias ? "|" : "", (*c)->alias ? (*c)->alias : "");
		zsh_print_arguments(program, shell, *c);
		output_printf("\t\t;;\n");
	}
	output_printf("\t\tesac\n\t\t;;\n\tesac\n");
}

static void zsh_print(const struct program *program, const struct shell *shell)
{
	const char *name = program->name;

	output_printf("#compdef %s\n# zsh completion for %s\n\n", name, name);
	if (program->lists_models)
		output_printf("_tern_models() {\n"
		              "\tlocal -a names\n"
		              "\tnames=(${(f)\"$(${(Q)_tern_program} completion models 2>/dev/null)\"})\n"
		              "\t_alternative 'names:model:compadd -a names' 'files:file:_files -g \"*.gguf\"'\n"
		              "}\n\n");
	output_printf("_%s() {\n", name);
	if (program_has_commands(program)) {
		zsh_print_commands(program, shell);
	} else {
		output_printf("\t");
		zsh_print_arguments(program, shell, program->commands[0]);
	}
	/* Read with `source` it makes itself known; put in a folder of $fpath it is called. */
	output_printf("}\n\nif [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n\t_%s \"$@\"\nelse\n\tcompdef _%s "
	              "%s\nfi\n",
	              name, name, name);
}

/* ---- fish: one `complete` a command and an option ---- */

/* Text within single quotes. */
static void fish_print_quoted(const char *text)
{
	output_printf("'");
	for (; *text; text++)
		output_printf("%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
	output_printf("'");
}

/* Begins a `complete` that applies to one subcommand. */
static void fish_print_head(const struct program *program, const struct command *command)
{
	output_printf("complete -c %s", program->name);
	if (command->name)
		output_printf(" -n '__tern_is %s%s%s'", command->name, command->alias ? " " : "",
		              command->alias ? command->alias : "");
}

static void fish_print_command(const struct program *program, const struct shell *shell, const struct command *command)
{
	struct value operand = value_of_operand(command);

	for (struct option_walk at = {0}; next_shown(command, &at);) {
		fish_print_head(program, command);
		if (at.option->letter)
			output_printf(" -s %c", at.option->letter);
		output_printf(" -l %s -d ", at.option->name);
		fish_print_quoted(at.option->help);
		if (at.option->argument) {
			struct value value = value_of_option(at.option);
			output_printf(value.kind == VALUE_FILE ? " -r" : " -x");
			print_value(program, shell, value);
		}
		output_printf("\n");
	}
	if (operand.kind == VALUE_ANYTHING)
		return;
	fish_print_head(program, command);
	print_value(program, shell, operand);
	output_printf("\n");
}

static void fish_print_commands(const struct program *program)
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
		fish_print_quoted((*c)->summary);
		output_printf("\n");
	}
}

static void fish_print(const struct program *program, const struct shell *shell)
{
	output_printf("# fish completion for %s\n\ncomplete -c %s -f\n", program->name, program->name);
	if (program_has_commands(program))
		fish_print_commands(program);
	for (const struct command *const *c = program->commands; *c; c++)
		fish_print_command(program, shell, *c);
}

static const struct shell shells[] = {
        {.name = "bash",
         .file = "~_files",
         .model = "~_models",
         .named_model = "~_models",
         .words = "~_fill -W '",
         .words_end = "'",
         .anything = ":",
         .print = bash_print},
        {.name = "zsh",
         .file = "_files",
         .model = "_files -g \"*.gguf\"",
         .named_model = "_tern_models",
         .words = "(",
         .words_end = ")",
         .anything = " ",
         .print = zsh_print},
        {.name = "fish",
         .file = " -F",
         .model = " -k -a '(__fish_complete_suffix .gguf)'",
         .named_model = " -k -a '(__tern_models; __fish_complete_suffix .gguf)'",
         .words = " -a '",
         .words_end = "'",
         .anything = "",
         .print = fish_print},
};

bool completion_print(const struct program *program, const char *shell)
{
	for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
		if (strcmp(shell, shells[i].name) == 0) {
			shells[i].print(program, &shells[i]);
			return true;
		}
	return false;
}
