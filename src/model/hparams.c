/* The numbers of a model: from metadata to a checked struct tern_hparams. */
#include "model/transformer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	MAX_LAYERS = 1024,
	MAX_HEAD_DIM = 512,
	MAX_WIDTH = 1 << 16,
	MAX_VOCAB = 1 << 22,
	MAX_CONTEXT = 1 << 24
};

/* Architectures that are this decoder, and what sets them apart. Pairing and row order follow llama.cpp. */
static const struct arch {
	const char *name;
	bool rope_interleaved;
	enum tern_ffn_activation ffn_activation;
} archs[] = {
        {"llama", true, TERN_FFN_SILU},   {"qwen2", false, TERN_FFN_SILU},         {"qwen3", false, TERN_FFN_SILU},
        {"bitnet", false, TERN_FFN_SILU}, {"bitnet-b1.58", false, TERN_FFN_RELU2}, {"bitnet-25", false, TERN_FFN_RELU2},
};

static enum tern_status find_arch(const struct gguf *gguf, const struct arch **found, struct tern_error *err)
{
	struct gguf_string name;
	bool is_present;
	char quoted[TERN_QUOTE_SIZE];
	enum tern_status status = tern_gguf_get_string(gguf, "general.architecture", &name, &is_present, err);

	if (status)
		return status;
	if (!is_present)
		return tern_fail(err, TERN_ERR_FILE, "%s: key 'general.architecture': missing", gguf->path);
	for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
		if (strlen(archs[i].name) == name.length && !memcmp(archs[i].name, name.bytes, name.length)) {
			*found = &archs[i];
			return TERN_OK;
		}
	return tern_fail(
	        err, TERN_ERR_FILE,
	        "%s: key 'general.architecture': '%s' is not supported; tern runs llama, qwen2, qwen3, bitnet, "
	        "bitnet-b1.58 and bitnet-25",
	        gguf->path, tern_quote(quoted, name.bytes, name.length));
}

enum tern_status tern_arch_key(char key[GGUF_MAX_KEY_LENGTH + 1], const struct gguf *gguf, const char *suffix,
                               struct tern_error *err)
{
	const struct arch *arch;
	enum tern_status status = find_arch(gguf, &arch, err);

	if (!status)
		snprintf(key, GGUF_MAX_KEY_LENGTH + 1, "%s.%s", arch->name, suffix);
	return status;
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
		status = tern_gguf_get_u32(gguf, key, &number, &found, err);
	if (status)
		return status;
	if (!found && required)
		return tern_fail(err, TERN_ERR_FILE, "%s: key '%s': missing", gguf->path, key);
	if (number < low || number > high)
		return tern_fail(err, TERN_ERR_FILE, "%s: key '%s': expected %zu to %zu, got %u", gguf->path, key, low,
		                 high, number);
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
		return tern_fail(err, TERN_ERR_FILE, "%s: key '%s': expected a finite number above 0, got %g",
		                 gguf->path, key, (double)*value);
	return TERN_OK;
}

/* "FILE: key 'ARCH.suffix': WHAT" */
__attribute__((format(printf, 4, 5))) static enum tern_status fail_key(const struct gguf *gguf, const char *suffix,
                                                                       struct tern_error *err, const char *format, ...)
{
	char key[GGUF_MAX_KEY_LENGTH + 1], what[256];
	enum tern_status status = tern_arch_key(key, gguf, suffix, err);
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	return status ? status : tern_fail(err, TERN_ERR_FILE, "%s: key '%s': %s", gguf->path, key, what);
}

/* Query heads, key/value heads and their size. */
static enum tern_status load_heads(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	enum tern_status status;

	if ((status = get_size(gguf, "attention.head_count", &h->n_head, true, 1, MAX_WIDTH, err)))
		return status;
	h->n_head_kv = h->n_head;
	if ((status = get_size(gguf, "attention.head_count_kv", &h->n_head_kv, false, 1, h->n_head, err)))
		return status;
	if (h->n_head % h->n_head_kv)
		return fail_key(gguf, "attention.head_count_kv", err, "%zu does not divide the %zu heads", h->n_head_kv,
		                h->n_head);
	h->head_dim = h->n_embd / h->n_head;
	if ((status = get_size(gguf, "attention.key_length", &h->head_dim, false, 2, MAX_HEAD_DIM, err)))
		return status;
	size_t value_dim = h->head_dim;
	if ((status = get_size(gguf, "attention.value_length", &value_dim, false, 2, MAX_HEAD_DIM, err)))
		return status;
	if (value_dim != h->head_dim)
		return fail_key(gguf, "attention.value_length", err, "expected attention.key_length, %zu, got %zu",
		                h->head_dim, value_dim);
	if (h->head_dim % 2 || h->n_head * h->head_dim > MAX_WIDTH)
		return fail_key(
		        gguf, "attention.key_length", err,
		        "expected an even number, and at most %d values in all heads; got %zu in each of %zu heads",
		        MAX_WIDTH, h->head_dim, h->n_head);
	if (h->n_head * h->head_dim % 16)
		return fail_key(gguf, "attention.key_length", err,
		                "expected a multiple of 16 values in all heads; got %zu in each of %zu heads",
		                h->head_dim, h->n_head);
	return TERN_OK;
}

