"""GGUF files byte by byte, from the formats' descriptions: the container, the types of other engines, and a small random
model to put into them. `python3 tests/support/gguf.py FILE` writes a large file, to time repacking with."""
import random
import struct
import sys

F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 = 0, 1, 2, 3, 6, 7, 8
Q4_K, Q5_K, Q6_K, BF16 = 12, 13, 14, 30
TQ1_0, TQ2_0, I2_S, Q1_0, Q2_0, PQ2_0, PTQ1_0, T2R16, T1R16 = 34, 35, 36, 41, 42, 142, 143, 2016, 2018
NAMES = {Q1_0: "Q1_0", TQ1_0: "TQ1_0", TQ2_0: "TQ2_0", Q2_0: "Q2_0", PQ2_0: "PQ2_0", PTQ1_0: "PTQ1_0", I2_S: "I2_S", F32: "F32",
         F16: "F16", BF16: "BF16", Q8_0: "Q8_0", Q6_K: "Q6_K", Q5_K: "Q5_K", Q4_K: "Q4_K", Q4_0: "Q4_0", Q4_1: "Q4_1",
         Q5_0: "Q5_0", Q5_1: "Q5_1"}


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
    kind, pack = {str: (8, string), bool: (7, lambda b: struct.pack("<B", b)), float: (6, lambda f: struct.pack("<f", f)),
                  int: (5, lambda i: struct.pack("<i", i))}[type(v[0])]
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


def t1r16(rows):
    rows = rows + [bytes(len(rows[0]))] * (-len(rows) % 16)
    return b"".join(bytes(sum((row[c + 4 * s + j] == 2) << s for s in range(8)) for j in range(4))
                    for panel in slices(rows, 16) for c in range(0, len(rows[0]), 32) for row in panel)


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


def as_t1r16(name, rows, scales, group=0):
    return dict(as_t2r16(name, rows, scales, group), **{name + ".weight": ((len(rows[0]), len(rows)), T1R16, t1r16(rows))})


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


if __name__ == "__main__":
    write_large(sys.argv[1])
