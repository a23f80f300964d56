"""tern against an independent implementation: logits, greedy texts, questions and what the 8-bit head costs; and
`tern eval` against the definition of perplexity.

The shipped model's expected texts are in tests/data. More checkpoints, with float64 logits, are looked for in
../shared/checkpoints.
"""
import functools
import json
import math
import os
import re
import sys

import lib
from lib import check, tern

lib.no_new_threads()

# 8-bit rounding amplifies the tiny difference that a half-precision key/value cache makes.
MAX_RELATIVE_ERROR = 2e-2
MAX_MEDIAN_ERROR = 2.5e-2
MAX_EXPERTS_ERROR = 6e-2  # rounding activations makes the router choose another expert at near ties
MAX_LEAD = 0.3  # of a logit: above it the best token has to be the reference's
MAX_PERPLEXITY_COST = 0.003
MAX_TIE_LEAD = 0.05  # of a logit
AS_STORED = ("--head", "keep", "--embd", "keep")


@functools.cache
def isas():
    """The instruction sets that have kernels in this build, as far as this CPU has them. tern lists those of the build
    when it is given one that does not exist."""
    built = tern("tokenize", "-m", lib.MODEL, "-p", "x", isa="none").stderr
    names = re.sub(".* has ", "", built.strip()).split(", ")
    there = [isa for isa in names if tern("tokenize", "-m", lib.MODEL, "-p", "x", isa=isa).returncode == 0]
    check("instruction sets", names[0] == "portable" == there[0], built, there)
    return there


def check_logits(checkpoint):
    """Every position of golden.json's ids, with every kernel set; all sets give the same file."""
    golden, model = json.load(open(os.path.join(checkpoint, "golden.json"))), lib.path("model.gguf")
    if not lib.convert(checkpoint, model, *AS_STORED):
        return
    first = None
    for isa in isas():
        data = lib.logits(model, golden["ids"], isa=isa)
        if first is None:
            first = data
            worst = lib.worst_error(lib.rows_of(data, len(golden["ids"])), golden["logits"])
            print(f"{os.path.basename(checkpoint)}: relative error at most {worst:.5f}")
            check(f"{checkpoint}: relative error", worst <= MAX_RELATIVE_ERROR, worst)
        check(f"{checkpoint}: the same bits from {isa}", data == first)


def near_ties(model, case):
    """Reads the reference's text and yields (position, lead) where tern would have chosen another token."""
    ids = case["ids"] + case["greedy"]
    rows = lib.rows_of(lib.logits(model, ids), len(ids))[len(case["ids"]) - 1:]
    for i, (row, token) in enumerate(zip(rows, case["greedy"])):
        lead = max(row) - row[token]
        if lead > 0:
            yield i, lead


def check_texts(model, golden, prefix=""):
    """Greedy text equals the reference's, as bytes, up to the first token that the reference itself chose by a hair:
    there the half-precision cache and single precision may round an activation the other way."""
    for case in json.load(open(golden)):
        prompt, greedy = case["prompt"][len(prefix):], case["greedy"]
        ties = list(near_ties(model, case))
        for i, lead in ties:
            print(f"{prompt!r}: another token at {i} of {len(greedy)}, ahead by {lead:.4f}")
            check(f"{prompt!r}: token {i} is a near tie", lead <= MAX_TIE_LEAD, lead)
        same = greedy[:ties[0][0]] if ties else greedy
        expected = tern("tokenize", "-m", model, "--decode", ",".join(map(str, same))).stdout.strip()
        done = tern("run", "-m", model, "--raw", "--temp", "0", "-n", str(len(greedy)), "--ignore-eos", "--show-special",
                    "-p", prompt)
        check(f"{prompt!r}: runs", done.returncode == 0, done.stderr)
        text = done.stdout.strip()
        check(f"{prompt!r}: the text", expected and (text.startswith(expected) if ties else text == expected), text,
              expected)


def check_exam(model, path):
    """Questions of the model's domain in its chat format. The reference gives the corpus' answer to 58 of the 60, tern
    to 57, and a right one in other words to one more."""
    cases = [json.loads(line) for line in open(path)]
    right = sum(tern("run", "-m", model, "--temp", "0", case["question"]).stdout.decode().strip() == case["answer"]
                for case in cases)
    print(f"exam: {right} of {len(cases)} right")
    check("exam", right >= 57, right)


