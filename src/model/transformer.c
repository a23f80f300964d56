/* Binding the tensors of a GGUF file to the network: every tensor the architecture needs is found, checked and
 * counted as used; one that nothing uses is an error, because a norm or bias left out gives fluent nonsense. */
#include "model/transformer.h"

#include "base/memory.h"
#include "model/arch.h"
#include "model/dequantize.h"
#include "model/layout.h"
#include "model/repack.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What binding needs at every step. */
struct binder {
	struct tern_transformer *transformer;
	const struct gguf *gguf;
	const struct tern_arch *arch;
	bool *used; /* [gguf->n_tensors] */
	size_t n_linear, n_linear_with_gain;
	struct tern_repacker repacker;
	struct tern_error *err;
};

static enum tern_status fail_tensor(const struct binder *b, const char *name, const char *what)
{
	return tern_fail(b->err, TERN_ERR_FILE, "%s: tensor '%s': %s", b->gguf->path, name, what);
}

static const struct gguf_tensor *take(struct binder *b, const char *name)
{
	const struct gguf_tensor *tensor = tern_gguf_find_tensor(b->gguf, name);
	if (tensor)
		b->used[tensor - b->gguf->tensors] = true;
	return tensor;
}

/* Makes a block live as long as the transformer; frees it if that fails. NULL is fine, and fails. */
static bool adopt(struct binder *b, void *block, size_t n_bytes)
{
	struct tern_transformer *t = b->transformer;
	void *owned = t->owned;

	if (!block || !tern_grow(&owned, &t->owned_capacity, t->n_owned + 1, sizeof *t->owned)) {
		tern_free(block);
		return false;
	}
	t->owned = owned;
	t->owned[t->n_owned++] = (struct tern_owned){block, n_bytes};
	return true;
}

/* Memory that lives as long as the transformer. */
static void *own(struct binder *b, size_t n_items, size_t item_size)
{
	void *block = tern_alloc(n_items, item_size);
	return adopt(b, block, n_items * item_size) ? block : NULL;
}

static bool is_aligned(const void *at, size_t size) { return (uintptr_t)at % size == 0; }

/* A vector of n floats: in place when it is F32 and aligned, else a converted copy. *values is NULL if the tensor is
 * absent and not required. */
static enum tern_status bind_floats(struct binder *b, const char *name, size_t n, bool required, const float **values)
{
	const struct gguf_tensor *tensor = take(b, name);
	float *copy;

	*values = NULL;
	if (!tensor)
		return required ? fail_tensor(b, name, "missing") : TERN_OK;
	if (tensor->n_dims != 1 || tensor->dims[0] != n)
		return tern_fail(b->err, TERN_ERR_FILE, "%s: tensor '%s': expected %zu numbers in one dimension",
		                 b->gguf->path, name, n);
	if (!tern_is_float_type(tensor->type))
		return tern_fail(b->err, TERN_ERR_FILE, "%s: tensor '%s': expected F32, F16 or BF16, got %s",
		                 b->gguf->path, name, tern_gguf_type_name(tensor->type));
	if (tensor->type == GGUF_TENSOR_F32 && is_aligned(tensor->data, sizeof(float))) {
		*values = (const float *)(const void *)tensor->data;
	} else {
		if (!(copy = own(b, n, sizeof *copy)))
			return tern_fail_memory(b->err, n * sizeof *copy);
		tern_dequantize_row(copy, tensor->type, tensor->data, n);
		*values = copy;
	}
	for (size_t i = 0; i < n; i++)
		if (!isfinite((*values)[i]))
			return tern_fail(b->err, TERN_ERR_FILE, "%s: tensor '%s': value %zu is not finite",
			                 b->gguf->path, name, i);
	return TERN_OK;
}

/* A tensor's data where it is if its items are aligned there, else in a copy. NULL when memory runs out. */
static const void *align(struct binder *b, const struct gguf_tensor *tensor, size_t item_size)
{
	if (is_aligned(tensor->data, item_size))
		return tensor->data;
	void *copy = own(b, (size_t)tensor->n_bytes, 1);
	return copy ? memcpy(copy, tensor->data, (size_t)tensor->n_bytes) : NULL;
}

