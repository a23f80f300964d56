#include "convert/config/family.h"

#include "json/value.h"

#include <stdio.h>
#include <string.h>

#define QWEN35                                                                                                 \
	.title = "Qwen 3.5", .arch = "qwen35", .activation = "silu", .features = LAYER_QK_NORM | LAYER_HYBRID, \
	.is_hybrid = true, .norm_offset = 1.0f, .default_rope_theta = 1e7, .default_head_dim = 256

static const struct family families[] = {
        {.architecture = "LlamaForCausalLM",
         .bare = "LlamaModel",
         .model_type = "llama",
         .title = "Llama",
         .arch = "llama",
         .activation = "silu",
         .permutes_qk = true,
         .default_rope_theta = 1e4},
        {.architecture = "Qwen2ForCausalLM",
         .bare = "Qwen2Model",
         .model_type = "qwen2",
         .title = "Qwen 2",
         .arch = "qwen2",
         .activation = "silu",
         .has_qkv_bias = true,
         .default_rope_theta = 1e4},
        {.architecture = "Qwen3ForCausalLM",
         .bare = "Qwen3Model",
         .model_type = "qwen3",
         .title = "Qwen 3",
         .arch = "qwen3",
         .activation = "silu",
         .features = LAYER_QK_NORM,
         .default_rope_theta = 1e4,
         .default_head_dim = 128},
        {.architecture = "BitNetForCausalLM",
         .bare = "BitNetModel",
         .model_type = "bitnet",
         .title = "BitNet b1.58",
         .arch = "bitnet-b1.58",
         .silu_arch = "bitnet",
         .activation = "relu2",
         .features = LAYER_SUB_NORM,
         .is_trained_ternary = true,
         .default_rope_theta = 5e5},
        {.architecture = "Gemma3ForCausalLM",
         .bare = "Gemma3TextModel",
         .model_type = "gemma3_text",
         .title = "Gemma 3",
         .arch = "gemma3",
         .activation_key = "hidden_activation",
         .activation = "gelu_pytorch_tanh",
         .features = LAYER_QK_NORM | LAYER_POST_NORM,
         .norm_offset = 1.0f,
         .default_rope_theta = 1e6,
         .default_local_theta = 1e4,
         .default_head_dim = 256,
         .window_period = 6},
        {.architecture = "MiniCPMForCausalLM",
         .bare = "MiniCPMModel",
         .model_type = "minicpm",
         .title = "MiniCPM",
         .arch = "minicpm",
         .activation = "silu",
         .permutes_qk = true,
         .scales_stream = true,
         .default_rope_theta = 1e4},
        {.architecture = "Qwen3_5ForCausalLM", .bare = "Qwen3_5TextModel", .model_type = "qwen3_5_text", QWEN35},
        {.architecture = "Qwen3_5ForConditionalGeneration", .model_type = "qwen3_5", QWEN35}, /* it also sees */
        {.architecture = "MapleForCausalLM",
         .model_type = "maple",
         .title = "Maple",
         .arch = "maple",
         .activation = "silu",
         .embedding = "word_embeddings",
         .features = LAYER_QK_NORM | LAYER_EXPERTS,
         .is_mlx = true,
         .rotates_windows = true,
         .default_rope_theta = 1e4,
         .default_head_dim = 128,
         .window_period = 4},
        {.architecture = "BitnetForCausalLM", /* 1bitLLM's; its model_type is "llama" */
         .title = "BitNet b1.58 (1bitLLM)",
         .arch = "bitnet",
         .activation = "silu",
         .features = LAYER_1BITLLM_SUB_NORM,
         .is_trained_ternary = true,
         .default_rope_theta = 1e4},
};

static enum tern_status fail_family(struct json_value value, struct tern_error *err)
{
	char quoted[TERN_QUOTE_SIZE], known[256] = "";
	struct json_string name = json_string(value);

	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
		         families[i].architecture);
	return json_fail(value, err, "'%s' is not supported; tern runs %s", tern_quote(quoted, name.bytes, name.length),
	                 known);
}

/* The class in `architectures` decides; model_type only where there is none, because 1bitLLM's says "llama". */
static enum tern_status find_by_name(const struct family **family, struct json_value root, struct tern_error *err)
{
	const size_t n = sizeof families / sizeof *families;
	struct json_value names, name;
	enum tern_status status = json_get_container(root, "architectures", JSON_ARRAY, &names, err);
	struct json_iterator it = json_items(names);
	bool has_name = json_next(&it);

	if (status)
		return status;
	name = has_name ? it.value : json_find(root, "model_type");
	if (!json_exists(name))
		return json_fail_missing(root, "architectures", "[\"LlamaForCausalLM\"] or the like", err);
	if (json_type(name) != JSON_STRING)
		return json_fail_type(name, "a string", err);
	for (size_t i = 0; i < n; i++) {
		const char *wanted = has_name ? families[i].architecture : families[i].model_type;
		bool is_bare = has_name && families[i].bare && json_string_is(name, families[i].bare);
		if (is_bare || (wanted && json_string_is(name, wanted))) {
			*family = &families[i];
			return TERN_OK;
		}
	}
	return fail_family(name, err);
}

/* A model_type of another architecture means that the class is not what it seems. */
enum tern_status family_find(const struct family **family, struct json_value root, struct tern_error *err)
{
	enum tern_status status = find_by_name(family, root, err);
	struct json_value type = json_find(root, "model_type");

	if (status || !json_exists(type) || json_string_is(type, "llama") ||
	    ((*family)->model_type && json_string_is(type, (*family)->model_type)))
		return status;
	return json_fail_type(type, (*family)->model_type ? (*family)->model_type : "llama", err);
}
