#!/usr/bin/env python3
"""The speed of training with PyTorch: tokens a second of whole steps (forward, backward, clipping, AdamW) as tern-tune does them, with extra
norms and lambda 1, on random tokens. bench/tune.sh runs it in turn with tern-tune. Needs Debian's python3-torch and libopenblas0-pthread;
without the latter PyTorch multiplies ten times as slowly.

    bench/torch_speed.py CONFIG.json --sequences 20 --context 160 [--threads 2] [--steps 5]

CONFIG.json is that of a Llama checkpoint with a tied head."""
import argparse
import json
import math
import time

import torch
import torch.nn.functional as F

CLIP, EPS = 1.0, 1e-6


class Normed(torch.autograd.Function):
    """x / rms(x) * gain. Written out backward, which takes a third of the time of what autograd makes of it."""

    @staticmethod
    def forward(context, x, gain):
        inverse = torch.rsqrt(x.square().mean(-1, keepdim=True) + EPS)
        unit = x * inverse
        context.save_for_backward(unit, inverse, gain)
        return unit * gain

    @staticmethod
    def backward(context, grad):
        unit, inverse, gain = context.saved_tensors
        by_gain = (grad * unit).flatten(0, -2).sum(0)
        grad = grad * gain
        return inverse * (grad - unit * (grad * unit).mean(-1, keepdim=True)), by_gain


class Norm(torch.nn.Module):
    def __init__(self, n):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(n))

    def forward(self, x):
        return Normed.apply(x, self.gain)


class Projection(torch.nn.Module):
    """Its own norm, int8 activations, ternary weights; gradients as if nothing had been rounded."""

    def __init__(self, n_col, n_row):
        super().__init__()
        self.norm = Norm(n_col)
        self.weight = torch.nn.Parameter(torch.randn(n_row, n_col) / math.sqrt(n_col))

    def forward(self, x):
        x, w = self.norm(x), self.weight
        with torch.no_grad():
            x_scale = 127 / x.abs().amax(-1, keepdim=True).clamp_min(1e-5)
            w_scale = 1 / w.abs().mean().clamp_min(1e-5)
            x_error = (x * x_scale).round_().clamp_(-128, 127).div_(x_scale).sub_(x)
            w_error = (w * w_scale).round_().clamp_(-1, 1).div_(w_scale).sub_(w)
        return F.linear(x + x_error, w + w_error)


class Layer(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        n_embd, n_ff = config["hidden_size"], config["intermediate_size"]
        self.n_head, self.n_head_kv = config["num_attention_heads"], config["num_key_value_heads"]
        self.head_dim = n_embd // self.n_head
        n_kv = self.n_head_kv * self.head_dim
        self.attn_norm, self.ffn_norm = Norm(n_embd), Norm(n_embd)
        self.q, self.k, self.v, self.o = (Projection(n_embd, n) for n in (n_embd, n_kv, n_kv, n_embd))
        self.gate, self.up, self.down = Projection(n_embd, n_ff), Projection(n_embd, n_ff), Projection(n_ff, n_embd)

    def heads(self, x, cosine=None, sine=None):
        x = x.unflatten(-1, (x.shape[-1] // self.head_dim, self.head_dim)).transpose(1, 2)
        if cosine is None:
            return x
        a, b = x.chunk(2, -1)
        return torch.cat([a * cosine - b * sine, b * cosine + a * sine], -1)

    def forward(self, x, cosine, sine, mask):
        h, group = self.attn_norm(x), self.n_head // self.n_head_kv
        q = self.heads(self.q(h), cosine, sine)
        k = self.heads(self.k(h), cosine, sine).repeat_interleave(group, 1)
        v = self.heads(self.v(h)).repeat_interleave(group, 1)
        weights = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(self.head_dim) + mask, -1)
        x = x + self.o((weights @ v).transpose(1, 2).flatten(2))
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Network(torch.nn.Module):
    def __init__(self, config, n_token):
        super().__init__()
        dim = config["hidden_size"] // config["num_attention_heads"]
        angles = torch.arange(n_token)[:, None] / config["rope_theta"] ** (torch.arange(0, dim, 2) / dim)
        self.cosine, self.sine = angles.cos(), angles.sin()
        self.mask = torch.full((n_token, n_token), -math.inf).triu(1)
        self.embedding = torch.nn.Parameter(torch.randn(config["vocab_size"], config["hidden_size"]) * 0.02)
        self.layers = torch.nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.norm = Norm(config["hidden_size"])

    def forward(self, ids):
        x = F.embedding(ids, self.embedding)
        for layer in self.layers:
            x = layer(x, self.cosine, self.sine, self.mask)
        return F.linear(self.norm(x), self.embedding)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    for name, default in (("sequences", 8), ("context", 256), ("threads", 2), ("steps", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    config = json.load(open(options.config))
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    network = Network(config, options.context)
    adamw = torch.optim.AdamW(network.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.05)
    for step in range(options.steps + 1):  # the first one is not counted
        if step == 1:
            start = time.perf_counter()
        ids = torch.randint(config["vocab_size"], (options.sequences, options.context + 1))
        adamw.zero_grad()
        F.cross_entropy(network(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        adamw.step()
    n_token = options.steps * options.sequences * options.context
    n_parameter = sum(p.numel() for p in network.parameters())
    print(f"PyTorch {torch.__version__}, {n_parameter / 1e6:.1f} M parameters: {n_token / (time.perf_counter() - start):.0f} tokens/s")


main()
