#include "json/json.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

void json_free(struct json *json)
{
	for (size_t i = 0; i < json->n_indexes; i++)
		tern_free(json->indexes[i].slots);
	tern_free(json->indexes);
	tern_free(json->words);
	tern_free(json->text);
	memset(json, 0, sizeof *json);
}

struct json_value json_root(const struct json *json) { return (struct json_value){json, 0}; }

enum json_type json_type(struct json_value value)
{
	switch (*json_text(value)) {
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
	const char *bytes = json_text(value) + 1;
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
	char c = json_exists(container) ? *json_text(container) : 0;

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
	uint32_t mask = index->n_slots - 1, slot = (uint32_t)tern_hash_bytes(json->key, bytes, length) & mask;

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

const char *json_place(char out[JSON_PLACE_SIZE], const struct json *json, size_t offset)
{
	size_t line = 1, line_start = 0;

	/* Strings are skipped, because their line ends come from decoding. */
	for (size_t at = 0; at < offset; at++)
		if (json->text[at] == '\n') {
			line++;
			line_start = at + 1;
		} else if (json->text[at] == '"') {
			const char *end = memchr(json->text + at, JSON_STRING_END, offset - at);
			if (!end)
				break;
			at = (size_t)(end - json->text);
		}
	if (json->is_line)
		snprintf(out, JSON_PLACE_SIZE, "column %zu", offset - line_start + 1);
	else
		snprintf(out, JSON_PLACE_SIZE, "line %zu, column %zu", line, offset - line_start + 1);
	return out;
}
