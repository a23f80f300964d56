"""`tern chat` as a person at a terminal meets it, on the model that ships."""
import os
import re
import signal
import stat
import sys
import tempfile
import termios

import lib
from support import terminal

lib.on_this_cpu()

CHAT = [*lib.RUN, lib.TERN, "chat", "-m", lib.MODEL]
CTRL = {letter: chr(ord(letter) & 31) for letter in "acdgjlorz"}
UP = "\x1b[A"
QUESTION, ANSWER = "What is the capital of France?", "Paris is the capital of France."
# An answer that goes on and on: past the end of the text, in a context of this many tokens.
ENDLESS = ("--ignore-eos", "--temp", "0.8", "-c", "100000")


def start(*arguments, columns=90, rows=30, prompt=True, cwd=None, **env):
    environment = {"TERN_HISTORY": "", "TERN_MODEL": None, "VISUAL": None, "EDITOR": None, **env}
    t = terminal.Terminal([*CHAT, *arguments], columns, rows, environment, cwd)
    if prompt:
        t.wait(lambda: t.last_line() == ">", "the prompt")
    return t


def ask(t, text):
    """Types a message and waits for the next prompt."""
    t.send(text + "\r")
    t.wait(lambda: text in t.text() and t.last_line() == ">", f"the answer to {text!r}")


def is_talking(t):
    """The model has begun to answer: text has come after the message, not only a warning."""
    rows = [row for row in t.lines() if not row.startswith("tern: ")]
    return len(rows) > 2 and not rows[-1].startswith(">")


def leave(t):
    t.send(CTRL["d"])
    assert t.finish() == 0 and t.is_restored()


def test_first_minute():
    with start("--temp", "0") as t:
        assert "/help" in t.lines()[0] and "Ctrl-C" in t.lines()[0], t.lines()
        ask(t, QUESTION)
        t.expect(t.lines()[0], "> " + QUESTION, ANSWER, "", ">", cursor=(4, 2))
        t.send("/cle\t")
        t.wait(lambda: t.last_line().startswith("> /clear"))
        t.send("\r")
        t.wait("(the conversation is forgotten)")
        t.send("/he\t\r")
        t.wait("/regen")
        t.send("/set top\t")
        t.wait(lambda: "/set top_" in t.last_line() or "top_k" in t.text(), "the settings that begin so")
        t.send(CTRL["c"] + "/nonsense\r")
        t.wait("unknown command '/nonsense'")
        t.send(CTRL["c"])
        t.wait("to leave: Ctrl-D")
        leave(t)


def test_interrupts_at_the_prompt():
    with start() as t:
        t.send("half a line" + CTRL["c"])
        t.wait("half a line^C")
        t.send(CTRL["c"])
        t.wait("(to leave: Ctrl-D, /bye, or Ctrl-C again)")
        ask(t, "/bye?")  # no command, and in between the count begins anew
        t.send(CTRL["c"])
        t.settle()
        assert t.status is None
        t.send(CTRL["c"])
        assert t.finish() == -signal.SIGINT and t.is_restored()


def test_stopping_an_answer():
    with start(*ENDLESS) as t:
        t.send("Tell me a story about a fox.\r")
        t.wait(lambda: is_talking(t), "the answer")
        t.send("typed ahead")
        t.send(CTRL["c"])
        t.wait(lambda: "^C" in t.text() and t.last_line() == "> typed ahead", "the end of the answer")
        assert "typed ahead" not in "\n".join(t.lines()[:-1]), t.lines()
        t.send(CTRL["c"] + "/context\r")
        t.wait("2 messages")  # what it said so far is part of the conversation
        t.send("/undo\r")
        t.wait("(0 exchanges left)")
        # While it reads, and even before it has begun to; the message is there again afterwards.
        t.paste("a long word " * 1700)
        n_prompts = t.output.count(b"\x1b[?2004h")
        t.send("\r" + CTRL["c"])
        t.wait(lambda: t.output.count(b"\x1b[?2004h") > n_prompts and t.last_line().endswith("a long word"),
               "the message again")
        t.send(CTRL["c"])
        t.send("/context\r")
        t.wait("nothing has been said yet")
        leave(t)


