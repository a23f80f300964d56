/* What a chat shows: answers as they come, and the rest that is said to the user. */
#ifndef TERN_CLI_CHAT_SCREEN_H
#define TERN_CLI_CHAT_SCREEN_H

#include "cli/thoughts.h"
#include "console/term.h"
#include "console/text.h"

#include <stdbool.h>
#include <stddef.h>

/* An answer being shown on standard output. Thoughts are dim where there is colour, else between their tags; or hidden,
 * and a terminal then shows that there are some. */
struct screen {
	struct thoughts thoughts;
	bool hides_thoughts;
	bool in_thoughts;
	bool has_text; /* something was shown */
	char last_byte;
	enum term_style style; /* of what is shown next of the answer itself */
	size_t n_thoughts;     /* pieces of thoughts so far */
};

void screen_begin(struct screen *screen, bool hides_thoughts);
/* The answer so far, all of it. False if standard output has failed. */
bool screen_show(struct screen *screen, const char *answer, size_t n_bytes, bool at_end);
/* Ends the last line, after a ^C if the answer was stopped; on a terminal an empty line follows. */
void screen_end(struct screen *screen, bool is_stopped);

/* What a command has to tell, lines that end in newlines: on standard output if that is a terminal, else on standard
 * error. Control characters are escaped on a terminal. Frees the text. */
void screen_say(struct text *text);

/* A line for somebody who sits at the terminal, dim, on standard error; not with --quiet. */
void screen_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
