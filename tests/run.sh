#!/bin/sh
# Runs the test programs named as arguments, then the scripts; called by `make test`, which sets RUN (an emulator, or
# nothing), TERN, TERN_CONVERT, MODEL and BUILD. Stops at nothing, fails if anything failed.
passed=0 failed=0

check() {
	name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $name" >&2
	fi
}

for program in "$@"; do
	# shellcheck disable=SC2086 # RUN is a command with arguments
	check "$program" $RUN "$program"
done
for script in tests/*.sh; do
	[ "$script" = tests/run.sh ] || check "$script" sh "$script"
done
echo "tests: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
