#include "tune/network.h"

#include "base/memory.h"
#include "convert/checkpoint/floats.h"
#include "convert/config/family.h"
#include "convert/mapping/layer.h"
#include "convert/mapping/vocabulary.h"
#include "model/rope.h"
#include "tune/random.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char head_name[] = "lm_head.weight";

/* ---- the list of parameters ---- */

/* Appends a parameter; its number goes to *number. */
static enum tern_status add(struct network *net, int *number, size_t n_row, size_t n_col, bool is_matrix,
                            struct tern_error *err, const char *format, ...) __attribute__((format(printf, 7, 8)));
static enum tern_status add(struct network *net, int *number, size_t n_row, size_t n_col, bool is_matrix,
                            struct tern_error *err, const char *format, ...)
{
	struct parameter *p;
	va_list args;

	if (!TERN_GROW(net->parameters, net->capacity, net->n_parameters + 1))
		return tern_fail_memory(err, (net->n_parameters + 1) * sizeof *p);
	*number = (int)net->n_parameters;
	p = &net->parameters[net->n_parameters++];
	*p = (struct parameter){.offset = net->n_floats, .n_row = n_row, .n_col = n_col, .is_matrix = is_matrix};
	va_start(args, format);
	vsnprintf(p->name, sizeof p->name, format, args);
	va_end(args);
	if (!tern_mul_size(n_row, n_col, &p->n) || !tern_add_size(net->n_floats, p->n, &net->n_floats) ||
	    net->n_floats > SIZE_MAX / 64)
		return tern_fail(err, TERN_ERR_FILE, "%s: the model is too large to train here", p->name);
	return TERN_OK;
}

static enum tern_status add_linear(struct network *net, struct linear *linear, size_t layer,
                                   enum tern_matrix_kind which, const struct config *config, struct tern_error *err)
{
	const char *name = layer_module(which);
	enum tern_status status;

	linear->gain = linear->bias = NONE;
	if ((status = add(net, &linear->weight, linear->n_row, linear->n_col, true, err, "model.layers.%zu.%s.weight",
	                  layer, name)))
		return status;
	if (layer_has_bias(config, which) &&
	    (status = add(net, &linear->bias, 1, linear->n_row, false, err, "model.layers.%zu.%s.bias", layer, name)))
		return status;
	if (net->has_extra_norm)
		return add(net, &linear->gain, 1, linear->n_col, false, err, "model.layers.%zu.%s.rms_norm.weight",
		           layer, name);
	return TERN_OK;
}

static enum tern_status add_layer(struct network *net, size_t i, const struct config *config, struct tern_error *err)
{
	struct layer *layer = &net->layers[i];
	size_t n_embd = net->n_embd, q_width = net->n_head * net->head_dim, kv_width = net->n_head_kv * net->head_dim,
	       n_ff = net->n_ff;
	const size_t shapes[TUNE_N_PROJECTIONS][2] = {{q_width, n_embd}, {kv_width, n_embd}, {kv_width, n_embd},
	                                              {n_embd, q_width}, {n_ff, n_embd},     {n_ff, n_embd},
	                                              {n_embd, n_ff}};
	enum tern_status status;

	layer->q_norm = layer->k_norm = NONE;
	if ((status = add(net, &layer->input_norm, 1, n_embd, false, err, "model.layers.%zu.input_layernorm.weight",
	                  i)) ||
	    (status = add(net, &layer->post_norm, 1, n_embd, false, err,
	                  "model.layers.%zu.post_attention_layernorm.weight", i)))
		return status;
	if ((config->family->features & LAYER_QK_NORM) &&
	    ((status = add(net, &layer->q_norm, 1, net->head_dim, false, err,
	                   "model.layers.%zu.self_attn.q_norm.weight", i)) ||
	     (status = add(net, &layer->k_norm, 1, net->head_dim, false, err,
	                   "model.layers.%zu.self_attn.k_norm.weight", i))))
		return status;
	for (int p = 0; p < TUNE_N_PROJECTIONS; p++) {
		struct linear *linear = &layer->projections[p];
		linear->n_row = shapes[p][0];
		linear->n_col = shapes[p][1];
		if ((status = add_linear(net, linear, i, (enum tern_matrix_kind)p, config, err)))
			return status;
	}
	return TERN_OK;
}

static enum tern_status add_all(struct network *net, const struct config *config, struct tern_error *err)
{
	enum tern_status status;