/* Scales of groups of columns: F16 [16, groups, panels]. */
static enum tern_status bind_group_scales(struct binder *b, const char *name, const struct gguf_tensor *tensor,
                                          struct tern_linear *linear)
{
	uint64_t n_group = tensor->dims[1];
	size_t x_group = b->transformer->hparams.activation_group, n = (size_t)tensor->n_bytes / sizeof(uint16_t);
	uint16_t largest = 0;

	if (tensor->dims[0] != TERN_PANEL_ROWS || tensor->dims[2] != tern_panel_count(linear->n_row) ||
	    linear->n_col % n_group || linear->n_col / n_group % TERN_TERNARY_TILE_COLS)
		return fail_tensor(b, name, "expected F16 [16, groups of a multiple of 16 columns, panels of 16 rows]");
	linear->scale_group = linear->n_col / (size_t)n_group;
	if (x_group && x_group % linear->scale_group && linear->scale_group % x_group)
		return fail_tensor(b, name, "groups have to divide tern.activation_group, or be a multiple of it");
	if (!(linear->group_scales = align(b, tensor, sizeof *linear->group_scales)))
		return tern_fail_memory(b->err, (size_t)tensor->n_bytes);
	for (size_t i = 0; i < n; i++)
		largest = linear->group_scales[i] > largest ? linear->group_scales[i] : largest;
	if (largest >= 0x7c00) /* as bits: infinity, above it NaNs and whatever has a sign */
		return fail_tensor(b, name, "expected finite numbers, none below 0");
	return TERN_OK;
}

/* The scale of a ternary matrix: one, or one for each group of columns of each row. */
static enum tern_status bind_scale(struct binder *b, const char *name, struct tern_linear *linear)
{
	const struct gguf_tensor *tensor = tern_gguf_find_tensor(b->gguf, name);
	const float *scale;
	enum tern_status status;

	if (tensor && tensor->type == GGUF_TENSOR_F16 && tensor->n_dims == 3)
		return bind_group_scales(b, name, take(b, name), linear);
	if ((status = bind_floats(b, name, 1, true, &scale)))
		return status;
	if (!(*scale > 0.0f))
		return fail_tensor(b, name, "expected a number above 0");
	linear->scale = *scale;
	return TERN_OK;
}

/* The projection's own norm: tern's (and microsoft/BitNet's) name, or the names of microsoft/BitNet PR 522. */
static enum tern_status bind_linear_norm(struct binder *b, const char *stem, struct tern_linear *linear)
{
	static const char *const formats[] = {"%s_norm_in.weight", "%s.rms_norm.weight", "%s.rms_norm"};
	const struct tern_hparams *h = &b->transformer->hparams;
	char name[GGUF_MAX_NAME_LENGTH + 32];
	enum tern_status status;

	for (size_t i = 0; i < sizeof formats / sizeof *formats && !linear->norm_gain; i++) {
		snprintf(name, sizeof name, formats[i], stem);
		if ((status = bind_floats(b, name, linear->n_col, false, &linear->norm_gain)))
			return status;
	}
	b->n_linear++;
	b->n_linear_with_gain += linear->norm_gain != NULL;
	linear->has_norm = linear->norm_gain || h->linear_norm == TERN_LINEAR_NORM_WEIGHTLESS;
	linear->norm_eps = h->linear_norm_eps;
	return TERN_OK;
}

/* Weights in another engine's type, repacked. Some engines write a scale of the matrix beside it, which multiplies
 * whatever scales the type has. */
static enum tern_status bind_foreign_weights(struct binder *b, const char *stem, const struct gguf_tensor *tensor,
                                             struct tern_linear *linear)
{
	char name[GGUF_MAX_NAME_LENGTH + 32];
	struct tern_ternary weights;
	const float *scale;
	enum tern_status status =
	        tern_repack_ternary(&b->repacker, tensor, b->transformer->hparams.activation_group, &weights);

