#!/bin/sh
# tern-convert with GGUF files as input: to other engines' types and back, parts of split models, and what is refused.
# Needs python3 for its material.
. tests/lib.sh
need python3
program=convert
# shellcheck disable=SC2086 # RUN is a command with arguments
convert() { $RUN "$TERN_CONVERT" -q "$@"; }
greedy() { tern run -m "$1" --raw --temp 0 -n 40 'Once upon a time there was'; }

python3 "$root/tests/programs/strip_norms.py" "$checkpoint" plain
check 'a model without extra norms' convert plain -o plain.gguf --embd keep --head keep
greedy plain.gguf >plain.text

# ---- to other engines and back ----
check 'to I2_S' convert plain.gguf --to i2_s -o i2_s.gguf
check 'I2_S and back: the same file' convert i2_s.gguf -o back.gguf --embd keep --head keep
check 'I2_S and back: the same file' tern info --diff plain.gguf back.gguf
greedy i2_s.gguf >text
check 'I2_S: the same text' same text plain.text
check 'to TQ2_0' convert plain.gguf --to tq2_0 -o tq2_0.gguf
greedy tq2_0.gguf >text
check 'TQ2_0: the same text' same text plain.text
convert tq2_0.gguf -o back.gguf --force --embd keep --head keep
tern info --diff plain.gguf back.gguf >diff
check 'TQ2_0 and back: nothing but scales, rounded' test "$(grep -c '^~ tensor .*scale.*: 1 of 1 values differ' diff)" -eq 42
check 'TQ2_0 and back: nothing but scales, rounded' test "$(wc -l <diff)" -eq 43
check 'twice: the same bytes' convert tq2_0.gguf -o again.gguf -t 1 --embd keep --head keep
check 'twice: the same bytes' same back.gguf again.gguf
convert plain -o int8.gguf
convert int8.gguf --to tq2_0 -o q8_0.gguf
tern info q8_0.gguf >info
check 'an int8 head leaves as Q8_0' grep -q 'Q8_0  *1 tensor' info
greedy int8.gguf >int8.text
greedy q8_0.gguf >text
check 'Q8_0: the same text' same text int8.text
convert tq2_0.gguf -o q8p.gguf
tern info q8p.gguf >info
check 'by default the embedding becomes int8' grep -q 'Q8P  *1 tensor' info
check 'dry run' convert --dry-run tq2_0.gguf
convert "$checkpoint" -o floats.gguf --embd keep --head keep
check 'an embedding alone becomes int8' convert floats.gguf -o int8_later.gguf
check 'an embedding alone becomes int8: as at once' tern info --diff "$MODEL" int8_later.gguf

# ---- parts ----
python3 "$root/tests/programs/split_gguf.py" "$MODEL" model 3
check 'merge' convert --merge model-00001-of-00003.gguf -o merged.gguf
check 'merge: the same model' tern info --diff "$MODEL" merged.gguf
check 'merge, by another part' convert --merge model-00002-of-00003.gguf -o merged2.gguf
check 'merge, by another part: the same file' same merged.gguf merged2.gguf
python3 "$root/tests/programs/split_gguf.py" tq2_0.gguf bare 3 bare
check 'metadata in a part of its own' convert bare-00001-of-00003.gguf -o bare.gguf --embd keep --head keep
check 'metadata in a part of its own: as unsplit' same bare.gguf back.gguf
tern run -m model-00001-of-00003.gguf hi >out 2>err
check 'a part is not a model' test $? -eq 3
check 'a part is not a model: what to do' grep -q -- '--merge' err
refused 2 'onto a part' 'is the input' --merge model-00001-of-00003.gguf -o model-00002-of-00003.gguf --force
mv model-00003-of-00003.gguf away
refused 3 'a part is missing' 'model-00003-of-00003.gguf: No such file' --merge model-00001-of-00003.gguf -o bad.gguf
cp model-00002-of-00003.gguf model-00003-of-00003.gguf
refused 3 'a part twice' 'says it is part 2 of 3' --merge model-00001-of-00003.gguf -o bad.gguf
cp model-00001-of-00003.gguf renamed.gguf
refused 3 'a part by another name' '-00001-of-00003.gguf' --merge renamed.gguf -o bad.gguf

# ---- refused ----
refused 3 'extra norms' 'no other engine knows' "$MODEL" --to tq2_0 -o bad.gguf
refused 2 'exists' 'exists already' plain.gguf -o tq2_0.gguf
refused 2 'itself' 'is the input' plain.gguf -o plain.gguf --force
refused 2 'a directory' 'for GGUF files' plain --to i2_s -o bad.gguf
refused 2 'merge and change' '--merge' --merge --to i2_s plain.gguf -o bad.gguf
refused 3 'no GGUF file' 'bad magic\|not a GGUF' "$checkpoint/config.json" -o bad.gguf
refused 3 'not there' 'No such file' none.gguf -o bad.gguf
# patched FILE TENSOR BYTES [OF]: plain.gguf, or OF, with these bytes, as printf has them, at the beginning of a tensor
patched() {
	cp "${4-plain.gguf}" "$1"
	at=$(tern info --tensors "$1" | awk -v name="$2" '$NF == name { print $3 }')
	# shellcheck disable=SC2059 # the format is the bytes
	printf "$3" | dd of="$1" bs=1 seek="$at" conv=notrunc 2>/dev/null
}
patched code3.gguf blk.5.ffn_down.weight '\377'
patched nan.gguf blk.5.ffn_down.scale '\000\000\300\177'
refused 3 'a code that is no weight' "blk.5.ffn_down.weight': row 0 has a code" code3.gguf --to i2_s -o bad.gguf
refused 3 'a scale that is no number' "blk.5.ffn_down.weight': its scale is -\\?nan" nan.gguf --to tq2_0 -o bad.gguf
patched large.gguf token_embd.scale '\050\153\156\116' int8.gguf
patched small.gguf token_embd.scale '\137\160\211\060' int8.gguf
for target in i2_s tq2_0; do
	refused 3 'a row of large values' "token_embd.weight': the scale of row 0, 1e+09, is too large" large.gguf --to $target -o bad.gguf
	refused 3 'a row of small values' "token_embd.weight': the scale of row 0, 1e-09, is too small" small.gguf --to $target -o bad.gguf
done
cp -R plain hollow
chmod -R u+w hollow
python3 - <<'EOF'
import json
data = bytearray(open("hollow/model.safetensors", "rb").read())
n = 8 + int.from_bytes(data[:8], "little")
tensor = json.loads(data[8:n])["model.embed_tokens.weight"]
a, b = (n + at for at in tensor["data_offsets"])
n_row = (b - a) // tensor["shape"][0]
data[a:a + n_row] = bytes(n_row)
open("hollow/model.safetensors", "wb").write(data)
EOF
convert hollow -o hollow.gguf
check 'a row of zeros' convert hollow.gguf --to tq2_0 -o zeros.gguf
patched zeros_and_scale.gguf token_embd.scale '\050\153\156\116' hollow.gguf
check 'a row of zeros has no scale' convert zeros_and_scale.gguf --to tq2_0 -o zeros2.gguf
check 'a row of zeros has no scale: the same file' same zeros.gguf zeros2.gguf
patched nothing.gguf token_embd.scale '\140\102\242\015' hollow.gguf
check 'a row that is nothing beside others' convert nothing.gguf --to tq2_0 -o zeros3.gguf
check 'a row that is nothing beside others: the same file' same zeros.gguf zeros3.gguf
head -c 500000 i2_s.gguf >cut.gguf
refused 3 'cut' "tensor '" cut.gguf -o bad.gguf

summary
