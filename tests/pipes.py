"""What pipes.sh checks: python3 pipes.py FOLDER MODEL PROGRAM... (an emulator may stand before the program)."""
import json
import math
import os
import pty
import signal
import subprocess
import sys
import time

folder, model, program = sys.argv[1], os.path.abspath(sys.argv[2]), sys.argv[3:]
passed = failed = 0


def check(name, good, *facts):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print("pipes.py: %s" % name, *[str(fact)[:1000] for fact in facts], sep="\n    ")


def run(*arguments, input=b"", **more):
    return subprocess.run(program + ["run", "-m", model, *arguments], input=input, capture_output=True, **more)


def start(*arguments, **more):
    streams = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return subprocess.Popen(program + ["run", "-m", model, *arguments], **{**streams, **more})


def batch(requests, *arguments):
    """Results of requests (objects, or lines as bytes), the exit status and standard error."""
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in requests]
    done = run("--batch", "-", *arguments, input=b"\n".join(lines))
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode, done.stderr


TIMES = ("prompt_ms", "generate_ms")
FRANCE = "What is the capital of France?"


def said(result):
    """A result without what differs from run to run."""
    return {key: result[key] for key in result if key not in TIMES + ("cached_tokens", "id")}


# ---- --batch: the same answers as from runs of their own, in order ----

requests = [
    {"id": 1, "prompt": FRANCE, "temp": 0},
    {"id": "two", "messages": [{"role": "user", "content": "What is the capital of Peru?"}], "temperature": 0},
    {"id": None, "prompt": "Once upon a time", "raw": True, "seed": 5, "max_tokens": 30, "top_k": 0, "top_p": 1},
    {"id": True, "prompt": "Once upon a time", "raw": True, "seed": 5, "n_predict": 30, "repeat_penalty": 1.3},
    {"prompt": "Tell me a story about a fox.", "seed": 2**64 - 1, "predict": 20, "stop": ["QQQ", "."]},
    {"prompt": "Tell me a story about a fox.", "seed": 7, "predict": 20, "stop": ".", "min_p": 0.2, "repeat_last_n": 8},
    {"prompt": "a\0b", "temp": 0, "predict": 4, "ignore_eos": True, "show_special": True},
    {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": ""},
                  {"role": "user", "content": FRANCE}], "temp": 0},
]
results, status, err = batch(requests)
check("batch: all good", status == 0 and err == b"" and len(results) == len(requests), status, err, results)
for request, result in zip(requests, results):
    check("batch: id", result.get("id", "none") == request.get("id", "none"), request, result)
    alone, status, err = batch([request], *(["--seed", str(result["seed"])] if "seed" not in request else []))
    check("batch: the same alone", said(alone[0]) == said(result), alone, result)
check("batch: an answer", results[0]["text"] in ("Paris is the capital of France.", "The capital of France is Paris."))
check("batch: prompts that begin alike are kept", results[1]["cached_tokens"] >= 5, results[1])
check("batch: all settings", results[2]["text"] != results[3]["text"], results[2:4])
check("batch: stop", results[4]["finish_reason"] in ("stop_string", "length"), results[4])
single = json.loads(run("--json", "--temp", "0", "--seed", str(results[0]["seed"]), FRANCE).stdout)
check("batch: the same as run --json", said(results[0]) == said(single), results[0], single)
results, status, err = batch([{"prompt": FRANCE}, {"prompt": FRANCE, "predict": 2}], "--temp", "0", "-n", "3")
check("batch: the command line's settings", [r["generated_tokens"] for r in results] == [3, 2], results)

# ---- --batch: what goes wrong concerns one line ----