	if ((status = add(net, &net->embedding, net->n_vocab, net->n_embd, true, err, "model.embed_tokens.weight")))
		return status;
	for (size_t i = 0; i < net->n_layer; i++)
		if ((status = add_layer(net, i, config, err)))
			return status;
	if ((status = add(net, &net->norm, 1, net->n_embd, false, err, "model.norm.weight")))
		return status;
	net->head = net->embedding;
	return net->is_tied ? TERN_OK : add(net, &net->head, net->n_vocab, net->n_embd, true, err, "%s", head_name);
}

/* ---- RoPE ---- */

static enum tern_status make_rope(struct network *net, struct tern_error *err)
{
	const struct rope *rope = &net->rope;
	size_t half = net->head_dim / 2;
	double *frequencies = tern_alloc(half, sizeof *frequencies);
	float *divisors = tern_alloc(half, sizeof *divisors);

	net->cosine = tern_alloc_aligned(net->n_ctx * half, sizeof(float));
	net->sine = tern_alloc_aligned(net->n_ctx * half, sizeof(float));
	bool ok = frequencies && divisors && net->cosine && net->sine;
	if (ok) {
		tern_rope_frequencies(frequencies, net->head_dim, rope->theta);
		if (rope->type == ROPE_LLAMA3)
			rope_llama3_divisors(rope, divisors);
		for (size_t i = 0; i < half; i++)
			frequencies[i] /= rope->type == ROPE_LINEAR   ? rope->factor
			                  : rope->type == ROPE_LLAMA3 ? (double)divisors[i]
			                                              : 1.0;
		for (size_t t = 0; t < net->n_ctx; t++)
			tern_rope_angles(net->cosine + t * half, net->sine + t * half, frequencies, half, t, 1.0);
	}
	tern_free(frequencies);
	tern_free(divisors);
	return ok ? TERN_OK : tern_fail_memory(err, 2 * net->n_ctx * half * sizeof(float));
}

/* ---- the whole ---- */

static enum tern_status refuse(const struct config *config, const char *what, struct tern_error *err)
{
	return tern_fail(err, TERN_ERR_FILE,
	                 "%s: %s; tern-tune trains Llama, Qwen 2 and Qwen 3 decoders, and BitNet's without sub-norms",
	                 config->json.source, what);
}

static enum tern_status check(const struct config *config, struct tern_error *err)
{
	if (config->family->is_hybrid || config->family->is_mlx || config->family->window_period ||
	    (config->family->features & LAYER_EXPERTS))
		return refuse(config, "its layers are of other kinds", err);
	if ((config->family->features & LAYER_POST_NORM) || config->has_sub_norms)
		return refuse(config, "its layers have norms that are not supported", err);
	if (config->family->scales_stream)
		return refuse(config, "constants on embeddings, layers and logits are not supported", err);
	if (config->rope.type == ROPE_YARN || config->rope.type == ROPE_LONGROPE)
		return refuse(config, "RoPE with YaRN or LongRoPE is not supported", err);
	if (config->rope.n_rot != config->head_dim)
		return refuse(config, "RoPE over a part of each head is not supported", err);
	return TERN_OK;
}

enum tern_status network_init(struct network *net, const struct config *config, const struct checkpoint *ckpt,
                              enum norms norms, size_t n_ctx, struct tern_error *err)
{
	const struct family *family = config->family;
	bool is_relu2 = strcmp(family->activation, "relu2") == 0 && config->arch == family->arch;
	enum tern_status status;

	*net = (struct network){.n_layer = (size_t)config->n_layer,
	                        .n_embd = (size_t)config->n_embd,
	                        .n_ff = (size_t)config->n_ff,
	                        .n_head = (size_t)config->n_head,
	                        .n_head_kv = (size_t)config->n_head_kv,
	                        .head_dim = (size_t)config->head_dim,
	                        .n_vocab = (size_t)config->n_vocab,
	                        .n_ctx = n_ctx,
	                        .rms_eps = (float)config->rms_eps,
	                        .linear_norm_eps = 1e-6f,
	                        .gate = is_relu2 ? GATE_RELU2 : GATE_SILU,
	                        .is_tied = config->is_tied,
	                        .rope = config->rope};
	if ((status = check(config, err)))
		return status;
	if (config->quantization.has_rms_norm_eps)
		net->linear_norm_eps = (float)config->quantization.rms_norm_eps;
	if (ckpt && !config->says_tied)
		net->is_tied = !checkpoint_find(ckpt, head_name);
	net->has_extra_norm = norms == NORMS_EXTRA || config->quantization.use_rms_norm ||
	                      (ckpt && checkpoint_find(ckpt, "model.layers.0.self_attn.q_proj.rms_norm.weight"));
	if (!(net->layers = tern_alloc(net->n_layer, sizeof *net->layers)))
		return tern_fail_memory(err, net->n_layer * sizeof *net->layers);
	return add_all(net, config, err);
}

