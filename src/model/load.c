/* Binding the tensors of a GGUF file to the network: every tensor the architecture needs is found, checked and
 * counted as used; one that nothing uses is an error, because a norm or bias left out gives fluent nonsense. */
#include "model/load.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "model/bind_experts.h"
#include "model/bind_linear.h"
#include "model/bind_vocab.h"
#include "model/dequantize.h"
#include "model/names.h"
#include "model/rope.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Whether two projections of one vector read the same of it. */
static bool same_input(const struct tern_linear *a, const struct tern_linear *b)
{
	if (a->hadamard_block != b->hadamard_block)
		return false;
	if (a->has_norm != b->has_norm || !a->norm_gain != !b->norm_gain)
		return false;
	return !a->norm_gain || !memcmp(a->norm_gain, b->norm_gain, a->n_col * sizeof(float));
}

struct vector {
	const char *suffix; /* "blk.N.SUFFIX" */
	size_t n;           /* 0: the architecture has none */
	bool required;
	const float **values;
};

static enum tern_status bind_vectors(struct tern_binder *b, size_t layer, const struct vector *vectors, size_t n)
{
	char name[GGUF_MAX_NAME_LENGTH];
	enum tern_status status = TERN_OK;

	for (size_t i = 0; i < n && !status; i++) {
		snprintf(name, sizeof name, "blk.%zu.%s", layer, vectors[i].suffix);
		if (vectors[i].n)
			status = tern_bind_floats(b, name, vectors[i].n, vectors[i].required, vectors[i].values);
	}
	return status;
}

static enum tern_status bind_attention(struct tern_binder *b, size_t index, struct tern_attention_weights *a)
{
	const struct tern_hparams *h = &b->transformer->hparams;
	const struct vector vectors[] = {
	        {"attn_q_norm.weight", h->head_dim, false, &a->q_norm},
	        {"attn_k_norm.weight", h->head_dim, false, &a->k_norm},
	        {"attn_sub_norm.weight", h->n_head * h->head_dim, false, &a->sub_norm},
	};

	a->share_input = same_input(&a->q, &a->k) && same_input(&a->q, &a->v);
	bool has_window = tern_layer_has_window(h, index);
	a->window = has_window ? h->window : 0;
	a->ignores_positions = h->rope_in_windows_only && !has_window;
	a->rope_is_local = has_window && h->rope_freq_local;
	a->cache_index = h->attention_period ? index / h->attention_period : index;
	return bind_vectors(b, index, vectors, sizeof vectors / sizeof *vectors);
}

/* The taps of each channel lie together in a file. */
static enum tern_status bind_conv(struct tern_binder *b, size_t index, struct tern_delta_weights *d)
{
	size_t n_channel = b->transformer->hparams.delta.n_convolved;
	char name[GGUF_MAX_NAME_LENGTH];
	float *taps;

	snprintf(name, sizeof name, "blk.%zu.ssm_conv1d.weight", index);
	const struct gguf_tensor *tensor = tern_bind_take(b, name);
	if (!tensor)
		return tern_bind_fail(b, name, "missing");
	if (tensor->type != GGUF_TENSOR_F32 || tensor->n_dims != 2 || tensor->dims[0] != TERN_CONV_TAPS ||
	    tensor->dims[1] != n_channel)
		return tern_bind_fail(b, name, "expected F32 with %d columns and %zu rows", TERN_CONV_TAPS, n_channel);
	if (!(taps = tern_bind_own(b, TERN_CONV_TAPS * n_channel, sizeof *taps)))
		return tern_fail_memory(b->err, (size_t)tensor->n_bytes);
	for (size_t i = 0; i < TERN_CONV_TAPS * n_channel; i++) {
		float tap = tern_load_f32(tensor->data + i * sizeof tap);
		if (!isfinite(tap))
			return tern_bind_fail(b, name, "value %zu is not finite", i);
		taps[i % TERN_CONV_TAPS * n_channel + i / TERN_CONV_TAPS] = tap;
	}
	d->conv = taps;
	return TERN_OK;
}

