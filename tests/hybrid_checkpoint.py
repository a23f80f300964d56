"""Checkpoints of Qwen 3.5 text models in Hugging Face's order, converted: the logits are those of a GGUF file of the same
random network, bit for bit, which this test writes in llama.cpp's order (value heads that share a key head apart from
each other, gains with their 1, decays with their exponential). oracle.py compares such GGUF files with a reference."""
import json
import math
import os
import random
import sys

import lib
from lib import check
from support import checkpoint as hf
from support import gguf

lib.no_new_threads()

EMBD, FF, HEADS, HEADS_KV, HEAD_DIM, N_ROT, VOCAB = 128, 192, 2, 1, 64, 16, hf.VOCAB
N_LAYER, PERIOD = 4, 2
KEY_HEADS, VALUE_HEADS, STATE, TAPS = 4, 12, 64, 4
KEYS, VALUES, PER_KEY = KEY_HEADS * STATE, VALUE_HEADS * STATE, VALUE_HEADS // KEY_HEADS
IDS = [72, 101, 0, 255, 72, 101, 9, 100, 7]
REGEX = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*"
         "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")

# Hugging Face's module, GGUF's name, rows, columns
ATTENTION = [("self_attn.q_proj", "attn_q", 2 * HEADS * HEAD_DIM, EMBD), ("self_attn.k_proj", "attn_k", HEAD_DIM, EMBD),
             ("self_attn.v_proj", "attn_v", HEAD_DIM, EMBD), ("self_attn.o_proj", "attn_output", EMBD, HEADS * HEAD_DIM)]
DELTA = [("linear_attn.in_proj_qkv", "attn_qkv", 2 * KEYS + VALUES, EMBD),
         ("linear_attn.in_proj_z", "attn_gate", VALUES, EMBD), ("linear_attn.out_proj", "ssm_out", EMBD, VALUES)]
FEED = [("mlp.gate_proj", "ffn_gate", FF, EMBD), ("mlp.up_proj", "ffn_up", FF, EMBD),
        ("mlp.down_proj", "ffn_down", EMBD, FF)]
GATES = [("linear_attn.in_proj_b", "ssm_beta", VALUE_HEADS, EMBD),
         ("linear_attn.in_proj_a", "ssm_alpha", VALUE_HEADS, EMBD)]


def apart(items, size=1, first=0):
    """Items of the value heads, `size` each, behind `first` others: head h of a key head's neighbors goes to place
    h * KEY_HEADS + key head."""
    heads = gguf.slices(items[first:], size)
    return items[:first] + hf.flat(heads[key * PER_KEY + h] for h in range(PER_KEY) for key in range(KEY_HEADS))


