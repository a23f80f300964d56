#!/bin/sh
# Tests of TERN_ISA: which kernels compute, and that they all give the same answer.
. tests/lib.sh

export TERN_ISA=mmx
refused 2 'TERN_ISA' 'mmx' run -m "$MODEL" hi
# The sets of the other kind of CPU are refused as well.
tern run -m "$MODEL" hi 2>built
for name in $(sed -n 's/^[A-Z0-9]*_ISA(\([a-z0-9]*\),.*/\1/p' "$root/src/kernels/isa_list.h"); do
	grep -q -w "$name" built && continue
	TERN_ISA=$name
	refused 2 "TERN_ISA=$name" "TERN_ISA=$name: this build has no such kernels" run -m "$MODEL" hi
done
TERN_ISA=portable
run 0 'TERN_ISA=portable' run -m "$MODEL" -v --temp 0 -n 8 'Who are you?'
check 'TERN_ISA=portable: kernels' grep -q 'kernels portable' err
cp out portable
unset TERN_ISA
run 0 'the best kernels' run -m "$MODEL" --temp 0 -n 8 'Who are you?'
check 'the same answer from all kernels' same out portable

summary
