/* Binding the tensors of a GGUF file to the network: every tensor the architecture needs is found, checked and
 * counted as used; one that nothing uses is an error, because a norm or bias left out gives fluent nonsense. */
#include "model/load.h"

#include "base/memory.h"
#include "model/bind_experts.h"
#include "model/bind_linear.h"
#include "model/bind_vocab.h"
#include "model/rope.h"

#include <stdio.h>
#include <string.h>

static bool same_norm(const struct tern_linear *a, const struct tern_linear *b)
{
	if (a->has_norm != b->has_norm || !a->norm_gain != !b->norm_gain)
		return false;
	return !a->norm_gain || !memcmp(a->norm_gain, b->norm_gain, a->n_col * sizeof(float));
}

static enum tern_status bind_layer(struct tern_binder *b, size_t index, struct tern_layer *layer)
{
	const struct tern_hparams *h = &b->transformer->hparams;
	size_t n_embd = h->n_embd;
	bool has_post = b->arch->has_post_norm;
	struct tern_layer_matrix matrix;
	char name[GGUF_MAX_NAME_LENGTH];
	enum tern_status status;

	layer->ffn = h->n_expert ? TERN_FFN_EXPERTS : TERN_FFN_DENSE;
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
	        {"attn_q_norm", h->head_dim, false, &layer->attention.q_norm},
	        {"attn_k_norm", h->head_dim, false, &layer->attention.k_norm},
	        {"attn_sub_norm", h->n_head * h->head_dim, false, &layer->attention.sub_norm},
	        {"ffn_sub_norm", h->n_ff, false, &layer->dense.sub_norm}, /* of a dense part */
	};
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		snprintf(name, sizeof name, "blk.%zu.%s.weight", index, vectors[i].suffix);
		if (vectors[i].n &&
		    (status = tern_bind_floats(b, name, vectors[i].n, vectors[i].required, vectors[i].values)))
			return status;
	}
	for (size_t i = 0; tern_layer_matrix(h, layer, i, &matrix); i++) {
		snprintf(name, sizeof name, "blk.%zu.%s", index, matrix.name);
		if ((status = tern_bind_linear(b, name, &matrix)))
			return status;
	}
	struct tern_attention_weights *a = &layer->attention;
	a->share_input = same_norm(&a->q, &a->k) && same_norm(&a->q, &a->v);
	bool has_window = tern_layer_has_window(h, index);
	a->window = has_window ? h->window : 0;
	a->ignores_positions = h->rope_in_windows_only && !has_window;
	a->rope_is_local = has_window && h->rope_freq_local;
	a->cache_index = index;
	if (layer->ffn == TERN_FFN_EXPERTS)
		return tern_bind_router(b, index, &layer->experts);
	layer->dense.share_input = same_norm(&layer->dense.gate, &layer->dense.up);
	return TERN_OK;
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

/* Scales belong to their matrices' numbers and are not counted as weights. */
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

static enum tern_status bind_all(struct tern_binder *b)
{
	struct tern_transformer *t = b->transformer;
	enum tern_status status;

	if (!(b->used = tern_alloc(b->gguf->n_tensors, sizeof *b->used)))
		return tern_fail_memory(b->err, b->gguf->n_tensors);
	if (!(t->layers = tern_alloc(t->hparams.n_layer, sizeof *t->layers)))
		return tern_fail_memory(b->err, t->hparams.n_layer * sizeof *t->layers);
	if ((status = tern_bind_embedding(b)) ||
	    (status = tern_bind_floats(b, "output_norm.weight", t->hparams.n_embd, true, &t->output_norm)))
		return status;
	for (size_t i = 0; i < t->hparams.n_layer; i++)
		if ((status = bind_layer(b, i, &t->layers[i])))
			return status;
	if ((status = check_layers(b)) || (status = tern_bind_head(b)) || (status = check_linear_norms(b)))
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
	tern_free(binder.used);
	if (status)
		tern_transformer_free(transformer);
	return status;
}