static enum tern_status allocate(struct network *net, struct tern_error *err)
{
	net->values = tern_alloc_huge(net->n_floats, sizeof(float));
	return net->values ? make_rope(net, err) : tern_fail_memory(err, net->n_floats * sizeof(float));
}

uint64_t network_bytes(const struct network *net)
{
	size_t n_angles = net->n_ctx * (net->head_dim / 2);
	return ((uint64_t)net->n_floats + 2 * n_angles) * sizeof(float);
}

/* A norm that is inserted, or that has no weights in the checkpoint, starts with gain 1. */
static void set_ones(float *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		values[i] = 1.0f;
}

static bool is_extra_gain(const struct parameter *p) { return strstr(p->name, ".rms_norm.weight") != NULL; }

static enum tern_status read_parameter(const struct network *net, const struct parameter *p,
                                       const struct checkpoint *ckpt, struct tern_error *err)
{
	struct tensor *tensor = checkpoint_find(ckpt, p->name);
	char shape[SHAPE_TEXT_SIZE];

	if (tensor)
		tensor->is_used = true;
	if (!tensor && is_extra_gain(p)) {
		set_ones(net->values + p->offset, p->n);
		return TERN_OK;
	}
	if (!tensor)
		return tern_fail(err, TERN_ERR_FILE, "%s: tensor '%s' is missing", ckpt->dir->path, p->name);
	if (!dtype_is_float(tensor->dtype))
		return checkpoint_fail(ckpt, tensor, err, "type %s; tern-tune starts from weights that are floats",
		                       dtype_name(tensor->dtype));
	bool fits = p->is_matrix ? tensor->n_dims == 2 && tensor->shape[0] == p->n_row && tensor->shape[1] == p->n_col
	                         : tensor->n_dims == 1 && tensor->shape[0] == p->n_col;
	if (!fits)
		return checkpoint_fail(ckpt, tensor, err, "shape %s; config.json wants [%zu, %zu]",
		                       shape_text(shape, tensor->n_dims, tensor->shape), p->n_row, p->n_col);
	return floats_read(ckpt, tensor, p->n, net->values + p->offset, err);
}

static enum tern_status check_tied_head(const struct network *net, const struct checkpoint *ckpt,
                                        struct tern_error *err)
{
	struct tensor *head = net->is_tied ? checkpoint_find(ckpt, head_name) : NULL;

	if (!head)
		return TERN_OK;
	head->is_used = true;
	return map_check_tied_head(ckpt, head, checkpoint_find(ckpt, net->parameters[net->embedding].name), err);
}

enum tern_status network_read(struct network *net, const struct checkpoint *ckpt, struct tern_error *err)
{
	enum tern_status status = allocate(net, err);

	for (size_t i = 0; !status && i < net->n_parameters; i++)
		status = read_parameter(net, &net->parameters[i], ckpt, err);
	return status ? status : check_tied_head(net, ckpt, err);
}

enum tern_status network_randomize(struct network *net, uint64_t seed, struct tern_error *err)
{
	enum tern_status status = allocate(net, err);
	uint64_t state = random_state(seed);

	for (size_t i = 0; !status && i < net->n_parameters; i++) {
		const struct parameter *p = &net->parameters[i];
		float *values = net->values + p->offset;
		bool is_residual = strstr(p->name, "o_proj.weight") || strstr(p->name, "down_proj.weight");
		double deviation = is_residual ? 0.02 / sqrt(2.0 * (double)net->n_layer) : 0.02;
		if (!p->is_matrix && !strstr(p->name, ".bias"))
			set_ones(values, p->n);
		else
			for (size_t j = 0; j < p->n; j++)
				values[j] = p->is_matrix ? (float)(deviation * random_normal(&state)) : 0.0f;
	}
	return status;
}

enum tern_status network_check_finite(const struct network *net, struct tern_error *err)
{
	for (size_t i = 0; i < net->n_parameters; i++) {
		const struct parameter *p = &net->parameters[i];
		if (floats_find_nonfinite(net->values + p->offset, p->n) < p->n)
			return tern_fail(err, TERN_ERR_FAILED,
			                 "%s: its values are no longer finite; a lower --lr or a lower --clip may help",
			                 p->name);
	}
	return TERN_OK;
}

void network_free(struct network *net)
{
	tern_free(net->layers);
	tern_free(net->parameters);
	tern_free(net->values);
	tern_free(net->cosine);
	tern_free(net->sine);
	*net = (struct network){0};
}
