/* The line editor's parts that need no terminal: keys, text, layout, what differs between two drawings, pastes,
 * messages, widths. */
#include "base/utf8.h"
#include "console/editor.h"
#include "console/frame.h"
#include "console/grapheme.h"
#include "console/keys.h"
#include "console/line.h"
#include "console/message.h"
#include "test.h"

#include <string.h>
#include <unistd.h>

static void feed(struct keys *keys, const char *bytes, size_t n_bytes)
{
	size_t n_room;
	char *room = keys_room(keys, &n_room);

	if (n_bytes <= n_room)
		memcpy(room, bytes, n_bytes);
	keys_add(keys, n_bytes <= n_room ? n_bytes : 0);
}

/* Writes keys as text: "a" for text, {code} for others, [paste], [/paste]. */
static void tell(struct text *told, const struct key *key)
{
	if (key->code == KEY_TEXT)
		text_append(told, key->bytes, key->n_bytes);
	else if (key->code == KEY_PASTE && key->n_bytes == 0)
		text_printf(told, "[paste]");
	else if (key->code == KEY_PASTE)
		text_append(told, key->bytes, key->n_bytes);
	else if (key->code == KEY_PASTE_END)
		text_printf(told, "[/paste]");
	else
		text_printf(told, "{%d}", key->code);
}

/* The keys of n_bytes that come in two parts; with is_timed_out nothing follows for a while. */
static void decode(struct text *told, const char *bytes, size_t n_bytes, size_t n_first)
{
	static struct keys keys;
	struct key key;

	memset(&keys, 0, sizeof keys);
	told->n_bytes = 0;
	text_append(told, "", 0);
	feed(&keys, bytes, n_first);
	while (keys_next(&keys, false, &key))
		tell(told, &key);
	feed(&keys, bytes + n_first, n_bytes - n_first);
	while (keys_next(&keys, false, &key))
		tell(told, &key);
	while (keys_next(&keys, true, &key))
		tell(told, &key);
	CHECK(!keys_are_pending(&keys), "bytes left over");
}

static void check_keys(const char *bytes, const char *expected)
{
	struct text told = {0};

	for (size_t n_first = 0; n_first <= strlen(bytes); n_first++) {
		decode(&told, bytes, strlen(bytes), n_first);
		CHECK(strcmp(told.bytes, expected) == 0, "cut after %zu: %s, expected %s", n_first, told.bytes,
		      expected);
	}
	text_free(&told);
}

static void test_keys(void)
{
	char buffer[64];
#define KEYS(bytes, code)                                       \
	do {                                                    \
		snprintf(buffer, sizeof buffer, "{%d}z", code); \
		check_keys(bytes "z", buffer);                  \
	} while (0)
	KEYS("\033[A", KEY_UP);
	KEYS("\033OB", KEY_DOWN);
	KEYS("\033[1;5C", KEY_RIGHT | KEY_CTRL);
	KEYS("\033[1;3D", KEY_LEFT | KEY_ALT);
	KEYS("\033\033[D", KEY_LEFT | KEY_ALT);
	KEYS("\033Oc", KEY_RIGHT | KEY_CTRL);
	KEYS("\033[7~", KEY_HOME);
	KEYS("\033OF", KEY_END);
	KEYS("\033[3;5~", KEY_DELETE | KEY_CTRL);
	KEYS("\033[13;2u", KEY_ENTER | KEY_SHIFT);
	KEYS("\033[27;5;13~", KEY_ENTER | KEY_CTRL);
	KEYS("\033OM", KEY_ENTER);
	KEYS("\033\r", KEY_ALT | '\r');
	KEYS("\033b", KEY_ALT | 'b');
	KEYS("\r", '\r');
	KEYS("\177", 127);
	/* What is unknown or broken leaves nothing behind. */
	KEYS("\033[[A", KEY_UNKNOWN);
	KEYS("\033[12;34R", KEY_UNKNOWN);
	KEYS("\033[?1;2c", KEY_UNKNOWN);
	KEYS("\033[99999999999999999999A", KEY_UNKNOWN);
	KEYS("\033[1;2;3;4;5A", KEY_UNKNOWN);
	KEYS("\033\303\244", KEY_UNKNOWN);
	snprintf(buffer, sizeof buffer, "{%d}{%d}", KEY_UNKNOWN, KEY_UP);
	check_keys("\033[1\033[A", buffer);
	/* Cut off by a pause. */
	check_keys("\033", "{27}");
	check_keys("\033\033", "{27}{27}");
	snprintf(buffer, sizeof buffer, "x{%d}", KEY_UNKNOWN);
	check_keys("x\033[1;", buffer);
	/* Text stays whole, whatever it is. */
	check_keys("a\303\244\360\237\230\200\xff\xe2\x82z", "a\303\244\360\237\230\200\xff\xe2\x82z");
	check_keys("a\xe2\x82", "a\xe2\x82");
	check_keys("\033[200~a\r\033[Ab\033[201\033[201~c\r", "[paste]a\r\033[Ab\033[201[/paste]c{13}");
	check_keys("\033[200~a\033[20", "[paste]a\033[20");
}

