/* An answer on standard output while it comes. Thoughts are dim where there is color, else between their tags; or
 * hidden, and a terminal then shows that the model is thinking. On a terminal lines are wrapped at words. */
#ifndef TERN_CLI_CHAT_DISPLAY_H
#define TERN_CLI_CHAT_DISPLAY_H

#include "cli/think_tags.h"
#include "console/term.h"
#include "console/wrap.h"

#include <stdbool.h>
#include <stddef.h>

struct display {
	struct think_tags tags;
	bool hides_thoughts, wraps;
	bool in_thoughts;
	bool has_text; /* something was shown */
	char last_byte;
	enum term_style style; /* of the answer's text that is shown next */
	size_t n_thoughts;     /* pieces of thoughts so far */
	struct wrap wrap;
	struct text output; /* what goes into the next write */
};

void display_begin(struct display *display, bool hides_thoughts, bool wraps);
/* Shows what is new in the answer, of which all so far is given. False if standard output has failed. */
bool display_show(struct display *display, const char *answer, size_t n_bytes, bool at_end);
/* Ends the last line, after a ^C if the answer was stopped; on a terminal an empty line follows. */
void display_end(struct display *display, bool is_stopped);

#endif
