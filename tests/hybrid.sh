#!/bin/sh
# Hybrid models, whose state cannot be rewound, as a user meets them: chats, batches and measurements go back to snapshots
# and never change a word by it.
. tests/lib.sh

# shellcheck disable=SC2086
check 'a tiny hybrid model' $RUN "$BUILD/tests/programs/write_hybrid" hybrid.gguf
tern() {
	command=$1
	shift
	# shellcheck disable=SC2086
	$RUN "$TERN" "$command" -m hybrid.gguf "$@"
}
told() { check "$1" grep -q -e "$2" err; }

run 0 'info' info
check 'info: the state' grep -q '^memory .* of state$' out
run 0 'info --json' info --json
check 'info --json: the state' grep -q '"state_bytes": [1-9]' out

# ---- chats ----

# The answers are noise, but always the same noise: chatting STATUS NAME LINES ARG...
chatting() {
	wanted=$1 name=$2 input=typed
	printf '%s\n' "$3" >typed
	shift 3
	run "$wanted" "$name" chat --template qwen3.8 --temp 0 -n 20 "$@"
	input=/dev/null
}
long='This message is long enough that reading it again would take some time'
chatting 0 'two turns' "$long: one.
$long: two."
mv out wanted
chatting 0 '/regen' "$long: one.
/regen
$long: two.
/stats"
check '/regen: the same answers' test "$(sed 1,2d wanted)" = "$(tail -n "$(sed 1,2d wanted | wc -l)" out)"
chatting 0 '/regen: what is read' "$long: one.
/regen
/stats"
# the second reading begins at the end of the message: some ten tokens
check '/regen: little is read again' test "$(sed -n 's/^  read *\([0-9]*\) tokens.*/\1/p' err | head -n 1)" -lt 60
told '/regen: the rest was there' '[1-9][0-9]* more were in the context'
chatting 0 '/regen without snapshots' "$long: one.
/regen
/stats" --state-cache 0
told '/regen without snapshots: all is read' ' 0 more were in the context'
chatting 0 '/undo' "$long: one.
$long: wrong.
/undo
$long: two."
check '/undo: the same answer' test "$(tail -n 2 wanted)" = "$(tail -n 2 out)"
chatting 0 '/context' "$long.
/context"
told '/context: the state' '^memory: .* of state, '
chatting 0 'a full context' "$long: one.
$long: two.
$long: three.
$long: four." -c 600
told 'a full context: it is said' 'context of 600 tokens is full'
told 'a full context: how long' 'reading the rest of the conversation again, [0-9]* tokens, took'

# ---- batches ----

shared='The beginning that all requests of this batch have in common is so long that nobody wants to read it twice'
i=0
while [ $i -lt 4 ]; do
	echo "{\"prompt\": \"$shared, number $i\", \"raw\": true}"
	i=$((i + 1))
done >requests
texts() { sed 's/.*"text": \(".*"\), "finish_reason".*/\1/' "$1"; }
run 0 'a batch' run --batch requests --temp 0 -n 8
texts out >wanted
check 'a batch: the last requests are read in part' test "$(grep -c '"cached_tokens": 0,' out)" -eq 2
run 0 'a batch without snapshots' run --batch requests --temp 0 -n 8 --state-cache 0
check 'a batch without snapshots: all is read' test "$(grep -c '"cached_tokens": 0,' out)" -eq 4
texts out >got
check 'a batch: the same texts' same wanted got
: >got
while read -r request; do
	echo "$request" >one
	run 0 'one request' run --batch one --temp 0 -n 8 -t 1
	texts out >>got
done <requests
check 'requests alone: the same texts' same wanted got

# ---- measurements ----

run 0 'bench at a depth' bench -p 8 -n 4 -d 20 -r 2 -o jsonl
check 'bench at a depth: two tests' test "$(wc -l <out)" -eq 2
list=$(i=0; while [ $i -lt 60 ]; do printf '%d,' $((i * 7 % 250)); i=$((i + 1)); done | sed 's/,$//')
run 0 'logits' logits --ids "$list" -o all.f32
run 0 'logits, small batches' logits --ids "$list" -o small.f32 --batch 7 -t 3
check 'logits: the same bits' same all.f32 small.f32
printf '%s\n' "$long" "$long" "$long" "$long" >text
run 0 'eval' eval -f text -c 64 --quiet
mv out wanted
run 0 'eval, one thread' eval -f text -c 64 --quiet -t 1
check 'eval: the same' same wanted out
convert hybrid.gguf -o converted.gguf --head keep --embd keep -q
run 0 'the converted file' logits -m converted.gguf --ids "$list" -o converted.f32
check 'converted: the same bits' same all.f32 converted.f32
summary
