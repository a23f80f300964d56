"""Every family of public ternary models: random small checkpoints as they are published, converted with tern-convert,
compared with the networks they were made from (network.py).

Each case names the traps it watches: what a reader that falls into them would compute is computed too, and has to be
farther from the right logits than the test allows, so that falling in fails the test. That distance is a matter of the
test alone, which sanitizers and emulators do not change: it is computed without them only. The traps:

     1  weight_scale divides in bitlinear, multiplies in autobitlinear; its size tells nothing
     2  GGUF's llama has q and k rows reordered for interleaved RoPE, Hugging Face and the other archs have not
     3  packed codes lie in four blocks of rows
     4  norms in front of projections and sub-norms left out
     5  the eps of quantization_config's norms is not the model's
     9  BOS where a model has none (what the file says about it)
    10  head_dim is not hidden_size / num_attention_heads
    11  floats that are ternary are not ternarized again
    12  heads and embeddings that are ternary, and tied ones
    13  relu2 or SiLU
    14  Gemma's norms are 1 + w, but not those of projections; embeddings times sqrt(hidden_size)
    15  YaRN's factor once on cosine and sine; Llama 3's scaling written as rope_freqs
    16  weight-only models want no int8 rounding of whole rows, BitNet models do
    18  several scales in a matrix: shards, groups
    19  BitnetForCausalLM whose model_type is llama; keys twice in config.json; lists of end tokens
    21  embedding models take the last token, which is an EOS that has to be put there
    22  sharded safetensors
    23  MiniCPM's three constants, and what they are where a GGUF file lacks them
    24  LongRoPE's two lists of divisors, chosen by the context asked for, and its factor

     8  GGUF files of BitNet b1.58 2B4T name no pre-tokenizer
    6, 7 and 17 are about tensor types: tests/foreign_gguf.py, test_repack.c, test_model.c.
    20 is about a file format that tern does not read.
"""
import json
import os
import sys

import lib
from lib import check, tern
from support import checkpoint as hf
from support import gguf
from support.network import Linear, distances, gelu, quantize, relu2, rms_norm, silu

lib.no_new_threads()

AS_STORED = ("--head", "keep", "--embd", "keep")
# A half-precision key/value cache differs a little, which rounding to 8 bits amplifies.
MAX_ERROR = 2e-2
# A trap has to show well above that.
MIN_TRAP_ERROR = 5e-2


def compare(name, model, net, ids, traps=(), limit=MAX_ERROR):
    """traps: pairs of a number and the network that a reader computes who fell into it."""
    reference = net.logits(ids)
    rows = lib.rows_of(lib.logits(model, ids, "-t", "1"), len(ids))
    if not rows:
        return
    worst = max(distances(rows, reference))
    check(f"{name}: relative error {worst:.4f}", worst <= limit)
    shown = [f"{name}: {worst:.4f}"]
    for number, wrong in lib.traps(traps):
        error = max(distances(wrong.logits(ids), reference))
        shown.append(f"trap {number}: {error:.2f}")
        check(f"{name}: trap {number} would hardly be noticed: {error:.4f}", error >= MIN_TRAP_ERROR)
    print("; ".join(shown))


def key_of(model, key):
    """The value of a key of the file as text, or None."""
    done = tern("info", model, "--key", key)
    return done.stdout.decode().strip() if done.returncode == 0 else None


def check_metadata(name, model, expected):
    """expected: "arch", a key below it or below tokenizer.ggml, or a tensor; its value or type, None if absent."""
    types = dict(reversed(line.split()[0:1] + line.split()[-1:])
                 for line in tern("info", model, "--tensors").stdout.decode().splitlines() if line.strip())
    arch = key_of(model, "general.architecture")
    for what, wanted in expected.items():
        if what.endswith(".weight"):
            found = types.get(what)
        elif what == "arch":
            found = arch
        else:
            found = key_of(model, what if what.startswith("tokenizer.") else f"{arch}.{what}")
        check(f"{name}: {what} is {found}, expected {wanted}", found == wanted)


# ---- what readers get wrong ----

def inverted_scales(net):
    return net.map_linears(lambda m: m.changed(scales=[[1.0 / s[0]] for s in m.scales]))


def unpermuted(net):
    return net.changed(interleaved=True)


