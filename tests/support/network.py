"""The decoder of every ternary family, in doubles and plain loops: what tern's logits are compared with. It shares
nothing with tern; the formulas are those of the models' papers and of the frameworks that trained them."""
import copy
import math
import struct
from operator import mul


def dot(a, b):
    return sum(map(mul, a, b))


def rms_norm(x, gain, eps):
    k = 1.0 / math.sqrt(dot(x, x) / len(x) + eps)
    return [v * k for v in x] if gain is None else [v * k * g for v, g in zip(x, gain)]


def quantize(x):
    """int8 with one scale for all of x; Python rounds halves to even."""
    scale = 127.0 / max(max(map(abs, x)), 1e-5)
    return [max(-128, min(127, round(v * scale))) for v in x], scale


class Linear:
    """y = W x + bias, W = codes * scales (one per row and group of columns), x normalized first if it has a norm.
    activation: how x is quantized: "token" (the whole vector), None (not at all) or columns per group."""

    def __init__(self, codes, scales, activation="token"):
        self.codes, self.scales, self.activation = codes, scales, activation
        self.has_norm, self.gain, self.eps, self.bias = False, None, 1e-6, None
        self.stored = {}  # how a checkpoint holds it, for checkpoint.py

    def weights(self):
        size = len(self.codes[0]) // len(self.scales[0])
        return [[c * s for g, s in enumerate(scales) for c in row[g * size:(g + 1) * size]]
                for row, scales in zip(self.codes, self.scales)]

    def __call__(self, x):
        if self.has_norm:
            x = rms_norm(x, self.gain, self.eps)
        if self.activation:
            size = len(x) if self.activation == "token" else self.activation
            quantized = []
            for start in range(0, len(x), size):
                q, scale = quantize(x[start:start + size])
                quantized += [v / scale for v in q]
            x = quantized
        if not hasattr(self, "cache"):
            self.cache = self.weights()
        y = [dot(row, x) for row in self.cache]
        return [a + b for a, b in zip(y, self.bias)] if self.bias else y

    def changed(self, **changes):
        other = copy.copy(self)
        other.__dict__.pop("cache", None)
        other.__dict__.update(changes)
        return other


def half(values):
    """As tern's key/value cache keeps them. The difference alone is small, but where it tips the rounding of an
    activation to 8 bits it grows to percents in networks as narrow as these."""
    return struct.unpack(f"<{len(values)}e", struct.pack(f"<{len(values)}e", *values))


def silu(x):
    return x / (1.0 + math.exp(-x))


def relu2(x):
    return max(x, 0.0) ** 2


def gelu(x):
    return 0.5 * x * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x ** 3)))