/* No bytes at all may confuse the decoder for good. */
static void test_random_keys(void)
{
	static const char alphabet[] = "\033\033\033[[O~;;12019ABm\r\303\251\xf0x";
	static struct keys keys;
	char bytes[64];
	struct key key;

	for (int round = 0; round < 3000; round++) {
		size_t n = 1 + test_random() % sizeof bytes, n_used = 0;
		uint64_t seed = test_seed;
		memset(&keys, 0, sizeof keys);
		for (size_t i = 0; i < n; i++)
			bytes[i] = alphabet[test_random() % (sizeof alphabet - 1)];
		for (size_t i = 0, part; i < n; i += part) {
			part = 1 + test_random() % (n - i);
			feed(&keys, bytes + i, part);
			while (keys_next(&keys, false, &key))
				n_used++;
			while (test_random() % 4 == 0 && keys_next(&keys, true, &key))
				n_used++;
		}
		while (keys_next(&keys, true, &key))
			n_used++;
		CHECK(n_used > 0 && n_used <= 2 * n && !keys_are_pending(&keys), "seed %llu", (unsigned long long)seed);
	}
}

static void set(struct line *line, const char *text, size_t cursor)
{
	line_set(line, text, strlen(text));
	line_move(line, cursor);
	line_begin_key(line, false, false);
}

static void check_line(const struct line *line, const char *text, size_t cursor)
{
	CHECK(line->n_bytes == strlen(text) && memcmp(line->bytes, text, line->n_bytes) == 0, "\"%.*s\" for \"%s\"",
	      (int)line->n_bytes, line->bytes, text);
	CHECK(line->cursor == cursor, "%s: cursor %zu, expected %zu", text, line->cursor, cursor);
}

static void test_line_moves(void)
{
	struct line line = {0};

	/* e and its accent, a family, a flag: one step each. */
	set(&line, "e\314\201\360\237\221\250\342\200\215\360\237\221\251\360\237\207\251\360\237\207\252", 0);
	CHECK(line_right_of(&line, LINE_CHARACTER) == 3, "e and accent");
	line_move(&line, 3);
	CHECK(line_right_of(&line, LINE_CHARACTER) == 14, "family");
	line_move(&line, 22);
	CHECK(line_left_of(&line, LINE_CHARACTER) == 14, "flag");
	set(&line, "ab, c\303\244d-e", 6);
	CHECK(line_left_of(&line, LINE_WORD) == 4 && line_right_of(&line, LINE_WORD) == 8, "words");
	CHECK(line_right_of(&line, LINE_SPACE_WORD) == 10, "a word up to white space");
	line_move(&line, 10);
	CHECK(line_left_of(&line, LINE_SPACE_WORD) == 4, "a word back to white space");

	/* Up and down keep the column the first of them began in, also past a short line. */
	set(&line, "\346\274\242\346\274\242abc\nx\nlong line", 8);
	line_begin_key(&line, false, true);
	CHECK(line_move_down(&line) && line.cursor == 11, "cursor %zu", line.cursor);
	line_begin_key(&line, false, true);
	CHECK(line_move_down(&line) && line.cursor == 12 + 6, "cursor %zu", line.cursor);
	CHECK(!line_move_down(&line), "below the last line");
	line_begin_key(&line, false, false);
	line_move_home(&line);
	line_begin_key(&line, false, true);
	CHECK(line_move_up(&line) && line.cursor == 10, "cursor %zu", line.cursor);
	line_move_end(&line);
	CHECK(line.cursor == 11, "end of line");
	line_free(&line);
}

