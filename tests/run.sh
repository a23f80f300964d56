#!/bin/sh
# Runs the test programs named as arguments and all scripts of this folder, as many at a time as there are cores (JOBS);
# called by `make test`, which sets RUN (an emulator, or nothing), TERN, TERN_CONVERT, MODEL and BUILD. What a test prints
# comes in one piece, when it has ended. Stops at nothing, fails if anything failed. (-P of xargs is no POSIX, but every
# system tern runs on has it.)
#
# A test succeeds with status 0; status 77 means that all of it was skipped. A test prints a line "skipped: ..." for each
# part that it cannot run here, and these lines are what the summary counts as skipped.
logs=$BUILD/tests/logs
limit=$(command -v timeout >/dev/null && echo timeout -k 10 1800) # a test that hangs is told of
JOBS=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)}

one() {
	case $1 in
	*.py) command -v python3 >/dev/null || { echo "skipped: $(basename "$1"): there is no python3" && return 77; } ;;
	esac
	# RUN and limit are commands with arguments.
	case $1 in
	*.sh) $limit sh "$1" ;;
	*.py) $limit python3 "$1" ;;
	*) $limit $RUN "$1" ;;
	esac
}

if [ "$1" = --one ]; then # called from below
	log=$logs/$(basename "$2")
	start=$(date +%s)
	one "$2" >"$log" 2>&1
	status=$?
	echo "$(($(date +%s) - start)) s $(basename "$2")" >"$log.seconds"
	case $status in
	0) end=passed ;;
	77) end=skipped ;;
	124) end=failed && echo "FAILED (it took more than 30 minutes): $2" >>"$log" ;;
	*) end=failed && echo "FAILED ($status): $2" >>"$log" ;;
	esac
	cat "$log"
	mv "$log" "$log.$end"
	exit 0
fi

rm -rf "$logs" && mkdir -p "$logs" || exit 1
export PYTHONDONTWRITEBYTECODE=1
# What takes longest begins, so that no core is idle at the end: these, then the scripts.
for test in tests/*.sh tests/*.py "$@"; do
	case $test in tests/run.sh | tests/lib.*) ;; *) echo "$test" ;; esac
done | awk '/oracle.py$|test_one_answer$/ { print; next } { rest = rest $0 "\n" } END { printf "%s", rest }' >"$logs/tests"
xargs -n 1 -P "$JOBS" sh tests/run.sh --one <"$logs/tests"
ended() { find "$logs" -name "*.$1" | wc -l; }
total=$(wc -l <"$logs/tests") passed=$(ended passed) skipped=$(ended skipped)
failed=$((total - passed - skipped))
echo "longest: $(cat "$logs"/*.seconds | sort -rn | head -n 6 | paste -s -d , - | sed 's/,/, /g')"
echo "tests: $((passed)) passed, $failed failed, $(cat "$logs"/* | grep -c '^skipped: ') skipped"
# Once more, where they are found: among the last lines.
for log in "$logs"/*.failed; do
	[ ! -e "$log" ] || tail -n 8 "$log"
done
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