/* A small matrix of a layer that is not ternary. */
static enum tern_status bind_floats(struct tern_binder *b, size_t index, const char *what, size_t n_row,
                                    struct tern_matrix *matrix)
{
	size_t n_col = b->transformer->hparams.n_embd;
	char name[GGUF_MAX_NAME_LENGTH];

	snprintf(name, sizeof name, "blk.%zu.%s.weight", index, what);
	const struct gguf_tensor *tensor = tern_bind_take(b, name);
	if (!tensor)
		return tern_bind_fail(b, name, "missing");
	if (!tern_is_float_type(tensor->type))
		return tern_bind_fail(b, name, "type %s, but the layer's other gate is of floats",
		                      tern_gguf_type_name(tensor->type));
	if (tensor->n_dims != 2 || tensor->dims[0] != n_col || tensor->dims[1] != n_row)
		return tern_bind_fail(b, name, "expected %zu columns and %zu rows", n_col, n_row);
	*matrix = (struct tern_matrix){.type = tensor->type, .n_row = n_row, .n_col = n_col};
	matrix->data = tern_bind_aligned(b, tensor, tern_gguf_row_bytes(tensor->type, 1));
	return matrix->data ? TERN_OK : tern_fail_memory(b->err, (size_t)tensor->n_bytes);
}

/* Whether beta and alpha of a delta net are floats. */
static bool has_float_gates(const struct tern_binder *b, size_t index)
{
	char name[GGUF_MAX_NAME_LENGTH];

	snprintf(name, sizeof name, "blk.%zu.%s.weight", index, tern_matrix_names[TERN_DELTA_BETA]);
	const struct gguf_tensor *tensor = tern_gguf_find_tensor(b->gguf, name);
	return tensor && tern_is_float_type(tensor->type);
}

static enum tern_status bind_delta(struct tern_binder *b, size_t index, struct tern_delta_weights *d)
{
	const struct tern_hparams *h = &b->transformer->hparams;
	size_t n_head = h->delta.n_head;
	const struct vector vectors[] = {
	        {"ssm_a", n_head, true, &d->decay},
	        {"ssm_dt.bias", n_head, true, &d->bias},
	        {"ssm_norm.weight", h->delta.head_dim, true, &d->norm},
	};
	enum tern_status status = bind_vectors(b, index, vectors, sizeof vectors / sizeof *vectors);

	if (status || (status = bind_conv(b, index, d)))
		return status;
	if (d->gates_are_float &&
	    ((status = bind_floats(b, index, tern_matrix_names[TERN_DELTA_BETA], n_head, &d->float_beta)) ||
	     (status = bind_floats(b, index, tern_matrix_names[TERN_DELTA_ALPHA], n_head, &d->float_alpha))))
		return status;
	for (size_t i = 0; i < n_head; i++)
		if (d->decay[i] > 0.0f) {
			char name[GGUF_MAX_NAME_LENGTH];
			snprintf(name, sizeof name, "blk.%zu.ssm_a", index);
			return tern_bind_fail(b, name, "value %zu is above 0, so the state would grow", i);
		}
	d->share_input = same_input(&d->qkv, &d->gate) &&
	                 (d->gates_are_float || (same_input(&d->qkv, &d->beta) && same_input(&d->qkv, &d->alpha)));
	d->groups_heads = d->out.hadamard_block && b->hadamard.groups_heads;
	d->state_index = index - index / h->attention_period;
	return TERN_OK;
}

