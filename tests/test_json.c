/* The JSON parser: valid JSON (RFC 8259) is read correctly, everything else is refused with line and column; big
 * integers, duplicates, depth and size; thousands of damaged texts. */
#include "test.h"

#include "base/memory.h"
#include "json/parse.h"
#include "json/value.h"

#include <stdbool.h>
#include <string.h>

/* Parses a copy in a buffer of the exact size, so that a sanitizer finds reads past the end. */
static enum tern_status parse_copy(struct json *json, const char *text, size_t n, unsigned flags,
                                   struct tern_error *err)
{
	char *copy = tern_alloc(n + 1, 1);
	if (!copy)
		abort();
	memcpy(copy, text, n);
	return json_parse(json, "t.json", copy, n, flags, err);
}

/* ---- the tree written out again, without spaces ---- */

struct text {
	char bytes[4096];
	size_t n;
};

static void put(struct text *out, const char *bytes, size_t n)
{
	if (n > sizeof out->bytes - 1 - out->n)
		n = sizeof out->bytes - 1 - out->n;
	memcpy(out->bytes + out->n, bytes, n);
	out->n += n;
	out->bytes[out->n] = 0;
}

/* Scalars are as written, strings are decoded, and NUL becomes ~. */
static void put_scalar(struct text *out, struct json_value value)
{
	const char *text = value.json->text + value.json->words[value.at];

	if (json_type(value) != JSON_STRING) {
		put(out, text, strspn(text, "+-.0123456789abcdefghijklmnopqrstuvwxyzE"));
		return;
	}
	struct json_string string = json_string(value);
	put(out, "\"", 1);
	for (size_t i = 0; i < string.length; i++)
		put(out, string.bytes[i] ? string.bytes + i : "~", 1);
	put(out, "\"", 1);
}

static void put_value(struct text *out, struct json_value value, int depth)
{
	bool is_object = json_type(value) == JSON_OBJECT, is_first = true;

	if (!is_object && json_type(value) != JSON_ARRAY) {
		put_scalar(out, value);
		return;
	}
	put(out, is_object ? "{" : "[", 1);
	for (struct json_iterator it = json_items(value); depth <= JSON_MAX_DEPTH && json_next(&it); is_first = false) {
		if (!is_first)
			put(out, ",", 1);
		if (is_object) {
			put_scalar(out, it.key);
			put(out, ":", 1);
		}
		put_value(out, it.value, depth + 1);
	}
	put(out, is_object ? "}" : "]", 1);
}

/* ---- tables ---- */