	if (status)
		return status;
	size_t n_panel = tern_panel_count(linear->n_row), n_bytes = n_panel * tern_t2r16_panel_bytes(linear->n_col);
	size_t n_scale = weights.group ? n_panel * TERN_PANEL_ROWS * (linear->n_col / weights.group) : 0;
	bool adopted = adopt(b, weights.panels, n_bytes);
	if (n_scale)
		adopted = adopt(b, weights.group_scales, n_scale * sizeof *weights.group_scales) && adopted;
	if (!adopted)
		return tern_fail_memory(b->err, n_bytes);
	linear->panels = weights.panels;
	linear->scale = weights.scale;
	linear->scale_group = weights.group;
	linear->group_scales = weights.group_scales;
	snprintf(name, sizeof name, "%s.scale", stem);
	if ((status = bind_floats(b, name, 1, false, &scale)) || !scale)
		return status;
	linear->scale *= *scale;
	if (weights.group || !(linear->scale > 0.0f) || !isfinite(linear->scale))
		return fail_tensor(b, name,
		                   weights.group ? "the matrix has scales of groups already"
		                                 : "expected a number above 0");
	return TERN_OK;
}

/* The ternary matrix and its scales. */
static enum tern_status bind_weights(struct binder *b, const char *stem, struct tern_linear *linear)
{
	char name[GGUF_MAX_NAME_LENGTH + 32];

	snprintf(name, sizeof name, "%s.weight", stem);
	const struct gguf_tensor *tensor = take(b, name);
	if (!tensor)
		return fail_tensor(b, name, "missing");
	if (tensor->n_dims != 2 || tensor->dims[0] != linear->n_col || tensor->dims[1] != linear->n_row)
		return tern_fail(b->err, TERN_ERR_FILE,
		                 "%s: tensor '%s': expected %zu columns and %zu rows, got %llu and %llu", b->gguf->path,
		                 name, linear->n_col, linear->n_row, (unsigned long long)tensor->dims[0],
		                 (unsigned long long)tensor->dims[1]);
	if (tern_is_foreign_ternary(tensor->type) || tern_is_float_type(tensor->type))
		return bind_foreign_weights(b, stem, tensor, linear);
	if (tensor->type != GGUF_TENSOR_T2R16)
		return tern_fail(b->err, TERN_ERR_FILE,
		                 "%s: tensor '%s': type %s, which is not ternary; tern runs models trained to ternary "
		                 "weights only",
		                 b->gguf->path, name, tern_gguf_type_name(tensor->type));
	linear->panels = tensor->data;
	snprintf(name, sizeof name, "%s.scale", stem);
	return bind_scale(b, name, linear);
}

/* Everything of one projection; stem is its tensor name without ".weight". */
static enum tern_status bind_linear(struct binder *b, const char *stem, size_t n_row, size_t n_col,
                                    struct tern_linear *linear)
{
	char name[GGUF_MAX_NAME_LENGTH + 32];
	enum tern_status status;

	*linear = (struct tern_linear){.n_row = n_row, .n_col = n_col};
	if ((status = bind_weights(b, stem, linear)))
		return status;
	snprintf(name, sizeof name, "%s.bias", stem);
	if ((status = bind_floats(b, name, n_row, false, &linear->bias)))
		return status;
	return bind_linear_norm(b, stem, linear);
}

static bool same_norm(const struct tern_linear *a, const struct tern_linear *b)
{
	if (a->has_norm != b->has_norm || !a->norm_gain != !b->norm_gain)
		return false;
	return !a->norm_gain || !memcmp(a->norm_gain, b->norm_gain, a->n_col * sizeof(float));
}

static enum tern_status bind_layer(struct binder *b, size_t index, struct tern_layer *layer)
{
	const struct tern_hparams *h = &b->transformer->hparams;
	size_t n_embd = h->n_embd, q_width = h->n_head * h->head_dim, kv_width = h->n_head_kv * h->head_dim;
	char name[GGUF_MAX_NAME_LENGTH];
	enum tern_status status;

