"""What the fuzzers of models begin with: small models of each kind, into the folders of their corpora.

usage: seeds.py CORPUS    (CORPUS/fuzz_gguf and CORPUS/fuzz_checkpoint are made)
"""
import json
import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import checkpoint as hf
from support import gguf

EMBD, HEADS, HEAD_DIM, FF, VOCAB, EXPERTS = 32, 2, 16, 32, 16, 2
rng = random.Random(1)


def f32(*dims):
    n = 1
    for dim in dims:
        n *= dim
    return list(dims), gguf.F32, hf.f32_bytes([0.5 + rng.random() for _ in range(n)])


def rows_of(n_row, n_col=EMBD):
    return [bytes(rng.choices((0, 1, 2), k=n_col)) for _ in range(n_row)]


class Model(dict):
    """The tensors of a GGUF file; ternary ones in floats or in tern's own type."""

    def __init__(self, own):
        self.own = own
        self["token_embd.weight"], self["output_norm.weight"] = f32(EMBD, VOCAB), f32(EMBD)

    def ternary(self, name, n_row, n_col=EMBD, experts=()):
        rows, own = rows_of(n_row * (experts[0] if experts else 1), n_col), self.own or name == "output"
        data = gguf.t2r16(rows) if own else gguf.ternary_floats(gguf.F16, rows, [[0.25]] * len(rows))
        self[name + ".weight"] = ([n_col, n_row, *experts], gguf.T2R16 if own else gguf.F16, data)
        if own:
            self[name + ".scale"] = ([1], gguf.F32, hf.f32_bytes([0.25]))

    def attention(self, b, gated=False):
        self.ternary(b + "attn_q", HEADS * HEAD_DIM * (2 if gated else 1))
        self.ternary(b + "attn_k", HEAD_DIM)
        self.ternary(b + "attn_v", HEAD_DIM)
        self.ternary(b + "attn_output", EMBD, HEADS * HEAD_DIM)
        self[b + "attn_q_norm.weight"], self[b + "attn_k_norm.weight"] = f32(HEAD_DIM), f32(HEAD_DIM)

    def feed_forward(self, b):
        for name in ("gate", "up", "down"):
            self.ternary(f"{b}ffn_{name}", FF)


def keys_of(arch, **more):
    keys = gguf.keys_of(arch, 2, EMBD, HEADS, 1, HEAD_DIM, FF, 258)
    for key in [key for key in keys if key.startswith("tokenizer.ggml.") and isinstance(keys[key], list)]:
        keys[key] = keys[key][:VOCAB if "merges" not in key else 0] or ["t h"]
    return {**keys, **{f"{arch}.{key}": value for key, value in more.items()}}


def maple(own):
    model = Model(own)
    for b in ("blk.0.", "blk.1."):
        model.attention(b)
        model[b + "attn_norm.weight"], model[b + "ffn_norm.weight"] = f32(EMBD), f32(EMBD)
        model[b + "ffn_gate_inp.weight"] = f32(EMBD, EXPERTS)
        for name in ("gate", "up", "down"):
            model.ternary(f"{b}ffn_{name}_exps", FF, EMBD, [EXPERTS])
    return keys_of("maple", **{
        "rope.dimension_count": 0, "rope.dimension_count_swa": 8, "attention.sliding_window": 4,
        "attention.sliding_window_pattern": [True, False], "expert_count": EXPERTS, "expert_used_count": 1,
        "expert_feed_forward_length": FF, "expert_gating_func": 1, "expert_weights_norm": True,
        "swiglu_clamp_exp": [7.0, 7.0]}), model


