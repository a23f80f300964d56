#!/bin/sh
# tern run between other programs: requests and results as JSON, probabilities, writers that are slow, readers that go
# away, input of any bytes. Called with TERN, MODEL and RUN as cli.sh is; without python3 nothing of it can be judged.
if ! command -v python3 >/dev/null 2>&1; then
	echo 'pipes.sh: left out, there is no python3'
	exit 0
fi
TERN=${TERN:-./tern} MODEL=${MODEL:-build/models/tern-tiny.gguf}
unset TERN_MODEL TERN_MODELS TERN_THREADS NO_COLOR XDG_DATA_HOME
dir=$(mktemp -d "${TMPDIR:-/tmp}/tern-pipes.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
# shellcheck disable=SC2086 # RUN is a command with arguments
python3 tests/pipes.py "$dir" "$MODEL" $RUN "$TERN"
