"""Mixtures of experts, in random small models of Maple's architecture: next to the network that they were made from, whose
plain loops share nothing with tern; in every type, batch and number of threads; and what is refused.

What a reader would compute who falls into one of the architecture's traps is computed too, and has to be farther from the
right logits than the test allows:

    rope        rotating on all layers, on none, or on those that see everything; all values of a head instead of the first
    window      one token more or less
    router      rounding its input to int8; weights not divided by their sum; of equal logits, the higher index
    limit       on silu's output instead of its input, on the gate from below, not on up; of another layer
    dimensions  experts as the second dimension of their tensors instead of the third
"""
import json
import math
import os
import random
import struct
import sys

import lib
import oracle
from lib import check
from support import checkpoint as hf
from support import gguf
from support.network import Linear, Network, distances, half, quantize, rms_norm, rope_angles, silu

HIDDEN, HEADS, HEADS_KV, HEAD_DIM, FF, EXPERTS, LAYERS, WINDOW = 64, 4, 2, 16, 32, 6, 4, 4
IDS = [72, 101, 108, 111, 32, 119, 7, 200, 31, 90, 105, 66]
MAX_ERROR, MIN_TRAP_ERROR = 2e-2, 5e-2
MATRICES = ("gate", "up", "down")


class Maple(Network):
    """layers: as Network's, with "router" [expert][column], "experts" (dicts of gate, up, down) and "limit"."""
    n_used, normalizes, scale = 2, True, 1.0
    rotates = staticmethod(lambda layer: layer["window"])  # layers without a window know no positions

    def router_input(self, h):
        return h

    def best(self, logits):
        return sorted(range(len(logits)), key=lambda e: -logits[e])[:self.n_used]  # stable: the lower index first

    def activation(self, gate, up, limit):
        return silu(min(gate, limit)) * max(min(up, limit), -limit)

    def feed_forward(self, layer, h):
        x, out = self.router_input(h), [0.0] * len(h)
        logits = [sum(a * b for a, b in zip(row, x)) for row in layer["router"]]
        p = [math.exp(v - max(logits)) for v in logits]
        chosen = self.best(logits)
        total = sum(p[e] for e in chosen) if self.normalizes else sum(p)
        for e in chosen:
            expert = layer["experts"][e]
            m = [self.activation(g, u, layer["limit"]) for g, u in zip(expert["gate"](h), expert["up"](h))]
            out = [o + p[e] / total * self.scale * y for o, y in zip(out, expert["down"](m))]
        return out

    def run_layer(self, layer, xs):
        angles = rope_angles(self.n_rot, self.theta, None) if self.rotates(layer) else None
        keys, values, out = [], [], []
        for position, x in enumerate(xs):
            h = rms_norm(x, layer["attn_norm"], self.eps)
            q = self.heads(layer["q"], h, layer["q_norm"], position, angles)
            keys.append([half(k) for k in self.heads(layer["k"], h, layer["k_norm"], position, angles)])
            values.append([half(v) for v in self.heads(layer["v"], h, None, position, None)])
            x = [u + v for u, v in zip(x, layer["o"](self.attend(layer, q, keys, values)))]
            out.append([u + v for u, v in zip(x, self.feed_forward(layer, rms_norm(x, layer["ffn_norm"], self.eps)))])
        return out