static const struct {
	const char *text, *expected;
} good[] = {
        {"null", "null"},
        {"true", "true"},
        {"false", "false"},
        {"0", "0"},
        {"-0", "-0"},
        {"-1", "-1"},
        {"1234567890", "1234567890"},
        {"0.5", "0.5"},
        {"-0.0", "-0.0"},
        {"1e0", "1e0"},
        {"1E5", "1E5"},
        {"1e+5", "1e+5"},
        {"1e-5", "1e-5"},
        {"0e1", "0e1"},
        {"0.1e01", "0.1e01"},
        {"123.456e789", "123.456e789"},
        {"1e999999", "1e999999"},
        {"18446744073709551616", "18446744073709551616"},
        {"\"\"", "\"\""},
        {"\"a\"", "\"a\""},
        {"\"a b\"", "\"a b\""},
        {"\"\\\"\\\\\\/\"", "\"\"\\/\""},
        {"\"\\b\\f\\n\\r\\t\"", "\"\b\f\n\r\t\""},
        {"\"\\u0041\"", "\"A\""},
        {"\"\\u00e9\"", "\"\xc3\xa9\""},
        {"\"\\u00E9\"", "\"\xc3\xa9\""},
        {"\"\\u20ac\"", "\"\xe2\x82\xac\""},
        {"\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""},
        {"\"\\uD83D\\uDE00\"", "\"\xf0\x9f\x98\x80\""},
        {"\"\\udbff\\udfff\"", "\"\xf4\x8f\xbf\xbf\""},
        {"\"\\uffff\"", "\"\xef\xbf\xbf\""},
        {"\"\\ud7ff\\ue000\"", "\"\xed\x9f\xbf\xee\x80\x80\""},
        {"\"\\u0000\"", "\"~\""},
        {"\"a\\u0000b\"", "\"a~b\""},
        {"\"\\u0022\"", "\"\"\""},
        {"\"\\u005c\"", "\"\\\""},
        {"\"\xc3\xa9\"", "\"\xc3\xa9\""},
        {"\"\xe2\x82\xac\"", "\"\xe2\x82\xac\""},
        {"\"\xf0\x9f\x98\x80\"", "\"\xf0\x9f\x98\x80\""},
        {"\"\x7f\"", "\"\x7f\""},
        {"\"\xef\xbb\xbf\"", "\"\xef\xbb\xbf\""},
        {"\"'[]{}:,//#\"", "\"'[]{}:,//#\""},
        {"[]", "[]"},
        {"[ ]", "[]"},
        {"{}", "{}"},
        {"{ }", "{}"},
        {" \t\r\n[] \t\r\n", "[]"},
        {"[1]", "[1]"},
        {"[1,2]", "[1,2]"},
        {"[ 1 , 2 ]", "[1,2]"},
        {"[\"a\",1,null,true,[],{}]", "[\"a\",1,null,true,[],{}]"},
        {"[[[[]]]]", "[[[[]]]]"},
        {"[[],[[]],[[],[]]]", "[[],[[]],[[],[]]]"},
        {"{\"a\":1}", "{\"a\":1}"},
        {"{\"a\" : 1 , \"b\" : [ ] }", "{\"a\":1,\"b\":[]}"},
        {"{\"\":0}", "{\"\":0}"},
        {"{\"a\":{\"b\":{\"c\":[1,{\"d\":2}]}}}", "{\"a\":{\"b\":{\"c\":[1,{\"d\":2}]}}}"},
        {"{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}"},
        {"{\"\\u0061\":1}", "{\"a\":1}"},
        {"\n\n{\n\"x\"\n:\n1\n}\n", "{\"x\":1}"},
};

static void test_good(void)
{
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct text out = {.n = 0};
		struct tern_error err = {0};
		struct json json;
		enum tern_status status = parse_copy(&json, good[i].text, strlen(good[i].text), 0, &err);
		CHECK(status == TERN_OK, "%s: %s", good[i].text, err.message);
		if (status)
			continue;
		put_value(&out, json_root(&json), 0);
		CHECK(strcmp(out.bytes, good[i].expected) == 0, "%s: became %s", good[i].text, out.bytes);
		json_free(&json);
	}
}

