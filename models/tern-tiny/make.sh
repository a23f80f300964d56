#!/bin/sh
# Makes a model like tern-tiny from nothing: the corpus; a checkpoint, trained in full precision for 15 % of the steps, going over to
# ternary weights during another 15 %, ternary for the rest; the GGUF file; and the exam. From the top of the source tree, after
# `make`; python3 writes the corpus. A quarter of an hour on two quiet cores; interrupted, the same command goes on.
#
#   sh models/tern-tiny/make.sh DIRECTORY
[ -n "$1" ] || { echo "usage: sh models/tern-tiny/make.sh DIRECTORY" >&2; exit 2; }
set -e
mkdir -p "$1"
[ -e "$1/corpus.jsonl" ] || { python3 models/tern-tiny/corpus.py 80000 1 >"$1/corpus.part" && mv "$1/corpus.part" "$1/corpus.jsonl"; }
[ -e "$1/held-out.jsonl" ] || { python3 models/tern-tiny/corpus.py 400 2 >"$1/held-out.part" && mv "$1/held-out.part" "$1/held-out.jsonl"; }
[ -e "$1/checkpoint/model.safetensors" ] ||
	./tern-tune models/tern-tiny --from-scratch -d "$1/corpus.jsonl" -o "$1/checkpoint" --resume --steps 2400 --batch-tokens 3200 \
		--context 256 --lr 0.0025 --ramp-start 0.15 --ramp 0.15 --packed --eval "$1/held-out.jsonl" --eval-every 200
./tern-convert "$1/checkpoint" -o "$1/tern-tiny.gguf" --force
python3 models/tern-tiny/exam.py "$1/tern-tiny.gguf"
