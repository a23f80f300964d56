#include "console/wrap.h"
#include "base/sizes.h"
#include "console/escape.h"
#include "console/grapheme.h"

#include <string.h>

enum {
	TAB_WIDTH = 8,
	N_FENCE = 3, /* ` at the beginning of a line that begins or ends code */
};

/* One call of wrap_text(). */
struct pass {
	struct wrap *wrap;
	struct text *out;
	struct wrap_style style;
	bool out_is_styled, word_is_styled; /* the style is switched on at their ends */
};

static void put(struct text *text, const char *string) { text_append(text, string, strlen(string)); }

/* Switches a text to the style, or back. */
static void set_style(struct text *text, struct wrap_style style, bool *is_styled, bool wanted)
{
	if (*is_styled != wanted)
		put(text, wanted ? style.begin : style.end);
	*is_styled = wanted;
}

/* The cursor moves on by `width` columns; the terminal begins a new row where they do not fit. */
static void advance(struct wrap *w, int width)
{
	w->column = w->column + width > w->n_columns ? width : w->column + width;
}

/* Writes the spaces that fit: more would make the terminal begin a row with them. */
static void write_spaces(struct pass *pass)
{
	struct wrap *w = pass->wrap;
	size_t n_room = (size_t)(w->n_columns > w->column ? w->n_columns - w->column : 0);

	text_append(pass->out, w->spaces.bytes, tern_smaller(w->spaces.n_bytes, n_room));
	w->column = w->space_columns < (int)n_room ? w->column + w->space_columns : w->n_columns;
	w->spaces.n_bytes = 0;
	w->space_columns = 0;
}

/* Writes what is held back, the word on a new line if it does not fit behind the spaces. */
static void release(struct pass *pass)
{
	struct wrap *w = pass->wrap;
	bool fits = w->column + w->space_columns + w->word_columns <= w->n_columns;

	set_style(pass->out, pass->style, &pass->out_is_styled, false);
	set_style(&w->word, pass->style, &pass->word_is_styled, false);
	if (!fits && w->word.n_bytes > 0) {
		put(pass->out, "\n");
		w->column = 0;
		w->spaces.n_bytes = 0;
		w->space_columns = 0;
	}
	write_spaces(pass);
	text_append(pass->out, w->word.bytes, w->word.n_bytes);
	advance(w, w->word_columns);
	w->word.n_bytes = 0;
	w->word_columns = 0;
}

static void write_now(struct pass *pass, const char *bytes, size_t n_bytes, int width)
{
	set_style(pass->out, pass->style, &pass->out_is_styled, true);
	text_append(pass->out, bytes, n_bytes);
	advance(pass->wrap, width);
}

static void hold(struct pass *pass, const char *bytes, size_t n_bytes, int width)
{
	struct wrap *w = pass->wrap;

	set_style(&w->word, pass->style, &pass->word_is_styled, true);
	text_append(&w->word, bytes, n_bytes);
	w->word_columns += width;
}

static void newline(struct pass *pass)
{
	release(pass);
	put(pass->out, "\n");
	pass->wrap->column = 0;
	pass->wrap->n_ticks = 0;
}

static int tab_width(const struct wrap *w) { return TAB_WIDTH - (w->column + w->space_columns) % TAB_WIDTH; }

static void space(struct pass *pass, char c)
{
	struct wrap *w = pass->wrap;
	int width = c == '\t' ? tab_width(w) : 1;

	if (w->word.n_bytes > 0)
		release(pass);
	if (w->n_ticks == 0 || w->in_code) { /* an indentation, or in code */
		write_now(pass, &c, 1, width);
		return;
	}
	for (int i = 0; i < width; i++)
		put(&w->spaces, " ");
	w->space_columns += width;
}

/* Part of a word, as it is shown. */
static void letter(struct pass *pass, const char *bytes, size_t n_bytes, int width)
{
	struct wrap *w = pass->wrap;

	if (w->space_columns == 0) { /* the word begins its line, or the part before it is on the screen */
		write_now(pass, bytes, n_bytes, width);
		return;
	}
	hold(pass, bytes, n_bytes, width);
	if (w->column + w->space_columns + w->word_columns > w->n_columns || width > 1)
		release(pass);
}

/* Lines that begin with ``` begin and end code. */
static void watch_fence(struct pass *pass, char c)
{
	struct wrap *w = pass->wrap;

	if (c == '`' && w->n_ticks >= 0 && ++w->n_ticks == N_FENCE)
		w->in_code = !w->in_code;
	else if (c != '`' && c != ' ' && c != '\t')
		w->n_ticks = -1;
}

void wrap_text(struct wrap *wrap, struct text *out, const char *bytes, size_t n_bytes, struct wrap_style style)
{
	struct pass pass = {.wrap = wrap, .out = out, .style = style};
	char shown[ESCAPE_SIZE];
	uint32_t code_point;
	size_t n_taken;

	for (size_t i = 0; i < n_bytes; i += n_taken) {
		size_t n_shown = escape_character(shown, bytes + i, n_bytes - i, ESCAPE_TERMINAL, &n_taken);
		watch_fence(&pass, shown[0]);
		grapheme_decode(shown, n_shown, &code_point);
		if (shown[0] == '\n')
			newline(&pass);
		else if (shown[0] == ' ' || shown[0] == '\t')
			space(&pass, shown[0]);
		else /* an escaped character is as wide as it is long */
			letter(&pass, shown, n_shown, n_shown == n_taken ? grapheme_width(code_point) : (int)n_shown);
	}
	set_style(out, style, &pass.out_is_styled, false);
	set_style(&wrap->word, style, &pass.word_is_styled, false);
	out->failed = out->failed || wrap->spaces.failed || wrap->word.failed;
}

void wrap_end(struct wrap *wrap, struct text *out)
{
	struct pass pass = {.wrap = wrap, .out = out, .style = {"", ""}};
	release(&pass);
}

void wrap_resize(struct wrap *w, int n_columns)
{
	/* Most terminals break a row that has become too long anew. */
	if (w->column > n_columns)
		w->column = (w->column - 1) % n_columns + 1;
	w->n_columns = n_columns;
}

void wrap_free(struct wrap *wrap)
{
	text_free(&wrap->spaces);
	text_free(&wrap->word);
}