/* A text that must be refused, the place of the error, and a part of the message. */
static const struct {
	const char *text;
	size_t line, column;
	const char *says;
} bad[] = {
        {"", 1, 1, "end of the text"},
        {" ", 1, 2, "end of the text"},
        {"\n\n", 3, 1, "end of the text"},
        {"\xef\xbb\xbf{}", 1, 1, "byte-order mark"},
        {"\xff\xfe{\x01", 1, 1, "\\xff"},
        {"nul", 1, 1, "'nul'"},
        {"nulll", 1, 5, "end of the text"},
        {"True", 1, 1, "'True'"},
        {"TRUE", 1, 1, "'TRUE'"},
        {"NaN", 1, 1, "'NaN'"},
        {"Infinity", 1, 1, "'Infinity'"},
        {"-Infinity", 1, 2, "a digit"},
        {"[NaN]", 1, 2, "'NaN'"},
        {"undefined", 1, 1, "a value"},
        {"tru\xc3\xa9", 1, 1, "a value"},
        {"'a'", 1, 1, "'''"},
        {"+1", 1, 1, "'+'"},
        {"-", 1, 2, "a digit"},
        {"--1", 1, 2, "a digit"},
        {"- 1", 1, 2, "a digit"},
        {"01", 1, 1, "zero"},
        {"-01", 1, 2, "zero"},
        {"00", 1, 1, "zero"},
        {".5", 1, 1, "'.'"},
        {"-.5", 1, 2, "a digit"},
        {"1.", 1, 3, "a digit"},
        {"1.e5", 1, 3, "a digit"},
        {"1e", 1, 3, "a digit"},
        {"1e+", 1, 4, "a digit"},
        {"1e1.5", 1, 4, "end of the text"},
        {"1.2.3", 1, 4, "end of the text"},
        {"0x10", 1, 2, "'x'"},
        {"1_000", 1, 2, "'_'"},
        {"1 000", 1, 3, "end of the text"},
        {"12a", 1, 3, "'a'"},
        {"1e5e", 1, 4, "'e'"},
        {"\xd9\xa1", 1, 1, "\\xd9"},
        {"\"", 1, 2, "ends inside a string"},
        {"\"a", 1, 3, "ends inside a string"},
        {"\"\\", 1, 2, "escape"},
        {"\"\\\"", 1, 4, "ends inside a string"},
        {"\"\\a\"", 1, 2, "escape"},
        {"\"\\x41\"", 1, 2, "escape"},
        {"\"\\'\"", 1, 2, "escape"},
        {"\"\\U0041\"", 1, 2, "escape"},
        {"\"\\\n\"", 1, 2, "escape"},
        {"\"\\u\"", 1, 2, "four hex"},
        {"\"\\u00\"", 1, 2, "four hex"},
        {"\"\\u004\"", 1, 2, "four hex"},
        {"\"\\u004", 1, 2, "four hex"},
        {"\"\\u00g0\"", 1, 2, "four hex"},
        {"\"\\u-041\"", 1, 2, "four hex"},
        {"\"\\ud800\"", 1, 2, "surrogate"},
        {"\"\\ud800", 1, 2, "surrogate"},
        {"\"\\udc00\"", 1, 2, "surrogate"},
        {"\"\\udc00\\ud800\"", 1, 2, "surrogate"},
        {"\"\\ud800\\ud800\"", 1, 2, "surrogate"},
        {"\"\\ud800\\u0041\"", 1, 2, "surrogate"},
        {"\"\\ud800\\n\"", 1, 2, "surrogate"},
        {"\"\\ud800\\u\"", 1, 2, "surrogate"},
        {"\"\\ud83d\\\\ude00\"", 1, 2, "surrogate"},
        {"\"\n\"", 1, 2, "control character"},
        {"\"a\tb\"", 1, 3, "control character"},
        {"\"\x1f\"", 1, 2, "control character"},
        {"\"\x80\"", 1, 2, "UTF-8"},
        {"\"\xc0\x80\"", 1, 2, "UTF-8"},
        {"\"\xc3\"", 1, 2, "UTF-8"},
        {"\"\xe2\x82\"", 1, 2, "UTF-8"},
        {"\"\xed\xa0\x80\"", 1, 2, "UTF-8"},
        {"\"\xf4\x90\x80\x80\"", 1, 2, "UTF-8"},
        {"\"\xf8\x88\x80\x80\x80\"", 1, 2, "UTF-8"},
        {"\"\xff\"", 1, 2, "UTF-8"},
        {"\"\xf0\x9f\x98", 1, 2, "UTF-8"},
        {"a", 1, 1, "a value"},
        {"\"a\"b", 1, 4, "end of the text"},
        {"{}{}", 1, 3, "end of the text"},
        {"[]]", 1, 3, "end of the text"},
        {"{}}", 1, 3, "end of the text"},
        {"1 2", 1, 3, "end of the text"},
        {"null,", 1, 5, "end of the text"},
        {"[", 1, 2, "end of the text"},
        {"]", 1, 1, "a value"},
        {"{", 1, 2, "end of the text"},
        {"}", 1, 1, "a value"},
        {"[1", 1, 3, "end of the text"},
        {"[1,", 1, 4, "end of the text"},
        {"[1,]", 1, 4, "a value"},
        {"[,1]", 1, 2, "a value"},
        {"[,]", 1, 2, "a value"},
        {"[1,,2]", 1, 4, "a value"},
        {"[1 2]", 1, 4, "',' or ']'"},
        {"[1;2]", 1, 3, "',' or ']'"},
        {"[1}", 1, 3, "',' or ']'"},
        {"[1:2]", 1, 3, "',' or ']'"},
        {"[\"a\" \"b\"]", 1, 6, "',' or ']'"},
        {"{1:2}", 1, 2, "a key"},
        {"{a:1}", 1, 2, "a key"},
        {"{'a':1}", 1, 2, "a key"},
        {"{null:1}", 1, 2, "a key"},
        {"{[]:1}", 1, 2, "a key"},
        {"{\"a\"}", 1, 5, "':'"},
        {"{\"a\"", 1, 5, "':'"},
        {"{\"a\":", 1, 6, "end of the text"},
        {"{\"a\":}", 1, 6, "a value"},
        {"{\"a\"::1}", 1, 6, "a value"},
        {"{\"a\"=1}", 1, 5, "':'"},
        {"{\"a\",1}", 1, 5, "':'"},
        {"{\"a\":1,}", 1, 8, "a key"},
        {"{,\"a\":1}", 1, 2, "a key"},
        {"{\"a\":1,,\"b\":2}", 1, 8, "a key"},
        {"{\"a\":1 \"b\":2}", 1, 8, "',' or '}'"},
        {"{\"a\":1]", 1, 7, "',' or '}'"},
        {"{\"a\":1", 1, 7, "',' or '}'"},
        {"{\n  \"a\": 1,\n  \"b\": x\n}", 3, 8, "'x'"},
        {"{\"a\\nb\":\n \"\\n\\n\",\n!", 3, 1, "a key"},
        {"/* c */ 1", 1, 1, "'/'"},
        {"[1 // c\n]", 1, 4, "'/'"},
        {"# c\n1", 1, 1, "'#'"},
        {"[\v1]", 1, 2, "\\x0b"},
        {"[\f1]", 1, 2, "\\x0c"},
        {"[\xc2\xa0]", 1, 2, "\\xc2"},
        {"<html>", 1, 1, "'<'"},
        {"*", 1, 1, "'*'"},
        {"[*]", 1, 2, "'*'"},
        {"\\u0041", 1, 1, "\\x5c"},
};

