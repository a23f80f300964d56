#include "model/names.h"

const char *const tern_matrix_names[TERN_N_MATRICES] = {
        [TERN_ATTN_Q] = "attn_q",           [TERN_ATTN_K] = "attn_k",
        [TERN_ATTN_V] = "attn_v",           [TERN_ATTN_OUTPUT] = "attn_output",
        [TERN_FFN_GATE] = "ffn_gate",       [TERN_FFN_UP] = "ffn_up",
        [TERN_FFN_DOWN] = "ffn_down",       [TERN_OUTPUT] = "output",
        [TERN_TOKEN_EMBD] = "token_embd",   [TERN_FFN_GATE_EXPS] = "ffn_gate_exps",
        [TERN_FFN_UP_EXPS] = "ffn_up_exps", [TERN_FFN_DOWN_EXPS] = "ffn_down_exps",
};

const char *const tern_linear_norm_suffixes[TERN_N_LINEAR_NORM_SUFFIXES] = {"_norm_in.weight", ".rms_norm.weight",
                                                                            ".rms_norm"};

bool tern_is_experts(struct gguf_string name) { return tern_gguf_string_ends_in(name, "_exps.weight"); }

bool tern_is_linear_norm(struct gguf_string name)
{
	for (size_t i = 0; i < TERN_N_LINEAR_NORM_SUFFIXES; i++)
		if (tern_gguf_string_ends_in(name, tern_linear_norm_suffixes[i]))
			return true;
	return false;
}
