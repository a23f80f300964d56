#include "convert/mapping/layer.h"

#include "convert/mapping/delta_net.h"
#include "convert/mapping/projection.h"

#include <stdio.h>
#include <string.h>

/* The sizes of a layer's tensors. */
enum width {
	WIDTH_ONE,
	WIDTH_EMBD,
	WIDTH_Q,  /* all query heads */
	WIDTH_QG, /* and their gates */
	WIDTH_KV, /* all key or value heads */
	WIDTH_HEAD,
	WIDTH_FF,
	WIDTH_EXPERTS,   /* how many there are */
	WIDTH_EXPERT_FF, /* of one of them */
};

/* The tensors of a layer in the order of the output; an architecture that has others adds rows, under a feature. */
static const struct layer_tensor {
	const char *module;          /* below "layers.N." in the checkpoint, without ".weight" */
	const char *floats;          /* name of a norm or router below "blk.N." in the output; NULL: a projection */
	enum tern_matrix_kind which; /* which brings its scale, bias and norm along */
	enum width n_row, n_col;     /* a norm has one row */
	unsigned needs, lacks;       /* features (enum layer_feature) that the layer has to have, and not to have */
} layer_tensors[] = {
        {"input_layernorm", "attn_norm", .n_col = WIDTH_EMBD},
        {"self_attn.q_proj", .which = TERN_ATTN_Q, .n_row = WIDTH_Q, .n_col = WIDTH_EMBD, .lacks = LAYER_HYBRID},
        {"self_attn.q_proj", .which = TERN_ATTN_Q, .n_row = WIDTH_QG, .n_col = WIDTH_EMBD, .needs = LAYER_HYBRID},
        {"self_attn.q_norm", "attn_q_norm", .n_col = WIDTH_HEAD, .needs = LAYER_QK_NORM},
        {"self_attn.k_proj", .which = TERN_ATTN_K, .n_row = WIDTH_KV, .n_col = WIDTH_EMBD},
        {"self_attn.k_norm", "attn_k_norm", .n_col = WIDTH_HEAD, .needs = LAYER_QK_NORM},
        {"self_attn.v_proj", .which = TERN_ATTN_V, .n_row = WIDTH_KV, .n_col = WIDTH_EMBD},
        {"self_attn.attn_sub_norm", "attn_sub_norm", .n_col = WIDTH_Q, .needs = LAYER_SUB_NORM},
        {"self_attn.inner_attn_ln", "attn_sub_norm", .n_col = WIDTH_Q, .needs = LAYER_1BITLLM_SUB_NORM},
        {"self_attn.o_proj", .which = TERN_ATTN_OUTPUT, .n_row = WIDTH_EMBD, .n_col = WIDTH_Q},
        /* one name for two things: in Gemma it really is a norm behind attention */
        {"post_attention_layernorm", "ffn_norm", .n_col = WIDTH_EMBD, .lacks = LAYER_POST_NORM | LAYER_HYBRID},
        {"post_attention_layernorm", "post_attention_norm", .n_col = WIDTH_EMBD, .needs = LAYER_POST_NORM},
        {"post_attention_layernorm", "post_attention_norm", .n_col = WIDTH_EMBD, .needs = LAYER_HYBRID},
        {"pre_feedforward_layernorm", "ffn_norm", .n_col = WIDTH_EMBD, .needs = LAYER_POST_NORM},
        {"post_feedforward_layernorm", "post_ffw_norm", .n_col = WIDTH_EMBD, .needs = LAYER_POST_NORM},
        {"mlp.gate_proj", .which = TERN_FFN_GATE, .n_row = WIDTH_FF, .n_col = WIDTH_EMBD, .lacks = LAYER_EXPERTS},
        {"mlp.up_proj", .which = TERN_FFN_UP, .n_row = WIDTH_FF, .n_col = WIDTH_EMBD, .lacks = LAYER_EXPERTS},
        {"mlp.ffn_sub_norm", "ffn_sub_norm", .n_col = WIDTH_FF, .needs = LAYER_SUB_NORM},
        {"mlp.ffn_layernorm", "ffn_sub_norm", .n_col = WIDTH_FF, .needs = LAYER_1BITLLM_SUB_NORM},
        {"mlp.down_proj", .which = TERN_FFN_DOWN, .n_row = WIDTH_EMBD, .n_col = WIDTH_FF, .lacks = LAYER_EXPERTS},
        {"mlp.gate", "ffn_gate_inp", .n_row = WIDTH_EXPERTS, .n_col = WIDTH_EMBD, .needs = LAYER_EXPERTS},
        {"mlp.switch_mlp.gate_proj", .which = TERN_FFN_GATE_EXPS, .n_row = WIDTH_EXPERT_FF, .n_col = WIDTH_EMBD,
         .needs = LAYER_EXPERTS},
        {"mlp.switch_mlp.up_proj", .which = TERN_FFN_UP_EXPS, .n_row = WIDTH_EXPERT_FF, .n_col = WIDTH_EMBD,
         .needs = LAYER_EXPERTS},
        {"mlp.switch_mlp.down_proj", .which = TERN_FFN_DOWN_EXPS, .n_row = WIDTH_EMBD, .n_col = WIDTH_EXPERT_FF,
         .needs = LAYER_EXPERTS},
};

