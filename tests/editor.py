"""The line editor as a person at a terminal meets it: tests/programs/editor_demo on a pseudo-terminal."""
import os
import signal
import sys
import tempfile
import termios
import time

import lib
from support import terminal

lib.on_this_cpu()
lib.no_new_threads()

DEMO = [*lib.RUN, os.path.join(lib.BUILD, "tests/programs/editor_demo")]
CTRL = {letter: chr(ord(letter) & 31) for letter in "abcdefghijklmnopqrstuvwxyz"}
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
HOME, END, DELETE, BACKSPACE = "\x1b[H", "\x1bOF", "\x1b[3~", "\x7f"


def start(*arguments, columns=40, rows=12, **env):
    t = terminal.Terminal([*DEMO, *arguments], columns, rows, {"TERN_HISTORY": "", **env})
    if env.get("TERM") != "dumb":
        t.wait(">")
    return t


def in_time(seconds, prepare, *parts):
    """Types parts of something that belongs together, after prepare(). Again and again until they came within some
    seconds: this script may be put aside for a moment."""
    is_late = True
    while is_late:
        prepare()
        begin = time.monotonic()
        for part in parts:
            part()
        is_late = time.monotonic() - begin > seconds


def test_typing():
    with start() as t:
        t.send("hello wrld" + LEFT * 3 + "o" + HOME + "say " + END + "!")
        t.expect("> say hello world!", cursor=(0, 18))
        t.send("\r")
        t.expect("> say hello world!", "[text say hello world!]", ">", cursor=(2, 2))
        t.send("one two three" + CTRL["w"] + "3" + CTRL["a"] + "\x1bf" + CTRL["k"])
        t.wait(lambda: t.last_line() == "> one", "the first word")
        t.send(CTRL["u"] + "ab" + CTRL["t"] + CTRL["b"] + CTRL["h"] + CTRL["f"] + CTRL["e"] + "z")
        t.wait(lambda: t.last_line() == "> az", "> az")
        t.send(CTRL["y"])
        t.wait(lambda: t.last_line() == "> azone two 3", "what was killed last, in one piece")
        t.send("\x1b[1;5D" + "\x1b\x7f" + "-" + "\x1bd" + BACKSPACE * 7)
        t.wait(lambda: t.last_line() == ">", "all words gone")
        t.send("x" + LEFT + CTRL["d"] + "abc" + CTRL["c"])
        t.expect("> say hello world!", "[text say hello world!]", "> abc^C", "[cleared]", ">")
        t.send(CTRL["c"])
        t.wait("[interrupt]")
        t.send(CTRL["l"])
        t.expect(">", cursor=(0, 2))
        t.send(CTRL["d"])
        assert t.finish() == 0 and t.is_restored()


def test_several_lines():
    with start() as t:
        t.send("a\\\rb\nc\x1b\rd\x1b[13;2ue")
        t.expect("> a", ". b", ". c", ". d", ". e", cursor=(4, 3))
        t.send(UP * 3 + "X" + DOWN + "Y" + "\r")
        t.wait("[text a\\nbX\\ncY\\nd\\ne]")
        t.send('"""\r/no command\\\r"""\r')
        t.wait("[block /no command\\\\]")
        t.send("C:\\\\\r")
        t.wait("[text C:\\\\\\\\]")


def test_wide_characters():
    with start(columns=10) as t:
        t.send("漢字漢字")
        t.expect("> 漢字漢字", cursor=(1, 0))
        t.send(LEFT + BACKSPACE + "é")
        t.expect("> 漢字é字", cursor=(0, 7))
        t.send(END + "xe\u0301漢")
        t.wait(lambda: t.cursor() == (1, 3), "the second row")
        t.send(LEFT * 2 + DELETE)
        t.expect("> 漢字é字x", "漢", cursor=(1, 0))
        t.send(CTRL["c"] + "👨\u200d👩z" + LEFT * 2)
        t.wait(lambda: t.cursor()[1] == 2, "the cursor before the family")
        t.send(DELETE)
        t.wait(lambda: t.last_line() == "> z", "a family deleted")
        t.send(CTRL["u"] + CTRL["k"])
        t.send(b"\xffz\xc3")
        t.wait("> \\xffz\\x")


def test_wrapping():
    with start(columns=10, rows=5) as t:
        t.send("0123456")
        t.expect("> 0123456", cursor=(0, 9))
        t.send("7")
        t.expect("> 01234567", cursor=(1, 0))
        t.send("89" + HOME + "x")
        t.expect("> x0123456", "789", cursor=(0, 3))
        t.send(CTRL["k"])
        t.expect("> x", cursor=(0, 3))
        # Higher than the window: it scrolls inside, and the end is what stays.
        t.send("".join(f"{i}\n" for i in range(8)) + "end")
        t.expect(". 4", ". 5", ". 6", ". 7", ". end", cursor=(4, 5))
        t.send(UP * 8)
        t.expect("> x0", ". 1", ". 2", ". 3", ". 4", cursor=(0, 4))
        t.send(CTRL["c"])
        t.wait("[cleared]")


