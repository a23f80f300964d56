/* What each key does. */
#include "console/editor_core.h"
#include "console/history.h"
#include "console/message.h"
#include "console/tty.h"

/* The character a terminal sends for Ctrl and a letter. */
#define CTRL(letter) ((letter)&0x1f)

static void insert_newline(struct editor *editor) { editor_insert(editor, "\n", 1); }

static void enter(struct editor *editor)
{
	struct line *line = &editor->line;

	switch (message_state(line->bytes, line->n_bytes)) {
	case MESSAGE_WHOLE:
		editor_finish(editor, EDITOR_TEXT);
		break;
	case MESSAGE_BLOCK:
		editor_finish(editor, EDITOR_BLOCK);
		break;
	case MESSAGE_CONTINUES:
		line->bytes[line->n_bytes - 1] = '\n';
		line_move(line, line->n_bytes);
		break;
	case MESSAGE_OPEN:
		insert_newline(editor);
		break;
	}
}

void editor_interrupt(struct editor *editor)
{
	editor_finish(editor, editor->line.n_bytes > 0 ? EDITOR_INTERRUPT_CLEARED : EDITOR_INTERRUPT);
}

static void edit_elsewhere(struct editor *editor) { editor_finish(editor, EDITOR_EXTERNAL); }

static void stop(struct editor *editor)
{
	editor_draw(editor);
	screen_leave(&editor->screen, "");
	tty_stop();
}

static void clear_screen(struct editor *editor) { screen_clear(&editor->screen); }

/* Moves. */

static void move_left(struct editor *editor) { line_move(&editor->line, line_left_of(&editor->line, LINE_CHARACTER)); }

static void move_right(struct editor *editor)
{
	line_move(&editor->line, line_right_of(&editor->line, LINE_CHARACTER));
}

static void move_word_left(struct editor *editor) { line_move(&editor->line, line_left_of(&editor->line, LINE_WORD)); }

static void move_word_right(struct editor *editor)
{
	line_move(&editor->line, line_right_of(&editor->line, LINE_WORD));
}

static void move_home(struct editor *editor) { line_move_home(&editor->line); }

static void move_end(struct editor *editor) { line_move_end(&editor->line); }

static void move_first(struct editor *editor) { line_move(&editor->line, 0); }

static void move_last(struct editor *editor) { line_move(&editor->line, editor->line.n_bytes); }

/* Shows another entry of the history; the user's own text comes after the last one and is not lost. */
static void show_entry(struct editor *editor, size_t i)
{
	const struct history *history = editor->options.history;
	size_t n_bytes = editor->draft.n_bytes;
	const char *bytes = editor->draft.bytes;

	if (editor->history_at == history_count(history)) {
		editor->draft.n_bytes = 0;
		text_append(&editor->draft, editor->line.bytes, editor->line.n_bytes);
		if (editor->draft.failed) {
			text_free(&editor->draft);
			return;
		}
	}
	if (i < history_count(history))
		bytes = history_entry(history, i, &n_bytes);
	if (line_set(&editor->line, bytes, n_bytes))
		editor->history_at = i;
}

static void move_up(struct editor *editor)
{
	if (!line_move_up(&editor->line) && editor->history_at > 0)
		show_entry(editor, editor->history_at - 1);
}

static void move_down(struct editor *editor)
{
	if (!line_move_down(&editor->line) && editor->history_at < history_count(editor->options.history))
		show_entry(editor, editor->history_at + 1);
}

/* Changes. */

static void delete_left(struct editor *editor)
{
	line_delete(&editor->line, line_left_of(&editor->line, LINE_CHARACTER));
}

static void delete_right(struct editor *editor)
{
	line_delete(&editor->line, line_right_of(&editor->line, LINE_CHARACTER));
}

static void delete_or_leave(struct editor *editor)
{
	if (editor->line.n_bytes == 0)
		editor_finish(editor, EDITOR_END);
	else
		delete_right(editor);
}

static void kill_word_left(struct editor *editor) { line_kill(&editor->line, line_left_of(&editor->line, LINE_WORD)); }

static void kill_word_right(struct editor *editor)
{
	line_kill(&editor->line, line_right_of(&editor->line, LINE_WORD));
}

static void kill_space_word_left(struct editor *editor)
{
	line_kill(&editor->line, line_left_of(&editor->line, LINE_SPACE_WORD));
}

