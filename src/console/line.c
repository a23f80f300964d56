#include "console/line.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "console/grapheme.h"

#include <string.h>

void line_free(struct line *line)
{
	tern_free(line->bytes);
	text_free(&line->killed);
	memset(line, 0, sizeof *line);
}

bool line_insert(struct line *line, const char *bytes, size_t n_bytes)
{
	size_t n_needed;

	if (!tern_add_size(line->n_bytes, n_bytes, &n_needed) || !TERN_GROW(line->bytes, line->capacity, n_needed))
		return false;
	if (n_bytes == 0)
		return true;
	memmove(line->bytes + line->cursor + n_bytes, line->bytes + line->cursor, line->n_bytes - line->cursor);
	memcpy(line->bytes + line->cursor, bytes, n_bytes);
	line->n_bytes = n_needed;
	line->cursor += n_bytes;
	return true;
}

bool line_set(struct line *line, const char *bytes, size_t n_bytes)
{
	size_t n_before = line->n_bytes, cursor = line->cursor;

	line->n_bytes = line->cursor = 0;
	if (line_insert(line, bytes, n_bytes))
		return true;
	line->n_bytes = n_before;
	line->cursor = cursor;
	return false;
}

/* White space, ASCII's and the wide one of Chinese and Japanese. */
static bool is_space(uint32_t c) { return c == ' ' || c == '\n' || c == '\t' || c == 0xa0 || c == 0x3000; }

