/* tern: finds the subcommand and runs it. */
#include "cli/commands.h"
#include "cli/models.h"
#include "console/help.h"
#include "console/manual.h"
#include "console/output.h"
#include "console/signals.h"
#include "console/suggest.h"
#include "console/term.h"
#include "console/text.h"
#include "console/wait.h"

#include <string.h>
#include <unistd.h>

static const char introduction[] = "tern runs ternary (1.58-bit) language models on ordinary CPUs.\n"
                                   "\n"
                                   "  tern chat\n"
                                   "  tern run \"Tell me a story about a fox.\"\n"
                                   "  tern run -m model.gguf \"Summarize this text.\" < text.txt\n"
                                   "  tern info model.gguf\n"
                                   "\n";

static void describe(struct text *text)
{
	text_printf(text, "%s", introduction);
	for (const struct command *const *c = tern_program.commands; *c; c++)
		text_printf(text, "  %-10s %s%s%s%s\n", (*c)->name, (*c)->summary, (*c)->alias ? " (also: " : "",
		            (*c)->alias ? (*c)->alias : "", (*c)->alias ? ")" : "");
	text_printf(text, "\n'tern COMMAND --help' describes a command; 'tern --version' prints the version.\n");
}

static void print_overview(void)
{
	struct text text = {0};

	describe(&text);
	output_write(text.bytes, text.n_bytes);
	text_free(&text);
}

/* No command: the overview is a complaint then. */
static enum tern_status complain(void)
{
	struct text text = {0};

	describe(&text);
	write_all(STDERR_FILENO, text.bytes, text.n_bytes);
	text_free(&text);
	return TERN_ERR_USAGE;
}

static const struct command *find_command(const char *name)
{
	for (const struct command *const *c = tern_program.commands; *c; c++)
		if (strcmp((*c)->name, name) == 0 || ((*c)->alias && strcmp((*c)->alias, name) == 0))
			return *c;
	return NULL;
}

static enum tern_status unknown_command(const char *name)
{
	struct suggestion suggestion;

	suggest_start(&suggestion, name, strlen(name));
	for (const struct command *const *c = tern_program.commands; *c; c++) {
		suggest_offer(&suggestion, (*c)->name, strlen((*c)->name));
		if ((*c)->alias)
			suggest_offer(&suggestion, (*c)->alias, strlen((*c)->alias));
	}
	if (suggestion.best[0])
		report("unknown command '%.64s' (did you mean '%s'?). Try 'tern --help'", name, suggestion.best);
	else
		report("unknown command '%.64s'. Try 'tern --help'", name);
	return TERN_ERR_USAGE;
}

static enum tern_status run_help(int argc, char **argv)
{
	const struct command *command;

	if (argc > 2) {
		report("help takes the name of one command. Try 'tern --help'");
		return TERN_ERR_USAGE;
	}
	if (argc < 2 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
		print_overview();
		return output_finish(TERN_OK);
	}
	if (strcmp(argv[1], "--man") == 0) {
		manual_print(&tern_program);
		return output_finish(TERN_OK);
	}
	command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	if (command == &command_help)
		print_overview();
	else
		help_print(command);
	return output_finish(TERN_OK);
}

const struct command command_help = {
        .name = "help",
        .summary = "Describe a command",
        .usage = "tern help [COMMAND]",
        .notes = "tern help --man prints the source of this page.\n",
        .run = run_help,
};

/* Prints what a bug report should contain. */
static enum tern_status print_version(void)
{
	const char *isa = tern_isa_name(NULL);

	help_print_version();
	if (isa)
		output_printf("kernels: %s\n", isa);
	output_printf("default threads: %d\n", tern_default_threads());
	return output_finish(TERN_OK);
}

int main(int argc, char **argv)
{
	const struct command *command;
	const char *name = argc > 1 ? argv[1] : NULL;

	term_start();
	signals_start();
	models_start(argc > 0 ? argv[0] : "");
	if (!name)
		return (int)complain();
	if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
		print_overview();
		return (int)output_finish(TERN_OK);
	}
	if (strcmp(name, "--version") == 0)
		return (int)print_version();
	if (name[0] == '-') {
		report("the command comes first: tern run %.64s. Try 'tern --help'", name);
		return TERN_ERR_USAGE;
	}
	command = find_command(name);
	return (int)(command ? command->run(argc - 1, argv + 1) : unknown_command(name));
}
