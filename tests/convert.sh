#!/bin/sh
# End-to-end tests of tern-convert, as a user or a script meets it: exit statuses, every option, damaged checkpoints,
# full disks, signals, and that nothing is left behind.
. tests/lib.sh
no_new_threads
program=convert

# Fresh copy of the checkpoint in x
fresh() {
	rm -rf x
	cp -R "$checkpoint" x
	chmod -R u+w x
}

# ---- usage ----

run 0 'version' --version
check 'version: first line' grep -q '^tern-convert [0-9]*\.[0-9]*\.[0-9]*$' out
run 0 'help' --help
for option in --output --force --dry-run --vocab-only --head --embd --threads --quiet; do
	check "help: $option" grep -q -e "$option" out
done
refused 2 'nothing' 'directory or a GGUF file is needed'
refused 2 'no output' '-o OUT.gguf' "$checkpoint"
refused 2 'output without a name' 'value' "$checkpoint" -o
refused 2 'empty output' '-o' "$checkpoint" -o ''
refused 2 'standard output' '-o' "$checkpoint" -o -
refused 2 'two directories' 'one operand too many' "$checkpoint" "$checkpoint" -o bad.gguf
refused 2 'two outputs' 'twice' "$checkpoint" -o bad.gguf -o bad.gguf
refused 2 'unknown option' "did you mean '--head'" "$checkpoint" -o bad.gguf --haed keep
refused 2 '--head: a word that is none of its' 'keep|q8' "$checkpoint" -o bad.gguf --head f16
refused 2 '--embd: a word that is none of its' 'keep|q8' "$checkpoint" -o bad.gguf --embd f16
for value in 0 -1 x 100000; do refused 2 "-t $value" 'from 1 to' "$checkpoint" -o bad.gguf -t "$value"; done

# ---- the whole ----

cp -R "$checkpoint" ck
chmod -R u+w ck
run 0 'conversion' ck -o one.gguf
for word in model weights norms zeros embedding tokenizer size; do
	check "summary: $word" grep -q "^  $word  *[^ ]" err
done
check 'summary: what it made of what' grep -q 'ck -> one.gguf' err
check 'no bar without a terminal' test "$(tr -d '\r\033' <err | wc -c)" -eq "$(wc -c <err)"
check 'conversion: nothing on standard output' test ! -s out
run 0 'conversion, quiet' "$checkpoint" -o two.gguf -q
check 'conversion, quiet: silence' test ! -s err
check 'the model of the build is made like this' same two.gguf "$MODEL"
for threads in 1 2 7; do
	run 0 "-t $threads" "$checkpoint" -q -o threads.gguf --force -t $threads
	check "-t $threads: the same file" same threads.gguf two.gguf
done
check 'the result is sound' tern info --verify one.gguf
tern run -m one.gguf --temp 0 -n 12 'Tell me a story about a fox.' >answer1
tern run -m "$MODEL" --temp 0 -n 12 'Tell me a story about a fox.' >answer2
check 'the result answers' test -s answer1
check 'the result answers the same' same answer1 answer2
(cd ck && convert . -q -o ../dot.gguf)
check 'from within, named after the directory' same dot.gguf one.gguf
run 0 'a slash at the end' ck/ -q -o slash.gguf
check 'a slash at the end' same slash.gguf one.gguf

run 0 '--dry-run' ck --dry-run
check '--dry-run: summary' grep -q '^  would be' err
run 0 '--dry-run: no file' ck --dry-run -o bad.gguf
check '--dry-run: no file' absent bad.gguf
run 0 '--vocab-only' ck --vocab-only -o vocabulary.gguf
check '--vocab-only: small' test "$(wc -c <vocabulary.gguf)" -lt 100000
text='Hello, wörld! <|end|>'
check '--vocab-only: the same tokens' test "$(tern tokenize vocabulary.gguf --ids "$text")" = "$(tern tokenize "$MODEL" --ids "$text")"
fresh
rm x/config.json x/model.safetensors x/generation_config.json
run 0 '--vocab-only: a tokenizer is enough' x --vocab-only -o alone.gguf
check '--vocab-only: the same tokens again' test "$(tern tokenize alone.gguf --ids "$text")" = "$(tern tokenize "$MODEL" --ids "$text")"

