#include "console/frame.h"
#include "base/memory.h"
#include "console/escape.h"
#include "console/grapheme.h"

#include <string.h>

enum {
	TAB_WIDTH = 8,
	MAX_MARKS = 16, /* on one character; what follows them is not shown */
};

/* A walk over everything that is shown. */
struct layout {
	struct frame *frame;     /* receives rows first..last; NULL: they are only counted */
	size_t first_row, n_max; /* n_max rows at most */
	size_t row;
	int column, n_columns;
	int n_marks;
	bool failed;
};

static bool is_shown(const struct layout *layout)
{
	return layout->frame && layout->row >= layout->first_row && layout->row - layout->first_row < layout->n_max;
}

static void begin_row(struct layout *layout)
{
	struct frame *frame = layout->frame;

	layout->column = 0;
	layout->n_marks = 0;
	if (!is_shown(layout))
		return;
	if (!TERN_GROW(frame->rows, frame->capacity, frame->n_rows + 1)) {
		layout->failed = true;
		layout->frame = NULL;
		return;
	}
	frame->rows[frame->n_rows++] =
	        (struct frame_row){frame->bytes.n_bytes, frame->bytes.n_bytes, frame->bytes.n_bytes, 0};
}

static void next_row(struct layout *layout)
{
	layout->row++;
	begin_row(layout);
}

static void append(struct layout *layout, const char *bytes, size_t n_bytes)
{
	if (!is_shown(layout))
		return;
	struct frame_row *row = &layout->frame->rows[layout->frame->n_rows - 1];
	text_append(&layout->frame->bytes, bytes, n_bytes);
	row->end = layout->frame->bytes.n_bytes;
	row->n_columns = layout->column;
}

/* Starts a new row if `width` columns do not fit into this one. */
static void make_room(struct layout *layout, int width)
{
	if (layout->column + width > layout->n_columns && layout->column > 0)
		next_row(layout);
}

static void put(struct layout *layout, const char *bytes, size_t n_bytes, int width)
{
	if (width == 0 && ++layout->n_marks > MAX_MARKS)
		return;
	if (width > 0)
		layout->n_marks = 0;
	if (width > layout->n_columns) { /* a wide character in a window of one column */
		bytes = "?";
		n_bytes = 1;
		width = 1;
	}
	make_room(layout, width);
	layout->column += width;
	append(layout, bytes, n_bytes);
}

static void put_spaces(struct layout *layout, int n)
{
	for (int i = 0; i < n; i++)
		put(layout, " ", 1, 1);
}

/* One character as it is shown, a tab as spaces up to the next stop or the end of the row. */
static void put_character(struct layout *layout, const char *bytes, size_t n_bytes, size_t *n_taken)
{
	char shown[ESCAPE_SIZE];
	uint32_t code_point;
	size_t n_shown;
	int width;

	if (bytes[0] == '\t') {
		*n_taken = 1;
		make_room(layout, 1);
		width = TAB_WIDTH - layout->column % TAB_WIDTH;
		if (width > layout->n_columns - layout->column)
			width = layout->n_columns - layout->column;
		put_spaces(layout, width);
		return;
	}
	n_shown = escape_character(shown, bytes, n_bytes, ESCAPE_TERMINAL, n_taken);
	if (n_shown == *n_taken && memcmp(shown, bytes, n_shown) == 0) {
		grapheme_decode(bytes, n_bytes, &code_point);
		width = grapheme_width(code_point);
		put(layout, bytes, *n_taken, width);
		return;
	}
	for (size_t i = 0; i < n_shown; i++)
		put(layout, shown + i, 1, 1);
}

/* The length of the escape sequence that `bytes` begins with, or 0. */
static size_t escape_length(const char *bytes)
{
	size_t n = 2;

	if (bytes[0] != '\033' || bytes[1] != '[')
		return 0;
	while (bytes[n] >= 0x20 && bytes[n] < 0x40)
		n++;
	return bytes[n] ? n + 1 : 0;
}

static void put_prompt(struct layout *layout, const char *prompt)
{
	size_t n_bytes = strlen(prompt), n_taken;

	for (size_t i = 0; i < n_bytes; i += n_taken) {
		n_taken = escape_length(prompt + i);
		if (n_taken == 0) {
			put_character(layout, prompt + i, n_bytes - i, &n_taken);
			continue;
		}
		append(layout, prompt + i, n_taken);
		if (is_shown(layout))
			layout->frame->rows[layout->frame->n_rows - 1].after_escape = layout->frame->bytes.n_bytes;
	}
}

/* How many columns the character at `bytes` needs to stay whole on one row. */
static int needed_columns(const char *bytes, size_t n_bytes)
{
	uint32_t code_point;

	grapheme_decode(bytes, n_bytes, &code_point);
	return bytes[0] != '\t' && code_point != GRAPHEME_INVALID && !escape_is_harmful(code_point)
	               ? grapheme_width(code_point)
	               : 1;
}

/* Printable ASCII, which most text is, quickly: as many characters as go into this row, up to `limit`. */
static size_t put_ascii(struct layout *layout, const char *bytes, size_t limit)
{
	size_t n = 0, n_room = (size_t)(layout->n_columns - layout->column);

	while (n < limit && n < n_room && bytes[n] >= 0x20 && bytes[n] < 0x7f)
		n++;
	layout->column += (int)n;
	if (n > 0) {
		layout->n_marks = 0;
		append(layout, bytes, n);
	}
	return n;
}

