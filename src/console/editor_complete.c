/* Tab. */
#include "console/editor_state.h"

#include <string.h>

void completions_add(struct completions *completions, const char *word)
{
	text_append(&completions->words, word, strlen(word) + 1);
	completions->n_words++;
}

/* How many bytes all candidates begin with, whole characters only. */
static size_t common_length(const struct completions *completions)
{
	const char *first = completions->words.bytes, *word = first;
	size_t n_common = strlen(first);

	for (size_t i = 0; i < completions->n_words; i++, word += strlen(word) + 1) {
		size_t n = 0;
		while (n < n_common && word[n] == first[n])
			n++;
		n_common = n;
	}
	while (n_common > 0 && ((unsigned char)first[n_common] & 0xc0) == 0x80)
		n_common--;
	return n_common;
}

/* Puts n_bytes in place of the word at the cursor. False if they were there already. */
static bool replace(struct editor *editor, size_t start, const char *bytes, size_t n_bytes)
{
	struct line *line = &editor->line;

	if (line->cursor - start == n_bytes && memcmp(line->bytes + start, bytes, n_bytes) == 0)
		return false;
	line_delete(line, start);
	editor_insert(editor, bytes, n_bytes);
	return true;
}

static void apply(struct editor *editor, const struct completions *completions)
{
	const char *first = completions->words.bytes;
	size_t start = completions->start < editor->line.cursor ? completions->start : editor->line.cursor;
	size_t n_common = common_length(completions);

	if (completions->n_words == 1) {
		replace(editor, start, first, n_common);
		if (n_common > 0 && first[n_common - 1] != '/')
			editor_insert(editor, " ", 1);
	} else if (n_common < editor->line.cursor - start || !replace(editor, start, first, n_common)) {
		editor_draw(editor);
		screen_list(&editor->screen, first, completions->n_words);
	}
}

void editor_complete(struct editor *editor)
{
	struct line *line = &editor->line;
	struct completions completions = {.start = line->cursor};

	if (editor->options.complete)
		editor->options.complete(editor->options.user, line->bytes ? line->bytes : "", line->n_bytes,
		                         line->cursor, &completions);
	if (completions.n_words == 0 || completions.words.failed)
		screen_beep(&editor->screen);
	else
		apply(editor, &completions);
	text_free(&completions.words);
}
