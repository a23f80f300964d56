#include "convert/metadata.h"

#include "base/exactmath.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct putter {
	struct gguf_writer *writer;
	const char *arch;
};

static void put_text(const struct putter *p, const char *key, const char *bytes, size_t n)
{
	tern_gguf_put_string(p->writer, key, bytes, n);
}

/* "ARCH.suffix" */
static void put_size(const struct putter *p, const char *suffix, uint64_t value)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];

	snprintf(key, sizeof key, "%s.%s", p->arch, suffix);
	tern_gguf_put_u32(p->writer, key, (uint32_t)value); /* fits: config.c has checked the limits */
}

static void put_number(const struct putter *p, const char *suffix, double value)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];

	snprintf(key, sizeof key, "%s.%s", p->arch, suffix);
	tern_gguf_put_f32(p->writer, key, (float)value);
}

/* Its lists are tensors. llama.cpp takes the factor on cosine and sine from the file; 1 is its default. */
static void put_longrope(const struct putter *p, const struct rope *rope)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];

	snprintf(key, sizeof key, "%s.rope.scaling.type", p->arch);
	put_text(p, key, "longrope", 8);
	put_size(p, "rope.scaling.original_context_length", rope->original_context);
	if (rope->attention_factor != 1.0)
		put_number(p, "rope.scaling.attn_factor", rope->attention_factor);
}

static void put_rope(const struct putter *p, const struct config *config)
{
	const struct rope *rope = &config->rope;
	char key[GGUF_MAX_KEY_LENGTH + 1];

	put_size(p, "rope.dimension_count", config->family->rotates_windows ? 0 : rope->n_rot);
	if (config->family->rotates_windows)
		put_size(p, "rope.dimension_count_swa", rope->n_rot);
	put_number(p, "rope.freq_base", rope->theta);
	if (rope->type == ROPE_LONGROPE)
		put_longrope(p, rope);
	if (rope->type != ROPE_LINEAR && rope->type != ROPE_YARN)
		return;
	snprintf(key, sizeof key, "%s.rope.scaling.type", p->arch);
	put_text(p, key, rope->type == ROPE_YARN ? "yarn" : "linear", rope->type == ROPE_YARN ? 4 : 6);
	put_number(p, "rope.scaling.factor", rope->factor);
	if (rope->type == ROPE_LINEAR)
		return;
	put_size(p, "rope.scaling.original_context_length", rope->original_context);
	/* Readers multiply this with 0.1 ln(factor) + 1 of their own. */
	double own = rope->factor > 1.0 ? 0.1 * tern_log_f64(rope->factor) + 1.0 : 1.0;
	put_number(p, "rope.scaling.attn_factor", rope->attention_factor / own);
	put_number(p, "rope.scaling.yarn_beta_fast", rope->beta_fast);
	put_number(p, "rope.scaling.yarn_beta_slow", rope->beta_slow);
}

/* MiniCPM's constants, as llama.cpp's keys have them. */
static void put_stream_scales(const struct putter *p, const struct config *config)
{
	put_number(p, "embedding_scale", config->scale_emb);
	put_number(p, "residual_scale", config->scale_depth / sqrt((double)config->n_layer));
	put_number(p, "logit_scale", (double)config->n_embd / config->dim_model_base);
}

/* Delta nets. llama.cpp wants sections even for texts. */
static void put_delta(const struct putter *p, const struct delta *delta)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];

	put_size(p, "ssm.conv_kernel", DELTA_TAPS);
	put_size(p, "ssm.state_size", delta->head_dim);
	put_size(p, "ssm.group_count", delta->n_head_key);
	put_size(p, "ssm.time_step_rank", delta->n_head);
	put_size(p, "ssm.inner_size", delta->n_head * delta->head_dim);
	put_size(p, "full_attention_interval", delta->period);
	snprintf(key, sizeof key, "%s.rope.dimension_sections", p->arch);
	if (delta->has_sections)
		tern_gguf_put_array(p->writer, key, GGUF_I32, delta->sections, DELTA_SECTIONS);
}

/* Layers that see a window: a period or flags, as llama.cpp's key for the architecture has it. */
static void put_windows(const struct putter *p, const struct config *config)
{
	const struct windows *windows = &config->windows;
	char key[GGUF_MAX_KEY_LENGTH + 1];

	put_size(p, "attention.sliding_window", windows->size);
	if (config->rope.local_theta > 0.0)
		put_number(p, "rope.freq_base_swa", config->rope.local_theta);
	if (windows->period && !config->family->rotates_windows) {
		put_size(p, "attention.sliding_window_pattern", windows->period);
		return;
	}
	snprintf(key, sizeof key, "%s.attention.sliding_window_pattern", p->arch);
	tern_gguf_put_array(p->writer, key, GGUF_BOOL, windows->has_window, (size_t)config->n_layer);
}

