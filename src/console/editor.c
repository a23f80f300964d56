/* Reading, drawing at the right moments, and the beginning and end of editor_read(). */
#include "console/editor.h"
#include "base/clock.h"
#include "base/memory.h"
#include "console/editor_core.h"
#include "console/history.h"
#include "console/message.h"
#include "console/signals.h"
#include "console/tty.h"
#include "console/wait.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	KEY_MS = 50,     /* after which a lone ESC is the Escape key; sequences come faster, also through ssh */
	PASTE_MS = 1000, /* after which a paste without its end mark is over */
	NS_PER_MS = 1000000,
};

/* What cannot move a cursor gets plain lines. */
static bool can_edit(const struct editor_options *options)
{
	const char *name = getenv("TERM");

	return name && *name && strcmp(name, "dumb") != 0 && isatty(options->out) &&
	       tty_start(options->in, options->out);
}

struct editor *editor_open(const struct editor_options *options)
{
	struct editor *editor = tern_alloc(1, sizeof *editor);

	if (!editor)
		return NULL;
	editor->options = *options;
	editor->is_interactive = can_edit(options);
	if (editor->is_interactive)
		screen_start(&editor->screen, options->out);
	else
		plain_start(&editor->plain, options);
	return editor;
}

void editor_close(struct editor *editor)
{
	if (!editor)
		return;
	if (editor->is_interactive) {
		tty_set(TTY_AS_FOUND);
		screen_free(&editor->screen);
	} else {
		plain_end(&editor->plain);
	}
	line_free(&editor->line);
	text_free(&editor->paste);
	text_free(&editor->draft);
	search_free(&editor->search);
	tern_free(editor);
}

bool editor_is_interactive(const struct editor *editor) { return editor->is_interactive; }

/* Reads what there is. False if the terminal is gone. */
static bool read_keys(struct editor *editor)
{
	size_t n_room;
	char *room = keys_room(&editor->keys, &n_room);
	ssize_t n = read(editor->options.in, room, n_room);

	if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return true;
	if (n <= 0)
		return false;
	for (ssize_t i = 0; i < n && editor->n_cooked > 0; i++, editor->n_cooked--)
		if (room[i] == '\n')
			room[i] = '\r';
	keys_add(&editor->keys, (size_t)n);
	editor->input_ns = tern_clock_ns();
	return true;
}

static void react_to_signals(struct editor *editor)
{
	if (editor->is_done)
		return;
	if (tty_was_resumed()) {
		screen_forget(&editor->screen);
		editor->needs_drawing = true;
	}
	if (tty_was_resized()) {
		screen_resize(&editor->screen);
		editor->needs_drawing = true;
	}
	if (signals_interrupted()) { /* sent by another program: the key is no signal while editing */
		signals_forget_interrupt();
		editor_interrupt(editor);
	}
}

