/* Wrapping text at words while it comes: however it is cut, the same bytes come out; no word is broken that fits a
 * line; nothing is lost; and what need not wait is written at once. */
#include "console/wrap.h"
#include "test.h"

#include <string.h>

enum {
	MAX_TEXT = 400
};

static const struct wrap_style no_style = {"", ""};

/* The text as it is written in pieces of n_piece bytes, which must not cut characters. */
static struct text wrapped(const char *text, size_t n_bytes, size_t n_piece, int n_columns)
{
	struct wrap wrap = {.n_columns = n_columns};
	struct text out = {0};

	text_append(&out, "", 0);
	for (size_t i = 0; i < n_bytes; i += n_piece)
		wrap_text(&wrap, &out, text + i, i + n_piece < n_bytes ? n_piece : n_bytes - i, no_style);
	wrap_end(&wrap, &out);
	wrap_free(&wrap);
	return out;
}

static void check_wrapped(const char *text, int n_columns, const char *expected)
{
	struct text out = wrapped(text, strlen(text), strlen(text), n_columns);

	CHECK(!strcmp(out.bytes, expected), "'%s' in %d columns: '%s'", text, n_columns, out.bytes);
	text_free(&out);
}

static void test_examples(void)
{
	check_wrapped("one two three", 9, "one two\nthree");
	check_wrapped("one two three", 7, "one two\nthree");
	check_wrapped("one two three", 13, "one two three");
	check_wrapped("one two\nthree four", 8, "one two\nthree\nfour");
	check_wrapped("one   two", 6, "one\ntwo");
	check_wrapped("one   two", 9, "one   two");
	check_wrapped("  - a list item", 9, "  - a\nlist item");
	check_wrapped("\tindented text", 17, "\tindented\ntext");
	check_wrapped("a\tb", 10, "a       b");
	check_wrapped("end   \nnext", 5, "end  \nnext");
	check_wrapped("", 10, "");
	/* Longer than a line: written as it comes, after the newline that its beginning has got. */
	check_wrapped("see https://example.org/very/long for it", 10, "see\nhttps://example.org/very/long\nfor it");
	/* Wide characters need no spaces between them, and no newline: the terminal breaks there. */
	check_wrapped("ab \345\255\227\345\255\227\345\255\227", 6, "ab \345\255\227\345\255\227\345\255\227");
	check_wrapped("abc \345\255\227", 5, "abc\n\345\255\227");
	/* An accent of its own takes no column. */
	check_wrapped("caf e\314\201e\314\201 x", 6, "caf e\314\201e\314\201\nx");
	/* A control character is as wide as it is shown. */
	check_wrapped("ab c\001", 8, "ab c\\x01");
	check_wrapped("ab c\001", 7, "ab\nc\\x01");
}

static void test_code(void)
{
	check_wrapped("so:\n```c\nint a = b + c;\n```\nand so on", 6, "so:\n```c\nint a = b + c;\n```\nand so\non");
	check_wrapped("  ```\n  a b c d\n  ```\na b c d", 5, "  ```\n  a b c d\n  ```\na b c\nd");
	check_wrapped("a ``` b c", 5, "a ```\nb c");
}

/* Whether two texts are the same but for newlines in the place of spaces. */
static bool is_same_text(const char *text, const char *out)
{
	for (;;) {
		text += strspn(text, " ");
		out += strspn(out, " \n");
		if (*text != *out)
			return false;
		if (!*text)
			return true;
		text++;
		out++;
	}
}

/* Whether the terminal breaks a word that fits a line, or a line ends where the next word would have fitted. */
static void check_lines(const char *out, size_t n_columns)
{
	size_t column = 0; /* as if the line went on for ever: the terminal breaks it at multiples of n_columns */

	for (const char *word = out; *word; word++) {
		size_t length = strcspn(word, " \n"), last = column + length - 1;
		CHECK(length == 0 || length > n_columns || column / n_columns == last / n_columns, "broken: '%.*s'",
		      (int)length, word);
		column += length;
		word += length;
		if (!*word)
			break;
		size_t on_row = column == 0 ? 0 : (column - 1) % n_columns + 1;
		CHECK(*word == ' ' || on_row + 1 + strcspn(word + 1, " \n") > n_columns, "room before '%.10s'",
		      word + 1);
		column = *word == ' ' ? column + 1 : 0;
	}
}