LONG = "a long word " * 1700


def test_stopped_messages():
    """A message that comes back to the prompt is the same message when it is sent again: no command."""
    with start("-c", "100000") as t:
        for typed, first in (("//help me " + LONG, "//help me"), ("////x " + LONG, "////x"),
                             (f'"""\n/help me {LONG}\n"""', "//help me"),
                             (f'"""\n/help me {LONG}\\\n"""', '"""'), ("/usr/bin " + LONG, "/usr/bin")):
            for _ in range(2):
                if typed:
                    t.paste(typed)
                    typed = ""
                n_prompts = t.output.count(b"\x1b[?2004h")
                t.send("\r" + CTRL["c"])
                t.wait(lambda: t.output.count(b"\x1b[?2004h") > n_prompts, "the message again")
                t.send("\x1b<")
                t.wait(lambda: t.lines()[0].startswith("> " + first), f"a message that begins {first}")
            t.send(CTRL["c"] + "/context\r")
            t.wait("nothing has been said yet")
            t.send(CTRL["l"])
        leave(t)


def test_stopped_messages_without_an_editor():
    """What cannot be shown does not wait for the next line."""
    with start("-c", "100000", TERM="dumb", prompt=False) as t:
        t.wait(">")
        for i in range(40):
            t.send("a long word " * 100 + "\\\r")
            t.wait(lambda: t.output.count(b"\n  ") > i, "a prompt for more")
        t.send("the end\r")
        t.settle()
        t.send(CTRL["c"])
        t.wait(lambda: t.last_line() == ">", "the prompt")
        t.send("/context\r")
        t.wait("nothing has been said yet")
        t.send(CTRL["d"])
        assert t.finish() == 0


def test_suspending_and_resizing():
    with start(*ENDLESS) as t:
        t.send("Tell me a story about a fox.\r")
        t.wait(lambda: is_talking(t), "the answer")
        t.send(CTRL["z"])
        t.wait_for_stop()
        assert t.is_restored(), "stopped while it talks"
        before = len(t.output)
        t.resume()
        t.wait(lambda: len(t.output) > before + 50, "more of the answer")
        for columns in (40, 15, 70):
            t.resize(columns, 20)
            before = len(t.output)
            t.wait(lambda: len(t.output) > before + 50, "more of the answer")
        t.send(CTRL["c"])
        t.wait(lambda: t.last_line() == ">", "the prompt")
        t.send("ab" + CTRL["z"])
        t.wait_for_stop()
        assert t.is_restored(), "stopped at the prompt"
        t.resume()
        t.wait(lambda: not t.is_restored() and t.last_line() == "> ab", "the line again")
        t.send(CTRL["c"])
        leave(t)


