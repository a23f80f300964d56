/* inspect.h - what the programs of this tree may use of libtern.a beyond tern.h: facts of files, the cost of a token,
 * the limits of the machine, models of random weights.
 *
 *     struct tern_model *model;
 *     struct tern_session *session;
 *     struct tern_meter meter;
 *     struct tern_cost cost;
 *
 *     if (tern_model_make_random(&model, "2b", NULL, &err) ||
 *         tern_session_new(&session, model, NULL, &err))
 *             return fprintf(stderr, "%s\n", err.message), err.status;
 *     tern_cost_of(&cost, model, TERN_KV_F16);
 *     tern_meter_start(&meter, session);
 *     printf("no more than %.1f tokens/s\n",
 *            tern_meter_read(&meter, 100000000) / (double)(cost.layer_bytes + cost.head_bytes));
 *
 * Unlike tern.h, this header is not installed and may change with any commit. Errors, ownership and threads are those
 * of tern.h. A test (tests/sources.sh) refuses any other header of the library but those of base/ in src/cli. */
#ifndef TERN_API_INSPECT_H
#define TERN_API_INSPECT_H

#include "model/gguf_parse.h"   /* GGUF files: pairs, tensors, names of types */
#include "model/random_model.h" /* tern_shape_name() */
#include "model/verify.h"       /* tern_verify_weights() */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tern.h>

/* ---- files ----------------------------------------------------------------------------------------------- */

enum {
	TERN_MAX_FILE_TYPES = 32,
	TERN_N_KV_TYPES = TERN_KV_Q8 + 1
};

/* What the header of a GGUF file says about its model. */
struct tern_file_facts {
	/* Why tern does not run the file, as far as the metadata shows it; status TERN_OK if it does. */
	struct tern_error refused;

	/* The metadata as tern reads it, defaults filled in; all 0 if the file was refused or has no tensors. */
	size_t n_delta_layer; /* of n_layer; the others have attention */
	bool is_rotated;      /* weights in a Hadamard-rotated basis */
	size_t n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim, n_ctx_train;
	size_t n_rot;            /* leading values of a head that rotate */
	float rope_base;         /* 0 if the file does not say */
	size_t activation_group; /* columns that share one int8 activation scale; 0: all */
	float rms_eps, linear_norm_eps;
	bool has_weightless_norms;       /* in front of every projection */
	struct gguf_string rope_scaling; /* "none" if the file does not say */

	size_t n_expert, n_expert_used; /* in each layer; 0: no mixture of experts */

	/* Tensors. Parameters are all items but scales. */
	uint64_t n_params, n_bytes;
	uint64_t n_ternary_params, n_ternary_bytes; /* in ternary types */
	size_t n_linear_norms, n_sub_norms, n_qk_norms, n_biases;
	size_t n_types; /* at most TERN_MAX_FILE_TYPES */
	struct tern_file_type {
		uint32_t type; /* enum gguf_tensor_type */
		size_t n_tensors;
		uint64_t n_bytes;
	} types[TERN_MAX_FILE_TYPES];

	/* Tensors that become T2R16, T1R16 or Q8P when the model is opened, and the bytes that they then take. */
	size_t n_to_t2r16, n_to_t1r16, n_to_q8p;
	uint64_t n_repacked_bytes;

	/* What a generated token reads of the weights at least, as they are computed on: of experts those that it uses,
	 * of an 8-bit head the high halves. */
	uint64_t n_token_bytes, n_expert_token_bytes; /* all; of these, experts */

	/* What opening it and a sequence take of memory. */
	uint64_t n_weight_bytes;              /* those that are repacked, and those that are read where they are */
	uint64_t n_state_bytes;               /* of a sequence, however long */
	uint64_t n_kv_bytes[TERN_N_KV_TYPES]; /* of each token of a sequence, by enum tern_kv_type */
};

/* Strings in *facts point into the file's bytes. */
void tern_file_facts_of(struct tern_file_facts *facts, const struct gguf *gguf);

/* The parsed file of an open model; lives as long as the model. */
const struct gguf *tern_model_gguf(const struct tern_model *model);

/* ---- models of random weights ---------------------------------------------------------------------------- */

/* Makes a model of random weights in the shape of a public model, without a tokenizer: "2b", or "2b:128" with one scale
 * for every 128 columns. Takes seconds; options->on_progress counts MiB of weights. TERN_ERR_USAGE if there is no such
 * shape, TERN_ERR_FAILED if memory does not suffice. options may be NULL. */
enum tern_status tern_model_make_random(struct tern_model **model, const char *shape,
                                        const struct tern_model_options *options, struct tern_error *err);

