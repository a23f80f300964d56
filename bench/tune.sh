#!/bin/sh
# The speed of training next to PyTorch's: tokens per second of whole steps with extra norms and lambda 1, for the shape of
# tern-tiny (4 M parameters, 20 x 160 tokens) and one of 28 M (8 x 256 tokens), in turn with torch_speed.py, where $PYTHON has
# PyTorch:
#
#   bench/tune.sh        THREADS=2 ROUNDS=3 PYTHON=python3
THREADS=${THREADS:-2} ROUNDS=${ROUNDS:-3} PYTHON=${PYTHON:-python3} STEPS=${STEPS:-12}
dir=$(mktemp -d "${TMPDIR:-/tmp}/tern-tune-bench.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT

# base NAME HIDDEN LAYERS KV FF VOCAB
base() {
	mkdir -p "$dir/$1"
	cp models/tern-tiny/tokenizer*.json "$dir/$1"
	cat >"$dir/$1/config.json" <<EOF
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": $2, "intermediate_size": $5, "num_hidden_layers": $3,
 "num_attention_heads": 8, "num_key_value_heads": $4, "vocab_size": $6, "max_position_embeddings": 1024, "rms_norm_eps": 1e-6,
 "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": true, "bos_token_id": 1532, "eos_token_id": 1533}
EOF
}
base tiny 256 6 4 512 1536
base 28m 512 8 4 1408 8192
awk 'BEGIN { srand(1); for (i = 0; i < 60000; i++) printf "%s ", substr("abcdefghijklmnopqrstuvwxyz", int(rand() * 20) + 1, int(rand() * 5) + 1) }' >"$dir/text.txt"

# ours NAME BATCH CONTEXT: the mean of all steps
ours() {
	rm -rf "$dir/out"
	./tern-tune "$dir/$1" --from-scratch -d "$dir/text.txt" -o "$dir/out" --steps "$STEPS" --batch-tokens "$2" --context "$3" \
		--schedule none -t "$THREADS" -q && echo "tern-tune, $1: $(tail -n 1 "$dir/out/loss.csv" | cut -d, -f7) tokens/s"
}

# theirs NAME SEQUENCES CONTEXT STEPS
theirs() {
	"$PYTHON" bench/torch_speed.py "$dir/$1/config.json" --sequences "$2" --context "$3" --threads "$THREADS" --steps "$4"
}

have_torch=$("$PYTHON" -c 'import torch' 2>/dev/null && echo yes)
[ "$have_torch" ] || echo "$PYTHON has no PyTorch: tern-tune alone"
i=0
while [ $i -lt "$ROUNDS" ]; do
	ours tiny 3200 160
	[ -z "$have_torch" ] || theirs tiny 20 160 5
	ours 28m 2048 256
	[ -z "$have_torch" ] || theirs 28m 8 256 3
	i=$((i + 1))
done