static void check_refused(const char *text, size_t n, size_t line, size_t column, const char *says)
{
	struct tern_error err = {0};
	char place[64], shown[TERN_QUOTE_SIZE];
	struct json json;
	enum tern_status status = parse_copy(&json, text, n, 0, &err);

	tern_quote(shown, text, n);
	CHECK(status == TERN_ERR_FILE, "%s: accepted", shown);
	if (status == TERN_OK) {
		json_free(&json);
		return;
	}
	snprintf(place, sizeof place, "t.json: line %zu, column %zu: ", line, column);
	CHECK(strncmp(err.message, place, strlen(place)) == 0, "%s: expected %s, got %s", shown, place, err.message);
	CHECK(strstr(err.message, says) != NULL, "%s: expected '%s' in %s", shown, says, err.message);
}

static void test_bad(void)
{
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		check_refused(bad[i].text, strlen(bad[i].text), bad[i].line, bad[i].column, bad[i].says);
	check_refused("[\0]", 3, 1, 2, "\\x00");
	check_refused("\"\0\"", 3, 1, 2, "control character");
	check_refused("{}\0", 3, 1, 3, "\\x00");
	check_refused("\0", 1, 1, 1, "\\x00");
}

/* ---- numbers ---- */

static void check_number(const char *text, bool is_u64, uint64_t u64, bool is_i64, int64_t i64, double f64)
{
	struct tern_error err = {0};
	struct json json;
	uint64_t u = 0;
	int64_t i = 0;
	double f = 0;

	CHECK(parse_copy(&json, text, strlen(text), 0, &err) == TERN_OK, "%s: %s", text, err.message);
	struct json_value value = json_root(&json);
	CHECK((json_to_u64(value, &u, &err) == TERN_OK) == is_u64, "%s as u64", text);
	CHECK((json_to_i64(value, &i, &err) == TERN_OK) == is_i64, "%s as i64", text);
	CHECK(!is_u64 || u == u64, "%s: got %llu", text, (unsigned long long)u);
	CHECK(!is_i64 || i == i64, "%s: got %lld", text, (long long)i);
	CHECK(json_to_f64(value, &f, &err) == TERN_OK && f == f64, "%s: got %g", text, f);
	json_free(&json);
}