def qwen35(own, folded):
    model, block, value = Model(own), 16, 2 * HEAD_DIM
    for i, b in enumerate(("blk.0.", "blk.1.")):
        model[b + "attn_norm.weight"], model[b + "post_attention_norm.weight"] = f32(EMBD), f32(EMBD)
        model.feed_forward(b)
        if i:
            model.attention(b, gated=True)
            continue
        model.ternary(b + "attn_qkv", 2 * HEAD_DIM + value)
        model.ternary(b + "attn_gate", value)
        model.ternary(b + "ssm_out", EMBD, value)
        model[b + "ssm_beta.weight"], model[b + "ssm_alpha.weight"] = f32(EMBD, 2), f32(EMBD, 2)
        model[b + "ssm_conv1d.weight"] = f32(4, 2 * HEAD_DIM + value)
        model[b + "ssm_a"] = ([2], gguf.F32, hf.f32_bytes([-1.0, -0.5]))
        model[b + "ssm_dt.bias"], model[b + "ssm_norm.weight"] = f32(2), f32(HEAD_DIM)
    keys = keys_of("qwen35", **{
        "rope.dimension_count": 8, "rope.dimension_sections": [2, 1, 1, 0], "ssm.conv_kernel": 4,
        "ssm.state_size": HEAD_DIM, "ssm.group_count": 1, "ssm.time_step_rank": 2, "ssm.inner_size": value,
        "full_attention_interval": 2})
    if folded:
        model.ternary("output", VOCAB)
        names = [name for name, (dims, _, _) in model.items() if len(dims) == 2 and name != "token_embd.weight" and
                 not any(part in name for part in ("ssm_conv", "ssm_beta", "ssm_alpha"))]
        keys.update({"prism.hadamard." + key: v for key, v in {
            "version": 1, "transform": "normalized-sylvester-walsh-hadamard", "axis": "input-last-dimension",
            "block_size": block, "sign_mode": "explicit", "sign_widths": [EMBD], "sign_values": [1, -1] * (EMBD // 2),
            "weight_names": names, "inverse_weight_names": ["token_embd.weight"],
            "gdn_v_grouped": True}.items()})
    return keys, model


# ---- checkpoints: u16 length of config.json, u16 of the header, then both and the data of the tensors ----

def write_checkpoint(path, config, tensors):
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    texts = [json.dumps(part, separators=(",", ":")).encode() for part in (config, header)]
    with open(path, "wb") as file:
        file.write(struct.pack("<HH", *map(len, texts)) + b"".join(texts) + data)


def config_of(architecture, model_type, **more):
    return {"architectures": [architecture], "model_type": model_type, "hidden_size": EMBD, "intermediate_size": FF,
            "num_hidden_layers": 1, "num_attention_heads": HEADS, "num_key_value_heads": 1, "head_dim": HEAD_DIM,
            "vocab_size": VOCAB, "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "rope_theta": 1e4, **more}


class Checkpoint(hf.Tensors):
    stem = "model.layers.0."

    def gain(self, name, n):
        self.floats(name, [1.0] * n, [n], "BF16")

    def matrix(self, module, n_row, n_col, how):
        codes = [[code - 1 for code in row] for row in rows_of(n_row, n_col)]
        if how == "packed":
            self[module + ".weight"] = ("U8", [n_row // 4, n_col], hf.pack_codes(codes))
            self.floats(module + ".weight_scale", [0.25], [1], "BF16")
        elif how == "floats":
            self.floats(module + ".weight", [0.25 * code for code in hf.flat(codes)], [n_row, n_col], "F16")
        else:  # MLX's words, of experts if there are several
            shape = [*how, n_row // (how[0] if how else 1)]
            words = bytes(rng.choices((0x55, 0x64, 0x1a), k=n_row * n_col // 4))
            self[module + ".weight"] = ("U32", [*shape, n_col // 16], words)
            self.floats(module + ".row_alpha", [0.25] * n_row, shape, "BF16")

    def attention(self, how, gated=False):
        for name, n in ("q", HEADS * HEAD_DIM * (2 if gated else 1)), ("k", HEAD_DIM), ("v", HEAD_DIM), ("o", EMBD):
            self.matrix(f"{self.stem}self_attn.{name}_proj", n, EMBD, how)

    def norms(self, n=EMBD):
        self.gain(self.stem + "input_layernorm.weight", n)
        self.gain(self.stem + "post_attention_layernorm.weight", n)
        self.gain("model.norm.weight", n)

    def qk_norms(self):
        for name in "qk":
            self.gain(f"{self.stem}self_attn.{name}_norm.weight", HEAD_DIM)

    def feed_forward(self, how):
        for name in ("gate", "up", "down"):
            self.matrix(f"{self.stem}mlp.{name}_proj", FF, EMBD, how)


def llama(how):
    tensors = Checkpoint()
    tensors.floats("model.embed_tokens.weight", [0.5] * VOCAB * EMBD, [VOCAB, EMBD], "BF16")
    tensors.attention(how)
    tensors.norms()
    tensors.feed_forward(how)
    quantization = {"quant_method": "bitnet", "linear_class": "bitlinear"} if how == "packed" else None
    return config_of("LlamaForCausalLM", "llama", quantization_config=quantization, tie_word_embeddings=True), tensors


def hybrid():
    tensors, stem = Checkpoint(), "model.layers.0.linear_attn."
    tensors.floats("model.embed_tokens.weight", [0.5] * VOCAB * EMBD, [VOCAB, EMBD], "BF16")
    for name, n in ("in_proj_qkv", 4 * HEAD_DIM), ("in_proj_z", 2 * HEAD_DIM), ("out_proj", EMBD):
        tensors.matrix(stem + name, n, EMBD, "floats")
    tensors.feed_forward("floats")
    tensors.norms()
    for name in "ba":
        tensors.floats(f"{stem}in_proj_{name}.weight", [0.25] * 2 * EMBD, [2, EMBD], "BF16")
    tensors.floats(stem + "conv1d.weight", [0.5] * 16 * HEAD_DIM, [4 * HEAD_DIM, 1, 4], "BF16")
    tensors.floats(stem + "A_log", [0.5] * 2, [2], "F32")
    tensors.floats(stem + "dt_bias", [0.5] * 2, [2], "BF16")
    tensors.gain(stem + "norm.weight", HEAD_DIM)
    tensors.stem = "model.layers.1."
    tensors.attention("floats", gated=True)
    tensors.qk_norms()
    tensors.feed_forward("floats")
    tensors.norms()
    return config_of("Qwen3_5ForCausalLM", "qwen3_5_text", tie_word_embeddings=True, full_attention_interval=2,
                     num_hidden_layers=2,
                     linear_num_key_heads=1, linear_num_value_heads=2, linear_key_head_dim=HEAD_DIM,
                     linear_value_head_dim=HEAD_DIM, linear_conv_kernel_dim=4, partial_rotary_factor=0.5), tensors


def mlx():
    tensors = Checkpoint()
    for name in ("model.word_embeddings", "lm_head"):
        tensors[name + ".weight"] = ("U32", [VOCAB, 8], bytes(rng.randrange(256) for _ in range(VOCAB * 32)))
        for part in ("scales", "biases"):
            tensors.floats(f"{name}.{part}", [0.5] * VOCAB, [VOCAB, 1], "BF16")
    config = config_of("MapleForCausalLM", "maple", hidden_size=64, moe_intermediate_size=FF, num_experts=EXPERTS,
                       num_experts_per_tok=1, partial_rotary_factor=0.5, sliding_window=4,
                       layer_types=["sliding_attention"], quantization={"bits": 2, "group_size": 128})
    stem = "model.layers.0."
    for name, n_row, n_col in ("q", 32, 64), ("k", 16, 64), ("v", 16, 64), ("o", 64, 32):
        tensors.matrix(f"{stem}self_attn.{name}_proj", n_row, n_col, ())
    tensors.norms(64)
    tensors.qk_norms()
    tensors.floats(stem + "mlp.gate.weight", [0.5] * EXPERTS * 64, [EXPERTS, 64], "BF16")
    for name, n_row, n_col in ("gate", FF, 64), ("up", FF, 64), ("down", 64, FF):
        tensors.matrix(f"{stem}mlp.switch_mlp.{name}_proj", EXPERTS * n_row, n_col, (EXPERTS,))
    return config, tensors


def main(corpus):
    folders = [os.path.join(corpus, name) for name in ("fuzz_gguf", "fuzz_checkpoint")]
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
    for own in (False, True):
        gguf.write_gguf(os.path.join(folders[0], f"maple{own:d}"), *maple(own))
        for folded in (False, True):
            gguf.write_gguf(os.path.join(folders[0], f"qwen35{own:d}{folded:d}"), *qwen35(own, folded))
    for name, made in ("packed", llama("packed")), ("floats", llama("floats")), ("hybrid", hybrid()), ("mlx", mlx()):
        write_checkpoint(os.path.join(folders[1], name), *made)


if __name__ == "__main__":
    main(sys.argv[1])
