/* Reading config.json. */
#include "convert/config/config.h"

#include "model/limits.h"
#include "json/value.h"

#include <stdio.h>
#include <string.h>

static enum tern_status read_activation(struct config *config, struct json_value root, struct tern_error *err)
{
	const struct family *family = config->family;
	struct json_value act = json_find(root, family->activation_key ? family->activation_key : "hidden_act");
	char expected[40];

	config->arch = family->arch;
	if (!json_exists(act) || json_type(act) == JSON_NULL || json_string_is(act, family->activation))
		return TERN_OK;
	if (family->silu_arch && json_string_is(act, "silu")) {
		config->arch = family->silu_arch;
		return TERN_OK;
	}
	snprintf(expected, sizeof expected, "\"%s\"%s", family->activation, family->silu_arch ? " or \"silu\"" : "");
	return json_fail_type(act, expected, err);
}

/* ---- shape ---- */

static enum tern_status read_heads(struct config *config, struct json_value root, struct tern_error *err)
{
	enum tern_status status;

	if ((status = json_get_size(root, "num_attention_heads", true, 1, TERN_MAX_WIDTH, &config->n_head, err)))
		return status;
	config->n_head_kv = config->n_head;
	if ((status = json_get_size(root, "num_key_value_heads", false, 1, config->n_head, &config->n_head_kv, err)))
		return status;
	if (config->n_head % config->n_head_kv)
		return json_fail(json_find(root, "num_key_value_heads"), err,
		                 "%llu does not divide num_attention_heads, %llu",
		                 (unsigned long long)config->n_head_kv, (unsigned long long)config->n_head);
	config->head_dim = config->family->default_head_dim;
	if (!config->head_dim && config->n_embd % config->n_head == 0)
		config->head_dim = config->n_embd / config->n_head;
	if ((status = json_get_size(root, "head_dim", config->head_dim == 0, 2, TERN_MAX_HEAD_DIM, &config->head_dim,
	                            err)))
		return status;
	if (config->head_dim % 2 || config->head_dim < 2 || config->head_dim > TERN_MAX_HEAD_DIM)
		return json_fail(root, err, "the head size (head_dim) is %llu; expected an even number from 2 to %d",
		                 (unsigned long long)config->head_dim, TERN_MAX_HEAD_DIM);
	if (config->n_head * config->head_dim > TERN_MAX_WIDTH || config->n_head * config->head_dim % 16)
		return json_fail(root, err, "all heads are %llu wide; expected a multiple of 16, at most %d",
		                 (unsigned long long)(config->n_head * config->head_dim), TERN_MAX_WIDTH);
	return TERN_OK;
}

static enum tern_status read_shape(struct config *config, struct json_value root, struct tern_error *err)
{
	const struct {
		const char *key;
		uint64_t low, high, *out;
	} sizes[] = {
	        {"hidden_size", 16, TERN_MAX_WIDTH, &config->n_embd},
	        {"intermediate_size", 16, TERN_MAX_WIDTH, &config->n_ff},
	        {"num_hidden_layers", 1, TERN_MAX_LAYERS, &config->n_layer},
	        {"vocab_size", 1, TERN_MAX_VOCAB, &config->n_vocab},
	        {"max_position_embeddings", 1, TERN_MAX_CONTEXT, &config->n_ctx},
	};
	enum tern_status status;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		status = json_get_size(root, sizes[i].key, true, sizes[i].low, sizes[i].high, sizes[i].out, err);
		if (status)
			return status;
		if (sizes[i].low == 16 && *sizes[i].out % 16)
			return json_fail_type(json_find(root, sizes[i].key), "a multiple of 16", err);
	}
	if ((status = read_heads(config, root, err)))
		return status;
	return json_get_positive(root, "rms_norm_eps", true, &config->rms_eps, err);
}

/* MiniCPM's constants. transformers' defaults would make another model of it than its author meant. */
static enum tern_status read_stream_scales(struct config *config, struct json_value root, struct tern_error *err)
{
	enum tern_status status;

	if (!config->family->scales_stream)
		return TERN_OK;
	if ((status = json_get_positive(root, "scale_emb", true, &config->scale_emb, err)) ||
	    (status = json_get_positive(root, "scale_depth", true, &config->scale_depth, err)))
		return status;
	return json_get_positive(root, "dim_model_base", true, &config->dim_model_base, err);
}

/* ---- what only some models of a family have ---- */

/* Members that ask for more than tern computes unless they are absent, null, false or 0. */
static enum tern_status check_extras(const struct config *config, struct json_value root, struct tern_error *err)
{
	static const char *const extras[] = {
	        "attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention",   "sparse_config",
	        "num_shared_experts",     "first_k_dense_replace",   "moe_router_enable_expert_bias", "use_bias"};
	double scalar = (double)config->head_dim;
	enum tern_status status;

