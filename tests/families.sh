#!/bin/sh
# Runs the tests of tests/families where there is a Python 3.
if ! command -v python3 >/dev/null; then
	echo "families: skipped, no python3"
	exit 0
fi
exec python3 tests/families/main.py
