/* Ctrl-R: looking through the history for a piece of text while it is typed. */
#include "console/editor_core.h"
#include "console/grapheme.h"
#include "console/history.h"

#include <string.h>

#define CTRL(letter) ((letter)&0x1f)

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

/* The first place of `query` in the bytes, capitals and small letters of ASCII being the same; -1 if none. */
static ptrdiff_t find(const char *bytes, size_t n_bytes, const struct text *query)
{
	for (size_t i = 0; i + query->n_bytes <= n_bytes; i++) {
		size_t n = 0;
		while (n < query->n_bytes && lower(bytes[i + n]) == lower(query->bytes[n]))
			n++;
		if (n == query->n_bytes)
			return (ptrdiff_t)i;
	}
	return -1;
}

static bool is_in_line(const struct editor *editor, const char *bytes, size_t n_bytes)
{
	return n_bytes == editor->line.n_bytes && memcmp(bytes, editor->line.bytes, n_bytes) == 0;
}

/* Goes through the entries from `from` in one direction until one other than the line's matches. */
static void look(struct editor *editor, size_t from, bool toward_older, bool skip_same)
{
	struct search *search = &editor->search;
	const struct history *history = editor->options.history;

	search->has_failed = search->query.n_bytes > 0;
	for (size_t i = from; search->has_failed && i < history_count(history); i += toward_older ? (size_t)-1 : 1) {
		size_t n_bytes;
		const char *bytes = history_entry(history, i, &n_bytes);
		ptrdiff_t place = find(bytes, n_bytes, &search->query);
		if (place < 0 || (skip_same && is_in_line(editor, bytes, n_bytes)))
			continue;
		if (!line_set(&editor->line, bytes, n_bytes))
			return;
		line_move(&editor->line, (size_t)place);
		search->at = i;
		search->has_failed = false;
	}
}

/* The prompt shows the text that is searched for. */
static void update_prompt(struct search *search)
{
	search->prompt.n_bytes = 0;
	text_printf(&search->prompt, "(%s ", search->has_failed ? "not found:" : "search:");
	text_append(&search->prompt, search->query.bytes, search->query.n_bytes);
	text_printf(&search->prompt, ") ");
}

void search_start(struct editor *editor)
{
	struct search *search = &editor->search;

	search->original.n_bytes = search->query.n_bytes = 0;
	text_append(&search->original, editor->line.bytes, editor->line.n_bytes);
	search->original_cursor = editor->line.cursor;
	search->at = history_count(editor->options.history);
	search->has_failed = false;
	update_prompt(search);
	search->is_active = !search->original.failed && !search->prompt.failed;
}

/* The line as it was. */
static void put_back(struct editor *editor)
{
	struct search *search = &editor->search;

	if (line_set(&editor->line, search->original.bytes, search->original.n_bytes))
		line_move(&editor->line, search->original_cursor);
	search->has_failed = false;
}

static void give_up(struct editor *editor)
{
	put_back(editor);
	editor->search.is_active = false;
}

/* The entry found stays in the line, and Up and Down go on from it. */
static void accept(struct editor *editor)
{
	struct search *search = &editor->search;

	search->is_active = false;
	if (search->at == history_count(editor->options.history))
		return;
	if (editor->history_at == history_count(editor->options.history)) {
		struct text draft = editor->draft;
		editor->draft = search->original;
		search->original = draft;
	}
	editor->history_at = search->at;
}

bool search_key(struct editor *editor, const struct key *key)
{
	struct search *search = &editor->search;
	size_t newest = history_count(editor->options.history) - 1; /* past all entries if there are none */

	switch (key->code) {
	case KEY_TEXT:
		text_append(&search->query, key->bytes, key->n_bytes);
		look(editor, search->at <= newest ? search->at : newest, true, false);
		break;
	case 0x7f:
	case CTRL('h'):
		search->query.n_bytes = grapheme_previous(search->query.bytes, search->query.n_bytes);
		search->at = newest + 1;
		if (search->query.n_bytes == 0)
			put_back(editor);
		else
			look(editor, newest, true, false);
		break;
	case CTRL('r'):
		look(editor, search->at <= newest ? search->at - 1 : newest, true, true);
		break;
	case CTRL('s'):
		look(editor, search->at + 1, false, true);
		break;
	case CTRL('g'):
	case CTRL('c'):
		give_up(editor);
		return true;
	case '\033':
		accept(editor);
		return true;
	default:
		accept(editor);
		return false;
	}
	update_prompt(search);
	return true;
}

void search_free(struct search *search)
{
	text_free(&search->query);
	text_free(&search->prompt);
	text_free(&search->original);
}
