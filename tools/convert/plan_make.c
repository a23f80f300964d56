/* Making a plan: the layers and the whole. */
#include "convert/plan_make.h"

#include "base/memory.h"
#include "convert/plan_head.h"
#include "convert/plan_linear.h"
#include "convert/planner.h"

#include <stdio.h>
#include <string.h>

/* ---- layers ---- */

/* A norm of the network, as opposed to one of a projection. Gemma stores w for gains of 1 + w. */
static enum tern_status add_norm(struct planner *p, const struct tensor *tensor, uint64_t n, const char *out)
{
	enum tern_status status = planner_add_vector(p, tensor, n, out);

	if (!status && p->config->family->is_gemma)
		p->plan->steps[p->plan->n_steps - 1].offset = 1.0f;
	return status;
}

/* A norm that has to be there in every layer. */
static enum tern_status add_layer_norm(struct planner *p, uint64_t layer, const char *module, uint64_t n,
                                       const char *gguf)
{
	char name[PLANNER_NAME_SIZE], out[GGUF_MAX_NAME_LENGTH + 1];

	snprintf(name, sizeof name, "%slayers.%llu.%s.weight", p->prefix, (unsigned long long)layer, module);
	snprintf(out, sizeof out, "blk.%llu.%s.weight", (unsigned long long)layer, gguf);
	const struct tensor *tensor = planner_take(p, "%s", name);
	return tensor ? add_norm(p, tensor, n, out)
	              : planner_fail_missing(p, name, "every layer has to have it, or config.json counts too many");
}

static enum tern_status add_layer_linear(struct planner *p, uint64_t layer, enum projection projection, uint64_t n_row,
                                         uint64_t n_col)
{
	const struct config *config = p->config;
	bool is_mlp = projection >= PROJECTION_GATE;
	struct linear linear = {.projection = projection, .n_row = n_row, .n_col = n_col};

	linear.wants_bias =
	        is_mlp ? config->mlp_bias
	               : config->attention_bias || (config->family->has_qkv_bias && projection != PROJECTION_O);
	snprintf(linear.module, sizeof linear.module, "%slayers.%llu.%s", p->prefix, (unsigned long long)layer,
	         projection_module(projection));
	snprintf(linear.out, sizeof linear.out, "blk.%llu.%s", (unsigned long long)layer, projection_name(projection));
	return planner_add_linear(p, &linear);
}

/* A norm that some families have: nothing to do without a name. */
static enum tern_status add_family_norm(struct planner *p, uint64_t layer, const char *parent, const char *module,
                                        uint64_t n, const char *gguf)
{
	char name[64];

	if (!module)
		return TERN_OK;
	snprintf(name, sizeof name, "%s.%s", parent, module);
	return add_layer_norm(p, layer, name, n, gguf);
}

static enum tern_status add_layer(struct planner *p, uint64_t layer)
{
	const struct config *c = p->config;
	const struct family *family = c->family;
	uint64_t n_q = c->n_head * c->head_dim, n_kv = c->n_head_kv * c->head_dim;
	const char *qk[2] = {family->has_qk_norm ? "q_norm" : NULL, family->has_qk_norm ? "k_norm" : NULL};
	const char *sub[2] = {c->has_sub_norms ? family->attn_sub_norm : NULL,
	                      c->has_sub_norms ? family->ffn_sub_norm : NULL};
	/* The name that is the norm in front of the feed-forward part's elsewhere is that behind attention in Gemma. */
	const char *behind = family->is_gemma ? "post_attention_norm" : "ffn_norm";
	enum tern_status status;

	if ((status = add_layer_norm(p, layer, "input_layernorm", c->n_embd, "attn_norm")) ||
	    (status = add_layer_linear(p, layer, PROJECTION_Q, n_q, c->n_embd)) ||
	    (status = add_family_norm(p, layer, "self_attn", qk[0], c->head_dim, "attn_q_norm")) ||
	    (status = add_layer_linear(p, layer, PROJECTION_K, n_kv, c->n_embd)) ||
	    (status = add_family_norm(p, layer, "self_attn", qk[1], c->head_dim, "attn_k_norm")) ||
	    (status = add_layer_linear(p, layer, PROJECTION_V, n_kv, c->n_embd)) ||
	    (status = add_family_norm(p, layer, "self_attn", sub[0], n_q, "attn_sub_norm")) ||
	    (status = add_layer_linear(p, layer, PROJECTION_O, c->n_embd, n_q)) ||
	    (status = add_layer_norm(p, layer, "post_attention_layernorm", c->n_embd, behind)) ||
	    (family->is_gemma &&
	     ((status = add_layer_norm(p, layer, "pre_feedforward_layernorm", c->n_embd, "ffn_norm")) ||
	      (status = add_layer_norm(p, layer, "post_feedforward_layernorm", c->n_embd, "post_ffw_norm")))) ||
	    (status = add_layer_linear(p, layer, PROJECTION_GATE, c->n_ff, c->n_embd)) ||
	    (status = add_layer_linear(p, layer, PROJECTION_UP, c->n_ff, c->n_embd)) ||
	    (status = add_family_norm(p, layer, "mlp", sub[1], c->n_ff, "ffn_sub_norm")))
		return status;
	return add_layer_linear(p, layer, PROJECTION_DOWN, c->n_embd, c->n_ff);
}

/* ---- the whole ---- */

static bool ends_with(const struct json_string *name, const char *suffix)
{
	size_t n = strlen(suffix);
	return name->length >= n && memcmp(name->bytes + name->length - n, suffix, n) == 0;
}