class Both:
    """A random network being written in both forms. packed: codes with one scale for a matrix, trained with activations
    in 8 bits; else floats with a scale for every 64 columns, which full activations were trained with."""

    def __init__(self, seed, prefix, packed, in_order=True):
        self.rng, self.prefix, self.packed = random.Random(seed), prefix, packed
        self.apart = apart if in_order else lambda items, *_: items
        self.hf, self.gguf = hf.Tensors(), {}

    def normal(self, n, size, dtype):
        return hf.rounded([self.rng.gauss(0, size) for _ in range(n)], dtype)

    def vector(self, module, name, values, stored, dtype="F32", shape=None):
        self.hf.floats(module, stored, shape or [len(stored)], dtype)
        dims = tuple(reversed([d for d in shape if d > 1])) if shape else (len(values),)
        self.gguf[name] = (dims, gguf.F32, gguf.floats(gguf.F32, values))

    def gain(self, module, name, n, centered=True):
        w = [self.rng.randint(-60, 60) / 256 for _ in range(n)]
        self.vector(module + ".weight", name + ".weight", [1 + x for x in w], w if centered else [1 + x for x in w])

    def floats(self, module, name, n_row, n_col, dtype, size, order=None):
        rows = [self.normal(n_col, size, dtype) for _ in range(n_row)]
        self.hf.floats(module + ".weight", hf.flat(rows), [n_row, n_col], dtype)
        if name:
            rows = order(rows) if order else rows
            kind = {"F16": gguf.F16, "BF16": gguf.BF16}[dtype]
            self.gguf[name + ".weight"] = ((n_col, n_row), kind, hf.PACK[dtype](hf.flat(rows)))

    def matrix(self, module, name, n_row, n_col):
        """Ternary; scales are exact in F16 and BF16."""
        rng, size = self.rng, 1 / n_col ** 0.5

        def scale():
            return hf.rounded([size * rng.uniform(0.5, 1.5)], "BF16")[0]
        if self.packed:
            scales = [[scale()] * (n_col // 64)] * n_row
        else:
            scales = [[scale() for _ in range(n_col // 64)] for _ in range(n_row)]
        rows = [bytes(rng.choices((0, 1, 2), k=n_col)) for _ in range(n_row)]
        if self.packed:
            self.hf[module + ".weight"] = ("U8", [n_row // 4, n_col], hf.pack_codes([[c - 1 for c in row] for row in rows]))
            self.hf.floats(module + ".weight_scale", [scales[0][0]], [1], "BF16")
        else:
            values = [(c - 1) * s[i // 64] for row, s in zip(rows, scales) for i, c in enumerate(row)]
            self.hf.floats(module + ".weight", values, [n_row, n_col], "BF16")
        name = name.rsplit(".", 1)
        if name[1] in ("attn_qkv", "attn_gate"):
            first = n_row - VALUES
            rows, scales = self.apart(rows, STATE, first), self.apart(scales, STATE, first)
        elif name[1] in ("ssm_beta", "ssm_alpha"):
            rows, scales = self.apart(rows), self.apart(scales)
        elif name[1] == "ssm_out":
            rows = [bytes(self.apart(list(row), STATE)) for row in rows]
            scales = [self.apart(list(s), STATE // 64) for s in scales]
        encode = gguf.as_t2r16 if self.packed else gguf.as_type(gguf.F32)
        self.gguf.update(encode(".".join(name), rows, scales))

    def layer(self, i):
        p, b, delta = f"{self.prefix}layers.{i}.", f"blk.{i}.", i % PERIOD != PERIOD - 1
        self.gain(p + "input_layernorm", b + "attn_norm", EMBD)
        self.gain(p + "post_attention_layernorm", b + "post_attention_norm", EMBD)
        for module, name, n_row, n_col in (DELTA if delta else ATTENTION) + FEED + (GATES if delta and self.packed else []):
            self.matrix(p + module, b + name, n_row, n_col)
        if not delta:
            self.gain(p + "self_attn.q_norm", b + "attn_q_norm", HEAD_DIM)
            self.gain(p + "self_attn.k_norm", b + "attn_k_norm", HEAD_DIM)
            return
        for module, name, n_row, n_col in [] if self.packed else GATES:
            self.floats(p + module, b + name, n_row, n_col, "BF16", 0.1, self.apart)
        d, n = p + "linear_attn.", 2 * KEYS + VALUES
        taps = [self.normal(TAPS, 0.5, "BF16") for _ in range(n)]
        self.vector(d + "conv1d.weight", b + "ssm_conv1d.weight", hf.flat(self.apart(taps, STATE, 2 * KEYS)),
                    hf.flat(taps), "BF16", [n, 1, TAPS])
        a = hf.rounded([math.log(self.rng.uniform(0.5, 4)) for _ in range(VALUE_HEADS)], "F32")
        self.vector(d + "A_log", b + "ssm_a", self.apart([-math.exp(x) for x in a]), a)
        dt = hf.rounded([self.rng.uniform(-2, 1) for _ in range(VALUE_HEADS)], "BF16")
        self.vector(d + "dt_bias", b + "ssm_dt.bias", self.apart(dt), dt, "BF16")
        self.gain(d + "norm", b + "ssm_norm", STATE, centered=False)

    def all(self, tied):
        self.floats(self.prefix + "embed_tokens", "token_embd", VOCAB, EMBD, "F16", 1)
        self.gain(self.prefix + "norm", "output_norm", EMBD)
        if not tied:
            self.floats("lm_head", "output", VOCAB, EMBD, "F16", 0.1)
        for i in range(N_LAYER):
            self.layer(i)
        return self


def config_of(tied, sees, packed):
    text = {"hidden_size": EMBD, "intermediate_size": FF, "num_hidden_layers": N_LAYER, "num_attention_heads": HEADS,
            "num_key_value_heads": HEADS_KV, "head_dim": HEAD_DIM, "vocab_size": VOCAB, "max_position_embeddings": 512,
            "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": tied, "attn_output_gate": True,
            "attention_bias": False, "full_attention_interval": PERIOD, "linear_conv_kernel_dim": TAPS,
            "linear_num_key_heads": KEY_HEADS, "linear_num_value_heads": VALUE_HEADS, "linear_key_head_dim": STATE,
            "linear_value_head_dim": STATE, "output_gate_type": "swish", "mtp_num_hidden_layers": int(sees),
            "layer_types": ["full_attention" if i % PERIOD == PERIOD - 1 else "linear_attention" for i in range(N_LAYER)],
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25,
                                "mrope_interleaved": True, "mrope_section": [3, 3, 2]}}
    more = {"quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear"}} if packed else {}
    if sees:
        return {"architectures": ["Qwen3_5ForConditionalGeneration"], "model_type": "qwen3_5", "text_config": text,
                "vision_config": {"depth": 1}, "tie_word_embeddings": tied, **more}
    return {"architectures": ["Qwen3_5ForCausalLM"], "model_type": "qwen3_5_text", **text, **more}


def gguf_keys(packed):
    a = "qwen35."
    more = {a + "attention.layer_norm_rms_epsilon": 1e-6, a + "rope.dimension_count": N_ROT, a + "rope.freq_base": 1e7,
            a + "rope.dimension_sections": [3, 3, 2, 0], a + "ssm.conv_kernel": TAPS, a + "ssm.state_size": STATE,
            a + "ssm.group_count": KEY_HEADS, a + "ssm.time_step_rank": VALUE_HEADS, a + "ssm.inner_size": VALUES,
            a + "full_attention_interval": PERIOD}
    if packed:
        more["tern.activation"] = "per_token"
    return gguf.keys_of("qwen35", N_LAYER, EMBD, HEADS, HEADS_KV, HEAD_DIM, FF, VOCAB, **more)


def tokenizer():
    """Qwen's: it cuts words before bytes, and composes characters."""
    whole = hf.byte_tokenizer(("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    parts = [{"type": "Split", "pattern": {"Regex": REGEX}, "behavior": "Isolated", "invert": False},
             {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}]
    return dict(whole, normalizer={"type": "NFC"}, pre_tokenizer={"type": "Sequence", "pretokenizers": parts})


def write(folder, seed, sees, tied, packed):
    prefix = "model.language_model." if sees else "model."
    both = Both(seed, prefix, packed).all(tied)
    if sees:  # what texts have no use for
        both.hf.floats("mtp.fc.weight", [0.5] * 8, [2, 4], "F32")
        both.hf.floats("model.visual.patch_embed.proj.bias", [0.5] * 8, [8], "F32")
    hf.write(folder, both.hf, config_of(tied, sees, packed), tokenizer=tokenizer(),
             tokenizer_config={"eos_token": "<|im_end|>", "add_bos_token": False})
    return both


def logits_of(tensors, packed):
    model = lib.path("other.gguf")
    gguf.write_gguf(model, gguf_keys(packed), tensors)
    return lib.logits(model, IDS)


def check_form(name, seed, sees, tied, packed):
    folder, model = lib.path(name), lib.path(name + ".gguf")
    both = write(folder, seed, sees, tied, packed)
    if not lib.convert(folder, model, "--head", "keep", "--embd", "keep"):
        return
    mine, other = lib.logits(model, IDS), logits_of(both.gguf, packed)
    check(f"{name}: the logits of the GGUF file", mine and mine == other)
    keys = {"qwen35.rope.dimension_sections": "3\n3\n2\n0", "tokenizer.ggml.pre": "qwen35", "qwen35.ssm.group_count": "4"}
    for key, wanted in keys.items():
        found = lib.tern("info", model, "--key", key).stdout.decode().strip()
        check(f"{name}: {key}", found == wanted, found)
    unordered = logits_of(Both(seed, both.prefix, packed, in_order=False).all(tied).gguf, packed)
    error = min(map(lib.relative_error, lib.rows_of(unordered, len(IDS)), lib.rows_of(mine, len(IDS))), default=0)
    check(f"{name}: heads in the other order would be noticed", error > 5e-2, error)


def refused(what, folder, said):
    done = lib.call(lib.CONVERT, folder, "-o", lib.path("refused.gguf"), "--force")
    check(f"{what}: is refused", done.returncode == 3 and said in done.stderr, done.returncode, done.stderr)


def check_refusals():
    folder = lib.path("refused")
    both = write(folder, 3, False, True, False)
    good = config_of(True, False, False)
    rope = good["rope_parameters"]
    changes = [({"attn_output_gate": False}, "attention without a gate"), ({"attention_bias": True}, "not supported"),
               ({"output_gate_type": "sigmoid"}, 'expected "swish"'),
               ({"linear_value_head_dim": 128}, "expected linear_key_head_dim"),
               ({"linear_num_key_heads": 5}, "does not divide"), ({"linear_conv_kernel_dim": 3}, "linear_conv_kernel_dim"),
               ({"full_attention_interval": 4}, 'expected "linear_attention"'),
               ({"layer_types": good["layer_types"][:3]}, "num_hidden_layers is 4"),
               ({"rope_parameters": dict(rope, mrope_section=[3, 3, 3])}, "three numbers that add up to 8"),
               ({"rope_parameters": {k: v for k, v in rope.items() if k != "partial_rotary_factor"}},
                "partial_rotary_factor")]
    for change, said in changes:
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump(dict(good, **change), file)
        refused(str(change), folder, said)
    for name, said in (("linear_attn.conv1d.weight", "[1280, 1, 4] of floats"), ("linear_attn.A_log", "exponential")):
        name = "model.layers.0." + name
        tensors = hf.Tensors(both.hf)
        tensors.floats(name, [100.0] * 12, [12], "F32")
        hf.write(folder, tensors, good, tokenizer=tokenizer())
        refused(name, folder, said)
    hf.write(folder, hf.Tensors(both.hf, **{"model.visual": ("F32", [1], bytes(4))}), good, tokenizer=tokenizer())
    refused("a tensor without use", folder, "has no use for it")


if __name__ == "__main__":
    check_form("text", 1, sees=False, tied=False, packed=False)
    check_form("sees", 2, sees=True, tied=True, packed=False)
    check_form("packed", 4, sees=False, tied=True, packed=True)
    check_refusals()
    sys.exit(lib.summary())
