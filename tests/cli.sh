#!/bin/sh
# End-to-end tests of tern, as a user or a script meets it: answers, JSON, tokens, logits, evaluations. What its
# command line refuses is in options.sh, which file is the model in models.sh, streams and signals are in streams.sh.
. tests/lib.sh
on_this_cpu
no_new_threads
export HOME="$dir/home"

# ---- options, wherever they stand ----

greedy='--temp 0 -n 8'
# shellcheck disable=SC2086
{
	answer $greedy 'Who are you?' >wanted
	check 'greedy answer' test -s wanted
	check 'ends with one newline' test "$(tail -c 1 wanted | od -An -c | tr -d ' ')" = '\n'
	answer 'Who are you?' $greedy >out
	check 'options after the prompt' same out wanted
	answer -n8 --temp=0 'Who are you?' >out
	check 'attached values' same out wanted
	answer --n-predict 8 --ctx-size 256 --temp 0 Who are 'you?' >out
	check "llama.cpp's names, words joined" same out wanted
	answer --temp 5 -n 3 --temp 0 -n 8 -qv 'Who are you?' >out
	check 'the last value counts, flags in a cluster' same out wanted
	tern run "$MODEL" $greedy 'Who are you?' <&- >out 2>err
	check 'first operand is the model' same out wanted
	answer $greedy -- 'Who are you?' >out
	check '-- ends the options' same out wanted
	many=$(i=0; while [ $i -lt 1000 ]; do printf ' --stop=QQ%d' $i; i=$((i + 1)); done)
	answer $many $greedy 'Who are you?' >out
	check 'a thousand options' same out wanted
}
answer --temp 0 -n 1 -- --temp >out
check '-- makes an operand of an option' test -s out

# ---- thoughts ----

