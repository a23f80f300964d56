/* Fuzz target: the line editor. The first two bytes are the window's size, the third says in how many pieces the rest,
 * keys, comes. Everything is drawn, into nothing. */
#include "base/memory.h"
#include "console/editor_core.h"
#include "console/history.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void complete(void *user, const char *text, size_t n_bytes, size_t cursor, struct completions *completions)
{
	(void)user;
	(void)text;
	completions->start = n_bytes - cursor; /* also one behind the cursor */
	completions_add(completions, "/help");
	if (n_bytes % 2 == 0)
		completions_add(completions, "/h\303\244\033[m");
}

static struct editor *make_editor(int n_columns, int n_rows)
{
	struct editor *editor = tern_alloc(1, sizeof *editor);

	if (!editor)
		abort();
	editor->prompt = "\033[1m> \033[0m";
	editor->more_prompt = "";
	editor->options.history = history_open(NULL);
	editor->options.complete = complete;
	editor->screen.out = -1;
	editor->screen.n_columns = n_columns;
	editor->screen.n_rows = n_rows;
	editor->screen.reflows = true;
	history_add(editor->options.history, "one\n\346\274\242", 7);
	history_add(editor->options.history, "two", 3);
	editor->history_at = history_count(editor->options.history);
	return editor;
}

static void free_editor(struct editor *editor)
{
	history_close(editor->options.history);
	screen_free(&editor->screen);
	line_free(&editor->line);
	text_free(&editor->paste);
	text_free(&editor->draft);
	search_free(&editor->search);
	tern_free(editor);
}

static void do_keys(struct editor *editor, bool is_timed_out)
{
	struct key key;

	while (keys_next(&editor->keys, is_timed_out, &key)) {
		editor_key(editor, &key);
		if (editor->line.cursor > editor->line.n_bytes)
			abort();
		editor_draw(editor);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	if (n_bytes < 3)
		return 0;
	struct editor *editor = make_editor(1 + bytes[0] % 100, 1 + bytes[1] % 30);
	size_t n_piece = 1 + bytes[2], n_room;

	for (size_t i = 3, n; i < n_bytes; i += n) {
		char *room = keys_room(&editor->keys, &n_room);
		n = n_bytes - i < n_piece ? n_bytes - i : n_piece;
		n = n < n_room ? n : n_room;
		memcpy(room, bytes + i, n);
		keys_add(&editor->keys, n);
		do_keys(editor, false);
		if (bytes[i] % 4 == 0)
			do_keys(editor, true);
		if (bytes[i] % 8 == 0) {
			screen_resize(&editor->screen); /* to the size of no terminal */
			editor->screen.n_columns = 1 + bytes[i] / 8;
		}
	}
	do_keys(editor, true);
	if (keys_are_pending(&editor->keys))
		abort();
	free_editor(editor);
	return 0;
}
