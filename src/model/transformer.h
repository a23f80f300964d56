/* The network of a model: its shape and where its weights are. Made from a parsed GGUF file whose bytes it points
 * into; immutable afterwards. */
#ifndef TERN_MODEL_TRANSFORMER_H
#define TERN_MODEL_TRANSFORMER_H

#include "base/file.h"
#include "model/gguf.h"

#include <tern.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tern_ffn_activation {
	TERN_FFN_SILU,
	TERN_FFN_RELU2, /* max(x, 0)^2 */
	TERN_FFN_GELU,  /* tanh form */
};

struct tern_hparams {
	size_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab, n_ctx_train;
	size_t n_ctx_max; /* tokens beyond which results would be wrong; 0: no such limit */
	float rms_eps;
	float embedding_scale;     /* of what is looked up: sqrt(n_embd) in Gemma, else 1 */
	enum tern_pooling pooling; /* of embedding models; never TERN_POOLING_MODEL */
	enum tern_ffn_activation ffn_activation;

	/* RoPE: pair i of a head turns by position * rope_freq[i] radians; cosine and sine are multiplied by
	 * rope_factor (YaRN, or an attn_factor of its own). Pairs are (2i, 2i+1) if interleaved, else (i, i + n_rot/2).
	 */
	size_t n_rot; /* leading values of a head that rotate */
	bool rope_interleaved;
	double *rope_freq; /* [n_rot / 2] */
	double rope_factor;
	double *rope_freq_local; /* [n_rot / 2] of layers with a window, factor 1; NULL: as the others */

	/* Attention over a window: see tern_layer_has_window(). */
	size_t window;               /* tokens that such a layer sees, its own included; 0: all of them */
	size_t window_period;        /* the last layer of each period sees all; 0: every layer does */
	const uint8_t *window_flags; /* [n_layer] instead, or NULL */

	/* Columns that share one int8 activation scale; 0 = a whole token's vector. */
	size_t activation_group;

	/* The RMSNorm in front of every projection (arXiv 2505.08823). */
	enum {
		TERN_LINEAR_NORM_NONE,
		TERN_LINEAR_NORM_GAIN,
		TERN_LINEAR_NORM_WEIGHTLESS
	} linear_norm;
	float linear_norm_eps;
};

/* A ternary projection: y = W q(x') * scale + bias, x' = the input after the projection's own norm, if any. */
struct tern_linear {
	size_t n_row, n_col;
	const uint8_t *panels;        /* T2R16 */
	float scale;                  /* of the whole matrix */
	size_t scale_group;           /* columns per group scale; 0 = the one scale above */
	const uint16_t *group_scales; /* f16 [n_panel, n_col / scale_group, 16] */
	const float *bias;            /* [n_row] or NULL */
	bool has_norm;
	const float *norm_gain; /* [n_col] or NULL: weightless */
	float norm_eps;
};

/* Embedding or dense output head. An embedding's rows are of Q8P or any type that tern_can_dequantize(), in place; a
 * head's are of F32, F16, BF16 or Q8P. */
struct tern_matrix {
	uint32_t type; /* enum gguf_tensor_type */
	size_t n_row, n_col;
	const uint8_t *data;
	const float *row_scales; /* [n_row], Q8P only */
};

struct tern_layer {
	const float *attn_norm, *ffn_norm;           /* [n_embd] */
	const float *attn_post_norm, *ffn_post_norm; /* [n_embd] or NULL: of what the halves add to the stream */
	const float *q_norm, *k_norm;                /* [head_dim] or NULL */
	const float *attn_sub_norm, *ffn_sub_norm;   /* [n_head * head_dim], [n_ff], or NULL */
	struct tern_linear q, k, v, o, gate, up, down;
	bool qkv_share_input, gate_up_share_input; /* equal norms: one quantised vector serves all */
	size_t window;                             /* tokens that attention sees, its own included; 0: all */
	bool rope_is_local;                        /* turns by rope_freq_local */
};

struct tern_transformer {
	struct tern_hparams hparams;
	bool embedding_is_ternary; /* in panels */
	struct tern_matrix embedding;
	struct tern_linear ternary_embedding; /* if embedding_is_ternary */
	struct tern_layer *layers;
	const float *output_norm; /* [n_embd] */
	bool head_is_ternary;
	struct tern_matrix head;         /* of the embedding's values when tied */
	struct tern_linear ternary_head; /* if head_is_ternary */
	uint64_t n_params;

	/* Copies of tensors that could not stay as they are in the file. */
	struct tern_owned {
		void *block;
		size_t n_bytes;
	} * owned;
	size_t n_owned, owned_capacity;
};

/* Reads and checks the shape (every relation between the numbers) and binds every tensor (present once, expected
 * shape and type), in place or repacked (repack.h). The GGUF and its bytes must outlive the result. options, for
 * repacking, may be NULL; file: the mapped file of which the GGUF was read, or NULL. */
enum tern_status tern_transformer_load(struct tern_transformer *transformer, const struct gguf *gguf,
                                       const struct tern_model_options *options, const struct tern_file *file,
                                       struct tern_error *err);
void tern_transformer_free(struct tern_transformer *transformer);

/* The metadata half of loading, in hparams.c; rope_freq is filled in by tern_rope_load(). */
enum tern_status tern_hparams_load(struct tern_hparams *hparams, const struct gguf *gguf, struct tern_error *err);

/* True for layers that see a window and turn by rope_freq_local. */
bool tern_layer_has_window(const struct tern_hparams *hparams, size_t layer);

/* RoPE frequencies with the scaling the file asks for (none, linear, YaRN, or divisors in rope_freqs.weight),
 * in rope.c. Allocates hparams->rope_freq and, for layers with windows, rope_freq_local. */
enum tern_status tern_rope_load(struct tern_hparams *hparams, const struct gguf *gguf, struct tern_error *err);

/* A float that has to be finite and above 0; for the rest as tern_gguf_get_f32(). */
enum tern_status tern_get_positive(const struct gguf *gguf, const char *key, float *value, bool *found,
                                   struct tern_error *err);

/* "ARCH.suffix", the key of an architecture's number; for use with the getters of gguf.h. */
enum tern_status tern_arch_key(char key[GGUF_MAX_KEY_LENGTH + 1], const struct gguf *gguf, const char *suffix,
                               struct tern_error *err);

#endif
