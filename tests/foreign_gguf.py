"""GGUF files as other engines write them, made here byte by byte from the formats' descriptions, through tern.

The same ternary weights in every type have to give the same logits, bit for bit, as in tern's own T2R16; embeddings in
stock types the same as their values in F32; heads in stock types nearly so. Where ../shared/checkpoints exists, files
made from its random checkpoints are compared with an independent implementation's logits as well.
Environment: TERN, and RUN (an emulator's command, or empty). Needs no packages. With `--large FILE` only writes a file
to time repacking with.
"""
import array
import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile

RUN = os.environ.get("RUN", "").split()
TERN = os.environ.get("TERN", "./tern")
SHARED = os.path.join("..", "shared", "checkpoints", "random")
MAX_RELATIVE_ERROR = 2e-2  # against the oracle: rounding to int8 amplifies tiny differences
MAX_HEAD_ERROR = 3e-2  # of a head rounded to int8 once more, whose random blocks differ more than trained ones

F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 = 0, 1, 2, 3, 6, 7, 8
Q4_K, Q5_K, Q6_K, BF16 = 12, 13, 14, 30
TQ1_0, TQ2_0, I2_S, Q1_0, Q2_0, PQ2_0, PTQ1_0, T2R16 = 34, 35, 36, 41, 42, 142, 143, 2016

passed = failed = 0


def check(good, what):
    global passed, failed
    passed += bool(good)
    failed += not good
    if not good:
        print("FAILED:", what, file=sys.stderr)


# ---- the container ----

def string(text):
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def value(v):
    if isinstance(v, bool):
        return struct.pack("<IB", 7, v)
    if isinstance(v, int):
        return struct.pack("<II", 4, v)
    if isinstance(v, float):
        return struct.pack("<If", 6, v)
    if isinstance(v, str):
        return struct.pack("<I", 8) + string(v)
    kind, pack = (8, string) if isinstance(v[0], str) else (5, lambda i: struct.pack("<i", i))
    return struct.pack("<IIQ", 9, kind, len(v)) + b"".join(map(pack, v))


def write_gguf(path, keys, tensors, version=3):
    """tensors: name -> (dimensions, columns first; type; data)"""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    head += b"".join(string(k) + value(v) for k, v in keys.items())
    offset, data = 0, []
    for name, (dims, kind, raw) in tensors.items():
        head += string(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
        head += struct.pack("<IQ", kind, offset)
        data.append(raw + bytes(-len(raw) % 32))
        offset += len(data[-1])
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % 32) + b"".join(data))


# ---- ternary types: rows of codes 0, 1, 2 (bytes), and a scale for every 64 columns of every row ----

def half(x):
    return struct.pack("<e", x)


def bits(parts, shifts):
    """Bytes that hold in bits shifts[i], shifts[i] + 1 the codes of parts[i]."""
    number = 0
    for part, shift in zip(parts, shifts):
        number |= int.from_bytes(part, "little") << shift
    return number.to_bytes(len(parts[0]), "little")


def slices(data, n):
    return [data[i:i + n] for i in range(0, len(data), n)]


