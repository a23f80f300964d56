/* api/stream.h: whole characters, broken ones replaced, stop strings cut exactly, however the bytes are split. */
#include "api/stream.h"
#include "test.h"

#include <string.h>

struct output {
	char text[256];
	size_t n;
	int n_calls, n_split; /* n_split: calls whose text was not whole characters */
};

static bool collect(void *user, const char *text, size_t n_bytes)
{
	struct output *out = user;
	out->n_calls++;
	memcpy(out->text + out->n, text, n_bytes);
	out->n += n_bytes;
	out->text[out->n] = '\0';
	out->n_split += n_bytes && ((unsigned char)text[0] & 0xc0) == 0x80;
	return true;
}

static void check(const char *input, const char *const *stops, size_t n_stops, const char *expected, bool found)
{
	size_t n = strlen(input);

	for (size_t piece = 1; piece <= n; piece++) {
		struct output out = {{0}, 0, 0, 0};
		struct tern_stream stream = {.on_text = collect, .user = &out, .stops = stops, .n_stops = n_stops};
		struct tern_error err;
		for (size_t at = 0; at < n && !stream.found_stop; at += piece) {
			int n_before = out.n_calls;
			tern_stream_push(&stream, input + at, n - at < piece ? n - at : piece, &err);
			CHECK(out.n_calls > n_before, "the user was not asked whether to go on");
		}
		bool found_stop = stream.found_stop;
		tern_stream_finish(&stream);
		CHECK(!strcmp(out.text, expected), "'%s' in pieces of %zu gave '%s', expected '%s'", input, piece,
		      out.text, expected);
		CHECK(found_stop == found, "'%s': stop string %s", input, found ? "missed" : "imagined");
		CHECK(out.n_split == 0, "'%s' in pieces of %zu: a character was split", input, piece);
	}
}

static bool refuse(void *user, const char *text, size_t n_bytes)
{
	(void)text;
	(void)n_bytes;
	++*(int *)user;
	return false;
}

int main(void)
{
	static const char *const stops[] = {"</s>", "User:", "aab"};
	int n_calls = 0;
	struct tern_stream stream = {.on_text = refuse, .user = &n_calls};
	struct tern_error err;

	check("plain", NULL, 0, "plain", false);
	check("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80!", NULL, 0,
	      "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80!", false);
	check("a\xff"
	      "b\xe2\x82"
	      "c\xe2\x82",
	      NULL, 0,
	      "a\xef\xbf\xbd"
	      "b\xef\xbf\xbd"
	      "c\xef\xbf\xbd",
	      false);
	check("\xed\xa0\x80", NULL, 0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", false); /* a surrogate is no character */
	check("hello</s>rest", stops, 3, "hello", true);
	check("hello</s", stops, 3, "hello</s", false); /* the stop string never came */
	check("Us User x User:", stops, 3, "Us User x ", true);
	check("aaab", stops, 3, "a", true); /* a stop string that begins inside a failed one */
	check("\xe2\x82</s>", stops, 3, "\xef\xbf\xbd", true);
	tern_stream_push(&stream, "one", 3, &err);
	tern_stream_push(&stream, "two", 3, &err);
	tern_stream_finish(&stream);
	CHECK(stream.is_interrupted && n_calls == 1, "text shown %d times after the user said stop", n_calls);
	return test_summary();
}
