"""Random small networks of every family, and the Hugging Face directories they would be published as."""
import json
import os
import random
import struct

from support.network import Linear, Network, gelu, relu2, silu

BYTES = 256  # tokens 0..255 are the bytes
VOCAB = BYTES + 16
PROJECTIONS = {"q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj",
               "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}


# ---- number formats: rounding and bytes ----

def f16_bytes(values):
    return struct.pack(f"<{len(values)}e", *values)


def f32_bytes(values):
    return struct.pack(f"<{len(values)}f", *values)


def bf16_bytes(values):
    out = []
    for bits in struct.unpack(f"<{len(values)}I", f32_bytes(values)):
        out.append((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
    return struct.pack(f"<{len(out)}H", *out)


PACK = {"F16": f16_bytes, "F32": f32_bytes, "BF16": bf16_bytes}


def rounded(values, dtype):
    """The values as they come back from storage."""
    data = PACK[dtype](values)
    if dtype == "BF16":
        bits = struct.unpack(f"<{len(values)}H", data)
        return list(struct.unpack(f"<{len(values)}f", struct.pack(f"<{len(bits)}I", *(b << 16 for b in bits))))
    return list(struct.unpack(f"<{len(values)}{'e' if dtype == 'F16' else 'f'}", data))


# ---- building ----

class Builder:
    """Makes the parts of a network. dtype: of norms, embeddings and master weights."""

    def __init__(self, seed, dtype="BF16"):
        self.random, self.dtype = random.Random(seed), dtype

    def normal(self, n, size=1.0):
        return rounded([self.random.gauss(0.0, size) for _ in range(n)], self.dtype)

    def gain(self, n):
        return rounded([1.0 + self.random.gauss(0.0, 0.2) for _ in range(n)], self.dtype)

    def rows(self, n_row, n_col, size=1.0):
        return [self.normal(n_col, size) for _ in range(n_row)]

    def codes(self, n_row, n_col):
        return [self.random.choices((-1, 0, 1), (3, 4, 3), k=n_col) for _ in range(n_row)]

    def master(self, n_row, n_col):
        """Float weights that training ternarizes: by the mean of their magnitudes."""
        rows = self.rows(n_row, n_col, 0.6 / n_col ** 0.5)
        mean = max(sum(sum(map(abs, row)) for row in rows) / (n_row * n_col), 1e-5)
        codes = [[max(-1, min(1, round(v / mean))) for v in row] for row in rows]
        linear = Linear(codes, [[mean]] * n_row)
        linear.stored = {"dtype": self.dtype, "rows": rows}
        return linear

    def packed(self, n_row, n_col, divides):
        """Codes with a weight_scale that divides (bitlinear) or multiplies (autobitlinear)."""
        scale = 1.2 / n_col ** 0.5
        stored = rounded([1.0 / scale if divides else scale], "BF16")[0]
        linear = Linear(self.codes(n_row, n_col), [[1.0 / stored if divides else stored]] * n_row)
        linear.stored = {"dtype": "U8", "weight_scale": stored}
        return linear

    def ternary(self, n_row, n_col, group=None, row_shards=1, dtype="F16"):
        """Floats that are -s, 0, s, with one s for all, for each shard of rows, or for each group of columns. Such
        models were trained with full activations; tern rounds these to 8 bits in groups of 128."""
        size = 1.2 / n_col ** 0.5

        def scale():
            return rounded([size * self.random.uniform(0.5, 1.5)], dtype)[0]
        if group:
            scales = [[scale() for _ in range(n_col // group)] for _ in range(n_row)]
        else:
            shards = [[scale()] for _ in range(row_shards)]
            scales = [shards[r * row_shards // n_row] for r in range(n_row)]
        linear = Linear(self.codes(n_row, n_col), scales, activation=128)
        linear.stored = {"dtype": dtype}
        return linear

    def column_shards(self, n_row, n_col, n_shard):
        """One s for each shard of columns, the same in all rows."""
        linear = self.ternary(n_row, n_col, group=n_col // n_shard)
        linear.scales = [linear.scales[0]] * n_row
        return linear


def build(builder, make, *, hidden=64, ff=96, n_layer=2, n_head=4, n_head_kv=2, head_dim=None, eps=1e-5,
          linear_norm=False, linear_eps=1e-6, weightless=False, qk_norm=False, sub_norms=False, post_norms=False,
          bias=False, tied=True, head=None, embedding=None, activation=silu, theta=1e4, scaling=None, local_theta=None,
          windows=None, embedding_scale=1.0, n_vocab=VOCAB, final=1.0):
    """A network; make(name, n_row, n_col) is one of its matrices, linear_norm gives each a norm of its own."""
    net = Network()
    net.n_head, net.n_head_kv, net.head_dim = n_head, n_head_kv, head_dim or hidden // n_head
    net.n_rot, net.theta, net.scaling, net.local_theta = net.head_dim, theta, scaling, local_theta
    net.hidden, net.ff, net.eps, net.activation, net.embedding_scale = hidden, ff, eps, activation, embedding_scale
    q_width, kv_width = n_head * net.head_dim, n_head_kv * net.head_dim
    shapes = {"q": (q_width, hidden), "k": (kv_width, hidden), "v": (kv_width, hidden), "o": (hidden, q_width),
              "gate": (ff, hidden), "up": (ff, hidden), "down": (hidden, ff)}
    net.embedding = embedding or builder.rows(n_vocab, hidden)
    net.layers = []
    for i in range(n_layer):
        layer = {"attn_norm": builder.gain(hidden), "ffn_norm": builder.gain(hidden)}
        for name, (n_row, n_col) in shapes.items():
            linear = layer[name] = make(name, n_row, n_col)
            linear.has_norm, linear.eps = linear_norm or weightless, linear_eps
            linear.gain = builder.gain(n_col) if linear_norm else None
            if bias and name in "qkv":
                linear.bias = builder.normal(n_row, 0.3)
        if qk_norm:
            layer["q_norm"], layer["k_norm"] = builder.gain(net.head_dim), builder.gain(net.head_dim)
        if sub_norms:
            layer["attn_sub_norm"], layer["ffn_sub_norm"] = builder.gain(q_width), builder.gain(ff)
        if post_norms:
            layer["attn_post_norm"], layer["ffn_post_norm"] = builder.gain(hidden), builder.gain(hidden)
        if windows:
            layer["window"], layer["is_local"] = windows[i], windows[i] is not None
        net.layers.append(layer)
    net.output_norm = builder.gain(hidden)
    net.head = head or (None if tied else builder.rows(n_vocab, hidden, hidden ** -0.5))
    net.tied = net.head is None
    net.dtype = builder.dtype
    return net


# ---- writing ----

def flat(rows):
    return [v for row in rows for v in row]


def pack_codes(codes):
    """uint8 [rows / 4, columns]: bits 2i, 2i+1 of byte (r, c) are the code + 1 of row i * rows / 4 + r."""
    quarter = len(codes) // 4
    out = bytearray()
    for r in range(quarter):
        for column in zip(*(codes[i * quarter + r] for i in range(4))):
            out.append(sum(code + 1 << 2 * i for i, code in enumerate(column)))
    return bytes(out)


class Tensors(dict):
    """name: (dtype, shape, bytes)"""

    def floats(self, name, values, shape, dtype):
        self[name] = (dtype, shape, PACK[dtype](values))

    def linear(self, module, linear, norm_name, dtype_of_norm):
        n_row, n_col, stored = len(linear.codes), len(linear.codes[0]), linear.stored
        dtype = stored["dtype"]
        if dtype == "U8":
            self[module + ".weight"] = ("U8", [n_row // 4, n_col], pack_codes(linear.codes))
            self.floats(module + ".weight_scale", [stored["weight_scale"]], [1], "BF16")
        else:
            self.floats(module + ".weight", flat(stored.get("rows") or linear.weights()), [n_row, n_col], dtype)
        if linear.gain:
            self.floats(f"{module}.{norm_name}.weight", linear.gain, [n_col], dtype_of_norm)
        if linear.bias:
            self.floats(module + ".bias", linear.bias, [n_row], dtype_of_norm)

    def save(self, path, names=None):
        header, offset, blobs = {"__metadata__": {"format": "pt"}}, 0, []
        for name in names or self:
            dtype, shape, data = self[name]
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
            offset += len(data)
            blobs.append(data)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "q_norm": "self_attn.q_norm",
         "k_norm": "self_attn.k_norm", "attn_sub_norm": "self_attn.attn_sub_norm", "ffn_sub_norm": "mlp.ffn_sub_norm"}


def tensors_of(net, prefix="model.", norms=NORMS, linear_norm="rms_norm", gain_offset=0.0):
    """gain_offset: what the family adds to a norm's stored weights (Gemma: 1), but not to those of projections."""
    tensors = Tensors()
    dtype = net.dtype

    def norm(name, gain):
        tensors.floats(name + ".weight", [g - gain_offset for g in gain], [len(gain)], dtype)
    tensors.floats(prefix + "embed_tokens.weight", flat(net.embedding), [len(net.embedding), net.hidden], dtype)
    norm(prefix + "norm", net.output_norm)
    if isinstance(net.head, Linear):
        tensors.linear("lm_head", net.head, linear_norm, dtype)
    elif net.head:
        tensors.floats("lm_head.weight", flat(net.head), [len(net.head), net.hidden], dtype)
    for i, layer in enumerate(net.layers):
        for name, module in PROJECTIONS.items():
            tensors.linear(f"{prefix}layers.{i}.{module}", layer[name], linear_norm, dtype)
        for name, module in norms.items():
            if layer.get(name) is not None:
                norm(f"{prefix}layers.{i}.{module}", layer[name])
    return tensors


def config_of(net, architecture, model_type, **more):
    config = {"architectures": [architecture], "model_type": model_type, "hidden_size": net.hidden,
              "intermediate_size": net.ff, "num_hidden_layers": len(net.layers), "num_attention_heads": net.n_head,
              "num_key_value_heads": net.n_head_kv, "vocab_size": len(net.embedding), "max_position_embeddings": 4096,
              "rms_norm_eps": net.eps, "rope_theta": net.theta, "rope_scaling": net.scaling,
              "hidden_act": {silu: "silu", relu2: "relu2", gelu: "gelu_pytorch_tanh"}[net.activation],
              "tie_word_embeddings": net.tied}
    if net.head_dim * net.n_head != net.hidden:
        config["head_dim"] = net.head_dim
    config.update(more)
    return config


def byte_alphabet():
    """GPT-2's characters for the bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(spare)) for b in range(256)]


def byte_tokenizer(specials=("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"), suffix=None):
    """tokenizer.json with a token for each byte, then specials; suffix is what a post-processor puts after texts."""
    tokenizer = {
        "added_tokens": [{"id": BYTES + i, "content": text, "special": True} for i, text in enumerate(specials)],
        "normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "model": {"type": "BPE", "vocab": {c: i for i, c in enumerate(byte_alphabet())}, "merges": []}}
    if suffix:
        tokenizer["post_processor"] = {
            "type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}},
                                                     {"SpecialToken": {"id": suffix, "type_id": 0}}],
            "special_tokens": {suffix: {"id": suffix, "ids": [BYTES + specials.index(suffix)], "tokens": [suffix]}}}
    return tokenizer


def gemma_tokenizer():
    """<pad> <eos> <bos> <unk>, the bytes, and some letters with merges."""
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces += ["\u2581", "a", "b", "\u2581a", "\u2581ab", "ab"]
    return {"added_tokens": [{"id": i, "content": pieces[i], "special": True} for i in range(4)],
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
            "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious",
                              "invert": False},
            "post_processor": {"type": "TemplateProcessing",
                               "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}},
                                          {"Sequence": {"id": "A", "type_id": 0}}],
                               "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}}},
            "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
                      "vocab": {piece: i for i, piece in enumerate(pieces)},
                      "merges": [["\u2581", "a"], ["a", "b"], ["\u2581a", "b"]]}}


def write(directory, tensors, config, tokenizer=None, tokenizer_config=None, n_shard=1, files=None):
    """config: a dict, or the text of config.json where a dict cannot say it. files: {name: text or JSON value}."""
    os.makedirs(directory, exist_ok=True)
    everything = {"config.json": config, "tokenizer.json": tokenizer or byte_tokenizer(), **(files or {})}
    if tokenizer_config:
        everything["tokenizer_config.json"] = tokenizer_config
    names = list(tensors)
    if n_shard == 1:
        tensors.save(os.path.join(directory, "model.safetensors"))
    else:
        where = {}
        for i in range(n_shard):
            name = f"model-{i + 1:05d}-of-{n_shard:05d}.safetensors"
            part = names[i::n_shard]
            tensors.save(os.path.join(directory, name), part)
            where.update((tensor, name) for tensor in part)
        everything["model.safetensors.index.json"] = {"metadata": {}, "weight_map": where}
    for name, content in everything.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
