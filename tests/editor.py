"""The line editor as a person at a terminal meets it: tests/programs/editor_demo on a pseudo-terminal."""
import os
import signal
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import terminal

DEMO = os.path.join(os.environ.get("BUILD", "build"), "tests/programs/editor_demo")
CTRL = {letter: chr(ord(letter) & 31) for letter in "abcdefghijklmnopqrstuvwxyz"}
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
HOME, END, DELETE, BACKSPACE = "\x1b[H", "\x1bOF", "\x1b[3~", "\x7f"


def start(*arguments, columns=40, rows=12, history="", **env):
    t = terminal.Terminal([*terminal.command(DEMO), *arguments], columns, rows, {"TERN_HISTORY": history, **env})
    t.wait(">")
    return t


def test_typing():
    with start() as t:
        t.send("hello wrld" + LEFT * 3 + "o" + HOME + "say " + END + "!")
        t.expect("> say hello world!", cursor=(0, 18))
        t.send("\r")
        t.wait("[text say hello world!]")
        t.send("one two three" + CTRL["w"] + "3" + CTRL["a"] + "\x1bf" + CTRL["k"])
        t.wait("> one\n" if False else lambda: t.lines()[-1] == "> one")
        t.send(CTRL["y"] + CTRL["u"] + "ab" + CTRL["t"] + CTRL["b"] + CTRL["h"] + CTRL["f"] + CTRL["e"] + "z")
        t.wait(lambda: t.lines()[-1] == "> az", "> az")
        t.send(CTRL["c"])
        t.wait("[cleared]")
        assert t.lines()[-3:] == ["> az^C", "[cleared]", ">"], t.lines()
        t.send(CTRL["c"])
        t.wait("[interrupt]")
        t.send("x" + LEFT + CTRL["d"] + CTRL["d"])
        assert t.finish() == 0 and t.is_restored()


if __name__ == "__main__":
    terminal.main([value for name, value in list(globals().items()) if name.startswith("test_")])