good = {"prompt": "hi", "predict": 1}
bad = [
    (b"{", 3, "column"),
    (b"nonsense", 3, "column"),
    (b'{"prompt": "a", "prompt": "b"}', 3, "prompt"),
    (b'{"prompt": "\xff"}', 3, "column"),
    (b'\0{"prompt": "a"}', 3, "column"),
    (b"[" * 100000, 3, "column"),
    (b"[]", 2, "prompt or messages"),
    ({}, 2, "prompt"),
    ({"prompt": ""}, 2, "empty"),
    ({"prompt": 5}, 2, "'prompt'"),
    ({"prompt": "a", "messages": []}, 2, "messages"),
    ({"messages": []}, 2, "messages"),
    ({"messages": ["a"]}, 2, "messages[0]"),
    ({"messages": [{"role": "user"}]}, 2, "content"),
    ({"messages": [{"role": "boss", "content": "a"}]}, 2, "assistant"),
    ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, 2, "name"),
    ({"messages": [{"role": "user", "content": "a"}], "raw": True}, 2, "raw"),
    ({"prompt": "a", "tempp": 1}, 2, "'temp'"),
    ({"prompt": "a", "topk": 1}, 2, "'top_k'"),
    ({"prompt": "a", "temp": "hot"}, 2, "'temp'"),
    ({"prompt": "a", "temp": -1}, 2, "'temp'"),
    ({"prompt": "a", "temp": 1, "temperature": 1}, 2, "already"),
    ({"prompt": "a", "top_k": 1.5}, 2, "'top_k'"),
    ({"prompt": "a", "predict": 0}, 2, "predict"),
    ({"prompt": "a", "seed": -5}, 2, "'seed'"),
    ({"prompt": "a", "stop": ""}, 2, "stop"),
    ({"prompt": "a", "stop": [1]}, 2, "'stop[0]'"),
    ({"prompt": "a", "stop": "b\0c"}, 2, "NUL"),
    ({"prompt": "a", "ctx": 5}, 2, "--ctx"),
    ({"prompt": "a", "raw": 1}, 2, "'raw'"),
    ({"prompt": "a", "id": [1]}, 2, "'id'"),
    ({"prompt": "a", "system": "b"}, 2, "system"),
    ({"prompt": "many words " * 500}, 4, "context"),
]
requests = []
for line, status, part in bad:
    requests += [line, good]
requests[-1] = b"\r\n \t\n" + json.dumps(good).encode()
results, status, err = batch(requests, "-c", "300")
check("batch: a line for each request", status == 1 and len(results) == 2 * len(bad), status, err, len(results))
check("batch: how many failed", b"%d of %d" % (len(bad), 2 * len(bad)) in err and err.count(b"\n") == 1, err)
for i, (line, status, part) in enumerate(bad):
    error = results[2 * i].get("error", {})
    check("batch: refused", error.get("line") == 2 * i + 1 and error.get("status") == status
          and part in error.get("message", ""), line, results[2 * i])
    check("batch: the next one is done", results[2 * i + 1].get("generated_tokens") == 1, results[2 * i + 1])
long = b'{"prompt": "' + b"x" * (17 << 20) + b'"}'
results, status, err = batch([long, good])
check("batch: a line too long", results[0]["error"]["status"] == 4 and "text" in results[1], results)
results, status, err = batch([{"id": "a", "prompt": "x", "typo": 1}, {"id": -1.50e3, "prompt": "x", "typo": 1}])
check("batch: id of an error", [r["id"] for r in results] == ["a", -1500], results)
for arguments in (["--json"], ["--jsonl"], ["--echo"], ["-p", "x"], ["x"], ["-f", "x"]):
    done = run("--batch", "-", *arguments)
    check("batch: not with %s" % arguments[0], done.returncode == 2 and b"--batch" in done.stderr, done)
done = run("--batch", folder + "/nothing-here")
check("batch: no such file", done.returncode == 3 and b"nothing-here" in done.stderr, done)
done = run("--batch", "-")
check("batch: nothing to do", done.returncode == 0 and done.stdout + done.stderr == b"", done)
with open(folder + "/requests", "w") as file:
    file.write(json.dumps(good) + "\n")
done = run("--batch", folder + "/requests")
check("batch: a file", done.returncode == 0 and b'"text"' in done.stdout, done)