static uint64_t width_of(const struct config *config, enum width width)
{
	const uint64_t widths[] = {
	        [WIDTH_ONE] = 1,
	        [WIDTH_EMBD] = config->n_embd,
	        [WIDTH_Q] = config->n_head * config->head_dim,
	        [WIDTH_QG] = 2 * config->n_head * config->head_dim,
	        [WIDTH_KV] = config->n_head_kv * config->head_dim,
	        [WIDTH_HEAD] = config->head_dim,
	        [WIDTH_FF] = config->n_ff,
	        [WIDTH_EXPERTS] = config->experts.n,
	        [WIDTH_EXPERT_FF] = config->experts.n_ff,
	};
	return widths[width];
}

const char *layer_module(enum tern_matrix_kind which)
{
	const struct layer_tensor *row = layer_tensors;

	while (row->floats || row->which != which)
		row++;
	return row->module;
}

bool layer_has_bias(const struct config *config, enum tern_matrix_kind which)
{
	if (which >= TERN_FFN_GATE)
		return config->mlp_bias;
	return config->attention_bias || (config->family->has_qkv_bias && which != TERN_ATTN_OUTPUT);
}

enum tern_status map_norm(struct mapper *m, const char *module, const char *out, uint64_t n, const char *why)
{
	struct tensor *tensor;
	enum tern_status status = mapper_require(m, &tensor, why, "%s%s.weight", m->prefix, module);

	if (status)
		return status;
	return mapper_add_vector(m, tensor, n, (struct output_tensor){.offset = m->config->family->norm_offset}, out);
}

static enum tern_status map_router(struct mapper *m, const char *module, const char *out, uint64_t n_row,
                                   uint64_t n_col)
{
	struct output_tensor tensor = {.kind = OUTPUT_COPY, .n_row = n_row, .n_col = n_col};
	struct tensor *source;
	enum tern_status status;

	if ((status = mapper_require(m, &source, MAPPER_EVERY_LAYER, "%s%s.weight", m->prefix, module)) ||
	    (status = mapper_check_shape(m, source, 2, (uint64_t[]){n_row, n_col})) ||
	    (status = mapper_check_floats(m, source)))
		return status;
	tensor.source = source;
	return mapper_add(m, &tensor, "%s", out);
}

static enum tern_status map_layer_tensor(struct mapper *m, uint64_t layer, const struct layer_tensor *row)
{
	const struct config *config = m->config;
	char module[MAPPER_NAME_SIZE], out[GGUF_MAX_NAME_LENGTH + 1];
	struct linear linear = {
	        .which = row->which, .n_row = width_of(config, row->n_row), .n_col = width_of(config, row->n_col)};

	snprintf(module, sizeof module, "layers.%llu.%s", (unsigned long long)layer, row->module);
	if (row->floats) {
		snprintf(out, sizeof out, "blk.%llu.%s.weight", (unsigned long long)layer, row->floats);
		return row->n_row == WIDTH_ONE ? map_norm(m, module, out, linear.n_col, MAPPER_EVERY_LAYER)
		                               : map_router(m, module, out, linear.n_row, linear.n_col);
	}
	if (row->needs & LAYER_EXPERTS) {
		linear.n_expert = config->experts.n;
		linear.n_row *= linear.n_expert;
	}
	linear.wants_bias = layer_has_bias(config, row->which);
	snprintf(linear.module, sizeof linear.module, "%s%s", m->prefix, module);
	snprintf(linear.out, sizeof linear.out, "blk.%llu.%s", (unsigned long long)layer,
	         tern_matrix_names[row->which]);
	return map_projection(m, &linear);
}

static bool is_attention(const struct layer_tensor *row) { return strncmp(row->module, "self_attn.", 10) == 0; }

enum tern_status map_layer(struct mapper *m, uint64_t layer)
{
	unsigned features = m->config->family->features & ~(m->config->has_sub_norms ? 0u : LAYER_SUB_NORMS);
	bool is_delta = delta_is_layer(&m->config->delta, layer);
	enum tern_status status = is_delta ? map_delta_net(m, layer) : TERN_OK;

	for (size_t i = 0; !status && i < sizeof layer_tensors / sizeof *layer_tensors; i++) {
		const struct layer_tensor *row = &layer_tensors[i];
		if ((features & row->needs) == row->needs && !(features & row->lacks) &&
		    !(is_delta && is_attention(row)))
			status = map_layer_tensor(m, layer, row);
	}
	return status;
}
