#!/bin/sh
# End-to-end tests of tern-tune on a model of 0.2 M parameters with tern-tiny's tokenizer: the same bits with any number of
# threads and however often it is interrupted or killed, the loss it reports next to `tern eval`, every form of output
# through tern-convert, and one line for bad input.
#
# What depends on the CPU is tested by test_tune_golden and its neighbors.
#
#   KILLS  how often the run is killed (20; where programs are slow, 3)
#   STEPS  steps of the run (16; where programs are slow, 8)
. tests/lib.sh
on_this_cpu
if is_slow; then KILLS=${KILLS:-3} STEPS=${STEPS:-8}; else KILLS=${KILLS:-20} STEPS=${STEPS:-16}; fi
program=tune

weights() { cksum <"$1/model.safetensors"; }

# ---- a base, and texts ----

mkdir base
cp "$root"/models/tern-tiny/tokenizer*.json "$root"/models/tern-tiny/generation_config.json base
cat >base/config.json <<EOF
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
 "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1536, "max_position_embeddings": 256, "rms_norm_eps": 1e-6,
 "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": true, "bos_token_id": 1532, "eos_token_id": 1533}
EOF
cp "$root/tests/data/tern-tiny.jsonl" text.txt
cp "$root/tests/data/tern-tiny-exam.jsonl" held-out.txt
for i in 1 2 3 4 5 6 7 8; do
	echo "{\"messages\": [{\"role\": \"user\", \"content\": \"What is $i?\"}, {\"role\": \"assistant\", \"content\": \"It is $i.\"}]}"
	echo "{\"text\": \"Number $i comes before another.\"}"
done >chats.jsonl

tune base --from-scratch -d text.txt -o full --steps 40 --batch-tokens 256 --context 64 --full-precision -q
check "full precision" test -f full/model.safetensors
common="full -d text.txt --steps $STEPS --batch-tokens 256 --context 64 --eval held-out.txt -q"

# ---- one result ----

# shellcheck disable=SC2086 # $common is several words
{
	tune $common -o one -t 1 || fail "one thread"
	tune $common -o three -t 3 || fail "three threads"
}
check "the same bits with one thread and three" test "$(weights one)" = "$(weights three)"
check "no state is left" test ! -e one/tune.state
check "loss.csv has a line for every step" test "$(wc -l <one/loss.csv)" -eq $((STEPS + 1))

# Ctrl-C: the state is written, --resume goes on. INT is ignored in background jobs of a script: a shell of its own.
# interrupted DIRECTORY OPTION...: a run into that directory is
interrupted() {
	into=$1
	shift
	python3 - "$into" "$TERN_TUNE" "$@" <<'EOF'
import os, shutil, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)  # it may be ignored, which a program inherits
into = sys.argv[1]
def n_line(path): return open(path).read().count("\n") if os.path.exists(path) else 0
for _ in range(20):
    p = subprocess.Popen(sys.argv[2:] + ["-o", into], stdin=subprocess.DEVNULL)
    while n_line(into + "/loss.csv") <= 3 and p.poll() is None:  # it runs only while this script waits
        p.send_signal(signal.SIGCONT)
        time.sleep(.002)
        p.send_signal(signal.SIGSTOP)
    p.send_signal(signal.SIGINT)
    p.send_signal(signal.SIGCONT)
    if p.wait() != 0: break
    shutil.rmtree(into)  # on a busy machine it may have ended first
