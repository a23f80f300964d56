/* Reading the tree that json.c built. */
#include "convert/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json_value json_root(const struct json *json) { return (struct json_value){json, 0}; }

static const char *text_of(struct json_value value) { return value.json->text + value.json->words[value.at]; }

enum json_type json_type(struct json_value value)
{
	switch (*text_of(value)) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 'n':
		return JSON_NULL;
	case 't':
	case 'f':
		return JSON_BOOL;
	default:
		return JSON_NUMBER;
	}
}

uint32_t json_skip(const struct json *json, uint32_t at)
{
	char c = json->text[json->words[at]];
	return c == '{' || c == '[' ? json->words[at + 1] : at + 1;
}

struct json_string json_string(struct json_value value)
{
	const char *bytes = text_of(value) + 1;
	const char *end = memchr(bytes, JSON_STRING_END, (size_t)(value.json->text + value.json->n_bytes - bytes));
	return (struct json_string){bytes, (size_t)(end - bytes)};
}

static bool string_equals(const struct json *json, uint32_t at, const char *bytes, size_t length)
{
	const char *there = json->text + json->words[at] + 1;
	size_t n_left = (size_t)(json->text + json->n_bytes - there);

	return length < n_left && (unsigned char)there[length] == JSON_STRING_END && memcmp(there, bytes, length) == 0;
}

bool json_string_is(struct json_value value, const char *text)
{
	return json_exists(value) && json_type(value) == JSON_STRING &&
	       string_equals(value.json, value.at, text, strlen(text));
}

/* ---- containers ---- */

struct json_iterator json_items(struct json_value container)
{
	struct json_iterator it = {0};
	char c = json_exists(container) ? *text_of(container) : 0;

	if (c == '{' || c == '[') {
		it.next = container.at + 2;
		it.end = container.json->words[container.at + 1];
		it.is_object = c == '{';
		it.key.json = it.is_object ? container.json : NULL;
		it.value.json = container.json;
	}
	return it;
}

bool json_next(struct json_iterator *it)
{
	if (it->next >= it->end)
		return false;
	it->key.at = it->next;
	it->value.at = it->is_object ? it->next + 1 : it->next;
	it->next = json_skip(it->value.json, it->value.at);
	return true;
}

size_t json_count(struct json_value container)
{
	size_t n = 0;

	for (struct json_iterator it = json_items(container); json_next(&it);)
		n++;
	return n;
}

uint32_t json_index_slot(const struct json *json, const struct json_index *index, const char *bytes, size_t length)
{
	uint32_t mask = index->n_slots - 1, slot = (uint32_t)hash_bytes(json->key, bytes, length) & mask;

	while (index->slots[slot] && !string_equals(json, index->slots[slot], bytes, length))
		slot = (slot + 1) & mask;
	return slot;
}

static const struct json_index *find_index(struct json_value object)
{
	size_t low = 0, high = object.json->n_indexes;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct json_index *index = &object.json->indexes[middle];
		if (index->object == object.at)
			return index;
		if (index->object < object.at)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct json_value json_find(struct json_value object, const char *key)
{
	struct json_value found = {0};
	size_t length = strlen(key);

	if (!json_exists(object) || json_type(object) != JSON_OBJECT)
		return found;
	const struct json_index *index = find_index(object);
	if (index) {
		uint32_t at = index->slots[json_index_slot(object.json, index, key, length)];
		return at ? (struct json_value){object.json, at + 1} : found;
	}
	for (struct json_iterator it = json_items(object); json_next(&it);)
		if (string_equals(object.json, it.key.at, key, length))
			found = it.value;
	return found;
}

/* ---- errors ---- */

void json_position(const struct json *json, size_t offset, size_t *line, size_t *column)
{
	size_t line_start = 0, at = 0;

	/* Strings are skipped: they hold no raw line end, but a decoded one. */
	for (*line = 1; at < offset; at++)
		if (json->text[at] == '\n') {
			++*line;
			line_start = at + 1;
		} else if (json->text[at] == '"') {
			const char *end = memchr(json->text + at, JSON_STRING_END, offset - at);
			if (!end)
				break;
			at = (size_t)(end - json->text);
		}
	*column = offset - line_start + 1;
}

/* Writes the keys and indices that lead from the root to the value, as in a.b[3].c. Returns out. */
static const char *path_to(struct json_value value, char *out, size_t size)
{
	struct json_value at = json_root(value.json);
	size_t n = 0;

	out[0] = 0;
	while (at.at != value.at && n < size - 1) {
		struct json_iterator it = json_items(at);
		size_t i = 0;
		/* The item that contains the value is the one that ends after it. */
		while (json_next(&it) && it.next <= value.at)
			i++;
		if (it.is_object) {
			char quoted[TERN_QUOTE_SIZE];
			struct json_string key = json_string(it.key);
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "." : "",
			                      tern_quote(quoted, key.bytes, key.length));
		} else {
			n += (size_t)snprintf(out + n, size - n, "[%zu]", i);
		}
		if (it.value.at == at.at)
			break;
		at = it.value;
	}
	return out;
}

