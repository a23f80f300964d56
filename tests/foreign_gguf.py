"""GGUF files as other engines write them, made by support/gguf.py from the formats' descriptions, through tern.

The same ternary weights in every type have to give the same logits, bit for bit, as in tern's own T2R16; embeddings in
stock types the same as their values in F32; heads in stock types nearly so. Where ../shared/checkpoints exists, files
made from its random checkpoints are compared with an independent implementation's logits as well.
"""
import json
import math
import os
import random
import struct
import sys

import lib
from lib import check
from support.gguf import (BF16, EMBD, F16, F32, FF, HEADS, HEADS_KV, I2_S, NAMES, PQ2_0, PTQ1_0, Q1_0, Q2_0, Q4_0,
                          Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, Small, T2R16, TQ1_0, TQ2_0, VOCAB, as_t1r16, as_t2r16,
                          as_type, as_units, floats, i2s, in_blocks, keys_of, slices, stock, t2r16, ternary_floats,
                          write_gguf)

lib.no_new_threads()

MAX_RELATIVE_ERROR = 2e-2  # against the oracle: rounding to int8 amplifies tiny differences
MAX_HEAD_ERROR = 3e-2  # of a head rounded to int8 once more, whose random blocks differ more than trained ones
IDS = [256, 1, 77, 200, 3, 250, 9, 100]


def same(expected, what, model, encode, *options, **more):
    """A model in another form gives exactly these logits."""
    path = lib.path("other.gguf")
    model.write(path, encode, **more)
    check(f"{what}: the logits of T2R16", expected and lib.logits(path, IDS, *options) == expected)


def refused(what, said, model, encode, *options, **more):
    path = lib.path("bad.gguf")
    model.write(path, encode, **more)
    done = lib.tern("logits", "-m", path, "--ids", "1", "-o", lib.path("none"), *options)
    check(f"{what}: is refused", done.returncode == 3 and all(s in done.stderr for s in said) and
          done.stderr.count("\n") == 1, done.returncode, done.stderr)


def expected_logits(model, encode, **keys):
    path = lib.path("t2r16.gguf")
    model.write(path, encode, **keys)
    return lib.logits(path, IDS)


def check_one_scale():
    model = Small(1)
    whole = expected_logits(model, as_t2r16)
    for layout in ("128", "64", "rows4"):
        same(whole, f"I2_S {layout}", model, as_type(I2_S, layout), "--i2s-layout", layout)
    same(whole, "I2_S, no mapping", model, as_type(I2_S), "--no-mmap", "-t", "3")
    same(whole, "TQ2_0 per token", model, as_type(TQ2_0), tern__activation="per_token")
    for kind, group in ((TQ1_0, 256), (TQ2_0, 256), (Q2_0, 64), (PQ2_0, 128), (PTQ1_0, 128), (F16, 128), (BF16, 128),
                        (F32, 128)):
        grouped = expected_logits(model, as_t2r16, tern__activation="per_group", tern__activation_group=group)
        check("activations in groups change something", group == EMBD or grouped != whole)
        same(grouped, NAMES[kind], model, as_type(kind))
    same(expected_logits(model, as_t2r16, tern__activation="per_group", tern__activation_group=128),
           "Q2_0 in groups of 128", model, as_type(PQ2_0, file_type=Q2_0))


def check_bitnet():
    """Arch bitnet: int8 per token whatever the type, sub-norms, scales beside the matrices."""
    model = Small(2, arch="bitnet")
    model.norms["blk.0.attn_sub_norm"] = model.norms["blk.0.ffn_sub_norm"] = [1.25] * EMBD
    whole = expected_logits(model, as_t2r16)
    same(whole, "bitnet TQ2_0", model, as_type(TQ2_0))
    same(whole, "bitnet F32 of units and .scale", model, as_units)