def neighboring_rows(net):
    """Packed codes read as those of four rows that are neighbors."""
    def reorder(linear):
        quarter = len(linear.codes) // 4
        return linear.changed(codes=[linear.codes[r % 4 * quarter + r // 4] for r in range(len(linear.codes))])
    return net.map_linears(reorder)


def without_norms(net):
    return net.map_linears(lambda m: m.changed(has_norm=False))


def without(net, *names):
    return net.map_layers(lambda layer: {name: part for name, part in layer.items() if name not in names})


def with_eps(net, eps):
    return net.map_linears(lambda m: m.changed(eps=eps))


def ternarized_again(net):
    """The mean of the magnitudes for the scale, though zeros are among them."""
    def again(linear):
        mean = sum(abs(c) * s[0] for row, s in zip(linear.codes, linear.scales) for c in row)
        return linear.changed(scales=[[mean / len(linear.codes) / len(linear.codes[0])]] * len(linear.codes))
    return net.map_linears(again)


def one_scale(net):
    """The first scale of each matrix for all of it."""
    return net.map_linears(lambda m: m.changed(scales=[m.scales[0][:1]] * len(m.scales)))


def rounded_rows(net):
    return net.map_linears(lambda m: m.changed(activation="token"))


def twice(net, factor):
    return net.changed(scaling=dict(net.scaling, attention_factor=factor * factor))


# ---- families ----

CASES = []


def case(function):
    CASES.append(function)
    return function


IDS = [256, 72, 101, 108, 108, 111, 44, 32, 119, 111, 114, 108]
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16}


@case
def llama_bitlinear(directory):
    """Llama3-8B-1.58-100B-tokens, with Llama 3.1's RoPE: bitlinear, packed, a config.json with a key twice."""
    b = hf.Builder(1)
    net = hf.build(b, lambda _, r, c: b.packed(r, c, True), tied=False, scaling=LLAMA3, theta=100.0)
    config = hf.config_of(net, "LlamaForCausalLM", "llama", eos_token_id=[257, 258], bos_token_id=256)
    text = json.dumps(config)[:-1] + (', "quantization_config": {"quant_method": "bitnet", "linear_class": '
                                      '"autobitlinear"}, "quantization_config": {"quant_method": "bitnet", '
                                      '"modules_to_not_convert": null}}')
    hf.write(directory, hf.tensors_of(net), text)
    return net, [(1, inverted_scales(net)), (2, unpermuted(net)), (3, neighboring_rows(net)),
                 (15, net.changed(scaling=None))], {}


@case
def falcon3(directory):
    """Falcon3-*-1.58bit: packed, wide heads, and no BOS although config.json names one."""
    b = hf.Builder(2)
    net = hf.build(b, lambda _, r, c: b.packed(r, c, True), n_head=2, n_head_kv=1, head_dim=48, tied=False, eps=1e-6,
                   theta=1000042.0)
    config = hf.config_of(net, "LlamaForCausalLM", "llama", bos_token_id=257, eos_token_id=257, head_dim=48,
                          quantization_config={"quant_method": "bitnet", "modules_to_not_convert": ["lm_head"]})
    hf.write(directory, hf.tensors_of(net), config,
             tokenizer_config={"bos_token": None, "eos_token": "<|end_of_text|>"})
    return net, [(2, unpermuted(net))], {"tokenizer.ggml.bos_token_id": None}


@case
def falcon_e_prequantized(directory):
    """Falcon-E's revision with float masters."""
    b = hf.Builder(3)
    net = hf.build(b, lambda _, r, c: b.master(r, c), n_head_kv=1, theta=1e6)
    config = hf.config_of(net, "LlamaForCausalLM", "llama", quantization_config={"quant_method": "bitnet"})
    hf.write(directory, hf.tensors_of(net), config)
    return net, [], {}


@case
def r1_llama(directory):
    """bitnet-r1-llama-8b: a norm in front of every projection, with its own eps; the head is ternary, too."""
    b = hf.Builder(4)
    head = b.packed(hf.VOCAB, 64, True)
    head.has_norm, head.gain = True, b.gain(64)
    net = hf.build(b, lambda _, r, c: b.packed(r, c, True), linear_norm=True, eps=0.2, head=head, scaling=LLAMA3,
                   theta=100.0)
    config = hf.config_of(net, "LlamaForCausalLM", "llama", quantization_config={
        "quant_method": "bitnet", "use_rms_norm": True, "rms_norm_eps": 1e-6, "modules_to_not_convert": []})
    hf.write(directory, hf.tensors_of(net), config, n_shard=3)
    return net, [(4, without_norms(net)), (5, with_eps(net, 0.2)), (12, net.changed(head=head.weights()))], {}


@case
def r1_qwen(directory):
    """bitnet-r1-qwen-32b: Qwen 2 with norms, biases, master weights."""
    b = hf.Builder(5)
    net = hf.build(b, lambda _, r, c: b.master(r, c), linear_norm=True, bias=True, tied=False, theta=10.0)
    config = hf.config_of(net, "Qwen2ForCausalLM", "qwen2", use_sliding_window=False, sliding_window=64,
                          quantization_config={"quant_method": "bitnet", "linear_class": "autobitlinear",
                                               "quantization_mode": "online", "use_rms_norm": True})
    hf.write(directory, hf.tensors_of(net), config)
    return net, [(2, unpermuted(net)), (4, without_norms(net))], {}


@case
def qwen3_bitnet(directory):
    """Qwen3-8B-BitNet, and no norm has weights: then they are ones."""
    b = hf.Builder(6)
    net = hf.build(b, lambda _, r, c: b.packed(r, c, True), weightless=True, qk_norm=True, head_dim=32, tied=False,
                   eps=1e-6, theta=1e6)
    config = hf.config_of(net, "Qwen3ForCausalLM", "qwen3", quantization_config={
        "quant_method": "bitnet", "use_rms_norm": True})
    hf.write(directory, hf.tensors_of(net), config)
    return net, [(4, without_norms(net))], {}


def bitnet_2b(directory, seed, make_linear, mode):
    b = hf.Builder(seed)
    net = hf.build(b, lambda _, r, c: make_linear(b, r, c), sub_norms=True, activation=relu2, theta=500000.0)
    config = hf.config_of(net, "BitNetForCausalLM", "bitnet", auto_map={"AutoConfig": "x.y"}, quantization_config={
        "quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": mode})
    hf.write(directory, hf.tensors_of(net), config)
    return net


@case
def bitnet_2b_packed(directory):
    """bitnet-b1.58-2B-4T: autobitlinear."""
    net = bitnet_2b(directory, 7, lambda b, r, c: b.packed(r, c, False), "offline")
    return net, [(1, inverted_scales(net)), (2, unpermuted(net)), (4, without(net, "attn_sub_norm", "ffn_sub_norm")),
                 (13, net.changed(activation=silu))], {"arch": "bitnet-b1.58"}


@case
def bitnet_2b_masters(directory):
    """bitnet-b1.58-2B-4T-bf16."""
    return bitnet_2b(directory, 8, lambda b, r, c: b.master(r, c), "online"), [], {}


@case
def bitnet_1bitllm(directory):
    """bitnet_b1_58-3B: the class alone tells it from Llama; heads of 100, widths that no block of 64 divides."""
    b = hf.Builder(9, "F16")
    net = hf.build(b, lambda _, r, c: b.master(r, c), hidden=400, ff=432, n_layer=1, n_head=4, n_head_kv=4,
                   sub_norms=True, theta=10.0)
    net.layers[0]["attn_norm"] = [3.0 * g for g in net.layers[0]["attn_norm"]]  # for positions to matter
    norms = dict(hf.NORMS, attn_sub_norm="self_attn.inner_attn_ln", ffn_sub_norm="mlp.ffn_layernorm")
    config = hf.config_of(net, "BitnetForCausalLM", "llama", weight_bits=1, input_bits=8, hidden_act="silu")
    hf.write(directory, hf.tensors_of(net, norms=norms), config)
    return net, [(2, unpermuted(net)), (4, without(net, "attn_sub_norm", "ffn_sub_norm")),
                 (13, net.changed(activation=relu2)), (19, rounded_rows(net).changed(interleaved=True))], \
        {"arch": "bitnet"}


def with_outlier(net):
    """One value that dwarfs the others, as trained models have them, and which little looks at."""
    for layer in net.layers:
        layer["attn_norm"][3] = layer["ffn_norm"][3] = 64.0
        for name in ("q", "k", "v", "gate", "up"):
            for row in layer[name].codes:
                row[3] = 0
    return net


@case
def trilm(directory):
    """TriLM: floats that are ternary, with a scale for each shard of the machine it was trained on."""
    b = hf.Builder(10, "F16")

    def make(name, n_row, n_col):
        return b.column_shards(n_row, n_col, 2) if name in ("o", "down") else b.ternary(n_row, n_col, row_shards=2)
    net = with_outlier(hf.build(b, make, hidden=256, ff=512, n_layer=1, tied=False))
    hf.write(directory, hf.tensors_of(net), hf.config_of(net, "LlamaForCausalLM", "llama"))
    return net, [(11, ternarized_again(net)), (16, rounded_rows(net)), (18, one_scale(net))], {}


def bonsai(directory, tied):
    """Ternary-Bonsai *-unpacked: f16 values, a scale for each 128 columns, also in embedding and head; YaRN."""
    b = hf.Builder(11 + tied, "F16")
    embedding = b.ternary(hf.VOCAB, 256, group=128)
    head = None if tied else b.ternary(hf.VOCAB, 256, group=128)
    net = hf.build(b, lambda _, r, c: b.ternary(r, c, group=128), hidden=256, ff=384, n_layer=1, n_head=2, n_head_kv=1,
                   head_dim=128, qk_norm=True, eps=1e-6, theta=1e6, embedding=embedding.weights(), head=head,
                   scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024})
    for layer in net.layers:  # attention sharp enough for YaRN's factor to show
        layer["q_norm"] = [3.0 * g for g in layer["q_norm"]]
    hf.write(directory, hf.tensors_of(net), hf.config_of(net, "Qwen3ForCausalLM", "qwen3", max_position_embeddings=4096))
    return net


@case
def bonsai_tied(directory):
    net = bonsai(directory, True)
    return net, [(11, ternarized_again(net)), (15, twice(net, 1.1386294361119891)), (15, net.changed(scaling=None)),
                 (18, one_scale(net))], {"token_embd.weight": "T2R16", "output.weight": None}


@case
def bonsai_untied(directory):
    net = bonsai(directory, False)
    return net, [(12, net.changed(head=None))], {"token_embd.weight": "T2R16", "output.weight": "T2R16"}


@case
def bonsai_binary(directory):
    """Bonsai *-unpacked: f16 values without zeros, a scale for each 128 columns, also in embedding and head."""
    b = hf.Builder(16, "F16")
    b.codes = lambda n_row, n_col: [b.random.choices((-1, 1), k=n_col) for _ in range(n_row)]
    embedding, head = b.ternary(hf.VOCAB, 256, group=128), b.ternary(hf.VOCAB, 256, group=128)
    net = hf.build(b, lambda _, r, c: b.ternary(r, c, group=128), hidden=256, ff=384, n_layer=1, n_head=2, n_head_kv=1,
                   head_dim=128, qk_norm=True, eps=1e-6, theta=1e6, embedding=embedding.weights(), head=head)
    hf.write(directory, hf.tensors_of(net), hf.config_of(net, "Qwen3ForCausalLM", "qwen3"))
    return net, [(12, net.changed(head=None)), (18, one_scale(net))], {
        "token_embd.weight": "T1R16", "output.weight": "T1R16", "blk.0.attn_k.weight": "T1R16",
        "blk.0.ffn_down.weight": "T1R16"}


def minicpm_config(net, **more):
    return hf.config_of(net, "MiniCPMForCausalLM", "minicpm", scale_emb=12, scale_depth=1.4, dim_model_base=256, **more)


@case
def bitcpm(directory):
    """BitCPM4, BitCPM-CANN: floats that are ternary in groups of columns; LongRoPE whose factor is 1."""
    b = hf.Builder(17)
    net = minicpm_network(b, n_layer=4).changed(interleaved=False)
    scaling = longrope(18, 4096, 4096)
    net = net.changed(scaling=scaling)
    hf.write(directory, hf.tensors_of(net), minicpm_config(net))
    keys = {"arch": "minicpm", "rope.scaling.type": "longrope", "rope.scaling.original_context_length": "4096",
            "rope.scaling.attn_factor": None, "logit_scale": "0.5"}
    return net, [*minicpm_traps(net), (18, one_scale(net)), (24, net.changed(scaling=None)),
                 (24, net.changed(scaling=dict(scaling, short_factor=scaling["long_factor"])))], keys


@case
def bitcpm_long(directory):
    """The same for a context that is longer than the first, and read at such a length."""
    b = hf.Builder(19)
    scaling = longrope(20, 8, 256)
    net = minicpm_network(b, n_layer=2).changed(interleaved=False, scaling=scaling)
    hf.write(directory, hf.tensors_of(net), minicpm_config(net, max_position_embeddings=256))
    return net, [(24, net.changed(scaling=dict(scaling, long_factor=scaling["short_factor"]))),
                 (24, net.changed(scaling=dict(scaling, max_position_embeddings=8)))], {
        "rope.scaling.original_context_length": "8"}


def gemma(directory, seed, windows, **config):
    b = hf.Builder(seed, "F32")
    net = hf.build(b, lambda _, r, c: b.master(r, c), n_layer=len(windows), head_dim=32, n_head=4, n_head_kv=1,
                   qk_norm=True, post_norms=True, linear_norm=True, linear_eps=1e-6, eps=1e-6, activation=gelu,
                   theta=1e6, local_theta=100.0, windows=windows, embedding_scale=8.0)
    for row in net.embedding:  # one token in a text that the others look at, for the window to show
        row[:] = [v / 8.0 for v in row]
    norms = dict(hf.NORMS, ffn_norm="pre_feedforward_layernorm", attn_post_norm="post_attention_layernorm",
                 ffn_post_norm="post_feedforward_layernorm")
    whole = hf.config_of(net, "Gemma3TextModel", "gemma3_text", hidden_activation="gelu_pytorch_tanh",
                         query_pre_attn_scalar=32, attn_logit_softcapping=None, **config)
    whole.pop("hidden_act")
    whole.pop("tie_word_embeddings")  # Gemma's are tied unless it says otherwise
    hf.write(directory, hf.tensors_of(net, prefix="", norms=norms, linear_norm="norm", gain_offset=1.0), whole,
             tokenizer=hf.gemma_tokenizer(), tokenizer_config={"bos_token": "<bos>", "eos_token": "<eos>"},
             files=POOLING)
    return net


POOLING = {"modules.json": [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                            {"idx": 1, "name": "1", "path": "1_Pooling",
                             "type": "sentence_transformers.models.Pooling"}],
           "1_Pooling/config.json": {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False,
                                     "pooling_mode_lasttoken": True}}


def plus_one(net, names, offset):
    return net.map_layers(lambda layer: {name: [g + offset for g in part] if name in names else part
                                         for name, part in layer.items()})


@case
def gemma3_layer_types(directory):
    """BitNet-embedding-270M: Gemma 3, with windows by layer_types."""
    net = gemma(directory, 13, [5, None, 5], sliding_window=5, rope_local_base_freq=100.0,
                layer_types=["sliding_attention", "full_attention", "sliding_attention"])
    gains = [name for name, part in net.layers[0].items() if isinstance(part, list)]
    no_window = net.map_layers(lambda layer: dict(layer, window=None))
    shifted = net.map_layers(lambda layer: dict(layer, window=layer["window"] and layer["window"] + 1))
    return net, [(14, plus_one(net, gains, -1.0)), (14, net.changed(embedding_scale=1.0)),
                 (14, net.map_linears(lambda m: m.changed(gain=[g + 1.0 for g in m.gain]))),
                 ("window", no_window), ("window", shifted), ("local base", net.changed(local_theta=None)),
                 (4, without(net, "attn_post_norm", "ffn_post_norm"))], {
        "arch": "gemma3", "pooling_type": "3", "attention.sliding_window": "5", "tokenizer.ggml.bos_token_id": "2",
        "tokenizer.ggml.add_space_prefix": "false", "tokenizer.ggml.add_bos_token": "true"}


@case
def gemma3_pattern(directory):
    """The same as older configurations say it: a period, whose last layer sees all; RoPE in rope_parameters."""
    return gemma(directory, 14, [5, 5, 5, 5, 5, None, 5], sliding_window=5, sliding_window_pattern=6, rope_theta=None,
                 rope_scaling=None, rope_parameters={
                     "full_attention": {"rope_type": "default", "rope_theta": 1e6},
                     "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}}), [], {
                         "attention.sliding_window_pattern": "6"}


@case
def qwen3_embedding(directory):
    """BitNet-embedding-0.6B: no "model." in names, norms called *.norm with the model's eps, the EOS is pooled."""
    b = hf.Builder(15)
    net = hf.build(b, lambda _, r, c: b.master(r, c), linear_norm=True, linear_eps=0.2, eps=0.2, qk_norm=True,
                   head_dim=32, theta=1e6)
    config = hf.config_of(net, "Qwen3Model", "qwen3")
    hf.write(directory, hf.tensors_of(net, prefix="", linear_norm="norm"), config,
             tokenizer=hf.byte_tokenizer(("<|endoftext|>", "<|im_start|>", "<|im_end|>"), suffix="<|endoftext|>"),
             tokenizer_config={"eos_token": "<|im_end|>", "add_bos_token": False}, files=POOLING)
    return net, [(5, with_eps(net, 1e-6))], {
        "pooling_type": "3", "tokenizer.ggml.eos_token_id": "256", "tokenizer.ggml.add_eos_token": "true",
        "tokenizer.ggml.eot_token_id": "258", "tokenizer.ggml.bos_token_id": None}


# ---- GGUF files ----

def gguf_tensors(net, norm_type):
    """As other programs write them: ternary floats, norms of the given type, no scales beside the matrices."""
    names = {"q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "gate": "ffn_gate", "up": "ffn_up",
             "down": "ffn_down", "q_norm": "attn_q_norm", "k_norm": "attn_k_norm",
             "attn_post_norm": "post_attention_norm", "ffn_post_norm": "post_ffw_norm"}
    pack = {gguf.F16: hf.f16_bytes, gguf.F32: hf.f32_bytes}[norm_type]
    tensors = {"token_embd.weight": ([net.hidden, len(net.embedding)], gguf.F16, hf.f16_bytes(hf.flat(net.embedding))),
               "output_norm.weight": ([net.hidden], norm_type, pack(net.output_norm))}
    for i, layer in enumerate(net.layers):
        for name, part in layer.items():
            stem = f"blk.{i}.{names.get(name, name)}"
            if isinstance(part, Linear):
                shape = [len(part.codes[0]), len(part.codes)]
                tensors[stem + ".weight"] = (shape, gguf.F16, hf.f16_bytes(hf.flat(part.weights())))
                if part.gain:
                    tensors[stem + "_norm_in.weight"] = ([len(part.gain)], norm_type, pack(part.gain))
            elif isinstance(part, list):
                tensors[stem + ".weight"] = ([len(part)], norm_type, pack(part))
    return tensors


def gguf_keys(arch, net, **more):
    keys = gguf.keys_of(arch, len(net.layers), net.hidden, net.n_head, net.n_head_kv, net.head_dim, net.ff, hf.VOCAB)
    keys.update({f"{arch}.attention.layer_norm_rms_epsilon": net.eps, f"{arch}.rope.freq_base": net.theta})
    keys.update((f"{arch}.{key}", value) for key, value in more.items())
    return keys


def per_token(net):
    return net.map_linears(lambda m: m.changed(activation="token"))


def check_gguf():
    """A Gemma 3 embedding file, which does not say how long its windows are, and the official one of BitNet 2B4T."""
    model, b = lib.path("other.gguf"), hf.Builder(20, "F16")
    windows = [1 << 20] * 5 + [None]
    net = per_token(hf.build(b, lambda _, r, c: b.ternary(r, c), n_layer=6, head_dim=32, n_head_kv=1, qk_norm=True,
                             post_norms=True, linear_norm=True, eps=1e-6, activation=gelu, theta=1e6, local_theta=1e4,
                             windows=windows, embedding_scale=8.0))
    gguf.write_gguf(model, gguf_keys("gemma3", net, context_length=2048), gguf_tensors(net, gguf.F16))
    compare("GGUF of Gemma 3", model, net, IDS)
    done = tern("logits", "-m", model, "--ids", ",".join(["72"] * 513), "-o", lib.path("x"))
    check("GGUF of Gemma 3: 513 tokens are taken", done.returncode != 0)
    net = per_token(hf.build(b, lambda _, r, c: b.ternary(r, c), sub_norms=True, activation=relu2, theta=500000.0))
    for arch in ("bitnet-b1.58", "bitnet-25"):
        keys = gguf_keys(arch, net)
        keys.pop("tokenizer.ggml.pre")
        keys["tokenizer.chat_template"] = "{{ 'Human: ' + message['content'] + 'BITNETAssistant: ' }}"
        gguf.write_gguf(model, keys, gguf_tensors(net, gguf.F32))
        compare(f"GGUF of {arch}", model, net, IDS, [(2, unpermuted(net)), (13, net.changed(activation=silu))])
        done = tern("run", "-m", model, "-n", "1", "hello")
        check(f"GGUF of {arch}: {done.stderr}", done.returncode == 0)


def minicpm_network(b, **more):
    """q and k rows are in the order of interleaved RoPE, which is how GGUF has them."""
    net = hf.build(b, lambda _, r, c: b.ternary(r, c, group=64), hidden=128, ff=192, head_dim=32, theta=100.0, **more)
    net.interleaved = True
    net.embedding = [[v / 4.0 for v in row] for row in net.embedding]
    net.embedding_scale, net.residual_scale, net.logit_divisor = 12.0, 1.4 / len(net.layers) ** 0.5, 128 / 256
    return net


def minicpm_traps(net):
    return [(2, net.changed(interleaved=not net.interleaved)),
            (23, net.changed(embedding_scale=1.0)), (23, net.changed(residual_scale=1.0)),
            (23, net.changed(logit_divisor=1.0)), (23, net.changed(logit_divisor=1.0 / net.logit_divisor))]


def longrope(seed, original, longest):
    b = hf.Builder(seed, "F32")
    short, long = ([1.0 + 3.0 * b.random.random() for _ in range(16)] for _ in range(2))
    return {"rope_type": "longrope", "short_factor": hf.rounded(short, "F32"), "long_factor": hf.rounded(long, "F32"),
            "original_max_position_embeddings": original, "max_position_embeddings": longest}


def with_longrope(tensors, scaling):
    for name in ("short", "long"):
        values = scaling[name + "_factor"]
        tensors[f"rope_factors_{name}.weight"] = ([len(values)], gguf.F32, hf.f32_bytes(values))
    return tensors


def check_gguf_minicpm():
    """Constants by their keys and by default; both lists of divisors, with and without a factor."""
    model, b = lib.path("other.gguf"), hf.Builder(24, "F16")
    net = minicpm_network(b)
    gguf.write_gguf(model, gguf_keys("minicpm", net), gguf_tensors(net, gguf.F32))
    compare("GGUF of MiniCPM without its constants", model, net, IDS, minicpm_traps(net)[:1])
    net.embedding_scale, net.residual_scale, net.logit_divisor = 2.0, 0.75, 4.0
    constants = {"embedding_scale": 2.0, "residual_scale": 0.75, "logit_scale": 4.0}
    gguf.write_gguf(model, gguf_keys("minicpm", net, **constants), gguf_tensors(net, gguf.F32))
    compare("GGUF of MiniCPM", model, net, IDS, minicpm_traps(net))
    for longest in (8, 256):
        scaling = longrope(longest, 8, longest)
        net = net.changed(scaling=scaling)
        keys = gguf_keys("minicpm", net, **constants, **{
            "context_length": longest, "rope.scaling.type": "longrope", "rope.scaling.original_context_length": 8})
        gguf.write_gguf(model, keys, with_longrope(gguf_tensors(net, gguf.F32), scaling))
        swapped = dict(scaling, short_factor=scaling["long_factor"], long_factor=scaling["short_factor"])
        traps = [(24, net.changed(scaling=swapped)), (24, net.changed(scaling=None)),
                 (24, net.changed(scaling=dict(scaling, max_position_embeddings=8 if longest > 8 else 256)))]
        compare(f"LongRoPE, short, up to {longest}", model, net, IDS[:8], traps)
        if longest > 8:
            compare("LongRoPE, long", model, net, IDS, traps)
    tensors = with_longrope(gguf_tensors(net, gguf.F32), scaling)
    del tensors["rope_factors_long.weight"]
    gguf.write_gguf(model, keys, tensors)
    done = tern("logits", "-m", model, "--ids", "72", "-o", lib.path("x"))
    check(f"LongRoPE: {done.stderr}", done.returncode == 3 and "'rope_factors_long.weight': missing" in done.stderr)


def check_gguf_minicpm_text():
    """SentencePiece pieces with <s> in front, and the markers of ChatML as tokens of their own."""
    model, net = lib.path("other.gguf"), minicpm_network(hf.Builder(25, "F16"))
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + ["\u2581", "h", "i", "hi", "\u2581hi"]
    pieces += ["<|im_end|>", "<|im_start|>"] + [f"x{i}" for i in range(hf.VOCAB - len(pieces) - 2)]
    keys = {key: v for key, v in gguf_keys("minicpm", net).items() if not key.startswith("tokenizer.")}
    keys.update({"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": pieces,
                 "tokenizer.ggml.scores": [-float(i) for i in range(hf.VOCAB)],
                 "tokenizer.ggml.token_type": [2, 3, 3] + [6] * 256 + [1] * 5 + [3] * 2 + [1] * (hf.VOCAB - 266),
                 "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
                 "tokenizer.chat_template": "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + "
                                            "'<|im_end|>' + '\n'}}{% endfor %}"})
    gguf.write_gguf(model, keys, gguf_tensors(net, gguf.F32))
    done = tern("tokenize", "-m", model, "--ids", "hi<|im_end|>")
    check(f"MiniCPM's tokenizer: {done.stdout}{done.stderr}", done.stdout.strip() == b"[1, 263, 264]")
    texts = [tern("run", "-m", model, "--temp", "0", "-n", "8", *options, "hi").stdout
             for options in ((), ("--template", "chatml"), ("--raw",))]
    check(f"MiniCPM answers in ChatML: {texts}", texts[0] == texts[1] != texts[2] and texts[0])


def check_gguf_bits():
    """Matrices without zeros become T1R16 whatever they were, and give the same bits; and they can leave as TQ2_0."""
    paths, ids = {name: lib.path(name + ".gguf") for name in ("in", "out", "tq2_0", "back")}, [1, 77, 200, 3]
    for group in (0, 128):
        model = gguf.Small(50 + group, group, codes=(0, 2))
        keys = {"tern__activation": "per_group", "tern__activation_group": 128}
        first = None
        for what, encode in (("T2R16", lambda *m: gguf.as_t2r16(*m, group)), ("Q1_0", gguf.as_type(gguf.Q1_0)),
                             ("F16", gguf.as_type(gguf.F16)), ("T1R16", lambda *m: gguf.as_t1r16(*m, group))):
            model.write(paths["in"], encode, **keys)
            first = first or lib.logits(paths["in"], ids)
            check(f"{what}: the logits of T2R16", lib.logits(paths["in"], ids) == first)
            if lib.convert(paths["in"], paths["out"], *AS_STORED):
                check_metadata(what, paths["out"], {f"blk.0.{name}.weight": "T1R16" for name in gguf.SHAPES})
                check(f"{what} to T1R16: the same logits", lib.logits(paths["out"], ids) == first)
        if not group and lib.convert(paths["out"], paths["tq2_0"], "--to", "tq2_0"):
            lib.convert(paths["tq2_0"], paths["back"], *AS_STORED)
            check("T1R16 to TQ2_0 and back: the same logits", lib.logits(paths["back"], ids) == first)


# ---- what is refused ----

# Members of Gemma's config.json, changed, and what the message says.
GEMMA_REFUSALS = [
    ({"sliding_window": None}, "key 'sliding_window': missing"),
    ({"sliding_window": 0}, "sliding_window"),
    ({"layer_types": ["sliding_attention", "full_attention"]}, "2 layers; num_hidden_layers is 3"),
    ({"layer_types": ["sliding_attention", "chunked_attention", "full_attention"]}, "chunked_attention"),
    ({"sliding_window_pattern": 0}, "sliding_window_pattern"),
    ({"query_pre_attn_scalar": 16}, "key 'query_pre_attn_scalar'"),
    ({"final_logit_softcapping": 30.0}, "key 'final_logit_softcapping'"),
    ({"use_bidirectional_attention": True}, "key 'use_bidirectional_attention'"),
    ({"hidden_activation": "silu"}, "key 'hidden_activation'"),
    ({"rope_local_base_freq": 1.0}, "rope_theta is 1"),
    ({"rope_parameters": {"full_attention": {"rope_theta": 1e6}, "sliding_attention": {
        "rope_type": "linear", "factor": 8.0}}}, "in layers with a window"),
]
# Contents of 1_Pooling/config.json.
POOLING_REFUSALS = [
    ({"pooling_mode_max_tokens": True}, "expected one of cls, mean and lasttoken"),
    ({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": True}, "expected one of"),
    ({"pooling_mode": "weightedmean"}, "expected one of"),
    ({}, "expected one of"),
    ([], "expected an object"),
]


def refused(what, directory, out, message):
    done = lib.call(lib.CONVERT, directory, "-o", out, "--force")
    check(f"{what}: status {done.returncode}, {done.stderr}",
          done.returncode == 3 and message in done.stderr and done.stderr.count("\n") == 1)
    check(f"{what}: left a file", not os.path.exists(out))


MINICPM_REFUSALS = [
    ({"scale_emb": None}, "scale_emb"),
    ({"scale_depth": 0}, "scale_depth"),
    ({"dim_model_base": "x"}, "dim_model_base"),
    ({"sparse_config": {"kernel_size": 32}}, "sparse_config"),
    ({"rope_scaling": {"rope_type": "longrope", "original_max_position_embeddings": 8}}, "short_factor"),
    ({"rope_scaling": {"rope_type": "longrope", "short_factor": [1.0] * 16, "long_factor": [0.0] * 16,
                       "original_max_position_embeddings": 8}}, "above 0"),
    ({"rope_scaling": {"rope_type": "longrope", "short_factor": [1.0] * 16, "long_factor": [1.0] * 15,
                       "original_max_position_embeddings": 8}}, "long_factor"),
]


def check_minicpm_refusals():
    """Constants that are missing, bad lists; master weights, which only --masters takes."""
    path, out = lib.path("minicpm"), lib.path("refused.gguf")
    bitcpm(path)
    place = os.path.join(path, "config.json")
    with open(place, encoding="utf-8") as file:
        good = json.load(file)
    for change, message in MINICPM_REFUSALS:
        with open(place, "w", encoding="utf-8") as file:
            json.dump(dict(good, **change), file)
        refused(str(change), path, out, message)
    b = hf.Builder(21)
    net = hf.build(b, lambda _, r, c: b.master(r, c), hidden=128, ff=192, n_layer=1, head_dim=32)
    net.embedding_scale, net.residual_scale, net.logit_divisor = 12.0, 1.4, 128 / 256
    net = net.map_linears(lambda m: m.changed(activation=128))
    hf.write(path, hf.tensors_of(net), minicpm_config(net))
    refused("master weights", path, out, "--masters")
    if lib.convert(path, out, "--masters", *AS_STORED):
        compare("--masters", out, net, IDS)
        os.remove(out)


def check_refusals():
    path, out = lib.path("gemma"), lib.path("refused.gguf")
    gemma3_layer_types(path)
    places = [(os.path.join(path, "config.json"), GEMMA_REFUSALS, True),
              (os.path.join(path, "1_Pooling", "config.json"), POOLING_REFUSALS, False)]
    for place, refusals, is_change in places:
        with open(place, encoding="utf-8") as file:
            good = json.load(file)
        for content, message in refusals:
            with open(place, "w", encoding="utf-8") as file:
                json.dump(dict(good, **content) if is_change else content, file)
            refused(str(content), path, out, message)
        with open(place, "w", encoding="utf-8") as file:
            json.dump(good, file)
    if hasattr(os, "symlink"):
        outside = lib.path("outside")
        os.rename(os.path.join(path, "1_Pooling"), outside)
        os.symlink(outside, os.path.join(path, "1_Pooling"))
        refused("a link out of the checkpoint", path, out, "a symbolic link out of the checkpoint")


# ---- running ----

def main():
    wanted = sys.argv[1:]
    for function in CASES:
        name = function.__name__
        if wanted and name not in wanted:
            continue
        path, model = lib.path(name), lib.path("model.gguf")
        net, traps, expected = function(path)
        options = [] if "token_embd.weight" in expected else AS_STORED
        if lib.convert(path, model, *options):
            compare(name, model, net, IDS, traps)
            check_metadata(name, model, expected)
    if not wanted:
        check_gguf()
        check_gguf_minicpm()
        check_gguf_minicpm_text()
        check_gguf_bits()
        check_minicpm_refusals()
        check_refusals()
    return lib.summary()


if __name__ == "__main__":
    sys.exit(main())
