/* From a checkpoint directory to a GGUF file: the whole conversion. */
#ifndef CONVERT_CONVERT_CHECKPOINT_H
#define CONVERT_CONVERT_CHECKPOINT_H

#include "convert/config/experts.h"
#include "convert/job/options.h"
#include "convert/tensor_data.h"

/* What was found and made. */
struct checkpoint_summary {
	const char *family; /* "Qwen 3"; NULL without config.json */
	const char *arch;
	uint64_t n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim, n_ctx;
	struct experts experts;
	const char *rope; /* "plain", "linear", ... */
	double rope_factor;
	const char *linear_norm; /* "none", "weight", "weightless" */
	double linear_norm_eps;
	bool has_sub_norms, has_qk_norm, per_token;
	const char *embedding_type, *head_type; /* of the output's tensors; head_type NULL: no head of its own */
	char tokenizer[80];                     /* "byte-level BPE (llama-bpe)", "SentencePiece BPE" */
	size_t n_tokens;
	bool has_chat_template;
	struct weight_counts weights;
	uint64_t n_bytes_in, n_bytes_out; /* of tensor data */
	double seconds;
};

/* Converts. The output appears whole, under its name, or not at all. Statuses: TERN_ERR_FILE for the input's faults,
 * TERN_ERR_USAGE for an output that must not be replaced, TERN_ERR_FAILED for memory and writing. */
enum tern_status convert_checkpoint(const struct convert_options *options, struct checkpoint_summary *summary,
                                    struct tern_error *err);

#endif