sys.exit(0 if p.returncode == -signal.SIGINT and os.path.exists(into + "/tune.state") else 1)
EOF
}
# shellcheck disable=SC2086
if have python3 'Ctrl-C'; then
	check "Ctrl-C writes the state" interrupted stopped $common
	refused 2 "a run that was begun is not overwritten" "--resume" $common -o stopped
	refused 2 "resuming with another option" "another --lr" $common -o stopped --resume --lr 0.01
	cp -R full other
	sed 's/"rms_norm_eps": *[^,]*/"rms_norm_eps": 0.5/' full/config.json >other/config.json
	refused 2 "resuming with another base" "another config.json of the base" other ${common#full} -o stopped --resume
	check "Ctrl-C while distilling" interrupted distilled $common --distill full
	refused 2 "resuming with another teacher" "another config.json of teacher" $common --distill other -o distilled --resume
	cp -R stopped damaged
	printf '\377' | dd of=damaged/tune.state bs=1 seek=8 conv=notrunc 2>/dev/null
	refused 3 "a state of another step than it was written for" "is damaged" $common -o damaged --resume
	check "resuming" tune $common -o stopped --resume
	check "the same bits, interrupted" test "$(weights one)" = "$(weights stopped)"
	check "loss.csv, interrupted" test "$(cut -d, -f1-6 one/loss.csv | cksum)" = "$(cut -d, -f1-6 stopped/loss.csv | cksum)"
fi

# kill -9, anywhere: after each the run goes on.
n=0 in_between=0
: >err
while [ $n -lt "$KILLS" ]; do
	: >err # a process that is killed at once does not get to open it
	# shellcheck disable=SC2086
	$RUN "$TERN_TUNE" $common -o killed --checkpoint-every 1 --resume </dev/null >/dev/null 2>err &
	pid=$!
	sleep "0.$((n % 7))$((n * 7 % 10))"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	if [ -s err ] && ! grep -q "holds a finished checkpoint" err; then fail "killed $n times" "$(cat err)"; fi
	[ ! -e killed/tune.state ] || in_between=$((in_between + 1))
	n=$((n + 1))
done
[ $in_between -gt 0 ] || skip 'kill -9 between two steps' "none of $KILLS came there"
if [ ! -e killed/model.safetensors ] || [ -e killed/tune.state ]; then
	# shellcheck disable=SC2086
	check "going on after the last kill" tune $common -o killed --checkpoint-every 1 --resume
fi
check "the same bits, killed $KILLS times" test "$(weights one)" = "$(weights killed)"
check "no temporary file is left" test -z "$(find killed -name '*.tmp')"

# ---- what comes out ----

# agrees CHECKPOINT PART OPTION...: the last evaluation of tern-tune is the loss of `tern eval` on the file converted with
# these options, but for that part
agrees() {
	checkpoint=$1 part=$2
	shift 2
	# shellcheck disable=SC2086
	$RUN "$TERN_CONVERT" "$checkpoint" -o "$checkpoint.gguf" --quiet --force "$@" && $RUN "$TERN" eval -m "$checkpoint.gguf" -f held-out.txt -c 64 --json -q >eval.json &&
		tail -n 1 "$checkpoint/loss.csv" | awk -F, -v part="$part" -v json="$(cat eval.json)" '{
			match(json, /"nll": *[0-9.]+/); nll = substr(json, RSTART, RLENGTH); sub(/.*: */, "", nll)
			print $NF, nll; d = $NF / nll - 1; exit !(nll > 0 && d < part && d > -part) }'
}
check "the loss is that of tern eval" agrees one 0.005
check "the same with head and embedding as they are" agrees one 0.0002 --head keep --embd keep
# shellcheck disable=SC2086
tune $common -o packed --packed || fail "--packed"
check "packed: the loss is that of tern eval" agrees packed 0.005
check "packed weights are those that floats become" test "$(tail -n 1 one/loss.csv | cut -d, -f2-6)" = "$(tail -n 1 packed/loss.csv | cut -d, -f2-6)"
tune full -d chats.jsonl -o chats --epochs 3 --batch-tokens 128 --schedule layers --ramp 0.5 --distill full --eval chats.jsonl -q || fail "conversations"
tune full -d text.txt -o first --steps 1 --ramp 1 -q || fail "one step"
check "three epochs of two batches" test "$(wc -l <chats/loss.csv)" -eq 7
check "conversations, distilled, layer by layer" test "$(cut -d, -f3 chats/loss.csv | tail -n 1)" != 0.000000
tune full -d chats.jsonl -o plain --steps 4 --schedule none --no-extra-norm -q || fail "--no-extra-norm"
tune full -d text.txt -o gains --steps 1 --gains rms --ramp 1 -q || fail "--gains"
check "norms that keep the size of their inputs begin nearer to the base" awk -F, -v ours="$(sed -n 2p gains/loss.csv)" -v ones="$(sed -n 2p first/loss.csv)" \
	'BEGIN { split(ours, a); split(ones, b); exit !(a[2] < b[2]) }'
check "no norms were put in" sh -c '! grep -q rms_norm.weight plain/model.safetensors'

