#!/usr/bin/env python3
"""Speed of tern next to other engines on the same GGUF file, run alternately, as ratios.

    bench/compare.py MODEL.gguf [-t THREADS] [-p 512] [-n 64] [-r 5] [--tern PROGRAM]

Other engines are used where they are installed: llama-bench on the PATH, and node-llama-cpp if `node` finds it from
the directory named with --node-modules (default: the current one). Each round runs every engine once, so that
disturbances of the machine hit all of them; the table shows medians over the rounds, and the median of the rounds' ratios.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **more)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
    return done.stdout


def rows_of_bench(rows):
    """pp and tg of the rows that tern bench and llama-bench print as JSON."""
    return {"pp" if row["n_prompt"] else "tg": row["avg_ts"] for row in rows}


class Tern:
    def __init__(self, options):
        self.name = "tern"
        self.options = options

    def measure(self):
        o = self.options
        return rows_of_bench(json.loads(run([o.tern, "bench", "-m", o.model, "-t", str(o.threads), "-p", str(o.prompt),
                                             "-n", str(o.generate), "-r", "1", "-o", "json", "-q"])))


class LlamaBench:
    def __init__(self, options):
        self.options = options
        self.name = "llama-bench"
        if not shutil.which("llama-bench"):
            raise RuntimeError("llama-bench is not on the PATH")

    def measure(self):
        o = self.options
        return rows_of_bench(json.loads(run(["llama-bench", "-m", o.model, "-t", str(o.threads), "-p", str(o.prompt),
                                             "-n", str(o.generate), "-r", "1", "-o", "json"])))


class NodeLlamaCpp:
    def __init__(self, options):
        self.options = options
        self.name = "node-llama-cpp"
        if not shutil.which("node"):
            raise RuntimeError("node is not on the PATH")
        run(["node", "-e", "require.resolve('node-llama-cpp')"], cwd=options.node_modules)

    def measure(self):
        o = self.options
        told = json.loads(run(["node", os.path.join(HERE, "node_llama_cpp.mjs"), os.path.abspath(o.model), str(o.prompt),
                               str(o.generate), str(o.threads), "1"], cwd=o.node_modules).splitlines()[-1])
        return {"pp": told["pp"][0], "tg": told["tg"][0]}


def installed(options):
    engines = [Tern(options)]
    for engine in LlamaBench, NodeLlamaCpp:
        try:
            engines.append(engine(options))
        except RuntimeError as error:
            print(f"not compared: {error}", file=sys.stderr)
    return engines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    parser.add_argument("-p", "--prompt", type=int, default=512)
    parser.add_argument("-n", "--generate", type=int, default=64)
    parser.add_argument("-r", "--rounds", type=int, default=5)
    parser.add_argument("--tern", default=os.path.join(HERE, "..", "tern"))
    parser.add_argument("--node-modules", default=".", metavar="DIRECTORY")
    options = parser.parse_args()
    engines = installed(options)
    rounds = []

    for number in range(options.rounds):
        rounds.append({engine.name: engine.measure() for engine in engines})
        print(f"round {number + 1}: {rounds[-1]}", file=sys.stderr)
    print(f"| engine | pp{options.prompt} t/s | tern is faster by | tg{options.generate} t/s | tern is faster by |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for engine in engines:
        cells = []
        for test in "pp", "tg":
            cells.append(f"{statistics.median(r[engine.name][test] for r in rounds):.2f}")
            cells.append(f"{statistics.median(r['tern'][test] / r[engine.name][test] for r in rounds):.2f}")
        print(f"| {engine.name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
