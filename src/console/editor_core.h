/* The inside of the editor, shared by its files: editor.c reads keys and decides when to draw, editor_keys.c does what
 * a key means, editor_search.c searches the history, editor_complete.c completes; all of them use editor_core.c. */
#ifndef TERN_CONSOLE_EDITOR_CORE_H
#define TERN_CONSOLE_EDITOR_CORE_H

#include "console/editor_options.h"
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
	struct text paste; /* the part of a paste that has come so far */
	size_t n_cooked;   /* bytes typed while the terminal sent the same for Enter and Ctrl-J */
	uint64_t input_ns; /* when bytes came last */

	struct line line;
	size_t history_at; /* the entry in the line; history_count(): none, the line is the user's own text */
	struct text draft; /* the user's own text, while an entry is in the line */
	struct search search;

	struct screen screen;
	bool needs_drawing;
	uint64_t draw_due_ns;

	bool is_done, keeps_text;
	enum editor_event event;
};

/* Ends editor_read() with this event. */
void editor_finish(struct editor *editor, enum editor_event event);
/* Inserts bytes at the cursor. */
void editor_insert(struct editor *editor, const char *bytes, size_t n_bytes);
/* Brings the screen up to date. */
void editor_draw(struct editor *editor);

/* Does what a key means. */
void editor_key(struct editor *editor, const struct key *key);
/* Ctrl-C. */
void editor_interrupt(struct editor *editor);
/* Inserts what has come of a paste. */
void editor_end_paste(struct editor *editor);

void search_start(struct editor *editor);
/* True if the key belonged to the search. Else the search is over, the entry found stays in the line, and the caller
 * does what the key means. */
bool search_key(struct editor *editor, const struct key *key);
void search_free(struct search *search);

/* Tab. */
void editor_complete(struct editor *editor);

#endif
