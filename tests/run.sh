#!/bin/sh
# Runs the test programs named as arguments and all scripts of this folder, as many at a time as there are cores (JOBS);
# called by `make test`, which sets RUN (an emulator, or nothing), TERN, TERN_CONVERT, MODEL and BUILD. What a test prints
# comes in one piece, when it has ended. Stops at nothing, fails if anything failed. (-P of xargs is no POSIX, but every
# system tern runs on has it.)
logs=$BUILD/tests/logs
JOBS=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)}

if [ "$1" = --one ]; then # one test, called from below
	name=$(basename "$2")
	case $2 in
	*.sh) sh "$2" ;;
	*) $RUN "$2" ;; # RUN is a command with arguments
	esac >"$logs/$name" 2>&1
	status=$?
	[ $status -eq 0 ] || echo "FAILED ($status): $2" >>"$logs/$name"
	cat "$logs/$name"
	[ $status -eq 0 ] && mv "$logs/$name" "$logs/$name.passed"
	exit 0
fi

rm -rf "$logs" && mkdir -p "$logs" || exit 1
# The scripts take longest, so they begin.
for test in tests/*.sh "$@"; do
	case $test in tests/run.sh | tests/lib.sh) ;; *) echo "$test" ;; esac
done | xargs -n 1 -P "$JOBS" sh tests/run.sh --one
total=$(($(ls tests/*.sh | wc -l) - 2 + $#)) passed=$(find "$logs" -name '*.passed' | wc -l)
echo "tests: $((passed)) passed, $((total - passed)) failed"
[ "$passed" -eq "$total" ] && [ "$total" -gt 0 ]