static void test_line_changes(void)
{
	struct line line = {0};

	set(&line, "one two three", 13);
	line_begin_key(&line, true, false);
	line_kill(&line, line_left_of(&line, LINE_WORD));
	line_begin_key(&line, true, false);
	line_kill(&line, line_left_of(&line, LINE_WORD));
	check_line(&line, "one ", 4);
	line_begin_key(&line, false, false);
	line_yank(&line);
	check_line(&line, "one two three", 13);
	line_move(&line, 3);
	line_begin_key(&line, true, false);
	line_kill(&line, line_right_of(&line, LINE_LINE));
	check_line(&line, "one", 3);
	line_begin_key(&line, false, false);
	line_yank(&line);
	line_yank(&line);
	check_line(&line, "one two three two three", 23);

	/* Ctrl-K at the end of a line and Ctrl-U at its beginning take the line break. */
	set(&line, "a\nb", 1);
	line_kill(&line, line_right_of(&line, LINE_LINE));
	check_line(&line, "ab", 1);
	set(&line, "a\nb", 2);
	line_kill(&line, line_left_of(&line, LINE_LINE));
	check_line(&line, "ab", 1);

	set(&line, "a\303\244b", 4);
	line_transpose(&line);
	check_line(&line, "ab\303\244", 4);
	line_move(&line, 1);
	line_transpose(&line);
	check_line(&line, "ba\303\244", 2);
	set(&line, "a\nb", 2);
	line_transpose(&line);
	check_line(&line, "a\nb", 2);
	set(&line, "x\xff\xfey", 3);
	line_delete(&line, line_left_of(&line, LINE_CHARACTER));
	check_line(&line, "x\xffy", 2);
	line_free(&line);
}

static void test_graphemes(void)
{
	CHECK(grapheme_width('a') == 1 && grapheme_width(0x6f22) == 2 && grapheme_width(0x1f600) == 2, "wide");
	CHECK(grapheme_width(0x301) == 0 && grapheme_width(0x200d) == 0 && grapheme_width(0xfe0f) == 0, "marks");
	CHECK(grapheme_width(0xff21) == 2 && grapheme_width(0xff71) == 1 && grapheme_width(0xad) == 1, "forms");
	CHECK(grapheme_width(0x1100) == 2 && grapheme_width(0x1161) == 0 && grapheme_width(0xac00) == 2, "Hangul");
	CHECK(grapheme_width(0x10ffff) == 1 && grapheme_width(GRAPHEME_INVALID) == 1, "the last ones");
	CHECK(grapheme_class_of(0xac00) == GRAPHEME_HANGUL_LV && grapheme_class_of(0xac01) == GRAPHEME_HANGUL_LVT,
	      "syllables");

	/* Forward and backward find the same edges in any bytes. */
	static const uint32_t some[] = {'a',    '\r',   '\n',    0x301,  0x200d,  0x1f468, 0x1f1e6,
	                                0x1100, 0x1161, 0x11a8,  0xac00, 0xac01,  0x600,   0x903,
	                                0x6f22, 0xfe0f, 0x1f3fb, 0x20,   0x1f600, 0x7f,    0x10ffff};
	for (int round = 0; round < 2000; round++) {
		char bytes[80];
		size_t n = 0, edges[80], n_edges = 0;
		uint64_t seed = test_seed;
		while (n < 60) {
			if (test_random() % 10 == 0)
				bytes[n++] = (char)(test_random() % 256);
			else
				n += tern_utf8_encode(some[test_random() % (sizeof some / sizeof *some)], bytes + n);
		}
		for (size_t at = 0; at < n; at = grapheme_next(bytes, n, at))
			edges[n_edges++] = at;
		for (size_t at = n; at > 0;) {
			size_t before = grapheme_previous(bytes, at);
			CHECK(n_edges > 0 && before == edges[n_edges - 1], "seed %llu: %zu from %zu",
			      (unsigned long long)seed, before, at);
			if (n_edges == 0 || before >= at)
				return;
			n_edges--;
			at = before;
		}
	}
}