	bool has_post = b->arch->is_gemma;
	const struct {
		const char *suffix;
		size_t n; /* 0: the architecture has none */
		bool required;
		const float **values;
	} vectors[] = {
	        {"attn_norm", n_embd, true, &layer->attn_norm},
	        {"ffn_norm", n_embd, true, &layer->ffn_norm},
	        {"post_attention_norm", has_post ? n_embd : 0, true, &layer->attn_post_norm},
	        {"post_ffw_norm", has_post ? n_embd : 0, true, &layer->ffn_post_norm},
	        {"attn_q_norm", h->head_dim, false, &layer->q_norm},
	        {"attn_k_norm", h->head_dim, false, &layer->k_norm},
	        {"attn_sub_norm", q_width, false, &layer->attn_sub_norm},
	        {"ffn_sub_norm", h->n_ff, false, &layer->ffn_sub_norm},
	};
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		snprintf(name, sizeof name, "blk.%zu.%s.weight", index, vectors[i].suffix);
		if (vectors[i].n &&
		    (status = bind_floats(b, name, vectors[i].n, vectors[i].required, vectors[i].values)))
			return status;
	}
	const struct {
		const char *suffix;
		size_t n_row, n_col;
		struct tern_linear *linear;
	} linears[] = {
	        {"attn_q", q_width, n_embd, &layer->q},      {"attn_k", kv_width, n_embd, &layer->k},
	        {"attn_v", kv_width, n_embd, &layer->v},     {"attn_output", n_embd, q_width, &layer->o},
	        {"ffn_gate", h->n_ff, n_embd, &layer->gate}, {"ffn_up", h->n_ff, n_embd, &layer->up},
	        {"ffn_down", n_embd, h->n_ff, &layer->down},
	};
	for (size_t i = 0; i < sizeof linears / sizeof *linears; i++) {
		snprintf(name, sizeof name, "blk.%zu.%s", index, linears[i].suffix);
		if ((status = bind_linear(b, name, linears[i].n_row, linears[i].n_col, linears[i].linear)))
			return status;
	}
	layer->qkv_share_input = same_norm(&layer->q, &layer->k) && same_norm(&layer->q, &layer->v);
	layer->gate_up_share_input = same_norm(&layer->gate, &layer->up);
	layer->rope_is_local = tern_layer_has_window(h, index);
	layer->window = layer->rope_is_local ? h->window : 0;
	return TERN_OK;
}

/* What the architecture demands beyond the tensors' presence: QK-norm, sub-norms of BitNet, in every layer. */
static enum tern_status check_layers(const struct binder *b)
{
	const struct tern_transformer *t = b->transformer;
	bool needs_qk_norm = b->arch->needs_qk_norm, needs_sub_norm = b->arch->needs_sub_norm;
	char name[GGUF_MAX_NAME_LENGTH];
	enum tern_status status = tern_gguf_get_bool(b->gguf, "tern.sub_norm", &needs_sub_norm, NULL, b->err);

	for (size_t i = 0; i < t->hparams.n_layer && !status; i++) {
		const struct tern_layer *layer = &t->layers[i];
		if (!layer->q_norm != !layer->k_norm || (needs_qk_norm && !layer->q_norm)) {
			snprintf(name, sizeof name, "blk.%zu.attn_%s_norm.weight", i, layer->q_norm ? "k" : "q");
			status = fail_tensor(b, name, "missing");
		} else if (needs_sub_norm && (!layer->attn_sub_norm || !layer->ffn_sub_norm)) {
			snprintf(name, sizeof name, "blk.%zu.%s_sub_norm.weight", i,
			         layer->attn_sub_norm ? "ffn" : "attn");
			status = fail_tensor(b, name, "missing");
		}
	}
	return status;
}

/* A matrix of the vocabulary that is a projection: it may lack the norm with weights that the layers have, or have it
 * alone. */
static enum tern_status bind_ternary_rows(struct binder *b, const char *stem, struct tern_linear *linear)
{
	const struct tern_hparams *h = &b->transformer->hparams;
	size_t n_linear = b->n_linear, n_with_gain = b->n_linear_with_gain;
	enum tern_status status = bind_linear(b, stem, h->n_vocab, h->n_embd, linear);

	b->n_linear = n_linear;
	b->n_linear_with_gain = n_with_gain;
	return status;
}

/* The rows of the vocabulary as they are in the file. */
static enum tern_status bind_matrix(struct binder *b, const char *stem, struct tern_matrix *matrix)
{
	char name[GGUF_MAX_NAME_LENGTH];
	const struct tern_hparams *h = &b->transformer->hparams;

