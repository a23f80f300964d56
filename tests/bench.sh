#!/bin/sh
# Tests of `tern bench`: options, lists, rows and their order, formats, exit statuses. What it measures is never judged.
. tests/lib.sh
on_this_cpu
program='tern bench' may_warn=yes

# Quick: one thread, one repetition, no warm-up
quick() {
	wanted=$1 name=$2
	shift 2
	run "$wanted" "$name" -m "$MODEL" -q -r 1 --no-warmup -t 1 "$@"
}
# rows NAME "WORDS": the tests in the rows of the Markdown table just printed
rows() {
	awk -F'|' '/±/ { for (i = 1; i <= NF; i++) if ($i ~ /^ *(pp|tg|edit)[0-9]/) { gsub(/ /, "", $i); printf "%s%s", n++ ? " " : "", $i } }' out >found
	if [ "$(cat found)" = "$2" ]; then pass; else fail "$1: rows" "expected: $2" "found:    $(cat found)"; fi
}

# ---- help ----

run 0 'help' --help
check 'help: on standard output' grep -q -e '--threads-sweep' out
check 'help: names the shapes' grep -q 'BitNet 2B-4T' out
cp out help

# ---- the table ----

quick 0 'one row' -p 4 -n 0
rows 'one row' 'pp4'
check 'header: CPU' grep -q '^CPU: *[^ ]' out
check 'header: kernels and compiler' grep -q '^kernels: [a-z0-9]* (.*), tern [0-9.]*, [a-z]* [0-9]' out
check 'header: limits' grep -q '^limits:  1 thread read.* [0-9.]* GB/s .* [0-9.]* G multiply-adds/s' out
check 'one repetition has no spread' grep -q ' ± 0\.00 ' out
check 'table: columns' grep -q '^| model  *|  *size |  *params | backend  *| threads |  *test |  *t/s | bytes/token | % of limit |$' out
check 'table: footer' grep -q '^build: ' out
check 'quiet: nothing on standard error' test ! -s err
check 'all lines of the table are equally long' sh -c \
	"sed -n '/^|/p' out | sed 's/±/+/' | awk '{ if (n && length(\$0) != n) exit 1; n = length(\$0) }'"

quick 0 'overhead' -p 0 -n 2
check 'overhead: a line' grep -q '^overhead: .*, tg2, 1 thread: -*[0-9.]* us per token' out

quick 0 'prompts, then generation, then both' -pg 3,2 -n 1,2 -p 4 -p 2 --pg=1,1
rows 'order' 'pp4 pp2 tg1 tg2 pp3+tg2 pp1+tg1'
quick 0 'ranges' -p 1-3 -n 2-6+2,1-8*3
rows 'ranges' 'pp1 pp2 pp3 tg2 tg4 tg6 tg1 tg3'
quick 0 'a range that its step does not meet' -p 1-4+2 -n 0
rows 'a range that its step does not meet' 'pp1 pp3'
quick 0 'depth' -p 2 -n 1 -d 0,5
rows 'depth' 'pp2 tg1 pp2@d5 tg1@d5'
quick 0 'edits' -p 0 -n 0 --edit 5,40 -d 3
rows 'edits' 'edit5@d3 edit40@d3'
check 'edits: a line each' test "$(grep -c '^lookup: .*, edit.* @ d3, 1 thread: [0-9.]* times as fast .*; [0-9]* of [0-9]* guesses right$' out)" -eq 2
quick 0 'batch sizes' -p 4 -n 0 -b 2,4
rows 'batch sizes' 'pp4 pp4'
check 'batch sizes: a column' grep -q '| n_batch |' out
run 0 'threads outside, depths inside' -m "$MODEL" -q -r 1 --no-warmup -t 1-2 -d 0,3 -p 0 -n 1
check 'threads outside, depths inside' test "$(awk -F'|' '/±/ { gsub(/ /, "", $6); gsub(/ /, "", $7); printf "%s:%s ", $6, $7 }' out)" = \
	'1:tg1 1:tg1@d3 2:tg1 2:tg1@d3 '
run 0 'the model as operand, warm-up, repetitions' "$MODEL" -q -p 3 -n 2 -r 3 -t 1
rows 'the model as operand' 'pp3 tg2'
quick 0 'the context in 8 bits' -p 4 -n 0 --kv q8
check 'the context in 8 bits: columns' grep -q '| *q8 | *q8 |' out
quick 0 'the context in 8 bits' -p 4 -n 0 --kv q8 -o jsonl
check 'the context in 8 bits: a field' grep -q '"type_k": *"q8".*"type_v": *"q8"' out
refused 2 'another kind of context' 'kv' -m "$MODEL" --kv q4
check 'TERN_THREADS' sh -c "TERN_THREADS=1 $RUN '$TERN' bench -m '$MODEL' -q -r 1 -p 1 -n 0 | grep -q '| *1 | *pp1 |'"

# ---- formats ----

quick 0 'jsonl' -p 2 -n 1 -o jsonl
check 'jsonl: a row is one line' test "$(wc -l <out)" -eq 2
quick 0 'standard error as well' -p 2 -n 0 -o jsonl -oe md
check 'standard error as well: md' grep -q '^| .* ± ' err
check 'standard error as well: jsonl' test "$(wc -l <out)" -eq 1
quick 0 'progress' -p 2 -n 1 -o jsonl --progress
check 'progress: on standard error' grep -q '^test 2 of 2: tg1, repetition 1 of 1$' err
if have python3 'reading JSON'; then
	cat >check_json.py <<'PY'
import json, sys

