#include "console/screen.h"
#include "console/escape.h"
#include "console/grapheme.h"
#include "console/term.h"
#include "console/wait.h"

#include <stdlib.h>
#include <string.h>

#define ERASE_BELOW "\033[J"
#define ERASE_RIGHT "\033[K"

/* xterm, the Linux console and GNU screen cut rows when the window becomes narrower; all others break them. */
static bool terminal_reflows(void)
{
	const char *name = getenv("TERM");

	return !getenv("XTERM_VERSION") && !getenv("STY") && name && strncmp(name, "linux", 5) != 0 &&
	       strncmp(name, "vt", 2) != 0;
}

void screen_start(struct screen *screen, int out)
{
	memset(screen, 0, sizeof *screen);
	screen->out = out;
	screen->reflows = terminal_reflows();
	term_size(screen->out, &screen->n_columns, &screen->n_rows);
}

void screen_free(struct screen *screen)
{
	frame_free(&screen->shown);
	frame_free(&screen->next);
	text_free(&screen->output);
}

static void put(struct screen *screen, const char *bytes) { text_append(&screen->output, bytes, strlen(bytes)); }

/* Hands over what was collected. A terminal that is gone will be noticed when reading. */
static void flush(struct screen *screen)
{
	if (!screen->output.failed)
		write_all(screen->out, screen->output.bytes, screen->output.n_bytes);
	screen->output.n_bytes = 0;
}

/* Moves the cursor from row to row of what is shown; rows that are not there yet are made. */
static void move(struct screen *screen, size_t from, size_t to, size_t n_there, int column)
{
	put(screen, "\r");
	if (to < from)
		text_printf(&screen->output, "\033[%zuA", from - to);
	if (to > from && to < n_there)
		text_printf(&screen->output, "\033[%zuB", to - from);
	for (; to > from && to >= n_there; from++)
		put(screen, "\n");
	if (column > 0)
		text_printf(&screen->output, "\033[%dC", column);
}

static void put_row(struct screen *screen, size_t row, size_t offset)
{
	const struct frame *next = &screen->next;
	size_t begin = next->rows[row].begin + offset;

	text_append(&screen->output, next->bytes.bytes + begin, next->rows[row].end - begin);
}

/* Writes what differs from `shown`, which has n_shown rows. */
static void put_changes(struct screen *screen, size_t n_shown)
{
	const struct frame *shown = &screen->shown, *next = &screen->next;
	size_t at = n_shown > 0 ? shown->cursor_row : 0, n_there = n_shown > 0 ? n_shown : 1, offset;
	int column;

	for (size_t row = 0; row < next->n_rows; row++) {
		bool is_new = row >= n_shown;
		offset = 0;
		column = 0;
		if (!is_new && !frame_row_differs(shown, next, row, &offset, &column))
			continue;
		move(screen, at, row, n_there, column);
		put_row(screen, row, offset);
		if (!is_new && next->rows[row].n_columns < shown->rows[row].n_columns)
			put(screen, ERASE_RIGHT);
		at = row;
		if (row >= n_there)
			n_there = row + 1;
	}
	if (next->n_rows < n_shown) {
		move(screen, at, next->n_rows, n_there, 0);
		put(screen, ERASE_BELOW);
		at = next->n_rows;
	}
	move(screen, at, next->cursor_row, n_there, next->cursor_column);
}

void screen_draw(struct screen *screen, const struct frame_source *source)
{
	size_t n_shown = screen->is_drawn ? screen->shown.n_rows : 0;
	struct frame before = screen->shown;

	screen->next.top = screen->is_drawn ? screen->shown.top : 0;
	if (!frame_build(&screen->next, source, screen->n_columns, screen->n_rows))
		return; /* not enough memory to draw: the keys work all the same */
	if (!screen->is_drawn)
		put(screen, "\r" ERASE_BELOW);
	put_changes(screen, n_shown);
	flush(screen);
	screen->shown = screen->next;
	screen->next = before;
	screen->is_drawn = true;
}

