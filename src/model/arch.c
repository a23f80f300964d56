#include "model/arch.h"

#include <stdio.h>

static const struct tern_arch archs[] = {
        {.name = "llama", .rope_interleaved = true},
        {.name = "qwen2"},
        {.name = "qwen3", .needs_qk_norm = true},
        /* Files of Gemma's BitNet embedding model do not give the window's length, which is 512 or more. */
        {.name = "gemma3",
         .ffn_activation = TERN_FFN_GELU,
         .needs_qk_norm = true,
         .has_post_norm = true,
         .scales_embedding = true,
         .window_period = 6,
         .unstated_window = 512},
        {.name = "bitnet", .needs_sub_norm = true, .quantizes_per_token = true}, /* 1bitLLM's graph: SiLU */
        {.name = "bitnet-b1.58", .ffn_activation = TERN_FFN_RELU2, .needs_sub_norm = true, .quantizes_per_token = true},
        {.name = "bitnet-25", .ffn_activation = TERN_FFN_RELU2, .needs_sub_norm = true, .quantizes_per_token = true},
        {.name = "maple", .needs_qk_norm = true, .has_experts = true, .rope_in_windows_only = true, .window_period = 4},
        {.name = "qwen35", .needs_qk_norm = true, .is_hybrid = true},
        {.name = "minicpm", .rope_interleaved = true, .scales_stream = true},
};

/* Architectures of ternary models that tern does not run. */
static const struct {
	const char *name, *reason;
} others[] = {
        {"qwen35moe", "a hybrid of attention and Gated DeltaNet with experts"},
        {"qwen3next", "a hybrid of attention and Gated DeltaNet"},
        {"gemma-embedding", "attention there looks both ways"},
};

static enum tern_status fail_unknown(const struct gguf *gguf, struct gguf_string name, struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE], list[256] = "";

	for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
		tern_append_name(list, sizeof list, archs[i].name);
	return tern_fail(err, TERN_ERR_FILE, "%s: key 'general.architecture': '%s' is not supported; tern runs %s",
	                 gguf->path, tern_quote(quoted, name.bytes, name.length), list);
}

enum tern_status tern_arch_find(const struct gguf *gguf, const struct tern_arch **found, struct tern_error *err)
{
	struct gguf_string name;
	bool is_present;
	enum tern_status status = tern_gguf_get_string(gguf, "general.architecture", &name, &is_present, err);

	if (status)
		return status;
	if (!is_present)
		return tern_fail(err, TERN_ERR_FILE, "%s: key 'general.architecture': missing", gguf->path);
	for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
		if (tern_gguf_string_is(name, archs[i].name)) {
			*found = &archs[i];
			return TERN_OK;
		}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (tern_gguf_string_is(name, others[i].name))
			return tern_fail(err, TERN_ERR_FILE,
			                 "%s: key 'general.architecture': '%s' is not supported: %s", gguf->path,
			                 others[i].name, others[i].reason);
	return fail_unknown(gguf, name, err);
}

enum tern_status tern_arch_key(char key[GGUF_MAX_KEY_LENGTH + 1], const struct gguf *gguf, const char *suffix,
                               struct tern_error *err)
{
	const struct tern_arch *arch;
	enum tern_status status = tern_arch_find(gguf, &arch, err);

	if (!status)
		snprintf(key, GGUF_MAX_KEY_LENGTH + 1, "%s.%s", arch->name, suffix);
	return status;
}

/* ---- keys that change the network ---- */

/* Numbers that are harmless when they have their neutral value. */
static enum tern_status check_numbers(const struct gguf *gguf, const struct tern_arch *arch, struct tern_error *err)
{
	const struct {
		const char *suffix;
		float neutral;
		const char *what;
		bool is_known; /* the architecture has a use for it */
	} numbers[] = {
	        {"attn_logit_softcapping", 0.0f, "capped attention scores", false},
	        {"final_logit_softcapping", 0.0f, "capped logits", false},
	        {"expert_count", 0.0f, "a mixture of experts", arch->has_experts},
	        {"expert_shared_count", 0.0f, "experts that every token uses", false},
	        {"expert_group_count", 0.0f, "experts in groups", false},
	        {"leading_dense_block_count", 0.0f, "layers with experts and others without", false},
	        {"logit_scale", 1.0f, "scaled logits", arch->scales_stream},
	        {"residual_scale", 1.0f, "scaled residuals", arch->scales_stream},
	        {"embedding_scale", 1.0f, "scaled embeddings", arch->scales_stream},
	        {"attention.max_alibi_bias", 0.0f, "ALiBi", false},
	        {"nextn_predict_layers", 0.0f, "layers that predict tokens after the next one", arch->is_hybrid},
	};
	char key[GGUF_MAX_KEY_LENGTH + 1];
	enum tern_status status;

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		float value = numbers[i].neutral;
		uint32_t integer = 0;
		bool found;
		if (numbers[i].is_known)
			continue;
		if ((status = tern_arch_key(key, gguf, numbers[i].suffix, err)))
			return status;
		const struct gguf_pair *pair = tern_gguf_find(gguf, key);
		bool is_float = pair && (pair->type == GGUF_F32 || pair->type == GGUF_F64);
		if ((status = is_float ? tern_gguf_get_f32(gguf, key, &value, &found, err)
		                       : tern_gguf_get_u32(gguf, key, &integer, &found, err)))
			return status;
		if (found && !is_float)
			value = (float)integer;
		if (value != numbers[i].neutral)
			return tern_gguf_fail_key(gguf, key, err, "%s: not supported", numbers[i].what);
	}
	return TERN_OK;
}

enum tern_status tern_arch_check_keys(const struct gguf *gguf, const struct tern_arch *arch, struct tern_error *err)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	bool causal = true;
	enum tern_status status;

	if ((status = check_numbers(gguf, arch, err)))
		return status;
	snprintf(key, sizeof key, "%s.rope.dimension_sections", arch->name);
	if (tern_gguf_find(gguf, key) && !arch->is_hybrid) /* those sections make no difference to texts */
		return tern_gguf_fail_key(gguf, key, err, "RoPE in sections (M-RoPE) is not supported");
	snprintf(key, sizeof key, "%s.attention.causal", arch->name);
	if ((status = tern_gguf_get_bool(gguf, key, &causal, NULL, err)))
		return status;
	if (!causal)
		return tern_gguf_fail_key(gguf, key, err, "attention that looks both ways is not supported");
	return TERN_OK;
}
