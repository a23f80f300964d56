#!/bin/sh
# The paper's comparison (arXiv 2505.08823) at the scale of a laptop: a base of 0.8 M parameters without extra norms, trained in
# full precision on tern-tiny's corpus, and from it each arm with three seeds (the order of the data), everything else alike.
# Prints the loss of each run on held-out text, as it is after the last step, with mean and spread. From the top of the source
# tree, after `make`; python3 writes the corpus. About 25 minutes of CPU time; interrupted, the same command goes on.
#
#   bench/tune_ablation.sh DIRECTORY        SEEDS="1 2 3" STEPS=200 BASE_STEPS=1500 THREADS=2
[ -n "$1" ] || { echo "usage: bench/tune_ablation.sh DIRECTORY" >&2; exit 2; }
set -e
dir=$1 SEEDS=${SEEDS:-1 2 3} STEPS=${STEPS:-200} BASE_STEPS=${BASE_STEPS:-1500} THREADS=${THREADS:-2}
mkdir -p "$dir/shape"

# text NAME DOCUMENTS SEED
text() { [ -e "$dir/$1" ] || { python3 models/tern-tiny/corpus.py "$2" "$3" >"$dir/part" && mv "$dir/part" "$dir/$1"; }; }
text corpus.jsonl 80000 1
text held-out.jsonl 800 2
cp models/tern-tiny/tokenizer*.json models/tern-tiny/generation_config.json "$dir/shape"
cat >"$dir/shape/config.json" <<END
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4,
 "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1536, "max_position_embeddings": 256, "rms_norm_eps": 1e-6,
 "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": true, "bos_token_id": 1532, "eos_token_id": 1533}
END

# train OUTPUT BASE OPTION...: unless it is there already
train() {
	output=$1 base=$2
	shift 2
	[ -e "$output/model.safetensors" ] ||
		./tern-tune "$base" -d "$dir/corpus.jsonl" --eval "$dir/held-out.jsonl" -o "$output" --resume -t "$THREADS" -q "$@"
}
loss() { tail -n 1 "$1/loss.csv" | awk -F, '{ print $NF }'; }

train "$dir/base" "$dir/shape" --from-scratch --full-precision --steps "$BASE_STEPS" --batch-tokens 3200 --context 256 --lr 0.0025
echo "base in full precision: $(loss "$dir/base") nats"

# arm NAME OPTION...
arm() {
	name=$1
	shift
	for seed in $SEEDS; do
		output="$dir/$(echo "$name" | tr ' ,' '--')-$seed"
		train "$output" "$dir/base" --steps "$STEPS" --batch-tokens 2560 --context 256 --seed "$seed" "$@"
		loss "$output"
	done | awk -v name="$name" '
		{ line = line sprintf(" %.4f", $1); sum += $1; n++; if (n == 1 || $1 < low) low = $1; if (n == 1 || $1 > high) high = $1 }
		END { printf "%-28s %s   mean %.4f, %.4f to %.4f\n", name, line, sum / n, low, high }'
}
arm "full precision" --full-precision
arm "QAT" --no-extra-norm
arm "QAT, distilled" --no-extra-norm --distill "$dir/base"
arm "extra norms"
arm "extra norms, gain rms" --gains rms
arm "extra norms, no ramp" --schedule none
arm "extra norms, by layer" --schedule layers