def build(seed, down=3.0, dtype="F32", **more):
    """down: how much experts weigh; traps show best where that is much, rounding to 8 bits where it is little. dtype: of
    what is not ternary."""
    b, net = hf.Builder(seed, dtype), Maple()
    net.n_head, net.n_head_kv, net.head_dim, net.n_rot = HEADS, HEADS_KV, HEAD_DIM, HEAD_DIM // 2
    net.theta, net.eps = 100.0, 1e-5
    net.embedding, net.head = b.rows(hf.VOCAB, HIDDEN), b.rows(hf.VOCAB, HIDDEN, HIDDEN ** -0.5)
    net.output_norm, net.layers = b.gain(HIDDEN), []
    q, kv = HEADS * HEAD_DIM, HEADS_KV * HEAD_DIM
    for i in range(LAYERS):
        layer = {name: b.ternary(rows, cols, group=cols) for name, (rows, cols) in
                 {"q": (q, HIDDEN), "k": (kv, HIDDEN), "v": (kv, HIDDEN), "o": (HIDDEN, q)}.items()}
        layer.update({"attn_norm": b.gain(HIDDEN), "ffn_norm": b.gain(HIDDEN), "q_norm": b.gain(HEAD_DIM),
                      "k_norm": b.gain(HEAD_DIM), "router": b.rows(EXPERTS, HIDDEN, 5 * HIDDEN ** -0.5),
                      "window": None if i % 4 == 3 else WINDOW, "limit": (0.25, 0.5, 0.375, 0.75)[i]})
        layer["experts"] = [{"gate": b.ternary(FF, HIDDEN, group=HIDDEN), "up": b.ternary(FF, HIDDEN, group=HIDDEN),
                             "down": b.ternary(HIDDEN, FF, group=FF)} for _ in range(EXPERTS)]
        for expert in layer["experts"]:
            expert["down"].scales = [[down * v for v in row] for row in expert["down"].scales]
        net.layers.append(layer)
    return net.changed(**more)


# ---- files ----

def keys_of(net, **more):
    keys = gguf.keys_of("maple", len(net.layers), HIDDEN, HEADS, HEADS_KV, HEAD_DIM, 5120, hf.VOCAB)
    keys.update({"maple." + key: value for key, value in {
        "rope.freq_base": net.theta, "rope.dimension_count": 0, "rope.dimension_count_swa": net.n_rot,
        "attention.sliding_window": WINDOW, "attention.sliding_window_pattern": [bool(l["window"]) for l in net.layers],
        "expert_count": EXPERTS, "expert_used_count": net.n_used, "expert_feed_forward_length": FF,
        "expert_gating_func": 1, "expert_weights_norm": net.normalizes, "expert_weights_scale": net.scale,
        "swiglu_clamp_exp": [layer["limit"] for layer in net.layers]}.items()})
    keys.update({"maple." + key.replace("__", "."): value for key, value in more.items()})
    return {key: value for key, value in keys.items() if value is not None}


def tensors_of(net):
    f32 = lambda dims, values: (dims, gguf.F32, hf.f32_bytes(values))
    out = {"token_embd.weight": f32([HIDDEN, hf.VOCAB], hf.flat(net.embedding)),
           "output.weight": f32([HIDDEN, hf.VOCAB], hf.flat(net.head)), "output_norm.weight": f32([HIDDEN], net.output_norm)}
    names = {"q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "q_norm": "attn_q_norm",
             "k_norm": "attn_k_norm"}
    for i, layer in enumerate(net.layers):
        for name, part in layer.items():
            stem = f"blk.{i}.{names.get(name, name)}.weight"
            if isinstance(part, Linear):
                out[stem] = ([len(part.codes[0]), len(part.codes)], gguf.F16, hf.f16_bytes(hf.flat(part.weights())))
            elif name.endswith("norm"):
                out[stem] = f32([len(part)], part)
        out[f"blk.{i}.ffn_gate_inp.weight"] = f32([HIDDEN, EXPERTS], hf.flat(layer["router"]))
        for name in MATRICES:
            parts = [expert[name] for expert in layer["experts"]]
            out[f"blk.{i}.ffn_{name}_exps.weight"] = (
                [len(parts[0].codes[0]), len(parts[0].codes), EXPERTS], gguf.F16,
                b"".join(hf.f16_bytes(hf.flat(part.weights())) for part in parts))
    return out


# ---- traps ----

def all_layers(net, **changes):
    return net.map_layers(lambda layer: dict(layer, **changes))


def wider(net, more):
    return net.map_layers(lambda layer: dict(layer, window=layer["window"] and layer["window"] + more))


def rounded_router(h):
    q, scale = quantize(h)
    return [v / scale for v in q]


def experts_second(net):
    """Row r of expert e is where row e of expert r would be, if the last two dimensions changed places."""
    def change(layer):
        experts = [{} for _ in range(EXPERTS)]
        for name in MATRICES:
            parts = [expert[name] for expert in layer["experts"]]
            rows = [(codes, scales) for part in parts for codes, scales in zip(part.codes, part.scales)]
            for e in range(EXPERTS):
                mine = rows[e::EXPERTS]
                experts[e][name] = parts[e].changed(codes=[c for c, _ in mine], scales=[s for _, s in mine])
        return dict(layer, experts=experts)
    return net.map_layers(change)


