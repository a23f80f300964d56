/* The architectures that tern runs, and the features that set each apart. Names, row orders and RoPE pairing are
 * llama.cpp's. */
#ifndef TERN_MODEL_ARCH_H
#define TERN_MODEL_ARCH_H

#include "model/gguf.h"

#include <stdbool.h>

enum tern_ffn_activation {
	TERN_FFN_SILU,
	TERN_FFN_RELU2, /* max(x, 0)^2 */
	TERN_FFN_GELU,  /* tanh form */
};

struct tern_arch {
	const char *name; /* general.architecture */
	enum tern_ffn_activation ffn_activation;
	bool rope_interleaved;
	bool needs_qk_norm, needs_sub_norm; /* in every layer */
	bool has_post_norm;                 /* of what each half of a layer adds to the residual stream */
	bool scales_embedding;              /* by sqrt(n_embd) */
	bool scales_stream;                 /* by three constants: embeddings, what a layer adds, logits */
	bool is_hybrid;                     /* qwen35: delta nets between layers of attention with a gate */
	bool quantizes_per_token;           /* trained with one int8 scale for a token's whole vector */
	bool has_experts;                   /* in every layer, in place of one dense part */
	bool rope_in_windows_only;          /* layers that see all positions do not rotate */
	/* The last layer of each window_period sees all positions, the others a window; 0: no windows. A file that does
	 * not give the window's length is right for up to unstated_window tokens; 0: it has to. */
	size_t window_period, unstated_window;
};

/* Finds the file's architecture; one that tern does not run is refused by name, with the reason where that is known. */
enum tern_status tern_arch_find(const struct gguf *gguf, const struct tern_arch **found, struct tern_error *err);

/* Refuses files with keys that ask for more than tern computes, and which would run wrong without. */
enum tern_status tern_arch_check_keys(const struct gguf *gguf, const struct tern_arch *arch, struct tern_error *err);

/* "ARCH.suffix", the key of an architecture's number; for use with the getters of gguf.h. */
enum tern_status tern_arch_key(char key[GGUF_MAX_KEY_LENGTH + 1], const struct gguf *gguf, const char *suffix,
                               struct tern_error *err);

#endif
