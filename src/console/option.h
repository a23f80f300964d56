/* The tables of a command line: options, groups of them, commands. They drive parsing (options.h), --help, the manual
 * page and the completion scripts. */
#ifndef TERN_CONSOLE_OPTION_H
#define TERN_CONSOLE_OPTION_H

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
	/* Name of the value in the help, which also decides its completion (completion.h); NULL: no value. */
	const char *argument;
	double min, max; /* OPTION_INT, OPTION_FLOAT */
	/* Default value as it would be typed; NULL = zero. One out of range means "not given" and is not shown. */
	const char *initial;
	const char *help; /* NULL: not shown anywhere */
	/* Names of the same option in other programs, accepted silently; separated by spaces. One that begins with a
	 * dash is a long name after a single dash: "-pg" for -pg. */
	const char *aliases;
	bool once; /* giving it twice is an error: one of the values would be lost */
};

/* Options that commands may share, and the struct that receives their values. */
struct option_group {
	const char *title;
	const struct option *options; /* the last one has no name */
	size_t offset;                /* of the group's values in the command's values */
};

struct command {
	const char *name;
	const char *alias;                 /* another explicit name, or NULL */
	const char *summary;               /* one line for the list of commands */
	const char *usage;                 /* "tern run [OPTION...] [TEXT...]"; see completion.h for the words */
	const char *examples;              /* lines, shown first */
	const char *notes;                 /* more lines, shown last; or NULL */
	const struct option_group *groups; /* the last one has no options */
	size_t values_size;
	enum tern_status (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
};

/* A walk over all options of a command, begun with a zeroed struct:
 * for (struct option_walk at = {0}; option_next(command, &at);) */
struct option_walk {
	const struct option_group *group;
	const struct option *option; /* of the group */
	size_t index;                /* among all options of the command, from 0 */
};
bool option_next(const struct command *command, struct option_walk *at);

/* Whether this is the option's name or an alias. A '_' in it counts as '-', since settings in JSON are written so. */
bool option_has_name(const struct option *option, const char *name, size_t n_name);
/* The option of a list with that name or alias, or NULL. */
const struct option *option_find(const struct option *options, const char *name, size_t n_name);

/* Puts a value, as typed, into the option's field; a list keeps the pointer, and options_free() frees the list. False
 * if the text is no value of the option's kind and range. OPTION_FLAG takes any text and becomes true. */
bool option_set(const struct option *option, void *field, const char *text);

/* The word of an OPTION_CHOICE with that index, n_word bytes. */
const char *option_choice(const struct option *option, int index, size_t *n_word);

/* Parses a whole number within min..max that is all of `text`. */
bool parse_int(const char *text, int min, int max, int *value);

enum {
	OPTION_RANGE_SIZE = 64,
	EXPECTED_SIZE = 96
};
/* "from 0 to 2" for an option that is a number, "" for others; "at least 1" if the limit is just what an int holds,
 * unless is_exact. Returns out. */
const char *option_range(char out[OPTION_RANGE_SIZE], const struct option *option, bool is_exact);
/* What the value of an option that is a number or a choice has to be: "a whole number (from 1 to 2147483647)", "one of
 * auto|always|never". Returns out. */
const char *option_expected(char out[EXPECTED_SIZE], const struct option *option);

#endif
