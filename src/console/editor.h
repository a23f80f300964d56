/* The line editor: reads messages that a person types at a terminal, one or many lines each.
 *
 * On a terminal that understands escape sequences (TERM set and not "dumb") it edits like a shell: the keys that
 * shell users know, history, search, completion, pastes taken whole. Anywhere else it reads plain lines and writes no
 * escape codes. Either way a trailing backslash continues a message on the next line, and a message that begins with
 * three double quotes goes on up to the next three.
 *
 * While editor_read() waits the terminal is in TTY_EDIT, afterwards in TTY_QUIET (see tty.h): what is typed before the
 * next call waits in the terminal's queue. Not for several threads at a time. */
#ifndef TERN_CONSOLE_EDITOR_H
#define TERN_CONSOLE_EDITOR_H

#include "console/editor_options.h"
#include "console/text.h"

#include <stdbool.h>

struct editor;

/* Adds a candidate. If it is the only one, a space follows it, unless it ends in '/'. */
void completions_add(struct completions *completions, const char *word);

/* Opens the editor; the options are copied. NULL when memory runs out. */
struct editor *editor_open(const struct editor_options *options);
/* Gives the terminal back as it was found. NULL is fine. */
void editor_close(struct editor *editor);

/* True if it edits, false if it reads plain lines: then there are no prompts to color and nothing to redraw. */
bool editor_is_interactive(const struct editor *editor);

/* Reads one message. The cursor of the terminal is expected in the first column, and is there again afterwards: below
 * the text, or, after EDITOR_EXTERNAL and EDITOR_WAKE, where the prompt was, which is erased then.
 * `prompt` stands before the first line, `more_prompt` before the others; both may hold color sequences. Neither is
 * shown unless `in` is a terminal. `initial` is the text to begin with, or NULL.
 * *text, which the caller begins zeroed or used and frees with text_free(), receives the message (EDITOR_TEXT,
 * EDITOR_BLOCK, EDITOR_EXTERNAL) without the newline that ended it. It may hold any bytes, newlines and NUL too. */
enum editor_event editor_read(struct editor *editor, const char *prompt, const char *more_prompt, const char *initial,
                              struct text *text);

/* Reads the answer to a question like a message, with neither history nor completion, and without EDITOR_EXTERNAL and
 * EDITOR_WAKE. */
enum editor_event editor_ask(struct editor *editor, const char *question, struct text *answer);

#endif