	snprintf(name, sizeof name, "%s.weight", stem);
	const struct gguf_tensor *tensor = take(b, name);
	if (!tensor)
		return fail_tensor(b, name, "missing");
	if (tensor->n_dims != 2 || tensor->dims[0] != h->n_embd || tensor->dims[1] != h->n_vocab)
		return tern_fail(b->err, TERN_ERR_FILE, "%s: tensor '%s': expected %zu columns and %zu rows",
		                 b->gguf->path, name, h->n_embd, h->n_vocab);
	*matrix = (struct tern_matrix){tensor->type, h->n_vocab, h->n_embd, tensor->data, NULL};
	if (tensor->type == GGUF_TENSOR_Q8P) {
		snprintf(name, sizeof name, "%s.scale", stem);
		return bind_floats(b, name, h->n_vocab, true, &matrix->row_scales);
	}
	if (!tern_is_float_type(tensor->type))
		return TERN_OK;
	matrix->data = align(b, tensor, tensor->type == GGUF_TENSOR_F32 ? sizeof(float) : sizeof(uint16_t));
	return matrix->data ? TERN_OK : tern_fail_memory(b->err, (size_t)tensor->n_bytes);
}

static bool is_type_in_panels(uint32_t type) { return type == GGUF_TENSOR_T2R16 || type == GGUF_TENSOR_I2_S; }

static enum tern_status bind_embedding(struct binder *b)
{
	struct tern_transformer *t = b->transformer;
	const struct gguf_tensor *tensor = tern_gguf_find_tensor(b->gguf, "token_embd.weight");

	t->embedding_is_ternary = tensor && is_type_in_panels(tensor->type);
	return t->embedding_is_ternary ? bind_ternary_rows(b, "token_embd", &t->ternary_embedding)
	                               : bind_matrix(b, "token_embd", &t->embedding);
}

/* A head in a type that is only read, not computed on: a quantised copy. */
static enum tern_status quantize_head(struct binder *b, const struct gguf_tensor *tensor)
{
	struct tern_matrix *head = &b->transformer->head;
	uint8_t *planes;
	float *row_scales;
	enum tern_status status = tern_repack_q8p(&b->repacker, tensor, &planes, &row_scales);

	if (status)
		return status;
	size_t n_bytes = 2 * tern_panel_count(head->n_row) * tern_q8p_panel_bytes(head->n_col);
	bool adopted = adopt(b, planes, n_bytes);
	adopted = adopt(b, row_scales, head->n_row * sizeof *row_scales) && adopted;
	head->type = GGUF_TENSOR_Q8P;
	head->data = planes;
	head->row_scales = row_scales;
	return adopted ? TERN_OK : tern_fail_memory(b->err, n_bytes);
}

static enum tern_status bind_head(struct binder *b)
{
	struct tern_transformer *t = b->transformer;
	const struct gguf_tensor *tensor = tern_gguf_find_tensor(b->gguf, "output.weight");
	bool is_tied = !tensor;
	enum tern_status status = TERN_OK;

	if (is_tied)
		tensor = tern_gguf_find_tensor(b->gguf, "token_embd.weight");
	t->head_is_ternary = tensor->type == GGUF_TENSOR_T2R16 || tern_is_foreign_ternary(tensor->type);
	if (is_tied && t->embedding_is_ternary) {
		t->ternary_head = t->ternary_embedding;
		return TERN_OK;
	}
	if (t->head_is_ternary)
		return bind_ternary_rows(b, is_tied ? "token_embd" : "output", &t->ternary_head);
	if (is_tied)
		t->head = t->embedding;
	else
		status = bind_matrix(b, "output", &t->head);
	if (status || t->head.type == GGUF_TENSOR_Q8P || tern_is_float_type(t->head.type))
		return status;
	return quantize_head(b, tensor);
}

static enum tern_status check_linear_norms(const struct binder *b)
{
	size_t n = b->n_linear_with_gain;
	bool wants_gain = b->transformer->hparams.linear_norm == TERN_LINEAR_NORM_GAIN;