# Types of embedding and head by option; tied weights stay one tensor where both options agree.
types() { tern info "$1" --tensors | awk '$NF == "token_embd.weight" || $NF == "output.weight" { printf "%s %s ", $NF, $1 }'; }
for pair in keep,keep:'token_embd.weight BF16 ' q8,q8:'token_embd.weight Q8P ' \
	keep,q8:'output.weight BF16 token_embd.weight Q8P ' q8,keep:'output.weight Q8P token_embd.weight BF16 '; do
	options=${pair%%:*}
	run 0 "--head,--embd $options" ck -q --head "${options%,*}" --embd "${options#*,}" -o precision.gguf --force
	check "--head,--embd $options: types" test "$(types precision.gguf | tr ' ' '\n' | paste -d' ' - - | sort | tr '\n' ' ')" = "${pair#*:}"
	check "--head,--embd $options: sound" tern info --verify precision.gguf
done

# ---- what is there already ----

cp one.gguf kept.gguf
refused 2 'no overwriting' '--force' ck -o kept.gguf
check 'no overwriting: untouched' same kept.gguf one.gguf
chmod 600 kept.gguf
run 0 '--force' ck -q --vocab-only -o kept.gguf --force
check '--force: replaced' same kept.gguf vocabulary.gguf
check '--force: permissions stay' test -n "$(find kept.gguf -perm 600)"
ln -s nowhere dangling.gguf
refused 2 'a link that leads nowhere' 'leads nowhere' ck -o dangling.gguf
refused 1 'a folder that is not there' 'No such file' ck -o nowhere/bad.gguf
run 2 'output is an input' ck -o ck/model.safetensors --force
check 'output is an input: untouched' same ck/model.safetensors "$checkpoint/model.safetensors"
ln ck/tokenizer.json other-name
mkdir -p ck/1_Pooling
echo '{}' >ck/1_Pooling/config.json
for file in ck/1_Pooling/config.json ck/special_tokens_map.json ck/README.md; do
	echo '{"pooling_mode_lasttoken": true}' >"$file"
	run 2 "output is $file" ck -o "$file" --vocab-only --force
	check "$file stays" grep -q lasttoken "$file"
	rm "$file"
done
rmdir ck/1_Pooling
run 2 'output is an input by another name' ck -o other-name --force
check 'output is an input by another name: untouched' same ck/tokenizer.json "$checkpoint/tokenizer.json"
convert ck -o ck --force 2>err
check 'output is a directory' test $? -ne 0
check 'output is a directory: message' grep -q 'is a directory' err
refused 1 'output is a device' 'device' ck -o /dev/null --force
mkfifo pipe
refused 1 'output is a pipe' 'pipe' ck -o pipe --force

# ---- inputs that are not right ----

refused 3 'no such directory' 'No such file' nowhere -o bad.gguf
refused 3 'a file' 'directory' ck/config.json -o bad.gguf
mkdir empty
refused 3 'an empty directory' 'config.json' empty -o bad.gguf
for file in config.json model.safetensors tokenizer.json; do
	fresh
	rm "x/$file"
	refused 3 "without $file" "${file%.json}" x -o bad.gguf
	: >"x/$file"
	refused 3 "empty $file" "x/$file: " x -o bad.gguf
	printf '{"x": [1, 2' >"x/$file"
	refused 3 "broken $file" "x/$file: " x -o bad.gguf
	head -c 2000 "$checkpoint/$file" | tr '{}' '[]' >"x/$file"
	refused 3 "garbled $file" "x/$file: " x -o bad.gguf
