"""tern run between other programs, and on a terminal: requests and results as JSON, probabilities, writers that are slow,
readers that go away, input of any bytes."""
import json
import os
import pty
import signal
import subprocess
import sys
import time

import lib
from lib import check

lib.on_this_cpu()
RUN = ("run", "-m", lib.MODEL)
TIMES = ("prompt_ms", "generate_ms")
FRANCE = "What is the capital of France?"
GOOD = {"prompt": "hi", "predict": 1}
ENDLESS = {"prompt": "Once", "raw": True, "ignore_eos": True}


def run(*arguments, input=b""):
    return lib.tern(*RUN, *arguments, input=input)


def run_json(*arguments):
    return json.loads(run("--json", *arguments).stdout)


def start(*arguments, **more):
    streams = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return subprocess.Popen([*lib.RUN, lib.TERN, *RUN, *arguments], **{**streams, **more})


def line_of(request):
    return request if isinstance(request, bytes) else json.dumps(request).encode()


def results_of(output):
    return [json.loads(line) for line in output.splitlines()]


def batch(requests, *arguments):
    """Results of requests (objects, or lines as bytes), the exit status and standard error."""
    done = run("--batch", "-", *arguments, input=b"\n".join(map(line_of, requests)))
    return results_of(done.stdout), done.returncode, done.stderr


def said(result):
    """A result without what differs from run to run."""
    return {key: result[key] for key in result if key not in TIMES + ("cached_tokens", "guessed_tokens", "accepted_tokens", "id")}


# ---- --batch: the same answers as from runs of their own, in order ----

REQUESTS = [
    {"id": 1, "prompt": FRANCE, "temp": 0},
    {"id": "two", "messages": [{"role": "user", "content": "What is the capital of Peru?"}], "temperature": 0},
    {"id": None, "prompt": "Once upon a time", "raw": True, "seed": 5, "max_tokens": 30, "top_k": 0, "top_p": 1},
    {"id": True, "prompt": "Once upon a time", "raw": True, "seed": 5, "n_predict": 30, "repeat_penalty": 1.3},
    {"prompt": "Tell me a story about a fox.", "seed": 2**64 - 1, "predict": 20, "stop": ["QQQ", "."]},
    {"prompt": "Tell me a story about a fox.", "seed": 7, "predict": 20, "stop": ".", "min_p": 0.2, "repeat_last_n": 8},
    {"prompt": "Once upon a time. Once upon a time. Once", "raw": True, "seed": 5, "predict": 60, "ignore_eos": True},
    {"prompt": "a\0b", "temp": 0, "predict": 4, "ignore_eos": True, "show_special": True},
    {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": ""},
                  {"role": "user", "content": FRANCE}], "temp": 0},
]


def check_batch():
    results, status, err = batch(REQUESTS)
    check("batch: all good", status == 0 and err == "" and len(results) == len(REQUESTS), status, err, results)
    for request, result in zip(REQUESTS, results):
        check("batch: id", result.get("id", "none") == request.get("id", "none"), request, result)
        alone, status, err = batch([request], *(["--seed", str(result["seed"])] if "seed" not in request else []))
        check("batch: the same alone", said(alone[0]) == said(result), alone, result)
    check("batch: an answer", results[0]["text"] in ("Paris is the capital of France.", "The capital of France is Paris."))
    check("batch: prompts that begin alike are kept", results[1]["cached_tokens"] >= 5, results[1])
    check("batch: all settings", results[2]["text"] != results[3]["text"], results[2:4])
    check("batch: stop", results[4]["finish_reason"] in ("stop_string", "length"), results[4])
    single = run_json("--temp", "0", "--seed", str(results[0]["seed"]), FRANCE)
    check("batch: the same as run --json", said(results[0]) == said(single), results[0], single)
    plain, status, err = batch([dict(request, lookup=0) for request in REQUESTS], "--seed", str(results[0]["seed"]))
    check("batch: without guesses", all(r["guessed_tokens"] == 0 for r in plain), plain)
    check("batch: the same without guesses", plain[5]["text"] == results[5]["text"], plain[5], results[5])
    results, status, err = batch([{"prompt": FRANCE}, {"prompt": FRANCE, "predict": 2}], "--temp", "0", "-n", "3")
    check("batch: the command line's settings", [r["generated_tokens"] for r in results] == [3, 2], results)


# ---- --batch: what goes wrong concerns one line ----