	for (size_t i = 0; i < sizeof extras / sizeof *extras; i++) {
		struct json_value value = json_find(root, extras[i]);
		double number = 1.0;
		bool flag = true;
		if (!json_exists(value) || json_type(value) == JSON_NULL ||
		    (json_type(value) == JSON_BOOL && !json_to_bool(value, &flag, err) && !flag) ||
		    (json_type(value) == JSON_NUMBER && !json_to_f64(value, &number, err) && number == 0.0))
			continue;
		return json_fail(value, err, "is not supported");
	}
	/* Scores are divided by the root of this number, and in tern by the root of the head's size. */
	if ((status = json_get_positive(root, "query_pre_attn_scalar", false, &scalar, err)))
		return status;
	if (scalar != (double)config->head_dim)
		return json_fail(json_find(root, "query_pre_attn_scalar"), err,
		                 "%g is not supported, only head_dim, %llu", scalar,
		                 (unsigned long long)config->head_dim);
	return TERN_OK;
}

/* ---- quantization_config ---- */

/* A member that has to be one of two words; *is_second tells which it is. */
static enum tern_status get_choice(struct json_value object, const char *key, const char *first, const char *second,
                                   bool *is_second, struct tern_error *err)
{
	char expected[80];
	struct json_value value = json_find(object, key);

	if (!json_exists(value) || json_type(value) == JSON_NULL)
		return TERN_OK;
	*is_second = json_string_is(value, second);
	if (*is_second || json_string_is(value, first))
		return TERN_OK;
	snprintf(expected, sizeof expected, "\"%s\" or \"%s\"", first, second);
	return json_fail_type(value, expected, err);
}

static enum tern_status check_quantization(struct json_value object, struct tern_error *err)
{
	struct json_value method = json_find(object, "quant_method"), bits = json_find(object, "bits");

	if (!json_exists(method))
		return json_fail_missing(object, "quant_method", "\"bitnet\"", err);
	if (!json_string_is(method, "bitnet"))
		return json_fail_type(method, "\"bitnet\" (other quantizations are no ternary weights)", err);
	if (json_exists(bits))
		return json_fail(bits, err,
		                 "GPTQ-like BitNet checkpoints (bits, group_size, *.qweight) are not supported");
	return TERN_OK;
}

static enum tern_status read_quantization(struct quantization *q, struct json_value root, struct tern_error *err)
{
	struct json_value object;
	bool is_auto = false;
	enum tern_status status = json_get_container(root, "quantization_config", JSON_OBJECT, &object, err);

	q->divides = true;
	q->rms_norm_eps = 1e-6; /* BitNetQuantConfig's default, which is not the model's rms_norm_eps */
	if (status || !json_exists(object))
		return status;
	q->is_there = true;
	if ((status = check_quantization(object, err)) ||
	    (status = get_choice(object, "linear_class", "bitlinear", "autobitlinear", &is_auto, err)) ||
	    (status = get_choice(object, "quantization_mode", "offline", "online", &q->is_online, err)) ||
	    (status = json_get_bool(object, "use_rms_norm", &q->use_rms_norm, NULL, err)) ||
	    (status = json_get_container(object, "modules_to_not_convert", JSON_ARRAY, &q->not_converted, err)))
		return status;
	q->divides = !is_auto;
	struct json_value eps = json_find(object, "rms_norm_eps");
	q->has_rms_norm_eps = json_exists(eps) && json_type(eps) != JSON_NULL;
	return json_get_positive(object, "rms_norm_eps", false, &q->rms_norm_eps, err);
}

/* MLX's description of its packs, which it may repeat as quantization_config. Shapes say the rest. */
static enum tern_status check_mlx(const struct family *family, struct json_value root, struct tern_error *err)
{
	struct json_value object;
	uint64_t bits = 0;
	bool is_other = false;
	enum tern_status status = json_get_container(root, "quantization", JSON_OBJECT, &object, err);

	if (!status && !json_exists(object))
		status = json_get_container(root, "quantization_config", JSON_OBJECT, &object, err);
	if (status)
		return status;
	if (!json_exists(object))
		return json_fail(root, err,
		                 "no quantization: float masters of %s, and how those are ternarized is not published; "
		                 "tern-convert reads its 2-bit checkpoint for MLX, and tern its GGUF files",
		                 family->title);
	if ((status = json_get_u64(object, "bits", &bits, NULL, err)) ||
	    (status = get_choice(object, "mode", "affine", "affine", &is_other, err)))
		return status;
	return bits == 2 ? TERN_OK
	                 : json_fail(object, err, "%llu bits; only the 2 of ternary weights are supported",
	                             (unsigned long long)bits);
}

static bool contains(const char *text, struct json_string part)
{
	size_t n = strlen(text);

	for (size_t i = 0; i + part.length <= n; i++)
		if (memcmp(text + i, part.bytes, part.length) == 0)
			return true;
	return false;
}

