/* Files of random weights in the shapes of public models, in memory: what a machine would do with a model can be
 * measured before it is downloaded. */
#include "base/bytes.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "console/options.h"
#include "console/progress.h"
#include "console/text.h"
#include "model/layout.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct shape {
	const char *name, *arch;
	uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab;
	bool is_tied; /* the embedding is the head */
} shapes[] = {
        /* named in BENCH_SHAPES_TEXT */
        {"0.7b", "bitnet", 24, 1536, 16, 16, 96, 4096, 32002, true},
        {"1b", "llama", 18, 2048, 8, 4, 256, 8192, 131072, false},
        {"1.7b", "qwen3", 28, 2048, 16, 8, 128, 6144, 151936, true},
        {"2b", "bitnet-b1.58", 30, 2560, 20, 5, 128, 6912, 128256, true},
        {"3b", "bitnet", 26, 3200, 32, 32, 100, 8640, 32002, true},
        {"4b", "qwen3", 36, 2560, 32, 8, 128, 9728, 151936, true},
        {"7b", "llama", 28, 3072, 12, 4, 256, 23040, 131072, false},
        {"8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, false},
        {"10b", "llama", 40, 3072, 12, 4, 256, 23040, 131072, false},
};

enum {
	ALIGNMENT = 64,
	MAX_GROUP = 4096,
	CONTEXT = 131072, /* none of the shapes is made to limit what may be measured */
	PIECE = 1 << 20,  /* bytes a thread makes at a time */
};

/* ---- the header -------------------------------------------------------------------------------------------- */

/* A tensor to come, and what it is filled with. */
struct planned {
	uint64_t offset, n_bytes; /* from the start of the data */
	bool is_constant;
	uint32_t pattern; /* of all its bytes, if it is constant */
	bool is_ternary;  /* else any bytes will do */
};

struct plan {
	const struct shape *shape;
	uint32_t group;    /* columns with a scale of their own; 0: one for each matrix */
	struct text infos; /* the part of the header that lists the tensors */
	struct planned *tensors;
	size_t n_tensors, capacity;
	uint64_t n_data; /* bytes of all tensors with what lies between them */
	bool failed;     /* out of memory */
};

static void put_u32(struct text *to, uint32_t value) { text_append(to, (const char *)&value, sizeof value); }
static void put_u64(struct text *to, uint64_t value) { text_append(to, (const char *)&value, sizeof value); }

static void put_string(struct text *to, const char *string)
{
	put_u64(to, strlen(string));
	text_append(to, string, strlen(string));
}

static void add_dims(struct plan *plan, const char *name, uint32_t type, int n_dims, const uint64_t dims[GGUF_MAX_DIMS],
                     struct planned what)
{
	void *tensors = plan->tensors;

	if (!tern_gguf_tensor_bytes(type, n_dims, dims, &what.n_bytes) ||
	    !tern_grow(&tensors, &plan->capacity, plan->n_tensors + 1, sizeof *plan->tensors)) {
		plan->failed = true;
		return;
	}
	what.offset = plan->n_data;
	plan->tensors = tensors;
	plan->tensors[plan->n_tensors++] = what;
	plan->n_data += (what.n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

	put_string(&plan->infos, name);
	put_u32(&plan->infos, (uint32_t)n_dims);
	for (int i = 0; i < n_dims; i++)
		put_u64(&plan->infos, dims[i]);
	put_u32(&plan->infos, type);
	put_u64(&plan->infos, what.offset);
}

/* A tensor of n_row rows, or of one dimension if n_row is 0. */
static void add(struct plan *plan, const char *name, uint32_t type, uint64_t n_col, uint64_t n_row, struct planned what)
{
	uint64_t dims[GGUF_MAX_DIMS] = {n_col, n_row ? n_row : 1, 1, 1};

	add_dims(plan, name, type, n_row ? 2 : 1, dims, what);
}

static void add_floats(struct plan *plan, const char *name, uint64_t n, float value)
{
	add(plan, name, GGUF_TENSOR_F32, n, 0,
	    (struct planned){.is_constant = true, .pattern = tern_bits_from_f32(value)});
}

/* The same half float for all groups of columns of a matrix: [16, groups, panels]. */
static void add_group_scales(struct plan *plan, const char *name, uint64_t n_col, uint64_t n_row, float value)
{
	uint64_t dims[GGUF_MAX_DIMS] = {TERN_PANEL_ROWS, n_col / plan->group, tern_panel_count((size_t)n_row), 1};
	uint16_t half = tern_f16_from_f32(value);

	add_dims(plan, name, GGUF_TENSOR_F16, 3, dims,
	         (struct planned){.is_constant = true, .pattern = (uint32_t)half << 16 | half});
}

/* A norm's weights in a layer. */
static void add_norm(struct plan *plan, uint32_t layer, const char *what, uint64_t n)
{
	char name[GGUF_MAX_NAME_LENGTH];

	snprintf(name, sizeof name, "blk.%u.%s.weight", (unsigned)layer, what);
	add_floats(plan, name, n, 1.0f);
}

/* Half of random codes are zeros; the scale keeps what goes through at its size. */
static void add_linear(struct plan *plan, uint32_t layer, const char *what, uint64_t n_col, uint64_t n_row)
{
	char name[GGUF_MAX_NAME_LENGTH];

	snprintf(name, sizeof name, "blk.%u.%s.weight", (unsigned)layer, what);
	add(plan, name, GGUF_TENSOR_T2R16, n_col, n_row, (struct planned){.is_ternary = true});
	snprintf(name, sizeof name, "blk.%u.%s.scale", (unsigned)layer, what);
	if (plan->group)
		add_group_scales(plan, name, n_col, n_row, 1.0f / sqrtf(0.5f * (float)n_col));
	else
		add_floats(plan, name, 1, 1.0f / sqrtf(0.5f * (float)n_col));
}

static void add_matrix(struct plan *plan, const char *stem)
{
	char name[GGUF_MAX_NAME_LENGTH];

	snprintf(name, sizeof name, "%s.weight", stem);
	add(plan, name, GGUF_TENSOR_Q8P, plan->shape->n_embd, plan->shape->n_vocab, (struct planned){0});
	snprintf(name, sizeof name, "%s.scale", stem);
	add_floats(plan, name, plan->shape->n_vocab, 0.0005f);
}

static void add_layer(struct plan *plan, uint32_t i)
{
	const struct shape *s = plan->shape;
	uint64_t q_width = (uint64_t)s->n_head * s->head_dim, kv_width = (uint64_t)s->n_head_kv * s->head_dim;

	add_norm(plan, i, "attn_norm", s->n_embd);
	add_linear(plan, i, "attn_q", s->n_embd, q_width);
	add_linear(plan, i, "attn_k", s->n_embd, kv_width);
	add_linear(plan, i, "attn_v", s->n_embd, kv_width);
	if (!strcmp(s->arch, "qwen3")) {
		add_norm(plan, i, "attn_q_norm", s->head_dim);
		add_norm(plan, i, "attn_k_norm", s->head_dim);
	}
	if (!strncmp(s->arch, "bitnet", 6)) {
		add_norm(plan, i, "attn_sub_norm", q_width);
		add_norm(plan, i, "ffn_sub_norm", s->n_ff);
	}
	add_linear(plan, i, "attn_output", q_width, s->n_embd);
	add_norm(plan, i, "ffn_norm", s->n_embd);
	add_linear(plan, i, "ffn_gate", s->n_embd, s->n_ff);
	add_linear(plan, i, "ffn_up", s->n_embd, s->n_ff);
	add_linear(plan, i, "ffn_down", s->n_ff, s->n_embd);
}

static void plan_tensors(struct plan *plan)
{
	add_matrix(plan, "token_embd");
	for (uint32_t i = 0; i < plan->shape->n_layer; i++)
		add_layer(plan, i);
	add_floats(plan, "output_norm.weight", plan->shape->n_embd, 1.0f);
	if (!plan->shape->is_tied)
		add_matrix(plan, "output");
}

static void put_key(struct text *to, const struct shape *shape, const char *suffix, enum gguf_value_type type)
{
	char key[GGUF_MAX_KEY_LENGTH];

	snprintf(key, sizeof key, "%s.%s", shape->arch, suffix);
	put_string(to, key);
	put_u32(to, type);
}

/* Everything before the data, padded to where that begins. Format: ggml/docs/gguf.md. */
static void write_header(struct text *to, const struct plan *plan)
{
	const struct shape *s = plan->shape;
	const struct {
		const char *suffix;
		uint32_t value;
	} sizes[] = {
	        {"block_count", s->n_layer},           {"embedding_length", s->n_embd},
	        {"feed_forward_length", s->n_ff},      {"context_length", CONTEXT},
	        {"attention.head_count", s->n_head},   {"attention.head_count_kv", s->n_head_kv},
	        {"attention.key_length", s->head_dim}, {"attention.value_length", s->head_dim},
	};
	enum {
		N_SIZES = sizeof sizes / sizeof *sizes,
		N_OTHERS = 4,
		N_GROUP = 2,
	};

	text_append(to, "GGUF", 4);
	put_u32(to, 3);
	put_u64(to, plan->n_tensors);
	put_u64(to, N_SIZES + N_OTHERS + (plan->group ? N_GROUP : 0));
	put_string(to, "general.architecture");
	put_u32(to, GGUF_STRING);
	put_string(to, s->arch);
	put_string(to, "general.alignment");
	put_u32(to, GGUF_U32);
	put_u32(to, ALIGNMENT);
	put_key(to, s, "attention.layer_norm_rms_epsilon", GGUF_F32);
	put_u32(to, tern_bits_from_f32(1e-5f));
	put_key(to, s, "rope.freq_base", GGUF_F32);
	put_u32(to, tern_bits_from_f32(500000.0f));
	if (plan->group) {
		put_string(to, "tern.activation");
		put_u32(to, GGUF_STRING);
		put_string(to, "per_group");
		put_string(to, "tern.activation_group");
		put_u32(to, GGUF_U32);
		put_u32(to, plan->group);
	}
	for (size_t i = 0; i < N_SIZES; i++) {
		put_key(to, s, sizes[i].suffix, GGUF_U32);
		put_u32(to, sizes[i].value);
	}
	text_append(to, plan->infos.bytes, plan->infos.n_bytes);
	while (!to->failed && to->n_bytes % ALIGNMENT)
		text_append(to, "", 1);
}

/* ---- the data ---------------------------------------------------------------------------------------------- */

/* 64 bits that depend on nothing but their number (the finaliser of MurmurHash3). */
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

/* Bytes begin .. end - 1 of the data, multiples of 8, which lie in one tensor. */
static void fill_stretch(uint8_t *data, const struct planned *tensor, uint64_t begin, uint64_t end)
{
	for (uint64_t at = begin; at < end; at += 8) {
		uint64_t bits = random_bits(at / 8);
		if (tensor->is_ternary) /* of 0, 1, 2, 3, the 3 becomes 1, a zero weight */
			bits &= ~(bits & bits << 1 & 0xaaaaaaaaaaaaaaaau);
		if (tensor->is_constant)
			bits = (uint64_t)tensor->pattern << 32 | tensor->pattern;
		memcpy(data + at, &bits, sizeof bits);
	}
}

static void fill_piece(void *context, size_t chunk, int worker)
{
	const struct fill *fill = context;
	uint64_t begin = (fill->first_piece + chunk) * PIECE, end = begin + PIECE;

	(void)worker;
	for (size_t i = 0; i < fill->plan->n_tensors; i++) {
		const struct planned *tensor = &fill->plan->tensors[i];
		uint64_t from = tensor->offset, to = tensor->offset + (tensor->n_bytes + 7) / 8 * 8;
		from = from > begin ? from : begin;
		to = to < end ? to : end;
		if (from < to)
			fill_stretch(fill->data, tensor, from, to);
	}
}

static enum tern_status fill_data(const struct plan *plan, uint8_t *data, int n_threads, struct tern_error *err)
{
	struct fill fill = {.plan = plan, .data = data};
	uint64_t n_piece = (plan->n_data + PIECE - 1) / PIECE, step = 64;
	struct progress progress;
	struct tern_pool *pool;
	enum tern_status status = tern_pool_new(&pool, n_threads, err);

	if (status)
		return status;
	progress_start(&progress, "making weights");
	for (; fill.first_piece < n_piece; fill.first_piece += step) {
		uint64_t n_left = n_piece - fill.first_piece;
		tern_pool_run(pool, fill_piece, &fill, (size_t)(n_left < step ? n_left : step));
		progress_update(&progress, fill.first_piece, n_piece);
	}
	progress_end(&progress);
	tern_pool_free(pool);
	return TERN_OK;
}

/* ---- both -------------------------------------------------------------------------------------------------- */

/* "2b", or "2b:128" for a scale every 128 columns. */
static const struct shape *find_shape(const char *name, uint32_t *group)
{
	size_t n = strcspn(name, ":");
	int number = 0;

	if (name[n] && (!parse_int(name + n + 1, 16, MAX_GROUP, &number) || number % 16))
		return NULL;
	*group = (uint32_t)number;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		const struct shape *s = &shapes[i];
		if (strlen(s->name) != n || memcmp(s->name, name, n) != 0)
			continue;
		bool fits = !number ||
		            (s->n_embd % *group == 0 && s->n_ff % *group == 0 && s->n_head * s->head_dim % *group == 0);
		return fits ? s : NULL;
	}
	return NULL;
}

static enum tern_status no_such_shape(const char *name, struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE];
	struct text names = {0};

	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		text_printf(&names, "%s%s", i ? ", " : "", shapes[i].name);
	tern_fail(err, TERN_ERR_USAGE,
	          "--shape: '%s' is not one of %s, nor that with :N, a size of groups of columns that it has",
	          tern_quote(quoted, name, strlen(name)), names.failed ? "those --help lists" : names.bytes);
	text_free(&names);
	return TERN_ERR_USAGE;
}

