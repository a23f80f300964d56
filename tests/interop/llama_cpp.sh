#!/bin/sh
# Files for and from llama.cpp, as the npm package node-llama-cpp ships it. Not part of `make test`:
#
#     npm install node-llama-cpp            # in some directory
#     sh tests/interop/llama_cpp.sh DIRECTORY
#
# A model of plain Llama shape (tern-tiny without its extra norms) leaves tern as TQ2_0; both engines continue the same
# tokens greedily, and the ids have to be equal.
modules=${1:?usage: llama_cpp.sh DIRECTORY, where node_modules/node-llama-cpp is}
tern=${TERN:-$PWD/tern} convert=${TERN_CONVERT:-$PWD/tern-convert} root=$PWD n=60
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

python3 tests/programs/strip_norms.py models/tern-tiny "$dir/plain" && "$convert" -q "$dir/plain" -o "$dir/plain.gguf" &&
	"$convert" -q "$dir/plain.gguf" --to tq2_0 -o "$dir/tq2_0.gguf" || exit 1
passed=0 failed=0
while IFS= read -r prompt; do
	ids=$("$tern" tokenize -m "$dir/tq2_0.gguf" --ids "$prompt" </dev/null)
	(cd "$modules" && node "$root/bench/node_llama_cpp.mjs" "$dir/tq2_0.gguf" "ids:$ids" $n 2 0) </dev/null |
		tail -n 1 | sed 's/.*\[\(.*\)\].*/\1/' | tr -d ' ' >"$dir/theirs"
	"$tern" run -m "$dir/tq2_0.gguf" --raw --temp 0 -n $n --ignore-eos --show-probs --json "$prompt" </dev/null |
		python3 -c 'import json, sys; print(",".join(str(t["id"]) for t in json.load(sys.stdin)["tokens"]))' >"$dir/ours"
	if cmp -s "$dir/ours" "$dir/theirs" && [ -s "$dir/ours" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "differs after: $prompt"
		paste "$dir/ours" "$dir/theirs"
	fi
done <<'EOF'
Once upon a time there was
Tell me a story about a fox.
The capital of France is
Lily had a red ball.
EOF
echo "llama_cpp.sh: $passed passed, $failed failed"
[ $failed -eq 0 ]
