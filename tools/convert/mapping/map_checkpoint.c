#include "convert/mapping/map_checkpoint.h"

#include "base/memory.h"
#include "convert/mapping/layer.h"
#include "convert/mapping/projection.h"
#include "convert/mapping/vocabulary.h"

#include <stdio.h>
#include <string.h>

static bool ends_with(const struct json_string *name, const char *suffix)
{
	size_t n = strlen(suffix);
	return name->length >= n && memcmp(name->bytes + name->length - n, suffix, n) == 0;
}

static bool begins_with(const struct json_string *name, const char *prefix)
{
	size_t n = strlen(prefix);
	return name->length >= n && memcmp(name->bytes, prefix, n) == 0;
}

/* Packs of other tools are known by names; better to say so than that some tensor is missing. */
static enum tern_status check_packs(const struct mapper *m)
{
	for (size_t i = 0; i < m->ckpt->n_tensors; i++) {
		const struct tensor *tensor = &m->ckpt->tensors[i];
		if (ends_with(&tensor->name, ".qweight") || ends_with(&tensor->name, ".qzeros"))
			return checkpoint_fail(
			        m->ckpt, tensor, m->err,
			        "GPTQ and BitBLAS packs are not supported; convert the unpacked checkpoint");
	}
	return TERN_OK;
}

enum tern_status map_check_all_used(const struct checkpoint *ckpt, const struct config *config, struct tern_error *err)
{
	static const char *const harmless[] = {".rotary_emb.inv_freq", ".masked_bias"};

	for (size_t i = 0; i < ckpt->n_tensors; i++) {
		const struct tensor *tensor = &ckpt->tensors[i];
		bool is_harmless = tensor->is_used;
		for (size_t j = 0; j < sizeof harmless / sizeof *harmless; j++)
			is_harmless = is_harmless || ends_with(&tensor->name, harmless[j]);
		if (config->family->is_hybrid) /* the part that sees, and that predicts the token after the next */
			is_harmless = is_harmless || begins_with(&tensor->name, "mtp.") ||
			              begins_with(&tensor->name, "model.visual.");
		if (config->family->is_mlx) /* a smaller head, which finds the best tokens nearly always */
			is_harmless = is_harmless || begins_with(&tensor->name, "lm_head_flash.");
		if (!is_harmless)
			return checkpoint_fail(
			        ckpt, tensor, err,
			        "a %s model of %llu layers has no use for it; without it the model would run wrong",
			        config->family->title, (unsigned long long)config->n_layer);
	}
	return TERN_OK;
}

/* Norms in front of projections: all have weights, or none has. */
static enum tern_status conclude_norms(struct mapper *m)
{
	const struct quantization *q = &m->config->quantization;
	struct mapping *mapping = m->mapping;

	mapping->linear_norm = "none";
	mapping->has_linear_norm = m->with_norm[0] || q->use_rms_norm;
	mapping->linear_norm_eps = m->n_model_eps && !q->has_rms_norm_eps ? m->config->rms_eps : q->rms_norm_eps;
	if (m->n_with_norm == 0) {
		if (q->use_rms_norm)
			mapping->linear_norm = "weightless";
		return TERN_OK;
	}
	mapping->linear_norm = "weight";
	if (m->n_with_norm < m->n_linear || m->without_norm[0])
		return tern_fail(m->err, TERN_ERR_FILE,
		                 "%s: %s has a norm of its own but %s has none; expected all or none",
		                 m->ckpt->dir->path, m->with_norm, m->without_norm);
	if (q->is_there && !q->use_rms_norm)
		listener_warn(
		        &m->options->listener,
		        "the projections have norms of their own though use_rms_norm is not set; they are applied");
	return TERN_OK;
}

/* Names begin with "model." in a causal language model, with nothing in its bare decoder, and with
 * "model.language_model." in a model that also sees. */
static enum tern_status find_prefix(struct mapper *m)
{
	static const char *const prefixes[] = {"model.", "", "model.language_model."};
	size_t n = m->config->family->is_hybrid ? 3 : 2;
	char name[MAPPER_NAME_SIZE];
	struct tensor *embedding;

	for (size_t i = 0; i < n; i++) {
		m->prefix = prefixes[i];
		snprintf(name, sizeof name, "%s%s.weight", m->prefix, mapper_embedding(m));
		if (checkpoint_find(m->ckpt, name))
			return TERN_OK;
	}
	return mapper_require(m, &embedding, "not a decoder in Hugging Face layout", "model.%s.weight",
	                      mapper_embedding(m));
}

static enum tern_status map_rope(struct mapper *m)
{
	const struct rope *rope = &m->config->rope;
	struct output_tensor divisors = {.kind = OUTPUT_ROPE_FREQS, .n_row = 1, .n_col = rope->n_rot / 2};
	enum tern_status status;

	if (rope->type == ROPE_LLAMA3)
		return mapper_add(m, &divisors, "rope_freqs.weight");
	if (rope->type != ROPE_LONGROPE)
		return TERN_OK;
	divisors.kind = OUTPUT_ROPE_SHORT;
	if ((status = mapper_add(m, &divisors, "rope_factors_short.weight")))
		return status;
	divisors.kind = OUTPUT_ROPE_LONG;
	return mapper_add(m, &divisors, "rope_factors_long.weight");
}

static enum tern_status map_all(struct mapper *m)
{
	const struct config *config = m->config;
	struct tensor *embedding;
	enum tern_status status;

	if ((status = check_packs(m)) || (status = find_prefix(m)))
		return status;
	/* A projection with a norm of its own was trained as BitNet is, whatever config.json says. */
	m->is_trained = config->family->is_trained_ternary || config->quantization.is_there || has_linear_norms(m);
	m->mapping->per_token = m->is_trained;
	embedding = mapper_take(m, "%s%s.weight", m->prefix, mapper_embedding(m));
	if ((status = map_embedding(m, embedding)))
		return status;
	for (uint64_t layer = 0; layer < config->n_layer; layer++)
		if ((status = map_layer(m, layer)))
			return status;
	if ((status = map_norm(m, "norm", "output_norm.weight", config->n_embd, "it is the last norm")) ||
	    (status = map_head(m, embedding)) || (status = conclude_norms(m)))
		return status;
	status = map_rope(m);
	return status ? status : map_check_all_used(m->ckpt, m->config, m->err);
}

enum tern_status map_checkpoint(struct mapping *mapping, struct checkpoint *ckpt, const struct config *config,
                                const struct convert_options *options, struct tern_error *err)
{
	struct mapper m = {.mapping = mapping, .ckpt = ckpt, .config = config, .options = options, .err = err};
	size_t n_matrices = (size_t)config->n_layer * TERN_N_LAYER_MATRICES + 2; /* embedding and head may be ternary */

	memset(mapping, 0, sizeof *mapping);
	if (!(mapping->matrices = tern_alloc(n_matrices, sizeof *mapping->matrices)))
		return tern_fail_memory(err, n_matrices * sizeof *mapping->matrices);
	return map_all(&m);
}
