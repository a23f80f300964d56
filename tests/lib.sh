# shellcheck shell=sh
# What the test scripts share. A script begins with `. tests/lib.sh`, run from the top folder of the sources, and ends with
# `summary`. In between it is in an empty folder of its own, $dir, with nothing on standard input.
#
#   TERN, TERN_CONVERT, TERN_TUNE  the programs
#   MODEL                          models/tern-tiny, converted
#   RUN                            an emulator in front of them, e.g. "qemu-aarch64 -L /usr/aarch64-linux-gnu", or nothing
#   SAN                            the sanitizers they were built with, or nothing
#
# A script prints what failed and a last line with the counts. It needs nothing but a POSIX system; a part that needs more,
# such as python3, says `skipped: ...` where that is missing.
script=$(basename "$0") root=$PWD checkpoint=$PWD/models/tern-tiny
absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }
TERN=$(absolute "${TERN:-./tern}") TERN_CONVERT=$(absolute "${TERN_CONVERT:-./tern-convert}")
TERN_TUNE=$(absolute "${TERN_TUNE:-./tern-tune}")
MODEL=$(absolute "${MODEL:-build/models/tern-tiny.gguf}") BUILD=$(absolute "${BUILD:-build}")
RUN=${RUN-} SAN=${SAN-}
# is_slow: programs take ten times as long or more
is_slow() { [ -n "$RUN$SAN" ]; }

unset TERN_MODEL TERN_MODELS TERN_THREADS NO_COLOR XDG_DATA_HOME
dir=$(mktemp -d "${TMPDIR:-/tmp}/tern-test.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir" || exit 1
export HOME="$dir"
exec </dev/null

passed=0 failed=0 skipped=0
pass() { passed=$((passed + 1)); }
# fail NAME FACT...
fail() {
	failed=$((failed + 1))
	printf '%s: %s\n' "$script" "$1"
	shift
	[ $# -eq 0 ] || printf '    %s\n' "$@"
}
# skip PART REASON
skip() {
	skipped=$((skipped + 1))
	echo "skipped: $script: $1: $2"
}
# skip_all REASON: ends the whole script
skip_all() {
	skip everything "$1"
	exit 77
}
# have COMMAND PART: whether there is such a command; the part is skipped if not
have() { command -v "$1" >/dev/null 2>&1 || ! skip "$2" "there is no $1"; }
# need COMMAND: ends the whole script where there is none
need() { command -v "$1" >/dev/null 2>&1 || skip_all "there is no $1"; }
# on_this_cpu: ends a script of which nothing depends on the CPU, where that is an emulated one
on_this_cpu() { [ -z "$RUN" ] || skip_all 'nothing of it depends on the CPU'; }
# no_new_threads: ends a script whose threads, if any, do what those of other tests do, where races are looked for
no_new_threads() { [ "$SAN" != thread ] || skip_all 'its threads do nothing new'; }
# The script's last command
summary() {
	echo "$script: $passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

# RUN is a command with arguments.
# shellcheck disable=SC2086
tern() { $RUN "$TERN" "$@"; }
# shellcheck disable=SC2086
convert() { $RUN "$TERN_CONVERT" "$@"; }
# shellcheck disable=SC2086
tune() { $RUN "$TERN_TUNE" "$@"; }
# answer OPTION...: nothing but the text of the model's answer; a run that fails is a failure
answer() { tern run -m "$MODEL" "$@" </dev/null 2>err || fail "no answer: status $?" "$*" "$(head -c 500 err)" >&2; }
# await PROCESS COMMAND...: until the command succeeds, the process has ended, or a minute is over
await() {
	awaited=$1 tries=0
	shift
	until "$@" || [ $tries -ge 6000 ] || ! kill -0 "$awaited" 2>/dev/null; do
		tries=$((tries + 1))
		sleep 0.01
	done
}

# check NAME COMMAND...: the command succeeds
check() {
	name=$1
	shift
	if "$@" >check.log 2>&1; then
		pass
	else
		fail "$name" "$*" "$(head -c 500 check.log)" "$([ ! -s err ] || head -c 500 err)"
	fi
}
# same FILE FILE: with something in them, since two commands that fail leave empty ones
same() { [ -s "$1" ] && cmp "$1" "$2"; }
# absent FILE: there is neither this file nor a temporary one
absent() { [ ! -e "$1" ] && [ -z "$(find . -name '*.tmp')" ]; }

# run STATUS NAME ARG...: runs $program with standard input from $input; keeps out, err and status; fails unless it exits so
program=tern input=/dev/null
run() {
	wanted=$1 name=$2
	shift 2
	# shellcheck disable=SC2086 # "tern bench" is two words
	$program "$@" <"$input" >out 2>err
	status=$?
	if [ "$status" -eq "$wanted" ]; then
		pass
	else
		fail "$name: status $status, expected $wanted" "$program $*" "$(head -c 500 err)"
	fi
}
# refused STATUS NAME PATTERN ARG...: that status, nothing on standard output, one line of the program on standard error
# with PATTERN (besides warnings, if $may_warn), and no file bad.gguf
may_warn=''
refused() {
	wanted=$1 name=$2 pattern=$3
	shift 3
	run "$wanted" "$name" "$@"
	if [ -s out ]; then fail "$name: standard output is not empty" "$(head -c 200 out)"; else pass; fi
	case $program in convert | tune) speaker=tern-$program ;; *) speaker=tern ;; esac
	if [ "$may_warn" ]; then grep -v "^$speaker: warning: " err >lines; else cp err lines; fi
	if [ "$(wc -l <lines)" -eq 1 ] && grep -q "^$speaker: " lines && grep -q -e "$pattern" lines; then
		pass
	else
		fail "$name: expected one line with '$pattern'" "$program $*" "$(head -c 500 err)"
	fi
	if absent bad.gguf; then pass; else fail "$name: a file is left" "$program $*"; fi
}

# Nothing makes sense without.
check 'the program runs' tern --version
check 'the converter runs' convert --version
check 'the model is there' test -r "$MODEL"
[ "$failed" -eq 0 ] || exit 1