/* Maple's experts; their activation is limited to 7. */
static void put_experts(const struct putter *p, const struct config *config)
{
	const struct experts *experts = &config->experts;
	float limits[WINDOWS_MAX_LAYERS];
	char key[GGUF_MAX_KEY_LENGTH + 1];

	put_size(p, "expert_count", experts->n);
	put_size(p, "expert_used_count", experts->n_used);
	put_size(p, "expert_feed_forward_length", experts->n_ff);
	put_size(p, "expert_gating_func", 1); /* softmax */
	snprintf(key, sizeof key, "%s.expert_weights_norm", p->arch);
	tern_gguf_put_bool(p->writer, key, experts->normalizes);
	for (uint64_t i = 0; i < config->n_layer; i++)
		limits[i] = 7.0f;
	snprintf(key, sizeof key, "%s.swiglu_clamp_exp", p->arch);
	tern_gguf_put_array(p->writer, key, GGUF_F32, limits, (size_t)config->n_layer);
}

static void put_shape(const struct putter *p, const struct config *config)
{
	put_size(p, "block_count", config->n_layer);
	put_size(p, "context_length", config->n_ctx);
	put_size(p, "embedding_length", config->n_embd);
	put_size(p, "feed_forward_length", config->n_ff);
	put_size(p, "vocab_size", config->n_vocab);
	put_size(p, "attention.head_count", config->n_head);
	put_size(p, "attention.head_count_kv", config->n_head_kv);
	put_size(p, "attention.key_length", config->head_dim);
	put_size(p, "attention.value_length", config->head_dim);
	put_number(p, "attention.layer_norm_rms_epsilon", config->rms_eps);
}

static void put_own(const struct putter *p, const struct mapping *mapping, const struct config *config)
{
	put_text(p, "tern.activation", mapping->per_token ? "per_token" : "per_group", 9);
	if (!mapping->per_token)
		tern_gguf_put_u32(p->writer, "tern.activation_group", ACTIVATION_GROUP);
	put_text(p, "tern.linear_norm", mapping->linear_norm, strlen(mapping->linear_norm));
	if (mapping->has_linear_norm)
		tern_gguf_put_f32(p->writer, "tern.linear_norm_eps", (float)mapping->linear_norm_eps);
	/* BitNet's graph has sub-norms unless the file says otherwise. */
	if ((config->family->features & LAYER_SUB_NORMS) && !config->has_sub_norms)
		tern_gguf_put_bool(p->writer, "tern.sub_norm", false);
}

/* general.name: the name in config.json, else the directory's; X/models--org--name/snapshots/REVISION of a cache gives
 * "name". */
static void put_name(const struct putter *p, const struct directory *dir, const struct config *config)
{
	const char *end = dir->real + strlen(dir->real), *start;

	if (config->name.length > 0) {
		put_text(p, "general.name", config->name.bytes, config->name.length);
		return;
	}
	if (dir->blobs) /* X/models--org--name/blobs */
		end = dir->real + strlen(dir->blobs) - strlen("/blobs");
	for (start = end; start > dir->real && start[-1] != '/';)
		start--;
	for (const char *s = start; dir->blobs && s + 2 < end; s++)
		if (memcmp(s, "--", 2) == 0)
			start = s + 2;
	if (start < end)
		put_text(p, "general.name", start, (size_t)(end - start));
}

void metadata_write(struct gguf_writer *writer, const struct directory *dir, const struct config *config,
                    const struct mapping *mapping)
{
	struct putter p = {.writer = writer, .arch = config->arch};

	if (config->family)
		put_text(&p, "general.architecture", config->arch, strlen(config->arch));
	put_text(&p, "general.type", "model", 5);
	put_name(&p, dir, config);
	if (!config->family)
		return;
	put_shape(&p, config);
	if (config->family->scales_stream)
		put_stream_scales(&p, config);
	put_rope(&p, config);
	if (config->family->window_period)
		put_windows(&p, config);
	if (config->experts.n)
		put_experts(&p, config);
	if (config->family->is_hybrid)
		put_delta(&p, &config->delta);
	if (config->pooling != POOLING_UNKNOWN)
		put_size(&p, "pooling_type", (uint64_t)config->pooling);
	if (mapping)
		put_own(&p, mapping, config);
}
