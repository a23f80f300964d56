#!/usr/bin/env python3
"""Fine-tunes the same base on the same texts with PyTorch and with tern-tune, and compares the losses on held-out text. By hand: needs PyTorch
(Debian's python3-torch and libopenblas0-pthread) and, for 4 M parameters, a quarter of an hour on two cores.

    tests/interop/pytorch_tune.py BASE CORPUS.jsonl HELD_OUT.jsonl DIRECTORY [--steps 300] [--batch-tokens 2560] [--ramp 0.5]

BASE is a Llama checkpoint with a tied head; the texts are lines of {"text": ...}. Both runs: extra norms, lambda over the first part of the
steps, AdamW with a cosine from 1e-3. The order of the texts differs, so the losses agree up to that."""
import argparse
import json
import math
import random
import subprocess

import numpy
import torch
import torch.nn.functional as F

PROJECTIONS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
parser = argparse.ArgumentParser()
for name in ("base", "corpus", "held_out", "directory"):
    parser.add_argument(name)
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--batch-tokens", type=int, default=2560)
parser.add_argument("--ramp", type=float, default=.5)
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()
WARMUP, RATE, DECAY, CLIP, CONTEXT = 20, 1e-3, .05, 1.0, 256


# ---- the network ----

def read_safetensors(path):
    raw = open(path, "rb").read()
    n = int.from_bytes(raw[:8], "little")
    for name, tensor in json.loads(raw[8:8 + n]).items():
        if name != "__metadata__":
            first, end = tensor["data_offsets"]
            assert tensor["dtype"] == "F32", name
            yield name, torch.from_numpy(numpy.frombuffer(raw[8 + n + first:8 + n + end], "<f4").reshape(tensor["shape"]).copy())


def rms(x, gain, eps):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + eps) * gain


