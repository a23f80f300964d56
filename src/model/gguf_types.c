/* One table row per type: supporting one more begins here. */
#include "model/gguf_types.h"

#include "base/memory.h"

#include <stdio.h>

/* A tensor of [rows, columns] takes
 *     round_up(rows, row_step) * columns / items * bytes + extra
 * bytes, where rows is the product of all dimensions but the first. items 0: tern does not know the size. */
struct type_row {
	uint32_t id;
	const char *name;
	unsigned items, bytes; /* of a block; a row is a whole number of blocks */
	unsigned row_step;     /* rows are padded to a multiple of this */
	unsigned extra;        /* bytes at the end of the tensor */
};

static const struct type_row types[] = {
        {GGUF_TENSOR_F32, "F32", 1, 4, 1, 0},
        {GGUF_TENSOR_F16, "F16", 1, 2, 1, 0},
        {GGUF_TENSOR_Q4_0, "Q4_0", 32, 18, 1, 0},
        {GGUF_TENSOR_Q4_1, "Q4_1", 32, 20, 1, 0},
        {GGUF_TENSOR_Q5_0, "Q5_0", 32, 22, 1, 0},
        {GGUF_TENSOR_Q5_1, "Q5_1", 32, 24, 1, 0},
        {GGUF_TENSOR_Q8_0, "Q8_0", 32, 34, 1, 0},
        {GGUF_TENSOR_Q4_K, "Q4_K", 256, 144, 1, 0},
        {GGUF_TENSOR_Q5_K, "Q5_K", 256, 176, 1, 0},
        {GGUF_TENSOR_Q6_K, "Q6_K", 256, 210, 1, 0},
        {GGUF_TENSOR_BF16, "BF16", 1, 2, 1, 0},
        {GGUF_TENSOR_TQ1_0, "TQ1_0", 256, 54, 1, 0},
        {GGUF_TENSOR_TQ2_0, "TQ2_0", 256, 66, 1, 0},
        {GGUF_TENSOR_I2_S, "I2_S", 4, 1, 1, 32}, /* one f32 scale and padding after the codes */
        {GGUF_TENSOR_Q1_0, "Q1_0", 128, 18, 1, 0},
        {GGUF_TENSOR_Q2_0, "Q2_0", 64, 18, 1, 0},
        {GGUF_TENSOR_PQ2_0, "PQ2_0", 128, 34, 1, 0},
        {GGUF_TENSOR_PTQ1_0, "PTQ1_0", 128, 28, 1, 0},
        {GGUF_TENSOR_T2R16, "T2R16", 16, 4, 16, 0},
        {GGUF_TENSOR_Q8P, "Q8P", 16, 16, 16, 0},
        {GGUF_TENSOR_T1R16, "T1R16", 32, 4, 16, 0},
        /* known by name only, so that a message can say what the file holds */
        {4, "Q4_2, long removed", 0, 0, 0, 0},
        {5, "Q4_3, long removed", 0, 0, 0, 0},
        {9, "Q8_1", 0, 0, 0, 0},
        {10, "Q2_K", 0, 0, 0, 0},
        {11, "Q3_K", 0, 0, 0, 0},
        {15, "Q8_K", 0, 0, 0, 0},
        {16, "IQ2_XXS", 0, 0, 0, 0},
        {17, "IQ2_XS", 0, 0, 0, 0},
        {18, "IQ3_XXS", 0, 0, 0, 0},
        {19, "IQ1_S", 0, 0, 0, 0},
        {20, "IQ4_NL", 0, 0, 0, 0},
        {21, "IQ3_S", 0, 0, 0, 0},
        {22, "IQ2_S", 0, 0, 0, 0},
        {23, "IQ4_XS", 0, 0, 0, 0},
        {24, "I8", 0, 0, 0, 0},
        {25, "I16", 0, 0, 0, 0},
        {26, "I32", 0, 0, 0, 0},
        {27, "I64", 0, 0, 0, 0},
        {28, "F64", 0, 0, 0, 0},
        {29, "IQ1_M", 0, 0, 0, 0},
        {31, "Q4_0_4_4, removed", 0, 0, 0, 0},
        {32, "Q4_0_4_8, removed", 0, 0, 0, 0},
        {33, "Q4_0_8_8, removed", 0, 0, 0, 0},
        {37, "IQ4_NL_4_8, removed", 0, 0, 0, 0},
        {38, "TL1 of bitnet.cpp, made for one CPU; get the model as I2_S", 0, 0, 0, 0},
        {39, "TL2 of bitnet.cpp, made for one CPU (get the model as I2_S), or MXFP4", 0, 0, 0, 0},
        {40, "NVFP4", 0, 0, 0, 0},
        {134, "IQ1_BN of ik_llama.cpp", 0, 0, 0, 0},
        {135, "IQ2_BN of ik_llama.cpp", 0, 0, 0, 0},
};

static const struct type_row *find_type(uint32_t id)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].id == id)
			return &types[i];
	return NULL;
}

const char *tern_gguf_type_name(uint32_t type)
{
	const struct type_row *row = find_type(type);
	return row ? row->name : NULL;
}

const char *tern_gguf_list_types(char *out, size_t size)
{
	size_t used = 0;

	out[0] = 0;
	for (size_t i = 0; i < sizeof types / sizeof *types && used < size; i++)
		if (types[i].items)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", types[i].name);
	return out;
}

uint64_t tern_gguf_type_block(uint32_t type)
{
	const struct type_row *row = find_type(type);
	return row ? row->items : 0;
}

size_t tern_gguf_row_bytes(uint32_t type, size_t n_col)
{
	const struct type_row *row = find_type(type);
	return row && row->items ? n_col / row->items * row->bytes : 0;
}

bool tern_gguf_tensor_bytes(uint32_t type, int n_dims, const uint64_t dims[GGUF_MAX_DIMS], uint64_t *n_bytes)
{
	const struct type_row *row = find_type(type);
	uint64_t n = 1;

	if (!row || !row->items || n_dims < 1 || n_dims > GGUF_MAX_DIMS || dims[0] % row->items)
		return false;
	for (int i = 1; i < n_dims; i++)
		if (!tern_mul_u64(n, dims[i], &n))
			return false;
	return tern_round_up_u64(n, row->row_step, &n) && tern_mul_u64(n, dims[0] / row->items, &n) &&
	       tern_mul_u64(n, row->bytes, &n) && tern_add_u64(n, row->extra, n_bytes);
}

static const struct {
	const char *name;
	unsigned bytes; /* 0: varies */
} value_types[] = {
        [GGUF_U8] = {"u8", 1},         [GGUF_I8] = {"i8", 1},       [GGUF_U16] = {"u16", 2}, [GGUF_I16] = {"i16", 2},
        [GGUF_U32] = {"u32", 4},       [GGUF_I32] = {"i32", 4},     [GGUF_F32] = {"f32", 4}, [GGUF_BOOL] = {"bool", 1},
        [GGUF_STRING] = {"string", 0}, [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"u64", 8}, [GGUF_I64] = {"i64", 8},
        [GGUF_F64] = {"f64", 8},
};

const char *tern_gguf_value_type_name(enum gguf_value_type type) { return value_types[type].name; }

unsigned tern_gguf_value_size(enum gguf_value_type type) { return value_types[type].bytes; }
