/* config.json: what the checkpoint's author says about the network, checked. Tensors have the last word on shapes; this
 * only refuses what contradicts itself or what tern cannot run. */
#ifndef CONVERT_CONFIG_H
#define CONVERT_CONFIG_H

#include "convert/directory.h"
#include "convert/pooling.h"
#include "convert/rope.h"
#include "convert/windows.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A kind of decoder, by the class that transformers runs it with. */
struct family {
	const char *architecture; /* architectures[0] in config.json */
	const char *bare;         /* the same without a head, as embedding models have it; NULL: there is none */
	const char *model_type;   /* for a config.json without architectures; NULL: never guessed from */
	const char *title;        /* for people */
	const char *arch;         /* general.architecture */
	const char *silu_arch;    /* the same for hidden_act = silu where that is another arch, else NULL */
	const char *activation;   /* hidden_act, in Gemma hidden_activation */
	bool permutes_qk;         /* rows of q and k go into the order of interleaved RoPE */
	bool has_qk_norm;
	bool has_qkv_bias;
	const char *attn_sub_norm, *ffn_sub_norm; /* names below self_attn. and mlp., or NULL */
	bool is_gemma;                            /* norms of four kinds in a layer, which store w for 1 + w; windows */
	bool is_trained_ternary;                  /* with per-token int8 activations, whatever else config.json says */
	double default_rope_theta;
	double default_local_theta; /* of layers with a window; 0: the same as others */
	uint64_t default_head_dim;  /* 0 = hidden_size / num_attention_heads */
	uint64_t window_period;     /* the last layer of each sees all, the others a window; 0: all see all */
};

/* quantization_config of transformers' BitNet integration. */
struct quantization {
	bool is_there;
	bool divides; /* packed weights are code / weight_scale (bitlinear), else code * weight_scale (autobitlinear) */
	bool is_online;
	bool use_rms_norm;
	bool has_rms_norm_eps;
	double rms_norm_eps;
	struct json_value not_converted; /* modules_to_not_convert: an array, or nothing */
};

struct config {
	struct json json; /* of config.json */
	const struct family *family;
	const char *arch; /* general.architecture */
	uint64_t n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim, n_vocab, n_ctx;
	double rms_eps;
	bool is_tied, says_tied; /* tie_word_embeddings, and whether it is given */
	bool attention_bias, mlp_bias;
	bool has_sub_norms; /* false for BitNet configs with use_sub_norms = false */
	struct rope rope;
	struct windows windows;
	enum pooling pooling;
	struct quantization quantization;
	struct json_string name; /* of the model, may be empty */
};

/* Reads config.json. With `optional` an absent file is no error: config->family is then NULL. */
enum tern_status config_read(struct config *config, const struct directory *dir, bool optional, struct tern_error *err);
void config_free(struct config *config);

/* True if modules_to_not_convert lists the module ("model.layers.0.mlp.up_proj"), which like transformers' own test is
 * asked for every substring; without a list only lm_head is not converted. */
bool config_is_not_converted(const struct config *config, const char *module);

#endif
