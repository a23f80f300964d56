/* config.json: what the checkpoint's author says about the network, checked. Tensors have the last word on shapes; this
 * only refuses what contradicts itself or what tern cannot run. */
#ifndef CONVERT_CONFIG_CONFIG_H
#define CONVERT_CONFIG_CONFIG_H

#include "convert/checkpoint/directory.h"
#include "convert/config/delta.h"
#include "convert/config/experts.h"
#include "convert/config/family.h"
#include "convert/config/pooling.h"
#include "convert/config/rope.h"
#include "convert/config/windows.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdint.h>

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
	double scale_emb, scale_depth, dim_model_base; /* MiniCPM */
	bool is_tied, says_tied;                       /* tie_word_embeddings, and whether it is given */
	bool attention_bias, mlp_bias;
	bool has_sub_norms; /* false for BitNet configs with use_sub_norms = false */
	struct rope rope;
	struct windows windows;
	struct delta delta;
	struct experts experts;
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
