#include "model/random_model.h"

#include "base/bytes.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/threads.h"
#include "model/gguf.h"
#include "model/hparams.h"
#include "model/layout.h"
#include "model/names.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct shape {
	const char *name, *arch;
	uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab;
	bool is_tied;          /* the embedding is the head */
	bool is_binary;        /* T1R16, also the vocabulary */
	uint32_t n_delta_head; /* of hybrids, whose vocabulary is ternary, as in their files: heads of values */
} shapes[] = {
        /* TERN_SHAPES_TEXT says which models these are. */
        {"0.7b", "bitnet", 24, 1536, 16, 16, 96, 4096, 32002, true, false, 0},
        {"1b", "llama", 18, 2048, 8, 4, 256, 8192, 131072, false, false, 0},
        {"1.7b", "qwen3", 28, 2048, 16, 8, 128, 6144, 151936, true, false, 0},
        {"2b", "bitnet-b1.58", 30, 2560, 20, 5, 128, 6912, 128256, true, false, 0},
        {"3b", "bitnet", 26, 3200, 32, 32, 100, 8640, 32002, true, false, 0},
        {"4b", "qwen3", 36, 2560, 32, 8, 128, 9728, 151936, true, false, 0},
        {"7b", "llama", 28, 3072, 12, 4, 256, 23040, 131072, false, false, 0},
        {"8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, false, false, 0},
        {"8b-1bit", "qwen3", 36, 4096, 32, 8, 128, 12288, 151936, false, true, 0},
        {"10b", "llama", 40, 3072, 12, 4, 256, 23040, 131072, false, false, 0},
        {"0.8b-h", "qwen35", 24, 1024, 8, 2, 256, 3584, 248320, true, false, 16},
        {"9b-h", "qwen35", 32, 4096, 16, 4, 256, 12288, 248320, false, false, 32},
        {"27b", "qwen35", 64, 5120, 24, 4, 256, 17408, 248320, false, false, 48},
        {"maple", "maple", 24, 2048, 16, 4, 128, 512, 151936, false, false, 0}, /* n_ff of an expert */
};

/* What Maple's layers have besides. */
enum {
	MAPLE_EXPERTS = 256,
	MAPLE_EXPERTS_USED = 8,
	MAPLE_WINDOW = 512,
	MAPLE_ROTATED = 64,
	MAPLE_ACTIVATION_GROUP = 128,
};

enum {
	N_SHAPES = sizeof shapes / sizeof *shapes,
	MAX_GROUP = 4096,
	DELTA_KEYS = 16,  /* heads of a delta net */
	DELTA_DIM = 128,  /* of these heads */
	DELTA_PERIOD = 4, /* the last layer of each period is attention */
	CONTEXT = 131072, /* so long that it limits no measurement */
	ALIGNMENT = 64,
	MAX_TENSORS = 2048,       /* up to 22 a layer, and 5 */
	HEADER_SIZE = 256 * 1024, /* bytes; a tensor takes about 80 */
	PIECE = 1 << 20,          /* bytes of data made by a thread at a time */
	PIECES_PER_RUN = 64,
};

/* ---- the header -------------------------------------------------------------------------------------------- */

/* What a tensor is filled with. */
struct filling {
	uint64_t offset, n_bytes; /* from the start of the data */
	enum {
		FILL_RANDOM,
		FILL_TERNARY,  /* random 2-bit codes 0, 1 and 2 */
		FILL_BF16,     /* random floats of some size, 2^-6 to 2^-5, and either sign */
		FILL_CONSTANT, /* `pattern` again and again */
	} kind;
	uint32_t pattern;
};

/* A file under construction. Format: ggml/docs/gguf.md. */
struct plan {
	const struct shape *shape;
	uint32_t group; /* columns per scale; 0: one scale per matrix */
	uint64_t n_pairs, n_tensors;
	uint8_t header[HEADER_SIZE];
	size_t n_header;
	uint64_t n_data; /* bytes of all tensors and the padding between them */
	bool is_full;    /* a shape has more tensors than the limits above allow */
	struct filling tensors[MAX_TENSORS];
};

static void put(struct plan *plan, const void *bytes, size_t n_bytes)
{
	plan->is_full |= n_bytes > HEADER_SIZE - plan->n_header;
	if (plan->is_full)
		return;
	memcpy(plan->header + plan->n_header, bytes, n_bytes);
	plan->n_header += n_bytes;
}

static void put_u32(struct plan *plan, uint32_t value) { put(plan, &value, sizeof value); }
static void put_u64(struct plan *plan, uint64_t value) { put(plan, &value, sizeof value); }

static void put_string(struct plan *plan, const char *string)
{
	put_u64(plan, strlen(string));
	put(plan, string, strlen(string));
}

static void put_number_pair(struct plan *plan, const char *key, enum gguf_value_type type, uint32_t bits)
{
	put_string(plan, key);
	put_u32(plan, type);
	put_u32(plan, bits);
	plan->n_pairs++;
}

static void put_string_pair(struct plan *plan, const char *key, const char *value)
{
	put_string(plan, key);
	put_u32(plan, GGUF_STRING);
	put_string(plan, value);
	plan->n_pairs++;
}

static void put_arch_pair(struct plan *plan, const char *suffix, enum gguf_value_type type, uint32_t bits)
{
	char key[GGUF_MAX_KEY_LENGTH];

	snprintf(key, sizeof key, "%s.%s", plan->shape->arch, suffix);
	put_number_pair(plan, key, type, bits);
}

static bool is_maple(const struct plan *plan) { return !strcmp(plan->shape->arch, "maple"); }

static void put_maple_pairs(struct plan *plan)
{
	put_arch_pair(plan, "expert_count", GGUF_U32, MAPLE_EXPERTS);
	put_arch_pair(plan, "expert_used_count", GGUF_U32, MAPLE_EXPERTS_USED);
	put_arch_pair(plan, "expert_feed_forward_length", GGUF_U32, plan->shape->n_ff);
	put_arch_pair(plan, "attention.sliding_window", GGUF_U32, MAPLE_WINDOW);
	put_arch_pair(plan, "rope.dimension_count_swa", GGUF_U32, MAPLE_ROTATED);
}

static void put_pairs(struct plan *plan)
{
	uint32_t activation_group = plan->group ? plan->group : is_maple(plan) ? MAPLE_ACTIVATION_GROUP : 0;
	const struct shape *s = plan->shape;

	put_string_pair(plan, "general.architecture", s->arch);
	put_number_pair(plan, "general.alignment", GGUF_U32, ALIGNMENT);
	put_arch_pair(plan, "block_count", GGUF_U32, s->n_layer);
	put_arch_pair(plan, "embedding_length", GGUF_U32, s->n_embd);
	put_arch_pair(plan, "feed_forward_length", GGUF_U32, s->n_ff);
	put_arch_pair(plan, "context_length", GGUF_U32, CONTEXT);
	put_arch_pair(plan, "attention.head_count", GGUF_U32, s->n_head);
	put_arch_pair(plan, "attention.head_count_kv", GGUF_U32, s->n_head_kv);
	put_arch_pair(plan, "attention.key_length", GGUF_U32, s->head_dim);
	put_arch_pair(plan, "attention.value_length", GGUF_U32, s->head_dim);
	put_arch_pair(plan, "attention.layer_norm_rms_epsilon", GGUF_F32, tern_bits_from_f32(1e-5f));
	put_arch_pair(plan, "rope.freq_base", GGUF_F32, tern_bits_from_f32(500000.0f));
	if (s->n_delta_head) {
		put_arch_pair(plan, "rope.dimension_count", GGUF_U32, s->head_dim / 4);
		put_arch_pair(plan, "ssm.conv_kernel", GGUF_U32, TERN_CONV_TAPS);
		put_arch_pair(plan, "ssm.state_size", GGUF_U32, DELTA_DIM);
		put_arch_pair(plan, "ssm.group_count", GGUF_U32, DELTA_KEYS);
		put_arch_pair(plan, "ssm.time_step_rank", GGUF_U32, s->n_delta_head);
		put_arch_pair(plan, "ssm.inner_size", GGUF_U32, s->n_delta_head * DELTA_DIM);
		put_arch_pair(plan, "full_attention_interval", GGUF_U32, DELTA_PERIOD);
	}
	if (is_maple(plan))
		put_maple_pairs(plan);
	if (activation_group) {
		put_string_pair(plan, "tern.activation", "per_group");
		put_number_pair(plan, "tern.activation_group", GGUF_U32, activation_group);
	}
}

/* Adds a tensor to the header and lays out its data. */
static void add(struct plan *plan, const char *name, uint32_t type, int n_dims, const uint64_t dims[GGUF_MAX_DIMS],
                struct filling filling)
{
	plan->is_full |=
	        plan->n_tensors == MAX_TENSORS || !tern_gguf_tensor_bytes(type, n_dims, dims, &filling.n_bytes);
	if (plan->is_full)
		return;
	filling.offset = plan->n_data;
	plan->tensors[plan->n_tensors++] = filling;
	plan->n_data += (filling.n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

	put_string(plan, name);
	put_u32(plan, (uint32_t)n_dims);
	for (int i = 0; i < n_dims; i++)
		put_u64(plan, dims[i]);
	put_u32(plan, type);
	put_u64(plan, filling.offset);
}

/* [n_row, n_col] */
static void add_matrix(struct plan *plan, const char *name, uint32_t type, uint64_t n_col, uint64_t n_row,
                       struct filling filling)
{
	add(plan, name, type, 2, (uint64_t[GGUF_MAX_DIMS]){n_col, n_row, 1, 1}, filling);
}

static void add_floats(struct plan *plan, const char *name, uint64_t n, float value)
{
	add(plan, name, GGUF_TENSOR_F32, 1, (uint64_t[GGUF_MAX_DIMS]){n, 1, 1, 1},
	    (struct filling){.kind = FILL_CONSTANT, .pattern = tern_bits_from_f32(value)});
}

/* One half float for every group of columns, or every row: [16, groups, panels]. */
static void add_group_scales(struct plan *plan, const char *name, uint64_t n_col, uint64_t n_row, float value)
{
	uint64_t dims[GGUF_MAX_DIMS] = {TERN_PANEL_ROWS, plan->group ? n_col / plan->group : 1,
	                                tern_panel_count((size_t)n_row), 1};
	uint16_t half = tern_f16_from_f32(value);

	add(plan, name, GGUF_TENSOR_F16, 3, dims,
	    (struct filling){.kind = FILL_CONSTANT, .pattern = (uint32_t)half << 16 | half});
}

/* The gain of a norm of a layer. */
static void add_norm(struct plan *plan, uint32_t layer, const char *what, uint64_t n)
{
	char name[GGUF_MAX_NAME_LENGTH];

	snprintf(name, sizeof name, "blk.%u.%s.weight", (unsigned)layer, what);
	add_floats(plan, name, n, 1.0f);
}

/* A matrix, or those of n_expert experts. Half of the random ternary codes are zeros. The scale keeps the size of what
 * passes through. */
static void add_ternary(struct plan *plan, const char *stem, uint64_t n_col, uint64_t n_row, uint64_t n_expert)
{
	char name[GGUF_MAX_NAME_LENGTH + 8];
	bool is_binary = plan->shape->is_binary;
	float scale = 1.0f / sqrtf((is_binary ? 1.0f : 0.5f) * (float)n_col);

	snprintf(name, sizeof name, "%s.weight", stem);
	add(plan, name, is_binary ? GGUF_TENSOR_T1R16 : GGUF_TENSOR_T2R16, n_expert ? 3 : 2,
	    (uint64_t[]){n_col, n_row, n_expert ? n_expert : 1, 1},
	    (struct filling){.kind = is_binary ? FILL_RANDOM : FILL_TERNARY});
	snprintf(name, sizeof name, "%s.scale", stem);
	if (plan->group || is_maple(plan))
		add_group_scales(plan, name, n_col, n_expert ? n_row * n_expert : n_row, scale);
	else
		add_floats(plan, name, 1, scale);
}

static void add_linear(struct plan *plan, uint32_t layer, const char *what, uint64_t n_col, uint64_t n_row)
{
	char stem[GGUF_MAX_NAME_LENGTH];

	snprintf(stem, sizeof stem, "blk.%u.%s", (unsigned)layer, what);
	add_ternary(plan, stem, n_col, n_row, 0);
}

static void add_experts(struct plan *plan, uint32_t layer)
{
	const struct shape *s = plan->shape;
	char name[GGUF_MAX_NAME_LENGTH];

	snprintf(name, sizeof name, "blk.%u." TERN_ROUTER_NAME, (unsigned)layer);
	add_matrix(plan, name, GGUF_TENSOR_BF16, s->n_embd, MAPLE_EXPERTS, (struct filling){.kind = FILL_BF16});
	snprintf(name, sizeof name, "blk.%u.ffn_gate_exps", (unsigned)layer);
	add_ternary(plan, name, s->n_embd, s->n_ff, MAPLE_EXPERTS);
	snprintf(name, sizeof name, "blk.%u.ffn_up_exps", (unsigned)layer);
	add_ternary(plan, name, s->n_embd, s->n_ff, MAPLE_EXPERTS);
	snprintf(name, sizeof name, "blk.%u.ffn_down_exps", (unsigned)layer);
	add_ternary(plan, name, s->n_ff, s->n_embd, MAPLE_EXPERTS);
}

/* The embedding or the output head, as Q8P or like the layers. */
static void add_vocabulary(struct plan *plan, const char *stem)
{
	char name[GGUF_MAX_NAME_LENGTH];

	if (plan->shape->is_binary || plan->shape->n_delta_head) {
		add_ternary(plan, stem, plan->shape->n_embd, plan->shape->n_vocab, 0);
		return;
	}
	snprintf(name, sizeof name, "%s.weight", stem);
	add_matrix(plan, name, GGUF_TENSOR_Q8P, plan->shape->n_embd, plan->shape->n_vocab,
	           (struct filling){.kind = FILL_RANDOM});
	snprintf(name, sizeof name, "%s.scale", stem);
	add_floats(plan, name, plan->shape->n_vocab, 0.0005f);
}

static void add_attention(struct plan *plan, uint32_t i)
{
	const struct shape *s = plan->shape;
	uint64_t o_width = (uint64_t)s->n_head * s->head_dim, kv_width = (uint64_t)s->n_head_kv * s->head_dim;

	add_linear(plan, i, "attn_q", s->n_embd, s->n_delta_head ? 2 * o_width : o_width);
	add_linear(plan, i, "attn_k", s->n_embd, kv_width);
	add_linear(plan, i, "attn_v", s->n_embd, kv_width);
	if (!strncmp(s->arch, "qwen3", 5) || is_maple(plan)) {
		add_norm(plan, i, "attn_q_norm", s->head_dim);
		add_norm(plan, i, "attn_k_norm", s->head_dim);
	}
	if (!strncmp(s->arch, "bitnet", 6)) {
		add_norm(plan, i, "attn_sub_norm", o_width);
		add_norm(plan, i, "ffn_sub_norm", s->n_ff);
	}
	add_linear(plan, i, "attn_output", o_width, s->n_embd);
}

static void add_delta(struct plan *plan, uint32_t i)
{
	const struct shape *s = plan->shape;
	uint64_t n_value = (uint64_t)s->n_delta_head * DELTA_DIM;
	uint64_t n_convolved = 2 * (uint64_t)DELTA_KEYS * DELTA_DIM + n_value;
	char name[GGUF_MAX_NAME_LENGTH];

	add_linear(plan, i, "attn_qkv", s->n_embd, n_convolved);
	add_linear(plan, i, "attn_gate", s->n_embd, n_value);
	add_linear(plan, i, "ssm_beta", s->n_embd, s->n_delta_head);
	add_linear(plan, i, "ssm_alpha", s->n_embd, s->n_delta_head);
	snprintf(name, sizeof name, "blk.%u.ssm_conv1d.weight", (unsigned)i);
	add_matrix(plan, name, GGUF_TENSOR_F32, TERN_CONV_TAPS, n_convolved,
	           (struct filling){.kind = FILL_CONSTANT, .pattern = tern_bits_from_f32(0.5f)});
	snprintf(name, sizeof name, "blk.%u.ssm_a", (unsigned)i);
	add_floats(plan, name, s->n_delta_head, -0.1f);
	snprintf(name, sizeof name, "blk.%u.ssm_dt.bias", (unsigned)i);
	add_floats(plan, name, s->n_delta_head, 0.0f);
	add_norm(plan, i, "ssm_norm", DELTA_DIM);
	add_linear(plan, i, "ssm_out", n_value, s->n_embd);
}

static void add_layer(struct plan *plan, uint32_t i)
{
	const struct shape *s = plan->shape;

	add_norm(plan, i, "attn_norm", s->n_embd);
	if (s->n_delta_head && i % DELTA_PERIOD != DELTA_PERIOD - 1)
		add_delta(plan, i);
	else
		add_attention(plan, i);
	add_norm(plan, i, s->n_delta_head ? "post_attention_norm" : "ffn_norm", s->n_embd);
	if (is_maple(plan)) {
		add_experts(plan, i);
		return;
	}
	add_linear(plan, i, "ffn_gate", s->n_embd, s->n_ff);
	add_linear(plan, i, "ffn_up", s->n_embd, s->n_ff);
	add_linear(plan, i, "ffn_down", s->n_ff, s->n_embd);
}

static void add_tensors(struct plan *plan)
{
	add_vocabulary(plan, "token_embd");
	for (uint32_t i = 0; i < plan->shape->n_layer; i++)
		add_layer(plan, i);
	add_floats(plan, "output_norm.weight", plan->shape->n_embd, 1.0f);
	if (!plan->shape->is_tied)
		add_vocabulary(plan, "output");
}

static void put_header(struct plan *plan)
{
	static const uint8_t zeros[ALIGNMENT];
	enum {
		COUNTS_AT = 8 /* after the magic and the version */
	};

	put(plan, "GGUF", 4);
	put_u32(plan, 3);
	put_u64(plan, 0); /* the counts, filled in below */
	put_u64(plan, 0);
	put_pairs(plan);
	add_tensors(plan);
	put(plan, zeros, (ALIGNMENT - plan->n_header % ALIGNMENT) % ALIGNMENT);
	memcpy(plan->header + COUNTS_AT, &plan->n_tensors, sizeof plan->n_tensors);
	memcpy(plan->header + COUNTS_AT + sizeof plan->n_tensors, &plan->n_pairs, sizeof plan->n_pairs);
}

/* ---- the data ---------------------------------------------------------------------------------------------- */

/* 64 bits that depend on nothing but their number (the finalizer of MurmurHash3). */
static uint64_t random_bits(uint64_t number)
{
	uint64_t x = (number + 1) * 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
	return x ^ x >> 33;
}

struct fill {
	const struct plan *plan;
	uint8_t *data;
	uint64_t first_piece; /* of this run */
};

/* Fills bytes begin .. end - 1 of the data, multiples of 8 within one tensor. */
static void fill_range(uint8_t *data, const struct filling *filling, uint64_t begin, uint64_t end)
{
	for (uint64_t at = begin; at < end; at += 8) {
		uint64_t bits = random_bits(at / 8);
		if (filling->kind == FILL_TERNARY) /* code 3 becomes 1, a zero weight */
			bits &= ~(bits & bits << 1 & 0xaaaaaaaaaaaaaaaau);
		else if (filling->kind == FILL_BF16)
			bits = (bits & 0x807f807f807f807fu) | 0x3c803c803c803c80u;
		else if (filling->kind == FILL_CONSTANT)
			bits = (uint64_t)filling->pattern << 32 | filling->pattern;
		memcpy(data + at, &bits, sizeof bits);
	}
}

static void fill_piece(void *context, size_t chunk, int worker)
{
	const struct fill *fill = context;
	uint64_t begin = (fill->first_piece + chunk) * PIECE, end = begin + PIECE;

	(void)worker;
	for (size_t i = 0; i < fill->plan->n_tensors; i++) {
		const struct filling *filling = &fill->plan->tensors[i];
		uint64_t from = filling->offset, to = filling->offset + (filling->n_bytes + 7) / 8 * 8;
		from = from > begin ? from : begin;
		to = to < end ? to : end;
		if (from < to)
			fill_range(fill->data, filling, from, to);
	}
}

static enum tern_status fill_data(const struct plan *plan, uint8_t *data, const struct tern_model_options *options,
                                  struct tern_error *err)
{
	struct fill fill = {.plan = plan, .data = data};
	uint64_t n_piece = (plan->n_data + PIECE - 1) / PIECE;
	bool go_on = true;
	struct tern_pool *pool;
	enum tern_status status = tern_pool_new(&pool, options->n_threads, err);

	if (status)
		return status;
	for (; fill.first_piece < n_piece && go_on; fill.first_piece += PIECES_PER_RUN) {
		uint64_t n_left = n_piece - fill.first_piece;
		tern_pool_run(pool, fill_piece, &fill, (size_t)(n_left < PIECES_PER_RUN ? n_left : PIECES_PER_RUN));
		if (options->on_progress)
			go_on = options->on_progress(options->user, fill.first_piece, n_piece);
	}
	tern_pool_free(pool);
	return go_on ? TERN_OK : tern_fail(err, TERN_ERR_FAILED, "interrupted");
}

/* ---- both -------------------------------------------------------------------------------------------------- */

/* "2b", or "2b:128" for a scale every 128 columns. */
static bool find_shape(struct plan *plan, const char *name)
{
	size_t n = strcspn(name, ":"), n_digits = name[n] ? strspn(name + n + 1, "0123456789") : 0;
	unsigned long group = n_digits ? strtoul(name + n + 1, NULL, 10) : 0;

	if (name[n] && (name[n + 1 + n_digits] || group < 16 || group > MAX_GROUP || group % 16))
		return false;
	for (size_t i = 0; i < N_SHAPES; i++) {
		const struct shape *s = &shapes[i];
		if (strlen(s->name) != n || memcmp(s->name, name, n) != 0)
			continue;
		plan->shape = s;
		plan->group = (uint32_t)group;
		return !group || (s->n_embd % group == 0 && s->n_ff % group == 0 &&
		                  s->n_head * s->head_dim % group == 0 && s->n_delta_head * DELTA_DIM % group == 0);
	}
	return false;
}

const char *tern_shape_name(size_t index) { return index < N_SHAPES ? shapes[index].name : NULL; }

static enum tern_status no_such_shape(const char *name, struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE], names[128] = "";

	for (size_t i = 0; tern_shape_name(i); i++)
		tern_append_name(names, sizeof names, tern_shape_name(i));
	return tern_fail(err, TERN_ERR_USAGE,
	                 "shape '%s' is not one of %s, nor one of them with :N, where N, a multiple of 16, divides "
	                 "its widths",
	                 tern_quote(quoted, name, strlen(name)), names);
}

static enum tern_status allocate(const struct plan *plan, uint8_t **image, size_t *n_bytes, struct tern_error *err)
{
	uint64_t needed = plan->n_header + plan->n_data;
	char what[64];

	snprintf(what, sizeof what, "shape %s", plan->shape->name);
	if (tern_check_memory(what, needed, false, err))
		return TERN_ERR_FAILED;
	if (needed > SIZE_MAX)
		return tern_fail_memory(err, SIZE_MAX);
	*n_bytes = (size_t)needed;
	*image = tern_alloc_huge((size_t)needed, 1);
	return *image ? TERN_OK : tern_fail_memory(err, (size_t)needed);
}

static enum tern_status make(struct plan *plan, const struct tern_model_options *options, uint8_t **image,
                             size_t *n_bytes, struct tern_error *err)
{
	enum tern_status status;

	put_header(plan);
	if (plan->is_full)
		return tern_fail(err, TERN_ERR_FAILED, "shape %s has too many tensors", plan->shape->name);
	if ((status = allocate(plan, image, n_bytes, err)))
		return status;
	memcpy(*image, plan->header, plan->n_header);
	if ((status = fill_data(plan, *image + plan->n_header, options, err))) {
		tern_free(*image);
		*image = NULL;
	}
	return status;
}

enum tern_status tern_random_image(const char *shape, const struct tern_model_options *options, uint8_t **image,
                                   size_t *n_bytes, struct tern_error *err)
{
	struct plan *plan = tern_alloc(1, sizeof *plan);
	enum tern_status status;

	*image = NULL;
	if (!plan)
		return tern_fail_memory(err, sizeof *plan);
	status = find_shape(plan, shape) ? make(plan, options, image, n_bytes, err) : no_such_shape(shape, err);
	tern_free(plan);
	return status;
}