static int ms_until(uint64_t then_ns, uint64_t now_ns)
{
	return then_ns > now_ns ? (int)((then_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS) : 0;
}

/* How long to wait for input: until half a key is all there is, a paste is over, or it is time to draw. */
static int next_timeout(const struct editor *editor, uint64_t now_ns)
{
	int timeout = -1, draw_timeout = ms_until(editor->draw_due_ns, now_ns);
	uint64_t patience_ns = (uint64_t)(editor->keys.in_paste ? PASTE_MS : KEY_MS) * NS_PER_MS;

	if (editor->keys.in_paste || keys_are_pending(&editor->keys))
		timeout = ms_until(editor->input_ns + patience_ns, now_ns);
	if (editor->needs_drawing && (timeout < 0 || draw_timeout < timeout))
		timeout = draw_timeout;
	return timeout;
}

/* Waits for something and takes it in. Returns true if no more bytes of a key that has begun are to be expected. */
static bool wait_for_keys(struct editor *editor)
{
	int timeout = next_timeout(editor, tern_clock_ns());

	switch (wait_for(editor->options.in, editor->options.wake_fd, timeout)) {
	case WAIT_INPUT:
		if (!read_keys(editor))
			editor_finish(editor, EDITOR_END);
		return false;
	case WAIT_SIGNAL:
		return false;
	case WAIT_WAKE:
		editor_finish(editor, EDITOR_WAKE);
		return false;
	case WAIT_TIMEOUT:
		break;
	}
	/* Nothing more is there for now: the moment to draw. */
	if (editor->needs_drawing && tern_clock_ns() >= editor->draw_due_ns)
		editor_draw(editor);
	uint64_t waited_ns = tern_clock_ns() - editor->input_ns;
	if (!editor->keys.in_paste)
		return waited_ns >= (uint64_t)KEY_MS * NS_PER_MS;
	if (waited_ns >= (uint64_t)PASTE_MS * NS_PER_MS) {
		struct key key;
		while (keys_next(&editor->keys, true, &key)) /* half an end mark */
			editor_key(editor, &key);
		editor->keys.in_paste = false;
		editor_end_paste(editor);
	}
	return false;
}

static void run(struct editor *editor)
{
	bool is_timed_out = false;
	struct key key;

	while (!editor->is_done) {
		while (!editor->is_done && keys_next(&editor->keys, is_timed_out, &key)) {
			editor_key(editor, &key);
			is_timed_out = false;
		}
		react_to_signals(editor);
		if (!editor->is_done)
			is_timed_out = wait_for_keys(editor);
	}
}

/* Hands the text over and forgets it. */
static void send(struct editor *editor, struct text *text)
{
	struct line *line = &editor->line;
	const char *content = line->bytes;
	size_t n_content = line->n_bytes;

	if (editor->event != EDITOR_EXTERNAL)
		history_add(editor->options.history, line->bytes, line->n_bytes);
	if (editor->event == EDITOR_BLOCK)
		content = message_block_content(content, n_content, &n_content);
	text->n_bytes = 0;
	text_append(text, content, n_content);
	if (text->failed)
		editor->event = EDITOR_FAILED;
}

/* What the screen shows of the text in the end. */
static void leave(struct editor *editor)
{
	editor->search.is_active = false;
	switch (editor->event) {
	case EDITOR_EXTERNAL:
	case EDITOR_WAKE:
		screen_erase(&editor->screen);
		return;
	case EDITOR_TEXT:
	case EDITOR_BLOCK:
		line_move(&editor->line, editor->line.n_bytes);
		break;
	default:
		break;
	}
	editor_draw(editor);
	bool is_interrupt = editor->event == EDITOR_INTERRUPT || editor->event == EDITOR_INTERRUPT_CLEARED;
	screen_leave(&editor->screen, is_interrupt ? "^C" : "");
}

/* A Ctrl-C that was typed between Enter and TTY_QUIET came as a byte, but it is meant for what follows: makes it the
 * signal that it would have been a moment later. */
static void hear_early_interrupt(struct editor *editor)
{
	struct keys *keys = &editor->keys;

	while (keys->end < KEYS_BUFFER && wait_for(editor->options.in, -1, 0) == WAIT_INPUT)
		if (!read_keys(editor))
			return;
	if (keys_drop_interrupt(keys))
		raise(SIGINT);
}

static enum editor_event edit(struct editor *editor, const char *initial, struct text *text)
{
	if (initial || !editor->keeps_text) {
		if (!line_set(&editor->line, initial ? initial : "", initial ? strlen(initial) : 0))
			return EDITOR_FAILED;
		editor->history_at = history_count(editor->options.history);
	}
	tty_set(TTY_EDIT);
	editor->n_cooked += tty_cooked_input();
	screen_forget(&editor->screen);
	editor->is_done = editor->keeps_text = false;
	editor->draw_due_ns = 0;
	editor_draw(editor);
	run(editor);
	leave(editor);
	if (editor->event == EDITOR_TEXT || editor->event == EDITOR_BLOCK || editor->event == EDITOR_EXTERNAL)
		send(editor, text);
	editor->keeps_text = editor->event == EDITOR_WAKE;
	tty_set(TTY_QUIET);
	if (editor->event == EDITOR_TEXT || editor->event == EDITOR_BLOCK)
		hear_early_interrupt(editor);
	return editor->event;
}

enum editor_event editor_read(struct editor *editor, const char *prompt, const char *more_prompt, const char *initial,
                              struct text *text)
{
	enum editor_event event;

	if (editor->is_interactive) {
		editor->prompt = prompt;
		editor->more_prompt = more_prompt;
		return edit(editor, initial, text);
	}
	event = plain_read(&editor->plain, prompt, more_prompt, initial, text);
	if ((event == EDITOR_TEXT || event == EDITOR_BLOCK) && editor->plain.is_terminal)
		history_add(editor->options.history, text->bytes, text->n_bytes);
	return event;
}

enum editor_event editor_ask(struct editor *editor, const char *question, struct text *answer)
{
	struct editor_options options = editor->options;
	enum editor_event event;

	editor->options.history = NULL;
	editor->options.complete = NULL;
	editor->options.wake_fd = editor->plain.wake_fd = -1;
	do
		event = editor_read(editor, question, "", NULL, answer);
	while (event == EDITOR_EXTERNAL);
	editor->options = options;
	editor->plain.wake_fd = options.wake_fd;
	return event;
}
