/* GGUF files: reading (from memory, trusting nothing) and writing. Knows the container and the sizes of tensor
 * types, nothing of models. Format: ggml/docs/gguf.md; tern's own types T2R16 and Q8P are drawn in layout.h. */
#ifndef TERN_MODEL_GGUF_H
#define TERN_MODEL_GGUF_H

#include "base/error.h"
#include "base/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gguf_value_type {
	GGUF_U8,
	GGUF_I8,
	GGUF_U16,
	GGUF_I16,
	GGUF_U32,
	GGUF_I32,
	GGUF_F32,
	GGUF_BOOL,
	GGUF_STRING,
	GGUF_ARRAY,
	GGUF_U64,
	GGUF_I64,
	GGUF_F64,
};

/* Tensor types by their id in the file. Those tern can size are listed in the table of gguf_types.c. */
enum gguf_tensor_type {
	GGUF_TENSOR_F32 = 0,
	GGUF_TENSOR_F16 = 1,
	GGUF_TENSOR_Q4_0 = 2,
	GGUF_TENSOR_Q4_1 = 3,
	GGUF_TENSOR_Q5_0 = 6,
	GGUF_TENSOR_Q5_1 = 7,
	GGUF_TENSOR_Q8_0 = 8,
	GGUF_TENSOR_Q4_K = 12,
	GGUF_TENSOR_Q5_K = 13,
	GGUF_TENSOR_Q6_K = 14,
	GGUF_TENSOR_BF16 = 30,
	GGUF_TENSOR_TQ1_0 = 34,
	GGUF_TENSOR_TQ2_0 = 35,
	GGUF_TENSOR_I2_S = 36,
	GGUF_TENSOR_Q2_0 = 42,
	GGUF_TENSOR_PQ2_0 = 142,
	GGUF_TENSOR_PTQ1_0 = 143,
	GGUF_TENSOR_T2R16 = 2016, /* ternary, 16-row panels */
	GGUF_TENSOR_Q8P = 2017,   /* int8 rows in two nibble planes */
};

