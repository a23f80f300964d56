/* Messages from plain lines: of a pipe, a file, or a terminal that knows no escape sequences. */
#ifndef TERN_CONSOLE_PLAIN_H
#define TERN_CONSOLE_PLAIN_H

#include "console/editor_options.h"

struct plain {
	int in, out, wake_fd;
	bool is_terminal;    /* prompts are shown, and Ctrl-C is an event */
	struct text input;   /* bytes read and not yet used */
	size_t n_used;       /* of them */
	size_t n_searched;   /* of them hold no further newline */
	struct text message; /* lines of an unfinished message */
	bool is_prompted, is_at_end;
};

void plain_start(struct plain *plain, const struct editor_options *options);
void plain_end(struct plain *plain);
/* editor_read() for plain lines; `initial` counts as lines already typed: others follow it, and an empty one ends it.
 */
enum editor_event plain_read(struct plain *plain, const char *prompt, const char *more_prompt, const char *initial,
                             struct text *text);

#endif
