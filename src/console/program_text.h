/* The texts that a program prints about itself for other programs: its manual page and its completion scripts. */
#ifndef TERN_CONSOLE_PROGRAM_TEXT_H
#define TERN_CONSOLE_PROGRAM_TEXT_H

#include "console/program.h"

/* For programs without subcommands, with the options --man and --completion SHELL (NULL: not given): prints the text
 * that is wanted. False if none is. */
bool program_print_text(const struct program *program, bool manual, const char *shell, enum tern_status *status);

#endif
