/* The types of GGUF tensors and metadata values: their numbers, names and sizes. */
#ifndef TERN_MODEL_GGUF_TYPES_H
#define TERN_MODEL_GGUF_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GGUF_MAX_DIMS = 4
};

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

/* Tensor types by their id in the file. gguf_types.c has the sizes of those that tern reads. */
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
	GGUF_TENSOR_Q1_0 = 41,
	GGUF_TENSOR_Q2_0 = 42,
	GGUF_TENSOR_PQ2_0 = 142,
	GGUF_TENSOR_PTQ1_0 = 143,
	GGUF_TENSOR_T2R16 = 2016, /* ternary, 16-row panels */
	GGUF_TENSOR_Q8P = 2017,   /* int8 rows in two nibble planes */
	GGUF_TENSOR_T1R16 = 2018, /* ternary without zeros, 16-row panels of bits */
};

/* "u8" ... "f64", "string", "array". */
const char *tern_gguf_value_type_name(enum gguf_value_type type);

/* Bytes of one item of a fixed-size type, 0 for strings and arrays. */
unsigned tern_gguf_value_size(enum gguf_value_type type);

/* Name of a tensor type ("T2R16"), or NULL for an unknown id. Some types have a name, for messages, but no known size.
 */
const char *tern_gguf_type_name(uint32_t type);

/* The names of all types of known size, "F32, F16, ...", NUL-terminated, cut to fit `size`. Returns out. */
const char *tern_gguf_list_types(char *out, size_t size);

/* Columns (dims[0]) of such a tensor must be a multiple of this; 0 if the type's size is unknown. */
uint64_t tern_gguf_type_block(uint32_t type);
/* Bytes of n_col columns, a multiple of the block, of one row; 0 if unknown. */
size_t tern_gguf_row_bytes(uint32_t type, size_t n_col);

/* Bytes of a tensor of this type and shape. False if the type's size is unknown, a row is not a whole number of
 * blocks, or the size overflows. */
bool tern_gguf_tensor_bytes(uint32_t type, int n_dims, const uint64_t dims[GGUF_MAX_DIMS], uint64_t *n_bytes);

#endif
