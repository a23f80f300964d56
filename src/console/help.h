/* --help and --version, made from the tables of commands and options. */
#ifndef TERN_CONSOLE_HELP_H
#define TERN_CONSOLE_HELP_H

#include "console/option.h"
#include "console/text.h"

/* The help text of one command. */
void help_print(const struct command *command);
/* The first line of --version. */
void help_print_version(void);
/* Appends the help of an option: its text, the default, the range. */
void help_describe(struct text *text, const struct option *option);

#endif