static bool is_in_word(uint32_t c, enum line_unit unit)
{
	if (unit == LINE_SPACE_WORD)
		return !is_space(c);
	if (c >= 0x80) /* also bytes that are no UTF-8 */
		return !is_space(c);
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool word_is_at(const struct line *line, size_t at, enum line_unit unit)
{
	uint32_t code_point;

	grapheme_decode(line->bytes + at, line->n_bytes - at, &code_point);
	return is_in_word(code_point, unit);
}

static size_t word_left(const struct line *line, enum line_unit unit)
{
	bool is_inside = false;
	size_t at = line->cursor;

	while (at > 0) {
		size_t before = grapheme_previous(line->bytes, at);
		bool is_word = word_is_at(line, before, unit);
		if (is_inside && !is_word)
			break;
		is_inside = is_word;
		at = before;
	}
	return at;
}

static size_t word_right(const struct line *line, enum line_unit unit)
{
	bool is_inside = false;
	size_t at = line->cursor;

	while (at < line->n_bytes) {
		bool is_word = word_is_at(line, at, unit);
		if (is_inside && !is_word)
			break;
		is_inside = is_word;
		at = grapheme_next(line->bytes, line->n_bytes, at);
	}
	return at;
}

static size_t line_begin(const struct line *line, size_t at)
{
	while (at > 0 && line->bytes[at - 1] != '\n')
		at--;
	return at;
}

static size_t line_end(const struct line *line, size_t at)
{
	const char *newline = at < line->n_bytes ? memchr(line->bytes + at, '\n', line->n_bytes - at) : NULL;

	return newline ? (size_t)(newline - line->bytes) : line->n_bytes;
}

size_t line_left_of(const struct line *line, enum line_unit unit)
{
	size_t begin;

	switch (unit) {
	case LINE_CHARACTER:
		return grapheme_previous(line->bytes, line->cursor);
	case LINE_WORD:
	case LINE_SPACE_WORD:
		return word_left(line, unit);
	case LINE_LINE:
		begin = line_begin(line, line->cursor);
		return begin == line->cursor && begin > 0 ? begin - 1 : begin;
	case LINE_TEXT:
		break;
	}
	return 0;
}

size_t line_right_of(const struct line *line, enum line_unit unit)
{
	size_t end;

	switch (unit) {
	case LINE_CHARACTER:
		return grapheme_next(line->bytes, line->n_bytes, line->cursor);
	case LINE_WORD:
	case LINE_SPACE_WORD:
		return word_right(line, unit);
	case LINE_LINE:
		end = line_end(line, line->cursor);
		return end == line->cursor && end < line->n_bytes ? end + 1 : end;
	case LINE_TEXT:
		break;
	}
	return line->n_bytes;
}

void line_move(struct line *line, size_t to) { line->cursor = to; }

void line_move_home(struct line *line) { line->cursor = line_begin(line, line->cursor); }

void line_move_end(struct line *line) { line->cursor = line_end(line, line->cursor); }

/* Columns that the characters from begin to end take. */
static size_t columns_between(const struct line *line, size_t begin, size_t end)
{
	size_t n_columns = 0;
	uint32_t code_point;

	while (begin < end) {
		begin += grapheme_decode(line->bytes + begin, end - begin, &code_point);
		n_columns += (size_t)grapheme_width(code_point);
	}
	return n_columns;
}

/* Puts the cursor into the line that begins at `begin`, as near to the goal as it is long. */
static void move_to_goal(struct line *line, size_t begin)
{
	size_t end = line_end(line, begin), at = begin, n_columns = 0;

	while (at < end) {
		size_t next = grapheme_next(line->bytes, end, at);
		n_columns += columns_between(line, at, next);
		if (n_columns > line->goal_columns)
			break;
		at = next;
	}
	line->cursor = at;
}

static bool move_vertically(struct line *line, bool up)
{
	size_t begin = line_begin(line, line->cursor), end = line_end(line, line->cursor);

	if (up ? begin == 0 : end == line->n_bytes)
		return false;
	if (!line->is_moving)
		line->goal_columns = columns_between(line, begin, line->cursor);
	line->is_moving = true;
	move_to_goal(line, up ? line_begin(line, begin - 1) : end + 1);
	return true;
}

bool line_move_up(struct line *line) { return move_vertically(line, true); }

bool line_move_down(struct line *line) { return move_vertically(line, false); }

void line_delete(struct line *line, size_t to)
{
	size_t begin = tern_smaller(to, line->cursor), end = tern_larger(to, line->cursor);

	if (begin == end)
		return;
	memmove(line->bytes + begin, line->bytes + end, line->n_bytes - end);
	line->n_bytes -= end - begin;
	line->cursor = begin;
}

void line_kill(struct line *line, size_t to)
{
	struct text killed = {0};
	bool is_leftward = to < line->cursor;
	size_t begin = is_leftward ? to : line->cursor, n = is_leftward ? line->cursor - to : to - line->cursor;

	if (n == 0)
		return;
	if (line->is_killing && !is_leftward)
		text_append(&killed, line->killed.bytes, line->killed.n_bytes);
	text_append(&killed, line->bytes + begin, n);
	if (line->is_killing && is_leftward)
		text_append(&killed, line->killed.bytes, line->killed.n_bytes);
	text_free(&line->killed);
	line->killed = killed;
	line->is_killing = true;
	line_delete(line, to);
}

void line_yank(struct line *line)
{
	if (line->killed.n_bytes > 0 && !line->killed.failed)
		line_insert(line, line->killed.bytes, line->killed.n_bytes);
}

void line_transpose(struct line *line)
{
	size_t middle = line->cursor, begin, end;
	struct text left = {0};

	if (middle == line_end(line, middle) && middle > 0) /* as Emacs and shells do it */
		middle = grapheme_previous(line->bytes, middle);
	if (middle == 0 || middle == line->n_bytes || line->bytes[middle - 1] == '\n' || line->bytes[middle] == '\n')
		return;
	begin = grapheme_previous(line->bytes, middle);
	end = grapheme_next(line->bytes, line->n_bytes, middle);
	text_append(&left, line->bytes + begin, middle - begin);
	if (!left.failed) {
		memmove(line->bytes + begin, line->bytes + middle, end - middle);
		memcpy(line->bytes + begin + (end - middle), left.bytes, left.n_bytes);
		line->cursor = end;
	}
	text_free(&left);
}

void line_begin_key(struct line *line, bool is_kill, bool is_vertical)
{
	line->is_killing = line->is_killing && is_kill;
	line->is_moving = line->is_moving && is_vertical;
}