/* Checks rows (joined by '|') and the cursor. */
static void check_frame(struct frame *frame, struct frame_source source, int n_columns, int n_rows,
                        const char *expected, size_t cursor_row, int cursor_column)
{
	struct text rows = {0};

	CHECK(frame_build(frame, &source, n_columns, n_rows), "out of memory");
	for (size_t i = 0; i < frame->n_rows; i++) {
		text_append(&rows, "|", i > 0);
		text_append(&rows, frame->bytes.bytes + frame->rows[i].begin,
		            frame->rows[i].end - frame->rows[i].begin);
	}
	CHECK(strcmp(rows.bytes, expected) == 0, "\"%s\", expected \"%s\"", rows.bytes, expected);
	CHECK(frame->cursor_row == cursor_row && frame->cursor_column == cursor_column,
	      "\"%s\": cursor %zu,%d, expected %zu,%d", expected, frame->cursor_row, frame->cursor_column, cursor_row,
	      cursor_column);
	text_free(&rows);
}

static struct frame_source source_of(const char *text, size_t cursor)
{
	return (struct frame_source){"> ", ". ", text, strlen(text), cursor};
}

static void test_layout(void)
{
	struct frame f = {0};

	check_frame(&f, source_of("", 0), 10, 5, "> ", 0, 2);
	check_frame(&f, source_of("abc\nd", 2), 10, 5, "> abc|. d", 0, 4);
	/* A full row: the cursor behind it is on the next one; before a line break it stays on the last column. */
	check_frame(&f, source_of("abcd", 4), 6, 5, "> abcd|", 1, 0);
	check_frame(&f, source_of("abcd\ne", 4), 6, 5, "> abcd|. e", 0, 5);
	check_frame(&f, source_of("abcde", 4), 6, 5, "> abcd|e", 1, 0);
	/* A wide character does not fit into one last column; one column shows none at all. */
	check_frame(&f, source_of("abc\346\274\242d", 3), 6, 5, "> abc|\346\274\242d", 1, 0);
	check_frame(&f, source_of("\346\274\242", 3), 1, 9, ">| |?|", 3, 0);
	/* Marks take no column, not even the one behind a full row. */
	check_frame(&f, source_of("abce\314\201f", 6), 6, 5, "> abce\314\201|f", 1, 0);
	check_frame(&f, source_of("a\tb\t", 4), 10, 5, "> a     b |", 1, 0);
	/* What could harm is shown, broken apart where the window ends. */
	check_frame(&f, source_of("a\033b\xff\342\200\256", 7), 10, 5, "> a\\x1bb\\x|ff\\u202e", 1, 8);
	check_frame(&f, (struct frame_source){"\033[1m\346\274\242\033[0m ", "", "xy", 2, 1}, 10, 5,
	            "\033[1m\346\274\242\033[0m xy", 0, 4);

	/* Higher than the window: the part around the cursor, moving no more than needed. */
	check_frame(&f, source_of("a\nb\nc\nd\ne", 9), 10, 3, ". c|. d|. e", 2, 3);
	CHECK(f.top == 2 && f.n_total == 5, "top %zu of %zu", f.top, f.n_total);
	check_frame(&f, source_of("a\nb\nc\nd\ne", 6), 10, 3, ". c|. d|. e", 1, 2);
	check_frame(&f, source_of("a\nb\nc\nd\ne", 2), 10, 3, ". b|. c|. d", 0, 2);
	check_frame(&f, source_of("a\nb", 0), 10, 3, "> a|. b", 0, 2);
	frame_free(&f);
}

