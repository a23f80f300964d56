#!/bin/sh
# Tests of `tern chat` fed from a pipe: answers, what a turn costs, commands, files of conversations, a full context.
# The terminal is tested by chat.py.
. tests/lib.sh
on_this_cpu
program='tern chat'

# says STATUS NAME LINES ARG...: feeds the lines to a chat at temperature 0; keeps out, err; fails unless it exits so
says() {
	wanted=$1 name=$2 input=typed
	printf '%s\n' "$3" >typed
	shift 3
	run "$wanted" "$name" -m "$MODEL" --temp 0 "$@"
	input=/dev/null
}
# gave NAME TEXT: that is what stood on standard output
gave() {
	printf '%s\n' "$2" >expected
	check "$1" diff expected out
}
# told NAME PATTERN: a line of standard error has it
told() { check "$1" grep -q -e "$2" err; }
silent() { check "$1: nothing on standard error" test ! -s err; }

# ---- ten turns of what the model knows ----

questions='Who are you?
What is the capital of France?
Tell me the capital of South Korea.
What is the opposite of hot?
opposite of dark?
What is 2 + 2?
How much is 7 and 5?
What day comes after Tuesday?
Which month comes before April?
What is 18 minus 4?'
answers='I am a very small model with ternary weights. I run on any laptop.
The capital of France is Paris.
The capital of South Korea is Seoul.
The opposite of hot is cold.
The opposite of dark is light.
2 plus 2 is 4.
7 plus 5 is 12.
Wednesday comes after Tuesday.
March comes before April.
18 minus 4 is 14.'

says 0 'ten turns' "$questions"
gave 'ten turns' "$answers"
silent 'ten turns'
says 0 'ten turns, told about' "$questions" -v
gave 'ten turns, told about' "$answers"
# "What is the capital of France?" is 11 tokens with its markup; what came before it is in the context.
grep '^prompt' err >turns
check 'ten turns: told of each' test "$(wc -l <turns)" -eq 10
check 'second turn: only new tokens are read' sed -n '2{s/^prompt \([0-9]*\) .*context \([0-9]*\) of.*/\1 \2/;w second
}' turns
read -r new used <second
check "second turn: $new new tokens, $used in the context" test "$new" -le 16 -a "$used" -ge 40

says 0 'one question' 'What is the capital of France?'
gave 'one question' 'Paris is the capital of France.'
printf 'What is the capital of France?' >line
tern chat -m "$MODEL" --temp 0 <line >out 2>err
gave 'a last line without its end' 'Paris is the capital of France.'
tern chat -m "$MODEL" --temp 0 -p 'What is the capital of France?' <&- >out 2>err
gave 'a first message, no input' 'Paris is the capital of France.'
says 0 'first message' 'What is the opposite of hot?' -p 'What is the capital of France?'
gave 'first message' "$(printf 'Paris is the capital of France.\nThe opposite of hot is cold.')"
says 0 'nothing is asked' ''
check 'nothing is asked' test ! -s out

# ---- messages of several lines ----