kind, path = sys.argv[1:]
text = open(path, encoding="utf-8").read()
rows = json.loads(text) if kind == "json" else [json.loads(line) for line in text.splitlines()]
assert isinstance(rows, list)
assert [(r["n_prompt"], r["n_gen"], r["n_depth"]) for r in rows] == [(2, 0, 3), (0, 1, 3)], rows
assert rows[0]["overhead_us"] is None and isinstance(rows[1]["overhead_us"], (int, float)), rows
names = list(rows[0])
assert names[0] == "build_commit" and names[-2:] == ["samples_ns", "samples_ts"], names  # llama-bench's order
for row in rows:
    assert list(row) == names, row
    assert len(row["samples_ns"]) == len(row["samples_ts"]) == 2, row
    assert all(isinstance(x, int) for x in row["samples_ns"]), row
    assert abs(sum(row["samples_ts"]) / 2 - row["avg_ts"]) < 1e-4 * row["avg_ts"], row
    assert row["backends"] == "CPU" and row["model_type"].endswith("T2R16") and row["use_mmap"] is True, row
    assert row["limit_pct"] > 0 and row["bytes_per_token"] > 0 and row["avg_ts"] > 0, row
    assert row["head_second_pass_pct"] is None, row  # a small head is always read whole
    assert row["model_n_params"] > 1e6 and row["n_threads"] == 1, row
PY
	for format in json jsonl; do
		run 0 "$format" -m "$MODEL" -q -p 2 -n 1 -d 3 -r 2 -t 1 -o "$format"
		check "$format: python reads it" python3 check_json.py $format out
	done
fi

# A row is there while the next ones are still being measured. Ten thousand repetitions take minutes.
: >out
# shellcheck disable=SC2086
$RUN "$TERN" bench -m "$MODEL" -q -r 1,10000 --no-warmup -t 1 -p 1 -n 0 -o jsonl </dev/null >out 2>err &
pid=$!
await "$pid" test -s out
check 'rows come one by one' test "$(wc -l <out)" -eq 1
check 'rows come one by one: the next is under way' kill "$pid"
wait "$pid" 2>/dev/null

# ---- threads ----

run 0 'sweep' -m "$MODEL" -q -r 1 --no-warmup -t 3 --threads-sweep -p 0 -n 2
rows 'sweep' 'tg2 tg2 tg2'
check 'sweep: a bar for each number of threads' test "$(grep -c '^   [123]  [#| ]* *[0-9.]* *[0-9.]*x$' out)" -eq 3
sed -n '/^build/,$p' out >below
check 'sweep: ASCII in a pipe' test "$(wc -l <below)" -ge 5 -a "$(LC_ALL=C grep -c '[^ -~]' below)" -eq 0

# ---- shapes ----

if ! is_slow; then
	run 0 'shape' --shape 0.7b -q -p 2 -n 1 -r 1 --no-warmup
	rows 'shape' 'pp2 tg1'
	check 'shape: the head' grep -q '^head: bitnet .*, tg1: [0-9.]* % of the rows are read whole to find the 40 best$' out
	check 'shape: its size' grep -q '^| bitnet [0-9]*M T2R16 ' out
	run 0 'shape with scales of groups' --shape 0.7b:128 -q -p 2 -n 0 -r 1 --no-warmup
	check 'shape with scales of groups: says so' grep -q '^| bitnet [0-9]*M T2R16 g128 ' out
fi
refused 2 'unknown shape' "'5b' is not one of 0.7b, " --shape 5b
for shape in $(sed 's/.* is not one of \(.*\), nor .*/\1/; s/,//g' err); do
	check "shape $shape: in the help" grep -q "  $shape  *[A-Z1]" help
done
refused 2 'groups that are no shape of it' "'3b:128' is not one of 0.7b, " --shape 3b:128

# ---- errors ----

refused 2 'nothing to measure' 'nothing to measure' -m "$MODEL" -p 0 -n 0
refused 2 'list: not a number' "'x' is not a list" -m "$MODEL" -p x
refused 2 'list: empty item' "'1,,2' is not a list" -m "$MODEL" -n 1,,2
refused 2 'list: comma at the end' "'1,' is not a list" -m "$MODEL" -n 1,
refused 2 'list: backwards' "'8-1' is not a list" -m "$MODEL" -p 8-1
refused 2 'list: step 0' "'1-8+0' is not a list" -m "$MODEL" -p '1-8+0'
refused 2 'list: times 1' "'1-8\*1' is not a list" -m "$MODEL" -p '1-8*1'
refused 2 'list: from 0 by multiplying' "'0-8\*2' is not a list" -m "$MODEL" -p '0-8*2'
refused 2 'list: negative' "'-5' is not a list" -m "$MODEL" --n-gen=-5
refused 2 'list: too large' "'99999999999' is not a list" -m "$MODEL" -d 99999999999
refused 2 'list: too long' "'1-16777216' is not a list" -m "$MODEL" -p 1-16777216
refused 2 'no threads' "'0' is not a list.*from 1 to" -m "$MODEL" -t 0
refused 2 'no repetitions' "'0' is not a list.*from 1 to" -m "$MODEL" -r 0
refused 2 'pg: one number' 'not two numbers' -m "$MODEL" -pg 5
refused 2 'pg: three numbers' 'not two numbers' -m "$MODEL" -pg 5,6,7
refused 2 'format' 'not one of md|json|jsonl' -m "$MODEL" -o xml
refused 2 'operand' "unexpected 'hello'" -m "$MODEL" hello
refused 2 'unknown option' 'unknown option' -m "$MODEL" --ngl 99
refused 3 'no such file' 'No such file' -m ./none.gguf
refused 3 'no such file: json' 'No such file' -m ./none.gguf -o json
refused 1 'a context that no memory holds' 'needs [0-9]* MiB of memory, [0-9]* MiB are available' -m "$MODEL" -p 16777216 -n 0 -d 16777216

summary
