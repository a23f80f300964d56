/* The texts that a program prints about itself for other programs: its manual page and its completion scripts. */
#ifndef TERN_CONSOLE_PROGRAM_TEXT_H
#define TERN_CONSOLE_PROGRAM_TEXT_H

#include "console/program.h"

#include <stddef.h>

/* The rows of a program without subcommands that end its table of options. `values` has the fields `completion` and
 * `man`; the latter is for the Makefile, and no help shows it. */
/* clang-format off */
#define PROGRAM_TEXT_OPTIONS(values) \
	{.name = "completion", .kind = OPTION_TEXT, .offset = offsetof(values, completion), .argument = "bash|zsh|fish", \
	 .help = "print a script that completes command lines in that shell"}, \
	{.name = "man", .offset = offsetof(values, man)}, \
	{.name = "help", .letter = 'h', .kind = OPTION_HELP, .help = "show this help"}, \
	{.name = "version", .kind = OPTION_VERSION, .help = "show the version"}
/* clang-format on */

/* For programs without subcommands, with the options --man and --completion SHELL (NULL: not given): prints the text
 * that is wanted. False if none is. */
bool program_print_text(const struct program *program, bool manual, const char *shell, enum tern_status *status);

#endif
