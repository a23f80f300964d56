/* Command lines: one table of options per subcommand drives both parsing and --help.
 *
 * POSIX and GNU habits: -n5, -n 5, --predict 5, --predict=5, clusters of flags (-qv), options and operands in any
 * order, -- ends the options. A later option wins over an earlier one. */
#ifndef TERN_CONSOLE_OPTIONS_H
#define TERN_CONSOLE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tern.h>

/* What an option's value is, and the type of the field it is put into. */
enum option_kind {
	OPTION_FLAG,   /* bool; takes no value */
	OPTION_INT,    /* int */
	OPTION_FLOAT,  /* float */
	OPTION_TEXT,   /* const char * */
	OPTION_LIST,   /* struct option_list: the values of every occurrence */
	OPTION_CHOICE, /* int: index of one of the words in `argument`, "auto|always|never" */
	OPTION_SEED,   /* struct option_seed */
	OPTION_HELP,   /* prints help and ends; no field */
	OPTION_VERSION,
};

struct option_list {
	const char **items;
	size_t n_items;
};

struct option_seed {
	bool is_given;
	uint64_t value;
};

struct option {
	const char *name; /* long name without dashes */
	char letter;      /* short name, or 0 */
	enum option_kind kind;
	size_t offset; /* of the field in the group's values */
	/* What the help calls the value; NULL if there is none. It also tells what completion offers: see program.h. */
	const char *argument;
	double min, max; /* OPTION_INT, OPTION_FLOAT */
	/* Default value as it would be typed; NULL = zero. One out of range stands for "not given" and is not shown. */
	const char *initial;
	const char *help; /* NULL: not shown anywhere */
	/* Names the same option has in other programs, accepted silently; separated by spaces. One that begins with a
	 * dash is a long name after a single dash: "-pg" for -pg. */
	const char *aliases;
	bool once; /* giving it twice is an error: one of the values would be lost */
};

/* A shared set of options and the struct that receives their values. */
struct option_group {
	const char *title;
	const struct option *options; /* the last one has no name */
	size_t offset;                /* of the group's values in the command's values */
};

struct command {
	const char *name;
	const char *alias;                 /* another explicit name, or NULL */
	const char *summary;               /* one line for the list of commands */
	const char *usage;                 /* "tern run [OPTION...] [TEXT...]"; see program.h for the words */
	const char *examples;              /* lines, shown first */
	const char *notes;                 /* more lines, shown last; or NULL */
	const struct option_group *groups; /* the last one has no options */
	size_t values_size;
	enum tern_status (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
};

/* What was not an option, in order. */
struct operands {
	const char **items;
	size_t n_items;
};

/* Fills `values` (command->values_size bytes) with defaults and then with what the arguments say. False if the
 * program is to end now with *status: after --help, or after an error was reported. On true the caller ends with
 * options_free(). */
bool options_parse(const struct command *command, int argc, char **argv, void *values, struct operands *operands,
                   enum tern_status *status);
void options_free(const struct command *command, void *values, struct operands *operands);

/* Reports wrong usage of a command, with a pointer to its help; returns TERN_ERR_USAGE. */
enum tern_status usage_error(const struct command *command, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* The option of a list that has this name or alias, or NULL. A '_' in it counts as '-', as settings are written in
 * JSON. */
const struct option *option_find(const struct option *options, const char *name, size_t n_name);

/* Puts a value, as typed, into the option's field; a list keeps the pointer, and options_free() frees the list. False
 * if the text is not a value of the option's kind and range. OPTION_FLAG takes any text and becomes true. */
bool option_set(const struct option *option, void *field, const char *text);

/* Parses a whole number within min..max that is all of `text`. */
bool parse_int(const char *text, int min, int max, int *value);

/* The help text of one command, and the first line of --version (in help.c). */
void help_print(const struct command *command);
void help_print_version(void);
/* What the help says of an option: its text, the default, the range. */
struct text;
void help_describe(struct text *text, const struct option *option);
/* What the value of an option that is a number has to be: "a whole number (at least 1)". Returns out. */
enum {
	EXPECTED_SIZE = 96
};
const char *help_expected(char out[EXPECTED_SIZE], const struct option *option);

#endif
