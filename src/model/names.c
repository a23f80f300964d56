#include "model/names.h"

#include "model/arch.h"

#include <stdlib.h>
#include <string.h>

const char *const tern_matrix_names[TERN_N_MATRICES] = {
        [TERN_ATTN_Q] = "attn_q",
        [TERN_ATTN_K] = "attn_k",
        [TERN_ATTN_V] = "attn_v",
        [TERN_ATTN_OUTPUT] = "attn_output",
        [TERN_FFN_GATE] = "ffn_gate",
        [TERN_FFN_UP] = "ffn_up",
        [TERN_FFN_DOWN] = "ffn_down",
        [TERN_DELTA_QKV] = "attn_qkv",
        [TERN_DELTA_GATE] = "attn_gate",
        [TERN_DELTA_BETA] = "ssm_beta",
        [TERN_DELTA_ALPHA] = "ssm_alpha",
        [TERN_DELTA_OUT] = "ssm_out",
        [TERN_OUTPUT] = "output",
        [TERN_TOKEN_EMBD] = "token_embd",
        [TERN_FFN_GATE_EXPS] = "ffn_gate_exps",
        [TERN_FFN_UP_EXPS] = "ffn_up_exps",
        [TERN_FFN_DOWN_EXPS] = "ffn_down_exps",
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

bool tern_keeps_floats(struct gguf_string name)
{
	return tern_gguf_string_ends_in(name, ".ssm_conv1d.weight") ||
	       tern_gguf_string_ends_in(name, ".ssm_alpha.weight") ||
	       tern_gguf_string_ends_in(name, ".ssm_beta.weight") ||
	       tern_gguf_string_ends_in(name, "." TERN_ROUTER_NAME);
}

/* A whole number under "ARCH.suffix"; 0 if there is none. */
static uint32_t arch_number(const struct gguf *gguf, const char *suffix)
{
	char key[GGUF_MAX_KEY_LENGTH + 1];
	uint32_t number = 0;

	if (tern_arch_key(key, gguf, suffix, NULL) || tern_gguf_get_u32(gguf, key, &number, NULL, NULL))
		return 0;
	return number;
}

static bool is_hybrid(const struct gguf *gguf)
{
	const struct tern_arch *arch;
	return !tern_arch_find(gguf, &arch, NULL) && arch->is_hybrid;
}

bool tern_is_mtp_tensor(const struct gguf *gguf, struct gguf_string name)
{
	static const char *const endings[] = {
	        ".attn_norm.weight",
	        ".post_attention_norm.weight",
	        ".attn_q.weight",
	        ".attn_k.weight",
	        ".attn_v.weight",
	        ".attn_output.weight",
	        ".attn_q_norm.weight",
	        ".attn_k_norm.weight",
	        ".ffn_gate.weight",
	        ".ffn_up.weight",
	        ".ffn_down.weight",
	        ".nextn.eh_proj.weight",
	        ".nextn.enorm.weight",
	        ".nextn.hnorm.weight",
	        ".nextn.shared_head_norm.weight",
	        ".nextn.embed_tokens.weight",
	        ".nextn.shared_head_head.weight",
	};
	uint32_t n_mtp = arch_number(gguf, "nextn_predict_layers"), n_block = arch_number(gguf, "block_count");
	char text[GGUF_MAX_NAME_LENGTH + 1], *end;

	if (n_mtp == 0 || n_mtp > n_block || name.length >= sizeof text || !is_hybrid(gguf))
		return false;
	if (tern_gguf_string_is(name, "output_extra.weight"))
		return true;
	memcpy(text, name.bytes, name.length);
	text[name.length] = '\0';
	if (strncmp(text, "blk.", 4) != 0)
		return false;
	unsigned long block = strtoul(text + 4, &end, 10);
	if (block < n_block - n_mtp || block >= n_block)
		return false;
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
		if (!strcmp(end, endings[i]))
			return true;
	return false;
}