struct place {
	size_t row;
	int column;
};

/* Walks over everything; returns where the cursor is. */
static struct place lay_out(struct layout *layout, const struct frame_source *source)
{
	struct place cursor = {0, 0};
	size_t n_taken;

	begin_row(layout);
	put_prompt(layout, source->prompt);
	for (size_t i = 0; i < source->n_bytes; i += n_taken) {
		const char *bytes = source->bytes + i;
		bool is_newline = *bytes == '\n';
		n_taken = 1;
		if (!is_newline)
			make_room(layout, needed_columns(bytes, source->n_bytes - i));
		if (i == source->cursor) /* after a full row, on its last column rather than on a row of its own */
			cursor = (struct place){layout->row, layout->column - (layout->column == layout->n_columns)};
		if (is_newline) {
			next_row(layout);
			put_prompt(layout, source->more_prompt);
		} else {
			bool is_before_cursor = i < source->cursor;
			n_taken = put_ascii(layout, bytes, (is_before_cursor ? source->cursor : source->n_bytes) - i);
			if (n_taken == 0)
				put_character(layout, bytes, source->n_bytes - i, &n_taken);
		}
		if (layout->frame && layout->row >= layout->first_row + layout->n_max)
			return cursor; /* below the window, and the cursor is known from counting */
	}
	if (source->cursor == source->n_bytes) {
		make_room(layout, 1);
		cursor = (struct place){layout->row, layout->column};
	}
	return cursor;
}

bool frame_build(struct frame *frame, const struct frame_source *source, int n_columns, int n_window_rows)
{
	struct layout count = {.n_columns = n_columns}, fill = {.n_columns = n_columns, .frame = frame};
	struct place cursor = lay_out(&count, source);
	size_t n_window = (size_t)n_window_rows;

	frame->n_total = count.row + 1;
	frame->n_columns = n_columns;
	if (frame->top + n_window > frame->n_total)
		frame->top = frame->n_total > n_window ? frame->n_total - n_window : 0;
	if (cursor.row < frame->top)
		frame->top = cursor.row;
	if (cursor.row >= frame->top + n_window)
		frame->top = cursor.row - n_window + 1;
	frame->cursor_row = cursor.row - frame->top;
	frame->cursor_column = cursor.column;
	frame->n_rows = 0;
	frame->bytes.n_bytes = 0;
	text_append(&frame->bytes, "", 0); /* never NULL */
	fill.first_row = frame->top;
	fill.n_max = n_window;
	lay_out(&fill, source);
	return !fill.failed && !frame->bytes.failed;
}

void frame_free(struct frame *frame)
{
	text_free(&frame->bytes);
	tern_free(frame->rows);
	memset(frame, 0, sizeof *frame);
}

/* The last place up to `limit` bytes into the row where a character with a width begins, and its column. */
static size_t edge_before(const struct frame *frame, const struct frame_row *row, size_t limit, int *column)
{
	const char *bytes = frame->bytes.bytes + row->begin;
	size_t n_bytes = row->end - row->begin, edge = n_bytes, length;
	int at_column = 0;

	*column = row->n_columns;
	for (size_t i = 0; i < n_bytes && i <= limit; i += length) {
		uint32_t code_point;
		int width;
		length = escape_length(bytes + i); /* the bytes end with a NUL */
		if (length > 0)
			continue;
		length = grapheme_decode(bytes + i, n_bytes - i, &code_point);
		width = grapheme_width(code_point);
		if (width == 0)
			continue;
		edge = i;
		*column = at_column;
		at_column += width;
	}
	if (limit >= n_bytes) {
		edge = n_bytes;
		*column = row->n_columns;
	}
	return edge;
}

bool frame_row_differs(const struct frame *shown, const struct frame *next, size_t row, size_t *offset, int *column)
{
	const struct frame_row *old = &shown->rows[row], *new = &next->rows[row];
	const char *a = shown->bytes.bytes + old->begin, *b = next->bytes.bytes + new->begin;
	size_t n_old = old->end - old->begin, n_new = new->end - new->begin, n_same = 0;
	size_t n_escaped = new->after_escape - new->begin, old_edge;
	int old_column;

	while (n_same < n_old && n_same < n_new && a[n_same] == b[n_same])
		n_same++;
	if (n_same == n_old && n_same == n_new)
		return false;
	old_edge = edge_before(shown, old, n_same, &old_column);
	*offset = edge_before(next, new, n_same, column);
	if (old_edge < *offset) {
		*offset = old_edge;
		*column = old_column;
	}
	/* Within a colored prompt the color would have to be set again: the whole row is simpler. */
	if (*offset < n_escaped || *offset < old->after_escape - old->begin) {
		*offset = 0;
		*column = 0;
	}
	return true;
}

size_t frame_cursor_row_after_reflow(const struct frame *frame, int n_columns)
{
	size_t n_rows = 0;

	for (size_t i = 0; i < frame->cursor_row; i++) {
		int width = frame->rows[i].n_columns;
		n_rows += width > n_columns ? (size_t)((width + n_columns - 1) / n_columns) : 1;
	}
	return n_rows + (size_t)(frame->cursor_column / n_columns);
}
