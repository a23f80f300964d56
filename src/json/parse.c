/* There is no recursion: open arrays and objects are on a stack of JSON_MAX_DEPTH. The text ends with NUL, which JSON
 * allows nowhere, so every loop stops there. */
#include "json/parse.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/sort.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

struct open_container {
	uint32_t at; /* its word */
	uint32_t n_items;
	bool is_object;
};

struct parser {
	struct json *json;
	size_t at; /* offset of the next byte */
	unsigned flags;
	struct open_container stack[JSON_MAX_DEPTH];
	int depth;
	struct tern_error *err;
};

static enum tern_status fail_at(struct parser *p, size_t offset, const char *what)
{
	char place[JSON_PLACE_SIZE];

	return tern_fail(p->err, TERN_ERR_FILE, "%s: %s: %s", p->json->source, json_place(place, p->json, offset),
	                 what);
}

/* "expected EXPECTED, found ..." at the next byte. */
static enum tern_status fail_expected(struct parser *p, const char *expected)
{
	char quoted[TERN_QUOTE_SIZE], what[TERN_QUOTE_SIZE + 128];
	const char *text = p->json->text + p->at;

	if (p->at == p->json->n_bytes) {
		snprintf(what, sizeof what, "expected %s, found the end of the text", expected);
	} else {
		bool is_word = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
		size_t n = is_word ? strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") : 1;
		snprintf(what, sizeof what, "expected %s, found '%s'", expected, tern_quote(quoted, text, n));
	}
	return fail_at(p, p->at, what);
}

static void skip_space(struct parser *p)
{
	const char *s = p->json->text + p->at;

	while (*s == ' ' || *s == '\n' || *s == '\r' || *s == '\t')
		s++;
	p->at = (size_t)(s - p->json->text);
}

static enum tern_status add_word(struct parser *p, uint32_t word)
{
	struct json *json = p->json;

	if (json->n_words == json->word_capacity && !TERN_GROW(json->words, json->word_capacity, json->n_words + 1))
		return tern_fail(p->err, TERN_ERR_FAILED, "%s: out of memory for %zu values", json->source,
		                 json->n_words);
	json->words[json->n_words++] = word;
	return TERN_OK;
}

/* ---- strings ---- */

/* Four hexadecimal digits at s as a number, or -1. */
static int hex4(const char *s)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		int digit = tern_hex_digit(s[i]);
		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

/* Decodes \uXXXX at `from`, or two of them that are a surrogate pair. */
static enum tern_status decode_unicode(struct parser *p, const char **from, char **to)
{
	const char *s = *from;
	size_t offset = (size_t)(s - p->json->text);
	int unit = hex4(s + 2);
	uint32_t code_point;

	if (unit < 0)
		return fail_at(p, offset, "expected four hexadecimal digits after \\u");
	code_point = (uint32_t)unit;
	s += 6;
	if (unit >= 0xd800 && unit < 0xe000) {
		int low = unit < 0xdc00 && s[0] == '\\' && s[1] == 'u' ? hex4(s + 2) : -1;
		if (low < 0xdc00 || low >= 0xe000)
			return fail_at(p, offset, "half a surrogate pair stands alone");
		code_point = 0x10000 + ((code_point - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
		s += 6;
	}
	*to += tern_utf8_encode(code_point, *to);
	*from = s;
	return TERN_OK;
}

/* Decodes the escape at `from` (a backslash) to `to`, which is at `from` or before it. */
static enum tern_status decode_escape(struct parser *p, const char **from, char **to)
{
	static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if ((*from)[1] == 'u')
		return decode_unicode(p, from, to);
	name = (*from)[1] ? strchr(names, (*from)[1]) : NULL;
	if (!name)
		return fail_at(p, (size_t)(*from - p->json->text), "unknown escape in a string");
	*(*to)++ = meanings[name - names];
	*from += 2;
	return TERN_OK;
}

/* Copies one character of several bytes and checks it. */
static enum tern_status copy_character(struct parser *p, const char **from, char **to)
{
	size_t offset = (size_t)(*from - p->json->text), length;
	uint32_t code_point;

	if (tern_utf8_decode(*from, p->json->n_bytes - offset, &code_point, &length) != TERN_UTF8_CHARACTER)
		return fail_at(p, offset, "not valid UTF-8");
	memmove(*to, *from, length);
	*from += length;
	*to += length;
	return TERN_OK;
}

/* Decodes the string at the next byte, a quote, in place, and fills the bytes that become free with end marks. */
static enum tern_status parse_string(struct parser *p)
{
	char *text = p->json->text, *to = text + p->at + 1;
	const char *from = to;
	enum tern_status status;

	while (*from != '"') {
		unsigned char c = (unsigned char)*from;
		if (c < 0x20) {
			p->at = (size_t)(from - text);
			return p->at == p->json->n_bytes ? fail_at(p, p->at, "the text ends inside a string")
			                                 : fail_at(p, p->at, "control character in a string");
		}
		if (c == '\\')
			status = decode_escape(p, &from, &to);
		else if (c >= 0x80)
			status = copy_character(p, &from, &to);
		else {
			*to++ = *from++;
			continue;
		}
		if (status)
			return status;
	}
	memset(to, JSON_STRING_END, (size_t)(from - to) + 1);
	p->at = (size_t)(from - text) + 1;
	return TERN_OK;
}

/* ---- scalars ---- */

static size_t count_digits(const char *s)
{
	size_t n = 0;

	while (s[n] >= '0' && s[n] <= '9')
		n++;
	return n;
}

static enum tern_status parse_number(struct parser *p)
{
	const char *text = p->json->text, *s = text + p->at;
	size_t n;

	s += *s == '-';
	n = count_digits(s);
	if (n > 1 && *s == '0') {
		p->at = (size_t)(s - text);
		return fail_at(p, p->at, "a number may not begin with a zero");
	}
	s += n;
	if (n > 0 && *s == '.')
		s += 1 + (n = count_digits(s + 1));
	if (n > 0 && (*s == 'e' || *s == 'E')) {
		s++;
		s += *s == '+' || *s == '-';
		s += n = count_digits(s);
	}
	p->at = (size_t)(s - text);
	return n > 0 ? TERN_OK : fail_expected(p, "a digit");
}

static enum tern_status parse_word(struct parser *p)
{
	static const char *const words[] = {"true", "false", "null"};
	const char *text = p->json->text + p->at;

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(words[i]);
		if (strncmp(text, words[i], n) == 0) {
			p->at += n;
			return TERN_OK;
		}
	}
	return fail_expected(p, "a value");
}

static enum tern_status parse_scalar(struct parser *p)
{
	char c = p->json->text[p->at];
	enum tern_status status = add_word(p, (uint32_t)p->at);