# A request, the status of its error, and what the message says.
BAD_REQUESTS = [
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


def check_bad_requests():
    requests = [request for bad, _, _ in BAD_REQUESTS for request in (bad, GOOD)]
    requests[-1] = b"\r\n \t\n" + line_of(GOOD)
    results, status, err = batch(requests, "-c", "300")
    n_bad, n = len(BAD_REQUESTS), len(requests)
    check("batch: a line for each request", status == 1 and len(results) == n, status, err, len(results))
    check("batch: how many failed", f"{n_bad} of {n}" in err and err.count("\n") == 1, err)
    for i, (line, status, part) in enumerate(BAD_REQUESTS):
        error = results[2 * i].get("error", {})
        check("batch: refused", error.get("line") == 2 * i + 1 and error.get("status") == status
              and part in error.get("message", ""), line, results[2 * i])
        check("batch: the next one is done", results[2 * i + 1].get("generated_tokens") == 1, results[2 * i + 1])
    long = b'{"prompt": "' + b"x" * (17 << 20) + b'"}'
    results, status, err = batch([long, GOOD])
    check("batch: a line too long", results[0]["error"]["status"] == 4 and "text" in results[1], results)
    results, status, err = batch([{"id": "a", "prompt": "x", "typo": 1}, {"id": -1.50e3, "prompt": "x", "typo": 1}])
    check("batch: id of an error", [r["id"] for r in results] == ["a", -1500], results)


def check_batch_options():
    for arguments in (["--json"], ["--jsonl"], ["--echo"], ["-p", "x"], ["x"], ["-f", "x"]):
        done = run("--batch", "-", *arguments)
        check(f"batch: not with {arguments[0]}", done.returncode == 2 and "--batch" in done.stderr, done)
    done = run("--batch", lib.path("nothing-here"))
    check("batch: no such file", done.returncode == 3 and "nothing-here" in done.stderr, done)
    done = run("--batch", "-")
    check("batch: nothing to do", done.returncode == 0 and done.stdout == b"" and done.stderr == "", done)
    with open(lib.path("requests"), "wb") as file:
        file.write(line_of(GOOD) + b"\n")
    done = run("--batch", lib.path("requests"))
    check("batch: a file", done.returncode == 0 and b'"text"' in done.stdout, done)


# ---- a writer that is slow, a reader that goes away, Ctrl-C ----

def write_slowly(talk, *pieces):
    for piece in pieces:
        talk.stdin.write(piece)
        talk.stdin.flush()
        time.sleep(0.05)


def check_slow_writers():
    talk = start("--batch", "-")
    for i in range(3):
        line = line_of({"id": i, "prompt": "hi", "predict": 2}) + b"\n"
        write_slowly(talk, line[:9], line[9:])
        check("slow writer: a result for each line", json.loads(talk.stdout.readline())["id"] == i)
    talk.stdin.write(line_of(GOOD))
    out, err = talk.communicate(timeout=60)
    check("slow writer: a last line without its end", json.loads(out)["generated_tokens"] == 1, out, err)
    check("slow writer: status", talk.returncode == 0 and err == b"", talk.returncode, err)
    talk = start("--raw", "--echo", "-n", "1", "-f", "-")
    write_slowly(talk, b"Once", b" upon", b" a t", b"ime")
    out, err = talk.communicate(timeout=60)
    check("slow writer: the whole prompt", out.startswith(b"Once upon a time") and talk.returncode == 0, out, err)


def check_pipes_that_do_not_block():
    """As another program leaves them that shares them: empty for a while, full for a while."""
    for command in (["run", "-n", "1", "-f", "-"], ["tokenize", "-f", "-"], ["embed", "-f", "-"],
                    ["eval", "-c", "16", "-f", "-"], ["run", "-n", "1", "--batch", "-"]):
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        talk = subprocess.Popen([*lib.RUN, lib.TERN, command[0], "-m", lib.MODEL, *command[1:]], stdin=ours,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.close(ours)
        time.sleep(0.3)
        os.write(theirs, line_of(GOOD) + b"\n" if "--batch" in command else b"Once upon a time there was a fox. " * 4)
        os.close(theirs)
        out, err = talk.communicate(timeout=60)
        check(f"an empty pipe that does not block: {command}", talk.returncode == 0 and out, talk.returncode, out, err)
    text = b"Once upon a time there was a fox.\n" * 6000
    wanted = lib.tern("tokenize", "-m", lib.MODEL, "-f", "-", input=text).stdout
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with open(lib.path("text"), "wb") as file:
        file.write(text)
    talk = subprocess.Popen([*lib.RUN, lib.TERN, "tokenize", "-m", lib.MODEL, "-f", lib.path("text")], stdout=theirs,
                            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    os.close(theirs)
    time.sleep(1)  # the pipe is full by now
    with open(ours, "rb") as file:
        out = file.read()
    err = talk.stderr.read()
    check("a full pipe that does not block", talk.wait(60) == 0 and out == wanted and len(out) > 1 << 17,
          talk.returncode, len(out), len(wanted), err)


def check_readers_that_leave():
    lasting = (line_of({**ENDLESS, "predict": 500}) + b"\n") * 100
    for arguments, input in ((["--batch", "-"], lasting), (["--jsonl", "--raw", "--ignore-eos", "-c", "50000"], b"Once")):
        with open(lib.path("input"), "wb") as file:
            file.write(input)
        with open(lib.path("input"), "rb") as file:
            talk = start(*arguments, "-q", stdin=file)
        talk.stdout.readline()
        talk.stdout.close()
        err = talk.stderr.read()
        check("reader leaves: killed by SIGPIPE, silently",
              talk.wait(60) in (-signal.SIGPIPE, 128 + signal.SIGPIPE) and err == b"", arguments, talk.returncode, err)


def interrupt(*arguments, requests, seconds=0.5):
    """Starts a batch, waits for its first result, interrupts it later, and returns results, status and error."""
    talk = start("--batch", "-", *arguments, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    talk.stdin.write(b"".join(line_of(request) + b"\n" for request in requests))
    talk.stdin.flush()
    out = talk.stdout.readline()
    time.sleep(seconds)
    talk.send_signal(signal.SIGINT)
    more, err = talk.communicate(timeout=60)
    return results_of(out + more), talk.returncode, err


def check_interrupts():
    interrupted = (-signal.SIGINT, 128 + signal.SIGINT)
    for seconds in (0.5, 2, 10):  # on a slow machine the second request may not have begun
        results, status, err = interrupt("-q", "-c", "50000", requests=[GOOD, ENDLESS, GOOD], seconds=seconds)
        check("Ctrl-C: status", status in interrupted and err == b"", status, err)
        if len(results) > 1:
            break
    check("Ctrl-C: what there was", [r["finish_reason"] for r in results] == ["length", "interrupted"], results)
    results, status, err = interrupt(requests=[GOOD])
    check("Ctrl-C: while it waits", status in interrupted and len(results) == 1, status, err)


# ---- probabilities ----

def check_probabilities():
    result = run_json("--show-probs", "--alternatives", "3", "--temp", "0", FRANCE)
    tokens = result["tokens"]
    check("probabilities: a record a token, and the end", len(tokens) == result["generated_tokens"] + 1, result)
    check("probabilities: the text", "".join(t["text"] for t in tokens[:-1]) == result["text"], result)
    for token in tokens:
        probs = [t["prob"] for t in token["top"]]
        check("probabilities: order", len(probs) == 3 and probs == sorted(probs, reverse=True) and sum(probs) <= 1.00001,
              token)
        check("probabilities: greedy", token["id"] == token["top"][0]["id"] and token["prob"] == probs[0], token)
    hot = run_json("--alternatives", "3", "--temp", "9", "--top-k", "1", FRANCE)
    check("probabilities: of the model, not of the sampler", hot["tokens"] == tokens, hot)
    plain = run_json("--temp", "0", FRANCE)
    check("probabilities: only if asked for", "tokens" not in plain and plain["text"] == result["text"], plain)
    some = run_json("--show-probs", "--temp", "0", FRANCE)
    check("probabilities: no alternatives unless asked for",
          some["tokens"] == [{k: t[k] for k in t if k != "top"} for t in tokens], some)
    pieces = results_of(run("--jsonl", "--alternatives", "3", "--temp", "0", FRANCE).stdout)
    check("probabilities: --jsonl", sum((p["tokens"] for p in pieces), []) == tokens, pieces)
    results, status, err = batch([{"prompt": FRANCE, "alternatives": 3}, {"prompt": FRANCE, "show_probs": True}],
                                 "--temp", "0")
    check("probabilities: --batch", [r["tokens"] for r in results] == [tokens, some["tokens"]], results)
    wild = run_json("--raw", "--show-probs", "--ignore-eos", "-n", "40", "--temp", "5", "--top-k", "0", "--top-p", "1",
                    "--min-p", "0", "--seed", "1", "\U0001f600")
    broken = [t for t in wild["tokens"] if "bytes" in t]
    check("probabilities: bytes where there is no text", broken and all(
        bytes(t["bytes"]).decode(errors="replace") for t in broken), wild)
    check_shown_probabilities(result)


def check_shown_probabilities(result):
    """The text of the same answer with lines of alternatives, or in colors."""
    done = run("--alternatives", "2", "--temp", "0", FRANCE)
    check("alternatives: the text", done.stdout.decode().strip() == result["text"], done)
    lines = done.stderr.splitlines()
    check("alternatives: a line a token", len(lines) == len(result["tokens"]) and all("%" in l for l in lines), lines)
    done = run("--show-probs", "--temp", "0", FRANCE)
    check("colors: none in a pipe", done.stdout.decode().strip() == result["text"] and "color" in done.stderr, done)
    done = run("--show-probs", "--color=always", "--temp", "0", FRANCE)
    check("colors: asked for",
          b"\x1b[32m" in done.stdout and done.stdout.count(b"\x1b[") == 2 * result["generated_tokens"], done)


# ---- on a terminal: what a model or a prompt prints cannot steer it, and nobody is kept waiting for input ----

def on_terminal(*arguments, **environment):
    """Everything written, and the exit status."""
    pid, fd = pty.fork()
    if pid == 0:
        try:
            os.environ.update(TERM="xterm", **environment)
            command = [*lib.RUN, lib.TERN, *RUN, *arguments]
            os.execvp(command[0], command)
        finally:
            os._exit(127)
    out = b""
    try:
        while chunk := os.read(fd, 4096):
            out += chunk
    except OSError:
        pass
    os.close(fd)
    return out, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def check_terminals():
    out, _ = on_terminal("--show-probs", "--temp", "0", FRANCE)
    check("colors: on a terminal", b"\x1b[32m" in out and b"probability" in out, out)
    out, _ = on_terminal("--show-probs", "--temp", "0", FRANCE, NO_COLOR="1")
    check("colors: NO_COLOR", b"\x1b[3" not in out, out)
    out, _ = on_terminal("--raw", "--echo", "-n", "1", b"a\x1b[31m\x07\xc2\x9b\xe2\x80\xaeb")
    check("terminal: control characters are shown, not sent", rb"a\x1b[31m\x07\x9b\u202eb" in out, out)
    out, status = on_terminal()
    check("terminal: no prompt, no waiting", status == 2, status, out)
    out, _ = on_terminal("-n", "2", "-v", "hi")
    check("terminal: color", b"\x1b[2mprompt" in out, out)
    out, _ = on_terminal("-n", "2", "-v", "hi", NO_COLOR="1")
    check("terminal: NO_COLOR", out and b"\x1b" not in out, out)


# ---- any bytes in, JSON out ----

def check_bytes():
    for name, data in (("NULs", b"\0" * 3), ("invalid UTF-8", b"\xff\xc0\xed\xa0\x80\xe2\x82"), ("BOM", b"\xef\xbb\xbfhi"),
                       ("escapes", b"\x1b]0;x\x07")):
        done = run("-n", "2", "--json", input=data)
        check(f"standard input: {name}", done.returncode == 0 and json.loads(done.stdout)["generated_tokens"] <= 2, done)
        done = run("--raw", "--echo", "-n", "1", "-f", "-", input=data)
        check(f"standard input: {name}, unchanged", done.returncode == 0 and done.stdout.startswith(data), done)
    done = run("-n", "2", input=b"\n" * 100)
    check("standard input: nothing but newlines", done.returncode == 2 and "empty" in done.stderr, done)


def is_json(output):
    try:
        return json.loads(output) is not None
    except ValueError:
        return False


def check_json():
    broken = "Hello, wörld!\n\ttab\\ 日本 <|end|>".encode() + b"\377\300broken\355\240\200"
    story = run("--raw", "--ignore-eos", "-n", "700", "--seed", "1", "Once upon a time").stdout
    eval_json = ("eval", "-m", lib.MODEL, "-c", "64", "--chunks", "1", "--json")
    for name, done in (
            ("run --json", run("--json", "-n", "30", "Tell me a story.")),
            ("run --json of broken text", run("--json", "--echo", "--raw", "-n", "2", "-f", "-", input=broken)),
            ("info --json", lib.tern("info", lib.MODEL, "--json", "--tensors", "--verify")),
            ("info --json --key", lib.tern("info", lib.MODEL, "--json", "--key", "tokenizer.ggml.tokens")),
            ("eval --json", lib.tern(*eval_json, input=story))):
        check(f"{name} is JSON", is_json(done.stdout), done)
    done = run("--jsonl", "-n", "30", "Tell me a story.")
    check("run --jsonl is JSON, line by line", done.stdout and all(map(is_json, done.stdout.splitlines())), done)


for test in (check_batch, check_bad_requests, check_batch_options, check_slow_writers,
             check_pipes_that_do_not_block, check_readers_that_leave, check_interrupts, check_probabilities,
             check_terminals, check_bytes, check_json):
    test()
sys.exit(lib.summary())
