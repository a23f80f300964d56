/* The numbers that describe a network, read from a file's metadata and checked. */
#ifndef TERN_MODEL_HPARAMS_H
#define TERN_MODEL_HPARAMS_H

#include "model/arch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tern.h>

enum {
	TERN_CONV_TAPS = 4 /* tokens that the convolution of a delta net sees, its own included */
};

struct tern_hparams {
	size_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_vocab, n_ctx_train;
	size_t n_ff;       /* of layers with a dense part; 0: there are none */
	size_t n_layer_kv; /* layers with attention: each has keys and values in the cache */
	size_t n_ctx_max;  /* tokens beyond which results would be wrong; 0: no such limit */
	float rms_eps;
	/* Gemma: embeddings times sqrt(n_embd). MiniCPM: all three. Others: 1. */
	float embedding_scale;     /* multiplies the embeddings */
	float residual_scale;      /* multiplies what each half of a layer adds to the stream */
	float logit_divisor;       /* divides the head's input */
	enum tern_pooling pooling; /* of embedding models; never TERN_POOLING_MODEL */
	enum tern_ffn_activation ffn_activation;

	/* Mixtures of experts: a token uses the n_expert_used that its router weighs most. Their weights are divided by
	 * their sum if normalizes_experts, and multiplied by expert_scale. n_expert 0: there are none. */
	size_t n_expert, n_expert_used, n_ff_expert;
	bool normalizes_experts;
	float expert_scale;

	/* RoPE rotates pair i of a head by position * rope_freq[i] radians and multiplies cosine and sine by
	 * rope_factor (YaRN, or an attn_factor of its own). Pairs are (2i, 2i+1) if interleaved, else (i, i + n_rot/2).
	 * tern_rope_load() fills in the frequencies. */
	size_t n_rot; /* leading values of a head that rotate */
	bool rope_in_windows_only;
	bool rope_interleaved;
	double *rope_freq; /* [n_rot / 2] */
	double rope_factor;
	double *rope_freq_local; /* [n_rot / 2] of layers with a window, factor 1; NULL: as the others */
	double *rope_freq_long;  /* [n_rot / 2] of sequences with room for more than n_ctx_short tokens, or NULL */
	size_t n_ctx_short;

	/* Attention over a window: see tern_layer_has_window(). */
	size_t window;               /* tokens that such a layer sees, its own included; 0: all of them */
	size_t window_period;        /* the last layer of each period sees all; 0: every layer does */
	const uint8_t *window_flags; /* [n_layer] instead, or NULL */

	/* Gated delta nets between layers of attention; see tern_layer_is_delta(). */
	size_t attention_period; /* the last layer of each period is attention; 0: all are */
	bool gates_attention;    /* a gate for each value that attention gives */
	struct tern_delta_shape {
		size_t n_head_key;  /* each for n_head / n_head_key value heads */
		size_t n_head;      /* of values, each with a state [head_dim, head_dim] */
		size_t head_dim;    /* of keys and of values */
		size_t n_key;       /* n_head_key * head_dim: of all queries, and of all keys */
		size_t n_value;     /* n_head * head_dim */
		size_t n_convolved; /* queries, keys and values together */
	} delta;

	/* Columns that share one int8 activation scale; 0 = a token's whole vector. */
	size_t activation_group;

	/* The RMSNorm in front of every projection (arXiv 2505.08823). */
	enum {
		TERN_LINEAR_NORM_NONE,
		TERN_LINEAR_NORM_GAIN,
		TERN_LINEAR_NORM_WEIGHTLESS
	} linear_norm;
	float linear_norm_eps;
};

/* Reads everything but the RoPE frequencies. */
enum tern_status tern_hparams_load(struct tern_hparams *hparams, const struct gguf *gguf, struct tern_error *err);

/* True for layers that are a delta net. */
bool tern_layer_is_delta(const struct tern_hparams *hparams, size_t layer);

/* True for layers whose attention sees a window and rotates by rope_freq_local, if there is one. */
bool tern_layer_has_window(const struct tern_hparams *hparams, size_t layer);

/* The limit of a layer's gated activation in experts: that of the file, else 7, the one that Maple was trained with. */
enum tern_status tern_expert_limit(const struct tern_hparams *hparams, const struct gguf *gguf, size_t layer,
                                   float *limit, struct tern_error *err);

/* A float that has to be finite and above 0; for the rest as tern_gguf_get_f32(). */
enum tern_status tern_get_positive(const struct gguf *gguf, const char *key, float *value, bool *found,
                                   struct tern_error *err);

#endif