/* The shapes, for help texts. */
#define TERN_SHAPES_TEXT                                                            \
	"Shapes:\n"                                                                 \
	"  0.7b  1bitLLM large       1b    Falcon3 1B          1.7b  Qwen3 1.7B\n"  \
	"  2b    BitNet 2B-4T        3b    1bitLLM 3B          4b    Qwen3 4B\n"    \
	"  7b    Falcon3 7B          8b    Llama 3 8B          10b   Falcon3 10B\n" \
	"  8b-1bit  1-bit Bonsai 8B  27b  Bonsai 27B (hybrid)\n"                    \
	"  0.8b-h  Qwen 3.5 0.8B (hybrid)  9b-h  Qwen 3.5 9B (hybrid)\n"            \
	"  maple  Maple 20B-A1B (mixture of experts)\n"

/* ---- the cost of a token --------------------------------------------------------------------------------- */

/* What computing one token takes at least. A batch reads the layers once, and of experts those that its tokens use. */
struct tern_cost {
	uint64_t layer_bytes; /* weights, scales, norms and biases of all layers; of experts, those that a token uses */
	uint64_t expert_bytes; /* of these: experts */
	uint64_t all_expert_bytes;
	uint64_t head_bytes;     /* the output head and its norm */
	uint64_t head_low_bytes; /* of these: low nibbles, which tern_compute_top_logits() reads for some rows only; 0
	                            unless the head is Q8P */
	uint64_t kv_bytes;       /* keys and values of one position of the context, all layers */
	uint64_t state_bytes;    /* of the delta nets' states, what a batch of one sequence reads and writes */
	uint64_t layer_macs, head_macs; /* multiply-adds of the projections, of the head */
};
void tern_cost_of(struct tern_cost *cost, const struct tern_model *model, enum tern_kv_type kv);

/* The memory of a session. */
struct tern_memory {
	uint64_t weight_bytes;  /* of the model, also those in a mapped file */
	uint64_t state_bytes;   /* however many tokens there are */
	uint64_t token_bytes;   /* keys and values of each token */
	uint64_t context_bytes; /* of the whole context */
};
void tern_memory_of(struct tern_memory *memory, const struct tern_session *session);

/* Columns per scale of the ternary matrices of a model with weights; 0: one scale per matrix. */
size_t tern_model_scale_group(const struct tern_model *model);

/* The type that the ternary matrices of a model with weights have in memory: "T2R16", or "T1R16" without zeros. */
const char *tern_model_ternary_type(const struct tern_model *model);

/* Computes the logits after the last token as far as a sampler with top_k = n_top needs them, as tern_generate() does.
 */
void tern_compute_top_logits(struct tern_session *session, size_t n_top);

/* Generates options->n_predict tokens as tern_generate() does with the default sampler, but takes those of ids in place
 * of the tokens that it picks: to measure what guessing tokens saves in a text that is known. Neither end tokens nor
 * on_text count, and the model needs no tokenizer. */
enum tern_status tern_generate_given(struct tern_session *session, const int32_t *prompt, size_t n_prompt,
                                     const int32_t *ids, const struct tern_generate_options *options,
                                     struct tern_generate_result *result, struct tern_error *err);

/* 16-row panels of the output head that the session's logits took so far, and those of them that were read whole. The
 * difference are panels of a Q8P head whose low nibbles were not needed. */
struct tern_head_reads {
	uint64_t n_panels, n_whole_panels;
};
struct tern_head_reads tern_session_head_reads(const struct tern_session *session);

/* How a session streams the weights that a few tokens are multiplied by, as it has found to be fastest. */
struct tern_read_choice {
	size_t panel_bytes, n_bytes; /* of the panels, and of all that is read in one step of the computation */
	bool is_few;                 /* for several tokens */
	bool is_settled;             /* all choices have been tried */
	size_t n_stream, prefetch;   /* read side by side; bytes ahead */
};

/* Choice number `index`; false behind the last. */
bool tern_session_read_choice(const struct tern_session *session, size_t index, struct tern_read_choice *choice);

/* Up to how many tokens the layers' weights are multiplied as they are stored; for more they are unpacked first, which
 * has been found to be faster. 0: not known, since there were never so many tokens, or there is no choice. */
size_t tern_session_stored_tokens(const struct tern_session *session);

/* ---- limits of the machine ------------------------------------------------------------------------------- */

/* Measures with the threads of a session, which must be idle, what this machine allows them. */
struct tern_meter {
	const char *instruction; /* that multiplies and adds, for reports: "vpdpbusd" */

	struct tern_pool *pool;
	const struct tern_peak *peak;
	const uint8_t *weights; /* all tensors of the model */
	size_t n_weight_bytes;
};

/* The session must outlive the meter. */
void tern_meter_start(struct tern_meter *meter, const struct tern_session *session);

/* Bytes per second that the threads read of the model's weights, in the fastest of several ways, measured for min_ns
 * nanoseconds. */
double tern_meter_read(const struct tern_meter *meter, uint64_t min_ns);
/* Multiply-adds of ternary weights and int8 per second of the threads, measured for min_ns nanoseconds. */
double tern_meter_multiply(const struct tern_meter *meter, uint64_t min_ns);

#endif