/* Limits far above any real file; beyond them a file is refused before anything is allocated. */
enum {
	GGUF_MAX_KEYS = 65535,
	GGUF_MAX_TENSORS = 65536,
	GGUF_MAX_KEY_LENGTH = 256,
	GGUF_MAX_NAME_LENGTH = 64,
	GGUF_MAX_STRING = 16 << 20,
	GGUF_MAX_ARRAY = 1 << 26,
	GGUF_MAX_DIMS = 4,
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
	uint32_t type;                /* the file's, but where that has two meanings: see gguf_extent.h */
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

/* Parses and validates the whole header: counts, types, sizes, duplicates, overlaps, bounds. Tensor names may be any
 * bytes, keys are printable ASCII. Holes between tensors and bytes after the last are allowed. On failure *gguf needs
 * no freeing. */
enum tern_status tern_gguf_parse(struct gguf *gguf, const char *path, const uint8_t *bytes, size_t n_bytes,
                                 struct tern_error *err);

/* The same for a file of file_size bytes of which only the first n_bytes are at hand, all of the header among them:
 * data is NULL for tensors that do not lie in these bytes whole. */
enum tern_status tern_gguf_parse_header(struct gguf *gguf, const char *path, const uint8_t *bytes, size_t n_bytes,
                                        uint64_t file_size, struct tern_error *err);

/* Frees the tables, not the bytes. A struct of zeroes is fine. */
void tern_gguf_free(struct gguf *gguf);

/* Whether a string is a text, or ends in one. */
bool tern_gguf_string_is(struct gguf_string string, const char *text);
bool tern_gguf_string_ends_in(struct gguf_string string, const char *ending);

/* NULL if absent. */
const struct gguf_pair *tern_gguf_find(const struct gguf *gguf, const char *key);
const struct gguf_tensor *tern_gguf_find_tensor(const struct gguf *gguf, const char *name);

/* Getters: absent key: TERN_OK and *value untouched, so the caller puts the default there first; *found (may be
 * NULL) tells. Wrong type or out of range: an error with the key's name. Any integer width is accepted where the
 * value fits; a float key accepts F32 and F64. */
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

/* Walks a string array: call n_items times with *cursor starting at pair->value. */
struct gguf_string tern_gguf_next_string(const uint8_t **cursor);

/* Bytes that the items of a pair take in the file, from pair->value on. */
uint64_t tern_gguf_value_bytes(const struct gguf_pair *pair);

/* "u8" ... "f64", "string", "array". */
const char *tern_gguf_value_type_name(enum gguf_value_type type);

/* Bytes of one item of a fixed-size type, 0 for strings and arrays. */
unsigned tern_gguf_value_size(enum gguf_value_type type);

/* Name of a tensor type ("T2R16"), or NULL if tern does not know the id at all. Some types have a name (for
 * messages) but no known size. */
const char *tern_gguf_type_name(uint32_t type);

/* The names of all types of known size, "F32, F16, ...", NUL-terminated, cut to fit `size`. Returns out. */
const char *tern_gguf_list_types(char *out, size_t size);

/* Columns (dims[0]) of such a tensor have to be a multiple of this; 0 if the type's size is unknown. */
uint64_t tern_gguf_type_block(uint32_t type);
/* Bytes of n_col columns, a multiple of the block, of one row; 0 if unknown. */
size_t tern_gguf_row_bytes(uint32_t type, size_t n_col);

/* Bytes of a tensor of this type and shape. False if the type's size is unknown, a row is not a whole number of
 * blocks, or the size overflows. */
bool tern_gguf_tensor_bytes(uint32_t type, int n_dims, const uint64_t dims[GGUF_MAX_DIMS], uint64_t *n_bytes);

/* ---- writing ---- */

struct gguf_writer;

/* Starts a file (see tern_outfile_open). Call order: put pairs, add tensors, begin_data, then the data of every
 * tensor in the order added, in pieces of any size, then commit. */
enum tern_status tern_gguf_create(struct gguf_writer **writer, const char *path, bool overwrite,
                                  struct tern_error *err);
/* The temporary file being written, for a signal handler to unlink. */
const char *tern_gguf_writer_temp_path(const struct gguf_writer *writer);

enum tern_status tern_gguf_put_u32(struct gguf_writer *writer, const char *key, uint32_t value, struct tern_error *err);
enum tern_status tern_gguf_put_f32(struct gguf_writer *writer, const char *key, float value, struct tern_error *err);
enum tern_status tern_gguf_put_bool(struct gguf_writer *writer, const char *key, bool value, struct tern_error *err);
enum tern_status tern_gguf_put_string(struct gguf_writer *writer, const char *key, const char *bytes, size_t n_bytes,
                                      struct tern_error *err);
/* items: n_items packed little-endian items of a fixed-size type. */
enum tern_status tern_gguf_put_array(struct gguf_writer *writer, const char *key, enum gguf_value_type item_type,
                                     const void *items, size_t n_items, struct tern_error *err);
enum tern_status tern_gguf_put_strings(struct gguf_writer *writer, const char *key, const struct gguf_string *items,
                                       size_t n_items, struct tern_error *err);
/* Copies a pair of a parsed file as it is; general.alignment is left out, the writer puts its own. */
enum tern_status tern_gguf_put_pair(struct gguf_writer *writer, const struct gguf_pair *pair, struct tern_error *err);

enum tern_status tern_gguf_add_tensor(struct gguf_writer *writer, const char *name, uint32_t type, int n_dims,
                                      const uint64_t *dims, struct tern_error *err);
/* Writes the header; tensor data is 64-byte aligned (general.alignment = 64 is put by the writer). First checks that
 * tern_gguf_parse() will accept it (no key twice, no limit passed, ...) and that the file system has room. */
enum tern_status tern_gguf_begin_data(struct gguf_writer *writer, struct tern_error *err);
/* More data of the current tensor, never of two at once; the writer pads and moves on when it is complete. */
enum tern_status tern_gguf_write_data(struct gguf_writer *writer, const void *bytes, size_t n_bytes,
                                      struct tern_error *err);
/* Checks that all data came, then commits (fsync, rename). Frees the writer either way. */
enum tern_status tern_gguf_commit(struct gguf_writer *writer, struct tern_error *err);
/* Drops the file and frees the writer. NULL is fine. */
void tern_gguf_abort(struct gguf_writer *writer);

#endif
