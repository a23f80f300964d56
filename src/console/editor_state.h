/* The inside of the editor, shared by its files: editor.c reads, editor_keys.c says what each key does,
 * editor_search.c looks through the history, editor_complete.c offers what Tab finds; all of them stand on
 * editor_state.c, which draws and ends editor_read(). */
#ifndef TERN_CONSOLE_EDITOR_STATE_H
#define TERN_CONSOLE_EDITOR_STATE_H

#include "console/editor.h"
#include "console/keys.h"
#include "console/line.h"
#include "console/plain.h"
#include "console/screen.h"

#include <stdint.h>

/* Ctrl-R: the line shows the entry found, the prompt what is looked for. */
struct search {
	bool is_active, has_failed;
	struct text query, prompt;
	size_t at;            /* the entry found; history_count() while there is none */
	struct text original; /* the line as it was before */
	size_t original_cursor;
};

struct editor {
	struct editor_options options;
	bool is_interactive;
	struct plain plain; /* if not */
	const char *prompt, *more_prompt;

	struct keys keys;
	struct text paste; /* what of a paste has come so far */
	size_t n_cooked;   /* bytes typed before the terminal knew Enter from Ctrl-J */
	uint64_t input_ns; /* when bytes came last */

	struct line line;
	size_t history_at; /* the entry in the line; history_count(): none, it is the user's own text */
	struct text draft; /* that text, while an entry is shown */
	struct search search;

	struct screen screen;
	bool needs_drawing;
	uint64_t draw_due_ns;

	bool is_done, keeps_text;
	enum editor_event event;
};

/* Ends editor_read() with this event. */
void editor_finish(struct editor *editor, enum editor_event event);

/* Brings the screen up to date: before something else is written to it, too. */
void editor_draw(struct editor *editor);

/* Does what a key means. */
void editor_key(struct editor *editor, const struct key *key);
/* Puts bytes into the line at the cursor. */
void editor_insert(struct editor *editor, const char *bytes, size_t n_bytes);
/* Ctrl-C. */
void editor_interrupt(struct editor *editor);
/* Puts what has come of a paste into the line. */
void editor_end_paste(struct editor *editor);

void search_start(struct editor *editor);
/* True if the key belonged to the search; else the search is over, the entry found stays, and the key is to be done. */
bool search_key(struct editor *editor, const struct key *key);
void search_free(struct search *search);

void editor_complete(struct editor *editor);

#endif
