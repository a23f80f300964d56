#!/bin/sh
# End-to-end tests of which file is the model - names, folders, variables, files that are none, a vocabulary alone - and of
# what tern info says about it.
. tests/lib.sh
on_this_cpu
no_new_threads
export HOME="$dir/home"

# ---- names and files ----

refused 3 'no such file' 'No such file' run -m /nonexistent/x.gguf hi
refused 3 'no such name' 'tern/models' run -m nonexistent hi
refused 3 'a directory' 'is a directory' run -m "$dir/" hi
refused 3 'a device' 'device' run -m /dev/null hi
: >empty.gguf
refused 3 'an empty file' 'empty.gguf' run empty.gguf hi
head -c 1000 "$MODEL" >short.gguf
refused 3 'half a file' 'short.gguf' run short.gguf hi
refused 3 'half a file: info' 'short.gguf' info short.gguf
for size in 1 4 23 24 100 40000 "$(($(wc -c <"$MODEL") - 1))"; do
	head -c "$size" "$MODEL" >short.gguf
	refused 3 "the first $size bytes" '^tern: short.gguf: ' info short.gguf
done
# named FILE BYTES PATTERN: a file that begins so, filled up with zeroes
named() {
	# shellcheck disable=SC2059 # the bytes are escapes
	{ printf "$2"; head -c 1000 /dev/zero; } >"$1"
	refused 3 "$1" "$1: byte [0-9]*: .*$3" run "$1" hi
}
named page.gguf '<html>' 'web page'
named image.gguf '\211PNG\r\n\032\n' 'PNG'
named archive.gguf 'PK\003\004' 'ZIP'
named pointer.gguf 'version https://git-lfs.github.com/spec/v1\n' 'Git LFS'
named weights.gguf '\020\000\000\000\000\000\000\000{"__metadata__":' 'safetensors'
named text.gguf 'hello' 'GGUF'
named version1.gguf 'GGUF\001\000\000\000' 'version 1'
named version4.gguf 'GGUF\004\000\000\000' 'version 4'
named big-endian.gguf 'GGUF\000\000\000\003' 'big-endian'
named many.gguf 'GGUF\003\000\000\000\001\000\000\000\000\000\000\000\377\377\377\377\377\377\377\377' '18446744073709551615'
mkfifo pipe.gguf
refused 3 'a pipe' 'pipe' run pipe.gguf hi
refused 2 'an empty name' 'empty' run -m '' hi
mkdir -p models home/.local/share/tern/models data/tern/models
cp "$MODEL" models/mine.gguf
ln models/mine.gguf home/.local/share/tern/models/homely.gguf
ln models/mine.gguf data/tern/models/shared.gguf
export TERN_MODELS="/nonexistent:$dir/models"
run 0 'TERN_MODELS' info -m mine
export TERN_MODELS="$dir/models"
run 0 'TERN_MODELS, whole name' info -m mine.gguf
export TERN_MODELS="$dir/models"
refused 3 'a public model, abbreviated' 'curl -L -o Falcon3-3B-Instruct-1.58bit.gguf' run -m falcon3-3b hi
refused 3 'public models, by how their names begin' 'curl -L -o Falcon3-1B-Instruct-1.58bit.gguf' run -m falcon3 hi
refused 3 'a public checkpoint, misspelt' 'tern-convert bitnet_b1_58-large' run -m bitnet_b158-larg hi
refused 3 'every folder is named' "$dir/models" info -m other
unset TERN_MODELS
export TERN_MODEL="$dir/models/mine.gguf"
run 0 'TERN_MODEL' run -n 1 hi
export TERN_MODEL=/nonexistent/x
refused 3 'TERN_MODEL that is not there' '/nonexistent/x' run -n 1 hi
export TERN_MODEL=/nonexistent/x
run 0 'an option beats a variable' run -m "$MODEL" -n 1 hi
unset TERN_MODEL
run 0 'home folder' info -m homely
export XDG_DATA_HOME="$dir/data"
run 0 'XDG_DATA_HOME' info -m shared
unset XDG_DATA_HOME
run 0 'the model that ships, from any folder' run -n 1 hi
mkdir -p prefix/bin prefix/share/tern/models
cp "$TERN" prefix/bin/tern
ln models/mine.gguf prefix/share/tern/models/tern-tiny.gguf
# shellcheck disable=SC2086
$RUN prefix/bin/tern info >out 2>err
check 'the model that ships, once installed' grep -q 'prefix/bin/../share/tern/models/tern-tiny.gguf' out
run 0 'without mapping' run -m "$MODEL" --no-mmap -n 1 hi

