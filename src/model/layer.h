/* What a layer of the network is made of: its kinds, their weights, and one list of its matrices, which loading,
 * prefetching, benchmarks and the converter share. */
#ifndef TERN_MODEL_LAYER_H
#define TERN_MODEL_LAYER_H

#include "model/hparams.h"
#include "model/layout.h"

/* A ternary projection: y = W q(x') * scale + bias, x' = the input after the projection's own norm, if any. */
struct tern_linear {
	size_t n_row, n_col;
	const uint8_t *panels; /* T2R16, or T1R16 if is_binary */
	bool is_binary;
	float scale;                  /* of the whole matrix */
	size_t scale_group;           /* columns per group scale; 0 = the one scale above */
	const uint16_t *group_scales; /* f16 [n_panel, n_col / scale_group, 16] */
	const float *bias;            /* [n_row] or NULL */
	size_t hadamard_block; /* columns that a Hadamard transform in front of it takes together; 0: there is none */
	const float *signs;    /* [n_col] in front of the transform; NULL: all are 1 */
	bool has_norm;
	const float *norm_gain; /* [n_col] or NULL: weightless */
	float norm_eps;
	size_t next_read; /* of transformer->reads: what a token reads after it; 0: not in a layer */
};

static inline size_t tern_linear_panel_bytes(const struct tern_linear *linear)
{
	return tern_ternary_panel_bytes(linear->n_col, linear->is_binary);
}

/* A matrix that is not ternary: the embedding, the output head, or small ones of a layer. An embedding's rows are of
 * Q8P or any type that tern_can_dequantize(), in place; a head's of F32, F16, BF16 or Q8P; a layer's of F32, F16 or
 * BF16. */
struct tern_matrix {
	uint32_t type; /* enum gguf_tensor_type */
	size_t n_row, n_col;
	const uint8_t *data;
	const float *row_scales; /* [n_row], Q8P only */
};

/* What mixes the tokens of a sequence. */
enum tern_mixer_kind {
	TERN_MIXER_ATTENTION,
	TERN_MIXER_DELTA,
};

struct tern_attention_weights {
	/* With hparams.gates_attention q gives each head's query, then its gate. */
	struct tern_linear q, k, v, o;
	bool share_input; /* nothing, or the same, in front of q, k and v: one quantized vector serves all */
	const float *q_norm, *k_norm; /* [head_dim] or NULL */
	const float *sub_norm;        /* [n_head * head_dim] or NULL */
	size_t window;                /* tokens that attention sees, its own included; 0: all */
	bool ignores_positions;       /* no RoPE */
	bool rope_is_local;           /* rotates by rope_freq_local */
	size_t cache_index;           /* which layer of the key/value cache is its own */
	size_t next_read;             /* of transformer->reads: what a token reads after its keys and values */
};

/* A gated delta net (arXiv 2412.06464); see infer/delta.c. Value head t reads key head t mod n_head_key. */
struct tern_delta_weights {
	struct tern_linear qkv;         /* queries, keys and values in front of the convolution */
	struct tern_linear gate;        /* [n_value] of what the net gives */
	struct tern_linear beta, alpha; /* [n_head], if they are ternary */
	bool gates_are_float;
	struct tern_matrix float_beta, float_alpha; /* if they are not */
	struct tern_linear out;
	bool share_input;          /* of qkv, gate and ternary beta and alpha */
	const float *conv;         /* [TERN_CONV_TAPS, n_convolved], the last for the token itself */
	const float *decay, *bias; /* [n_head] log of the state's decay = decay * softplus(alpha + bias) */
	const float *norm;         /* [head_dim] of each head's output */
	bool groups_heads;         /* the columns of out have the heads of one key head side by side */
	size_t state_index;        /* which layer of the sequence's state is its own */
};

/* What works on every token alone. */
enum tern_ffn_kind {
	TERN_FFN_DENSE,
	TERN_FFN_EXPERTS,
};

struct tern_dense_weights {
	struct tern_linear gate, up, down;
	bool share_input;      /* of gate and up */
	const float *sub_norm; /* [n_ff] or NULL */
};

/* A mixture of experts: many dense parts, of which a token uses those that a router chooses. An expert that every token
 * uses ("shared") would be one more behind them, with a weight of its own; no model here has one. */
struct tern_expert_weights {
	struct tern_matrix router;         /* [n_expert, n_embd], F32 or BF16 */
	struct tern_linear gate, up, down; /* of all experts, one below the other: see tern_expert_linear() */
	float limit;                       /* f(gate) * up = silu(min(gate, limit)) * max(min(up, limit), -limit) */
};

struct tern_layer {
	const float *attn_norm, *ffn_norm;           /* [n_embd] of the input of each half */
	const float *attn_post_norm, *ffn_post_norm; /* [n_embd] or NULL: of what each half adds to the stream */
	enum tern_mixer_kind mixer;
	enum tern_ffn_kind ffn;
	union {
		struct tern_attention_weights attention;
		struct tern_delta_weights delta;
	};
	union {
		struct tern_dense_weights dense;
		struct tern_expert_weights experts;
	};
};

/* One matrix of a layer. */
struct tern_layer_matrix {
	const char *name; /* of its tensors: "blk.N.NAME.weight", "blk.N.NAME.scale", ... */
	size_t n_row, n_col;
	struct tern_linear *linear;
	bool begins_read; /* it is the first of those that are multiplied together */
	size_t n_expert;  /* that it holds: n_row counts the rows of all; 0: it is one matrix */
};

/* The matrix of one of n_expert experts. */
struct tern_linear tern_expert_linear(const struct tern_linear *all, size_t n_expert, size_t index);

/* Matrix number `index` of a layer whose kinds are set, in the order in which a token reads them; false behind the
 * last. */
bool tern_layer_matrix(const struct tern_hparams *hparams, struct tern_layer *layer, size_t index,
                       struct tern_layer_matrix *matrix);

#endif