enum tern_status json_fail(struct json_value value, struct tern_error *err, const char *format, ...)
{
	char path[400], what[512];
	size_t line, column;
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	json_position(value.json, value.json->words[value.at], &line, &column);
	if (value.at == 0)
		return tern_fail(err, TERN_ERR_FILE, "%s: line %zu, column %zu: %s", value.json->source, line, column,
		                 what);
	return tern_fail(err, TERN_ERR_FILE, "%s: key '%s' (line %zu, column %zu): %s", value.json->source,
	                 path_to(value, path, sizeof path), line, column, what);
}

enum tern_status json_fail_missing(struct json_value object, const char *key, const char *expected,
                                   struct tern_error *err)
{
	char path[400];

	path_to(object, path, sizeof path);
	return tern_fail(err, TERN_ERR_FILE, "%s: key '%s%s%s': missing; expected %s", object.json->source, path,
	                 path[0] ? "." : "", key, expected);
}

enum tern_status json_fail_type(struct json_value value, const char *expected, struct tern_error *err)
{
	static const char *const names[] = {"null", "true or false", "a number", "a string", "an array", "an object"};
	const char *text = text_of(value);

	if (json_type(value) != JSON_NUMBER)
		return json_fail(value, err, "expected %s, found %s", expected, names[json_type(value)]);
	return json_fail(value, err, "expected %s, found %.*s", expected, (int)strspn(text, "+-.0123456789eE"), text);
}

/* ---- conversions ---- */

/* The digits at s, which are all of the number, as a value; false if it does not fit or it is no whole number. */
static bool parse_digits(const char *s, uint64_t *out)
{
	*out = 0;
	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(*out, 10u, out) || __builtin_add_overflow(*out, (uint64_t)(*s - '0'), out))
			return false;
	return *s != '.' && *s != 'e' && *s != 'E';
}

enum tern_status json_to_u64(struct json_value value, uint64_t *out, struct tern_error *err)
{
	uint64_t n;

	if (json_type(value) != JSON_NUMBER || !parse_digits(text_of(value), &n))
		return json_fail_type(value, "a whole number", err);
	*out = n;
	return TERN_OK;
}

enum tern_status json_to_i64(struct json_value value, int64_t *out, struct tern_error *err)
{
	bool is_negative = *text_of(value) == '-';
	uint64_t n;

	if (json_type(value) != JSON_NUMBER || !parse_digits(text_of(value) + is_negative, &n) ||
	    n > (uint64_t)INT64_MAX + is_negative)
		return json_fail_type(value, "a whole number", err);
	*out = is_negative ? (int64_t)(0 - n) : (int64_t)n;
	return TERN_OK;
}

enum tern_status json_to_f64(struct json_value value, double *out, struct tern_error *err)
{
	double number;

	if (json_type(value) != JSON_NUMBER)
		return json_fail_type(value, "a number", err);
	number = strtod(text_of(value), NULL);
	if (!isfinite(number))
		return json_fail(value, err, "the number is too large");
	*out = number;
	return TERN_OK;
}

enum tern_status json_to_bool(struct json_value value, bool *out, struct tern_error *err)
{
	if (json_type(value) != JSON_BOOL)
		return json_fail_type(value, "true or false", err);
	*out = *text_of(value) == 't';
	return TERN_OK;
}

enum tern_status json_to_string(struct json_value value, struct json_string *out, struct tern_error *err)
{
	if (json_type(value) != JSON_STRING)
		return json_fail_type(value, "a string", err);
	*out = json_string(value);
	return TERN_OK;
}

/* The member if it is there and not null. */
static struct json_value find_some(struct json_value object, const char *key, bool *found)
{
	struct json_value value = json_find(object, key);

	if (json_exists(value) && json_type(value) == JSON_NULL)
		value.json = NULL;
	if (found)
		*found = json_exists(value);
	return value;
}

enum tern_status json_get_u64(struct json_value object, const char *key, uint64_t *out, bool *found,
                              struct tern_error *err)
{
	struct json_value value = find_some(object, key, found);
	return json_exists(value) ? json_to_u64(value, out, err) : TERN_OK;
}

enum tern_status json_get_i64(struct json_value object, const char *key, int64_t *out, bool *found,
                              struct tern_error *err)
{
	struct json_value value = find_some(object, key, found);
	return json_exists(value) ? json_to_i64(value, out, err) : TERN_OK;
}

enum tern_status json_get_f64(struct json_value object, const char *key, double *out, bool *found,
                              struct tern_error *err)
{
	struct json_value value = find_some(object, key, found);
	return json_exists(value) ? json_to_f64(value, out, err) : TERN_OK;
}

enum tern_status json_get_bool(struct json_value object, const char *key, bool *out, bool *found,
                               struct tern_error *err)
{
	struct json_value value = find_some(object, key, found);
	return json_exists(value) ? json_to_bool(value, out, err) : TERN_OK;
}

enum tern_status json_get_string(struct json_value object, const char *key, struct json_string *out, bool *found,
                                 struct tern_error *err)
{
	struct json_value value = find_some(object, key, found);
	return json_exists(value) ? json_to_string(value, out, err) : TERN_OK;
}

enum tern_status json_get_container(struct json_value object, const char *key, enum json_type type,
                                    struct json_value *out, struct tern_error *err)
{
	*out = find_some(object, key, NULL);
	if (!json_exists(*out) || json_type(*out) == type)
		return TERN_OK;
	return json_fail_type(*out, type == JSON_ARRAY ? "an array" : "an object", err);
}
