#include "console/plain.h"
#include "base/memory.h"
#include "console/escape.h"
#include "console/message.h"
#include "console/signals.h"
#include "console/wait.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	READ_SIZE = 1 << 16
};

void plain_start(struct plain *plain, const struct editor_options *options)
{
	memset(plain, 0, sizeof *plain);
	plain->in = options->in;
	plain->out = options->out;
	plain->wake_fd = options->wake_fd;
	plain->is_terminal = isatty(options->in);
}

void plain_end(struct plain *plain)
{
	text_free(&plain->input);
	text_free(&plain->message);
}

/* Reads what there is; false at the end of input. */
static bool read_more(struct plain *plain)
{
	struct text *input = &plain->input;
	ssize_t n;

	if (plain->n_used > 0) {
		memmove(input->bytes, input->bytes + plain->n_used, input->n_bytes - plain->n_used);
		input->n_bytes -= plain->n_used;
		plain->n_searched -= plain->n_used;
		plain->n_used = 0;
	}
	if (!TERN_GROW(input->bytes, input->capacity, input->n_bytes + READ_SIZE)) {
		input->failed = true;
		return false;
	}
	do
		n = read(plain->in, input->bytes + input->n_bytes, READ_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return true;
	if (n <= 0)
		return false;
	input->n_bytes += (size_t)n;
	return true;
}

/* Moves one line, without its line break, to the end of the message. False if no whole line has been read; at the
 * end of input the rest counts as one. */
static bool take_line(struct plain *plain)
{
	const char *bytes = plain->input.bytes;
	size_t begin = plain->n_used, rest = plain->input.n_bytes - plain->n_searched;
	const char *newline = rest ? memchr(bytes + plain->n_searched, '\n', rest) : NULL;
	size_t end = newline ? (size_t)(newline - bytes) : plain->input.n_bytes;

	plain->n_searched = end;
	if (!newline && (!plain->is_at_end || end == begin))
		return false;
	plain->n_used = plain->n_searched = newline ? end + 1 : end;
	if (end > begin && bytes[end - 1] == '\r')
		end--;
	text_append(&plain->message, bytes + begin, end - begin);
	return true;
}

static enum editor_event finish(struct plain *plain, struct text *text, enum message_state state)
{
	const char *content = plain->message.bytes;
	size_t n_content = plain->message.n_bytes;

	if (state == MESSAGE_BLOCK)
		content = message_block_content(content, n_content, &n_content);
	else if (n_content > 0 && content[n_content - 1] == '\n') /* an empty line only ends the message */
		n_content--;
	text->n_bytes = 0;
	text_append(text, content, n_content);
	plain->message.n_bytes = 0;
	plain->is_prompted = false;
	if (text->failed || plain->message.failed || plain->input.failed)
		return EDITOR_FAILED;
	return state == MESSAGE_BLOCK ? EDITOR_BLOCK : EDITOR_TEXT;
}

static void show_prompt(struct plain *plain, const char *prompt)
{
	if (plain->is_terminal && !plain->is_prompted)
		write_all(plain->out, prompt, strlen(prompt));
	plain->is_prompted = true;
}

/* Begins the message with a text from elsewhere. On a terminal it is shown, since what is typed next joins it. */
static void begin_with(struct plain *plain, const char *initial, const char *prompt, const char *more_prompt)
{
	struct text shown = {0};
	size_t n_line;

	plain->message.n_bytes = 0;
	text_append(&plain->message, initial, strlen(initial));
	text_append(&plain->message, "\n", 1);
	if (!plain->is_terminal)
		return;
	for (const char *line = initial;; line += n_line + 1) {
		n_line = strcspn(line, "\n");
		text_append(&shown, prompt, strlen(prompt));
		escape_append(&shown, line, n_line, ESCAPE_TERMINAL);
		text_append(&shown, "\n", 1);
		prompt = more_prompt;
		if (!line[n_line])
			break;
	}
	if (!shown.failed)
		write_all(plain->out, shown.bytes, shown.n_bytes);
	text_free(&shown);
}

/* Ctrl-C: the system has thrown away what was typed in this line. */
static enum editor_event interrupt(struct plain *plain)
{
	bool had_lines = plain->message.n_bytes > 0;

	signals_forget_interrupt();
	plain->message.n_bytes = 0;
	plain->is_prompted = false;
	write_all(plain->out, "\n", 1);
	return had_lines ? EDITOR_INTERRUPT_CLEARED : EDITOR_INTERRUPT;
}

static enum editor_event end(struct plain *plain, struct text *text)
{
	if (plain->input.failed)
		return EDITOR_FAILED;
	if (plain->message.n_bytes > 0) { /* a block or a continued line, and the line break that nothing follows */
		plain->message.n_bytes--;
		return finish(plain, text, MESSAGE_WHOLE);
	}
	if (plain->is_terminal)
		write_all(plain->out, "\n", 1);
	plain->is_prompted = false;
	return EDITOR_END;
}

enum editor_event plain_read(struct plain *plain, const char *prompt, const char *more_prompt, const char *initial,
                             struct text *text)
{
	if (plain->is_terminal)
		plain->is_at_end = false; /* Ctrl-D ended the message before; a terminal that is gone says so again */
	if (initial)
		begin_with(plain, initial, prompt, more_prompt);
	for (;;) {
		while (take_line(plain)) {
			enum message_state state = message_state(plain->message.bytes, plain->message.n_bytes);
			if (state == MESSAGE_WHOLE || state == MESSAGE_BLOCK)
				return finish(plain, text, state);
			if (state == MESSAGE_CONTINUES)
				plain->message.bytes[plain->message.n_bytes - 1] = '\n';
			else
				text_append(&plain->message, "\n", 1);
			plain->is_prompted = false;
		}
		if (plain->is_at_end || plain->input.failed || plain->message.failed)
			return end(plain, text);
		show_prompt(plain, plain->message.n_bytes > 0 ? more_prompt : prompt);
		enum wait_event event = wait_for(plain->in, plain->wake_fd, -1);
		if (event == WAIT_WAKE) /* the prompt stays, and what may be typed behind it */
			return EDITOR_WAKE;
		if (plain->is_terminal && signals_interrupted())
			return interrupt(plain);
		if (event == WAIT_INPUT)
			plain->is_at_end = !read_more(plain);
	}
}