def write_text(model, prompt, path):
    """Text that the model itself writes."""
    with open(path, "wb") as file:
        for seed in range(1, 13):
            file.write(prompt.encode())
            file.write(tern("run", "-m", model, "--raw", "-p", prompt, "-n", "250", "--temp", "1", "--top-k", "0",
                            "--top-p", "1", "--min-p", "0", "--ignore-eos", "--seed", str(seed)).stdout)


def perplexity(model, text):
    done = tern("eval", "-m", model, "-f", text, "-c", "256")
    found = re.search(rb"PPL = ([0-9.]+)", done.stdout)
    check(f"{model}: eval", found, done.stderr)
    return float(found.group(1)) if found else float("nan")


def check_head_cost(checkpoint, prompt):
    """What 8-bit head and embeddings do to perplexity."""
    keep, q8, text = lib.path("keep.gguf"), lib.path("q8.gguf"), lib.path("text.txt")
    if not (lib.convert(checkpoint, keep, *AS_STORED) and lib.convert(checkpoint, q8)):
        return
    write_text(keep, prompt, text)
    before, after = perplexity(keep, text), perplexity(q8, text)
    print(f"{os.path.basename(checkpoint)}: perplexity {before:.4f}, with 8-bit head and embeddings {after:.4f} "
          f"({100 * (after / before - 1):+.3f} %)")
    check(f"{checkpoint}: perplexity", after <= before * (1 + MAX_PERPLEXITY_COST), before, after)


