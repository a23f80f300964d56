#!/usr/bin/env python3
"""Start-up: time from the start of `tern run` to its first token, and memory used.

    bench/startup.py MODEL.gguf [--rounds 7] [--threads N] [--prompt TEXT] [--tern ./tern]

Reads the model once before, so that it is in the page cache. Prints Markdown: medians over the rounds with their range.
Memory is the largest resident size (which includes mapped pages of the file), compared with the size of the weights and
of the used part of the key/value cache. Without --prompt the text has five tokens or so. A model to measure with:
build/bench/make_model --shape 2b -o random-2b.gguf.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

PANEL = 16  # positions whose keys are stored together


def page_in(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def run_once(command):
    """Seconds to the first byte of output and to the end, CPU seconds, and the most bytes that were resident."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    first = os.read(process.stdout.fileno(), 1)
    to_first = time.monotonic() - start
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    to_end = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not first:
        sys.exit(f"{' '.join(command)}: status {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return to_first, to_end, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def kv_bytes(info, n_token):
    positions = -(-n_token // PANEL) * PANEL
    return info["layers"] * info["heads_kv"] * info["head_dim"] * 2 * (positions + n_token)


def show(label, seconds):
    ms = [1e3 * s for s in seconds]
    print(f"| {label} | {statistics.median(ms):.0f} ms | {min(ms):.0f} to {max(ms):.0f} ms |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--prompt", default="The capital of France is")
    parser.add_argument("--tern", default="./tern")
    options = parser.parse_args()
    tern = shutil.which(options.tern) or sys.exit(f"{options.tern}: not found")

    info = json.loads(subprocess.check_output([tern, "info", "--json", options.model]))
    weights = sum(kind["bytes"] for kind in info["types"])
    listed = subprocess.check_output([tern, "tokenize", "--ids", "-m", options.model, options.prompt], text=True)
    n_token = len(listed.replace("[", " ").replace("]", " ").replace(",", " ").split())
    command = [tern, "run", "--raw", "-n", "1", "--temp", "0", "--ignore-eos", "--show-special", "-m", options.model]
    command += ["-t", str(options.threads)] if options.threads else []
    command += [options.prompt]

    page_in(options.model)
    rounds = [run_once(command) for _ in range(options.rounds)]
    first, end, cpu, resident = (list(column) for column in zip(*rounds))
    needed = weights + kv_bytes(info, n_token)
    print(f"{options.model}: {weights / 2**20:.1f} MiB of weights, a prompt of {n_token} tokens, {options.rounds} rounds\n")
    print("| | median | range |\n|---|---:|---:|")
    show("start to first token", first)
    show("start to end", end)
    show("CPU time", cpu)
    print(f"| most memory resident | {statistics.median(resident) / 2**20:.1f} MiB "
          f"| {max(resident) / needed:.3f} of weights and touched cache |")


if __name__ == "__main__":
    main()