def check_group_scales():
    for kind, group in ((TQ1_0, 256), (TQ2_0, 256), (Q2_0, 64), (PQ2_0, 128), (PTQ1_0, 128), (F16, 64)):
        model = Small(3 + kind, group if group < 256 else 0)
        if group == 256:  # two columns of blocks, and a scale for each row
            for name, (rows, scales) in model.weights.items():
                model.weights[name] = rows, [[model.scale()] * (EMBD // 64) for _ in rows]
        expected = expected_logits(model, lambda *m: as_t2r16(*m, group), tern__activation="per_group",
                                   tern__activation_group=128 if kind == F16 else group)
        same(expected, f"{NAMES[kind]} with scales of {group} columns", model, as_type(kind))


def check_binary():
    """Weights without zeros: one scale, scales of groups, and at both ends of the network."""
    for group in (0, 128):
        model = Small(30 + group, group, codes=(0, 2))
        keys = {"tern__activation": "per_group", "tern__activation_group": 128}
        expected = expected_logits(model, lambda *m: as_t2r16(*m, group), **keys)
        same(expected, f"Q1_0, groups of {group}", model, as_type(Q1_0))
        same(expected, f"T1R16, groups of {group}", model, lambda *m: as_t1r16(*m, group), **keys)
        if not group:
            same(expected_logits(model, as_t2r16), "T1R16 per token", model, as_t1r16)
        rows, scales = model.matrix(VOCAB, EMBD)
        values = ((EMBD, VOCAB), F32, ternary_floats(F32, rows, scales))
        bits_of_rows = ((EMBD, VOCAB), Q1_0, in_blocks(Q1_0, rows, scales))
        path = lib.path("values.gguf")
        model.write(path, as_type(Q1_0), values, values)
        expected = lib.logits(path, IDS)
        same(expected, "embedding in Q1_0", model, as_type(Q1_0), embedding=bits_of_rows, output=values)
        model.write(path, as_type(Q1_0), bits_of_rows, bits_of_rows)
        same(lib.logits(path, IDS), "tied Q1_0", model, as_type(Q1_0), embedding=bits_of_rows)


def check_embeddings():
    """Rows of stock types are their values exactly; a head of its own keeps the two apart."""
    rng = random.Random(9)
    model = Small(4)
    output = ((EMBD, VOCAB), F16, floats(F16, model.embedding))
    for kind in (Q8_0, Q6_K, Q5_K, Q4_K, Q4_0, Q4_1, Q5_0, Q5_1):
        data, values = stock(kind, VOCAB * EMBD, rng)
        path = lib.path("values.gguf")
        model.write(path, as_type(I2_S), ((EMBD, VOCAB), F32, floats(F32, values)), output)
        same(lib.logits(path, IDS), f"embedding in {NAMES[kind]}", model, as_type(I2_S), embedding=((EMBD, VOCAB), kind, data),
               output=output)
    check_ternary_embedding(model, output)


def check_ternary_embedding(model, output):
    rows, scales = model.matrix(VOCAB, EMBD)
    values = ternary_floats(F32, rows, scales)
    path = lib.path("values.gguf")
    model.write(path, as_type(I2_S), ((EMBD, VOCAB), F32, values), output)
    expected = lib.logits(path, IDS)
    for kind, data in ((TQ2_0, in_blocks(TQ2_0, rows, scales)), (Q2_0, in_blocks(Q2_0, rows, scales)),
                       (I2_S, i2s(rows, scales[0][0]))):
        same(expected, f"embedding in {NAMES[kind]}", model, as_type(I2_S), embedding=((EMBD, VOCAB), kind, data),
               output=output)
    # Tied: both ends are ternary.
    own = Small(4)
    tied = {"token_embd.weight": ((EMBD, VOCAB), T2R16, t2r16(rows)),
            "token_embd.scale": ((1,), F32, floats(F32, [scales[0][0]]))}
    write_gguf(path, keys_of("llama", 1, EMBD, HEADS, HEADS_KV, EMBD // HEADS, FF, VOCAB),
               {**own.tensors(as_type(I2_S)), **tied})
    expected = lib.logits(path, IDS)
    for kind, data in ((TQ1_0, in_blocks(TQ1_0, rows, scales)), (PQ2_0, in_blocks(PQ2_0, rows, scales)),
                       (I2_S, i2s(rows, scales[0][0]))):
        same(expected, f"tied {NAMES[kind]}", own, as_type(I2_S), embedding=((EMBD, VOCAB), kind, data))


def check_heads():
    rng = random.Random(10)
    model = Small(5)
    embedding = ((EMBD, VOCAB), F16, floats(F16, model.embedding))
    for kind in (Q8_0, Q6_K, Q5_K, Q4_K, Q4_0, Q4_1):
        data, values = stock(kind, VOCAB * EMBD, rng)
        results = []
        for output in (((EMBD, VOCAB), F32, floats(F32, values)), ((EMBD, VOCAB), kind, data)):
            path = lib.path("head.gguf")
            model.write(path, as_type(I2_S), embedding, output)
            results.append(lib.rows_of(lib.logits(path, IDS), 8))
        worst = max(lib.relative_error(b, a) for a, b in zip(*results))
        check(f"head in {NAMES[kind]}: relative error", worst <= MAX_HEAD_ERROR, worst)


def check_refusals():
    model = Small(6)
    name = "blk.0.ffn_up.weight"

    def with_matrix(dims, kind, data):
        def encode(stem, rows, scales):
            return {name: (dims, kind, data)} if stem + ".weight" == name else as_type(I2_S)(stem, rows, scales)
        return encode

    square = (EMBD, FF)
    refused("Q4_K", (name, "Q4_K"), model, with_matrix(square, Q4_K, bytes(FF * 144)))
    refused("TL2", (name, "TL2"), model, with_matrix(square, 39, bytes(FF * EMBD)))
    refused("floats", (name, "F16", "not ternary"), model,
              with_matrix(square, F16, floats(F16, [model.rng.random() for _ in range(FF * EMBD)])))
    refused("code 3", (name, "I2_S", "code 3"), model, with_matrix(square, I2_S, i2s([b"\3" * EMBD] * FF, 1.0)))
    refused("NaN", (name, "I2_S", "scale"), model, with_matrix(square, I2_S, i2s([b"\1" * EMBD] * FF, math.nan)))
    refused("an old IQ1_TN", ("143", "PTQ1_0"), model, with_matrix(square, PTQ1_0, bytes(FF * 54)))
    refused("shape", (name, "expected 256 columns"), model, with_matrix((EMBD, FF // 2), I2_S,
                                                                         i2s([b"\1" * EMBD] * (FF // 2), 1.0)))


# ---- checkpoints that an independent implementation has computed ----

def read_safetensors(directory):
    tensors = {}
    for name in sorted(os.listdir(directory)):
        if not name.endswith(".safetensors"):
            continue
        with open(os.path.join(directory, name), "rb") as file:
            raw = file.read()
        n, = struct.unpack_from("<Q", raw)
        for key, t in json.loads(raw[8:8 + n]).items():
            if key != "__metadata__":
                begin, end = t["data_offsets"]
                tensors[key] = (t["dtype"], t["shape"], raw[8 + n + begin:8 + n + end])
    return tensors


def as_floats(tensor):
    kind, _, raw = tensor
    if kind == "BF16":
        raw = b"".join(b"\0\0" + raw[i:i + 2] for i in range(0, len(raw), 2))
    return struct.unpack(f"<{len(raw) // (2 if kind == 'F16' else 4)}{'e' if kind == 'F16' else 'f'}", raw)


def ternary_rows(tensors, name, multiplies):
    """Codes and scale of a linear: packed, ternary floats, or master weights."""
    kind, (n_row, n_col), raw = tensors[name + ".weight"]
    if kind == "U8":
        rows = [bytes(b >> shift & 3 for b in row) for shift in (0, 2, 4, 6) for row in slices(raw, n_col)]
        scale = as_floats(tensors[name + ".weight_scale"])[0]
        return rows, scale if multiplies else 1 / scale
    values = as_floats(tensors[name + ".weight"])
    sizes = {abs(v) for v in values} - {0.0}
    scale = sizes.pop() if len(sizes) == 1 else max(math.fsum(map(abs, values)) / len(values), 1e-5)
    codes = bytes(1 + max(-1, min(1, round(v / scale))) for v in values)
    return slices(codes, n_col), scale


def permute(rows, head_dim):
    """Row 2j + h of a head becomes what was row h * head_dim / 2 + j."""
    return [rows[start + h * (head_dim // 2) + j] for start in range(0, len(rows), head_dim)
            for j in range(head_dim // 2) for h in (0, 1)]


HF = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
      "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
      "mlp.down_proj": "ffn_down"}
HF_NORMS = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
            "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
            "self_attn.attn_sub_norm": "attn_sub_norm", "mlp.ffn_sub_norm": "ffn_sub_norm"}


def vector(tensor):
    return (len(as_floats(tensor)),), F32, floats(F32, as_floats(tensor))


def checkpoint_tensors(directory, config, arch, kind, norm_names):
    tensors = {k.removeprefix("model."): v for k, v in read_safetensors(directory).items()}
    quantization = config.get("quantization_config") or {}
    kinds = {"BF16": BF16, "F16": F16, "F32": F32}

    def dense(tensor):
        return tuple(reversed(tensor[1])), kinds[tensor[0]], tensor[2]

    out = {"token_embd.weight": dense(tensors["embed_tokens.weight"]), "output_norm.weight": vector(tensors["norm.weight"])}
    if "lm_head.weight" in tensors:
        out["output.weight"] = dense(tensors["lm_head.weight"])
    for i in range(config["num_hidden_layers"]):
        for theirs, ours in HF_NORMS.items():
            if f"layers.{i}.{theirs}.weight" in tensors:
                out[f"blk.{i}.{ours}.weight"] = vector(tensors[f"layers.{i}.{theirs}.weight"])
        for theirs, ours in HF.items():
            stem = f"layers.{i}.{theirs}"
            rows, scale = ternary_rows(tensors, stem, quantization.get("linear_class") == "autobitlinear")
            if arch == "llama" and ours in ("attn_q", "attn_k"):
                rows = permute(rows, config["head_dim"])
            out.update(as_type(kind)(f"blk.{i}.{ours}", rows, [[scale] * (len(rows[0]) // 64)] * len(rows)))
            if stem + ".bias" in tensors:
                out[f"blk.{i}.{ours}.bias"] = vector(tensors[stem + ".bias"])
            for suffix in (".norm.weight", ".rms_norm.weight"):
                if stem + suffix in tensors:
                    out[norm_names % f"blk.{i}.{ours}"] = vector(tensors[stem + suffix])
    return out


def check_checkpoint(name, arch, kind, norm_names="%s_norm_in.weight", **more):
    directory = os.path.join(lib.SHARED, "random", name)
    config = json.load(open(os.path.join(directory, "config.json")))
    golden = json.load(open(os.path.join(directory, "golden.json")))
    keys = {f"{arch}.{key}": v for key, v in more.items()}
    keys.update({f"{arch}.rope.freq_base": float(config["rope_theta"]), "tern.activation": "per_token",
                 "tern.linear_norm_eps": 1e-6})
    path = lib.path("checkpoint.gguf")
    write_gguf(path, keys_of(arch, config["num_hidden_layers"], config["hidden_size"], config["num_attention_heads"],
                             config["num_key_value_heads"], config["head_dim"], config["intermediate_size"],
                             config["vocab_size"], **keys),
               checkpoint_tensors(directory, config, arch, kind, norm_names))
    logits = lib.logits(path, golden["ids"])
    rows = lib.rows_of(logits, len(golden["ids"]))
    worst = lib.worst_error(rows, golden["logits"])
    print(f"{name} as {NAMES[kind]}: relative error at most {worst:.5f}")
    check(f"{name} as {NAMES[kind]}: relative error", worst <= MAX_RELATIVE_ERROR, worst)


def check_shared():
    """These are 128 wide: too narrow for blocks of 256."""
    if not lib.shared("files of the random checkpoints", "random"):
        return
    for kind in (I2_S, Q2_0, PQ2_0, PTQ1_0, F16):
        check_checkpoint("llama-ternary-f16", "llama", kind)
    check_checkpoint("bitnet-packed", "bitnet-b1.58", I2_S)
    check_checkpoint("bitnet-online", "bitnet-25", Q2_0)
    check_checkpoint("qwen2-norm", "qwen2", I2_S, "%s.rms_norm")
    check_checkpoint("qwen3-norm", "qwen3", I2_S, **{"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
                                                        "rope.scaling.original_context_length": 64})


def main():
    check_one_scale()
    if not lib.RUN:
        check_bitnet()
        check_group_scales()
        check_binary()
        check_embeddings()
        check_heads()
        check_refusals()
        check_shared()
    return lib.summary()


if __name__ == "__main__":
    sys.exit(main())