static enum tern_status load_sizes(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	enum tern_status status;

	if ((status = get_size(gguf, "block_count", &h->n_layer, true, 1, MAX_LAYERS, err)) ||
	    (status = get_size(gguf, "embedding_length", &h->n_embd, true, 16, MAX_WIDTH, err)) ||
	    (status = get_size(gguf, "feed_forward_length", &h->n_ff, true, 16, MAX_WIDTH, err)) ||
	    (status = get_size(gguf, "context_length", &h->n_ctx_train, true, 1, MAX_CONTEXT, err)))
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
	if (embedding->n_dims != 2 || embedding->dims[1] > MAX_VOCAB)
		return tern_fail(err, TERN_ERR_FILE,
		                 "%s: tensor 'token_embd.weight': expected %zu columns and at most %d rows", gguf->path,
		                 h->n_embd, MAX_VOCAB);
	h->n_vocab = (size_t)embedding->dims[1];
	if (tokens && tokens->n_items != h->n_vocab)
		return tern_fail(err, TERN_ERR_FILE,
		                 "%s: tensor 'token_embd.weight': %zu rows, but 'tokenizer.ggml.tokens' has %llu items",
		                 gguf->path, h->n_vocab, (unsigned long long)tokens->n_items);
	return TERN_OK;
}

static bool string_is(struct gguf_string string, const char *text)
{
	return string.length == strlen(text) && !memcmp(string.bytes, text, string.length);
}

/* tern's own keys: how activations are quantised, and the norm in front of projections. */
static enum tern_status load_tern_keys(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	struct gguf_string activation = {"per_token", 9}, norm = {"none", 4};
	uint32_t group = 128;
	enum tern_status status;

	if ((status = tern_gguf_get_string(gguf, "tern.activation", &activation, NULL, err)) ||
	    (status = tern_gguf_get_u32(gguf, "tern.activation_group", &group, NULL, err)) ||
	    (status = tern_gguf_get_string(gguf, "tern.linear_norm", &norm, NULL, err)))
		return status;
	if (string_is(activation, "per_group")) {
		if (group < 16 || group % 16 || group > MAX_WIDTH)
			return tern_fail(err, TERN_ERR_FILE,
			                 "%s: key 'tern.activation_group': expected a multiple of 16, got %u",
			                 gguf->path, group);
		h->activation_group = group;
	} else if (!string_is(activation, "per_token"))
		return tern_fail(err, TERN_ERR_FILE, "%s: key 'tern.activation': expected per_token or per_group",
		                 gguf->path);

	if (string_is(norm, "weight"))
		h->linear_norm = TERN_LINEAR_NORM_GAIN;
	else if (string_is(norm, "weightless"))
		h->linear_norm = TERN_LINEAR_NORM_WEIGHTLESS;
	else if (!string_is(norm, "none"))
		return tern_fail(err, TERN_ERR_FILE, "%s: key 'tern.linear_norm': expected none, weight or weightless",
		                 gguf->path);
	h->linear_norm_eps = h->linear_norm == TERN_LINEAR_NORM_NONE ? h->rms_eps : 1e-6f;
	return tern_get_positive(gguf, "tern.linear_norm_eps", &h->linear_norm_eps, NULL, err);
}

/* What other engines' files may ask for beyond the shape, and would be wrong without. */
static enum tern_status check_foreign_keys(const struct gguf *gguf, const struct arch *arch, struct tern_error *err)
{
	static const char hadamard[] = "prism.hadamard.";
	char key[GGUF_MAX_KEY_LENGTH + 1], quoted[TERN_QUOTE_SIZE];
	uint32_t window = 0, n_ctx_train = 0;
	enum tern_status status;

	for (size_t i = 0; i < gguf->n_pairs; i++) {
		struct gguf_string name = gguf->pairs[i].key;
		if (name.length >= sizeof hadamard - 1 && !memcmp(name.bytes, hadamard, sizeof hadamard - 1))
			return tern_fail(err, TERN_ERR_FILE,
			                 "%s: key '%s': weights in a Hadamard-rotated basis are not supported",
			                 gguf->path, tern_quote(quoted, name.bytes, name.length));
	}
	snprintf(key, sizeof key, "%s.context_length", arch->name);
	if ((status = tern_gguf_get_u32(gguf, key, &n_ctx_train, NULL, err)))
		return status;
	snprintf(key, sizeof key, "%s.attention.sliding_window", arch->name);
	if ((status = tern_gguf_get_u32(gguf, key, &window, NULL, err)))
		return status;
	if (window && window < n_ctx_train)
		return tern_fail(err, TERN_ERR_FILE,
		                 "%s: key '%s': attention to the last %u tokens only is not supported", gguf->path, key,
		                 (unsigned)window);
	return TERN_OK;
}

enum tern_status tern_hparams_load(struct tern_hparams *h, const struct gguf *gguf, struct tern_error *err)
{
	const struct arch *arch = NULL;
	char key[GGUF_MAX_KEY_LENGTH + 1];
	enum tern_status status;
	bool found;

	memset(h, 0, sizeof *h);
	if ((status = find_arch(gguf, &arch, err)) || (status = check_foreign_keys(gguf, arch, err)))
		return status;
	h->rope_interleaved = arch->rope_interleaved;
	h->ffn_activation = arch->ffn_activation;
	if ((status = load_sizes(h, gguf, err)) || (status = load_vocab_size(h, gguf, err)))
		return status;
	snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", arch->name);
	h->rms_eps = 1.0f; /* any positive number; there is no default */
	if ((status = tern_get_positive(gguf, key, &h->rms_eps, &found, err)))
		return status;
	if (!found)
		return tern_fail(err, TERN_ERR_FILE, "%s: key '%s': missing", gguf->path, key);
	h->n_rot = h->head_dim;
	if ((status = get_size(gguf, "rope.dimension_count", &h->n_rot, false, 2, h->head_dim, err)))
		return status;
	if (h->n_rot % 2)
		return tern_fail(err, TERN_ERR_FILE,
		                 "%s: key '%s.rope.dimension_count': expected an even number, got %zu", gguf->path,
		                 arch->name, h->n_rot);
	return load_tern_keys(h, gguf, err);
}