done
lie() { # NAME PATTERN SED
	fresh
	sed "$3" "$checkpoint/config.json" >x/config.json
	if cmp -s x/config.json "$checkpoint/config.json"; then fail "$1: config.json did not change"; fi
	refused 3 "$1" "$2" x -o bad.gguf
}
lie 'config: width' "tensor 'model.embed_tokens.weight'" 's/"hidden_size": 256/"hidden_size": 128/'
lie 'config: no heads' 'num_attention_heads' 's/"num_attention_heads": 8/"num_attention_heads": 0/'
lie 'config: heads that do not divide' 'num_key_value_heads' 's/"num_key_value_heads": 4/"num_key_value_heads": 3/'
lie 'config: odd head size' 'head_dim' 's/"head_dim": 32/"head_dim": 31/'
lie 'config: a layer too many' 'model.layers.6' 's/"num_hidden_layers": 6/"num_hidden_layers": 7/'
lie 'config: a layer too few' 'model.layers.5' 's/"num_hidden_layers": 6/"num_hidden_layers": 5/'
lie 'config: 2^32 layers' 'num_hidden_layers' 's/"num_hidden_layers": 6/"num_hidden_layers": 4294967296/'
lie 'config: untied' 'lm_head.weight' 's/"tie_word_embeddings": true/"tie_word_embeddings": false/'
lie 'config: vocabulary' 'model.embed_tokens.weight' 's/"vocab_size": 1536/"vocab_size": 1535/'
lie 'config: epsilon' 'rms_norm_eps' 's/"rms_norm_eps": 1e-06,/"rms_norm_eps": 0,/'
lie 'config: rope base' 'rope_theta' 's/"rope_theta": 10000.0/"rope_theta": -1/'
lie 'config: activation' 'hidden_act' 's/"hidden_act": "silu"/"hidden_act": "gelu"/'
lie 'config: another family' 'GemmaForCausalLM' 's/LlamaForCausalLM/GemmaForCausalLM/'
lie 'config: another quantization' 'quant_method' 's/"quant_method": "bitnet"/"quant_method": "gptq"/'
lie 'config: token out of range' 'bos_token_id' 's/"bos_token_id": 1532/"bos_token_id": 99999/'
for size in 0 5 7 8 100 15000 1000000 1748783; do
	fresh
	head -c $size "$checkpoint/model.safetensors" >x/model.safetensors
	refused 3 "safetensors of $size bytes" 'x/model.safetensors: ' x -o bad.gguf