static void kill_line_left(struct editor *editor) { line_kill(&editor->line, line_left_of(&editor->line, LINE_LINE)); }

static void kill_line_right(struct editor *editor)
{
	line_kill(&editor->line, line_right_of(&editor->line, LINE_LINE));
}

static void yank(struct editor *editor) { line_yank(&editor->line); }

static void transpose(struct editor *editor) { line_transpose(&editor->line); }

struct binding {
	int code;
	void (*action)(struct editor *editor);
};

static const struct binding bindings[] = {
        {'\r', enter},
        {KEY_ENTER, enter},
        {'\n', insert_newline},
        {KEY_ALT | '\r', insert_newline},
        {KEY_ALT | '\n', insert_newline},
        {KEY_ENTER | KEY_ALT, insert_newline},
        {KEY_ENTER | KEY_SHIFT, insert_newline},
        {KEY_ENTER | KEY_CTRL, insert_newline},
        {'\t', editor_complete},
        {CTRL('c'), editor_interrupt},
        {CTRL('d'), delete_or_leave},
        {CTRL('g'), edit_elsewhere},
        {CTRL('l'), clear_screen},
        {CTRL('r'), search_start},
        {CTRL('z'), stop},

        {KEY_LEFT, move_left},
        {CTRL('b'), move_left},
        {KEY_RIGHT, move_right},
        {CTRL('f'), move_right},
        {KEY_LEFT | KEY_CTRL, move_word_left},
        {KEY_LEFT | KEY_ALT, move_word_left},
        {KEY_ALT | 'b', move_word_left},
        {KEY_RIGHT | KEY_CTRL, move_word_right},
        {KEY_RIGHT | KEY_ALT, move_word_right},
        {KEY_ALT | 'f', move_word_right},
        {KEY_HOME, move_home},
        {CTRL('a'), move_home},
        {KEY_END, move_end},
        {CTRL('e'), move_end},
        {KEY_HOME | KEY_CTRL, move_first},
        {KEY_ALT | '<', move_first},
        {KEY_END | KEY_CTRL, move_last},
        {KEY_ALT | '>', move_last},
        {KEY_UP, move_up},
        {CTRL('p'), move_up},
        {KEY_DOWN, move_down},
        {CTRL('n'), move_down},

        {0x7f, delete_left},
        {CTRL('h'), delete_left},
        {KEY_DELETE, delete_right},
        {KEY_ALT | 0x7f, kill_word_left},
        {KEY_ALT | CTRL('h'), kill_word_left},
        {KEY_ALT | 'd', kill_word_right},
        {KEY_DELETE | KEY_CTRL, kill_word_right},
        {KEY_DELETE | KEY_ALT, kill_word_right},
        {CTRL('w'), kill_space_word_left},
        {CTRL('u'), kill_line_left},
        {CTRL('k'), kill_line_right},
        {CTRL('y'), yank},
        {CTRL('t'), transpose},
};

static void (*action_of(int code))(struct editor *editor)
{
	for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++)
		if (bindings[i].code == code)
			return bindings[i].action;
	return NULL;
}

static bool is_kill(void (*action)(struct editor *))
{
	return action == kill_word_left || action == kill_word_right || action == kill_space_word_left ||
	       action == kill_line_left || action == kill_line_right;
}

void editor_end_paste(struct editor *editor)
{
	struct text *paste = &editor->paste;

	if (paste->failed)
		screen_beep(&editor->screen);
	else if (paste->n_bytes > 0)
		editor_insert(editor, paste->bytes, keys_clean_paste(paste->bytes, paste->n_bytes));
	text_free(paste);
	editor->needs_drawing = true;
}

static void act(struct editor *editor, const struct key *key)
{
	void (*action)(struct editor *) = action_of(key->code);
	line_begin_key(&editor->line, is_kill(action), action == move_up || action == move_down);
	if (key->code == KEY_TEXT)
		editor_insert(editor, key->bytes, key->n_bytes);
	else if (key->code == KEY_PASTE_END)
		editor_end_paste(editor);
	else if (action)
		action(editor);
}

void editor_key(struct editor *editor, const struct key *key)
{
	if (key->code == KEY_PASTE) {
		text_append(&editor->paste, key->bytes, key->n_bytes);
		return;
	}
	bool is_done = editor->search.is_active && search_key(editor, key);
	if (!is_done)
		act(editor, key);
	editor->needs_drawing = true;
}