bool config_is_not_converted(const struct config *config, const char *module)
{
	struct json_value list = config->quantization.not_converted;

	if (!json_exists(list))
		return strcmp(module, "lm_head") == 0;
	for (struct json_iterator it = json_items(list); json_next(&it);)
		if (json_type(it.value) == JSON_STRING && contains(module, json_string(it.value)))
			return true;
	return false;
}

/* ---- the file ---- */

/* Layers that see everything know no positions, and those with a window rotate a part of each head. */
static enum tern_status check_rotation(struct json_value root, struct tern_error *err)
{
	bool has_none = true;
	enum tern_status status = json_get_bool(root, "nope_on_global_attention", &has_none, NULL, err);

	if (status)
		return status;
	if (!has_none)
		return json_fail_type(json_find(root, "nope_on_global_attention"), "true", err);
	if (!json_exists(json_find(root, "partial_rotary_factor")))
		return json_fail_missing(root, "partial_rotary_factor", "a number, such as 0.5", err);
	return TERN_OK;
}

/* Which layers see how much, and where the others are delta nets. */
static enum tern_status read_layers(struct config *config, struct json_value root, struct tern_error *err)
{
	const struct family *family = config->family;
	enum tern_status status;

	if (!family->is_hybrid &&
	    (status = windows_read(&config->windows, root, family->window_period, config->n_layer, config->n_ctx, err)))
		return status;
	if (family->rotates_windows && (status = check_rotation(root, err)))
		return status;
	if ((status = rope_read(&config->rope, root, family->default_rope_theta, family->default_local_theta,
	                        config->head_dim, config->n_ctx, err)) ||
	    !family->is_hybrid)
		return status;
	return delta_read(&config->delta, root, config->n_layer, config->rope.n_rot, err);
}

/* What describes the network: all of config.json, or the text model's part. */
static enum tern_status read_network(struct config *config, struct json_value root, struct tern_error *err)
{
	enum tern_status status;

	if ((status = read_activation(config, root, err)) || (status = read_shape(config, root, err)) ||
	    (status = read_stream_scales(config, root, err)) || (status = check_extras(config, root, err)) ||
	    (status = json_get_bool(root, "tie_word_embeddings", &config->is_tied, &config->says_tied, err)) ||
	    (status = json_get_bool(root, "attention_bias", &config->attention_bias, NULL, err)) ||
	    (status = json_get_bool(root, "mlp_bias", &config->mlp_bias, NULL, err)))
		return status;
	if ((config->family->features & LAYER_EXPERTS) && (status = experts_read(&config->experts, root, err)))
		return status;
	return read_layers(config, root, err);
}

static enum tern_status read_rest(struct config *config, struct json_value root, struct tern_error *err)
{
	enum tern_status status;
	struct json_string path = {"", 0};
	bool says_tied = false;

	config->has_sub_norms = (config->family->features & LAYER_SUB_NORMS) != 0;
	if ((status = json_get_bool(root, "tie_word_embeddings", &config->is_tied, &says_tied, err)) ||
	    (config->has_sub_norms &&
	     (status = json_get_bool(root, "use_sub_norms", &config->has_sub_norms, NULL, err))) ||
	    (status = json_get_string(root, "_name_or_path", &path, NULL, err)))
		return status;
	config->says_tied = config->says_tied || says_tied;
	/* "/home/x/my-model/" and "org/my-model" are called my-model. */
	while (path.length > 0 && path.bytes[path.length - 1] == '/')
		path.length--;
	config->name = path;
	for (size_t i = 0; i < path.length; i++)
		if (path.bytes[i] == '/')
			config->name = (struct json_string){path.bytes + i + 1, path.length - i - 1};
	return TERN_OK;
}

enum tern_status config_read(struct config *config, const struct directory *dir, bool optional, struct tern_error *err)
{
	enum tern_status status;

	memset(config, 0, sizeof *config);
	config->pooling = POOLING_UNKNOWN;
	/* Published files repeat keys; as everywhere in Python, the last one counts. */
	if ((status = directory_read_json(dir, "config.json", 0, &config->json, err)))
		return status;
	if (!config->json.words) {
		if (optional)
			return TERN_OK;
		return tern_fail(err, TERN_ERR_FILE, "%s/config.json: is missing: not a checkpoint, or half downloaded",
		                 dir->path);
	}
	struct json_value root = json_root(&config->json), text = {0};
	if (!(status = family_find(&config->family, root, err)) && config->family->is_mlx)
		status = check_mlx(config->family, root, err);
	else if (!status && config->family->is_hybrid)
		status = json_get_container(root, "text_config", JSON_OBJECT, &text, err);
	if (!status && !(status = read_network(config, json_exists(text) ? text : root, err)) &&
	    (config->family->is_mlx || !(status = read_quantization(&config->quantization, root, err))) &&
	    !(status = pooling_read(&config->pooling, dir, err)))
		status = read_rest(config, root, err);
	if (status)
		config_free(config);
	return status;
}

void config_free(struct config *config)
{
	directory_free_json(&config->json);
	memset(config, 0, sizeof *config);
}