static void test_numbers(void)
{
	check_number("0", true, 0, true, 0, 0);
	check_number("-0", false, 0, true, 0, 0);
	check_number("7", true, 7, true, 7, 7);
	check_number("-7", false, 0, true, -7, -7);
	check_number("1.0", false, 0, false, 0, 1);
	check_number("1e3", false, 0, false, 0, 1000);
	check_number("1E3", false, 0, false, 0, 1000);
	check_number("9007199254740993", true, 9007199254740993u, true, 9007199254740993, 9007199254740992.0);
	check_number("9223372036854775807", true, INT64_MAX, true, INT64_MAX, 9223372036854775807.0);
	check_number("9223372036854775808", true, 9223372036854775808u, false, 0, 9223372036854775808.0);
	check_number("-9223372036854775808", false, 0, true, INT64_MIN, -9223372036854775808.0);
	check_number("-9223372036854775809", false, 0, false, 0, -9223372036854775808.0);
	check_number("18446744073709551615", true, UINT64_MAX, false, 0, 18446744073709551616.0);
	check_number("18446744073709551616", false, 0, false, 0, 18446744073709551616.0);
	check_number("99999999999999999999999", false, 0, false, 0, 1e23);
	check_number("1e-05", false, 0, false, 0, 1e-5);
	check_number("0.1", false, 0, false, 0, 0.1);
}

/* ---- members ---- */

static const char config[] = "{\n"
                             " \"hidden_size\": 2048, \"layers\": \"many\", \"eps\": 1e-5, \"huge\": 1e999,\n"
                             " \"tie\": true, \"nothing\": null, \"half\": 0.5, \"a\": 1, \"a\": 2,\n"
                             " \"rope\": {\"factor\": -1, \"list\": [1, {\"x\\ny\": []}]}\n"
                             "}";

#define CHECK_SAYS(call, expected)                                                  \
	do {                                                                        \
		struct tern_error said = {0};                                       \
		struct tern_error *err = &said;                                     \
		CHECK((call) == TERN_ERR_FILE, "succeeded");                        \
		CHECK(strcmp(said.message, expected) == 0, "got %s", said.message); \
	} while (0)

static void test_member_errors(struct json_value root)
{
	struct json_value rope = json_find(root, "rope"), list;
	uint64_t u = 0;
	double f = 0;
	bool b = false;

	CHECK_SAYS(json_get_u64(root, "layers", &u, NULL, err),
	           "t.json: key 'layers' (line 2, column 33): expected a whole number, found \"many\"");
	CHECK_SAYS(json_get_u64(root, "half", &u, NULL, err),
	           "t.json: key 'half' (line 3, column 40): expected a whole number, found 0.5");
	CHECK_SAYS(json_get_u64(rope, "factor", &u, NULL, err),
	           "t.json: key 'rope.factor' (line 4, column 21): expected a whole number, found -1");
	CHECK_SAYS(json_get_f64(root, "huge", &f, NULL, err),
	           "t.json: key 'huge' (line 2, column 62): the number is too large");
	CHECK_SAYS(json_get_bool(root, "hidden_size", &b, NULL, err),
	           "t.json: key 'hidden_size' (line 2, column 17): expected true or false, found 2048");
	CHECK_SAYS(json_get_container(root, "tie", JSON_OBJECT, &list, err),
	           "t.json: key 'tie' (line 3, column 9): expected an object, found true or false");
	CHECK_SAYS(json_get_container(root, "rope", JSON_ARRAY, &list, err),
	           "t.json: key 'rope' (line 4, column 10): expected an array, found an object");
	CHECK_SAYS(json_fail_missing(rope, "type", "a name", err), "t.json: key 'rope.type': missing; expected a name");
	struct json_iterator it = json_items(json_find(rope, "list"));
	CHECK(json_next(&it) && json_next(&it), "two items");
	CHECK_SAYS(json_fail(json_find(it.value, "x\ny"), err, "no %d", 1),
	           "t.json: key 'rope.list[1].x\\x0ay' (line 4, column 46): no 1");
	CHECK_SAYS(json_fail(root, err, "no"), "t.json: line 1, column 1: no");
}

