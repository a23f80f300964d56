#include "cli/input.h"
#include "base/memory.h"
#include "console/term.h"
#include "console/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct option input_options[] = {
        {.name = "prompt",
         .letter = 'p',
         .kind = OPTION_TEXT,
         .offset = offsetof(struct input_options, prompt),
         .argument = "TEXT",
         .help = "the text, instead of words on the command line",
         .once = true},
        {.name = "file",
         .letter = 'f',
         .kind = OPTION_TEXT,
         .offset = offsetof(struct input_options, file),
         .argument = "FILE",
         .help = "read the text from FILE, byte for byte; -: standard input",
         .once = true},
        {.name = NULL},
};

bool input_stdin_is_piped(void) { return !term_is_terminal(STDIN_FILENO) && !term_stdin_is_closed(); }

/* A program that waits silently looks broken: after a second without input, say what it waits for. */
static void explain_waiting(int fd)
{
	struct pollfd wanted = {.fd = fd, .events = POLLIN};

	if (term_can_show_status() && poll(&wanted, 1, 1000) == 0)
		note("(reading text from standard input; end it with Ctrl-D, or run with < /dev/null for none)");
}

/* Reads, again after interruptions, and waits where a descriptor that does not block holds nothing yet. */
static ssize_t read_some(int fd, char *bytes, size_t n_bytes)
{
	for (;;) {
		ssize_t got = read(fd, bytes, n_bytes);
		if (got >= 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK))
			return got;
		if (errno != EINTR)
			wait_for(fd, -1, -1);
	}
}

static enum tern_status read_to_end(int fd, const char *name, struct text *text)
{
	char buffer[1 << 14];
	ssize_t got;

	while ((got = read_some(fd, buffer, sizeof buffer)) != 0) {
		if (got < 0) {
			report("%s: cannot read: %s", name, strerror(errno));
			return TERN_ERR_FILE;
		}
		if (text->n_bytes + (size_t)got > INPUT_LIMIT) {
			report("%s: more than %zu MiB of text, which fits no context", name, INPUT_LIMIT >> 20);
			return TERN_ERR_CONTEXT;
		}
		text_append(text, buffer, (size_t)got);
	}
	return text->failed ? report_out_of_memory() : TERN_OK;
}

enum tern_status input_open(const char *path, int *fd)
{
	*fd = -1;
	if (strcmp(path, "-") == 0) {
		if (term_stdin_is_closed()) {
			report("standard input is closed");
			return TERN_ERR_USAGE;
		}
		explain_waiting(*fd = STDIN_FILENO);
		return TERN_OK;
	}
	do
		*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	while (*fd < 0 && errno == EINTR);
	if (*fd >= 0)
		return TERN_OK;
	report("%s: %s", path, strerror(errno));
	return TERN_ERR_FILE;
}

static enum tern_status read_file(const char *path, struct text *text)
{
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
	enum tern_status status;
	int fd;

	if ((status = input_open(path, &fd)))
		return status;
	status = read_to_end(fd, name, text);
	if (fd != STDIN_FILENO)
		close(fd);
	return status;
}

enum tern_status input_read_stdin(struct text *text) { return read_file("-", text); }

enum tern_status input_read(const struct command *command, const struct input_options *options,
                            const struct operands *operands, struct text *text, bool *found)
{
	int n_sources = (options->prompt != NULL) + (options->file != NULL) + (operands->n_items > 0);

	*found = n_sources > 0;
	if (n_sources > 1)
		return usage_error(command, "the text is given twice: words, -p and -f exclude each other");
	if (options->file)
		return read_file(options->file, text);
	if (options->prompt)
		text_append(text, options->prompt, strlen(options->prompt));
	for (size_t i = 0; i < operands->n_items; i++)
		text_printf(text, "%s%s", i ? " " : "", operands->items[i]);
	return text->failed ? report_out_of_memory() : TERN_OK;
}

enum tern_status input_parse_ids(const char *bytes, size_t n_bytes, int n_vocab, int32_t **ids, size_t *n_ids)
{
	static const char separators[] = " \t\r\n,[]";
	size_t capacity = 0;
	int32_t *block = NULL;

	*ids = NULL;
	*n_ids = 0;
	for (size_t i = 0; i < n_bytes;) {
		char word[24];
		size_t length = 0;
		int id;
		if (bytes[i] && strchr(separators, bytes[i])) {
			i++;
			continue;
		}
		while (i + length < n_bytes && bytes[i + length] && !strchr(separators, bytes[i + length]))
			length++;
		length += length == 0; /* a NUL */
		snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : (int)sizeof word - 1,
		         bytes + i);
		if (length >= sizeof word || !parse_int(word, 0, n_vocab - 1, &id)) {
			report("'%s' is not a token id from 0 to %d", word, n_vocab - 1);
			tern_free(block);
			return TERN_ERR_USAGE;
		}
		if (!TERN_GROW(block, capacity, *n_ids + 1)) {
			tern_free(block);
			return report_out_of_memory();
		}
		block[(*n_ids)++] = id;
		i += length;
	}
	*ids = block;
	return TERN_OK;
}