# Norms without weights, of which config.json alone speaks, are the base's too: nothing is put in, and none is lost.
mkdir weightless
cp full/* weightless
sed 's/^{/{"quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online", "use_rms_norm": true}, /' full/config.json >weightless/config.json
once="weightless -d text.txt --steps 1 --lr 1e-9 --batch-tokens 256 --context 64 -q"
# shellcheck disable=SC2086
{
	tune $once -o normed --no-extra-norm --schedule none --eval held-out.txt || fail "weightless norms"
	tune $once -o itself --ramp-start 1 --ramp 0 --distill weightless || fail "weightless norms, distilled"
	tune $once -o measured --ramp-start 1 --ramp 0 --gains rms || fail "weightless norms, measured"
	tune $once -o as-it-is --full-precision || fail "weightless norms, full precision"
}
check "weightless norms: the loss is that of tern eval" agrees normed 0.0002 --head keep --embd keep
check "weightless norms: config.json still has them" grep -q '"use_rms_norm": *true' normed/config.json
check "weightless norms: no distance from itself" test "$(tail -n 1 itself/loss.csv | cut -d, -f3)" = 0.000000
check "weightless norms: no gains are measured" test "$(cut -d, -f2 measured/loss.csv)" = "$(cut -d, -f2 itself/loss.csv)"
check "weightless norms, full precision: the same network" test "$(cut -d, -f2 as-it-is/loss.csv)" = "$(cut -d, -f2 itself/loss.csv)"

for i in 0 1 2 3 4 5 6 7 8 9; do echo '{"text": "A fox."}'; done >ten.jsonl
for pair in 0.1:1 0.2:2 0.25:3 0.3:3 0.7:7 1:10 1.1:11 1.2:12; do
	tune full -d ten.jsonl -o "epochs${pair%:*}" --epochs "${pair%:*}" --batch-tokens 6 -q || fail "--epochs ${pair%:*}"
	check "--epochs ${pair%:*} of ten batches" test "$(wc -l <"epochs${pair%:*}/loss.csv")" -eq $((${pair#*:} + 1))
done

# BitNet without sub-norms has the other gate, the square of ReLU.
mkdir bitnet
cp base/* bitnet
sed 's/LlamaForCausalLM/BitNetForCausalLM/; s/"llama"/"bitnet"/; s/"silu"/"relu2", "use_sub_norms": false/' base/config.json >bitnet/config.json
tune bitnet --from-scratch -d text.txt -o gated --steps "$STEPS" --batch-tokens 256 --context 64 --eval held-out.txt -q || fail "BitNet"
check "BitNet: the loss is that of tern eval" agrees gated 0.0002 --head keep --embd keep

# ---- what is refused ----

refused 2 "no base" "is needed" -d text.txt -o x --steps 1
refused 2 "no steps" "one of --steps and --epochs is needed" full -d text.txt -o x
refused 2 "steps and epochs" "--steps and --epochs exclude each other" full -d text.txt -o x --steps 1 --epochs 1
refused 2 "--gains without a trained network" "--gains" base --from-scratch -d text.txt -o x --steps 1 --gains rms
refused 2 "a long ramp" "--ramp" full -d text.txt -o x --steps 1 --ramp 0.6 --ramp-start 0.6
refused 3 "an absent base" "nowhere" nowhere -d text.txt -o x --steps 1
refused 3 "a base without weights" "base" base -d text.txt -o x --steps 1
refused 3 "an absent text" "nothing.txt" full -d nothing.txt -o x --steps 1
refused 2 "a finished checkpoint" "finished" full -d text.txt -o one --steps 1
refused 2 "the base as output" "is the base" full -d text.txt -o full --steps 1
cp -R full teacher
refused 2 "the teacher as output" "is the teacher" full -d text.txt -o teacher --steps 1 --distill teacher
mkdir sharded
echo '{}' >sharded/model.safetensors.index.json
refused 2 "shards in the output" "holds a finished" full -d text.txt -o sharded --steps 1
refused 2 "a checkpoint without weights in the output" "holds config.json" full -d text.txt -o base --steps 1
for file in loss.csv config.json tokenizer.json tune.tokenizer.gguf; do
	rm -rf mine && mkdir mine && echo "$file of mine" >"mine/$file" && cp "mine/$file" before
	refused 2 "another's $file in the output" "holds $file, which would be replaced" full -d text.txt -o mine --steps 1
	check "another's $file stays" same before "mine/$file"
	check "another's $file stays alone" test "$(ls mine)" = "$file"
done
rm -rf mine && mkdir mine && head -n 1 one/loss.csv >mine/loss.csv && printf GGUF >mine/tune.tokenizer.gguf && echo notes >mine/notes
check "what a run that was killed at its beginning left is replaced" tune full -d text.txt -o mine --steps 1 -q
check "other files are in nobody's way" grep -q notes mine/notes
mkdir qwen2 fewer
cp base/* qwen2
sed 's/LlamaForCausalLM/Qwen2ForCausalLM/; s/"llama"/"qwen2"/' base/config.json >qwen2/config.json
cp full/* fewer
sed 's/"num_hidden_layers": *2/"num_hidden_layers": 1/' full/config.json >fewer/config.json
refused 2 "biases in packed matrices" "have no biases" qwen2 --from-scratch -d text.txt -o x --steps 1 --packed
refused 3 "a tensor more than the layers have" "has no use for it" fewer -d text.txt -o y --steps 1
refused 2 "a context that leaves nothing to evaluate" "a --context of at least 3" full -d text.txt -o y --steps 1 --context 2 --eval held-out.txt
refused 2 "a long context" "the model has 256" full -d text.txt -o x --steps 1 --context 300
refused 1 "more memory than there is" "MiB of memory" full -d text.txt -o x --steps 1 --batch-tokens 2000000000
# Before anything of the context's size is allocated: where its angles have no room, the message is the same.
cp -R full wide && sed 's/"max_position_embeddings": *256/"max_position_embeddings": 16777216/' full/config.json >wide/config.json
if [ -z "$SAN" ]; then # sanitizers need all addresses
	# shellcheck disable=SC3045,SC2317 # where there is no such limit, it is slower but the same
	tune() { (ulimit -v 900000 2>err.limit; exec "$TERN_TUNE" "$@"); }
	refused 1 "a context that memory has no room for" "MiB of memory" wide -d text.txt -o x --steps 1 --context 16777216 --batch-tokens 2000000000
	# shellcheck disable=SC2086
	tune() { $RUN "$TERN_TUNE" "$@"; }
fi
echo '{"text": 1}' >bad.jsonl
refused 3 "a text that is a number" "bad.jsonl: line 1" full -d bad.jsonl -o y --steps 1
printf '{"text": "a"}\n{"no": 1}\n' >bad.jsonl
refused 3 "a line without a text" "bad.jsonl: line 2" full -d bad.jsonl -o y --steps 1
echo '{"messages": [{"role": "robot", "content": "a"}]}' >bad.jsonl
refused 3 "an unknown role" "role" full -d bad.jsonl -o y --steps 1
refused 3 "packed weights as a base" "floats" "$root/models/tern-tiny" -d text.txt -o y --steps 1
cp -R base untied && sed 's/"tie_word_embeddings": *true/"tie_word_embeddings": false/' base/config.json >untied/config.json
tune untied --from-scratch -d text.txt -o headed --steps 1 -q || fail "a head of its own"
cp -R headed two-heads && sed 's/"tie_word_embeddings": *false/"tie_word_embeddings": true/' headed/config.json >two-heads/config.json
refused 3 "a tied head that differs" "differs from the embedding" two-heads -d text.txt -o y --steps 1
cp -R full headless && sed 's/"tie_word_embeddings": *true/"tie_word_embeddings": false/' full/config.json >headless/config.json
refused 3 "an untied head that is not there" "'lm_head.weight' is missing" headless -d text.txt -o y --steps 1
cp -R full copied
if have python3 "a tied head that is a copy"; then
	python3 - <<'EOF'
import json, struct
data = open("full/model.safetensors", "rb").read()
n = 8 + int.from_bytes(data[:8], "little")
header = json.loads(data[8:n])
a, b = header["model.embed_tokens.weight"]["data_offsets"]
header["lm_head.weight"] = dict(header["model.embed_tokens.weight"], data_offsets=[len(data) - n, len(data) - n + b - a])
text = json.dumps(header).encode()
open("copied/model.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data[n:] + data[n + a:n + b])
EOF
	check "a tied head that is a copy" tune copied -d text.txt -o joined --steps 1 -q
	check "a tied head stays one tensor" sh -c '! grep -q lm_head joined/model.safetensors'
fi
check "what is refused leaves nothing" test ! -e x -a ! -e y

summary