	if ((n == 0 && !wants_gain) || n == b->n_linear)
		return TERN_OK;
	return tern_fail(b->err, TERN_ERR_FILE,
	                 "%s: only %zu of %zu projections have a norm of their own (*_norm_in.weight); expected all",
	                 b->gguf->path, n, b->n_linear);
}

/* Scales belong to their matrices' numbers and are not counted as weights. */
static bool is_scale(struct gguf_string name)
{
	return name.length > 6 && !memcmp(name.bytes + name.length - 6, ".scale", 6);
}

static enum tern_status check_all_used(struct binder *b)
{
	char quoted[TERN_QUOTE_SIZE];

	take(b, "rope_freqs.weight");
	for (size_t i = 0; i < b->gguf->n_tensors; i++) {
		const struct gguf_tensor *tensor = &b->gguf->tensors[i];
		if (!b->used[i])
			return fail_tensor(b, tern_quote(quoted, tensor->name.bytes, tensor->name.length),
			                   "nothing in this architecture uses it, so the model would run wrong");
		if (is_scale(tensor->name))
			continue;
		uint64_t n = 1;
		for (int d = 0; d < tensor->n_dims; d++)
			n *= tensor->dims[d]; /* the reader has checked the product */
		b->transformer->n_params += n;
	}
	return TERN_OK;
}

static enum tern_status bind_all(struct binder *b)
{
	struct tern_transformer *t = b->transformer;
	enum tern_status status;

	if (!(b->used = tern_alloc(b->gguf->n_tensors, sizeof *b->used)))
		return tern_fail_memory(b->err, b->gguf->n_tensors);
	if (!(t->layers = tern_alloc(t->hparams.n_layer, sizeof *t->layers)))
		return tern_fail_memory(b->err, t->hparams.n_layer * sizeof *t->layers);
	if ((status = bind_embedding(b)) ||
	    (status = bind_floats(b, "output_norm.weight", t->hparams.n_embd, true, &t->output_norm)))
		return status;
	for (size_t i = 0; i < t->hparams.n_layer; i++)
		if ((status = bind_layer(b, i, &t->layers[i])))
			return status;
	if ((status = check_layers(b)) || (status = bind_head(b)) || (status = check_linear_norms(b)))
		return status;
	return check_all_used(b);
}

/* Parts of a split model, as llama.cpp makes them, are put together by tern-convert. */
static enum tern_status check_whole(const struct gguf *gguf, struct tern_error *err)
{
	uint32_t n_parts = 1;
	enum tern_status status = tern_gguf_get_u32(gguf, "split.count", &n_parts, NULL, err);

	if (!status && n_parts > 1)
		status = tern_fail(err, TERN_ERR_FILE,
		                   "%s: key 'split.count': one of %u parts of a model; put them together with: "
		                   "tern-convert --merge %s -o OUT.gguf",
		                   gguf->path, n_parts, gguf->path);
	return status;
}

enum tern_status tern_transformer_load(struct tern_transformer *transformer, const struct gguf *gguf,
                                       const struct tern_model_options *options, const struct tern_file *file,
                                       struct tern_error *err)
{
	struct binder binder = {.transformer = transformer, .gguf = gguf, .err = err};
	enum tern_status status;

	memset(transformer, 0, sizeof *transformer);
	if (!(status = check_whole(gguf, err)) && !(status = tern_arch_find(gguf, &binder.arch, err)) &&
	    !(status = tern_hparams_load(&transformer->hparams, gguf, err)) &&
	    !(status = tern_rope_load(&transformer->hparams, gguf, err)) &&
	    !(status = tern_repacker_init(&binder.repacker, gguf, options, file, err)))
		status = bind_all(&binder);
	tern_repacker_clear(&binder.repacker);
	tern_free(binder.used);
	if (status)
		tern_transformer_free(transformer);
	return status;
}

void tern_transformer_free(struct tern_transformer *transformer)
{
	for (size_t i = 0; i < transformer->n_owned; i++)
		tern_free(transformer->owned[i].block);
	tern_free(transformer->owned);
	tern_free(transformer->layers);
	tern_free(transformer->hparams.rope_freq);
	tern_free(transformer->hparams.rope_freq_local);
	memset(transformer, 0, sizeof *transformer);
}
