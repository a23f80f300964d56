#!/usr/bin/env python3
"""The figures of bench/RESULTS.md: every configuration below once per round, so that disturbances of the machine hit
all of them; prints medians over the rounds and their range.

    bench/figures.py [--rounds 5] [--threads 2] [--tern ./tern] [--old OTHER_TERN] [--only NAME ...]

With --old another build runs right before each run of this one, and a column says how many times as fast this one is.

Prints Markdown. Leave the machine idle meanwhile.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Label, arguments of `tern bench` ({t}: threads), kernel set (None: the best of this CPU). Rows that are compared with
# each other are neighbors.
CONFIGURATIONS = [
    ("generating, empty context", "--shape 2b -t {t} -p 0 -n 128", None),
    ("generating, scales per 128 columns", "--shape 2b:128 -t {t} -p 0 -n 128", None),
    ("generating, one thread", "--shape 2b -t 1 -p 0 -n 64", None),
    ("generating at depth 4096", "--shape 2b -t {t} -p 0 -n 64 -d 4096 --no-warmup", None),
    ("generating at depth 4096, --kv q8", "--shape 2b -t {t} -p 0 -n 64 -d 4096 --no-warmup --kv q8", None),
    ("generating, AVX2", "--shape 2b -t {t} -p 0 -n 64", "avx2"),
    ("prompt of 512, scales per 128 columns", "--shape 2b:128 -t {t} -p 512 -n 0", None),
    ("prompt of 512", "--shape 2b -t {t} -p 512 -n 0", None),
    ("prompt of 512, one thread", "--shape 2b -t 1 -p 512 -n 0", None),
    ("prompt of 512, AVX-VNNI", "--shape 2b -t {t} -p 512 -n 0", "avxvnni"),
    ("prompt of 512, AVX2", "--shape 2b -t {t} -p 512 -n 0", "avx2"),
    ("generating, AVX2, one thread", "--shape 2b -t 1 -p 0 -n 64", "avx2"),
    ("prompt of 512, AVX2, one thread", "--shape 2b -t 1 -p 512 -n 0", "avx2"),
    ("generating, 8b", "--shape 8b -t {t} -p 0 -n 48", None),
    ("generating, 8b-1bit", "--shape 8b-1bit -t {t} -p 0 -n 48", None),
    ("generating, maple", "--shape maple -t {t} -p 0 -n 64", None),
    ("prompt of 512, maple", "--shape maple -t {t} -p 512 -n 0", None),
    ("generating, 27b", "--shape 27b -t {t} -p 0 -n 16", None),
    ("prompt of 128, 27b", "--shape 27b -t {t} -p 128 -n 0", None),
    ("prompt of 128, 8b", "--shape 8b -t {t} -p 128 -n 0", None),
    ("shipped model, generating, one thread", "-t 1 -p 0 -n 128", None),
]


def usable(tern, isa):
    done = subprocess.run([tern, "bench", "-t", "1", "-p", "1", "-n", "0", "-r", "1", "--no-warmup", "-q"],
                          env={**os.environ, "TERN_ISA": isa}, capture_output=True, check=False)
    return done.returncode == 0


def measure(tern, arguments, isa, may_fail=False):
    environment = dict(os.environ)
    if isa:
        environment["TERN_ISA"] = isa
    done = subprocess.run([tern, "bench", *arguments.split(), "-r", "1", "-o", "json", "-q"], env=environment,
                          capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        sys.exit(f"tern bench {arguments}: {done.stderr.strip()}")
    return None if done.returncode else json.loads(done.stdout)[0]


def spread(values, form):
    values = sorted(values)
    return f"{form % statistics.median(values)} ({form % values[0]} to {form % values[-1]})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tern", default=os.path.join(HERE, "..", "tern"))
    parser.add_argument("--old", help="an older build, to be compared with")
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="a configuration by its name; again for more")
    options = parser.parse_args()
    chosen = [(name, arguments.format(t=options.threads), isa) for name, arguments, isa in CONFIGURATIONS
              if (not options.only or name in options.only) and (not isa or usable(options.tern, isa))]
    rows = {name: [] for name, _, _ in chosen}
    ratios_to_old = {name: [] for name, _, _ in chosen}

    for number in range(options.rounds):
        for name, arguments, isa in chosen:
            old = options.old and measure(options.old, arguments, isa, may_fail=True)
            rows[name].append(measure(options.tern, arguments, isa))
            if old:
                ratios_to_old[name].append(rows[name][-1]["avg_ts"] / old["avg_ts"])
            print(f"round {number + 1}: {name}: {rows[name][-1]['avg_ts']:.2f} t/s", file=sys.stderr)
    print("| what | command | t/s | % of limit | MiB per token | overhead, µs per token |"
          + (" times as fast as the old build |" if options.old else ""))
    print("|---|---|---:|---:|---:|---:|" + ("---:|" if options.old else ""))
    for name, arguments, isa in chosen:
        overheads = [row["overhead_us"] for row in rows[name] if row["overhead_us"] is not None]
        cells = [name, "`" + (f"TERN_ISA={isa} " if isa else "") + f"tern bench {arguments}`",
                 spread([row["avg_ts"] for row in rows[name]], "%.2f"),
                 spread([row["limit_pct"] for row in rows[name]], "%.1f"),
                 f"{statistics.median(row['bytes_per_token'] for row in rows[name]) / 2**20:.1f}",
                 f"{statistics.median(overheads):.1f}" if overheads else ""]
        if options.old:
            cells.append(spread(ratios_to_old[name], "%.2f") if ratios_to_old[name] else "")
        print("| " + " | ".join(cells) + " |")
    pairs = [("two threads over one, prompt of 512", "prompt of 512", "prompt of 512, one thread"),
             ("scales per 128 columns over one scale, prompt", "prompt of 512, scales per 128 columns", "prompt of 512"),
             ("scales per 128 columns over one scale, generating", "generating, scales per 128 columns",
              "generating, empty context")]
    print()
    for label, numerator, denominator in pairs:
        if rows.get(numerator) and rows.get(denominator):
            ratios = [a["avg_ts"] / b["avg_ts"] for a, b in zip(rows[numerator], rows[denominator])]
            print(f"* {label}: {spread(ratios, '%.3f')}")


if __name__ == "__main__":
    main()