refused 2 'no effort in this format' 'knows no reasoning effort' run -m "$MODEL" --reasoning-effort low hi
refused 2 'no such effort' 'low|medium|xhigh' run --reasoning-effort high hi
refused 2 'thoughts without a chat format' 'no-thinking' run --raw --no-thinking hi
answer --template qwen3-thinking --temp 0 -n 3 hi >out
check 'an answer that begins inside its thoughts' test "$(head -n 1 out)" = '<think>'
answer --template qwen3-thinking --temp 0 -n 3 --no-thinking hi >out
check 'thoughts are left out' test "$(cat out)" = ''
answer --template qwen3-thinking --temp 0 -n 3 --no-thinking --json hi >out
check 'thoughts are left out of JSON' grep -q '"text": "", .*"generated_tokens": [1-3]' out
answer --template qwen3.6 --temp 0 -n 3 --no-thinking hi >out
check 'no thoughts were asked for' test "$(head -c 7 out)" != '<think>'
mkdir efforts && cp "$checkpoint"/* efforts/ 2>/dev/null
template="<|im_start|> </think> {%- set e = reasoning_effort|default('medium') %}{{- 'Reasoning effort is set to low. Be quick.' }}"
template="$template{{- '<think>\\\\\\\\n' }}"
sed "s,\"chat_template\": .*,\"chat_template\": \"$template\"," "$checkpoint/tokenizer_config.json" >efforts/tokenizer_config.json
if convert efforts -o efforts.gguf -q 2>err; then
	prompt() { tern run -m efforts.gguf --temp 0 -n 1 --echo --show-special "$@" hi </dev/null 2>err; }
	prompt >out
	check "the template's own effort has no sentence" test "$(head -n 1 out)" = '<|im_start|>user'
	prompt --reasoning-effort low >out
	check 'the sentence of an effort' test "$(sed -n 2p out)" = 'Reasoning effort is set to low. Be quick.<|im_end|>'
	prompt --reasoning-effort low -s Hm >out
	check 'the system text after it' test "$(sed -n 4p out)" = 'Hm<|im_end|>'
	prompt --reasoning-effort low --no-thinking >out
	check 'no thoughts, no effort' test "$(head -n 1 out)" = '<|im_start|>user'
	printf '{"prompt": "hi", "reasoning_effort": "low", "no_thinking": true, "predict": 1}\n{"prompt": "hi", "reasoning_effort": "x"}' >requests
	run 1 'efforts of requests' run -m efforts.gguf --batch requests
	check 'efforts of requests: done' grep -q '^{"text": "' out
	check 'efforts of requests: refused' grep -q 'expected one of auto|low|medium|xhigh' out
else
	fail 'a checkpoint with efforts' "$(head -c 500 err)"
fi

# ---- run: same seed, same text ----

seeded='-n 60 --seed 5'
# shellcheck disable=SC2086
{
	answer $seeded -t 1 'Tell me a story about a fox.' >one
	answer $seeded -t 2 'Tell me a story about a fox.' >two
	answer $seeded -t 2 --no-mmap -c 300 'Tell me a story about a fox.' >three
	answer -n 60 --seed 6 'Tell me a story about a fox.' >other
	answer -n 60 --temp 0 --seed 5 'Tell me a story about a fox.' >cold
	answer -n 60 --temp 0 --seed 6 'Tell me a story about a fox.' >colder
}
check 'same seed, any number of threads' same one two
check 'same seed, any context' same one three
check 'another seed, another text' test "$(cat one)" != "$(cat other)"
check 'greedy needs no seed' same cold colder

# ---- what README.md shows ----

# shown FILE: README.md has this text, which is not empty, wherever its lines end
tr -s '\n' ' ' <"$root/README.md" >readme
in_readme() {
	text=$(tr -s '\n' ' ' <"$1" | sed 's/ $//')
	[ -n "$text" ] && grep -qF "$text" readme
}
shown() { check "README: $1" in_readme "$1"; }
run 0 'a story' run -m "$MODEL" --temp 0 'Tell me a story about a fox.'
shown out
printf 'Once upon a time\n' >start
input=start run 0 'a beginning' run -m "$MODEL" --raw --temp 0 -n 30
shown out
run 0 'a drawn story' run -m "$MODEL" --seed 1 -n 9 'Tell me a story.'
shown out
run 0 'probabilities' run -m "$MODEL" --alternatives 2 --temp 0 -n 4 'What is the capital of Peru?'
grep '%' err >probabilities
shown probabilities

# ---- run: the context ----

head -c 3000000 /dev/zero | tr '\0' '\n' >newlines
refused 4 'far too many newlines' 'prompt is at least [0-9]* tokens, context is ' run --raw -m "$MODEL" -f newlines
refused 4 'prompt too long' 'prompt is .* tokens, context is 4 .*use -c' run -m "$MODEL" -c 4 'Who are you, and why?'
i=0
while [ $i -lt 2000 ]; do
	echo 'Once upon a time there was a fox.'
	i=$((i + 1))
done >long
run 0 'an empty system text where there is no place for one' run -m "$MODEL" -n 1 -s '' hi
refused 4 'prompt longer than the model allows' 'model allows' run -m "$MODEL" -f long
run 0 'context full' run -m "$MODEL" --raw --json --ignore-eos -c 12 'Once upon a time'
check 'context full: reason' grep -q '"finish_reason": "context"' out
check 'context full: --json warns of nothing' test ! -s err
run 0 'context full, text' run -m "$MODEL" --raw --ignore-eos -c 12 'Once upon a time'
check 'context full: a warning' grep -q '^tern: warning: the answer reached the end of the context, 12 tokens; -c N makes it larger$' err
refused 1 'more context than memory' 'needs .* available' run -m "$MODEL" -c 2000000000 hi
run 0 'context 0 is the model'\''s' run -m "$MODEL" -c 0 -n 1 hi

# ---- run: JSON ----

run 0 '--json' run -m "$MODEL" --json -n 5 --seed 3 'Tell me a story.'
for key in text finish_reason prompt_tokens generated_tokens guessed_tokens accepted_tokens seed prompt_ms generate_ms model; do
	check "--json: $key" grep -q "\"$key\": " out
done
check '--json: one line' test "$(wc -l <out)" -eq 1
check '--json: length' grep -q '"finish_reason": "length"' out
check '--json: seed' grep -q '"seed": 3,' out
check '--json: count' grep -q '"generated_tokens": 5,' out
run 0 '--jsonl' run -m "$MODEL" --jsonl -n 5 --seed 3 'Tell me a story.'
check '--jsonl: pieces, then the object' test "$(sed -n '$p' out | grep -c '"finish_reason"')" -eq 1
check '--jsonl: text comes once' test "$(sed -n '$p' out | grep -c '"text"')" -eq 0
loop='One two three four. One two three four. One two three four. One two'
for lookup in 0 1 4 8 16; do
	run 0 "--lookup $lookup" run -m "$MODEL" --raw --lookup $lookup -n 200 --seed 5 --temp 0.4 --ignore-eos -p "$loop"
	[ $lookup = 0 ] && cp out plain
	check "--lookup $lookup: the same text" same out plain
done
run 0 '--json, --lookup 0' run -m "$MODEL" --raw --lookup 0 --json -n 50 -p "$loop"
check '--json, --lookup 0: no guesses' grep -q '"guessed_tokens": 0, "accepted_tokens": 0,' out
run 0 '--json, end of text' run -m "$MODEL" --json --temp 0 'Who are you?'
check '--json: stop' grep -q '"finish_reason": "stop"' out
run 0 '--json, stop string' run -m "$MODEL" --json --temp 0 --stop a 'Who are you?'
check '--json: stop_string' grep -q '"finish_reason": "stop_string"' out

# ---- tokenize ----

tokenize() { tern tokenize -m "$MODEL" "$@"; }
printf 'Hello, wörld!\n\ttab\\ 日本 <|end|>' >text
printf '\377\300broken\355\240\200' >>text
tokenize --ids --no-bos -f text </dev/null >ids
check '--ids: one line in brackets' grep -q '^\[[0-9]*\(, [0-9]*\)*\]$' ids
tokenize --decode <ids >back
check 'decoding gives the bytes back' same text back
tokenize --ids --no-bos --no-special -f text </dev/null >plain-ids
tokenize --decode <plain-ids >back
check 'decoding gives the bytes back, without special tokens' same text back
check 'special tokens are one token' test "$(wc -w <ids)" -lt "$(wc -w <plain-ids)"
check '--count' test "$(tokenize --count --no-bos -f text </dev/null)" -eq "$(wc -w <ids)"
check 'a line per token' test "$(tokenize --no-bos -f text </dev/null | wc -l)" -eq "$(wc -w <ids)"
check 'id and piece' test "$(tokenize --no-bos 'a' </dev/null | sed 's/^ *//')" = "$(tokenize --ids --no-bos a </dev/null | tr -d '[]') -> 'a'"
check 'BOS first' test "$(tokenize --count a </dev/null)" -eq "$(($(tokenize --count --no-bos a </dev/null) + 1))"
check 'words, -p, standard input' test "$(tokenize --ids 'a b' </dev/null)$(tokenize --ids a b </dev/null)$(tokenize --ids -p 'a b' </dev/null)" = \
	"$(printf 'a b' | tokenize --ids)$(tokenize --ids 'a b' </dev/null)$(tokenize --ids 'a b' </dev/null)"