/* A line of many names its number and the column, whether the fault is in the text or in a value. */
static void test_lines(void)
{
	static const char line[] = "{\"a\": 1}\n{";
	struct json json;

	CHECK_SAYS(json_parse_line(&json, "t.jsonl", 7, line, 7, 0, err),
	           "t.jsonl: line 7: column 8: expected ',' or '}', found the end of the text");
	CHECK_SAYS(json_parse_line(&json, NULL, 7, line, 7, 0, err),
	           "line 7: column 8: expected ',' or '}', found the end of the text");
	if (json_parse_line(&json, "t.jsonl", 12, line, 8, 0, NULL)) {
		CHECK(false, "a line");
		return;
	}
	CHECK_SAYS(json_fail(json_find(json_root(&json), "a"), err, "no"), "t.jsonl: line 12: key 'a' (column 7): no");
	CHECK_SAYS(json_fail(json_root(&json), err, "no"), "t.jsonl: line 12: column 1: no");
	json_free(&json);
}

static void test_members(void)
{
	struct tern_error err = {0};
	struct json json;
	uint64_t u = 5;
	double f = 0.25;
	bool b = false, found = true;
	struct json_string s = {"", 0};

	CHECK(parse_copy(&json, config, sizeof config - 1, 0, &err) == TERN_OK, "%s", err.message);
	struct json_value root = json_root(&json);
	CHECK(json_get_u64(root, "hidden_size", &u, &found, &err) == TERN_OK && found && u == 2048, "hidden_size");
	u = 5;
	CHECK(json_get_u64(root, "absent", &u, &found, &err) == TERN_OK && !found && u == 5, "absent");
	CHECK(json_get_u64(root, "nothing", &u, &found, &err) == TERN_OK && !found && u == 5, "null");
	CHECK(json_get_u64(root, "a", &u, NULL, &err) == TERN_OK && u == 2, "the last of equal keys");
	CHECK(json_get_f64(root, "eps", &f, NULL, &err) == TERN_OK && f == 1e-5, "eps");
	CHECK(json_get_bool(root, "tie", &b, NULL, &err) == TERN_OK && b, "tie");
	CHECK(json_get_string(root, "layers", &s, NULL, &err) == TERN_OK && s.length == 4, "layers");
	CHECK(json_string_is(json_find(root, "layers"), "many"), "is many");
	CHECK(!json_string_is(json_find(root, "layers"), "man"), "is no man");
	CHECK(!json_string_is(json_find(root, "tie"), "true"), "no string");
	CHECK(!json_exists(json_find(json_find(root, "tie"), "x")), "a scalar has no members");
	CHECK(!json_exists(json_find(json_find(root, "absent"), "x")), "nothing has no members");
	CHECK(json_count(root) == 10 && json_count(json_find(root, "tie")) == 0, "counts");
	test_member_errors(root);
	json_free(&json);
}

static void check_duplicates(const char *text, bool is_refused)
{
	struct tern_error err = {0};
	struct json json;
	enum tern_status status = parse_copy(&json, text, strlen(text), JSON_REFUSE_DUPLICATES, &err);

	CHECK((status != TERN_OK) == is_refused, "%s", text);
	if (!status)
		json_free(&json);
	else
		CHECK(strstr(err.message, "second time") != NULL, "%s", err.message);
}

static void test_duplicates(void)
{
	char many[1024] = "{";

	check_duplicates("{\"a\":1,\"b\":2}", false);
	check_duplicates("{\"a\":1,\"a\":2}", true);
	check_duplicates("{\"a\":1,\"\\u0061\":2}", true);
	check_duplicates("{\"a\":[1,2],\"b\":{\"a\":3}}", false);
	check_duplicates("{\"a\":[1,2],\"b\":{\"c\":3,\"d\":[],\"c\":{}}}", true);
	check_duplicates("[{\"a\":1},{\"a\":1}]", false);
	check_duplicates("{\"\":1,\"\":1}", true);
	check_duplicates("{\"a\":1,\"a\\u0000\":1,\"A\":1}", false);
	for (int i = 0; i < 40; i++)
		snprintf(many + strlen(many), sizeof many - strlen(many), "%s\"k%d\":%d", i ? "," : "", i, i);
	size_t n = strlen(many);
	snprintf(many + n, sizeof many - n, "}");
	check_duplicates(many, false);
	snprintf(many + n, sizeof many - n, ",\"k7\":{\"a\":1}}");
	check_duplicates(many, true);
}

