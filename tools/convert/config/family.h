/* The families of decoders that can be converted: one row of a table each. */
#ifndef CONVERT_CONFIG_FAMILY_H
#define CONVERT_CONFIG_FAMILY_H

#include "base/error.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdint.h>

/* What the layers of some families have: selects rows of the table in mapping/layer.c. */
enum layer_feature {
	LAYER_QK_NORM = 1 << 0,          /* norms of queries and keys */
	LAYER_SUB_NORM = 1 << 1,         /* BitNet: norms in front of the output and the down projection */
	LAYER_1BITLLM_SUB_NORM = 1 << 2, /* the same under 1bitLLM's names */
	LAYER_POST_NORM = 1 << 3,        /* Gemma: norms behind attention and behind the feed-forward part */
	LAYER_HYBRID = 1 << 4,           /* Qwen 3.5: attention with a gate, its name for the second norm */
	LAYER_EXPERTS = 1 << 5,          /* Maple: a router, and experts instead of one feed-forward part */
	LAYER_SUB_NORMS = LAYER_SUB_NORM | LAYER_1BITLLM_SUB_NORM,
};

/* A kind of decoder, by the class that transformers runs it with. */
struct family {
	const char *architecture;   /* architectures[0] in config.json */
	const char *bare;           /* the same without a head, in embedding models; NULL: none */
	const char *model_type;     /* for a config.json without architectures; NULL: never guessed from */
	const char *title;          /* for people */
	const char *arch;           /* general.architecture */
	const char *silu_arch;      /* the same for the activation silu where that is another arch, else NULL */
	const char *activation_key; /* NULL: hidden_act */
	const char *activation;     /* the value in config.json */
	const char *embedding;      /* its module; NULL: embed_tokens */
	unsigned features;          /* enum layer_feature */
	bool permutes_qk;           /* rows of q and k go into the order of interleaved RoPE */
	bool has_qkv_bias;
	bool is_mlx;             /* packed by MLX: ternary projections, a head and embedding of 4 bits */
	bool rotates_windows;    /* and no other layers: only what sees a window knows positions */
	bool is_hybrid;          /* delta nets between layers of attention; config.json may have a text_config */
	bool scales_stream;      /* MiniCPM's constants: scale_emb, scale_depth, dim_model_base */
	float norm_offset;       /* the stored value plus this is the gain of a norm */
	bool is_trained_ternary; /* with per-token int8 activations, whatever else config.json says */
	double default_rope_theta;
	double default_local_theta; /* of layers with a window; 0: the same as others */
	uint64_t default_head_dim;  /* 0 = hidden_size / num_attention_heads */
	uint64_t window_period;     /* the last layer of each period sees all, the others a window; 0: all see all */
};

/* The family of a config.json, `root`; anything else is refused. */
enum tern_status family_find(const struct family **family, struct json_value root, struct tern_error *err);

#endif