def traps(net):
    clamp = lambda value, limit: max(min(value, limit), -limit)
    return {
        "rope on all layers": net.changed(rotates=lambda layer: True),
        "rope on none": net.changed(rotates=lambda layer: False),
        "rope on the layers that see everything": net.changed(rotates=lambda layer: not layer["window"]),
        "rope of whole heads": net.changed(n_rot=HEAD_DIM),
        "a window of one token more": wider(net, 1), "a window of one token less": wider(net, -1),
        "weights not divided by their sum": net.changed(normalizes=False),
        "the limit on silu's output": net.changed(activation=lambda g, u, l: min(silu(g), l) * clamp(u, l)),
        "the gate limited below": net.changed(activation=lambda g, u, l: silu(clamp(g, l)) * clamp(u, l)),
        "up without a limit": net.changed(activation=lambda g, u, l: silu(min(g, l)) * u),
        "up limited above only": net.changed(activation=lambda g, u, l: silu(min(g, l)) * min(u, l)),
        "the first layer's limit": all_layers(net, limit=net.layers[0]["limit"]),
        "experts as the second dimension": experts_second(net)}


def compare(name, net, wrong=None, **keys):
    model = lib.path("model.gguf")
    gguf.write_gguf(model, keys_of(net, **keys), tensors_of(net))
    reference = net.logits(IDS)
    rows = lib.rows_of(lib.logits(model, IDS, "-t", "1"), len(IDS))
    worst = max(distances(rows, reference), default=math.inf)
    print(f"{name}: relative error {worst:.4f}")
    check(f"{name}: relative error", worst <= MAX_ERROR, worst)
    for trap, other in lib.traps((wrong or {}).items()):
        error = max(distances(other.logits(IDS), reference))
        check(f"{name}: {trap}: would be noticed", error >= MIN_TRAP_ERROR, error)
    return model


