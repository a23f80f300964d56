/* Tab: completing what is before the cursor. */
#include "base/memory.h"
#include "base/sizes.h"
#include "base/utf8.h"
#include "console/editor.h"
#include "console/editor_core.h"

#include <stdlib.h>
#include <string.h>

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Folders list their entries in any order; people look for a name in its place. Stays as it is when memory is short. */
static void sort(struct completions *completions)
{
	const char **words = tern_alloc(completions->n_words, sizeof *words), *word = completions->words.bytes;
	struct text sorted = {0};

	for (size_t i = 0; words && i < completions->n_words; i++, word += strlen(word) + 1)
		words[i] = word;
	if (words)
		qsort(words, completions->n_words, sizeof *words, compare_words);
	for (size_t i = 0; words && i < completions->n_words; i++)
		text_append(&sorted, words[i], strlen(words[i]) + 1);
	if (words && !sorted.failed) {
		text_free(&completions->words);
		completions->words = sorted;
	} else {
		text_free(&sorted);
	}
	tern_free(words);
}

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
	return tern_utf8_cut(first, strlen(first), n_common);
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

static void apply(struct editor *editor, struct completions *completions)
{
	const char *first = completions->words.bytes;
	size_t start = tern_smaller(completions->start, editor->line.cursor);
	size_t n_common = common_length(completions);

	if (completions->n_words == 1) {
		replace(editor, start, first, n_common);
		if (n_common > 0 && first[n_common - 1] != '/')
			editor_insert(editor, " ", 1);
	} else if (n_common < editor->line.cursor - start || !replace(editor, start, first, n_common)) {
		sort(completions);
		editor_draw(editor);
		screen_list(&editor->screen, completions->words.bytes, completions->n_words);
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
