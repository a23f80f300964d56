/* The architectures that are the decoder of transformer.h, and what sets each apart; names, row orders and RoPE pairing
 * are llama.cpp's. */
#ifndef TERN_MODEL_ARCH_H
#define TERN_MODEL_ARCH_H

#include "model/transformer.h"

struct tern_arch {
	const char *name; /* general.architecture */
	enum tern_ffn_activation ffn_activation;
	bool rope_interleaved;
	bool needs_qk_norm, needs_sub_norm; /* in every layer */
	bool is_bitnet;                     /* trained with one int8 scale per token's vector */
	bool is_gemma; /* norms behind both halves of a layer, embeddings times sqrt(n_embd), layers with windows */
};

/* Finds the file's architecture; one that tern does not run is refused by name, with the reason where that is known. */
enum tern_status tern_arch_find(const struct gguf *gguf, const struct tern_arch **found, struct tern_error *err);

/* Endings of the name of the norm in front of a projection, after the projection's name: that of tern and
 * microsoft/BitNet, then those of microsoft/BitNet PR 522; NULL ends the list. */
extern const char *const tern_linear_norm_endings[];

/* Refuses files with keys that ask for more than this decoder computes, and which would run wrong without. */
enum tern_status tern_arch_check_keys(const struct gguf *gguf, const struct tern_arch *arch, struct tern_error *err);

#endif
