/* tern completion: prints scripts for the completion of command lines in shells. */
#include "console/completion.h"
#include "cli/commands.h"
#include "cli/models.h"
#include "console/output.h"

#include <string.h>

static const struct option options[] = {
        {.name = "help", .letter = 'h', .kind = OPTION_HELP, .help = "this text"},
        {.name = "version", .kind = OPTION_VERSION, .help = "the version of tern"},
        {.name = NULL},
};

static const struct option_group groups[] = {
        {"Messages:", options, 0},
        {.options = NULL},
};

static enum tern_status completion_main(int argc, char **argv);

const struct command command_completion = {
        .name = "completion",
        .summary = "Print a script that completes command lines in a shell",
        .usage = "tern completion bash|zsh|fish",
        .examples = "  source <(tern completion bash)\n"
                    "  tern completion zsh > ~/.zfunc/_tern\n"
                    "  tern completion fish > ~/.config/fish/completions/tern.fish\n",
        .notes = "'make install' installs all three; the examples are for other places. For scripts:\n"
                 "'tern completion models' prints the names of models, 'tern completion commands'\n"
                 "those of commands, one per line.\n",
        .groups = groups,
        .values_size = 1,
        .run = completion_main,
};

static void print_commands(void)
{
	for (const struct command *const *c = tern_program.commands; *c; c++)
		output_printf("%s\n", (*c)->name);
}

static enum tern_status completion_main(int argc, char **argv)
{
	struct operands operands;
	char unused;
	enum tern_status status;

	if (!options_parse(&command_completion, argc, argv, &unused, &operands, &status))
		return status;
	if (operands.n_items != 1)
		status = usage_error(&command_completion, "expected the name of one shell: bash, zsh or fish");
	else if (strcmp(operands.items[0], "models") == 0)
		models_print_names();
	else if (strcmp(operands.items[0], "commands") == 0)
		print_commands();
	else if (!completion_print(&tern_program, operands.items[0]))
		status = usage_error(&command_completion, "'%.64s' is not one of bash, zsh, fish", operands.items[0]);
	options_free(&command_completion, &unused, &operands);
	return output_finish(status);
}