void screen_leave(struct screen *screen, const char *note)
{
	const struct frame *shown = &screen->shown;

	if (screen->is_drawn) {
		size_t last = shown->n_rows - 1;
		move(screen, shown->cursor_row, last, shown->n_rows, shown->rows[last].n_columns);
	}
	put(screen, note);
	put(screen, "\r\n");
	flush(screen);
	screen->is_drawn = false;
}

void screen_erase(struct screen *screen)
{
	if (screen->is_drawn)
		move(screen, screen->shown.cursor_row, 0, screen->shown.n_rows, 0);
	put(screen, "\r" ERASE_BELOW);
	flush(screen);
	screen->is_drawn = false;
}

void screen_clear(struct screen *screen)
{
	put(screen, "\033[H\033[2J");
	flush(screen);
	screen->is_drawn = false;
}

void screen_resize(struct screen *screen)
{
	int n_columns = screen->n_columns;
	size_t above = screen->shown.cursor_row;

	term_size(screen->out, &screen->n_columns, &screen->n_rows);
	if (!screen->is_drawn)
		return;
	if (screen->reflows && screen->n_columns < n_columns)
		above = frame_cursor_row_after_reflow(&screen->shown, screen->n_columns);
	if (above >= (size_t)screen->n_rows)
		above = (size_t)screen->n_rows - 1;
	move(screen, above, 0, 0, 0);
	put(screen, ERASE_BELOW);
	screen->is_drawn = false;
}

void screen_forget(struct screen *screen)
{
	screen->is_drawn = false;
	term_size(screen->out, &screen->n_columns, &screen->n_rows);
}

static int columns_of(const char *bytes, size_t n_bytes)
{
	uint32_t code_point;
	int n_columns = 0;

	for (size_t i = 0; i < n_bytes;) {
		i += grapheme_decode(bytes + i, n_bytes - i, &code_point);
		n_columns += grapheme_width(code_point);
	}
	return n_columns;
}

/* One word of a list, made safe, cut to the window, padded to n_columns (0: the last of its row). */
static void put_word(struct screen *screen, const char *word, int n_columns)
{
	struct text safe = {0};

	escape_append(&safe, word, strlen(word), ESCAPE_LINE);
	while (safe.n_bytes > 0 && columns_of(safe.bytes, safe.n_bytes) >= screen->n_columns)
		safe.n_bytes = grapheme_previous(safe.bytes, safe.n_bytes);
	text_append(&screen->output, safe.bytes, safe.n_bytes);
	for (int i = columns_of(safe.bytes, safe.n_bytes); i < n_columns; i++)
		put(screen, " ");
	text_free(&safe);
}

void screen_list(struct screen *screen, const char *words, size_t n_words)
{
	size_t n_shown = 0, per_row, n_rows;
	int widest = 0;
	const char *word = words;

	for (size_t i = 0; i < n_words; i++, word += strlen(word) + 1) {
		int width = columns_of(word, strlen(word));
		widest = width > widest ? width : widest;
	}
	per_row = (size_t)(screen->n_columns / (widest + 2));
	per_row = per_row > 0 ? per_row : 1;
	n_rows = screen->n_rows > 3 ? (size_t)screen->n_rows - 2 : 1;
	screen_leave(screen, "");
	for (word = words; n_shown < n_words && n_shown / per_row < n_rows; word += strlen(word) + 1) {
		bool is_last = ++n_shown % per_row == 0 || n_shown == n_words;
		put_word(screen, word, is_last ? 0 : widest + 2);
		if (is_last)
			put(screen, "\r\n");
	}
	if (n_shown < n_words)
		text_printf(&screen->output, "... and %zu more\r\n", n_words - n_shown);
	flush(screen);
}

void screen_beep(struct screen *screen)
{
	put(screen, "\a");
	flush(screen);
}