printf 'one\0two\0\0three' | tokenize -0 --no-bos >out
check '-0: a line per text' test "$(wc -l <out)" -eq 4
check '-0: an empty text' test "$(sed -n 3p out)" = '[]'
check '-0: the same ids' test "$(sed -n 2p out)" = "$(tokenize --ids --no-bos two </dev/null)"
check '-0 --count' test "$(printf 'a\0\0' | tokenize -0 --count --no-bos | tr '\n' ' ')" = '1 0 '
check 'nothing gives []' test "$(tokenize --ids --no-bos </dev/null)" = '[]'
check 'decoding words' test "$(tokenize --decode "$(tokenize --ids --no-bos 'a b' </dev/null)" </dev/null)" = 'a b'
refused 2 'id out of range' '99999999' tokenize -m "$MODEL" --decode 1,99999999
refused 2 'negative id' '-1' tokenize -m "$MODEL" --decode -- -1
refused 2 'no id' 'abc' tokenize -m "$MODEL" --decode abc
refused 2 'ids and text at once' 'decode' tokenize -m "$MODEL" --decode --ids 1

# ---- embed ----
printf 'a cat\na kitten\n\nthe capital of France' >texts
run 0 'embed' embed -m "$MODEL" -f texts
check 'embed: a line for a line' test "$(grep -c '^{"index": [0-3], "tokens": [0-9]*, "embedding": \[' out)" -eq 4
tern embed -m "$MODEL" -o f32 <texts >vectors
check 'embed: floats' test "$(wc -c <vectors)" -eq $((4 * 4 * 256))
tr '\n' '\0' <texts | tern embed -m "$MODEL" -0 -o f32 >vectors0
check 'embed: NULs' cmp vectors vectors0
tern embed -m "$MODEL" -o f32 -t 1 'a cat' 'a kitten' '' 'the capital of France' >vectors1 </dev/null
check 'embed: words' cmp vectors vectors1
run 0 'embed --similarity' embed -m "$MODEL" --similarity 'a cat' 'a cat' 'Who are you?'
check 'embed --similarity' grep -q '^   1  1.000  1.000  [-0].*  a cat$' out
refused 2 'embed --similarity -o' 'no other format' embed -m "$MODEL" --similarity -o f32 a b
run 0 'embed, no lines' embed -m "$MODEL"
check 'embed, no lines' test ! -s out
refused 4 'embed, a long text' 'text 1: .* do not fit' embed -m "$MODEL" "$(seq 2000)" hi

