#include "cli/chat_screen.h"
#include "console/escape.h"
#include "console/output.h"
#include "console/term.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void write_string(const char *string) { output_write(string, strlen(string)); }

/* Thoughts are told from answers by their style; where there is none, by their tags. */
static bool has_style(void) { return *term_style(STDOUT_FILENO, TERM_DIM) != '\0'; }

static void show_thought(struct screen *s, const char *bytes, size_t n_bytes)
{
	char line[64];

	s->n_thoughts++;
	if (s->hides_thoughts) {
		snprintf(line, sizeof line, "thinking %.*s", (int)(s->n_thoughts / 8 % 4), "...");
		term_show_status(line);
		return;
	}
	if (!s->in_thoughts && !has_style())
		write_string("<think>\n");
	s->in_thoughts = true;
	/* Each piece is switched on and off: whatever ends the program leaves the terminal as it was. */
	write_string(term_style(STDOUT_FILENO, TERM_DIM));
	output_text(bytes, n_bytes);
	write_string(term_style(STDOUT_FILENO, TERM_PLAIN));
	s->last_byte = bytes[n_bytes - 1];
	s->has_text = true;
}

static void put(void *user, const char *bytes, size_t n_bytes, bool is_thought)
{
	struct screen *s = user;

	if (is_thought) {
		show_thought(s, bytes, n_bytes);
		return;
	}
	term_erase_status();
	if (s->in_thoughts)
		write_string(has_style() ? "\n\n" : "\n</think>\n\n");
	s->in_thoughts = false;
	if (s->style != TERM_PLAIN)
		write_string(term_style(STDOUT_FILENO, s->style));
	output_text(bytes, n_bytes);
	if (s->style != TERM_PLAIN)
		write_string(term_style(STDOUT_FILENO, TERM_PLAIN));
	s->last_byte = bytes[n_bytes - 1];
	s->has_text = true;
}

void screen_begin(struct screen *s, bool hides_thoughts)
{
	*s = (struct screen){.hides_thoughts = hides_thoughts};
	s->thoughts.put = put;
	s->thoughts.user = s;
}

bool screen_show(struct screen *s, const char *answer, size_t n_bytes, bool at_end)
{
	thoughts_show(&s->thoughts, answer, n_bytes, at_end);
	return output_flush();
}

void screen_end(struct screen *s, bool is_stopped)
{
	bool on_terminal = term_is_terminal(STDOUT_FILENO);

	term_erase_status();
	if (is_stopped && on_terminal) {
		output_printf("%s^C%s\n", term_style(STDOUT_FILENO, TERM_DIM), term_style(STDOUT_FILENO, TERM_PLAIN));
	} else if (s->has_text && s->last_byte != '\n') {
		write_string("\n");
	}
	if (on_terminal)
		write_string("\n");
	output_flush();
	if (is_stopped && !on_terminal && term_is_terminal(STDERR_FILENO))
		note("^C");
}

void screen_say(struct text *text)
{
	struct text escaped = {0};

	output_flush();
	if (term_is_terminal(STDOUT_FILENO)) {
		output_text(text->bytes, text->n_bytes);
		output_flush();
	} else {
		escape_append(&escaped, text->bytes, text->n_bytes, ESCAPE_TERMINAL);
		if (!escaped.failed)
			fwrite(escaped.bytes, 1, escaped.n_bytes, stderr);
	}
	if (text->failed || escaped.failed)
		report("out of memory");
	text_free(&escaped);
	text_free(text);
}

void screen_hint(const char *format, ...)
{
	char message[2048];
	va_list args;

	if (term_is_quiet() || !term_is_terminal(STDERR_FILENO))
		return;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	note("%s", message);
}
