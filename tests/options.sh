#!/bin/sh
# What the command line of tern takes and refuses, and its help.
. tests/lib.sh
on_this_cpu
no_new_threads

# ---- help and version ----

run 0 'version' --version
check 'version: first line' grep -q '^tern [0-9]*\.[0-9]*\.[0-9]*$' out
run 0 'help' --help
check 'help: on standard output' grep -q 'tern run' out
run 2 'no command'
check 'no command: help on standard error' grep -q 'tern run' err
check 'no command: nothing on standard output' test ! -s out
for command in $(tern completion commands | grep -v '^help$'); do
	run 0 "$command --help" "$command" --help
	cp out help
	check "$command --help: examples" grep -q '^Examples:' help
	check "$command --help: fits a screen" test -z "$(sed -n '/^[^ ]/p' help | awk 'length > 80')"
	[ "$command" = completion ] || check "$command --help: the model" grep -q -e '-m, --model' help
	run 0 "$command -h" "$command" -h
	check "$command -h" same out help
	run 0 "help $command" help "$command"
	check "help $command" same out help
	run 0 "$command --version" "$command" --version
done
for pair in perplexity:eval show:info; do
	run 0 "help ${pair#*:}" help "${pair#*:}"
	cp out help
	run 0 "${pair%:*} is ${pair#*:}" "${pair%:*}" --help
	check "${pair%:*} is ${pair#*:}" same out help
done
refused 2 'unknown command' "'run'" rnu
refused 2 'option before the command' 'command comes first' -n 5 run

# ---- options ----

refused 2 'unknown option' "did you mean '--temp'" run --tmep 1 hi
refused 2 'unknown option: where to look' 'tern run --help' run --nonsense hi
refused 2 'unknown letter' "'-x'" run -x hi
refused 2 'one dash before a long name' "did you mean '--temp'" run -temp 1 hi
refused 2 'missing value' 'needs a value' run --temp
refused 2 'missing value of a letter' 'needs a value' run -n
refused 2 'empty value' 'no value' run --ctx= hi
refused 2 'value that is an option' 'is an option' run -p --seed 3
refused 2 'value for a flag' 'takes no value' run --raw=1 hi
refused 2 'seed as in llama.cpp' '--seed 42' run -s 42 hi
refused 2 'prompt given twice' 'twice' run -p a -p b
refused 2 'prompt given in two ways' 'twice' run -p a b
refused 2 'empty prompt' 'empty' run -m "$MODEL" -p ''
refused 2 'no prompt' 'prompt' run -m "$MODEL"
refused 2 'empty stop string' 'stop' run --stop '' hi
refused 2 'system text without chat format' 'system' run --raw -s 'be kind' hi
refused 2 'two output forms' 'jsonl' run --json --jsonl hi
for value in nan -1 1e308 0x10 1,5 '' ' 1'; do refused 2 "--temp '$value'" 'temp' run --temp "$value" hi; done
for value in 2 -0.1 inf; do refused 2 "--top-p $value" 'from 0 to 1' run --top-p "$value" hi; done
for value in 17 -1 2.5; do refused 2 "--lookup $value" 'from 0 to 16' run --lookup "$value" hi; done
for value in 0 -1 1000000 NaN 2.5; do refused 2 "-t $value" 'from 1 to' run -t "$value" hi; done
for value in -1 4k 99999999999 1000000000000000000 ''; do refused 2 "-c '$value'" 'ctx' run -c "$value" hi; done
for value in 0 -5 x; do refused 2 "-n $value" 'predict' run -n "$value" hi; done
refused 2 '--color' 'auto|always|never' run --color blue hi
refused 2 '--seed' 'seed' run --seed 99999999999999999999 hi
export TERN_THREADS=many
refused 2 'TERN_THREADS' 'TERN_THREADS' run -m "$MODEL" hi
unset TERN_THREADS
refused 2 'control characters in a message' '\\x1b' run "$(printf -- '--\033[31m')" hi

summary