# ---- logits ----

cp "$MODEL" mine.gguf
run 0 'logits' logits -m "$MODEL" --ids '1, 2 3' -o l1.f32 -t 1
check 'logits: nothing printed' test ! -s out
n_vocab=$(tern info "$MODEL" --key tokenizer.ggml.tokens | wc -l)
list=$(tern tokenize -m "$MODEL" --ids -p 'Once upon a time there was a fox and a kite.' </dev/null)
tern logits -m "$MODEL" --ids "$list" -o t1.f32 -t 1
tern logits -m "$MODEL" --ids "$list" -o t2.f32 -t 2
tern logits -m "$MODEL" --ids "$list" -o b1.f32 -b 1
tern logits -m "$MODEL" --ids "$list" -o b5.f32 --batch 5
tern logits -m "$MODEL" --ids "$list" -o - >stdout.f32
for other in t2 b1 b5 stdout; do check "logits: same bits ($other)" same t1.f32 $other.f32; done
check 'logits: size' test "$(($(wc -c <l1.f32)))" -eq "$((3 * 4 * $(tern info "$MODEL" --json | sed 's/.*"vocabulary": \([0-9]*\).*/\1/')))"
check 'logits: a row per id' test "$n_vocab" -ge 1536
refused 2 'logits: id out of range' "'1000000'" logits -m "$MODEL" --ids 1,1000000 -o no.f32
refused 2 'logits: no ids' 'empty' logits -m "$MODEL" --ids '' -o no.f32
refused 2 'logits: what is needed' 'ids' logits -m "$MODEL"
refused 2 'logits: an output without a name' 'empty' logits -m "$MODEL" --ids 1 -o ''
refused 2 'logits: onto the model' 'that is the model' logits -m mine.gguf --ids 1 -o mine.gguf
refused 1 'logits: a folder that is not there' 'nowhere' logits -m "$MODEL" --ids 1 -o nowhere/l.f32
check 'logits: no file after an error' test ! -e no.f32

# ---- eval ----

