#include "console/editor.h"
#include "base/memory.h"
#include "console/history.h"
#include "console/plain.h"

#include <string.h>

struct editor {
	struct editor_options options;
	struct plain plain;
};

void completions_add(struct completions *completions, const char *word)
{
	text_append(&completions->words, word, strlen(word) + 1);
	completions->n_words++;
}

struct editor *editor_open(const struct editor_options *options)
{
	struct editor *editor = tern_alloc(1, sizeof *editor);

	if (!editor)
		return NULL;
	editor->options = *options;
	plain_start(&editor->plain, options);
	return editor;
}

void editor_close(struct editor *editor)
{
	if (!editor)
		return;
	plain_end(&editor->plain);
	tern_free(editor);
}

bool editor_is_interactive(const struct editor *editor)
{
	(void)editor;
	return false;
}

enum editor_event editor_read(struct editor *editor, const char *prompt, const char *more_prompt, const char *initial,
                              struct text *text)
{
	enum editor_event event = plain_read(&editor->plain, prompt, more_prompt, initial, text);

	if ((event == EDITOR_TEXT || event == EDITOR_BLOCK) && editor->plain.is_terminal)
		history_add(editor->options.history, text->bytes, text->n_bytes);
	return event;
}
