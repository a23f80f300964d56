/* A GGUF file that has been parsed (gguf_parse.h): its metadata and tensors, and how to look them up. Knows the
 * container, nothing of models. Format: ggml/docs/gguf.md; tern's own types T2R16, T1R16 and Q8P are drawn in layout.h.
 */
#ifndef TERN_MODEL_GGUF_H
#define TERN_MODEL_GGUF_H

#include "base/error.h"
#include "model/gguf_types.h"

/* Limits far above any real file; beyond them a file is refused before anything is allocated. */
enum {
	GGUF_MAX_KEYS = 65535,
	GGUF_MAX_TENSORS = 65536,
	GGUF_MAX_KEY_LENGTH = 256,
	GGUF_MAX_NAME_LENGTH = 64,
	GGUF_MAX_STRING = 16 << 20,
	GGUF_MAX_ARRAY = 1 << 26,
};

/* A string inside the file: not NUL-terminated, any bytes. */
struct gguf_string {
	const char *bytes;
	size_t length;
};

/* One metadata pair. */
struct gguf_pair {
	struct gguf_string key;
	enum gguf_value_type type;
	enum gguf_value_type item_type; /* of an array */
	uint64_t n_items;               /* of an array; 1 for a scalar */
	const uint8_t *value;           /* first item; strings as u64 length + bytes */
};

struct gguf_tensor {
	struct gguf_string name;
	int n_dims;
	uint64_t dims[GGUF_MAX_DIMS]; /* dims[0] is the fastest: columns; unused ones are 1 */
	uint32_t type;                /* the file's, except where that has two meanings: see gguf_extent.h */
	const uint8_t *data;
	uint64_t n_bytes;
	uint64_t offset; /* of data, from the start of the file */
};

/* Everything points into the file's bytes, which must outlive it. */
struct gguf {
	const char *path; /* for messages; the caller's */
	uint32_t version;
	uint64_t alignment;
	struct gguf_pair *pairs; /* in file order */
	size_t n_pairs;
	struct gguf_tensor *tensors; /* in file order */
	size_t n_tensors;
	/* Indices sorted by name, for look-ups. */
	uint32_t *pair_order, *tensor_order;
};

/* Frees the tables, not the bytes. A struct of zeroes is fine. */
void tern_gguf_free(struct gguf *gguf);

/* Whether a string is a text, or ends in one. */
bool tern_gguf_string_is(struct gguf_string string, const char *text);
bool tern_gguf_string_ends_in(struct gguf_string string, const char *ending);

/* NULL if absent. */
const struct gguf_pair *tern_gguf_find(const struct gguf *gguf, const char *key);
const struct gguf_tensor *tern_gguf_find_tensor(const struct gguf *gguf, const char *name);

/* Getters. An absent key is TERN_OK and leaves *value untouched, so the caller puts the default there first; *found
 * (may be NULL) becomes false. Wrong type or out of range: an error with the key's name. Any integer width is accepted
 * where the value fits; a float key accepts F32 and F64. */
enum tern_status tern_gguf_get_u32(const struct gguf *gguf, const char *key, uint32_t *value, bool *found,
                                   struct tern_error *err);
enum tern_status tern_gguf_get_f32(const struct gguf *gguf, const char *key, float *value, bool *found,
                                   struct tern_error *err);
enum tern_status tern_gguf_get_bool(const struct gguf *gguf, const char *key, bool *value, bool *found,
                                    struct tern_error *err);
enum tern_status tern_gguf_get_string(const struct gguf *gguf, const char *key, struct gguf_string *value, bool *found,
                                      struct tern_error *err);
/* An array of exactly this item type; *pair is NULL if absent. */
enum tern_status tern_gguf_get_array(const struct gguf *gguf, const char *key, enum gguf_value_type item_type,
                                     const struct gguf_pair **pair, struct tern_error *err);

/* Returns TERN_ERR_FILE with the message "PATH: key 'KEY': WHAT"; WHAT may have 255 bytes. */
enum tern_status tern_gguf_fail_key(const struct gguf *gguf, const char *key, struct tern_error *err,
                                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Walks a string array: call n_items times with *cursor starting at pair->value. */
struct gguf_string tern_gguf_next_string(const uint8_t **cursor);

/* Item `index` of an array of any integer type; false for other types, and for a number beyond int64. */
bool tern_gguf_array_integer(const struct gguf_pair *pair, uint64_t index, int64_t *value);

/* Bytes that the items of a pair take in the file, from pair->value on. */
uint64_t tern_gguf_value_bytes(const struct gguf_pair *pair);

#endif