def check_perplexity(model):
    """The perplexity that `tern eval` prints is that of the logits: of the second half of a window."""
    text, n = lib.path("story.txt"), 64
    with open(text, "wb") as file:
        file.write(tern("run", "-m", model, "--raw", "--ignore-eos", "-n", "100", "--seed", "1", "Once upon a time").stdout)
    found = json.loads(tern("eval", "-m", model, "-f", text, "-c", str(n), "--chunks", "1", "--json").stdout)
    ids = json.loads(tern("tokenize", "-m", model, "--ids", "--no-special", "-f", text).stdout)[:n]
    rows = lib.rows_of(lib.logits(model, ids), n)
    costs = [math.log(sum(math.exp(x - max(row)) for x in row)) + max(row) - row[after]
             for row, after in list(zip(rows, ids[1:]))[n // 2:]]
    expected = math.exp(sum(costs) / len(costs))
    check("eval agrees with logits",
          found["tokens_scored"] == len(costs) and abs(found["ppl"] / expected - 1) < 1e-6, expected, len(costs), found)


def check_best(name, rows, expected):
    """The best token is the reference's wherever that leads clearly."""
    for position, (row, wanted) in enumerate(zip(rows, expected)):
        best, second = sorted(range(len(wanted)), key=lambda i: -wanted[i])[:2]
        if wanted[best] - wanted[second] > MAX_LEAD:
            check(f"{name}: the best token at {position}", max(range(len(row)), key=row.__getitem__) == best)


def check_shared():
    random = lib.shared("logits of random checkpoints, texts of stories-3m", "random")
    if not random:
        return
    for name in sorted(os.listdir(random)):
        check_logits(os.path.join(random, name))
    stories, model = os.path.join(lib.SHARED, "stories-3m"), lib.path("stories.gguf")
    if lib.convert(stories, model, *AS_STORED):
        check_texts(model, os.path.join(stories, "golden.json"))
    if not lib.IS_SLOW:
        check_head_cost(stories, "Once upon a time")


def errors_to(data, rows):
    return list(map(lib.relative_error, lib.rows_of(data, len(rows)), rows))


def check_gguf(name, path, max_median, max_error):
    """A GGUF file of an independent implementation: unconverted and converted, one batch and one token at a time, every
    kernel set, one to three threads. With max_error the errors are to the nearer of its golden logits with activations in floats and with
    activations rounded to 8 bits, else to the latter: they differ where a rounding tips over."""
    golden, converted = json.load(open(path + ".json")), lib.path("converted.gguf")
    if not lib.convert(path + ".gguf", converted, *AS_STORED):
        return
    ids, first = golden["ids"], None
    runs = [(path + ".gguf", isa, "512", "2") for isa in ([None] if lib.IS_SLOW else isas())]
    runs += [(path + ".gguf", None, "1", "1"), (converted, None, "512", "3")]
    for model, isa, batch, n_threads in runs:
        data = lib.logits(model, ids, "-b", batch, "-t", n_threads, isa=isa)
        if first is None:
            first = data
            errors = errors_to(data, golden["logits_int8"])
            if max_error:
                errors = list(map(min, errors, errors_to(data, golden["logits"])))
                check(f"{name}: largest relative error", errors and max(errors) <= max_error, errors)
            errors.sort()
            median = errors[len(errors) // 2] if errors else math.inf
            print(f"{name}: relative error {median:.5f} in the median, at most {max(errors, default=math.inf):.5f}")
            check(f"{name}: relative error", median <= max_median, median)
            check_best(name, lib.rows_of(data, len(ids)), golden["logits_int8"])
        check(f"{name}: the same bits with {isa}, batch {batch}, {os.path.basename(model)}", data == first)


MORE = ("minicpm-tq2_0", "minicpm-f32", "minicpm-longrope", "qwen3-q1_0", "qwen3-q1_0-tied")
EXPERTS = ("maple-tq2_0", "maple-q2_0", "maple-f32")


HYBRID = ("bonsai1-pq2_0", "bonsai1-q2_0", "bonsai1-q2_0-g128", "bonsai1-ptq1_0", "rep2-f16", "rep3-f32", "mtp", "tied",
          "bonsai2-pq2_0", "bonsai2-ptq1_0", "bonsai2-q2_0")
HYBRID_ERRORS = 2e-2, 4e-2  # in the median, and the largest
ORACLE = os.path.join("..", "shared", "oracle")


def run_oracle(program, *arguments):
    """Whether a program that uses the reference, and so numpy, succeeds; else its files are skipped."""
    if any(lib.succeeds(python, program, *arguments) for python in (sys.executable, "/usr/bin/python3")):
        return True
    return lib.skip(f"files of {os.path.basename(program)}", "it does not run here (numpy?)")


def make(program, names):
    """The folder of files that the reference's own program makes, or None where that does not run."""
    made = lib.path(program + ".made")
    return made if run_oracle(os.path.join(ORACLE, program), made, "--seed", "7", "--only", ",".join(names)) else None


def check_made(what, program, names, folder, max_median, max_error=None):
    """Files that the reference's own program makes, and those that are there; where programs are slow, the latter."""
    ready = lib.shared(what, folder)
    for place in filter(None, (ready and not lib.IS_SLOW and make(program, names), ready)):
        for name in names:
            if os.path.exists(os.path.join(place, name + ".json")):
                check_gguf(name, os.path.join(place, name), max_median, max_error)


def check_rotated_tied():
    """A rotated embedding that is the head too."""
    program, made = os.path.join("tests", "programs", "rotated_tied.py"), lib.path("rotated_tied.made")
    if not lib.IS_SLOW and lib.shared("a rotated, tied head") and run_oracle(program, ORACLE, made):
        check_gguf("bonsai2-tied", os.path.join(made, "bonsai2-tied"), *HYBRID_ERRORS)


def check_unfolded():
    """Weights whose rotation has been multiplied into them are floats of full precision: the one file of the reference's
    programs that is refused. Its goldens are those of its folded twin, bonsai2-pq2_0, which tern is compared with."""
    made = os.path.isdir(lib.SHARED) and make("make_qwen35.py", ("bonsai2-unfolded",))
    if not made:
        return
    done = tern("logits", "-m", os.path.join(made, "bonsai2-unfolded.gguf"), "--ids", "1", "-o", lib.path("none"))
    check("weights rotated back are refused in one line", done.returncode == 3 and "not ternary" in done.stderr and
          done.stderr.count("\n") == 1, done.returncode, done.stderr)


def main():
    model = lib.path("tiny.gguf")
    if lib.convert("models/tern-tiny", model, *AS_STORED):
        check_texts(model, "tests/data/tern-tiny-golden.json", prefix="<|begin|>")
    check_perplexity(lib.MODEL)
    # What some hundred answers say is the same wherever logits are the same bits, which test_one_answer.c shows.
    if not lib.IS_SLOW:
        check_exam(lib.MODEL, "tests/data/tern-tiny-exam.jsonl")
        check_head_cost("models/tern-tiny", "Once upon a time")
    check_shared()
    check_made("MiniCPM and 1-bit weights", "make_more.py", MORE, "more", MAX_MEDIAN_ERROR)
    check_made("mixtures of experts", "make_more.py", EXPERTS, "more", MAX_EXPERTS_ERROR)
    check_made("delta nets and rotated weights", "make_qwen35.py", HYBRID, "qwen35", *HYBRID_ERRORS)
    check_rotated_tied()
    check_unfolded()
    return lib.summary()


if __name__ == "__main__":
    sys.exit(main())