static enum tern_status allocate(const char *name, size_t n_header, uint64_t n_data, uint8_t **image, size_t *n_bytes,
                                 struct tern_error *err)
{
	uint64_t available = tern_available_memory(), needed = n_header + n_data;

	*image = NULL;
	*n_bytes = (size_t)needed;
	if (needed > available || needed > SIZE_MAX)
		return tern_fail(err, TERN_ERR_FAILED, "--shape %s needs %llu MiB of memory, %llu MiB are available",
		                 name, (unsigned long long)(needed >> 20), (unsigned long long)(available >> 20));
	*image = tern_alloc_huge((size_t)needed, 1);
	return *image ? TERN_OK : tern_fail_memory(err, (size_t)needed);
}

enum tern_status bench_make_image(const char *name, int n_threads, uint8_t **image, size_t *n_bytes,
                                  struct tern_error *err)
{
	struct plan plan = {0};
	struct text header = {0};
	enum tern_status status;

	*image = NULL;
	if (!(plan.shape = find_shape(name, &plan.group)))
		return no_such_shape(name, err);
	plan_tensors(&plan);
	write_header(&header, &plan);
	if (plan.failed || plan.infos.failed || header.failed)
		status = tern_fail_memory(err, header.n_bytes);
	else
		status = allocate(name, header.n_bytes, plan.n_data, image, n_bytes, err);
	if (!status) {
		memcpy(*image, header.bytes, header.n_bytes);
		status = fill_data(&plan, *image + header.n_bytes, n_threads, err);
	}
	if (status) {
		tern_free(*image);
		*image = NULL;
	}
	text_free(&header);
	text_free(&plan.infos);
	tern_free(plan.tensors);
	return status;
}