def test_death():
    """However it ends, the terminal is as before, also while it talks."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        with start(*ENDLESS) as t:
            t.send("Tell me a story.\r")
            t.wait(lambda: is_talking(t), "the answer")
            t.signal(number)
            assert t.finish() == -number and t.is_restored()
    with start() as t:
        t.signal(signal.SIGTERM)
        assert t.finish() == -signal.SIGTERM and t.is_restored()


def test_noise():
    """Tokens drawn from all there are, bytes and control characters among them: whole characters reach the screen, and
    nothing that steers it."""
    with start("-q", "--temp", "100", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--ignore-eos", "-n", "400",
               "--seed", "3") as t:
        talking, prompting = b"\x1b[?2004l", b"\x1b[?2004h"
        t.send("x\r")
        t.wait(lambda: "> x" in t.text() or len(t.lines()) > 6, "the answer")
        t.wait(lambda: t.last_line() == ">" and t.output.rfind(prompting) > t.output.rfind(talking), "its end")
        said = t.output[t.output.rindex(talking) + len(talking):t.output.rindex(prompting)].decode()
        harmful = [c for c in said if (ord(c) < 32 and c not in "\r\n\t") or 0x7f <= ord(c) < 0xa0 or
                   0x202a <= ord(c) <= 0x202e]
        assert not harmful, harmful
        assert re.search(r"\\x[0189][0-9a-f]", said), "no control character came; choose another seed"


def test_files_and_confirmation():
    with tempfile.TemporaryDirectory() as folder, start("--temp", "0", cwd=folder) as t:
        with open(os.path.join(folder, "notes.txt"), "w") as file:
            file.write("precious")
        ask(t, QUESTION)
        t.send("/save not\t\r")
        t.wait("notes.txt exists already. Overwrite it? [y/N]")
        t.send("no\r")
        t.wait(lambda: t.last_line() == ">")
        with open(os.path.join(folder, "notes.txt")) as file:
            assert file.read() == "precious"
        t.send("/export notes.txt\r")
        t.wait(lambda: t.last_line().endswith("Overwrite it? [y/N]"))
        t.send("y\r")
        t.wait("(written: notes.txt)")
        t.send("/save talk.jsonl\r")
        t.wait("(saved: talk.jsonl")
        t.send("/clear\r/load tal\t\r")
        t.wait("(talk.jsonl: 1 exchange)")
        ask(t, "/regen")
        assert t.text().count(ANSWER) == 2, t.text()
        with open(os.path.join(folder, "notes.txt")) as file:
            assert file.read() == f"user:\n{QUESTION}\n\nassistant:\n{ANSWER}\n"
        leave(t)


ASKED = "Overwrite it? [y/N]"


def test_answers_to_a_question():
    """Every key means in an answer what it means in a message, and none of them is left for the next one."""
    with tempfile.TemporaryDirectory() as folder, start("--temp", "0", cwd=folder) as t:
        notes = os.path.join(folder, "no\x1b[2Jtes")
        with open(notes, "w") as file:
            file.write("precious")
        ask(t, QUESTION)
        for answer in (UP + "\t" + CTRL["g"] + "\r", CTRL["c"], "y" + CTRL["c"], CTRL["d"], "no\r", "\r"):
            t.send(CTRL["l"] + "/export no\t\r")
            t.wait(lambda: t.last_line().endswith("no\\x1b[2Jtes exists already. " + ASKED), "the question")
            t.resize(89, 30)
            t.send(CTRL["z"])
            t.wait_for_stop()
            t.resume()
            t.resize(90, 30)
            t.wait(lambda: t.last_line().endswith(ASKED) and not t.is_restored(), "the question again")
            t.send(answer)
            t.wait(lambda: t.last_line() == ">", f"the prompt after {answer!r}")
            t.send("/context\r")
            t.wait(lambda: "2 messages" in t.text() and t.last_line() == ">", "a command after it")
        with open(notes) as file:
            assert file.read() == "precious"
        t.send("/export no\t\ryou are great\r")  # meant for the model
        t.wait(lambda: "you are great" in t.text() and t.last_line() == ">", "the prompt after a message as answer")
        with open(notes) as file:
            assert file.read() == "precious"
        t.send("/export no\t\ryes\r" + UP)  # typed ahead; the answer is no message of the history
        t.wait("(written: ")
        t.wait(lambda: t.last_line().startswith("> /export no"), "the message before the answer")
        with open(notes) as file:
            assert file.read() != "precious"
        t.send(CTRL["c"])
        leave(t)


def test_answers_without_an_editor():
    with tempfile.TemporaryDirectory() as folder, start("--temp", "0", TERM="dumb", prompt=False, cwd=folder) as t:
        with open(os.path.join(folder, "notes"), "w") as file:
            file.write("precious")
        t.send(QUESTION + "\r")
        t.wait(lambda: ANSWER in t.text() and t.last_line() == ">", "the answer")
        for i, answer in enumerate((CTRL["c"], CTRL["d"], "no\r", "\r")):
            t.send("/export notes\r")
            t.wait(lambda: t.last_line().endswith(ASKED), "the question")
            t.send(answer)
            t.wait(lambda: t.last_line() == ">", f"the prompt after {answer!r}")
            t.send(f"/help edit{i}\r")
            t.wait(f"no help for 'edit{i}'")
        t.send("/export notes\r")
        t.wait(lambda: t.last_line().endswith(ASKED), "the question")
        t.send("y\r")
        t.wait("(written: notes)")
        t.send(CTRL["d"])
        assert t.finish() == 0


def test_editor():
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "edit me")
        with open(script, "w") as file:
            file.write("#!/bin/sh\ntest -t 0 || exit 1\nstty -a | grep -q ' icanon' || exit 2\n"
                       "sed -i.old 's/Peru/France/' \"$1\"\n")
        os.chmod(script, stat.S_IRWXU)
        with start("--temp", "0", EDITOR=f"'{script}'", TMPDIR=folder) as t:
            t.send("What is the capital of Peru?" + CTRL["g"])
            t.wait(lambda: t.last_line() == "> " + QUESTION, "the edited message")
            t.send("\r")
            t.wait(ANSWER)
            leave(t)
        assert os.listdir(folder) == ["edit me"] or sorted(os.listdir(folder))[0] == "edit me"
        with open(script, "w") as file:
            file.write("#!/bin/sh\nprintf 'What is the capital\\n' >\"$1\"\n")
        with start("--temp", "0", TERM="dumb", prompt=False, EDITOR=f"'{script}'", TMPDIR=folder) as t:
            t.wait(">")
            t.send("/edit\r")
            t.wait(lambda: t.output.endswith(b"> What is the capital\r\n  "), "what was edited, a prompt for more")
            t.send("of France?\r")
            t.wait(lambda: "France is Paris." in t.text() and t.last_line() == ">", "the answer")
            t.send("/edit\r")
            t.wait(lambda: t.output.endswith(b"\n  "), "a prompt for more")
            t.send("\r/context\r")  # an empty line ends it
            t.wait("4 messages")
            t.send(CTRL["d"])
            assert t.finish() == 0
        with start(EDITOR="false") as t:
            t.send("/edit\r")
            t.wait("'false' failed")
            leave(t)
        with open(script, "w") as file:
            file.write("#!/bin/sh\nprintf 'half\\0cut' >\"$1\"\n")
        with start(EDITOR=f"'{script}'", TMPDIR=folder) as t:
            t.send("a draft" + CTRL["g"])
            t.wait("NULs")
            t.wait(lambda: t.last_line() == "> a draft", "the message as it was")
            t.send(CTRL["c"])
            leave(t)


def test_history():
    with tempfile.TemporaryDirectory() as folder:
        history = os.path.join(folder, "history")
        with start("--temp", "0", TERN_HISTORY=history) as t:
            ask(t, QUESTION)
            leave(t)
        with start("--temp", "0", TERN_HISTORY=history) as t:
            t.send(UP)
            t.wait(lambda: t.last_line() == "> " + QUESTION, "the message of the first chat")
            t.send(CTRL["c"] + CTRL["r"] + "capital")
            t.wait(lambda: QUESTION in t.last_line(), "the message found")
            t.send("\r")
            t.wait(ANSWER)
            leave(t)
        os.remove(history)
        with start("--no-history", TERN_HISTORY=history) as t:
            ask(t, "/context")
            leave(t)
        assert not os.path.exists(history)


def test_messages_of_several_lines():
    with start("--temp", "0") as t:
        t.paste("What is the capital\nof France?")
        t.send("\r")
        t.wait("France is Paris.")
        t.send('"""\rfirst\rsecond"""\r')
        t.wait(lambda: t.last_line() == ">")
        t.send("/context\r")
        t.wait("4 messages")
        leave(t)


def test_continuation_lines():
    """They begin with blanks: nothing is copied along with the text."""
    with start() as t:
        t.send("first\\\rsecond\x0athird")
        t.wait(lambda: t.lines()[-3:] == ["> first", "  second", "  third"], "three lines")
        t.send(CTRL["c"])
        leave(t)
    with start(TERM="dumb", prompt=False) as t:
        t.wait(">")
        t.send("first\\\r")
        t.wait(lambda: t.output.endswith(b"\n  "), "two blanks")
        t.send(CTRL["c"])
        t.wait(lambda: t.last_line() == ">", "the prompt")
        t.send(CTRL["d"])
        assert t.finish() == 0


def story(t, folder, stop=False):
    """Has a story told: its rows on the screen - the last ones, if it is longer - and the text of it that is saved."""
    t.send("Tell me a story about a fox.\r")
    if stop:
        t.wait(lambda: is_talking(t), "the answer")
        t.send(CTRL["c"])
        t.wait("^C")
    t.wait(lambda: t.last_line() == ">" and ("> Tell me" in t.text() or "^C" in t.text()), "its end")
    rows = t.lines()
    begin = next((i + 1 for i, row in enumerate(rows) if row.startswith("> Tell me")), 0)
    t.send("/export story.txt\r")
    t.wait(lambda: os.path.exists(os.path.join(folder, "story.txt")) and t.last_line() == ">")
    with open(os.path.join(folder, "story.txt")) as file:
        text = file.read().split("assistant:\n")[-1]
    return rows[begin:-2], text.removesuffix("\n")


STORY = ("-q", "--temp", "0.8", "--seed", "1", "-n", "60")


def test_wrapping():
    """Rows end at spaces, as late as possible; the saved text has no newlines but its own, and nothing is lost."""
    for n_columns in (90, 40, 33):
        with tempfile.TemporaryDirectory() as folder, \
                start(*STORY, columns=n_columns, rows=60, cwd=folder) as t:
            rows, text = story(t, folder)
            assert "\n" not in text and len(rows) > len(text) // n_columns, text
            assert " ".join(rows) == text, rows
            for row, after in zip(rows, rows[1:]):
                assert len(row) + 1 + len(after.split()[0]) > n_columns, rows
            leave(t)


def test_wrapping_off():
    with tempfile.TemporaryDirectory() as folder, start(*STORY, columns=50, rows=60, cwd=folder) as t:
        t.send("/set wrap\r")
        t.wait(lambda: re.search(r"^wrap +on$", t.text(), re.M))
        t.send("/set wrap maybe\r")
        t.wait("wrap: 'maybe' is neither on nor off")
        t.send("/set wrap off\r/set wrap\r")
        t.wait(lambda: re.search(r"^wrap +off$", t.text(), re.M))
        rows, text = story(t, folder)
        assert [row.ljust(50) for row in rows] == [text[i:i + 50].ljust(50) for i in range(0, len(text), 50)], rows
        leave(t)


def test_wrapping_and_stopping():
    """Whenever an answer is stopped, also in the middle of a word, all of it is on the screen."""
    for seed in "123":
        with tempfile.TemporaryDirectory() as folder, \
                start("-q", *ENDLESS, "--seed", seed, columns=40, rows=60, cwd=folder) as t:
            rows, text = story(t, folder, stop=True)
            shown = "\n".join(rows)
            words = shown.removesuffix("^C").split()
            assert shown.endswith("^C") and words == text.split()[-len(words):], (rows, text)
            leave(t)


def test_wrapping_and_resizing():
    """After the window has changed, lines are as long as it allows."""
    with start("-q", *ENDLESS, columns=60, rows=10) as t:
        t.send("Tell me a story about a fox.\r")
        t.wait(lambda: is_talking(t), "the answer")
        t.resize(30, 10)
        before = len(t.output)
        t.wait(lambda: len(t.output) > before + 2 * 10 * 30, "another screen of the answer")
        t.send(CTRL["c"])
        t.wait(lambda: "^C" in t.text() and t.last_line() == ">", "its end")
        rows = t.lines()[:7]
        for row, after in zip(rows, rows[1:]):
            assert not row or not after or len(row) + 1 + len(after.split()[0]) > 30, rows
        leave(t)


def test_numbers_that_are_too_large():
    with start() as t:
        t.send("/set top_k 99999999999\r")
        t.wait("top_k: expected a whole number (from 0 to 2147483647), found '99999999999'")
        t.send("/set temp 1000\r")
        t.wait("temp: expected a number (from 0 to 100), found '1000'")
        leave(t)


def test_full_context():
    with start("--temp", "0", "-c", "64") as t:
        for question in (QUESTION, "What is the capital of Peru?", "What is the opposite of hot?"):
            ask(t, question)
        t.wait("(the context of 64 tokens is full: the ")
        assert "The opposite of hot is cold." in t.text(), t.text()
        t.send("word " * 80 + "\r")
        t.wait("the context is 64 (the model allows 1024: -c 1024)")
        leave(t)


def test_a_model_that_does_not_open():
    """The prompt is there before the model is; when it turns out to be none, the terminal is given back."""
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        file.write(b"GGUF\x03\0\0\0")
        file.flush()
        with start("-m", file.name, prompt=False) as t:
            assert t.finish() == 3 and t.is_restored()
            assert re.search(r"^tern: .*gguf: byte 8: ", t.text(), re.M), t.text()


def test_streams():
    """Answers alone go to standard output if that is no terminal."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        argv = ["sh", "-c", f'"$@" >"{out}"', "sh", *CHAT, "--temp", "0"]
        with terminal.Terminal(argv, 90, 30, {"TERN_HISTORY": ""}) as t:
            t.wait(lambda: t.last_line() == ">", "the prompt")
            t.send(QUESTION + "\r")
            t.wait(lambda: t.last_line() == ">" and QUESTION in t.text())
            t.send("/context\r")
            t.wait("2 messages")
            t.send(CTRL["d"])
            assert t.finish() == 0
        with open(out) as file:
            assert file.read() == ANSWER + "\n"