	if (status)
		return status;
	if (c == '"')
		return parse_string(p);
	if (c == '-' || (c >= '0' && c <= '9'))
		return parse_number(p);
	return parse_word(p);
}

/* ---- objects ---- */

static enum tern_status fail_duplicate(struct parser *p, uint32_t key)
{
	char quoted[TERN_QUOTE_SIZE], what[TERN_QUOTE_SIZE + 64];
	struct json_string name = json_string((struct json_value){p->json, key});

	snprintf(what, sizeof what, "key '%s' stands here a second time", tern_quote(quoted, name.bytes, name.length));
	return fail_at(p, p->json->words[key], what);
}

/* Looks for equal keys in a small object by comparing all with all. */
static enum tern_status check_few_members(struct parser *p, const struct open_container *object, uint32_t end)
{
	for (uint32_t a = object->at + 2; a < end; a = json_skip(p->json, a + 1)) {
		struct json_string key = json_string((struct json_value){p->json, a});
		for (uint32_t b = object->at + 2; b < a; b = json_skip(p->json, b + 1)) {
			struct json_string other = json_string((struct json_value){p->json, b});
			if (key.length == other.length && memcmp(key.bytes, other.bytes, key.length) == 0)
				return fail_duplicate(p, a);
		}
	}
	return TERN_OK;
}

/* Makes the hash index of a big object, and so finds equal keys. */
static enum tern_status index_members(struct parser *p, const struct open_container *object, uint32_t end)
{
	struct json *json = p->json;
	struct json_index index = {object->at, 32, NULL};

	while (index.n_slots < object->n_items + object->n_items / 2)
		index.n_slots *= 2;
	index.slots = tern_alloc(index.n_slots, sizeof *index.slots);
	if (!index.slots || !TERN_GROW(json->indexes, json->index_capacity, json->n_indexes + 1)) {
		tern_free(index.slots);
		return tern_fail(p->err, TERN_ERR_FAILED, "%s: out of memory for %u keys", json->source,
		                 object->n_items);
	}
	json->indexes[json->n_indexes++] = index;
	for (uint32_t at = object->at + 2; at < end; at = json_skip(json, at + 1)) {
		struct json_string key = json_string((struct json_value){json, at});
		uint32_t slot = json_index_slot(json, &index, key.bytes, key.length);
		if (index.slots[slot] && (p->flags & JSON_REFUSE_DUPLICATES))
			return fail_duplicate(p, at);
		index.slots[slot] = at;
	}
	return TERN_OK;
}

/* Reads a key and its colon. */
static enum tern_status parse_key(struct parser *p)
{
	enum tern_status status;

	skip_space(p);
	if (p->json->text[p->at] != '"')
		return fail_expected(p, "a key in double quotes");
	if ((status = parse_scalar(p)))
		return status;
	skip_space(p);
	if (p->json->text[p->at] != ':')
		return fail_expected(p, "':' after a key");
	p->at++;
	return TERN_OK;
}

/* ---- the tree ---- */

static enum tern_status open_container(struct parser *p)
{
	struct open_container *container = &p->stack[p->depth];
	enum tern_status status;

