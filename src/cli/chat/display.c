#include "cli/chat/display.h"
#include "console/output.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Thoughts differ from the answer by their style; where there is none, by their tags. */
static bool has_style(void) { return *term_style(STDOUT_FILENO, TERM_DIM) != '\0'; }

/* Switches each piece's style on and off: whatever ends the program leaves the terminal as it was. */
static void put(struct display *d, const char *bytes, size_t n_bytes, enum term_style name)
{
	struct wrap_style style = {"", ""};

	if (name != TERM_PLAIN)
		style = (struct wrap_style){term_style(STDOUT_FILENO, name), term_style(STDOUT_FILENO, TERM_PLAIN)};
	if (d->wraps) {
		wrap_text(&d->wrap, &d->output, bytes, n_bytes, style);
		output_write(d->output.bytes, d->output.n_bytes);
		d->output.n_bytes = 0;
		return;
	}
	output_write(style.begin, strlen(style.begin));
	output_text(bytes, n_bytes);
	output_write(style.end, strlen(style.end));
}

static void put_plain(struct display *d, const char *string) { put(d, string, strlen(string), TERM_PLAIN); }

static void show(struct display *d, const char *bytes, size_t n_bytes, enum term_style style)
{
	put(d, bytes, n_bytes, style);
	d->last_byte = bytes[n_bytes - 1];
	d->has_text = true;
}

static void show_thought(struct display *d, const char *bytes, size_t n_bytes)
{
	char line[64];

	d->n_thoughts++;
	if (d->hides_thoughts) {
		snprintf(line, sizeof line, "thinking %.*s", (int)(d->n_thoughts / 8 % 4), "...");
		term_show_status(line);
		return;
	}
	if (!d->in_thoughts && !has_style())
		put_plain(d, "<think>\n");
	d->in_thoughts = true;
	show(d, bytes, n_bytes, TERM_DIM);
}

static void on_piece(void *user, const char *bytes, size_t n_bytes, bool is_thought)
{
	struct display *d = user;

	if (is_thought) {
		show_thought(d, bytes, n_bytes);
		return;
	}
	term_erase_status();
	if (d->in_thoughts)
		put_plain(d, has_style() ? "\n\n" : "\n</think>\n\n");
	d->in_thoughts = false;
	show(d, bytes, n_bytes, d->style);
}

void display_begin(struct display *d, bool hides_thoughts, bool wraps)
{
	*d = (struct display){.hides_thoughts = hides_thoughts,
	                      .wraps = wraps && term_is_terminal(STDOUT_FILENO),
	                      .tags = {.put = on_piece, .user = d}};
}

bool display_show(struct display *d, const char *answer, size_t n_bytes, bool at_end)
{
	int n_columns, n_rows;

	if (d->wraps) {
		term_size(STDOUT_FILENO, &n_columns, &n_rows);
		wrap_resize(&d->wrap, n_columns);
	}
	think_tags_split(&d->tags, answer, n_bytes, at_end);
	return output_flush();
}

void display_end(struct display *d, bool is_stopped)
{
	bool on_terminal = term_is_terminal(STDOUT_FILENO);

	term_erase_status();
	if (d->wraps) {
		wrap_end(&d->wrap, &d->output);
		output_write(d->output.bytes, d->output.n_bytes);
		if (is_stopped && d->wrap.column + 2 > d->wrap.n_columns) /* "^C" would be broken at the edge */
			output_write("\n", 1);
	}
	if (is_stopped && on_terminal)
		output_printf("%s^C%s\n", term_style(STDOUT_FILENO, TERM_DIM), term_style(STDOUT_FILENO, TERM_PLAIN));
	else if (d->has_text && d->last_byte != '\n')
		output_write("\n", 1);
	if (on_terminal)
		output_write("\n", 1);
	output_flush();
	if (is_stopped && !on_terminal && term_is_terminal(STDERR_FILENO))
		note("^C");
	wrap_free(&d->wrap);
	text_free(&d->output);
}
