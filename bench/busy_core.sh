#!/bin/sh
# Generating while another program keeps one core busy: one thread and all threads, alternately, with and without it.
#
#   bench/busy_core.sh [tern bench option...]        ROUNDS=3; without options: --shape 2b
[ $# -gt 0 ] || set -- --shape 2b
threads=$(getconf _NPROCESSORS_ONLN)

# speed NAME THREADS: one line
speed() {
	name=$1 n=$2
	shift 2
	./tern bench "$@" -t "$n" -p 0 -n 96 -r 3 -o jsonl | sed "s/.*\"avg_ts\": *\([0-9.]*\).*/$name, $n of $threads threads: \1 tokens\/s/"
}

i=0
while [ $i -lt "${ROUNDS:-3}" ]; do
	for n in 1 "$threads"; do
		speed quiet "$n" "$@"
	done
	sh -c 'while :; do :; done' &
	busy=$!
	trap 'kill $busy' EXIT
	for n in 1 "$threads"; do
		speed 'one core busy' "$n" "$@"
	done
	kill $busy
	trap - EXIT
	i=$((i + 1))
done