def test_history():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "history")
        with start(TERN_HISTORY=path) as t:
            t.send("first question\rsecond\\\rlines\r unseen\r")
            t.wait("[text  unseen]")
            t.send("half" + UP)
            t.wait(lambda: t.lines()[-2:] == ["> second", ". lines"], "the last entry")
            t.send(UP)
            t.wait(lambda: t.cursor()[1] == 7, "its first line")
            t.send(UP)
            t.wait(lambda: t.last_line() == "> first question", "the first entry")
            t.send(CTRL["p"] + CTRL["n"] + DOWN)
            t.wait(lambda: t.last_line() == "> half", "the half-written line")
            t.send(CTRL["u"] + CTRL["d"])
            assert t.finish() == 0
        with start(TERN_HISTORY=path) as t:
            t.send(CTRL["r"] + "QUES")
            t.expect("(search: QUES) first question")
            t.send("x")
            t.expect("(not found: QUESx) first question")
            t.send(BACKSPACE + CTRL["h"] * 4 + "e")
            t.expect("(search: e) second", ". lines")
            t.send(CTRL["r"])
            t.expect("(search: e) first question")
            t.send("\x1b")
            t.expect("> first question")
            t.send(END + "!" + CTRL["a"] + CTRL["r"] + "lin")
            t.expect("(search: lin) second", ". lines")
            t.send(CTRL["g"])
            t.expect("> first question!", cursor=(0, 2))
            t.send(CTRL["r"] + "lin")
            t.expect("(search: lin) second", ". lines")
            t.send(BACKSPACE * 3)
            t.expect("(search: ) first question!")
            t.send("\x1b")
            t.expect("> first question!", cursor=(0, 2))
            t.send(CTRL["r"] + "sec\r")
            t.wait("[text second\\nlines]")
        assert os.stat(path).st_mode & 0o777 == 0o600


def test_paste():
    with start() as t:
        t.wait(lambda: b"\x1b[?2004h" in t.output)
        t.paste("one\r\ntwo\x1b[31m\x07\n\tthree\n")
        t.expect("> one", ". two", ".       three", ".", cursor=(3, 2))
        t.send(BACKSPACE + "\r")
        t.wait("[text one\\ntwo\\n\\tthree]")
        # The end mark comes late, in pieces.
        in_time(0.8, lambda: t.send(CTRL["c"]), lambda: t.send("\x1b[200~a\rb\x1b[20"), t.settle, lambda: t.send("1~c"))
        t.wait(lambda: t.lines()[-2:] == ["> a", ". bc"], "the paste")
        t.send(CTRL["c"])
        # It never comes: the keys work again after a moment.
        t.send("\x1b[200~lost\rend")
        t.wait(lambda: t.lines()[-2:] == ["> lost", ". end"], "a paste without an end")
        t.send("!\r")
        t.wait("[text lost\\nend!]")


