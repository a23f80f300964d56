/* The numbers of a model: from metadata to a checked struct tern_hparams. */
#include "model/hparams.h"

#include "base/bytes.h"
#include "model/arch.h"
#include "model/limits.h"
#include "model/names.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A whole number, or an array of one for each layer where all are the same. */
static enum tern_status get_number(const struct gguf *gguf, const char *key, uint32_t *value, bool *found,
                                   struct tern_error *err)
{
	const struct gguf_pair *pair = tern_gguf_find(gguf, key);
	struct gguf one;

	if (!pair || pair->type != GGUF_ARRAY || !tern_gguf_value_size(pair->item_type) || !pair->n_items)
		return tern_gguf_get_u32(gguf, key, value, found, err);
	unsigned size = tern_gguf_value_size(pair->item_type);
	for (uint64_t i = 1; i < pair->n_items; i++)
		if (memcmp(pair->value, pair->value + i * size, size) != 0)
			return tern_gguf_fail_key(gguf, key, err,
			                          "differs from layer to layer, which is not supported");
	/* The getter of a file that has the first item alone. */
	struct gguf_pair item = *pair;
	uint32_t first = 0;
	item.type = pair->item_type;
	one = (struct gguf){.path = gguf->path, .pairs = &item, .n_pairs = 1, .pair_order = &first};
	return tern_gguf_get_u32(&one, key, value, found, err);
}

/* A whole number low..high under "ARCH.suffix". *value holds the default; `required` if there is none. */
static enum tern_status get_size(const struct gguf *gguf, const char *suffix, size_t *value, bool required, size_t low,
                                 size_t high, struct tern_error *err)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	uint32_t number = (uint32_t)*value;
	bool found = false;
	enum tern_status status = tern_arch_key(key, gguf, suffix, err);

	if (!status)
		status = get_number(gguf, key, &number, &found, err);
	if (status)
		return status;
	if (!found && required)
		return tern_gguf_fail_key(gguf, key, err, "missing");
	if (number < low || number > high)
		return tern_gguf_fail_key(gguf, key, err, "expected %zu to %zu, got %u", low, high, number);
	*value = number;
	return TERN_OK;
}

enum tern_status tern_get_positive(const struct gguf *gguf, const char *key, float *value, bool *found,
                                   struct tern_error *err)
{
	enum tern_status status = tern_gguf_get_f32(gguf, key, value, found, err);

	if (status)
		return status;
	if (!(*value > 0.0f) || !isfinite(*value))
		return tern_gguf_fail_key(gguf, key, err, "expected a finite number above 0, got %g", (double)*value);
	return TERN_OK;
}

/* "FILE: key 'ARCH.suffix': WHAT" */
static enum tern_status fail_key(const struct gguf *gguf, const char *suffix, struct tern_error *err,
                                 const char *format, ...) __attribute__((format(printf, 4, 5)));
static enum tern_status fail_key(const struct gguf *gguf, const char *suffix, struct tern_error *err,
                                 const char *format, ...)
{
	char key[GGUF_MAX_KEY_LENGTH + 1], what[256];
	enum tern_status status = tern_arch_key(key, gguf, suffix, err);
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	return status ? status : tern_gguf_fail_key(gguf, key, err, "%s", what);
}

/* Query heads, key/value heads and their size. */
static enum tern_status load_heads(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	enum tern_status status;

	if ((status = get_size(gguf, "attention.head_count", &h->n_head, true, 1, TERN_MAX_WIDTH, err)))
		return status;
	h->n_head_kv = h->n_head;
	if ((status = get_size(gguf, "attention.head_count_kv", &h->n_head_kv, false, 1, h->n_head, err)))
		return status;
	if (h->n_head % h->n_head_kv)
		return fail_key(gguf, "attention.head_count_kv", err, "%zu does not divide the %zu heads", h->n_head_kv,
		                h->n_head);
	h->head_dim = h->n_embd / h->n_head;
	if ((status = get_size(gguf, "attention.key_length", &h->head_dim, false, 2, TERN_MAX_HEAD_DIM, err)))
		return status;
	size_t value_dim = h->head_dim;
	if ((status = get_size(gguf, "attention.value_length", &value_dim, false, 2, TERN_MAX_HEAD_DIM, err)))
		return status;
	if (value_dim != h->head_dim)
		return fail_key(gguf, "attention.value_length", err, "expected attention.key_length, %zu, got %zu",
		                h->head_dim, value_dim);
	if (h->head_dim % 2 || h->n_head * h->head_dim > TERN_MAX_WIDTH)
		return fail_key(
		        gguf, "attention.key_length", err,
		        "expected an even number, and at most %d values in all heads; got %zu in each of %zu heads",
		        TERN_MAX_WIDTH, h->head_dim, h->n_head);
	if (h->n_head * h->head_dim % 16)
		return fail_key(gguf, "attention.key_length", err,
		                "expected a multiple of 16 values in all heads; got %zu in each of %zu heads",
		                h->head_dim, h->n_head);
	return TERN_OK;
}