def digits(codes, n_bytes, n_digits):
    """Byte m holds codes m, n_bytes + m, ... as digits in base 3, the first one the most significant of five."""
    out = bytearray()
    for m in range(n_bytes):
        v = 0
        for n in range(5):
            v = 3 * v + (codes[n * n_bytes + m] if n < n_digits else 0)
        out.append((v * 256 + 242) // 243)
    return bytes(out)


def tq1_0(codes, d):
    return digits(codes[:160], 32, 5) + digits(codes[160:240], 16, 5) + digits(codes[240:], 4, 4) + half(d)


def ptq1_0(codes, d):
    return digits(codes[:80], 16, 5) + digits(codes[80:120], 8, 5) + digits(codes[120:], 2, 4) + half(d)


def tq2_0(codes, d):
    return b"".join(bits(slices(codes[h:h + 128], 32), (0, 2, 4, 6)) for h in (0, 128)) + half(d)


def consecutive(codes, d):
    return half(d) + bits([codes[i::4] for i in range(4)], (0, 2, 4, 6))


def q1_0(codes, d):
    """Without zeros."""
    return half(d) + bytes(sum((c == 2) << i for i, c in enumerate(byte)) for byte in slices(codes, 8))


BLOCKS = {Q1_0: (128, q1_0), TQ1_0: (256, tq1_0), TQ2_0: (256, tq2_0), Q2_0: (64, consecutive), PQ2_0: (128, consecutive),
          PTQ1_0: (128, ptq1_0)}


def in_blocks(kind, rows, scales):
    block, encode = BLOCKS[kind]
    return b"".join(encode(codes, row_scales[i * block // 64])
                    for row, row_scales in zip(rows, scales) for i, codes in enumerate(slices(row, block)))


def i2s(rows, scale, layout="128"):
    flat = b"".join(rows)
    if layout == "rows4":
        data = b"".join(bits(rows[i:i + 4], (6, 4, 2, 0)) for i in range(0, len(rows), 4))
    else:
        quarter = int(layout) // 4
        data = b"".join(bits(slices(block, quarter), (6, 4, 2, 0)) for block in slices(flat, 4 * quarter))
    return data + struct.pack("<f", scale) + bytes(28)


def t2r16(rows):
    rows = rows + [b"\1" * len(rows[0])] * (-len(rows) % 16)
    return b"".join(bits(slices(row[c:c + 16], 4), (0, 2, 4, 6))
                    for panel in slices(rows, 16) for c in range(0, len(rows[0]), 16) for row in panel)


def group_scales(scales, group):
    """f16 [panel, group of columns, 16 rows]; rows are a multiple of 16 here."""
    return b"".join(half(row[g]) for panel in slices(scales, 16)
                    for g in range(0, len(scales[0]), group // 64) for row in panel)


def floats(kind, numbers):
    if kind == F16:
        return struct.pack(f"<{len(numbers)}e", *numbers)
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    return data if kind == F32 else b"".join(data[i + 2:i + 4] for i in range(0, len(data), 4))


def ternary_floats(kind, rows, scales):
    return floats(kind, [(code - 1) * s[i // 64] for row, s in zip(rows, scales) for i, code in enumerate(row)])


# ---- stock types: random blocks and the values they stand for; powers of two keep every product exact ----

def nibbles(q):
    return bytes(q[i] | q[i + 16] << 4 for i in range(16))


def fifth_bits(q):
    return struct.pack("<I", sum((v >> 4) << i for i, v in enumerate(q)))


def small_block(kind, rng):
    d, m = 2.0 ** -rng.randint(4, 7), -2.0 ** -rng.randint(2, 4)
    if kind == Q8_0:
        q = [rng.randint(-127, 127) for _ in range(32)]
        return half(d / 16) + struct.pack("<32b", *q), [d / 16 * v for v in q]
    q = [rng.randrange(16 if kind in (Q4_0, Q4_1) else 32) for _ in range(32)]
    low = nibbles([v & 15 for v in q])
    return {Q4_0: (half(d) + low, [d * (v - 8) for v in q]),
            Q4_1: (half(d) + half(m) + low, [d * v + m for v in q]),
            Q5_0: (half(d) + fifth_bits(q) + low, [d * (v - 16) for v in q]),
            Q5_1: (half(d) + half(m) + fifth_bits(q) + low, [d * v + m for v in q])}[kind]


def k_scales(scales, mins):
    low = [scales[j] | (scales[j + 4] >> 4) << 6 for j in range(4)]
    low += [mins[j] | (mins[j + 4] >> 4) << 6 for j in range(4)]
    return bytes(low + [(scales[j] & 15) | (mins[j] & 15) << 4 for j in range(4, 8)])


def k_block(kind, rng):
    d, dmin = 2.0 ** -rng.randint(10, 12), 2.0 ** -rng.randint(7, 9)
    scales, mins = [[rng.randrange(64) for _ in range(8)] for _ in range(2)]
    q = [rng.randrange(16 if kind == Q4_K else 32) for _ in range(256)]
    codes = b"".join(bytes((q[64 * c + l] & 15) | (q[64 * c + 32 + l] & 15) << 4 for l in range(32)) for c in range(4))
    if kind == Q5_K:
        codes = bytes(sum((q[32 * j + l] >> 4) << j for j in range(8)) for l in range(32)) + codes
    values = [d * scales[i // 32] * v - dmin * mins[i // 32] for i, v in enumerate(q)]
    return half(d) + half(dmin) + k_scales(scales, mins) + codes, values


def q6_k_block(rng):
    d = 2.0 ** -rng.randint(11, 13)
    scales, q = [rng.randint(-64, 64) for _ in range(16)], [rng.randrange(64) for _ in range(256)]
    low, high = bytearray(128), bytearray(64)
    for i, v in enumerate(q):
        h, part, l = i // 128, i % 128 // 32, i % 32
        low[64 * h + 32 * (part % 2) + l] |= (v & 15) << 4 * (part // 2)
        high[32 * h + l] |= (v >> 4) << 2 * part
    return bytes(low + high) + struct.pack("<16b", *scales) + half(d), [d * scales[i // 16] * (v - 32)
                                                                       for i, v in enumerate(q)]


def stock_block(kind, rng):
    return q6_k_block(rng) if kind == Q6_K else k_block(kind, rng) if kind in (Q4_K, Q5_K) else small_block(kind, rng)


def stock(kind, n, rng):
    some = [stock_block(kind, rng) for _ in range(50)]
    blocks = rng.choices(some, k=n // len(some[0][1]))
    return b"".join(data for data, _ in blocks), [v for _, values in blocks for v in values]


# ---- a small random model ----

EMBD, HEADS, HEADS_KV, FF, VOCAB = 256, 4, 2, 256, 259
SHAPES = {"attn_q": (EMBD, EMBD), "attn_k": (EMBD // 2, EMBD), "attn_v": (EMBD // 2, EMBD),
          "attn_output": (EMBD, EMBD), "ffn_gate": (FF, EMBD), "ffn_up": (FF, EMBD), "ffn_down": (EMBD, FF)}


def tokenizer(n_vocab):
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    tokens = [chr(b if b in printable else next(others)) for b in range(256)]
    tokens += [f"<|{i}|>" for i in range(256, n_vocab - 1)] + ["th"]
    return {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": [1] * 256 + [3] * (n_vocab - 257) + [1], "tokenizer.ggml.merges": ["t h"],
            "tokenizer.ggml.bos_token_id": 256, "tokenizer.ggml.eos_token_id": 257}


def keys_of(arch, n_layer, embd, heads, heads_kv, head_dim, ff, vocab, **more):
    keys = {"general.architecture": arch, f"{arch}.block_count": n_layer, f"{arch}.context_length": 256,
            f"{arch}.embedding_length": embd, f"{arch}.feed_forward_length": ff, f"{arch}.attention.head_count": heads,
            f"{arch}.attention.head_count_kv": heads_kv, f"{arch}.attention.key_length": head_dim,
            f"{arch}.attention.value_length": head_dim, f"{arch}.attention.layer_norm_rms_epsilon": 1e-5}
    return {**keys, **more, **tokenizer(vocab)}


class Small:
    """One layer of random weights of these codes; one scale per matrix, or one for each `group` columns of each row."""

    def __init__(self, seed, group=0, arch="llama", codes=(0, 1, 2)):
        self.rng = rng = random.Random(seed)
        self.arch, self.group, self.codes = arch, group, codes
        self.weights = {name: self.matrix(*shape) for name, shape in SHAPES.items()}
        self.embedding = [rng.gauss(0, 1) for _ in range(VOCAB * EMBD)]
        self.embedding = list(struct.unpack(f"<{VOCAB * EMBD}e", floats(F16, self.embedding)))
        self.norms = {n: [1 + 0.2 * rng.random() for _ in range(EMBD)] for n in ("blk.0.attn_norm", "blk.0.ffn_norm",
                                                                               "output_norm")}

    def matrix(self, n_row, n_col):
        rows = [bytes(self.rng.choices(self.codes, k=n_col)) for _ in range(n_row)]
        one = self.scale()
        if self.group:
            step = self.group // 64
            scales = [[s for s in (self.scale() for _ in range(n_col // self.group)) for _ in range(step)]
                      for _ in range(n_row)]
        else:
            scales = [[one] * (n_col // 64)] * n_row
        return rows, scales

    def scale(self):
        """Exact in F16 and BF16."""
        return (128 + self.rng.randrange(128)) / 4096

    def tensors(self, encode, embedding=None, output=None):
        """encode(name, rows, scales) -> tensors of a matrix"""
        out = {"token_embd.weight": embedding or ((EMBD, VOCAB), F16, floats(F16, self.embedding))}
        if output:
            out["output.weight"] = output
        for name, gain in self.norms.items():
            out[name + ".weight"] = ((EMBD,), F32, floats(F32, gain))
        for name, (rows, scales) in self.weights.items():
            out.update(encode("blk.0." + name, rows, scales))
        return out

    def write(self, path, encode, embedding=None, output=None, **keys):
        keys = {key.replace("__", "."): v for key, v in keys.items()}
        write_gguf(path, keys_of(self.arch, 1, EMBD, HEADS, HEADS_KV, EMBD // HEADS, FF, VOCAB, **keys),
                   self.tensors(encode, embedding, output))


def as_t2r16(name, rows, scales, group=0):
    if group:
        scale = ((16, len(rows[0]) // group, len(rows) // 16), F16, group_scales(scales, group))
    else:
        scale = ((1,), F32, floats(F32, [scales[0][0]]))
    return {name + ".weight": ((len(rows[0]), len(rows)), T2R16, t2r16(rows)), name + ".scale": scale}


def as_type(kind, layout="128", file_type=None):
    def encode(name, rows, scales):
        if kind == I2_S:
            data = i2s(rows, scales[0][0], layout)
        elif kind in BLOCKS:
            data = in_blocks(kind, rows, scales)
        else:
            data = ternary_floats(kind, rows, scales)
        return {name + ".weight": ((len(rows[0]), len(rows)), kind if file_type is None else file_type, data)}
    return encode


def as_units(name, rows, scales):
    """-1, 0 and 1 in floats, and the scale in a tensor of its own."""
    return {name + ".weight": ((len(rows[0]), len(rows)), F32, ternary_floats(F32, rows, [[1.0] * 64] * len(rows))),
            name + ".scale": ((1,), F32, floats(F32, [scales[0][0]]))}


class Tester:
    def __init__(self, directory):
        self.directory = directory

    def path(self, name):
        return os.path.join(self.directory, name)

    def logits(self, model, *options, ids="256,1,77,200,3,250,9,100"):
        out = self.path("logits.f32")
        done = subprocess.run([*RUN, TERN, "logits", "-m", model, "--ids", ids, "-o", out, *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        check(done.returncode == 0, f"{model}: {done.stderr.decode(errors='replace')}")
        if done.returncode:
            return b""
        with open(out, "rb") as file:
            return file.read()

    def same(self, expected, what, model, encode, *options, **more):
        """A model in another form gives exactly these logits."""
        path = self.path("other.gguf")
        model.write(path, encode, **more)
        check(expected and self.logits(path, *options) == expected, f"{what}: other logits than T2R16")

    def refused(self, what, said, model, encode, *options, **more):
        path = self.path("bad.gguf")
        model.write(path, encode, **more)
        done = subprocess.run([*RUN, TERN, "logits", "-m", path, "--ids", "1", "-o", self.path("none"), *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        message = done.stderr.decode(errors="replace")
        check(done.returncode == 3 and all(s in message for s in said) and message.count("\n") == 1,
              f"{what}: status {done.returncode}, {message!r}")


def expected_logits(t, model, encode, **keys):
    path = t.path("t2r16.gguf")
    model.write(path, encode, **keys)
    return t.logits(path)


NAMES = {Q1_0: "Q1_0", TQ1_0: "TQ1_0", TQ2_0: "TQ2_0", Q2_0: "Q2_0", PQ2_0: "PQ2_0", PTQ1_0: "PTQ1_0", I2_S: "I2_S", F32: "F32",
         F16: "F16", BF16: "BF16", Q8_0: "Q8_0", Q6_K: "Q6_K", Q5_K: "Q5_K", Q4_K: "Q4_K", Q4_0: "Q4_0", Q4_1: "Q4_1",
         Q5_0: "Q5_0", Q5_1: "Q5_1"}


def check_one_scale(t):
    model = Small(1)
    whole = expected_logits(t, model, as_t2r16)
    for layout in ("128", "64", "rows4"):
        t.same(whole, f"I2_S {layout}", model, as_type(I2_S, layout), "--i2s-layout", layout)
    t.same(whole, "I2_S, no mapping", model, as_type(I2_S), "--no-mmap", "-t", "3")
    t.same(whole, "TQ2_0 per token", model, as_type(TQ2_0), tern__activation="per_token")
    for kind, group in ((TQ1_0, 256), (TQ2_0, 256), (Q2_0, 64), (PQ2_0, 128), (PTQ1_0, 128), (F16, 128), (BF16, 128),
                        (F32, 128)):
        grouped = expected_logits(t, model, as_t2r16, tern__activation="per_group", tern__activation_group=group)
        check(group == EMBD or grouped != whole, "activations in groups change nothing")
        t.same(grouped, NAMES[kind], model, as_type(kind))
    t.same(expected_logits(t, model, as_t2r16, tern__activation="per_group", tern__activation_group=128),
           "Q2_0 in groups of 128", model, as_type(PQ2_0, file_type=Q2_0))


def check_bitnet(t):
    """Arch bitnet: int8 per token whatever the type, sub-norms, scales beside the matrices."""
    model = Small(2, arch="bitnet")
    model.norms["blk.0.attn_sub_norm"] = model.norms["blk.0.ffn_sub_norm"] = [1.25] * EMBD
    whole = expected_logits(t, model, as_t2r16)
    t.same(whole, "bitnet TQ2_0", model, as_type(TQ2_0))
    t.same(whole, "bitnet F32 of units and .scale", model, as_units)


def check_group_scales(t):
    for kind, group in ((TQ1_0, 256), (TQ2_0, 256), (Q2_0, 64), (PQ2_0, 128), (PTQ1_0, 128), (F16, 64)):
        model = Small(3 + kind, group if group < 256 else 0)
        if group == 256:  # two columns of blocks, and a scale for each row
            for name, (rows, scales) in model.weights.items():
                model.weights[name] = rows, [[model.scale()] * (EMBD // 64) for _ in rows]
        expected = expected_logits(t, model, lambda *m: as_t2r16(*m, group), tern__activation="per_group",
                                   tern__activation_group=128 if kind == F16 else group)
        t.same(expected, f"{NAMES[kind]} with scales of {group} columns", model, as_type(kind))


def check_binary(t):
    """Weights without zeros: one scale, scales of groups, and at both ends of the network."""
    for group in (0, 128):
        model = Small(30 + group, group, codes=(0, 2))
        keys = {"tern__activation": "per_group", "tern__activation_group": 128}
        expected = expected_logits(t, model, lambda *m: as_t2r16(*m, group), **keys)
        t.same(expected, f"Q1_0, groups of {group}", model, as_type(Q1_0))
        rows, scales = model.matrix(VOCAB, EMBD)
        values = ((EMBD, VOCAB), F32, ternary_floats(F32, rows, scales))
        bits_of_rows = ((EMBD, VOCAB), Q1_0, in_blocks(Q1_0, rows, scales))
        path = t.path("values.gguf")
        model.write(path, as_type(Q1_0), values, values)
        expected = t.logits(path)
        t.same(expected, "embedding in Q1_0", model, as_type(Q1_0), embedding=bits_of_rows, output=values)
        model.write(path, as_type(Q1_0), bits_of_rows, bits_of_rows)
        t.same(t.logits(path), "tied Q1_0", model, as_type(Q1_0), embedding=bits_of_rows)


def check_embeddings(t):
    """Rows of stock types are their values exactly; a head of its own keeps the two apart."""
    rng = random.Random(9)
    model = Small(4)
    output = ((EMBD, VOCAB), F16, floats(F16, model.embedding))
    for kind in (Q8_0, Q6_K, Q5_K, Q4_K, Q4_0, Q4_1, Q5_0, Q5_1):
        data, values = stock(kind, VOCAB * EMBD, rng)
        path = t.path("values.gguf")
        model.write(path, as_type(I2_S), ((EMBD, VOCAB), F32, floats(F32, values)), output)
        t.same(t.logits(path), f"embedding in {NAMES[kind]}", model, as_type(I2_S), embedding=((EMBD, VOCAB), kind, data),
               output=output)
    check_ternary_embedding(t, model, output)


def check_ternary_embedding(t, model, output):
    rows, scales = model.matrix(VOCAB, EMBD)
    values = ternary_floats(F32, rows, scales)
    path = t.path("values.gguf")
    model.write(path, as_type(I2_S), ((EMBD, VOCAB), F32, values), output)
    expected = t.logits(path)
    for kind, data in ((TQ2_0, in_blocks(TQ2_0, rows, scales)), (Q2_0, in_blocks(Q2_0, rows, scales)),
                       (I2_S, i2s(rows, scales[0][0]))):
        t.same(expected, f"embedding in {NAMES[kind]}", model, as_type(I2_S), embedding=((EMBD, VOCAB), kind, data),
               output=output)
    # Tied: both ends are ternary.
    own = Small(4)
    tied = {"token_embd.weight": ((EMBD, VOCAB), T2R16, t2r16(rows)),
            "token_embd.scale": ((1,), F32, floats(F32, [scales[0][0]]))}
    write_gguf(path, keys_of("llama", 1, EMBD, HEADS, HEADS_KV, EMBD // HEADS, FF, VOCAB),
               {**own.tensors(as_type(I2_S)), **tied})
    expected = t.logits(path)
    for kind, data in ((TQ1_0, in_blocks(TQ1_0, rows, scales)), (PQ2_0, in_blocks(PQ2_0, rows, scales)),
                       (I2_S, i2s(rows, scales[0][0]))):
        t.same(expected, f"tied {NAMES[kind]}", own, as_type(I2_S), embedding=((EMBD, VOCAB), kind, data))


def relative_error(mine, row):
    return (sum((a - b) ** 2 for a, b in zip(mine, row)) / sum(b * b for b in row)) ** 0.5


def rows_of(data, n_rows):
    numbers = array.array("f", data)
    n = len(numbers) // n_rows
    return [numbers[i * n:(i + 1) * n] for i in range(n_rows)]


def check_heads(t):
    rng = random.Random(10)
    model = Small(5)
    embedding = ((EMBD, VOCAB), F16, floats(F16, model.embedding))
    for kind in (Q8_0, Q6_K, Q5_K, Q4_K, Q4_0, Q4_1):
        data, values = stock(kind, VOCAB * EMBD, rng)
        results = []
        for output in (((EMBD, VOCAB), F32, floats(F32, values)), ((EMBD, VOCAB), kind, data)):
            path = t.path("head.gguf")
            model.write(path, as_type(I2_S), embedding, output)
            results.append(rows_of(t.logits(path), 8))
        worst = max(relative_error(b, a) for a, b in zip(*results))
        check(worst <= MAX_HEAD_ERROR, f"head in {NAMES[kind]}: relative error {worst:.4f}")


def check_refusals(t):
    model = Small(6)
    name = "blk.0.ffn_up.weight"

    def with_matrix(dims, kind, data):
        def encode(stem, rows, scales):
            return {name: (dims, kind, data)} if stem + ".weight" == name else as_type(I2_S)(stem, rows, scales)
        return encode

    square = (EMBD, FF)
    t.refused("Q4_K", (name, "Q4_K"), model, with_matrix(square, Q4_K, bytes(FF * 144)))
    t.refused("TL2", (name, "TL2"), model, with_matrix(square, 39, bytes(FF * EMBD)))
    t.refused("floats", (name, "F16", "not ternary"), model,
              with_matrix(square, F16, floats(F16, [model.rng.random() for _ in range(FF * EMBD)])))
    t.refused("code 3", (name, "I2_S", "code 3"), model, with_matrix(square, I2_S, i2s([b"\3" * EMBD] * FF, 1.0)))
    t.refused("NaN", (name, "I2_S", "scale"), model, with_matrix(square, I2_S, i2s([b"\1" * EMBD] * FF, math.nan)))
    t.refused("an old IQ1_TN", ("143", "PTQ1_0"), model, with_matrix(square, PTQ1_0, bytes(FF * 54)))
    t.refused("shape", (name, "expected 256 columns"), model, with_matrix((EMBD, FF // 2), I2_S,
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


def check_checkpoint(t, name, arch, kind, norm_names="%s_norm_in.weight", **more):
    directory = os.path.join(SHARED, name)
    config = json.load(open(os.path.join(directory, "config.json")))
    golden = json.load(open(os.path.join(directory, "golden.json")))
    keys = {f"{arch}.{key}": v for key, v in more.items()}
    keys.update({f"{arch}.rope.freq_base": float(config["rope_theta"]), "tern.activation": "per_token",
                 "tern.linear_norm_eps": 1e-6})
    path = t.path("checkpoint.gguf")
    write_gguf(path, keys_of(arch, config["num_hidden_layers"], config["hidden_size"], config["num_attention_heads"],
                             config["num_key_value_heads"], config["head_dim"], config["intermediate_size"],
                             config["vocab_size"], **keys),
               checkpoint_tensors(directory, config, arch, kind, norm_names))
    logits = t.logits(path, ids=",".join(map(str, golden["ids"])))
    rows = rows_of(logits, len(golden["ids"]))
    worst = max(relative_error(a, b) for a, b in zip(rows, golden["logits"])) if logits else math.inf
    print(f"{name} as {NAMES[kind]}: relative error at most {worst:.5f}")
    check(worst <= MAX_RELATIVE_ERROR, f"{name} as {NAMES[kind]}: relative error {worst:.4f}")


def check_shared(t):
    """These are 128 wide: too narrow for blocks of 256."""
    for kind in (I2_S, Q2_0, PQ2_0, PTQ1_0, F16):
        check_checkpoint(t, "llama-ternary-f16", "llama", kind)
    check_checkpoint(t, "bitnet-packed", "bitnet-b1.58", I2_S)
    check_checkpoint(t, "bitnet-online", "bitnet-25", Q2_0)
    check_checkpoint(t, "qwen2-norm", "qwen2", I2_S, "%s.rms_norm")
    check_checkpoint(t, "qwen3-norm", "qwen3", I2_S, **{"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
                                                        "rope.scaling.original_context_length": 64})


def write_large(path):
    """A file of the shape of BitNet b1.58 2B4T in I2_S, but for a small vocabulary, to time repacking with."""
    embd, heads, heads_kv, ff, n_layer = 2560, 20, 5, 6912, 30
    shapes = {"attn_q": (embd, embd), "attn_k": (640, embd), "attn_v": (640, embd), "attn_output": (embd, embd),
              "ffn_gate": (ff, embd), "ffn_up": (ff, embd), "ffn_down": (embd, ff)}
    codes = bits([bytes(random.Random(1).choices((0, 1, 2), k=40960)) for _ in range(4)], (0, 2, 4, 6))
    tensors = {"token_embd.weight": ((embd, VOCAB), F16, bytes(2 * embd * VOCAB))}
    norms = {"attn_norm": embd, "ffn_norm": embd, "attn_sub_norm": embd, "ffn_sub_norm": ff}
    norms = {f"blk.{i}.{name}": n for i in range(n_layer) for name, n in norms.items()}
    for name, n in {**norms, "output_norm": embd}.items():
        tensors[name + ".weight"] = ((n,), F32, floats(F32, [1.0] * n))
    for i in range(n_layer):
        for name, (n_row, n_col) in shapes.items():
            data = codes * (n_row * n_col // 4 // len(codes)) + struct.pack("<f", 0.01) + bytes(28)
            tensors[f"blk.{i}.{name}.weight"] = ((n_col, n_row), I2_S, data)
    write_gguf(path, keys_of("bitnet-b1.58", n_layer, embd, heads, heads_kv, 128, ff, VOCAB), tensors)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--large":
        return write_large(sys.argv[2])
    with tempfile.TemporaryDirectory() as directory:
        t = Tester(directory)
        check_one_scale(t)
        if not RUN:
            check_bitnet(t)
            check_group_scales(t)
            check_binary(t)
            check_embeddings(t)
            check_heads(t)
            check_refusals(t)
            if os.path.isdir(SHARED):
                check_shared(t)
            else:
                print(f"{SHARED} is not here: skipped its checkpoints")
    print(f"foreign files: {passed} passed, {failed} failed")
    return failed > 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