def rope_angles(n_rot, theta, scaling, n_tokens=0):
    """Radians per position of each pair, and the factor on cosine and sine. n_tokens: how long the context is."""
    f = [theta ** (-2.0 * i / n_rot) for i in range(n_rot // 2)]
    kind = (scaling or {}).get("rope_type", "default")
    if kind == "default":
        return f, 1.0
    factor, original = scaling.get("factor"), scaling.get("original_max_position_embeddings")
    if kind == "longrope":
        divisors = scaling["long_factor" if n_tokens > original else "short_factor"]
        more = scaling["max_position_embeddings"] / original
        return ([v / d for v, d in zip(f, divisors)],
                math.sqrt(1.0 + math.log(more) / math.log(original)) if more > 1.0 else 1.0)
    if kind == "linear":
        return [v / factor for v in f], 1.0
    if kind == "llama3":
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        out = []
        for v in f:
            wave = 2.0 * math.pi / v
            blend = (original / wave - low) / (high - low)
            out.append(v if wave < original / high else v / factor if wave > original / low
                       else (1.0 - blend) * v / factor + blend * v)
        return out, 1.0

    def dim(turns):
        return n_rot * math.log(original / (turns * 2.0 * math.pi)) / (2.0 * math.log(theta))
    low, high = max(math.floor(dim(32.0)), 0), min(math.ceil(dim(1.0)), n_rot - 1)
    high = high + 0.001 if low == high else high
    ramp = [min(max((i - low) / (high - low), 0.0), 1.0) for i in range(len(f))]
    return ([v / factor * r + v * (1.0 - r) for v, r in zip(f, ramp)],
            scaling.get("attention_factor") or 0.1 * math.log(factor) + 1.0)


def rotate(head, position, f, factor, interleaved):
    out, half = list(head), len(f)
    for i, v in enumerate(f):
        a, b = (2 * i, 2 * i + 1) if interleaved else (i, i + half)
        c, s = math.cos(position * v) * factor, math.sin(position * v) * factor
        out[a], out[b] = head[a] * c - head[b] * s, head[a] * s + head[b] * c
    return out


class Network:
    """Attributes are set by the builder in checkpoint.py. layers: dicts of Linear under "q" ... "down", and of norms'
    gains under their own names, None or absent where a family has none; "window" is None or a number of tokens."""
    embedding_scale = residual_scale = logit_divisor = 1.0
    interleaved = False
    scaling = local_theta = head = None
    activation = staticmethod(silu)

    def changed(self, **changes):
        other = copy.copy(self)
        other.__dict__.update(changes)
        return other

    def map_layers(self, change):
        """A copy whose layers are what change(copy of a layer) returns."""
        return self.changed(layers=[change(dict(layer)) for layer in self.layers])

    def map_linears(self, change):
        return self.map_layers(lambda layer: {name: change(part) if isinstance(part, Linear) else part
                                              for name, part in layer.items()})

    def heads(self, linear, x, gain, position, angles):
        y, d = linear(x), self.head_dim
        heads = [y[i:i + d] for i in range(0, len(y), d)]
        if gain is not None:
            heads = [rms_norm(h, gain, self.eps) for h in heads]
        return [rotate(h, position, *angles, self.interleaved) for h in heads] if angles else heads

    def attend(self, layer, q, keys, values):
        first = max(0, len(keys) - layer["window"]) if layer.get("window") else 0
        out, per_group = [], self.n_head // self.n_head_kv
        for i, head in enumerate(q):
            g = i // per_group
            scores = [dot(head, k[g]) / math.sqrt(self.head_dim) for k in keys[first:]]
            top = max(scores)
            w = [math.exp(s - top) for s in scores]
            total = sum(w)
            out += [dot(w, column) / total for column in zip(*(v[g] for v in values[first:]))]
        return out

    def run_layer(self, layer, xs):
        local = layer.get("is_local", False) and self.local_theta
        angles = (rope_angles(self.n_rot, self.local_theta, None) if local
                  else rope_angles(self.n_rot, self.theta, self.scaling, len(xs)))
        keys, values, out = [], [], []

        def norm(name, x):
            return x if layer.get(name) is None else rms_norm(x, layer[name], self.eps)
        for position, x in enumerate(xs):
            h = norm("attn_norm", x)
            q = self.heads(layer["q"], h, layer.get("q_norm"), position, angles)
            keys.append([half(k) for k in self.heads(layer["k"], h, layer.get("k_norm"), position, angles)])
            values.append([half(v) for v in self.heads(layer["v"], h, None, position, None)])
            a = layer["o"](norm("attn_sub_norm", self.attend(layer, q, keys, values)))
            x = [u + v * self.residual_scale for u, v in zip(x, norm("attn_post_norm", a))]
            h = norm("ffn_norm", x)
            m = [self.activation(g) * u for g, u in zip(layer["gate"](h), layer["up"](h))]
            m = layer["down"](norm("ffn_sub_norm", m))
            out.append([u + v * self.residual_scale for u, v in zip(x, norm("ffn_post_norm", m))])
        return out

    def logits(self, ids):
        xs = [[v * self.embedding_scale for v in self.embedding[i]] for i in ids]
        for layer in self.layers:
            xs = self.run_layer(layer, xs)
        xs = [[v / self.logit_divisor for v in rms_norm(x, self.output_norm, self.eps)] for x in xs]
        if isinstance(self.head, Linear):
            return [self.head(x) for x in xs]
        return [[dot(row, x) for row in (self.head or self.embedding)] for x in xs]


def distances(rows, reference):
    """Relative L2 distance of each row."""
    for a, b in zip(rows, reference):
        yield math.sqrt(sum((u - v) ** 2 for u, v in zip(a, b)) / sum(v * v for v in b))