/* Whatever text, window and cursor: no row is too wide, and the cursor is in the window. */
static void test_random_layout(void)
{
	static const char *const parts[] = {
	        "a",        "b c",  "\n",   "\t",           "\346\274\242",
	        "\314\201", "\033", "\xff", "\342\200\256", "\360\237\221\250\342\200\215\360\237\221\251"};
	struct frame f = {0};

	for (int round = 0; round < 3000; round++) {
		struct text text = {0};
		uint64_t seed = test_seed;
		for (uint64_t n = test_random() % 30; n > 0; n--) {
			const char *part = parts[test_random() % (sizeof parts / sizeof *parts)];
			text_append(&text, part, strlen(part));
		}
		size_t cursor = 0;
		for (uint64_t n = test_random() % 20; n > 0; n--)
			cursor = grapheme_next(text.bytes, text.n_bytes, cursor);
		struct frame_source source = {"> ", ". ", text.bytes, text.n_bytes, cursor};
		int n_columns = 1 + (int)(test_random() % 12), n_rows = 1 + (int)(test_random() % 6);
		bool good = frame_build(&f, &source, n_columns, n_rows) && f.n_rows > 0 && f.n_rows <= (size_t)n_rows &&
		            f.cursor_row < f.n_rows && f.cursor_column < n_columns;
		for (size_t i = 0; i < f.n_rows; i++)
			good = good && f.rows[i].n_columns <= n_columns;
		CHECK(good, "seed %llu", (unsigned long long)seed);
		text_free(&text);
	}
	frame_free(&f);
}

static void check_difference(const char *before, const char *after, size_t offset, int column)
{
	struct frame shown = {0}, next = {0};
	struct frame_source a = {"", "", before, strlen(before), 0}, b = {"", "", after, strlen(after), 0};
	size_t found_offset = 99;
	int found_column = 99;

	CHECK(frame_build(&shown, &a, 20, 3) && frame_build(&next, &b, 20, 3), "out of memory");
	bool differs = frame_row_differs(&shown, &next, 0, &found_offset, &found_column);
	CHECK(differs == (strcmp(before, after) != 0), "%s, %s", before, after);
	CHECK(!differs || (found_offset == offset && found_column == column), "%s, %s: offset %zu, column %d", before,
	      after, found_offset, found_column);
	frame_free(&shown);
	frame_free(&next);
}

static void test_differences(void)
{
	struct frame f = {0};
	struct frame_source source = source_of("abcdefgh", 8);

	check_difference("abc", "abc", 0, 0);
	check_difference("abc", "abcd", 3, 3);
	check_difference("abcd", "abc", 3, 3);
	check_difference("abc", "aXc", 1, 1);
	/* A character is written whole: with its marks, and from its first byte. */
	check_difference("ae", "ae\314\201", 1, 1);
	check_difference("ae\314\201x", "aex", 1, 1);
	check_difference("\346\274\242b", "\346\274\243b", 0, 0);
	check_difference("\346\274\242b", "\346\274\242c", 3, 2);

	CHECK(frame_build(&f, &source, 6, 5) && f.cursor_row == 1, "two rows");
	CHECK(frame_cursor_row_after_reflow(&f, 3) == 3, "row %zu", frame_cursor_row_after_reflow(&f, 3));
	CHECK(frame_cursor_row_after_reflow(&f, 8) == 1, "wider");
	frame_free(&f);
}

static void check_paste(const char *pasted, const char *expected)
{
	char bytes[100];
	size_t n = strlen(pasted);

	memcpy(bytes, pasted, n);
	n = keys_clean_paste(bytes, n);
	CHECK(n == strlen(expected) && memcmp(bytes, expected, n) == 0, "\"%.*s\" for \"%s\"", (int)n, bytes, expected);
}

