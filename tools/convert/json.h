/* JSON as RFC 8259 has it and nothing else: text in, a compact tree out. Made for files written by strangers: depth
 * is limited, numbers are kept as written (no integer passes through a double), duplicate keys are found, and the
 * tree needs about as much memory as the text.
 *
 * The tree is a list of 32-bit words over the text, which is kept; strings are decoded in place. A scalar is one word,
 * where it begins in the text; an array or object is that word, then the index of the first word after it, then its
 * items (of an object: key, value, key, value). Objects of more than a few members have a hash index. */
#ifndef CONVERT_JSON_H
#define CONVERT_JSON_H

#include "base/error.h"
#include "convert/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	JSON_MAX_DEPTH = 64,
	JSON_MAX_BYTES = 1 << 30,
	JSON_MAX_MEMBERS = 1 << 22, /* of one object: more than any vocabulary has */
	JSON_MANY_MEMBERS = 16,     /* objects with more than these are indexed */
	JSON_STRING_END = 0xff,     /* follows a decoded string in the text; no byte of UTF-8 is 0xff */
};

/* Flags of json_parse(). */
enum {
	JSON_REFUSE_DUPLICATES = 1, /* a key twice in one object is an error; else the last one counts */
};

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

/* Hash index of one object: slots hold the word of a key, 0 is free (word 0 is the root, never a key). */
struct json_index {
	uint32_t object; /* word of the object */
	uint32_t n_slots;
	uint32_t *slots;
};

/* A parsed text. Zero-initialised is empty. */
struct json {
	const char *source; /* begins every message; the caller's */
	char *text;
	size_t n_bytes;
	uint32_t *words;
	size_t n_words, word_capacity;
	struct json_index *indexes; /* of big objects, by position */
	size_t n_indexes, index_capacity;
	struct hash_key key;
};

/* A place in the tree. json is NULL for "nothing there". Valid as long as the struct json. */
struct json_value {
	const struct json *json;
	uint32_t at;
};

/* Decoded, any characters including NUL; not NUL-terminated. Valid as long as the struct json. */
struct json_string {
	const char *bytes;
	size_t length;
};

/* Parses n_bytes of text that a NUL follows (text[n_bytes] == 0, as tern_read_all() leaves it). Takes the text over
 * in every case; it is freed with the tree. On an error (TERN_ERR_FILE, with line and column counted in bytes) there is
 * nothing to free. */
enum tern_status json_parse(struct json *json, const char *source, char *text, size_t n_bytes, unsigned flags,
                            struct tern_error *err);
void json_free(struct json *json);

struct json_value json_root(const struct json *json);
enum json_type json_type(struct json_value value);
static inline bool json_exists(struct json_value value) { return value.json != NULL; }

/* The member's value, the last one of equal keys; nothing if `object` is nothing, no object or has no such key. */
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
bool json_string_is(struct json_value value, const char *text); /* false for what is no string */

/* Converts a value. Errors name the place. A whole number has neither fraction nor exponent nor, for u64, a sign. */
enum tern_status json_to_u64(struct json_value value, uint64_t *out, struct tern_error *err);
enum tern_status json_to_i64(struct json_value value, int64_t *out, struct tern_error *err);
enum tern_status json_to_f64(struct json_value value, double *out, struct tern_error *err); /* finite */
enum tern_status json_to_bool(struct json_value value, bool *out, struct tern_error *err);
enum tern_status json_to_string(struct json_value value, struct json_string *out, struct tern_error *err);

/* The same for a member of an object. Absent or null: TERN_OK and *out untouched, so the caller puts the default
 * there first; *found (may be NULL) tells. */
enum tern_status json_get_u64(struct json_value object, const char *key, uint64_t *out, bool *found,
                              struct tern_error *err);
enum tern_status json_get_i64(struct json_value object, const char *key, int64_t *out, bool *found,
                              struct tern_error *err);
enum tern_status json_get_f64(struct json_value object, const char *key, double *out, bool *found,
                              struct tern_error *err);
enum tern_status json_get_bool(struct json_value object, const char *key, bool *out, bool *found,
                               struct tern_error *err);
enum tern_status json_get_string(struct json_value object, const char *key, struct json_string *out, bool *found,
                                 struct tern_error *err);
/* A member that has to be an array or an object; *out is nothing if absent or null. */
enum tern_status json_get_container(struct json_value object, const char *key, enum json_type type,
                                    struct json_value *out, struct tern_error *err);

/* "SOURCE: key 'a.b[3]' (line 3, column 18): WHAT", status TERN_ERR_FILE. */
enum tern_status json_fail(struct json_value value, struct tern_error *err, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* "SOURCE: key 'a.b': missing; expected EXPECTED". */
enum tern_status json_fail_missing(struct json_value object, const char *key, const char *expected,
                                   struct tern_error *err);
/* "SOURCE: key 'a.b' (line 3, column 18): expected EXPECTED, found an array". */
enum tern_status json_fail_type(struct json_value value, const char *expected, struct tern_error *err);

/* ---- between json.c and json_value.c ---- */

/* The word after the value at word `at`. */
uint32_t json_skip(const struct json *json, uint32_t at);
/* The slot of the key that is spelled like these bytes, or the free one where it belongs. */
uint32_t json_index_slot(const struct json *json, const struct json_index *index, const char *bytes, size_t length);
/* Line and column (in bytes), from 1, of an offset into the text. */
void json_position(const struct json *json, size_t offset, size_t *line, size_t *column);

#endif
