"""Writes a model that make_qwen35.py can make but has no name for, bonsai2-tied: rotated weights and a tied head, which is
version 2 of the keys. That program leaves out the one key that says so.

usage: rotated_tied.py FOLDER_OF_MAKE_QWEN35 OUT"""
import os
import sys

sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True  # that folder stays as it is
import make_qwen35


class Gguf(make_qwen35.Gguf):
    def put(self, key, kind, value):
        super().put(key, kind, value)
        if key == "prism.hadamard.version":
            super().put("prism.hadamard.tied_output", "bool", value == 2)


make_qwen35.Gguf = Gguf
os.makedirs(sys.argv[2], exist_ok=True)
make_qwen35.make(sys.argv[2], "bonsai2-tied", kind="pq2_0", rep=2, layers=4, d=128, fold=128, tied=True, seed=7,
                 hidden=256, ffn=512)