# ---- info ----

run 0 'info' info "$MODEL"
for word in architecture parameters 'bits per weight' layers heads context vocabulary norms T2R16; do
	check "info: $word" grep -q "$word" out
done
run 0 'info' info "$MODEL"
check 'info: memory' grep -q '^memory .* of weights, .* or .* (q8) for each token of context' out
refused 1 'a context that no memory holds' 'a context of 100000000 tokens ([0-9]* MiB), .* needs [0-9]* MiB' run -c 100000000 -m "$MODEL" hi
run 0 '--overcommit' run --overcommit -m "$MODEL" -n 1 hi
check 'info --key' test "$(tern info "$MODEL" --key general.architecture)" = llama
check 'info --key, an array' test "$(tern info "$MODEL" --key tokenizer.ggml.tokens | wc -l)" -ge 1536
refused 1 'info --key, not there' "did you mean 'general.architecture'" info "$MODEL" --key general.architectur
run 0 'info --tensors' info --tensors -m "$MODEL"
cp out tensors
check 'info --tensors' grep -q 'token_embd.weight' tensors
run 0 'info --diff, the same' info --diff "$MODEL" "$MODEL"
check 'info --diff, the same' grep -q 'no difference' out
{ head -c $(($(wc -c <"$MODEL") - 1)) "$MODEL" && printf 'x'; } | sed 's/tern-tiny/Tern-tiny/' >other.gguf
run 1 'info --diff' info --diff -m "$MODEL" other.gguf
check 'info --diff: a key, a tensor' test "$(grep -c '^~ \(general.name\|tensor .*: 1 of [0-9]* values differ\)' out)" -eq 2
refused 2 'info --diff, one file' 'two models' info --diff "$MODEL"
refused 2 'info --diff has its own form' 'leave out' info --diff --json "$MODEL" other.gguf
run 0 'info --verify' info --verify "$MODEL"
check 'info --verify' grep -q 'sound' out
refused 2 'info: two models' 'one model' info "$MODEL" "$MODEL"

# Where a tensor of this type lies, from the list
place_of() { awk -v type="$1" '$1 == type && $2 > 8 && $3 ~ /^[0-9]+$/ { print $3; exit }' tensors; }
damage() { # FILE OFFSET BYTES
	cp "$MODEL" "$1"
	chmod u+w "$1"
	# shellcheck disable=SC2059 # the bytes are octal escapes
	printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
damage codes.gguf "$(place_of T2R16)" '\377\377'
run 3 'info --verify: bad codes' info --verify codes.gguf
check 'info --verify: counted' grep -q 'invalid ternary codes: 8' out
run 0 'bad codes: a defined result' run -m codes.gguf --temp 0 -n 3 hi
damage nan.gguf "$(place_of F32)" '\000\000\300\177'
refused 3 'NaN' 'not finite' run -m nan.gguf hi
run 3 'info --verify: NaN' info --verify nan.gguf
check 'info --verify: NaN' grep -q 'NaN or infinite values: 1' out
cp "$MODEL" longer.gguf
chmod u+w longer.gguf
head -c 1000 "$MODEL" >>longer.gguf
run 0 'info --verify: bytes at the end' info --verify longer.gguf
check 'info --verify: bytes at the end' grep -q 'after the last tensor' out

# ---- a vocabulary alone ----

check 'tern-convert --vocab-only' convert "$checkpoint" --vocab-only -o vocabulary.gguf
check 'tokenize with a vocabulary alone' test "$(tern tokenize vocabulary.gguf --ids 'a b' </dev/null)" = "$(tern tokenize -m "$MODEL" --ids 'a b' </dev/null)"
refused 3 'run with a vocabulary alone' 'weights' run vocabulary.gguf hi
run 0 'info of a vocabulary alone' info vocabulary.gguf

summary
