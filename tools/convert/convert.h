/* From a checkpoint directory to a GGUF file: the whole conversion. */
#ifndef CONVERT_CONVERT_H
#define CONVERT_CONVERT_H

#include "convert/plan_make.h"
#include "convert/reporter.h"

#include <stdbool.h>
#include <stdint.h>

struct convert_options {
	const char *input;  /* checkpoint directory */
	const char *output; /* may be NULL with dry_run */
	bool force;         /* replace an existing output */
	bool vocab_only;    /* the tokenizer alone; no weights are needed */
	bool dry_run;       /* everything but writing */
	struct plan_options precision;
	int n_threads; /* 0 = tern_default_threads() */
	struct reporter reporter;
};

/* What was found and made. */
struct convert_summary {
	const char *family; /* "Qwen 3"; NULL without config.json */
	const char *arch;
	uint64_t n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim, n_vocab, n_ctx;
	const char *rope; /* "plain", "linear", ... */
	double rope_factor;
	const char *linear_norm; /* "none", "weight", "weightless" */
	double linear_norm_eps;
	bool has_sub_norms, has_qk_norm, is_tied, per_token;
	bool head_is_ternary;
	const char *embedding_type,
	        *head_type; /* of the output's tensors; head_type is NULL without a head of its own */
	char tokenizer[80]; /* "byte-level BPE (llama-bpe)", "SentencePiece BPE" */
	size_t n_tokens, n_shards;
	bool has_chat_template;
	/* Matrices by the way they were stored. */
	size_t n_packed, n_codes, n_masters, n_ternary_floats, n_grouped;
	uint64_t n_weights[N_PROJECTIONS], n_zeros[N_PROJECTIONS];
	uint64_t n_bytes_in, n_bytes_out; /* of tensor data */
	double seconds;
};

/* Converts. The output appears whole, under its name, or not at all. Statuses: TERN_ERR_FILE for the input's faults,
 * TERN_ERR_USAGE for an output that must not be replaced, TERN_ERR_FAILED for memory and writing. */
enum tern_status convert(const struct convert_options *options, struct convert_summary *summary,
                         struct tern_error *err);

/* ---- between the files of this module ---- */

struct conversion {
	const struct convert_options *options;
	struct convert_summary *summary;
	struct directory dir;
	struct config config;
	struct checkpoint ckpt;
	struct plan plan;
	struct gguf_writer *writer; /* NULL: a dry run */
	struct tern_pool *pool;
	uint64_t n_read, n_to_read; /* bytes of tensors, for progress */
	struct tern_error *err;
};

/* Looks at all matrices of floats: how they are to be ternarised. In execute.c. */
enum tern_status execute_look(struct conversion *c);
/* Writes the data of all steps. In execute.c. */
enum tern_status execute_write(struct conversion *c);
/* The keys about the network. In metadata.c. */
enum tern_status metadata_put(const struct conversion *c);

#endif