/* Experts, their number and what a router makes of its logits. */
static enum tern_status load_experts(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	enum {
		GGUF_GATING_SOFTMAX = 1
	};
	char key[GGUF_MAX_KEY_LENGTH + 1];
	size_t gating = GGUF_GATING_SOFTMAX;
	enum tern_status status;

	h->normalizes_experts = true;
	h->expert_scale = 1.0f;
	if ((status = get_size(gguf, "expert_count", &h->n_expert, true, 1, TERN_MAX_EXPERTS, err)) ||
	    (status = get_size(gguf, "expert_used_count", &h->n_expert_used, true, 1, h->n_expert, err)) ||
	    (status = get_size(gguf, "expert_feed_forward_length", &h->n_ff_expert, true, 16, TERN_MAX_WIDTH, err)) ||
	    (status = get_size(gguf, "expert_gating_func", &gating, false, 0, UINT32_MAX, err)) ||
	    (status = tern_arch_key(key, gguf, "expert_weights_norm", err)) ||
	    (status = tern_gguf_get_bool(gguf, key, &h->normalizes_experts, NULL, err)) ||
	    (status = tern_arch_key(key, gguf, "expert_weights_scale", err)) ||
	    (status = tern_get_positive(gguf, key, &h->expert_scale, NULL, err)))
		return status;
	if (h->n_ff_expert % 16)
		return fail_key(gguf, "expert_feed_forward_length", err, "expected a multiple of 16, got %zu",
		                h->n_ff_expert);
	if (gating != GGUF_GATING_SOFTMAX)
		return fail_key(gguf, "expert_gating_func", err, "%zu is not supported, only 1, softmax", gating);
	return TERN_OK;
}

enum tern_status tern_expert_limit(const struct tern_hparams *h, const struct gguf *gguf, size_t layer, float *limit,
                                   struct tern_error *err)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	enum tern_status status = tern_arch_key(key, gguf, "swiglu_clamp_exp", err);
	const struct gguf_pair *pair = status ? NULL : tern_gguf_find(gguf, key);

	*limit = 7.0f;
	if (!pair)
		return status;
	if (pair->type != GGUF_ARRAY || pair->item_type != GGUF_F32 || pair->n_items != h->n_layer)
		return tern_gguf_fail_key(gguf, key, err, "expected %zu numbers, f32", h->n_layer);
	*limit = tern_load_f32(pair->value + layer * sizeof *limit);
	if (!(*limit > 0.0f) || !isfinite(*limit))
		return tern_gguf_fail_key(gguf, key, err, "expected finite numbers above 0, got %g for layer %zu",
		                          (double)*limit, layer);
	return TERN_OK;
}

static enum tern_status load_sizes(struct tern_hparams *h, const struct gguf *gguf, const struct tern_arch *arch,
                                   struct tern_error *err)
{
	enum tern_status status;

