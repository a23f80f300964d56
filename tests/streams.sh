#!/bin/sh
# End-to-end tests of tern's streams: prompts from standard input and files, standard output that fails, signals, a file
# that is cut while it is in use. What a terminal gets is in pipes.py.
. tests/lib.sh
on_this_cpu
greedy='--temp 0 -n 8'
# shellcheck disable=SC2086
answer $greedy 'Who are you?' >wanted

# ---- prompts and text ----

answer -v -n 4 --seed 7 'Who are you?' >out
check '-v: speeds and seed' grep -q '^prompt [0-9]* tokens .* t/s · generated [0-9]* tokens .* · seed 7$' err
check '-v: color needs a terminal' test "$(tr -d '\033' <err | wc -c)" -eq "$(wc -c <err)"
answer --color=always -v -n 4 'Who are you?' >out
check '--color=always' test "$(tr -d '\033' <err | wc -c)" -lt "$(wc -c <err)"
answer -n 4 'Who are you?' >out
check 'nothing on standard error' test ! -s err

printf 'Once upon a time\n' >document
printf 'x\n\n' >bytes
mkdir folder
raw='--raw --echo -n 1 --temp 0'
# shellcheck disable=SC2086
{
	tern run -m "$MODEL" $raw <document >out
	check 'standard input is the prompt' test "$(head -c 16 out)" = 'Once upon a time'
	check 'without its last newline' test "$(head -c 17 out | wc -l)" -eq 0
	tern run -m "$MODEL" $raw 'there was' <document >out
	check 'standard input is the document' test "$(head -c 27 out)" = "$(printf 'Once upon a time\n\nthere was')"
	refused 2 'a file and words' 'twice' run -m "$MODEL" -f document there
	tern run -m "$MODEL" $raw -f - <bytes >out
	check '-f -: every byte' test "$(head -c 3 out | od -An -c | tr -d ' ')" = 'x\n\n'
	tern run -m "$MODEL" $raw -f bytes </dev/null >out
	check '-f FILE: every byte' test "$(head -c 3 out | od -An -c | tr -d ' ')" = 'x\n\n'
	refused 3 '-f: no such file' 'nothing-here' run -m "$MODEL" -f nothing-here
	refused 3 '-f: a directory' 'folder' run -m "$MODEL" -f folder
	printf 'a\0b' >nul
	tern run -m "$MODEL" $raw -f nul </dev/null >out
	check 'a NUL in the text' test "$(head -c 3 out | od -An -c | tr -d ' ')" = 'a\0b'
	run 0 'a NUL in a chat message' run -m "$MODEL" -n 1 -f nul
	head -c 3 /dev/zero >nul
	run 0 'nothing but NULs' run -m "$MODEL" -n 1 -f nul
	answer --echo -n 1 hello >out
	check '--echo in a chat' test "$(head -n 2 out)" = "$(printf 'hello\n\n')"
}
: >nothing
input=nothing
refused 2 'empty standard input' 'empty' run -m "$MODEL"
input=/dev/null

answer --raw --temp 0 -n 40 'Once upon a time' >out
word=$(tr -d '\n' <out | cut -d ' ' -f 8)
answer --raw --temp 0 -n 40 --stop "$word" 'Once upon a time' >until
check '--stop: there is text before it' test "$(wc -c <until)" -gt 1
check '--stop: the text before it' test "$(head -c "$(($(wc -c <until) - 1))" out)" = "$(cat until)"
check '--stop: not part of the text' test "$(grep -c -F "$word" until)" -eq 0
answer --raw --temp 0 -n 40 --stop 'never seen' --stop "$word" 'Once upon a time' >again
check '--stop: several' same until again

answer --temp 0 'Who are you?' >plain
answer --temp 0 --show-special 'Who are you?' >special
check '--show-special' grep -q '<|end|>' special
check 'end tokens are not shown' test "$(grep -c '<|' plain)" -eq 0
answer --temp 0 -n 60 --ignore-eos 'Who are you?' >longer
check '--ignore-eos' test "$(wc -c <longer)" -gt "$(wc -c <plain)"

