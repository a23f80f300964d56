#!/bin/sh
# Runs foreign_gguf.py where there is a Python 3.
if ! command -v python3 >/dev/null; then
	echo "foreign: skipped, no python3"
	exit 0
fi
exec python3 tests/foreign_gguf.py