def test_pipes():
    """Ctrl-C reaches every program of a pipeline."""
    for pipe, is_told in (('"$@" | cat', True), ('"$@"', False)):
        with terminal.Terminal(["sh", "-c", pipe, "sh", *CHAT], 90, 30, {"TERN_HISTORY": ""}) as t:
            t.wait(lambda: t.last_line() == ">", "the prompt")
            assert ("tee -i" in t.text()) == is_told, t.text()
            t.send(CTRL["d"])
            assert t.finish() == 0


def test_dumb_and_colorless():
    with start("--temp", "0", TERM="dumb", prompt=False) as t:
        t.wait(">")
        t.send(QUESTION + "\r")
        t.wait(ANSWER)
        t.wait(lambda: t.last_line() == ">", "the prompt again")
        assert b"\x1b" not in t.output and t.text().count(">") == 2, t.output
        assert "> " + QUESTION in t.lines(), "the prompt stays while the model is loaded"
        t.send("/export /dev/null\r")
        t.wait("Overwrite it? [y/N]")
        t.send("\r/context\r")  # Enter is the answer; the line after it is a command
        t.wait("2 messages")
        t.send(CTRL["d"])
        assert t.finish() == 0
    with start("--temp", "0", "-v", NO_COLOR="1") as t:
        ask(t, QUESTION)
        assert not re.search(rb"\x1b\[[0-9;]*m", t.output), t.output
        leave(t)


if __name__ == "__main__":
    sys.exit(lib.run_tests(globals()))