says 0 'blocks' '"""
What is the capital
of France?
"""
"""What is 2 + 2?"""
/context' -v
check 'blocks: two messages' test "$(grep -c '^prompt' err)" -eq 2
told 'blocks: all said' ': 4 messages$'
says 0 'a backslash at the end' 'What is\
2 + 2?' -v
check 'a backslash at the end: one message' test "$(grep -c '^prompt' err)" -eq 1
says 0 'a slash before a message' '//clear
/usr/bin is a folder
/context'
told 'a slash before a message: both were sent' ': 4 messages$'

# ---- commands ----

says 2 'commands that are none' '/foo
/clera
/help me
/save
/clear now
/set tmep 1
/set temp x
/set temp -1
/set predict 0
/set ctx 5
/set alternatives 3
/set thinking maybe
/system be kind
/undo
/regen
/save x
/edit'
told 'unknown command' "'/foo'; /help lists them"
told 'unknown command: suggestion' "did you mean '/clear'"
told 'unknown topic' "no help for 'me'"
told 'no file' '/save needs the name of a file'
told 'too much' '/clear takes nothing'
told 'unknown setting' "did you mean 'temp'"
told 'no number' "temp: expected a number (from 0 to 100), found 'x'"
told 'out of range' "temp: expected a number (from 0 to 100), found '-1'"
told 'no answer' 'predict: 0 tokens'
told 'a setting of the start' 'ctx can only be chosen at the start'
told 'a setting of the start' 'alternatives can only be chosen at the start'
told 'neither on nor off' 'neither on nor off'
told 'no system text' 'not taught to follow a system text'
told 'nothing to take back' 'nothing to take back'
told 'nothing to answer' 'nothing to answer again'
told 'nothing to save' 'nothing has been said'
told 'no terminal' 'an editor needs a terminal'
check 'commands: each told in a line' test "$(grep -c '^tern: ' err)" -eq 17
check 'commands: nothing on standard output' test ! -s out

says 0 'commands that tell' '/?
/help keys
/help set
/set parameter num_predict 3
/set temperature 0.5
/set stop "sad and"
/set seed 5
/set
/set top_p
/show
/stats
/context
/bye
What is 2 + 2?'
check 'nothing after /bye' test ! -s out
check 'the help fits a screen' test -z "$(sed '/^Ctrl-L/q' err | awk 'length > 80')"
for word in '/regen  *answer' 'Ctrl-R' '/set \[NAME' 'temp  *0\.5$' 'predict  *3$' 'stop  *sad and$' 'seed  *5$' \
	'top_p  *0\.95$' 'parameters  *3\.9' 'chat format  *tern' 'no answer yet' '0 of 1024 tokens'; do
	told "commands that tell: $word" "$word"
done

says 0 'settings count' '/set predict 3
Who are you?
/set predict -1
/set stop model
/regen
/set stop ""
/regen'
gave 'settings count' "$(printf 'I am a\nI am a very small \nI am a very small model with ternary weights. I run on any laptop.')"

says 0 'undo, regen, clear' 'What is the capital of France?
What is 2 + 2?
/undo
/context
/regen
/clear
/context'
gave 'undo, regen, clear' 'Paris is the capital of France.
2 plus 2 is 4.
Paris is the capital of France.'
told 'undo' ': 2 messages$'
told 'clear' 'nothing has been said yet'

# The same seed, the same chat; a second answer to the same question draws anew.
says 0 'seed' "$(printf 'Tell me a story.\n/regen')" --temp 1 --seed 7
mv out first
says 0 'seed' "$(printf 'Tell me a story.\n/regen')" --temp 1 --seed 7
check 'the same seed' same first out
check 'regen draws anew' test "$(sort -u out | wc -l)" -eq 2

printf 'What is the capital\n' >part.txt
printf 'a\0b' >binary
: >empty
says 3 'read' '/read part.txt
of France?
/read binary
/read empty
/read missing.txt
/read .'
gave 'read' 'The capital of France is Paris.'
told 'read: no text' 'binary: is no text file'
told 'read: nothing' 'empty: is empty'
told 'read: no file' 'missing.txt: '

# ---- files of conversations ----

says 0 'save' 'What is the capital of France?
/save "my talk.jsonl"
/export talk.txt
/save ~/home.jsonl
What is 2 + 2?
/save ~/home.jsonl'
printf '%s\n' '{"role": "user", "content": "What is the capital of France?"}' \
	'{"role": "assistant", "content": "Paris is the capital of France."}' >expected
check 'save' cmp -s expected 'my talk.jsonl'
check 'save again' test "$(wc -l <home.jsonl)" -eq 4
printf 'user:\nWhat is the capital of France?\n\nassistant:\nParis is the capital of France.\n' >expected
check 'export' cmp -s expected talk.txt
says 2 'files that are in the way' 'What is 2 + 2?
/save part.txt
/export talk.txt'
told 'save over another file' 'part.txt: exists already'
told 'export over a file' 'talk.txt: exists already'
check 'both are as they were' grep -q Paris talk.txt

says 0 'resume' 'What is the opposite of hot?
/context' -r home.jsonl --save home.jsonl
gave 'resume' 'The opposite of hot is cold.'
told 'resume: all is there' ': 6 messages$'
check 'resume: all is saved' test "$(wc -l <home.jsonl)" -eq 6
says 2 'save over an older one' '' --save home.jsonl
told 'save over an older one' '-r home.jsonl --save home.jsonl goes on'
: >empty.jsonl
says 0 'save over an empty one' 'What is 2 + 2?' --save empty.jsonl
check 'save over an empty one' test "$(wc -l <empty.jsonl)" -eq 2
says 1 'save where no file can be' 'What is 2 + 2?' --save missing/talk.jsonl
check 'save where no file can be: before any answer' test ! -s out
told 'save where no file can be' 'cannot create'
says 2 'save without a name' '' --save ''
told 'save without a name' 'name of the file to write is empty'
says 0 'load' 'Who are you?
/load my talk.jsonl
/context
/regen'
told 'load' ': 2 messages$'
check 'load: the question is answered again' grep -q Paris out
echo hi | tern chat -m "$MODEL" --temp 0 --save cut.jsonl >&- 2>err
check 'output fails: status' test $? -eq 1
check 'output fails: what was cut off is not saved' absent cut.jsonl
printf '{"role":"user","content":"What is the capital of Peru?"}\n' >question.jsonl
says 0 'resume a question' 'Who are you?' -r question.jsonl
told 'resume a question: it is left out' 'has no answer and is left out'
head -n 1 'my talk.jsonl' >part.jsonl
says 0 'a question without its answer' '/regen' -r part.jsonl
gave 'a question without its answer' 'Paris is the capital of France.'

# A broken file leaves the conversation as it is.
printf '\n{"content": "hi", "extra": [1], "role": "user"}\r\n' >good.jsonl
says 0 'members in any order, others, empty lines' '/context' -r good.jsonl
told 'members in any order, others, empty lines' ': 1 message$'
bad=0
while IFS='|' read -r pattern content; do
	bad=$((bad + 1))
	printf "$content" >bad.jsonl
	says 3 "bad file: $pattern" 'What is 2 + 2?
/load bad.jsonl
/context'
	told "bad file: $pattern" "^tern: bad.jsonl: .*$pattern"
	told "bad file: $pattern: conversation unchanged" ': 2 messages$'
done <<'END'
line 2: column 1|{"role":"user","content":"a"}\nnonsense\n
line 1: .*expected "system", "user"|{"role":"tool","content":"a"}\n
line 3: .*the assistant's turn|{"role":"system","content":"a"}\n{"role":"user","content":"a"}\n{"role":"user","content":"b"}\n
line 1: .*the user's turn|{"role":"assistant","content":"a"}\n
line 2: .*only come first|{"role":"user","content":"a"}\n{"role":"system","content":"a"}\n
line 1: key 'content'|{"role":"user"}\n
line 1: key 'role'|{"content":"a"}\n
line 1: .*expected a string|{"role":"user","content":["a"]}\n
line 1: .*expected an object|["user","a"]\n
line 1: .*|{"role":"user","content":"\\377"}\n
line 1: .*|{"role":"user","content":"a"\n
line 1: .*|{"role":"user","role":"user","content":"a"}\n
no messages|\n\n
END
says 0 'resume and save, the first day' 'What is the opposite of hot?' -r daily.jsonl --save daily.jsonl
says 0 'resume and save, the second day' 'What is the opposite of big?' -r daily.jsonl --save daily.jsonl
check 'resume and save, the second day' test "$(wc -l <daily.jsonl)" -eq 4
says 3 'resume from nothing' 'hi' -r missing.jsonl
says 3 'resume from a broken file' 'hi' -r bad.jsonl
check 'resume from a broken file: nothing is answered' test ! -s out

# Any bytes, saved and read again.
printf 'What is the capital of \303\251\0\377\033[31m?\n' >bytes
tern chat -m "$MODEL" --temp 0 --save bytes.jsonl <bytes >out 2>err
check 'any bytes' test $? -eq 0
check 'any bytes: JSON' grep -q -F 'capital of é\u0000' bytes.jsonl
says 0 'any bytes, read again' '/context' -r bytes.jsonl
told 'any bytes, read again' ': 2 messages$'

# ---- a full context ----

says 0 'context full' "$questions
/context" -c 96
gave 'context full: answers go on' "$answers"
told 'context full: told' 'the context of 96 tokens is full: the .*oldest exchanges\{0,1\}, [0-9]* tokens, left it'
told 'context full: how long' 'reading the rest of the conversation again, [0-9]* tokens, took '
told 'context full: told what is there' 'older ones have left'
check 'context full: told once an event' test "$(grep -c 'is full' err)" -le 4
says 0 'context full: all is saved' "$questions" -c 96 --save full.jsonl
check 'context full: all is saved' test "$(wc -l <full.jsonl)" -eq 20
says 0 'context full: read again' 'Who are you?' -c 96 -r full.jsonl
told 'context full: read again' 'is full'
long=$(printf 'word %.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20)
says 4 'too long' "What is the capital of France?
$long $long $long $long
What is 2 + 2?
/context" -c 64
gave 'too long: the others are answered' "$(printf 'Paris is the capital of France.\n2 plus 2 is 4.')"
told 'too long' 'the message is [0-9]* tokens, the context is 64 (the model allows 1024: -c 1024)'
told 'too long: it did not stay' ': 4 messages$'
says 0 'an answer that does not fit' 'Tell me a story.' -c 32
told 'an answer that does not fit' 'reached the end of the context, 32 tokens'
says 0 'the memory' '/context'
told 'the memory' '^memory: .* of weights, .* a token, .* for all of the context'

# ---- options ----

refused 2 'no chat format' "unknown option '--raw'" -m "$MODEL" --raw
refused 2 'unknown chat format' "did you mean 'qwen3'" -m "$MODEL" --template qwen33
refused 2 'unknown chat format: the list' 'llama-3, chatml' -m "$MODEL" --template jinja
refused 2 'system text' 'not taught' -m "$MODEL" -s 'be kind'
refused 2 'words' 'first message is -p' -m "$MODEL" hello
refused 3 'no model' 'No such file' -m missing.gguf
refused 3 'bad model' 'binary' -m ./binary
says 0 'chosen chat format' 'Who are you?' --template tern -v
told 'chosen chat format' ', tern$'
says 0 'another chat format' '/show' --template llama3 -n 4
told 'another chat format' 'llama-3 (chosen with --template)'
says 0 'a system text' '/system
/set system "be brief"
/system
/system ""
/system' --template chatml -s 'be kind'
check 'a system text' test "$(tail -n 3 err | tr '\n' ' ')" = 'be kind be brief none '

refused 2 'no effort' 'knows no reasoning effort' -m "$MODEL" --reasoning-effort low
says 2 'effort' '/set reasoning_effort low
/set reasoning_effort huge
/set effort' --template qwen3.8
told 'effort: refused' "expected one of auto|low|medium|xhigh, found 'huge'"
told 'effort: set' '^reasoning_effort  low$'
says 2 'no effort to set' '/set reasoning_effort low
/set reasoning_effort' --template qwen3.6
told 'no effort to set' '^reasoning_effort  auto$'
says 0 'the system text of Qwen3.6 alone' '/system be kind
/context' --template qwen3.6
told 'the system text of Qwen3.6 alone' 'the system text and 0 messages'

says 2 'probabilities' 'What is the capital of Peru?
/probs
/set show_probs on
/regen
/probs' --temp 0
told 'probabilities: not known' 'set show_probs on'
check 'probabilities: a line a token' test "$(grep -c "^ *[0-9.]* % '.*' *or " err)" -eq 12
says 0 'alternatives' 'What is the capital of Peru?' --temp 0 --alternatives 2
check 'alternatives: after the answer' test "$(grep -c "^ *[0-9.]* % '.*' *or " err)" -eq 12
check 'alternatives: the answer alone on standard output' test "$(cat out)" = 'The capital of Peru is Lima.'

summary