done
fresh
printf '\377\377\377\377\377\377\377\377' | dd of=x/model.safetensors conv=notrunc bs=1 2>/dev/null
refused 3 'safetensors: header length' 'header length' x -o bad.gguf
fresh
printf 'x' >>x/model.safetensors
refused 3 'safetensors: a byte too many' 'x/model.safetensors: ' x -o bad.gguf
fresh
rm x/model.safetensors
ln -s /dev/null x/model.safetensors
refused 3 'a link out of the checkpoint' 'x/model.safetensors: ' x -o bad.gguf
printf '{"weight_map": {"model.norm.weight": "../ck/model.safetensors"}}' >x/model.safetensors.index.json
rm x/model.safetensors
refused 3 'an index that leads out of the checkpoint' 'weight_map' x -o bad.gguf
# As the cache of Hugging Face's own programs is laid out.
mkdir -p hub/models--owner--name/blobs hub/models--owner--name/snapshots/1
for file in ck/*; do
	cp "$file" "hub/models--owner--name/blobs/hash-${file#ck/}"
	ln -s "../../blobs/hash-${file#ck/}" "hub/models--owner--name/snapshots/1/${file#ck/}"
done
run 0 'a snapshot of the cache' hub/models--owner--name/snapshots/1 -q -o snapshot.gguf
check 'a snapshot of the cache: named' test "$(tern info snapshot.gguf --key general.name)" = name

# ---- limits ----

# 256 KiB; the file would be 1.3 MiB.
(ulimit -f 512 && convert ck -o bad.gguf >out 2>err)
check 'full disk: status' test $? -eq 1
check 'full disk: message' grep -q '^tern-convert: bad.gguf: ' err
check 'full disk: one line' test "$(wc -l <err)" -eq 1
check 'full disk: nothing left behind' absent bad.gguf
cp one.gguf kept2.gguf
(ulimit -f 512 && convert ck -o kept2.gguf --force 2>err)
check 'full disk, --force: status' test $? -eq 1
check 'full disk, --force: the old file stays' same kept2.gguf one.gguf
check 'full disk, --force: nothing left behind' absent bad.gguf
convert ck -q -o both.gguf --force &
convert ck -q -o both.gguf --force
check 'two at once: the second' test $? -eq 0
wait $!
check 'two at once: the first' test $? -eq 0
check 'two at once: one of them, whole' same both.gguf one.gguf
check 'two at once: nothing else' absent bad.gguf

# ---- with a larger checkpoint: the same with many more rows of zeroes, in three shards ----

if have python3 'signals, shards, limited memory and damaged weights'; then
	cat >enlarge.py <<-'END'
		import json, os, struct, sys
		source, target, extra = sys.argv[1], sys.argv[2], int(sys.argv[3])
		data = open(source + "/model.safetensors", "rb").read()
		start = 8 + struct.unpack("<Q", data[:8])[0]
		tensors = json.loads(data[8:start])
		tensors.pop("__metadata__", None)
		embedding = "model.embed_tokens.weight"
		others = [name for name in tensors if name != embedding]
		shards = [[embedding], others[::2], others[1::2]]
		where = {}
		for i, names in enumerate(shards):
		    header, at, parts = {}, 0, []
		    for name in names:
		        entry = tensors[name]
		        begin, end = entry["data_offsets"]
		        size = end - begin + (extra * 512 if name == embedding else 0)
		        shape = [entry["shape"][0] + extra, 256] if name == embedding else entry["shape"]
		        header[name] = {"dtype": entry["dtype"], "shape": shape, "data_offsets": [at, at + size]}
		        parts.append(data[start + begin:start + end])
		        at += size
		    text = json.dumps(header).encode()
		    file = "model-%05d-of-%05d.safetensors" % (i + 1, len(shards))
		    with open(target + "/" + file, "wb") as out:
		        out.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
		        out.truncate(8 + len(text) + at)
		    where.update((name, file) for name in names)
		json.dump({"weight_map": where}, open(target + "/model.safetensors.index.json", "w"))
		config = json.load(open(source + "/config.json"))
		config["vocab_size"] += extra
		json.dump(config, open(target + "/config.json", "w"))
	END
	mkdir large
	cp ck/*.json large
	if is_slow; then more_rows=60000; else more_rows=260000; fi # so many that a signal finds the conversion at work
	check 'making the large checkpoint' python3 enlarge.py ck large $more_rows
	bytes=$(wc -c <large/model-00001-of-00003.safetensors)

	# What starts here dies of signals like a program started in a terminal, also from a background job or under nohup.
	cat >start.py <<-'END'
		import os, signal, sys
		for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
		    signal.signal(number, signal.SIG_DFL)
		os.execvp(sys.argv[1], sys.argv[1:])
	END
	is_being_written() { [ -n "$(find . -name "$1.*.tmp")" ]; }
	# begin OUT: a conversion in the background, its process in $process, that has begun to write
	begin() {
		# shellcheck disable=SC2086
		python3 start.py $RUN "$TERN_CONVERT" large -o "$1" --force -t 1 >out 2>err </dev/null &
		process=$!
		await $process is_being_written "$1"
	}
	for pair in INT:130 TERM:143 HUP:129; do
		cp one.gguf old.gguf
		for target in bad.gguf old.gguf; do
			begin $target
			kill "-${pair%:*}" "$process"
			wait "$process" 2>signal.log
			check "SIG${pair%:*}, $target: status" test $? -eq "${pair#*:}"
			check "SIG${pair%:*}, $target: silence" test ! -s err
			check "SIG${pair%:*}, $target: nothing left behind" absent bad.gguf
			check "SIG${pair%:*}, $target: the old file stays" same old.gguf one.gguf
		done
	done
	begin bad.gguf
	kill -KILL "$process"
	wait "$process" 2>signal.log
	check 'SIGKILL: no output' test ! -e bad.gguf
	check 'SIGKILL: the temporary file stays' test -n "$(find . -name 'bad.gguf.*.tmp')"
	: >"bad.gguf.$$-0.tmp" # as if this shell, which lives, were writing it
	run 0 'the conversion after SIGKILL' ck -o bad.gguf
	check 'the conversion after SIGKILL: output' same bad.gguf one.gguf
	check 'the conversion after SIGKILL removes it' test "$(find . -name '*.tmp')" = "./bad.gguf.$$-0.tmp"
	rm bad.gguf "bad.gguf.$$-0.tmp"
	begin bad.gguf
	kill -STOP "$process" # python3 may take longer to start than the conversion
	python3 -c 'import os; os.truncate("large/model-00001-of-00003.safetensors", 1000000)'
	kill -CONT "$process"
	wait "$process"
	check 'an input becomes shorter: status' test $? -eq 3
	check 'an input becomes shorter: message' grep -q 'model-00001-of-00003.safetensors: .*shorter' err
	check 'an input becomes shorter: nothing left behind' absent bad.gguf
	python3 -c "import os; os.truncate('large/model-00001-of-00003.safetensors', $bytes)"
	cp large/model-00002-of-00003.safetensors two.safetensors
	rm large/model-00002-of-00003.safetensors
	refused 3 'a shard is missing' 'model-00002-of-00003.safetensors' large -o bad.gguf
	cp large/model-00003-of-00003.safetensors large/model-00002-of-00003.safetensors
	refused 3 'a shard is another one' 'tensor' large -o bad.gguf
	cp two.safetensors large/model-00002-of-00003.safetensors
	# Emulators and sanitizers need more memory than this allows, and not every system can limit it.
	# shellcheck disable=SC3045
	if ! is_slow && (ulimit -v 65536) 2>/dev/null; then
		(ulimit -v 65536 && convert large -q -o large.gguf -t 1 2>err)
		check "$((bytes / 1000000)) MB are converted within 64 MiB" test $? -eq 0
		tern run -m large.gguf --temp 0 -n 12 'Tell me a story about a fox.' >answer3
		check 'shards: the same answer' same answer1 answer3
	fi

	# One value changed in the weights. damage TENSOR OFFSET HEX
	cat >damage.py <<-'END'
		import json, struct, sys
		name, offset, value = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3])
		data = bytearray(open("x/model.safetensors", "rb").read())
		start = 8 + struct.unpack("<Q", data[:8])[0]
		at = start + json.loads(data[8:start])[name]["data_offsets"][0] + offset
		data[at:at + len(value)] = value
		open("x/model.safetensors", "wb").write(data)
	END
	damage() { # NAME PATTERN TENSOR OFFSET HEX
		fresh
		check "$1: damaged" python3 damage.py "$3" "$4" "$5"
		refused 3 "$1" "tensor '$3': .*$2" x -o bad.gguf
	}
	up=model.layers.0.mlp.up_proj
	damage 'scale: NaN' 'not finite' $up.weight_scale 0 0000c07f
	damage 'scale: infinite' 'not finite' $up.weight_scale 0 0000807f
	damage 'scale: 0' 'above 0' $up.weight_scale 0 00000000
	damage 'scale: negative' 'above 0' $up.weight_scale 0 000080bf
	damage 'code 3' 'row 0, column 5: code 3' $up.weight 5 ff
	damage 'norm: NaN' 'not finite' model.norm.weight 4 0000c07f
	damage 'embedding: NaN' 'row 0, column 2: .*not finite' model.embed_tokens.weight 4 c07f
fi

# ---- other checkpoints ----

shared=$root/../shared/checkpoints
if [ -d "$shared" ]; then
	for path in "$shared"/*/config.json "$shared"/random/*/config.json; do
		name=$(basename "$(dirname "$path")")
		run 0 "$name" "$(dirname "$path")" -o "$name-shared.gguf" --head keep --embd keep
		check "$name: sound" tern info --verify "$name-shared.gguf"
	done
else
	skip 'the random checkpoints' 'there is no ../shared/checkpoints'
fi

summary