/* ---- size ---- */

static void test_depth(void)
{
	char text[4 * JSON_MAX_DEPTH + 8];
	struct tern_error err = {0};
	struct json json;

	for (size_t depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		enum tern_status status = parse_copy(&json, text, 2 * depth, 0, &err);
		CHECK((status == TERN_OK) == (depth <= JSON_MAX_DEPTH), "depth %zu", depth);
		if (!status)
			json_free(&json);
	}
	CHECK(strstr(err.message, "column 65: nested") != NULL, "%s", err.message);
}

/* As many keys as a vocabulary has, of equal keys the last. They are found in constant time: otherwise this takes
 * minutes. */
static void test_many_keys(void)
{
	enum {
		N = 100000
	};
	struct tern_error err = {0};
	struct json json;
	char *text = malloc(N * 32), key[32];
	size_t n = 0, n_found = 0;

	if (!text)
		abort();
	text[n++] = '{';
	for (int i = 0; i < N; i++)
		n += (size_t)sprintf(text + n, "\"key-%d\":{\"id\":%d},", i, i);
	n += (size_t)sprintf(text + n, "\"key-5\":null}");
	CHECK(parse_copy(&json, text, n, 0, &err) == TERN_OK, "%s", err.message);
	for (int i = 0; i < N; i++) {
		uint64_t id = 0;
		snprintf(key, sizeof key, "key-%d", i);
		n_found += json_get_u64(json_find(json_root(&json), key), "id", &id, NULL, &err) == TERN_OK &&
		           id == (uint64_t)i;
	}
	CHECK(n_found == N - 1, "%zu keys", n_found);
	CHECK(json_type(json_find(json_root(&json), "key-5")) == JSON_NULL, "the last of two counts");
	CHECK(!json_exists(json_find(json_root(&json), "key-")), "no such key");
	json_free(&json);
	free(text);
}

/* ---- damage ---- */

/* Parses and, if that works, visits everything. */
static void parse_and_visit(const char *text, size_t n)
{
	struct text out = {.n = 0};
	struct tern_error err = {0};
	struct json json;
	unsigned flags = test_random() & 1 ? JSON_REFUSE_DUPLICATES : 0;
	enum tern_status status = parse_copy(&json, text, n, flags, &err);

	if (status == TERN_OK) {
		put_value(&out, json_root(&json), 0);
		CHECK(out.n > 0, "a tree of nothing");
		json_free(&json);
	} else {
		CHECK(status == TERN_ERR_FILE && strstr(err.message, ": line ") != NULL, "%s", err.message);
	}
}

static const char sample[] =
        "{\"a\": [1, -2.5e+3, \"\\ud83d\\ude00x\\n\", true], \"\xc3\xa9\": {\"b\": null, \"c\": {}},"
        "\"0\":0,\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":[],"
        "\"10\":0,\"11\":0,\"12\":0,\"13\":0,\"14\":[[{}]],\"15\":\"\\u0041\"}";

static void test_damage(void)
{
	static const char alphabet[] = "{}[],:\"\\u0019aef-+. \n\x01\x80\xc3\xff";
	char copy[sizeof sample];

	for (size_t n = 0; n < sizeof sample; n++)
		parse_and_visit(sample, n);
	for (size_t bit = 0; bit < 8 * (sizeof sample - 1); bit++) {
		memcpy(copy, sample, sizeof sample);
		copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
		parse_and_visit(copy, sizeof sample - 1);
	}
	for (int round = 0; round < 5000; round++) {
		memcpy(copy, sample, sizeof sample);
		for (uint64_t i = test_random() % 6 + 1; i > 0; i--)
			copy[test_random() % (sizeof sample - 1)] = alphabet[test_random() % (sizeof alphabet - 1)];
		parse_and_visit(copy, sizeof sample - 1);
	}
}

int main(void)
{
	test_good();
	test_bad();
	test_numbers();
	test_members();
	test_lines();
	test_duplicates();
	test_depth();
	test_many_keys();
	test_damage();
	return test_summary();
}