static void test_random_texts(void)
{
	char text[MAX_TEXT + 1];

	for (int round = 0; round < 2000; round++) {
		size_t n = test_random() % MAX_TEXT, n_piece = 1 + test_random() % 9;
		int n_columns = 1 + (int)(test_random() % 40);
		for (size_t i = 0; i < n; i++) {
			bool may_break = i > 0 && text[i - 1] != ' ';
			text[i] = may_break && test_random() % 6 == 0 ? ' ' : (char)('a' + test_random() % 26);
		}
		text[n] = '\0';
		struct text whole = wrapped(text, n, n + 1, n_columns), pieces = wrapped(text, n, n_piece, n_columns);
		CHECK(!strcmp(whole.bytes, pieces.bytes), "round %d: '%s' or '%s'", round, whole.bytes, pieces.bytes);
		CHECK(is_same_text(text, whole.bytes), "round %d: '%s' became '%s'", round, text, whole.bytes);
		check_lines(whole.bytes, (size_t)n_columns);
		text_free(&whole);
		text_free(&pieces);
	}
}

/* What is written after each piece. */
static void test_held_back(void)
{
	static const struct {
		const char *piece, *written;
	} steps[] = {
	        {"On", "On"}, {"ce", "ce"},     {" up", ""},     {"on", ""},   {" a", " upon\na"}, {" ti", ""},
	        {"me", ""},   {" of", " time"}, {"\n", " of\n"}, {"Th", "Th"}, {"e end", "e"},
	};
	struct wrap wrap = {.n_columns = 10};
	struct text out = {0};

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		text_append(&out, "", 0);
		wrap_text(&wrap, &out, steps[i].piece, strlen(steps[i].piece), no_style);
		CHECK(!strcmp(out.bytes, steps[i].written), "'%s': '%s' was written", steps[i].piece, out.bytes);
		text_free(&out);
	}
	wrap_end(&wrap, &out);
	CHECK(!strcmp(out.bytes, " end"), "'%s' was written at the end", out.bytes);
	text_free(&out);
	wrap_free(&wrap);
}

/* A held word keeps its style, and none stays switched on between pieces. */
static void test_styles(void)
{
	struct wrap_style dim = {"<", ">"}, green = {"(", ")"};
	struct wrap wrap = {.n_columns = 12};
	struct text out = {0};

	wrap_text(&wrap, &out, "so it", 5, dim);
	CHECK(!strcmp(out.bytes, "<so>"), "'%s'", out.bytes);
	wrap_text(&wrap, &out, " is", 3, dim);
	wrap_text(&wrap, &out, "nt", 2, green);
	CHECK(!strcmp(out.bytes, "<so> <it>"), "'%s'", out.bytes);
	wrap_text(&wrap, &out, " here", 5, no_style);
	wrap_end(&wrap, &out);
	CHECK(!strcmp(out.bytes, "<so> <it> <is>(nt)\nhere"), "'%s'", out.bytes);
	text_free(&out);
	wrap_free(&wrap);
}

static void test_resize(void)
{
	struct wrap wrap = {.n_columns = 20};
	struct text out = {0};

	wrap_text(&wrap, &out, "one two three", 13, no_style);
	wrap_resize(&wrap, 10); /* the cursor is behind "two", the word that waits goes to the next line */
	wrap_text(&wrap, &out, " four", 5, no_style);
	wrap_resize(&wrap, 30);
	wrap_text(&wrap, &out, " five six seven eight", 21, no_style);
	wrap_end(&wrap, &out);
	CHECK(!strcmp(out.bytes, "one two\nthree four five six seven\neight"), "'%s'", out.bytes);
	text_free(&out);
	wrap_free(&wrap);
}

int main(void)
{
	test_examples();
	test_code();
	test_random_texts();
	test_held_back();
	test_styles();
	test_resize();
	return test_summary();
}