static void test_pastes(void)
{
	check_paste("a\r\nb\rc\nd\te", "a\nb\nc\nd\te");
	check_paste("\033[31mred\033[0m \033]52;c;x\a\033x\033[", "red ]52;c;xx[");
	check_paste("\033[1;2\033[3mx", "[1;2x");
	check_paste("\001\177\303\244\xff", "\303\244\xff");
	char nul[] = {'a', 0, 'b'};
	CHECK(keys_clean_paste(nul, 3) == 2 && memcmp(nul, "ab", 2) == 0, "NUL");
}

static void test_messages(void)
{
	size_t n;
	const char *content;
#define STATE(text, state) CHECK(message_state(text, strlen(text)) == (state), "%s", text)
	STATE("", MESSAGE_WHOLE);
	STATE("a\\", MESSAGE_CONTINUES);
	STATE("\\", MESSAGE_CONTINUES);
	STATE("a\\\\", MESSAGE_WHOLE);
	STATE("a \"\"\"", MESSAGE_WHOLE);
	STATE("\"\"\"", MESSAGE_OPEN);
	STATE("\"\"\"\"\"", MESSAGE_OPEN);
	STATE("\"\"\"a\\", MESSAGE_OPEN);
	STATE("\"\"\"\"\"\"", MESSAGE_BLOCK);
	STATE(" \"\"\"a\n\"\"\" ", MESSAGE_BLOCK);
#define CONTENT(text, expected)                                  \
	content = message_block_content(text, strlen(text), &n); \
	CHECK(n == strlen(expected) && memcmp(content, expected, n) == 0, "\"%.*s\" in %s", (int)n, content, text)
	CONTENT("\"\"\"a\"\"\"", "a");
	CONTENT("\"\"\"\na\n\nb\n\"\"\"\n", "a\n\nb");
	CONTENT("\"\"\"\n\"\"\"", "");
}

/* Plain lines, from a pipe: also NUL, broken UTF-8, a last line without its end. */
static void test_plain_lines(void)
{
	static const char input[] = "one\r\n\n a\0b\xff\ntwo\\\nlines\n\"\"\"\n/x\ny\n\"\"\"\n\"\"\"open\nend";
	static const struct {
		enum editor_event event;
		const char *bytes;
		size_t n_bytes;
	} expected[] = {
	        {EDITOR_TEXT, "one", 3},       {EDITOR_TEXT, "", 0},
	        {EDITOR_TEXT, " a\0b\xff", 5}, {EDITOR_TEXT, "two\nlines", 9},
	        {EDITOR_BLOCK, "/x\ny", 4},    {EDITOR_TEXT, "\"\"\"open\nend", 11},
	        {EDITOR_END, "", 0},           {EDITOR_END, "", 0},
	};
	int fds[2];
	struct text text = {0};

	CHECK(pipe(fds) == 0 && write(fds[1], input, sizeof input - 1) == (ssize_t)sizeof input - 1, "pipe");
	close(fds[1]);
	struct editor_options options = {.in = fds[0], .out = -1, .wake_fd = -1};
	struct editor *editor = editor_open(&options);
	CHECK(editor && !editor_is_interactive(editor), "a pipe is no terminal");
	for (size_t i = 0; editor && i < sizeof expected / sizeof *expected; i++) {
		enum editor_event event = editor_read(editor, "> ", ". ", NULL, &text);
		CHECK(event == expected[i].event, "%zu: event %d", i, (int)event);
		CHECK(event == EDITOR_END || (text.n_bytes == expected[i].n_bytes &&
		                              memcmp(text.bytes, expected[i].bytes, text.n_bytes) == 0),
		      "%zu: \"%.*s\"", i, (int)text.n_bytes, text.bytes);
	}
	editor_close(editor);
	text_free(&text);
	close(fds[0]);
}

int main(void)
{
	test_keys();
	test_random_keys();
	test_line_moves();
	test_line_changes();
	test_graphemes();
	test_layout();
	test_random_layout();
	test_differences();
	test_pastes();
	test_messages();
	test_plain_lines();
	return test_summary();
}
