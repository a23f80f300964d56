/* Reads text from the command line (words or -p), a file or standard input, and parses lists of token ids. */
#ifndef TERN_CLI_INPUT_H
#define TERN_CLI_INPUT_H

#include "console/options.h"
#include "console/text.h"

#include <stdint.h>
#include <tern.h>

struct input_options {
	const char *prompt, *file;
};

/* -p and -f, for a command's table of option groups. */
extern const struct option input_options[];

/* Bytes of text; more are refused with TERN_ERR_CONTEXT, since no context holds them. */
#define INPUT_LIMIT ((size_t)256 << 20)

/* Gets the text from operands (joined by spaces), -p, or -f (all bytes of the file; "-" is standard input). *found is
 * false if none of them is given; several are a usage error. Errors are reported. */
enum tern_status input_read(const struct command *command, const struct input_options *options,
                            const struct operands *operands, struct text *text, bool *found);

/* Opens a file to read. "-" is standard input: *fd is -1 if that is closed, and a terminal shows a note while tern
 * waits for input. Errors are reported. */
enum tern_status input_open(const char *path, int *fd);

/* Appends all of standard input, with the same note. Errors are reported. */
enum tern_status input_read_stdin(struct text *text);

/* True if standard input is a pipe or a file. */
bool input_stdin_is_piped(void);

/* Parses token ids separated by commas, spaces or newlines, with brackets around them or not, each below n_vocab.
 * The caller frees *ids with tern_free(). Errors are reported: TERN_ERR_USAGE, with the id. */
enum tern_status input_parse_ids(const char *bytes, size_t n_bytes, int n_vocab, int32_t **ids, size_t *n_ids);

#endif