static enum tern_status bind_layer(struct tern_binder *b, size_t index, struct tern_layer *layer)
{
	const struct tern_hparams *h = &b->transformer->hparams;
	size_t n_embd = h->n_embd;
	bool has_post = b->arch->has_post_norm;
	struct tern_layer_matrix matrix;
	char name[GGUF_MAX_NAME_LENGTH];
	const struct vector vectors[] = {
	        {"attn_norm.weight", n_embd, true, &layer->attn_norm},
	        {b->arch->is_hybrid ? "post_attention_norm.weight" : "ffn_norm.weight", n_embd, true, &layer->ffn_norm},
	        {"post_attention_norm.weight", has_post ? n_embd : 0, true, &layer->attn_post_norm},
	        {"post_ffw_norm.weight", has_post ? n_embd : 0, true, &layer->ffn_post_norm},
	        {"ffn_sub_norm.weight", h->n_ff, false, &layer->dense.sub_norm}, /* of a dense part */
	};
	enum tern_status status = bind_vectors(b, index, vectors, sizeof vectors / sizeof *vectors);

	if (status)
		return status;
	layer->ffn = h->n_expert ? TERN_FFN_EXPERTS : TERN_FFN_DENSE;
	if (tern_layer_is_delta(h, index)) {
		layer->mixer = TERN_MIXER_DELTA;
		layer->delta.gates_are_float = has_float_gates(b, index);
	}
	for (size_t i = 0; tern_layer_matrix(h, layer, i, &matrix); i++) {
		snprintf(name, sizeof name, "blk.%zu.%s", index, matrix.name);
		if ((status = tern_bind_linear(b, name, &matrix)))
			return status;
	}
	if (layer->ffn == TERN_FFN_EXPERTS)
		status = tern_bind_router(b, index, &layer->experts);
	else
		layer->dense.share_input = same_input(&layer->dense.gate, &layer->dense.up);
	if (status)
		return status;
	return layer->mixer == TERN_MIXER_DELTA ? bind_delta(b, index, &layer->delta)
	                                        : bind_attention(b, index, &layer->attention);
}

/* What the architecture demands beyond the tensors' presence: QK-norm, sub-norms of BitNet, in every layer. */
static enum tern_status check_layers(const struct tern_binder *b)
{
	const struct tern_transformer *t = b->transformer;
	bool needs_qk_norm = b->arch->needs_qk_norm, needs_sub_norm = b->arch->needs_sub_norm;
	char name[GGUF_MAX_NAME_LENGTH];
	enum tern_status status = tern_gguf_get_bool(b->gguf, "tern.sub_norm", &needs_sub_norm, NULL, b->err);

	for (size_t i = 0; i < t->hparams.n_layer && !status; i++) {
		const struct tern_layer *layer = &t->layers[i];
		const struct tern_attention_weights *a = &layer->attention;
		if (layer->mixer != TERN_MIXER_ATTENTION)
			continue;
		if (!a->q_norm != !a->k_norm || (needs_qk_norm && !a->q_norm)) {
			snprintf(name, sizeof name, "blk.%zu.attn_%s_norm.weight", i, a->q_norm ? "k" : "q");
			status = tern_bind_fail(b, name, "missing");
		} else if (needs_sub_norm && (!a->sub_norm || layer->ffn != TERN_FFN_DENSE || !layer->dense.sub_norm)) {
			snprintf(name, sizeof name, "blk.%zu.%s_sub_norm.weight", i, a->sub_norm ? "ffn" : "attn");
			status = tern_bind_fail(b, name, "missing");
		}
	}
	return status;
}

static enum tern_status check_linear_norms(const struct tern_binder *b)
{
	size_t n = b->n_linear_with_gain;
	bool wants_gain = b->transformer->hparams.linear_norm == TERN_LINEAR_NORM_GAIN;

	if ((n == 0 && !wants_gain) || n == b->n_linear)
		return TERN_OK;
	return tern_fail(b->err, TERN_ERR_FILE,
	                 "%s: only %zu of %zu projections have a norm of their own (*_norm_in.weight); expected all",
	                 b->gguf->path, n, b->n_linear);
}