def test_long_paste():
    n = 10_000_000
    with start(rows=24, columns=80) as t:
        begin = time.monotonic()
        t.paste("word " * (n // 5 - 1) + "12345")
        t.wait("word 12")
        seconds = time.monotonic() - begin
        t.send("\r")
        t.wait(f"[text {n} bytes]")
        # The time is no matter of pass or fail; but no redrawing of everything for every piece.
        assert len(t.output) < 100_000, f"{len(t.output)} bytes drawn"
        if os.environ.get("VERBOSE"):
            print(f"a paste of {n} bytes took {seconds:.2f} s")


def test_fast_typing():
    """Lines as fast as they go, not as a paste: no quadratic drawing."""
    with start() as t:
        t.send("x" * 200_000)
        t.send("\r")
        t.wait("[text 200000 bytes]")
        assert len(t.output) < 2_000_000, f"{len(t.output)} bytes drawn"


def test_minimal_drawing():
    with start() as t:
        t.send("hello")
        t.expect("> hello")
        before = len(t.output)
        t.send("!")
        t.expect("> hello!")
        assert len(t.output) - before < 20, t.output[before:]


def test_completion():
    with start() as t:
        t.send("/q\t!")
        t.expect("> /quit !")
        t.send(CTRL["u"] + "/h\t")
        t.wait("/help")
        t.expect("> /h", "/help     /history", "> /h", cursor=(2, 4))
        t.send("i\tx")
        t.wait("> /history x")
        t.send(CTRL["u"] + "/d\t")
        t.wait(lambda: t.last_line() == "> /dir/" and t.cursor()[1] == 7, "no space after a directory")
        t.send(CTRL["u"] + "/lo\t")
        t.wait("/lo\\x1b[31mud")
        t.send(CTRL["u"] + "none\t")
        t.wait(lambda: b"\x07" in t.output, "a beep")


def test_escape_alone_and_split():
    with start() as t:
        t.send("ab" + CTRL["r"])
        t.wait("(search")
        t.send("\x1b")
        t.expect("> ab")  # it has been taken for the Escape key
        t.send("[")
        t.expect("> ab[")
        in_time(0.03, lambda: (t.send(CTRL["u"] + "ab"), t.expect("> ab")), lambda: t.send("\x1b"), lambda: t.send("[D"))
        t.settle()
        t.send("x")
        t.expect("> axb")


def test_typed_before_the_start():
    with terminal.Terminal(DEMO, env={"TERN_HISTORY": ""}) as t:
        t.send("early\rbird")
        t.wait("[text early]")
        t.wait(lambda: t.last_line() == "> bird", "what was typed early")


def test_external_and_wake():
    with start("wake") as t:
        t.send("draft" + CTRL["g"])
        t.wait("[external draft]")
        t.wait("> edited draft")
        t.send(" more")
        t.wait("> edited draft more")
        t.signal(signal.SIGUSR1)
        t.wait("[wake]")
        t.expect("[external draft]", "[wake]", "> edited draft more", cursor=(2, 19))


def test_resize():
    with start(columns=20, rows=8) as t:
        t.send("0123456789abcdefghi")
        t.expect("> 0123456789abcdefgh", "i", cursor=(1, 1))
        t.resize(30, 8)
        t.expect("> 0123456789abcdefghi", cursor=(0, 21))
        t.resize(10, 8)
        t.expect("> 01234567", "89abcdefgh", "i", cursor=(2, 1))
        t.resize(12, 3)
        t.expect("> 0123456789", "abcdefghi", cursor=(1, 9))
        t.resize(1, 4)
        t.wait(lambda: t.lines()[-1:] == ["i"], "one column")
        t.send("X\x7f")
        t.settle()
        t.resize(40, 8)
        t.wait(lambda: any(row.endswith("0123456789abcdefghi") for row in t.lines()), "the whole line again")
        t.send("\r")
        t.wait("[text 0123456789abcdefghi]")
    with start(columns=20, rows=8) as t:
        t._set_size(0, 0)
        t.send("works\r")
        t.wait("[text works]")


def test_talking():
    """What is typed while the program talks is neither shown nor lost; Ctrl-C and Ctrl-Z are signals."""
    with start() as t:
        t.send("talk\r")
        t.wait("talking")
        t.send("typed ahead\nstill")
        t.settle()
        assert "ahead" not in t.text(), t.text()
        t.send(CTRL["z"])
        t.wait_for_stop()
        assert t.is_restored(), "stopped while it talks"
        t.resume()
        t.wait(lambda: not t.modes()[3] & termios.ICANON, "the quiet mode again")
        t.send(CTRL["c"])
        t.wait("stopped")
        t.wait(lambda: t.lines()[-2:] == ["> typed ahead", ". still"], "what was typed")
        t.send("\r")
        t.wait("[text typed ahead\\nstill]")


def test_suspend():
    with start() as t:
        for _ in range(2):
            t.send("line" + CTRL["z"])
            t.wait_for_stop()
            assert t.is_restored(), "stopped at the prompt"
            t.resume()
            t.wait(lambda: t.cursor()[1] == 6 and not t.is_restored(), "the line again")
            t.send(CTRL["u"])
        # Stopped and resumed from outside.
        t.send("abc")
        t.wait(lambda: t.last_line() == "> abc")
        t.signal(signal.SIGTSTP)
        t.wait_for_stop()
        assert t.is_restored()
        t.resume()
        t.wait(lambda: not t.is_restored() and t.last_line() == "> abc", "the line again")
        t.send("\r")
        t.wait("[text abc]")


def test_death():
    """However it ends, the terminal is as before."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT):
        with start() as t:
            t.send("\x1b[200~half a paste")
            t.settle()
            t.signal(number)
            assert t.finish() == -number and t.is_restored(), signal.Signals(number)
    with start() as t:
        t.signal(signal.SIGINT)
        t.wait("[interrupt]")
        t.send("talk\r")
        t.wait("talking")
        t.signal(signal.SIGTERM)
        assert t.finish() == -signal.SIGTERM and t.is_restored(), "while it talks"
    if not os.environ.get("SAN"):  # a sanitizer ends the program its own way
        with start() as t:
            t.send("crash\r")
            assert t.finish() == -signal.SIGSEGV and t.is_restored(), "a crash"
    with start() as t:
        t.hang_up()
        t.finish()


def test_dumb_terminal():
    for name in ("dumb", None):
        with start(TERM=name) as t:
            t.wait(">")
            t.send("plain\\\rlines\r")
            t.wait("[text plain\\nlines]")
            t.send('"""a\rb"""\r')
            t.wait("[block a\\nb]")
            t.send("x\\\r")
            t.settle()
            t.send(CTRL["c"])
            t.wait("[cleared]")
            t.send(CTRL["c"])
            t.wait("[interrupt]")
            t.send(CTRL["d"])
            assert t.finish() == 0 and t.modes() == t.found
            assert b"\x1b[?" not in t.output


if __name__ == "__main__":
    sys.exit(lib.run_tests(globals()))
