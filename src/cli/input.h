/* Text that comes in: as words on the command line, with -p, from a file or from standard input; and lists of token
 * ids. */
#ifndef TERN_CLI_INPUT_H
#define TERN_CLI_INPUT_H

#include "console/options.h"
#include "console/text.h"

#include <stdint.h>
#include <tern.h>

struct input_options {
	const char *prompt, *file;
};

/* -p and -f, for a row of a command's group table. */
extern const struct option input_options[];

/* More text than this is not read: TERN_ERR_CONTEXT, since no context holds it. */
#define INPUT_LIMIT ((size_t)256 << 20)

/* Gets the text from operands (joined by spaces), -p or -f (every byte of the file; "-" is standard input). *found
 * is false if there is none of them. More than one is wrong usage. Errors were reported. */
enum tern_status input_read(const struct command *command, const struct input_options *options,
                            const struct operands *operands, struct text *text, bool *found);

/* Opens a file to read; "-" is standard input, where *fd is -1 if it is closed, and which a terminal is told to be
 * waited for. Errors were reported. */
enum tern_status input_open(const char *path, int *fd);

/* Appends all of standard input. On a terminal that waits for text, says so. Errors were reported. */
enum tern_status input_read_stdin(struct text *text);

/* True if there may be text on standard input that nobody types: a pipe or a file. */
bool input_stdin_is_piped(void);

/* Parses token ids separated by commas, spaces or newlines, with brackets around them or not, each below n_vocab.
 * The caller frees *ids with tern_free(). Errors were reported: TERN_ERR_USAGE, with the id. */
enum tern_status input_parse_ids(const char *bytes, size_t n_bytes, int n_vocab, int32_t **ids, size_t *n_ids);

#endif