def check_network():
    net = build(9)
    compare("maple", net, traps(net))
    # One column of the router's input is so large that rounding to int8 would leave little of the others.
    loud = net.map_layers(lambda layer: dict(
        layer, ffn_norm=[15.0] + layer["ffn_norm"][1:], router=[[0.0] + row[1:] for row in layer["router"]]))
    compare("a loud column", loud, {"a rounded input of the router": loud.changed(router_input=rounded_router)})
    twins = net.map_layers(lambda layer: dict(layer, router=[layer["router"][e // 2] for e in range(EXPERTS)]))
    twins = twins.changed(n_used=3)
    higher = lambda logits: sorted(range(EXPERTS), key=lambda e: (-logits[e], -e))[:3]
    compare("equal logits", twins, {"the higher index": twins.changed(best=higher)})
    compare("weights as the softmax gives them, scaled", build(9, down=1.0).changed(normalizes=False, scale=1.5))
    compare("one expert", net.changed(n_used=1))
    compare("all experts", net.changed(n_used=EXPERTS))
    standard = all_layers(build(9, down=0.5), limit=7.0, router=[[0.01 * v for v in row] for row in net.layers[0]["router"]])
    compare("a file without limits", standard, swiglu_clamp_exp=None)
    compare("a pattern by its period", net, attention__sliding_window_pattern=None)
    compare("a base of its own", net, rope__freq_base_swa=net.theta, rope__freq_base=5000.0)


# ---- one answer ----

EMBD, WIDE_FF, N = 256, 256, 3


def in_type(kind, weights):
    """weights: name -> list of (rows, scales) of experts, or one that is no list."""
    out = {}
    for name, parts in weights.items():
        experts = parts if isinstance(parts, list) else [parts]
        rows, scales = (sum((part[i] for part in experts), []) for i in (0, 1))
        dims = [len(rows[0]), len(rows) // len(experts)] + ([len(experts)] if isinstance(parts, list) else [])
        if kind == gguf.T2R16:
            out[name + ".weight"] = (dims, kind, gguf.t2r16(rows))
            out[name + ".scale"] = ((16, 1, len(rows) // 16), gguf.F16, gguf.group_scales([s[:1] for s in scales], 64))
        else:
            data = gguf.in_blocks(kind, rows, scales) if kind in gguf.BLOCKS else gguf.ternary_floats(kind, rows, scales)
            out[name + ".weight"] = (dims, kind, data)
    return out


def wide_model():
    """Keys, tensors that are not ternary, and ternary ones with one scale for each row."""
    rng = random.Random(3)

    def matrix(n_row, n_col):
        rows = [bytes(rng.choices((0, 1, 2), k=n_col)) for _ in range(n_row)]
        return rows, [[(128 + rng.randrange(128)) / 4096] * (n_col // 64) for _ in range(n_row)]
    f32 = lambda dims, size: (dims, gguf.F32, hf.f32_bytes([rng.gauss(0, size) for _ in range(math.prod(dims))]))
    gain = lambda n: ([n], gguf.F32, hf.f32_bytes([1 + 0.2 * rng.random() for _ in range(n)]))
    keys = gguf.keys_of("maple", 4, EMBD, 4, 2, 64, WIDE_FF, gguf.VOCAB)
    keys.update({"maple.rope.dimension_count_swa": 32, "maple.attention.sliding_window": 20, "maple.expert_count": N,
                 "maple.expert_used_count": 2, "maple.expert_feed_forward_length": WIDE_FF, "tern.activation": "per_group",
                 "tern.activation_group": 128})
    rest = {"token_embd.weight": f32([EMBD, gguf.VOCAB], 1), "output.weight": f32([EMBD, gguf.VOCAB], EMBD ** -0.5),
            "output_norm.weight": gain(EMBD)}
    weights = {}
    for i in range(4):
        stem = f"blk.{i}."
        rest.update({stem + "attn_norm.weight": gain(EMBD), stem + "ffn_norm.weight": gain(EMBD),
                     stem + "attn_q_norm.weight": gain(64), stem + "attn_k_norm.weight": gain(64),
                     stem + "ffn_gate_inp.weight": f32([EMBD, N], 4 * EMBD ** -0.5)})
        weights.update({stem + "attn_q": matrix(256, EMBD), stem + "attn_k": matrix(128, EMBD),
                        stem + "attn_v": matrix(128, EMBD), stem + "attn_output": matrix(EMBD, 256)})
        for name in MATRICES:
            weights[f"{stem}ffn_{name}_exps"] = [matrix(256, 256) for _ in range(N)]
    return keys, rest, weights


def check_one_answer():
    keys, rest, weights = wide_model()
    ids, model, converted = list(range(60, 100)), lib.path("model.gguf"), lib.path("converted.gguf")
    gguf.write_gguf(model, keys, {**rest, **in_type(gguf.TQ2_0, weights)})
    expected = lib.logits(model, ids)
    same = lambda what, *options, path=model, **more: check(f"{what}: the same bits", expected and
                                                            lib.logits(path, ids, *options, **more) == expected)
    for isa in oracle.isas():
        same(isa, isa=isa)
    for options in (("-b", "1"), ("-b", "7"), ("-t", "1"), ("-t", "3"), ("-t", "5", "-b", "2")):
        same(" ".join(options), *options)
    if lib.convert(model, converted, "--head", "keep", "--embd", "keep"):
        same("converted", path=converted)
        same("converted, one token at a time", "-b", "1", path=converted)
    for kind in (gguf.TQ1_0, gguf.Q2_0, gguf.PQ2_0, gguf.PTQ1_0, gguf.F32, gguf.F16, gguf.BF16, gguf.T2R16):
        other = lib.path("other.gguf")
        gguf.write_gguf(other, keys, {**rest, **in_type(kind, weights)})
        same(gguf.NAMES.get(kind, str(kind)), path=other)
    # A router that BF16 holds is kept in it.
    routers = {name: part for name, part in rest.items() if "gate_inp" in name}
    for name, (dims, _, data) in routers.items():
        high = [data[i + 2:i + 4] for i in range(0, len(data), 4)]
        rest[name] = (dims, gguf.F32, b"".join(b"\0\0" + half for half in high))
        routers[name] = (dims, gguf.BF16, b"".join(high))
    gguf.write_gguf(model, keys, {**rest, **in_type(gguf.TQ2_0, weights)})
    expected = lib.logits(model, ids)
    gguf.write_gguf(model, keys, {**rest, **routers, **in_type(gguf.TQ2_0, weights)})
    same("a router in BF16")


def check_info():
    """What `tern info` counts: the bytes that a token reads, in the type that is computed on."""
    keys, rest, weights = wide_model()
    model = lib.path("model.gguf")
    gguf.write_gguf(model, keys, {**rest, **in_type(gguf.TQ2_0, weights)})
    info = json.loads(lib.tern("info", model, "--json").stdout)
    matrices = 4 * (256 * 256 * 2 + 2 * 128 * 256 + 3 * 2 * 256 * 256) // 4
    floats = 4 * sum(math.prod(dims) for name, (dims, _, _) in rest.items() if name != "token_embd.weight")
    check("info", (info["experts"], info["experts_used"], info["read_bytes"]) == (N, 2, matrices + floats),
          info, matrices, floats)


# ---- what is refused ----

def refused(what, said, keys, tensors):
    path = lib.path("bad.gguf")
    gguf.write_gguf(path, keys, tensors)
    done = lib.tern("logits", "-m", path, "--ids", "1", "-o", lib.path("none"))
    check(f"{what}: is refused in one line", done.returncode == 3 and said in done.stderr and
          done.stderr.count("\n") == 1, done.returncode, done.stderr)


def check_refusals():
    net = build(9)
    tensors = tensors_of(net)
    for key, value, said in (
            ("expert_count", 0, "expected 1 to"), ("expert_count", 10 ** 9, "expected 1 to"),
            ("expert_count", None, "missing"), ("expert_count", EXPERTS + 1, "columns"),
            ("expert_used_count", 0, "expected 1 to 6"), ("expert_used_count", EXPERTS + 1, "expected 1 to 6, got 7"),
            ("expert_used_count", 2 ** 32 - 1, "expected 1 to 6"), ("expert_feed_forward_length", 0, "expected 16"),
            ("expert_feed_forward_length", 24, "multiple of 16"), ("expert_feed_forward_length", 10 ** 9, "expected 16"),
            ("expert_gating_func", 2, "softmax"), ("expert_shared_count", 1, "every token"),
            ("expert_weights_scale", 0.0, "above 0"), ("expert_group_count", 2, "groups"),
            ("leading_dense_block_count", 1, "without"), ("swiglu_clamp_exp", [7.0] * (LAYERS - 1), "expected 4 numbers"),
            ("swiglu_clamp_exp", [0.0] * LAYERS, "above 0"), ("swiglu_clamp_exp", [7.0, math.nan, 7.0, 7.0], "above 0"),
            ("swiglu_clamp_exp", 7.0, "expected 4 numbers"), ("attention.sliding_window", 0, "expected 1 to"),
            ("attention.sliding_window", None, "expected 1 to"), ("attention.sliding_window", 2 ** 31, "expected 1 to"),
            ("attention.sliding_window_pattern", [True] * 3, "4 booleans"), ("rope.dimension_count_swa", None, "missing"),
            ("rope.dimension_count_swa", 7, "even"), ("rope.dimension_count_swa", HEAD_DIM + 2, "expected 2 to")):
        refused(f"{key} {value}", said, keys_of(net, **{key: value}), tensors)
    for name, change, said in (
            ("blk.1.ffn_gate_inp.weight", None, "missing"), ("blk.2.ffn_up_exps.weight", None, "missing"),
            ("blk.1.ffn_gate_inp.weight", lambda d, k, b: (d[::-1], k, b), "64 columns and 6 rows"),
            ("blk.1.ffn_gate_inp.weight", lambda d, k, b: (d, k, b[:-4] + struct.pack("<f", math.inf)), "not finite"),
            ("blk.0.ffn_down_exps.weight", lambda d, k, b: ([d[0], d[1] * d[2]], k, b), "and 6 experts"),
            ("blk.0.ffn_down_exps.weight", lambda d, k, b: (d[:2] + [d[2] - 1], k, b[:-2 * d[0] * d[1]]), "and 6 experts"),
            ("blk.0.ffn_down_exps.weight", lambda d, k, b: ([d[1], d[0], d[2]], k, b), "and 6 experts"),
            ("blk.3.ffn_gate_exps.weight", lambda d, k, b: (d, k, b[:-2] + hf.f16_bytes([0.123])), "not ternary"),
            ("blk.3.ffn_gate_exps.weight", lambda d, k, b: (d, k, b[:-2] + hf.f16_bytes([math.nan])), "not finite"),
            ("blk.3.ffn_gate_exps.weight", lambda d, k, b: (d, gguf.Q8_0, bytes(d[0] * d[1] * d[2] // 32 * 34)),
             "not ternary")):
        changed = {key: part for key, part in tensors.items() if key != name}
        if change:
            changed[name] = change(*tensors[name])
        refused(name, said, keys_of(net), changed)
    refused("a tensor of another expert", "nothing in this architecture", keys_of(net),
            {**tensors, "blk.0.ffn_gate_shexp.weight": tensors["blk.0.attn_v.weight"]})
    keys, rest, weights = wide_model()
    whole = in_type(gguf.TQ2_0, weights)
    dims, kind, data = whole["blk.2.ffn_up_exps.weight"]
    for what, at, byte, said in (("a code 3", len(data) - 70, b"\xff", "code 3"), ("a scale", len(data) - 1, b"\x7c", "the scale is")):
        bad = data[:at] + byte + data[at + 1:]
        refused(f"{what} of the last expert", said, keys, {**rest, **whole, "blk.2.ffn_up_exps.weight": (dims, kind, bad)})


# ---- the checkpoint for MLX ----

def words(bits, codes):
    """Codes in 32-bit words, the lowest bits first."""
    n = 32 // bits
    return struct.pack(f"<{len(codes) // n}I", *(sum(code << bits * i for i, code in enumerate(codes[at:at + n]))
                                                 for at in range(0, len(codes), n)))


class Affine:
    """A matrix of 4 bits: code * scale + bias, with one of each for 64 columns."""

    def __init__(self, b, n_row, n_col, size=1.0):
        self.codes = [[b.random.randrange(16) for _ in range(n_col)] for _ in range(n_row)]
        self.parts = {name: b.rows(n_row, n_col // 64, size * part) for name, part in (("scales", 0.2), ("biases", 1.5))}

    def rows(self):
        scales, biases = self.parts.values()
        exact = [[code * scale[i // 64] + bias[i // 64] for i, code in enumerate(codes)]
                 for codes, scale, bias in zip(self.codes, scales, biases)]
        return [hf.rounded(row, "F32") for row in exact]


def mlx_tensors(net, ends):
    tensors = hf.Tensors()
    for name, affine in ends.items():
        shape = [len(affine.codes), len(affine.codes[0])]
        tensors[name + ".weight"] = ("U32", [shape[0], shape[1] // 8], words(4, hf.flat(affine.codes)))
        for part, rows in affine.parts.items():
            tensors.floats(f"{name}.{part}", hf.flat(rows), [shape[0], shape[1] // 64], "BF16")

    def ternary(name, parts, shape):
        codes = [code + 1 for part in parts for code in hf.flat(part.codes)]
        tensors[name + ".weight"] = ("U32", [*shape, len(parts[0].codes[0]) // 16], words(2, codes))
        tensors.floats(name + ".row_alpha", [row[0] for part in parts for row in part.scales], shape, "BF16")
    gain = lambda name, values: tensors.floats(name + ".weight", values, [len(values)], "BF16")
    gain("model.norm", net.output_norm)
    for i, layer in enumerate(net.layers):
        stem = f"model.layers.{i}."
        gain(stem + "input_layernorm", layer["attn_norm"])
        gain(stem + "post_attention_layernorm", layer["ffn_norm"])
        for name in "qkvo":
            ternary(f"{stem}self_attn.{name}_proj", [layer[name]], [len(layer[name].codes)])
        for name in "qk":
            gain(f"{stem}self_attn.{name}_norm", layer[name + "_norm"])
        tensors.floats(stem + "mlp.gate.weight", hf.flat(layer["router"]), [EXPERTS, HIDDEN], "BF16")
        for name in MATRICES:
            parts = [expert[name] for expert in layer["experts"]]
            ternary(f"{stem}mlp.switch_mlp.{name}_proj", parts, [EXPERTS, len(parts[0].codes)])
    return tensors


def mlx_config(net, **more):
    quantization = {"group_size": 128, "bits": 2, "mode": "affine", "lm_head": {"group_size": 64, "bits": 4}}
    config = {"architectures": ["MapleForCausalLM"], "model_type": "maple", "hidden_size": HIDDEN,
              "intermediate_size": 5120, "moe_intermediate_size": FF, "num_hidden_layers": LAYERS, "num_experts": EXPERTS,
              "num_experts_per_tok": net.n_used, "num_attention_heads": HEADS, "num_key_value_heads": HEADS_KV,
              "head_dim": HEAD_DIM, "vocab_size": hf.VOCAB, "max_position_embeddings": 4096, "rms_norm_eps": net.eps,
              "rope_theta": net.theta, "rope_scaling": None, "partial_rotary_factor": 0.5, "sliding_window": WINDOW,
              "layer_types": ["sliding_attention" if l["window"] else "full_attention" for l in net.layers],
              "hidden_act": "silu", "norm_topk_prob": True, "num_shared_experts": 0, "use_bias": False, "use_qk_norm": True,
              "nope_on_global_attention": True, "tie_word_embeddings": False, "quantization": quantization,
              "quantization_config": quantization}
    config.update({key: value for key, value in more.items() if value is not None})
    return {key: value for key, value in config.items() if more.get(key, "") is not None}


def mlx_model():
    """A network of which a GGUF file and a checkpoint for MLX hold the same values."""
    net, b = all_layers(build(9, down=0.5, dtype="BF16"), limit=7.0), hf.Builder(10, "BF16")
    ends = {"model.word_embeddings": Affine(b, hf.VOCAB, HIDDEN), "lm_head": Affine(b, hf.VOCAB, HIDDEN, HIDDEN ** -0.5)}
    net.embedding, net.head = (affine.rows() for affine in ends.values())
    for layer in net.layers:
        for linear in [layer[name] for name in "qkvo"] + [e[name] for e in layer["experts"] for name in MATRICES]:
            linear.scales = [hf.rounded(row, "BF16") for row in linear.scales]
    return net, ends


def check_mlx():
    """The same bits from the checkpoint as from the GGUF file of its values, which are the network's."""
    net, ends = mlx_model()
    model, folder = compare("the values of a checkpoint for MLX", net), lib.path("mlx")
    tensors = mlx_tensors(net, ends)
    check("tensors as in the public checkpoint", len(tensors) == 7 + 19 * LAYERS, list(tensors))
    tensors["lm_head_flash.token_map"] = ("I32", [2], bytes(8))
    hf.write(folder, tensors, mlx_config(net), n_shard=2)
    for options in (("--head", "keep", "--embd", "keep"), ()):
        ours, other = lib.path("ours.gguf"), lib.path("other.gguf")
        if lib.convert(folder, ours, *options, "-t", "3") and lib.convert(model, other, *options):
            check(f"MLX {options}: the same bits", lib.logits(ours, IDS) == lib.logits(other, IDS))
    return net, tensors


def check_mlx_refusals(net, tensors):
    folder = lib.path("bad-mlx")
    stem = "model.layers.1.mlp.switch_mlp.up_proj"

    def refused(what, said, config=None, change=None):
        hf.write(folder, hf.Tensors({**tensors, **(change or {})}), config or mlx_config(net))
        done = lib.call(lib.CONVERT, folder, "-o", lib.path("none.gguf"))
        check(f"{what}: is refused in one line", done.returncode == 3 and said in done.stderr and
              done.stderr.count("\n") == 1, done.returncode, done.stderr)
    masters = mlx_config(net, quantization=None, quantization_config=None)
    refused("float masters", "GGUF files", masters)
    refused("masters without a class", "GGUF files", {key: v for key, v in masters.items() if key != "architectures"})
    for key, value, said in (("num_experts", 0, "from 1 to"), ("num_experts", 10 ** 9, "from 1 to"), ("num_experts", None, "missing"),
                             ("num_experts_per_tok", EXPERTS + 1, "from 1 to 6"), ("moe_intermediate_size", 24, "multiple of 16"),
                             ("num_shared_experts", 1, "not supported"), ("first_k_dense_replace", 1, "not supported"),
                             ("nope_on_global_attention", False, "true"), ("partial_rotary_factor", None, "missing"),
                             ("quantization", {"bits": 4}, "4 bits"), ("quantization", {"bits": 2, "mode": "mxfp4"}, "affine"),
                             ("sliding_window", 0, "at least 1")):
        refused(f"{key} {value}", said, mlx_config(net, **{key: value}))
    for name, change, said in (
            (stem + ".row_alpha", None, "sizes of the packed weights are unknown"), ("lm_head.biases", None, "unknown"),
            (stem + ".weight", None, "missing"), ("model.layers.2.mlp.gate.weight", None, "missing"),
            (stem + ".row_alpha", lambda d, s, b: (d, s[::-1], b), "config.json wants [6, 32]"),
            (stem + ".weight", lambda d, s, b: (d, [s[0] * s[1], s[2]], b), "config.json wants [6, 32, 4]"),
            (stem + ".weight", lambda d, s, b: (d, s[:2] + [2 * s[2]], 2 * b), "config.json wants [6, 32, 4]"),
            (stem + ".weight", lambda d, s, b: (d, s, b[:-1] + b"\xc0"), "code 3"),
            (stem + ".row_alpha", lambda d, s, b: (d, s, b[:-2] + hf.bf16_bytes([-1.0])), "expected 0 to"),
            (stem + ".row_alpha", lambda d, s, b: (d, s, b[:-2] + hf.bf16_bytes([1e5])), "expected 0 to"),
            (stem + ".row_alpha", lambda d, s, b: (d, s, b[:-2] + hf.bf16_bytes([math.inf])), "not finite"),
            (stem + ".row_alpha", lambda d, s, b: ("I16", s, b), "expected floats"),
            ("lm_head.weight", lambda d, s, b: (d, [s[0], s[1] // 2], b[:len(b) // 2]), "config.json wants [272, 8]"),
            ("lm_head.scales", lambda d, s, b: (d, s[:1], b), "config.json wants [272, 1]"),
            ("model.word_embeddings.biases", lambda d, s, b: (d, s, hf.bf16_bytes([math.nan]) + b[2:]), "not finite"),
            ("model.layers.2.mlp.gate.weight", lambda d, s, b: ("U16", s, b), "U16"),
            ("model.layers.0.mlp.shared.weight", lambda d, s, b: tensors["model.norm.weight"], "no use for it")):
        old = tensors.get(name, (None, None, None))
        if change:
            refused(name, said, change={name: change(*old)})
        else:
            kept = tensors.pop(name)
            refused(name, said)
            tensors[name] = kept


def check_damage():
    """Bytes of a good file, changed at random: it runs, or one line says why not."""
    rng, net, path = random.Random(4), build(1), lib.path("damaged.gguf")
    gguf.write_gguf(path, keys_of(net), tensors_of(net))
    good, n_refused = open(path, "rb").read(), 0
    begin = good.index(b"maple.block_count")
    for _ in range(150):
        bad, at = bytearray(good), rng.randrange(begin, begin + 2000)
        for _ in range(rng.randrange(1, 4)):
            at = rng.choice((rng.randrange(begin, begin + 2000), good.index(b"blk.") + rng.randrange(3000)))
            bad[at] = rng.choice((0, 1, 255, bad[at] ^ 1 << rng.randrange(8)))
        with open(path, "wb") as file:
            file.write(bad)
        done = lib.tern("logits", "-m", path, "--ids", "1,2,3", "-o", lib.path("none"), "-t", "2")
        n_refused += done.returncode == 3
        if done.returncode not in (0, 3) or (done.returncode == 3) != (done.stderr.count("\n") == 1):
            check(f"damaged at {at}: one line", False, done.returncode, done.stderr)
    check("damaged files are refused, but not all", 20 < n_refused < 150, n_refused)


def main():
    check_network()
    check_one_answer()
    check_info()
    check_refusals()
    check_mlx_refusals(*check_mlx())
    check_damage()
    return lib.summary()


if __name__ == "__main__":
    sys.exit(main())
