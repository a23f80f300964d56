#include "model/names.h"

const char *const tern_projection_names[TERN_N_PROJECTIONS] = {"attn_q",   "attn_k", "attn_v",  "attn_output",
                                                               "ffn_gate", "ffn_up", "ffn_down"};

const char *const tern_linear_norm_suffixes[TERN_N_LINEAR_NORM_SUFFIXES] = {"_norm_in.weight", ".rms_norm.weight",
                                                                            ".rms_norm"};

bool tern_is_linear_norm(struct gguf_string name)
{
	for (size_t i = 0; i < TERN_N_LINEAR_NORM_SUFFIXES; i++)
		if (tern_gguf_string_ends_in(name, tern_linear_norm_suffixes[i]))
			return true;
	return false;
}