# Special tokens that a prompt spells are text.
count() { tern run -m "$MODEL" --json -n 1 "$@" </dev/null | sed 's/.*"prompt_tokens": \([0-9]*\).*/\1/'; }
check 'no special tokens from a chat message' test "$(count '<|end|>')" -gt "$(count 'a')"
check 'special tokens with --raw' test "$(count --raw 'a<|end|>b')" -lt "$(count --raw 'a<|eng|>b')"

# ---- streams that fail ----

i=0
while [ $i -lt 2000 ]; do
	echo 'Once upon a time there was a fox.'
	i=$((i + 1))
done >long
if [ -w /dev/full ]; then
	for arguments in "run -m $MODEL -n 3 hi" "run -m $MODEL --json -n 3 hi" "info $MODEL" "tokenize -m $MODEL hi" \
		"logits -m $MODEL --ids 1,2 -o -" '--help' 'run --help' '--version'; do
		# shellcheck disable=SC2086
		tern $arguments </dev/null >/dev/full 2>err
		status=$?
		check "full disk: $arguments" test $status -eq 1
		check "full disk: $arguments: message" grep -q '^tern: write error: ' err
	done
else
	skip 'a full disk' 'there is no /dev/full'
fi
tern run -m "$MODEL" -n 3 hi >&- 2>err </dev/null
check 'standard output closed' test $? -eq 1
check 'standard output closed: message' grep -q '^tern: write error: ' err
# shellcheck disable=SC2086
tern run -m "$MODEL" $greedy 'Who are you?' 2>&- </dev/null >out
check 'standard error closed' test $? -eq 0
check 'standard error closed: text' same out wanted
# shellcheck disable=SC2086
tern run -m "$MODEL" $greedy 'Who are you?' <&- >out 2>err
check 'standard input closed' test $? -eq 0
check 'standard input closed: text' same out wanted
tern run -m "$MODEL" <&- >out 2>err
check 'standard input closed, no prompt' test $? -eq 2
tern run -m "$MODEL" --batch - <&- >out 2>err
check 'standard input closed, requests' test $? -eq 2
tern run -m /nonexistent/x hi <&- >&- 2>&-
check 'all closed' test $? -eq 3
{
	tern tokenize -m "$MODEL" -f long </dev/null 2>err
	echo $? >status
} | head -n 1 >/dev/null
check 'reader leaves: SIGPIPE' test "$(cat status)" -eq 141
check 'reader leaves: silence' test ! -s err

# A run that lasts: far more context than the model was made for.
endless='--raw --ignore-eos -q -c 50000 Once'
# SIGINT is ignored in a background job. Without --foreground the signal would come twice, and the second Ctrl-C does not
# wait.
# interrupt SIGNAL OPTION...: sends it after a second, or after longer if no text has come by then
interrupt() {
	seconds=1 signal=$1
	shift
	while
		# shellcheck disable=SC2086
		timeout --foreground --preserve-status -s "$signal" $seconds $RUN "$TERN" run -m "$MODEL" $endless "$@" </dev/null >out 2>err
		status=$?
		[ ! -s out ] && [ $seconds -lt 60 ]
	do seconds=$((2 * seconds)); done
}
timeout --foreground --preserve-status -s INT 1 sleep 2 2>/dev/null
if [ $? -eq 130 ]; then
	interrupt INT --json
	check 'Ctrl-C: status' test $status -eq 130
	check 'Ctrl-C: the text so far' grep -q '"finish_reason": "interrupted"' out
	check 'Ctrl-C: no complaint' test ! -s err
	interrupt TERM
	check 'SIGTERM: status' test $status -eq 143
	check 'SIGTERM: the text so far' test -s out
else
	skip 'Ctrl-C and SIGTERM' 'there is no timeout, or SIGINT is ignored'
fi
cp "$MODEL" shrinking.gguf
chmod u+w shrinking.gguf
: >out # of the commands before; the first text comes from weights that are mapped
# shellcheck disable=SC2086
tern run -m shrinking.gguf $endless </dev/null >out 2>err &
process=$!
await $process test -s out
: >shrinking.gguf
wait $process
check 'file cut while it is in use: status' test $? -eq 3
check 'file cut while it is in use: one line' test "$(wc -l <err)" -eq 1
check 'file cut while it is in use: message' grep -q '^tern: shrinking.gguf: the file changed .* while it was in use$' err

summary
