/* Names of tensors in GGUF files, for all who look for them. */
#ifndef TERN_MODEL_NAMES_H
#define TERN_MODEL_NAMES_H

#include "model/gguf.h"

/* The matrices of a model that may be ternary. */
enum tern_matrix_kind {
	TERN_ATTN_Q,
	TERN_ATTN_K,
	TERN_ATTN_V,
	TERN_ATTN_OUTPUT,
	TERN_FFN_GATE,
	TERN_FFN_UP,
	TERN_FFN_DOWN,
	TERN_FFN_GATE_EXPS, /* of all experts, one below the other */
	TERN_FFN_UP_EXPS,
	TERN_FFN_DOWN_EXPS,
	TERN_DELTA_QKV,
	TERN_DELTA_GATE,
	TERN_DELTA_BETA,
	TERN_DELTA_ALPHA,
	TERN_DELTA_OUT,
	TERN_N_LAYER_MATRICES,
	TERN_OUTPUT = TERN_N_LAYER_MATRICES, /* the head */
	TERN_TOKEN_EMBD,
	TERN_N_MATRICES,
};

enum {
	TERN_N_LINEAR_NORM_SUFFIXES = 3,
};

/* What is between "blk.N." and ".weight" in the names of a layer's matrices, and before ".weight" in the others. */
extern const char *const tern_matrix_names[TERN_N_MATRICES];

/* What follows a projection's name ("blk.N.attn_q") in the name of its own norm. The first is tern's and
 * microsoft/BitNet's, the others are of microsoft/BitNet's PR 522. */
extern const char *const tern_linear_norm_suffixes[TERN_N_LINEAR_NORM_SUFFIXES];

/* The matrix of a router, whose values are floats. */
#define TERN_ROUTER_NAME "ffn_gate_inp.weight"

/* Whether a tensor holds the matrices of all experts of a layer, [n_expert, n_row, n_col]. */
bool tern_is_experts(struct gguf_string name);

/* Whether a two-dimensional tensor of a layer keeps its floats: routers, and what is small or no matrix in
 * delta nets. */
bool tern_keeps_floats(struct gguf_string name);

/* Whether a tensor belongs to the layers that predict the tokens after the next one (multi-token prediction), which
 * tern leaves out of hybrids; other architectures have none. */
bool tern_is_mtp_tensor(const struct gguf *gguf, struct gguf_string name);

/* Whether a tensor is a projection's own norm. */
bool tern_is_linear_norm(struct gguf_string name);

#endif