	if ((status = get_size(gguf, "block_count", &h->n_layer, true, 1, TERN_MAX_LAYERS, err)) ||
	    (status = get_size(gguf, "embedding_length", &h->n_embd, true, 16, TERN_MAX_WIDTH, err)) ||
	    (status = arch->has_experts
	                      ? load_experts(h, gguf, err)
	                      : get_size(gguf, "feed_forward_length", &h->n_ff, true, 16, TERN_MAX_WIDTH, err)) ||
	    (status = get_size(gguf, "context_length", &h->n_ctx_train, true, 1, TERN_MAX_CONTEXT, err)))
		return status;
	if (h->n_embd % 16)
		return fail_key(gguf, "embedding_length", err, "expected a multiple of 16, got %zu", h->n_embd);
	if (h->n_ff % 16)
		return fail_key(gguf, "feed_forward_length", err, "expected a multiple of 16, got %zu", h->n_ff);
	return load_heads(h, gguf, err);
}

/* The vocabulary's size is the embedding's row count; the token list, if there is one, must agree. */
static enum tern_status load_vocab_size(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	const struct gguf_tensor *embedding = tern_gguf_find_tensor(gguf, "token_embd.weight");
	const struct gguf_pair *tokens;
	enum tern_status status = tern_gguf_get_array(gguf, "tokenizer.ggml.tokens", GGUF_STRING, &tokens, err);

	if (status)
		return status;
	if (!embedding)
		return tern_fail(err, TERN_ERR_FILE, "%s: tensor 'token_embd.weight': missing", gguf->path);
	if (embedding->n_dims != 2 || embedding->dims[1] > TERN_MAX_VOCAB)
		return tern_fail(err, TERN_ERR_FILE,
		                 "%s: tensor 'token_embd.weight': expected %zu columns and at most %d rows", gguf->path,
		                 h->n_embd, TERN_MAX_VOCAB);
	h->n_vocab = (size_t)embedding->dims[1];
	if (tokens && tokens->n_items != h->n_vocab)
		return tern_fail(err, TERN_ERR_FILE,
		                 "%s: tensor 'token_embd.weight': %zu rows, but 'tokenizer.ggml.tokens' has %llu items",
		                 gguf->path, h->n_vocab, (unsigned long long)tokens->n_items);
	return TERN_OK;
}

/* How activations are quantized where a file does not say: a whole vector at a time if the model is known to have been
 * trained so (BitNet's graph, bitnet.cpp's tensor type, a norm in front of every projection), else in the groups that
 * the weights have, which is closer to no quantization. With experts at most 128 columns, since rounding can make the
 * router choose another. 0: whole vectors. */
static uint32_t default_activation_group(const struct gguf *gguf, const struct tern_arch *arch)
{
	char name[GGUF_MAX_NAME_LENGTH];
	const struct gguf_tensor *weight =
	        tern_gguf_find_tensor(gguf, arch->is_hybrid ? "blk.0.attn_qkv.weight" : "blk.0.attn_q.weight");
	uint64_t block = weight ? tern_gguf_type_block(weight->type) : 0;

	for (size_t i = 0; i < TERN_N_LINEAR_NORM_SUFFIXES; i++) {
		snprintf(name, sizeof name, "blk.0.attn_q%s", tern_linear_norm_suffixes[i]);
		if (tern_gguf_find_tensor(gguf, name))
			return 0;
	}
	if (arch->quantizes_per_token || !weight || weight->type == GGUF_TENSOR_I2_S ||
	    weight->type == GGUF_TENSOR_T2R16 || weight->type == GGUF_TENSOR_T1R16)
		return 0;
	if (block < 64 || (block > 128 && arch->has_experts))
		return 128; /* 1 and 32: no ternary type, its blocks say nothing */
	return (uint32_t)block;
}

/* tern's own keys: how activations are quantized, and the norm in front of projections. */
static enum tern_status load_tern_keys(struct tern_hparams *h, const struct gguf *gguf, const struct tern_arch *arch,
                                       struct tern_error *err)
{
	struct gguf_string activation = {"per_token", 9}, norm = {"none", 4};
	uint32_t group = default_activation_group(gguf, arch);
	enum tern_status status;

	if (group)
		activation = (struct gguf_string){"per_group", 9};
	else
		group = 128;