class Network:
    def __init__(self, path):
        self.config = json.load(open(f"{path}/config.json"))
        self.values = dict(read_safetensors(f"{path}/model.safetensors"))
        for i in range(self.config["num_hidden_layers"]):
            for p in PROJECTIONS:
                name = f"model.layers.{i}.{p}"
                self.values.setdefault(name + ".rms_norm.weight", torch.ones(self.values[name + ".weight"].shape[1]))
        for value in self.values.values():
            value.requires_grad_()

    def project(self, name, x, lam):
        x, w = rms(x, self.values[name + ".rms_norm.weight"], 1e-6), self.values[name + ".weight"]
        if lam > 0:
            sx, sw = 127 / x.detach().abs().amax(-1, keepdim=True).clamp_min(1e-5), 1 / w.detach().abs().mean().clamp_min(1e-5)
            x = x + lam * ((x * sx).round().clamp(-128, 127) / sx - x).detach()
            w = w + lam * ((w * sw).round().clamp(-1, 1) / sw - w).detach()
        return x @ w.T

    def losses(self, ids, targets, lam):
        """ids, targets [sequences, tokens], target -1: nothing. The losses of the targets."""
        c, v = self.config, self.values
        n, t = ids.shape
        n_head, n_kv = c["num_attention_heads"], c["num_key_value_heads"]
        dim, eps = c["hidden_size"] // n_head, c["rms_norm_eps"]
        angles = torch.arange(t)[:, None] / c["rope_theta"] ** (torch.arange(0, dim, 2) / dim)
        cosine, sine, mask = angles.cos(), angles.sin(), torch.full((t, t), -math.inf).triu(1)

        def heads(x):
            return x.view(n, t, -1, dim).transpose(1, 2)

        def rotate(x):
            a, b = x.chunk(2, -1)
            return torch.cat([a * cosine - b * sine, b * cosine + a * sine], -1)

        x = v["model.embed_tokens.weight"][ids]
        for i in range(c["num_hidden_layers"]):
            layer = f"model.layers.{i}."
            h = rms(x, v[layer + "input_layernorm.weight"], eps)
            q, k, value = (heads(self.project(layer + p, h, lam)) for p in PROJECTIONS[:3])
            k, value = (y.repeat_interleave(n_head // n_kv, 1) for y in (rotate(k), value))
            weights = torch.softmax(rotate(q) @ k.transpose(2, 3) / math.sqrt(dim) + mask, -1)
            x = x + self.project(layer + PROJECTIONS[3], (weights @ value).transpose(1, 2).reshape(n, t, -1), lam)
            h = rms(x, v[layer + "post_attention_layernorm.weight"], eps)
            x = x + self.project(layer + PROJECTIONS[6], F.silu(self.project(layer + PROJECTIONS[4], h, lam)) * self.project(layer + PROJECTIONS[5], h, lam), lam)
        logits = rms(x, v["model.norm.weight"], eps) @ v["model.embed_tokens.weight"].T
        keep = targets >= 0
        return F.cross_entropy(logits[keep], targets[keep], reduction="none")


# ---- the texts ----

def tokenize(path, at_most):
    """Documents as lists of ids, from the token that begins a text to the one that ends it."""
    texts = [json.loads(line)["text"] for line in open(path)]
    lines = subprocess.run(["./tern", "tokenize", "-m", f"{options.directory}/vocabulary.gguf", "-0"], input="\0".join(texts) + "\0", capture_output=True, text=True, check=True).stdout
    end, n, documents = json.load(open(f"{options.base}/config.json"))["eos_token_id"], 0, []
    for line in lines.splitlines():
        documents.append([int(x) for x in line.strip("[] ").replace(",", " ").split()] + [end])
        n += len(documents[-1])
        if n > at_most:
            break
    return documents


def batches(documents):
    batch, n = [], 0
    for d in documents:
        assert len(d) <= CONTEXT + 1
        if n + len(d) - 1 > options.batch_tokens:
            yield batch
            batch, n = [], 0
        batch.append(d)
        n += len(d) - 1
    yield batch


def matrices(batch):
    longest = max(map(len, batch)) - 1
    ids = torch.tensor([d[:-1] + [0] * (longest - len(d) + 1) for d in batch])
    return ids, torch.tensor([d[1:] + [-1] * (longest - len(d) + 1) for d in batch])


# ---- the runs ----

def train(documents, held_out):
    network = Network(options.base)
    decays = [v for v in network.values.values() if v.dim() == 2]
    others = [v for v in network.values.values() if v.dim() == 1]
    adamw = torch.optim.AdamW([{"params": decays, "weight_decay": DECAY}, {"params": others, "weight_decay": 0}], lr=RATE, betas=(.9, .95))
    step = 0
    while step < options.steps:
        random.shuffle(documents)
        for batch in batches(documents):
            for group in adamw.param_groups:
                group["lr"] = RATE * (step + 1) / (WARMUP + 1) if step < WARMUP else RATE * .5 * (1 + math.cos(math.pi * (step - WARMUP) / (options.steps - WARMUP)))
            adamw.zero_grad()
            loss = network.losses(*matrices(batch), min(1, (step + 1) / (options.ramp * options.steps))).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.values.values(), CLIP)
            adamw.step()
            step += 1
            if step % 20 == 0:
                print(f"PyTorch, step {step}: {loss.item():.4f}", flush=True)
            if step == options.steps:
                break
    with torch.no_grad():
        return torch.cat([network.losses(*matrices(b), 1) for b in batches(held_out)]).mean().item()


random.seed(1)
torch.set_num_threads(options.threads)
subprocess.run(["mkdir", "-p", options.directory], check=True)
subprocess.run(["./tern-convert", options.base, "-o", f"{options.directory}/vocabulary.gguf", "--vocab-only", "--force", "-q"], check=True)
subprocess.run(["./tern-tune", options.base, "-d", options.corpus, "-o", f"{options.directory}/tuned", "--steps", str(options.steps), "--batch-tokens", str(options.batch_tokens), "--context", str(CONTEXT),
                "--lr", str(RATE), "--ramp", str(options.ramp), "--eval", options.held_out, "-t", str(options.threads), "-q"], check=True)
ours = float(open(f"{options.directory}/tuned/loss.csv").read().split(",")[-1])
print(f"tern-tune: {ours:.4f} nats on held-out text", flush=True)
theirs = train(tokenize(options.corpus, options.steps * options.batch_tokens), tokenize(options.held_out, math.inf))
print(f"PyTorch {torch.__version__}: {theirs:.4f} nats; tern-tune {ours - theirs:+.4f}")
