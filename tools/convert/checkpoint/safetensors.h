/* The header of one safetensors file: where its tensors are and what they hold. The format: u64 length N, N bytes of
 * JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ...}, then the data the offsets count in. */
#ifndef CONVERT_CHECKPOINT_SAFETENSORS_H
#define CONVERT_CHECKPOINT_SAFETENSORS_H

#include "base/error.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SAFETENSORS_MAX_HEADER = 100000000, /* bytes, the format's own limit */
	SAFETENSORS_MAX_TENSORS = 1 << 20,
	SAFETENSORS_MAX_DIMS = 8,
};

enum dtype {
	DTYPE_F64,
	DTYPE_F32,
	DTYPE_F16,
	DTYPE_BF16,
	DTYPE_I64,
	DTYPE_I32,
	DTYPE_U32,
	DTYPE_I16,
	DTYPE_I8,
	DTYPE_U8,
	DTYPE_BOOL,
};

/* "BF16", and 2. */
const char *dtype_name(enum dtype dtype);
size_t dtype_size(enum dtype dtype);

struct tensor {
	struct json_string name; /* NUL-terminated, and holds no other NUL */
	enum dtype dtype;
	int n_dims;                           /* 0: a scalar */
	uint64_t shape[SAFETENSORS_MAX_DIMS]; /* unused ones are 1 */
	uint64_t offset;                      /* of the data, from the start of the file */
	uint64_t n_bytes;
	uint32_t shard; /* number of the file; the caller's */
	bool is_used;   /* the caller's */
};

/* How many bytes the JSON after the first eight has, from the file's first min(file_size, 64) bytes. Recognizes what
 * downloads leave behind in place of weights (Git LFS pointers, HTML pages) and other formats. */
enum tern_status safetensors_header_length(const char *path, const uint8_t *start, size_t n_start, uint64_t file_size,
                                           size_t *n_bytes, struct tern_error *err);

/* Reads a header: n_bytes of JSON from byte 8 of the file on, followed by a NUL; owns the text from then on, in every
 * case. file_size is what fstat reports. Messages begin with `path`. *tensors and the bytes of their names
 * (*names) are the caller's to tern_free(); both are NULL after an error. */
enum tern_status safetensors_parse(const char *path, char *header, size_t n_bytes, uint64_t file_size,
                                   struct tensor **tensors, size_t *n_tensors, char **names, struct tern_error *err);

/* "[1536, 256]" for messages. Returns out. */
enum {
	SHAPE_TEXT_SIZE = SAFETENSORS_MAX_DIMS * 22 + 3
};
const char *shape_text(char out[SHAPE_TEXT_SIZE], int n_dims, const uint64_t *shape);

#endif