# ---- a writer that is slow, a reader that goes away, Ctrl-C ----

talk = start("--batch", "-")
for i in range(3):
    line = json.dumps({"id": i, "prompt": "hi", "predict": 2}).encode() + b"\n"
    talk.stdin.write(line[:9])
    talk.stdin.flush()
    time.sleep(0.05)
    talk.stdin.write(line[9:])
    talk.stdin.flush()
    check("slow writer: a result for each line", json.loads(talk.stdout.readline())["id"] == i)
talk.stdin.write(json.dumps(good).encode())
out, err = talk.communicate(timeout=60)
check("slow writer: a last line without its end", json.loads(out)["generated_tokens"] == 1, out, err)
check("slow writer: status", talk.returncode == 0 and err == b"", talk.returncode, err)

talk = start("--raw", "--echo", "-n", "1", "-f", "-")
for piece in (b"Once", b" upon", b" a t", b"ime"):
    talk.stdin.write(piece)
    talk.stdin.flush()
    time.sleep(0.05)
out, err = talk.communicate(timeout=60)
check("slow writer: the whole prompt", out.startswith(b"Once upon a time") and talk.returncode == 0, out, err)

endless = {"prompt": "Once", "raw": True, "ignore_eos": True}
lasting = b"".join(json.dumps({**endless, "predict": 500}).encode() + b"\n" for i in range(100))
for arguments, input in ((["--batch", "-"], lasting), (["--jsonl", "--raw", "--ignore-eos", "-c", "50000"], b"Once")):
    with open(folder + "/input", "wb") as file:
        file.write(input)
    with open(folder + "/input", "rb") as file:
        talk = start(*arguments, "-q", stdin=file)
    talk.stdout.readline()
    talk.stdout.close()
    err = talk.stderr.read()
    check("reader leaves: killed by SIGPIPE, silently",
          talk.wait(60) in (-signal.SIGPIPE, 128 + signal.SIGPIPE) and err == b"", arguments, talk.returncode, err)


