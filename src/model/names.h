/* Names of tensors in GGUF files, for all who look for them. */
#ifndef TERN_MODEL_NAMES_H
#define TERN_MODEL_NAMES_H

#include "model/gguf.h"

enum {
	TERN_N_PROJECTIONS = 7,
	TERN_N_LINEAR_NORM_SUFFIXES = 3,
};

/* The matrices of a layer, below "blk.N.": attn_q, attn_k, attn_v, attn_output, ffn_gate, ffn_up, ffn_down. */
extern const char *const tern_projection_names[TERN_N_PROJECTIONS];

/* What follows a projection's name ("blk.N.attn_q") in the name of its own norm. The first is tern's and
 * microsoft/BitNet's, the others are of microsoft/BitNet's PR 522. */
extern const char *const tern_linear_norm_suffixes[TERN_N_LINEAR_NORM_SUFFIXES];

/* Whether a tensor is a projection's own norm. */
bool tern_is_linear_norm(struct gguf_string name);

#endif