	if ((status = tern_gguf_get_string(gguf, "tern.activation", &activation, NULL, err)) ||
	    (status = tern_gguf_get_u32(gguf, "tern.activation_group", &group, NULL, err)) ||
	    (status = tern_gguf_get_string(gguf, "tern.linear_norm", &norm, NULL, err)))
		return status;
	if (tern_gguf_string_is(activation, "per_group")) {
		if (group < 16 || group % 16 || group > TERN_MAX_WIDTH)
			return tern_fail(err, TERN_ERR_FILE,
			                 "%s: key 'tern.activation_group': expected a multiple of 16, got %u",
			                 gguf->path, group);
		h->activation_group = group;
	} else if (!tern_gguf_string_is(activation, "per_token"))
		return tern_fail(err, TERN_ERR_FILE, "%s: key 'tern.activation': expected per_token or per_group",
		                 gguf->path);

	if (tern_gguf_string_is(norm, "weight"))
		h->linear_norm = TERN_LINEAR_NORM_GAIN;
	else if (tern_gguf_string_is(norm, "weightless"))
		h->linear_norm = TERN_LINEAR_NORM_WEIGHTLESS;
	else if (!tern_gguf_string_is(norm, "none"))
		return tern_fail(err, TERN_ERR_FILE, "%s: key 'tern.linear_norm': expected none, weight or weightless",
		                 gguf->path);
	h->linear_norm_eps = h->linear_norm == TERN_LINEAR_NORM_NONE ? h->rms_eps : 1e-6f;
	return tern_get_positive(gguf, "tern.linear_norm_eps", &h->linear_norm_eps, NULL, err);
}

/* ---- attention over a window ---- */

/* Which layers see a window only: a period, of whose layers the last sees all, or a flag for each. */
static enum tern_status load_window_pattern(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	uint32_t period = (uint32_t)h->window_period;
	enum tern_status status = tern_arch_key(key, gguf, "attention.sliding_window_pattern", err);

	if (status)
		return status;
	const struct gguf_pair *pair = tern_gguf_find(gguf, key);
	if (!pair || pair->type != GGUF_ARRAY) {
		status = tern_gguf_get_u32(gguf, key, &period, NULL, err);
		h->window_period = period;
		return status;
	}
	if (pair->item_type != GGUF_BOOL || pair->n_items != h->n_layer)
		return tern_gguf_fail_key(gguf, key, err, "expected a period or %zu booleans", h->n_layer);
	h->window_flags = pair->value;
	return TERN_OK;
}

bool tern_layer_has_window(const struct tern_hparams *h, size_t layer)
{
	if (h->window_flags)
		return h->window_flags[layer] != 0;
	return h->window_period && layer % h->window_period != h->window_period - 1;
}

/* How far back layers with a window see. A file that does not say it - or says 0 - is right for short texts only:
 * longer contexts are refused. */
static enum tern_status load_window(struct tern_hparams *h, const struct gguf *gguf, const struct tern_arch *arch,
                                    struct tern_error *err)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	uint32_t window = 0;
	enum tern_status status;

	if ((status = tern_arch_key(key, gguf, "attention.sliding_window", err)) ||
	    (status = tern_gguf_get_u32(gguf, key, &window, NULL, err)))
		return status;
	if (!arch->window_period && window && window < h->n_ctx_train)
		return tern_gguf_fail_key(gguf, key, err,
		                          "attention to the last %u tokens only is not supported in this architecture",
		                          (unsigned)window);
	if (!arch->window_period)
		return TERN_OK;
	if (!arch->unstated_window && (window < 1 || window > TERN_MAX_CONTEXT))
		return tern_gguf_fail_key(gguf, key, err, "expected 1 to %d tokens, got %u", TERN_MAX_CONTEXT,
		                          (unsigned)window);
	h->window_period = arch->window_period;
	h->window = window;
	if (!window && h->n_ctx_train > arch->unstated_window)
		h->n_ctx_max = h->n_ctx_train = arch->unstated_window;
	return load_window_pattern(h, gguf, err);
}

/* Scores are divided by the root of the head's size; a file may say so, too. */
static enum tern_status check_attention_scale(const struct tern_hparams *h, const struct gguf *gguf,
                                              struct tern_error *err)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	float scale = 0.0f, expected = 1.0f / sqrtf((float)h->head_dim);
	enum tern_status status = tern_arch_key(key, gguf, "attention.scale", err);

	if (!status)
		status = tern_gguf_get_f32(gguf, key, &scale, NULL, err);
	if (!status && scale != 0.0f && !(fabsf(scale - expected) <= 1e-4f * expected))
		return tern_gguf_fail_key(gguf, key, err, "%g is not supported, only %g", (double)scale,
		                          (double)expected);
	return status;
}

