#!/usr/bin/env python3
"""Cycles of the kernels' inner loops on CPUs that are not at hand, as llvm-mca models them, beside the multipliers' limit.

    llvm_mca.py [--mca PROGRAM] [--cpu NAME,...] OBJECT...

OBJECT is a kernel file as built, such as build/aarch64-linux-gnu-gcc/src/kernels/arm/dotprod.o. A row for every inner
loop of the products (or for the step of tiles that it unrolls): its multiplications, and for each CPU

    cycles      of one turn, in the middle of many
    share       of the rate at which the model runs the same multiplications with nothing beside them
    B/cycle     one token: bytes of weights, if they are in the L1 cache

A model is no measurement: caches and branches cost nothing in it. LLVM has none for many CPUs and takes an older one
instead, which is named by its resources: Cyclone, of 2013 with three vector units, for all of Apple's (these have four),
A57 for Cortex-A76. With version 22 Neoverse N1, V1 and N2 have their own; before 17 most are A57. """
import argparse
import re
import subprocess
import sys

CPUS = {
    "aarch64": "apple-m1,cortex-a76,neoverse-n1,neoverse-v1,neoverse-n2",
    "x86_64": "skylake,alderlake,znver3,znver4",
}
N_TURN = 400
MIN_MULTIPLY = 8
# The multiplications, and the bytes of 2-bit codes each of them takes.
MULTIPLY = {"sdot": 4, "smmla": 4, "usmmla": 4, "smlal": 2, "smlal2": 2, "sadalp": 4, "vpmaddubsw": 8, "vpdpbusd": 8}
BITS = {"ternary": 2, "binary": 1, "bits": 1, "nibble": 4}
ONE_TOKEN = re.compile(r"^(dot|token)_(?!groups)|_panel$")
PRODUCTS = re.compile(r"ternary|binary|nibble|bits|quads|step")


def run(*command, text=None):
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def functions(path):
    """Name -> [(address, mnemonic, operands)]"""
    found, name = {}, None
    for line in run(OBJDUMP, "-d", "--no-show-raw-insn", path).splitlines():
        if match := re.match(r"^[0-9a-f]+ <(.*)>:", line):
            name = match[1].split(".")[0]
            code = found.setdefault(name, [])
        elif match := re.match(r"^\s*([0-9a-f]+):\s+(\{vex\}\s+)?(\S+)\s*(.*)", line):
            code.append((int(match[1], 16), match[3], re.split(r"\s*(?://|# |<)", match[4])[0].strip()))
    return found


def target(mnemonic, operands):
    """Where a branch goes; None if it is none."""
    match = re.search(r"(?:^|, ?)(?:0x)?([0-9a-f]+)$", operands)
    return int(match[1], 16) if match and re.match(r"b$|b\.|cbn?z|tbn?z|j", mnemonic) else None


def multiplications(block):
    return [o for _, m, o in block if m in MULTIPLY]


def hot_blocks(code):
    """The loops without a branch inside; of a function whose loops have branches, the run that multiplies most."""
    targets = {target(m, o) for _, m, o in code}
    loops, runs, block = [], [], []
    for address, mnemonic, operands in code:
        if address in targets:
            runs.append(block)
            block = []
        block.append((address, mnemonic, operands))
        goal = target(mnemonic, operands)
        if goal is not None:
            (loops if goal == block[0][0] else runs).append(block)
            block = []
    loops = [block for block in loops if multiplications(block)]
    return [block for block in loops or [max(runs, key=lambda run: len(multiplications(run)), default=[])]
            if len(multiplications(block)) >= MIN_MULTIPLY]


def model(cpu, lines):
    """Cycles of one turn, and the resources' common beginning."""
    text = run(MCA, f"-mtriple={TRIPLE}", f"-mcpu={cpu}", f"-mattr={FEATURES}", f"-iterations={N_TURN}",
               text="\n".join(lines + [""]))
    cycles = int(re.search(r"Total Cycles:\s*(\d+)", text)[1]) / N_TURN
    return cycles, re.search(r"\[0(?:\.0)?\]\s*-\s*(\w+)", text)[1]


def peak(cpu, mnemonic, operands):
    """Multiplications a cycle, of sixteen that do not wait for each other."""
    def independent(i):
        if TRIPLE == "aarch64":
            return re.sub(r"^v\d+", f"v{i}", re.sub(r"v\d+", "v31", operands))
        return re.sub(r"ymm\d+$", f"ymm{i}", re.sub(r"ymm\d+", "ymm15", operands))
    return 16 / model(cpu, [f"{mnemonic} {independent(i)}" for i in range(16)])[0]


def describe(name, block, cpus, peaks):
    counts = multiplications(block)
    kind = next(m for _, m, _ in block if m in MULTIPLY)
    lines = [f"{m} {o}" for _, m, o in block if target(m, o) is None]
    row = f"{name:24} {len(counts):3} {kind:10}"
    bits = next((b for n, b in BITS.items() if n in name), None)
    for cpu in cpus:
        cycles, _ = model(cpu, lines)
        if (cpu, kind) not in peaks:
            peaks[cpu, kind] = peak(cpu, kind, counts[0])
        row += f"{cycles:8.1f} {len(counts) / peaks[cpu, kind] / cycles:5.2f}"
        has_bytes = ONE_TOKEN.search(name) and bits
        row += f"{len(counts) * MULTIPLY[kind] * bits / 2 / cycles:6.1f}" if has_bytes else 6 * " "
    print(row)


def main():
    global MCA, OBJDUMP, TRIPLE, FEATURES
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mca", default="llvm-mca")
    parser.add_argument("--cpu")
    parser.add_argument("object", nargs="+")
    arguments = parser.parse_args()
    MCA, OBJDUMP = arguments.mca, arguments.mca.replace("mca", "objdump")
    for path in arguments.object:
        TRIPLE = "aarch64" if "aarch64" in run(OBJDUMP, "-f", path) else "x86_64"
        FEATURES = "+dotprod,+i8mm" if TRIPLE == "aarch64" else "+avxvnni"
        cpus, peaks = (arguments.cpu or CPUS[TRIPLE]).split(","), {}
        print(f"{path}\n{'loop, multiplications':38}" + "".join(f"{cpu:>20}" for cpu in cpus))
        print(f"{'model of':38}" + "".join(f"{model(cpu, ['nop'])[1]:>20}" for cpu in cpus))
        print(38 * " " + len(cpus) * "  cycles share B/cyc")
        for name, code in functions(path).items():
            if PRODUCTS.search(name):
                for block in hot_blocks(code):
                    describe(name, block, cpus, peaks)


if __name__ == "__main__":
    try:
        main()
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"llvm_mca.py: {error}{(getattr(error, 'stderr', None) or '')[:300]}")