def interrupt(*arguments, input, first):
    """Starts, waits for the first line of output if `first`, interrupts, returns output, status and error."""
    talk = start(*arguments, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    talk.stdin.write(input)
    talk.stdin.flush()
    out = talk.stdout.readline() if first else b""
    time.sleep(0.5)
    talk.send_signal(signal.SIGINT)
    more, err = talk.communicate(timeout=60)
    return [json.loads(line) for line in (out + more).splitlines()], talk.returncode, err


lines = b"".join(json.dumps(r).encode() + b"\n" for r in (good, endless, good))
results, status, err = interrupt("--batch", "-", "-q", "-c", "50000", input=lines, first=True)
check("Ctrl-C: status", status in (-signal.SIGINT, 128 + signal.SIGINT) and err == b"", status, err)
# On a slow machine the second request may not have begun.
check("Ctrl-C: what there was", [r["finish_reason"] for r in results] in (["length", "interrupted"], ["length"]), results)
results, status, err = interrupt("--batch", "-", input=json.dumps(good).encode() + b"\n", first=True)
check("Ctrl-C: while it waits", status in (-signal.SIGINT, 128 + signal.SIGINT) and len(results) == 1, status, err)

# ---- probabilities ----

done = run("--json", "--show-probs", "--alternatives", "3", "--temp", "0", FRANCE)
result = json.loads(done.stdout)
tokens = result["tokens"]
check("probabilities: a record a token, and the end", len(tokens) == result["generated_tokens"] + 1, result)
check("probabilities: the text", "".join(t["text"] for t in tokens[:-1]) == result["text"], result)
for token in tokens:
    probs = [t["prob"] for t in token["top"]]
    check("probabilities: order", len(probs) == 3 and probs == sorted(probs, reverse=True) and sum(probs) <= 1.00001, token)
    check("probabilities: greedy", token["id"] == token["top"][0]["id"] and token["prob"] == probs[0], token)
hot = json.loads(run("--json", "--alternatives", "3", "--temp", "9", "--top-k", "1", FRANCE).stdout)
check("probabilities: of the model, not of the sampler", hot["tokens"] == tokens, hot)
plain = json.loads(run("--json", "--temp", "0", FRANCE).stdout)
check("probabilities: only if asked for", "tokens" not in plain and plain["text"] == result["text"], plain)
some = json.loads(run("--json", "--show-probs", "--temp", "0", FRANCE).stdout)
check("probabilities: no alternatives unless asked for",
      some["tokens"] == [{k: t[k] for k in t if k != "top"} for t in tokens], some)
pieces = [json.loads(line) for line in run("--jsonl", "--alternatives", "3", "--temp", "0", FRANCE).stdout.splitlines()]
check("probabilities: --jsonl", sum((p["tokens"] for p in pieces), []) == tokens, pieces)
results, status, err = batch([{"prompt": FRANCE, "alternatives": 3}, {"prompt": FRANCE, "show_probs": True}], "--temp", "0")
check("probabilities: --batch", [r["tokens"] for r in results] == [tokens, some["tokens"]], results)
done = run("--raw", "--json", "--show-probs", "--ignore-eos", "-n", "40", "--temp", "5", "--top-k", "0", "--top-p", "1",
           "--min-p", "0", "--seed", "1", "\U0001f600")
tokens = json.loads(done.stdout)["tokens"]
broken = [t for t in tokens if "bytes" in t]
check("probabilities: bytes where there is no text", broken and all(
    bytes(t["bytes"]).decode(errors="replace") for t in broken), tokens)

done = run("--alternatives", "2", "--temp", "0", FRANCE)
check("alternatives: the text", done.stdout.decode().strip() == result["text"], done)
lines = done.stderr.decode().splitlines()
check("alternatives: a line a token", len(lines) == len(result["tokens"]) and all("%" in l for l in lines), lines)
done = run("--show-probs", "--temp", "0", FRANCE)
check("colours: none in a pipe", done.stdout.decode().strip() == result["text"] and b"colour" in done.stderr, done)
done = run("--show-probs", "--color=always", "--temp", "0", FRANCE)
check("colours: asked for", b"\x1b[32m" in done.stdout and done.stdout.count(b"\x1b[") == 2 * result["generated_tokens"], done)


def on_terminal(*arguments, **environment):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", **environment)
        os.execvp(program[0], program + ["run", "-m", model, *arguments])
    out = b""
    try:
        while chunk := os.read(fd, 4096):
            out += chunk
    except OSError:
        pass
    os.waitpid(pid, 0)
    return out


out = on_terminal("--show-probs", "--temp", "0", FRANCE)
check("colours: on a terminal", b"\x1b[32m" in out and b"probability" in out, out)
out = on_terminal("--show-probs", "--temp", "0", FRANCE, NO_COLOR="1")
check("colours: NO_COLOR", b"\x1b[3" not in out, out)

# ---- any bytes ----

for name, bytes_in in (("NULs", b"\0" * 3), ("invalid UTF-8", b"\xff\xc0\xed\xa0\x80\xe2\x82"), ("BOM", b"\xef\xbb\xbfhi"),
                       ("escapes", b"\x1b]0;x\x07")):
    done = run("-n", "2", "--json", input=bytes_in)
    check("standard input: %s" % name, done.returncode == 0 and json.loads(done.stdout)["generated_tokens"] <= 2, done)
    done = run("--raw", "--echo", "-n", "1", "-f", "-", input=bytes_in)
    check("standard input: %s, unchanged" % name, done.returncode == 0 and done.stdout.startswith(bytes_in), done)
done = run("-n", "2", input=b"\n" * 100)
check("standard input: nothing but newlines", done.returncode == 2 and b"empty" in done.stderr, done)

print("pipes.py: %d passed, %d failed" % (passed, failed))
sys.exit(failed > 0)