/* Which tokens make an embedding. microsoft/BitNet's converter writes "mean" where the checkpoint's pooling file is
 * missing, though all its embedding models, the only ones with norms in front of projections, take the last token. */
static enum tern_status load_pooling(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	enum {
		GGUF_POOLING_MEAN = 1,
		GGUF_POOLING_CLS,
		GGUF_POOLING_LAST
	};
	size_t pooling = GGUF_POOLING_LAST;
	enum tern_status status = get_size(gguf, "pooling_type", &pooling, false, 0, GGUF_POOLING_LAST, err);

	h->pooling = pooling == GGUF_POOLING_CLS ? TERN_POOLING_FIRST : TERN_POOLING_LAST;
	if (pooling == GGUF_POOLING_MEAN && h->linear_norm == TERN_LINEAR_NORM_NONE &&
	    !tern_gguf_find_tensor(gguf, "blk.0.attn_q_norm_in.weight"))
		h->pooling = TERN_POOLING_MEAN;
	return status;
}

/* MiniCPM's three constants; files of its first models lack them. */
static enum tern_status load_stream_scales(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	const struct {
		const char *suffix;
		float *value, standard;
	} scales[] = {
	        {"embedding_scale", &h->embedding_scale, 12.0f},
	        {"residual_scale", &h->residual_scale, 1.4f / sqrtf((float)h->n_layer)},
	        {"logit_scale", &h->logit_divisor, (float)h->n_embd / 256.0f},
	};
	char key[GGUF_MAX_KEY_LENGTH + 1];
	enum tern_status status = TERN_OK;

	for (size_t i = 0; i < sizeof scales / sizeof *scales && !status; i++) {
		*scales[i].value = scales[i].standard;
		if (!(status = tern_arch_key(key, gguf, scales[i].suffix, err)))
			status = tern_get_positive(gguf, key, scales[i].value, NULL, err);
	}
	return status;
}

/* ---- delta nets ---- */

bool tern_layer_is_delta(const struct tern_hparams *h, size_t layer)
{
	return h->attention_period && layer % h->attention_period != h->attention_period - 1;
}

/* Sections say which pairs turn by height and width of an image: for texts all turn by the position, if there is a
 * section for each. */
static enum tern_status check_sections(const struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	enum tern_status status = tern_arch_key(key, gguf, "rope.dimension_sections", err);
	const struct gguf_pair *pair = status ? NULL : tern_gguf_find(gguf, key);
	uint64_t sum = 0, rest = 0;

	if (!pair)
		return status;
	if (pair->type == GGUF_ARRAY && (pair->item_type == GGUF_I32 || pair->item_type == GGUF_U32))
		for (size_t i = 0; i < pair->n_items; i++)
			*(i < 3 ? &sum : &rest) += tern_load_u32(pair->value + 4 * i);
	if (sum != h->n_rot / 2 || rest != 0)
		return fail_key(gguf, "rope.dimension_sections", err,
		                "expected three numbers that add up to %zu, and a 0", h->n_rot / 2);
	return TERN_OK;
}

static enum tern_status load_delta_shape(struct tern_delta_shape *d, const struct gguf *gguf, struct tern_error *err)
{
	size_t n_tap = 0;
	enum tern_status status;