/* Packs of other tools are known by names; better to say so than that some tensor is missing. */
static enum tern_status check_packs(const struct planner *p)
{
	for (size_t i = 0; i < p->ckpt->n_tensors; i++) {
		const struct tensor *tensor = &p->ckpt->tensors[i];
		if (ends_with(&tensor->name, ".qweight") || ends_with(&tensor->name, ".qzeros"))
			return checkpoint_fail(
			        p->ckpt, tensor, p->err,
			        "GPTQ and BitBLAS packs are not supported; convert the unpacked checkpoint");
	}
	return TERN_OK;
}

static enum tern_status check_all_used(const struct planner *p)
{
	static const char *const harmless[] = {".rotary_emb.inv_freq", ".masked_bias"};

	for (size_t i = 0; i < p->ckpt->n_tensors; i++) {
		const struct tensor *tensor = &p->ckpt->tensors[i];
		bool is_harmless = tensor->is_used;
		for (size_t j = 0; j < sizeof harmless / sizeof *harmless; j++)
			is_harmless = is_harmless || ends_with(&tensor->name, harmless[j]);
		if (!is_harmless)
			return checkpoint_fail(
			        p->ckpt, tensor, p->err,
			        "a %s model of %llu layers has no use for it; without it the model would run wrong",
			        p->config->family->title, (unsigned long long)p->config->n_layer);
	}
	return TERN_OK;
}

/* Norms in front of projections: all have weights, or none has. */
static enum tern_status conclude_norms(struct planner *p)
{
	const struct quantization *q = &p->config->quantization;
	struct plan *plan = p->plan;

	plan->linear_norm = "none";
	plan->has_linear_norm = p->with_norm[0] || q->use_rms_norm;
	plan->linear_norm_eps = p->n_model_eps && !q->has_rms_norm_eps ? p->config->rms_eps : q->rms_norm_eps;
	if (p->n_with_norm == 0) {
		if (q->use_rms_norm)
			plan->linear_norm = "weightless";
		return TERN_OK;
	}
	plan->linear_norm = "weight";
	if (p->n_with_norm < p->n_linear || p->without_norm[0])
		return tern_fail(p->err, TERN_ERR_FILE,
		                 "%s: %s has a norm of its own but %s has none; expected all or none",
		                 p->ckpt->dir->path, p->with_norm, p->without_norm);
	if (q->is_there && !q->use_rms_norm)
		reporter_warn(
		        p->reporter,
		        "the projections have norms of their own though use_rms_norm is not set; they are applied");
	return TERN_OK;
}

/* Names begin with "model." in a causal language model and with nothing in its bare decoder. */
static enum tern_status find_prefix(struct planner *p)
{
	p->prefix = "model.";
	if (checkpoint_find(p->ckpt, "model.embed_tokens.weight"))
		return TERN_OK;
	p->prefix = "";
	if (checkpoint_find(p->ckpt, "embed_tokens.weight"))
		return TERN_OK;
	return planner_fail_missing(p, "model.embed_tokens.weight", "not a decoder in Hugging Face layout");
}

/* True if some projection has a norm of its own: then the model was trained as BitNet is, whatever config.json says. */
static bool has_linear_norms(const struct planner *p)
{
	char name[PLANNER_NAME_SIZE];

	snprintf(name, sizeof name, "%slayers.0.self_attn.q_proj.rms_norm.weight", p->prefix);
	if (checkpoint_find(p->ckpt, name))
		return true;
	snprintf(name, sizeof name, "%slayers.0.self_attn.q_proj.norm.weight", p->prefix);
	return checkpoint_find(p->ckpt, name) != NULL;
}

static enum tern_status add_all(struct planner *p)
{
	const struct config *config = p->config;
	struct tensor *embedding, *norm;
	enum tern_status status;

	if ((status = check_packs(p)) || (status = find_prefix(p)))
		return status;
	p->is_trained = config->family->is_trained_ternary || config->quantization.is_there || has_linear_norms(p);
	p->plan->per_token = p->is_trained;
	embedding = planner_take(p, "%sembed_tokens.weight", p->prefix);
	if ((status = planner_add_embedding(p, embedding)))
		return status;
	for (uint64_t layer = 0; layer < config->n_layer; layer++)
		if ((status = add_layer(p, layer)))
			return status;
	if (!(norm = planner_take(p, "%snorm.weight", p->prefix)))
		return planner_fail_missing(p, p->prefix[0] ? "model.norm.weight" : "norm.weight",
		                            "it is the last norm");
	if ((status = add_norm(p, norm, config->n_embd, "output_norm.weight")) ||
	    (status = planner_add_head(p, embedding)) || (status = conclude_norms(p)))
		return status;
	if (config->rope.type == ROPE_LLAMA3) {
		struct step step = {.kind = STEP_ROPE_FREQS, .n_row = 1, .n_col = config->rope.n_rot / 2};
		if ((status = planner_add_step(p, &step, "rope_freqs.weight")))
			return status;
	}
	return check_all_used(p);
}

enum tern_status plan_make(struct plan *plan, struct checkpoint *ckpt, const struct config *config,
                           struct plan_options options, const struct reporter *reporter, struct tern_error *err)
{
	struct planner p = {
	        .plan = plan, .ckpt = ckpt, .config = config, .options = options, .reporter = reporter, .err = err};
	size_t n_matrices = (size_t)config->n_layer * PROJECTION_HEAD + 2; /* embedding and head may be ternary */

	memset(plan, 0, sizeof *plan);
	if (!(plan->matrices = tern_alloc(n_matrices, sizeof *plan->matrices)))
		return tern_fail_memory(err, n_matrices * sizeof *plan->matrices);
	return add_all(&p);
}
