/* The tree of a JSON text. It needs about as much memory as the text.
 *
 * The tree is a list of 32-bit words that point into the text; strings are decoded in place. A scalar is one word, the
 * offset where it begins. An array or object is that word, then the index of the first word after it, then its items
 * (of an object: key, value, key, value). Objects of more than a few members have a hash index. */
#ifndef TERN_JSON_JSON_H
#define TERN_JSON_JSON_H

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	JSON_MANY_MEMBERS = 16, /* objects with more members are indexed */
	JSON_STRING_END = 0xff, /* follows a decoded string in the text; never occurs in UTF-8 */
};

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

/* Hash index of one object. A slot is the word of a key; 0 is free, since word 0 is the root. */
struct json_index {
	uint32_t object; /* word of the object */
	uint32_t n_slots;
	uint32_t *slots;
};

/* A parsed text. Zero-initialized is empty. */
struct json {
	const char *source; /* begins every message; the caller's; that of a line is behind the text */
	bool is_line;       /* the text is one line of many, which source names; messages add only the column */
	char *text;
	size_t n_bytes;
	uint32_t *words;
	size_t n_words, word_capacity;
	struct json_index *indexes; /* of big objects, by position */
	size_t n_indexes, index_capacity;
	struct tern_hash_key key;
};

/* A place in the tree. If json is NULL, nothing is there. Valid as long as the struct json. */
struct json_value {
	const struct json *json;
	uint32_t at;
};

/* A decoded string. It may contain NUL and is not terminated by one. Valid as long as the struct json. */
struct json_string {
	const char *bytes;
	size_t length;
};

/* Frees everything, the text too. The tree is then empty. */
void json_free(struct json *json);

struct json_value json_root(const struct json *json);
enum json_type json_type(struct json_value value);
/* Where the value begins in the text. */
static inline const char *json_text(struct json_value value) { return value.json->text + value.json->words[value.at]; }
static inline bool json_exists(struct json_value value) { return value.json != NULL; }

/* The member's value; of equal keys the last. Nothing if `object` is nothing, not an object or without this key. */
struct json_value json_find(struct json_value object, const char *key);

/* Walks over the items of an array or the members of an object:
 *     for (struct json_iterator it = json_items(value); json_next(&it);)  ... it.key (objects only), it.value
 * Nothing and scalars have no items. */
struct json_iterator {
	struct json_value key, value;
	uint32_t next, end;
	bool is_object;
};
struct json_iterator json_items(struct json_value container);
bool json_next(struct json_iterator *it);
size_t json_count(struct json_value container);

/* The value must be a string. */
struct json_string json_string(struct json_value value);
bool json_string_is(struct json_value value, const char *text); /* false for other types, or nothing */

/* ---- for parse.c and value.c ---- */

/* The word after the value at word `at`. */
uint32_t json_skip(const struct json *json, uint32_t at);
/* The slot of a key, or the free one where it belongs. */
uint32_t json_index_slot(const struct json *json, const struct json_index *index, const char *bytes, size_t length);
/* Writes "line 3, column 18" for an offset into the text, counted from 1, columns in bytes. Returns out. */
enum {
	JSON_PLACE_SIZE = 64
};
const char *json_place(char out[JSON_PLACE_SIZE], const struct json *json, size_t offset);

#endif