	if (p->depth == JSON_MAX_DEPTH)
		return fail_at(p, p->at, "nested more than 64 deep");
	*container = (struct open_container){(uint32_t)p->json->n_words, 0, p->json->text[p->at] == '{'};
	p->depth++;
	if ((status = add_word(p, (uint32_t)p->at)) || (status = add_word(p, 0)))
		return status;
	p->at++;
	return TERN_OK;
}

static enum tern_status close_container(struct parser *p)
{
	const struct open_container *container = &p->stack[--p->depth];
	uint32_t end = (uint32_t)p->json->n_words;

	p->at++;
	p->json->words[container->at + 1] = end;
	if (!container->is_object)
		return TERN_OK;
	if (container->n_items > JSON_MANY_MEMBERS)
		return index_members(p, container, end);
	return p->flags & JSON_REFUSE_DUPLICATES ? check_few_members(p, container, end) : TERN_OK;
}

/* Between two values: closes containers that end here and moves to the next value. Sets *is_done after the last. */
static enum tern_status parse_between(struct parser *p, bool *is_done)
{
	enum tern_status status = TERN_OK;

	while (p->depth > 0 && !status) {
		struct open_container *container = &p->stack[p->depth - 1];
		skip_space(p);
		char c = p->json->text[p->at];
		if (c == (container->is_object ? '}' : ']')) {
			status = close_container(p);
			continue;
		}
		if (container->n_items++ > 0) {
			if (c != ',')
				return fail_expected(p, container->is_object ? "',' or '}'" : "',' or ']'");
			p->at++;
		}
		if (container->is_object && container->n_items > JSON_MAX_MEMBERS)
			return fail_at(p, p->at, "more than 4194304 keys in one object");
		return container->is_object ? parse_key(p) : TERN_OK;
	}
	*is_done = true;
	return status;
}

static enum tern_status parse_text(struct parser *p)
{
	enum tern_status status = TERN_OK;

	for (bool is_done = false; !is_done && !status;) {
		skip_space(p);
		char c = p->json->text[p->at];
		status = c == '{' || c == '[' ? open_container(p) : parse_scalar(p);
		if (!status)
			status = parse_between(p, &is_done);
	}
	if (status)
		return status;
	skip_space(p);
	return p->at == p->json->n_bytes ? TERN_OK : fail_expected(p, "the end of the text");
}

static int compare_indexes(const void *context, uint32_t a, uint32_t b)
{
	const struct json_index *x = (const struct json_index *)context + a,
	                        *y = (const struct json_index *)context + b;
	return (x->object > y->object) - (x->object < y->object);
}

/* Inner objects close first, but find_index() needs the indexes sorted by position. */
static enum tern_status sort_indexes(struct json *json, struct tern_error *err)
{
	uint32_t *order = tern_sort_indices(json->n_indexes, compare_indexes, json->indexes);
	struct json_index *sorted = tern_alloc(json->n_indexes, sizeof *sorted);

	if (!order || !sorted) {
		tern_free(order);
		tern_free(sorted);
		return tern_fail_memory(err, json->n_indexes * sizeof *sorted);
	}
	for (size_t i = 0; i < json->n_indexes; i++)
		sorted[i] = json->indexes[order[i]];
	tern_free(order);
	tern_free(json->indexes);
	json->indexes = sorted;
	json->index_capacity = json->n_indexes;
	return TERN_OK;
}

/* Parses the text that `json` has; frees it after an error. */
static enum tern_status parse(struct json *json, unsigned flags, struct tern_error *err)
{
	struct parser p = {.json = json, .flags = flags, .err = err};
	enum tern_status status;

	json->key = tern_hash_new_key(json);
	if (json->n_bytes > JSON_MAX_BYTES)
		status = tern_fail(err, TERN_ERR_FILE, "%s: %zu bytes of JSON; at most %d are read", json->source,
		                   json->n_bytes, JSON_MAX_BYTES);
	else if (json->n_bytes >= 3 && memcmp(json->text, "\xef\xbb\xbf", 3) == 0)
		status = fail_at(&p, 0, "the text begins with a byte-order mark; save it as UTF-8 without one");
	else
		status = parse_text(&p);
	if (!status && json->n_indexes > 1)
		status = sort_indexes(json, err);
	if (status)
		json_free(json);
	return status;
}

enum tern_status json_parse(struct json *json, const char *source, char *text, size_t n_bytes, unsigned flags,
                            struct tern_error *err)
{
	*json = (struct json){.source = source, .text = text, .n_bytes = n_bytes};
	return parse(json, flags, err);
}

enum tern_status json_parse_line(struct json *json, const char *path, size_t number, const char *line, size_t n_bytes,
                                 unsigned flags, struct tern_error *err)
{
	size_t n_source = (path ? strlen(path) : 0) + JSON_PLACE_SIZE, n_block;
	char *text = tern_add_size(n_bytes, 1 + n_source, &n_block) ? tern_alloc(n_block, 1) : NULL;

	if (!text)
		return tern_fail_memory(err, n_bytes);
	memcpy(text, line, n_bytes);
	snprintf(text + n_bytes + 1, n_source, "%s%sline %zu", path ? path : "", path ? ": " : "", number);
	*json = (struct json){.source = text + n_bytes + 1, .is_line = true, .text = text, .n_bytes = n_bytes};
	return parse(json, flags, err);
}