printf 'Once upon a time\n' >document
: >nothing
answer --raw --ignore-eos -n 700 --seed 1 'Once upon a time' >story
run 0 'eval' eval -m "$MODEL" -f story -c 128
check 'eval: the result' grep -q '^Final estimate: PPL = [0-9.]* +/- [0-9.]*$' out
check 'eval: nothing else' test "$(wc -l <out)" -eq 1
check 'eval: running values' grep -q '^\[1\][0-9.]*,\[2\][0-9.]*,' err
cp out ppl
run 0 'eval: threads' perplexity -m "$MODEL" -f story -c 128 -t 2 -q
check 'eval: same on any number of threads' same out ppl
check 'eval -q' test ! -s err
run 0 'eval: the context in 8 bits' eval -m "$MODEL" -f story -c 128 -q --kv q8
check 'eval: 8 bits are others' sh -c '! cmp -s out ppl'
check 'eval: 8 bits are near' sh -c "cat ppl out | awk '{ p[NR] = \$5 } END { exit !(p[2] > 0.98 * p[1] && p[2] < 1.02 * p[1]) }'"
input=story
run 0 'eval: standard input' eval -m "$MODEL" -c 128
input=/dev/null
check 'eval: standard input' same out ppl
run 0 'eval --chunks' eval -m "$MODEL" -f story -c 128 --chunks 1 --json
check 'eval --chunks' grep -q '"chunks": 1,' out
check 'eval --chunks: half a window' grep -q '"tokens_scored": 63,' out
refused 2 'eval --chunks 0' '0 windows' eval -m "$MODEL" -f story --chunks 0
run 0 'eval --stride' eval -m "$MODEL" -f story -c 128 --stride 32 --chunks 2 --json
check 'eval --stride' grep -q '"tokens_scored": 64,' out
run 0 'eval: a short text' eval -m "$MODEL" -f document
check 'eval: a short text is told of' grep -q 'warning' err
refused 2 'eval: too short' 'tokens' eval -m "$MODEL" -f nothing -q
refused 2 'eval: no text' '-f FILE' eval -m "$MODEL" text
refused 3 'eval: no such file' 'nothing-here' eval -m "$MODEL" -f nothing-here
refused 4 'eval: window beyond the model' 'context' eval -m "$MODEL" -f story -c 100000

# ---- by another program's eyes ----

if have python3 'JSON by its eyes'; then
	valid() { python3 -m json.tool "$1" /dev/null; }
	lines_valid() { python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1], "rb")]' "$1"; }
	tern run -m "$MODEL" --json -n 30 'Tell me a story.' </dev/null >out
	check 'run --json is JSON' valid out
	tern run -m "$MODEL" --jsonl -n 30 'Tell me a story.' </dev/null >out
	check 'run --jsonl is JSON, line by line' lines_valid out
	tern run -m "$MODEL" --json --echo --raw -n 2 -f text </dev/null >out
	check 'run --json of broken text' valid out
	tern info "$MODEL" --json --tensors --verify >out
	check 'info --json is JSON' valid out
	tern info "$MODEL" --json --key tokenizer.ggml.tokens >out
	check 'info --json --key is JSON' valid out
	tern eval -m "$MODEL" -f story -c 64 --chunks 1 --json >out 2>err
	check 'eval --json is JSON' valid out

	# Perplexity from the logits, as the definition has it.
	tern tokenize -m "$MODEL" --ids --no-special -f story </dev/null >ids
	python3 - ids <<-'END' >first
		import json, sys
		print(",".join(map(str, json.load(open(sys.argv[1]))[:64])))
	END
	tern logits -m "$MODEL" --ids "$(cat first)" -o window.f32
	cat >ppl.py <<-'END'
		import json, math, struct, sys
		ids = [int(i) for i in open("first").read().split(",")]
		data = open("window.f32", "rb").read()
		n_vocab = len(data) // 4 // len(ids)
		total = n = 0
		for i in range(len(ids) // 2, len(ids) - 1):
		    row = struct.unpack_from("<%df" % n_vocab, data, 4 * n_vocab * i)
		    top = max(row)
		    total += top + math.log(sum(math.exp(x - top) for x in row)) - row[ids[i + 1]]
		    n += 1
		told = json.load(open("out"))
		print(math.exp(total / n), n, told)
		sys.exit(not (told["tokens_scored"] == n and abs(told["ppl"] / math.exp(total / n) - 1) < 1e-6))
	END
	check 'eval agrees with logits' python3 ppl.py
fi

summary