	if ((status = get_size(gguf, "ssm.conv_kernel", &n_tap, true, TERN_CONV_TAPS, TERN_CONV_TAPS, err)) ||
	    (status = get_size(gguf, "ssm.state_size", &d->head_dim, true, 16, TERN_MAX_HEAD_DIM, err)) ||
	    (status = get_size(gguf, "ssm.group_count", &d->n_head_key, true, 1, TERN_MAX_WIDTH, err)) ||
	    (status = get_size(gguf, "ssm.time_step_rank", &d->n_head, true, 1, TERN_MAX_WIDTH, err)) ||
	    (status = get_size(gguf, "ssm.inner_size", &d->n_value, true, 16, TERN_MAX_WIDTH, err)))
		return status;
	if (d->head_dim % 16)
		return fail_key(gguf, "ssm.state_size", err, "expected a multiple of 16, got %zu", d->head_dim);
	if (d->n_head % d->n_head_key)
		return fail_key(gguf, "ssm.group_count", err, "%zu does not divide the %zu value heads", d->n_head_key,
		                d->n_head);
	if (d->n_value != d->n_head * d->head_dim)
		return fail_key(gguf, "ssm.inner_size", err, "expected %zu heads of %zu values, got %zu", d->n_head,
		                d->head_dim, d->n_value);
	d->n_key = d->n_head_key * d->head_dim;
	d->n_convolved = 2 * d->n_key + d->n_value;
	if (d->n_convolved > TERN_MAX_WIDTH)
		return fail_key(gguf, "ssm.inner_size", err,
		                "expected at most %d queries, keys and values in all heads, got %zu", TERN_MAX_WIDTH,
		                d->n_convolved);
	return TERN_OK;
}

/* The last layers may predict more than the next token: they are left out. */
static enum tern_status load_hybrid(struct tern_hparams *h, const struct gguf *gguf, const struct tern_arch *arch,
                                    struct tern_error *err)
{
	size_t n_mtp = 0;
	enum tern_status status;

	h->n_layer_kv = h->n_layer;
	if (!arch->is_hybrid)
		return TERN_OK;
	h->attention_period = 4;
	h->gates_attention = true;
	if ((status = get_size(gguf, "nextn_predict_layers", &n_mtp, false, 0, h->n_layer - 1, err)) ||
	    (status =
	             get_size(gguf, "full_attention_interval", &h->attention_period, false, 1, TERN_MAX_LAYERS, err)) ||
	    (status = load_delta_shape(&h->delta, gguf, err)))
		return status;
	h->n_layer -= n_mtp;
	h->n_layer_kv = h->n_layer / h->attention_period;
	if (h->n_layer_kv == 0)
		return fail_key(gguf, "full_attention_interval", err, "expected at most the %zu layers, got %zu",
		                h->n_layer, h->attention_period);
	return check_sections(h, gguf, err);
}

enum tern_status tern_hparams_load(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	const struct tern_arch *arch = NULL;
	char key[GGUF_MAX_KEY_LENGTH + 1];
	enum tern_status status;
	bool found;

	memset(h, 0, sizeof *h);
	if ((status = tern_arch_find(gguf, &arch, err)) || (status = tern_arch_check_keys(gguf, arch, err)))
		return status;
	h->rope_interleaved = arch->rope_interleaved;
	h->ffn_activation = arch->ffn_activation;
	if ((status = load_sizes(h, gguf, arch, err)) || (status = load_vocab_size(h, gguf, err)) ||
	    (status = check_attention_scale(h, gguf, err)) || (status = load_window(h, gguf, arch, err)))
		return status;
	h->embedding_scale = arch->scales_embedding ? sqrtf((float)h->n_embd) : 1.0f;
	h->residual_scale = h->logit_divisor = 1.0f;
	if (arch->scales_stream && (status = load_stream_scales(h, gguf, err)))
		return status;
	snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", arch->name);
	h->rms_eps = 1.0f; /* any positive number; there is no default */
	if ((status = tern_get_positive(gguf, key, &h->rms_eps, &found, err)))
		return status;
	if (!found)
		return tern_gguf_fail_key(gguf, key, err, "missing");
	h->n_rot = h->head_dim;
	h->rope_in_windows_only = arch->rope_in_windows_only;
	const char *n_rot_suffix = arch->rope_in_windows_only ? "rope.dimension_count_swa" : "rope.dimension_count";
	if ((status = get_size(gguf, n_rot_suffix, &h->n_rot, arch->rope_in_windows_only, 2, h->head_dim, err)))
		return status;
	if (h->n_rot % 2)
		return fail_key(gguf, n_rot_suffix, err, "expected an even number, got %zu", h->n_rot);
	if ((status = load_hybrid(h, gguf, arch, err)))
		return status;
	status = load_tern_keys(h, gguf, arch, err);
	return status ? status : load_pooling(h, gguf, err);
}
