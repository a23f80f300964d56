/* A whole program: its commands and what else its manual page and completion scripts say. */
#ifndef TERN_CONSOLE_PROGRAM_H
#define TERN_CONSOLE_PROGRAM_H

#include "console/options.h"

/* A named piece of a manual's section: a variable, a file, a status. */
struct manual_item {
	const char *term; /* NULL ends a list */
	const char *text;
};

struct manual_section {
	const char *title;               /* "EXIT STATUS"; NULL ends a list */
	const char *text;                /* paragraphs separated by an empty line; or NULL */
	const struct manual_item *items; /* after the text; or NULL */
};

struct program {
	const char *name;
	const char *summary; /* one line, for the manual's NAME */
	/* All subcommands, the last one NULL. A program without subcommands has one command, which has no name. */
	const struct command *const *commands;
	const struct manual_section *sections; /* of the manual, after the options */
	const char *see_also;                  /* "tern-convert(1)" */
	/* Names for completion, NULL after the last: chat formats, shapes of random models. Or NULL. */
	const char *(*chat_format)(size_t index);
	const char *(*shape)(size_t index);
	/* Whether `NAME completion models` lists the names of models. */
	bool lists_models;
};

static inline bool program_has_commands(const struct program *program) { return program->commands[0]->name != NULL; }

#endif
