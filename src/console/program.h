/* What a program is, for everything that is made of its tables: shell completions and manual page. */
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
	const struct manual_section *sections;    /* of the manual, after the options */
	const char *see_also;                     /* "tern-convert(1)" */
	const char *(*chat_format)(size_t index); /* the names of chat formats, NULL after the last; or NULL */
	/* Whether `NAME completion models` lists the names of models. */
	bool lists_models;
};

static inline bool program_has_commands(const struct program *program) { return program->commands[0]->name != NULL; }

/* What can stand in the place of an option's value or of an operand, by what the help calls it. */
enum value_kind {
	VALUE_ANYTHING,
	VALUE_FILE,    /* FILE, DIRECTORY, OUT.gguf, ... */
	VALUE_MODEL,   /* FILE|NAME, MODEL.gguf */
	VALUE_WORDS,   /* one of auto|always|never */
	VALUE_FORMAT,  /* FORMAT: a chat format */
	VALUE_COMMAND, /* COMMAND */
};
enum value_kind value_of_option(const struct option *option);
/* Of the first operand of a command, from its usage; *name is what it is called there and *length how long that is. */
enum value_kind value_of_operand(const struct command *command, const char **name, size_t *length);

/* Words that a value of kind VALUE_WORDS, VALUE_FORMAT or VALUE_COMMAND may be, each followed by a space. */
struct text;
void value_words(struct text *words, const struct program *program, enum value_kind kind, const char *name,
                 size_t length);

/* Prints the completion script for a shell: "bash", "zsh" or "fish". False for any other. */
bool completion_print(const struct program *program, const char *shell);
/* The parts of it. */
void completion_print_bash(const struct program *program);
void completion_print_zsh(const struct program *program);
void completion_print_fish(const struct program *program);

/* Prints the manual page as source for man(7). */
void manual_print(const struct program *program);

#endif