/* Scales are not counted as parameters. */
static bool is_scale(struct gguf_string name) { return tern_gguf_string_ends_in(name, ".scale"); }

static enum tern_status check_all_used(struct tern_binder *b)
{
	char quoted[TERN_QUOTE_SIZE];

	tern_bind_take(b, "rope_freqs.weight");
	if (b->transformer->hparams.rope_freq_long) {
		tern_bind_take(b, "rope_factors_short.weight");
		tern_bind_take(b, "rope_factors_long.weight");
	}
	for (size_t i = 0; i < b->gguf->n_tensors; i++) {
		const struct gguf_tensor *tensor = &b->gguf->tensors[i];
		if (!b->used[i] && tern_is_mtp_tensor(b->gguf, tensor->name))
			continue;
		if (!b->used[i])
			return tern_bind_fail(b, tern_quote(quoted, tensor->name.bytes, tensor->name.length),
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

static uint64_t count_mapped(const struct gguf *gguf, const struct tern_file *file)
{
	uint64_t n = 0;

	for (size_t i = 0; i < gguf->n_tensors && file && file->is_mapped; i++)
		if (tern_repacked_type(gguf, &gguf->tensors[i]) == gguf->tensors[i].type)
			n += gguf->tensors[i].n_bytes;
	return n;
}

/* The signs live as long as the transformer. */
static enum tern_status bind_hadamard(struct tern_binder *b)
{
	struct tern_hadamard *h = &b->hadamard;
	enum tern_status status = tern_hadamard_load(h, b->gguf, b->err);

	if (h->signs && !tern_bind_adopt(b, h->signs, h->n_sign * sizeof *h->signs))
		return tern_fail_memory(b->err, h->n_sign * sizeof *h->signs);
	return status;
}

static enum tern_status bind_all(struct tern_binder *b)
{
	struct tern_transformer *t = b->transformer;
	enum tern_status status;

	if (!(b->used = tern_alloc(b->gguf->n_tensors, sizeof *b->used)))
		return tern_fail_memory(b->err, b->gguf->n_tensors);
	if ((status = bind_hadamard(b)))
		return status;
	if (!(t->layers = tern_alloc(t->hparams.n_layer, sizeof *t->layers)))
		return tern_fail_memory(b->err, t->hparams.n_layer * sizeof *t->layers);
	if ((status = tern_bind_embedding(b)) ||
	    (status = tern_bind_floats(b, "output_norm.weight", t->hparams.n_embd, true, &t->output_norm)))
		return status;
	for (size_t i = 0; i < t->hparams.n_layer; i++)
		if ((status = bind_layer(b, i, &t->layers[i])))
			return status;
	if ((status = check_layers(b)) || (status = tern_bind_head(b)) || (status = check_linear_norms(b)) ||
	    (status = tern_hadamard_check_bound(&b->hadamard, b->gguf, b->err)))
		return status;
	if (!tern_transformer_order_reads(t))
		return tern_fail_memory(b->err, t->hparams.n_layer * sizeof *t->reads);
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
	struct tern_binder binder = {.transformer = transformer, .gguf = gguf, .err = err};
	enum tern_status status;

	memset(transformer, 0, sizeof *transformer);
	transformer->overcommits = options && options->overcommit;
	transformer->n_mapped_bytes = count_mapped(gguf, file);
	if (!(status = check_whole(gguf, err)) && !(status = tern_arch_find(gguf, &binder.arch, err)) &&
	    !(status = tern_hparams_load(&transformer->hparams, gguf, err)) &&
	    !(status = tern_rope_load(&transformer->hparams, gguf, err)) &&
	    !(status = tern_repacker_init(&binder.repacker, gguf, options, file, err)))
		status = bind_all(&binder);
	tern_repacker_clear(&binder.repacker);
	tern_hadamard_clear(&binder.hadamard);
	tern_free(binder.used);
	if (status)
		tern_transformer_free(transformer);
	return status;
}
