#!/bin/sh
# The programs on a pseudo-terminal, the screen read as a person sees it: tests/editor.py, or the tests named as
# arguments. They need the terminal emulator pyte (Debian: python3-pyte), which the first python3 of the PATH may lack
# while the system's has it.
set -eu
for python in python3 /usr/bin/python3; do
	if "$python" -c 'import pyte' 2>/dev/null; then
		for test in ${*:-tests/editor.py tests/chat.py}; do
			"$python" "$test"
		done
		exit 0
	fi
done
echo "terminal: skipped, there is no python3 with pyte (Debian's package python3-pyte)"
