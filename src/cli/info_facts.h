/* The facts of a model file that matter, out of its metadata and tensor list. */
#ifndef TERN_CLI_INFO_FACTS_H
#define TERN_CLI_INFO_FACTS_H

#include "model/gguf.h"
#include "json/write.h"

enum {
	MAX_TYPES = 32
};

/* A number of the metadata; absent if the file does not give it. */
struct info_number {
	bool is_known;
	uint32_t value;
};
struct info_real {
	bool is_known;
	float value;
};

struct info_facts {
	const char *path;
	uint64_t file_size;
	uint32_t version;
	uint64_t alignment;
	size_t n_keys, n_tensors;

	/* "" if absent; these point into the file */
	struct gguf_string name, architecture, tokenizer, pretokenizer, rope_scaling;
	bool has_chat_template;

	struct info_number n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim, n_ctx_train, n_rot;
	struct info_number bos, eos, eot;
	struct info_real rms_eps, rope_base, linear_norm_eps;
	uint64_t n_vocab; /* 0 if there is no vocabulary */

	/* Weights: scales do not count. */
	uint64_t n_params, n_ternary_params, n_ternary_bytes, n_tensor_bytes;
	/* Norm tensors by what they stand in front of, and whether every projection has a weightless one. */
	size_t n_linear_norms, n_sub_norms, n_qk_norms, n_biases;
	bool has_weightless_norms;

	/* How activations are quantised, as the file says or as its kind is: columns that share a scale, 0 = all. */
	struct info_number activation_group;
	/* Tensors in other engines' types that become tern's own when the model is opened. */
	size_t n_to_t2r16, n_to_q8p;
	uint64_t n_repacked_bytes; /* of what they become */

	struct info_type {
		uint32_t type;
		size_t n_tensors;
		uint64_t n_bytes;
	} types[MAX_TYPES];
	size_t n_types;
};

/* Values of an unexpected type count as absent. gguf and path must outlive the facts. */
void info_gather_facts(struct info_facts *facts, const struct gguf *gguf, const char *path, uint64_t file_size);

/* As a table on standard output. */
void info_put_facts(const struct info_facts *facts);
/* As members of the JSON object that is open. */
void info_json_facts(struct json_writer *json, const struct info_facts *facts);

#endif
