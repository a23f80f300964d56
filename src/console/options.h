/* Parses command lines by the tables of option.h.
 *
 * POSIX and GNU habits: -n5, -n 5, --predict 5, --predict=5, clusters of flags (-qv), options and operands in any
 * order, -- ends the options. A later option wins over an earlier one. */
#ifndef TERN_CONSOLE_OPTIONS_H
#define TERN_CONSOLE_OPTIONS_H

#include "console/option.h"

/* The arguments that are no options, in order. */
struct operands {
	const char **items;
	size_t n_items;
};

/* Fills `values` (command->values_size bytes) with defaults and then from the arguments. False if the program is to
 * end now with *status: after --help, or after an error was reported. On true the caller ends with options_free(). */
bool options_parse(const struct command *command, int argc, char **argv, void *values, struct operands *operands,
                   enum tern_status *status);
void options_free(const struct command *command, void *values, struct operands *operands);

/* Reports wrong usage of a command, with a pointer to its help; returns TERN_ERR_USAGE. */
enum tern_status usage_error(const struct command *command, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

#endif
