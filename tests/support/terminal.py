"""A program on a pseudo-terminal, and the screen as a person sees it, for tests in Python.

    terminal = Terminal(["./tern", "chat"], columns=80, rows=24)
    terminal.wait("> ")                     # until that is on the screen
    terminal.send("hello\\r")
    terminal.wait(lambda: terminal.cursor() == (3, 2))
    assert terminal.lines()[0] == "> hello"
    assert terminal.finish() == 0 and terminal.is_restored()

The screen is pyte's (Debian's python3-pyte). The program runs as a job of a small stand-in for a shell, so that Ctrl-Z
works: wait_for_stop(), then resume().
"""
import fcntl
import os
import resource
import select
import signal
import struct
import termios
import time
import traceback

import lib

pyte = lib.need("pyte")

# How long something may take that has to happen; only a failing test waits as long.
PATIENCE = 60.0
# How long nothing may happen where nothing should.
QUIET = 0.15


class Terminal:
    def __init__(self, argv, columns=80, rows=24, env=None, cwd=None):
        """Starts argv with `env` (name -> value, or None to remove) added to the environment. TERM is "linux": like
        pyte it does not break rows anew when the window becomes narrower."""
        environment = {**os.environ, "TERM": "linux", "LC_ALL": "C"}
        for name in ("XTERM_VERSION", "STY", "COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        for name, value in (env or {}).items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.output = b""  # everything the program wrote
        self.status = None  # as of waitpid(), once it ended
        self.is_stopped = False
        self.master, slave = os.openpty()
        self._set_size(columns, rows)
        self.found = termios.tcgetattr(self.master)
        events_read, events_write = os.pipe()
        orders_read, orders_write = os.pipe()
        self.shell = os.fork()
        if self.shell == 0:
            try:
                os.close(self.master)
                os.close(events_read)
                os.close(orders_write)
                _be_shell(argv, environment, cwd, slave, events_write, orders_read)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(127)
        for fd in (slave, events_write, orders_read):
            os.close(fd)
        self.events, self.orders = events_read, orders_write
        self._event_bytes = b""
        self.pid = None
        self.wait(lambda: self.pid is not None, "the program's start")

    # The keyboard and the window.

    def send(self, keys):
        """Types a string (as UTF-8) or bytes; long ones as fast as the program takes them."""
        rest = memoryview(keys.encode() if isinstance(keys, str) else keys)
        os.set_blocking(self.master, False)
        while rest:
            readable, writable, _ = select.select([self.master], [self.master], [])
            if readable:
                self._read(0)
            if writable:
                try:
                    rest = rest[os.write(self.master, rest[:1 << 16]):]
                except BlockingIOError:
                    time.sleep(0.001)

    def paste(self, text):
        self.send(b"\x1b[200~" + (text.encode() if isinstance(text, str) else text) + b"\x1b[201~")

    def resize(self, columns, rows):
        """As xterm does it: a lower window loses empty rows below the cursor first, then rows at the top."""
        screen, lost = self.screen, max(0, self.screen.cursor.y - rows + 1)
        x, y = screen.cursor.x, screen.cursor.y - lost
        if rows < screen.lines:
            screen.cursor.y = 0
            screen.delete_lines(lost)
            for row in range(rows, screen.lines):
                screen.buffer.pop(row, None)
            screen.lines = rows
        screen.resize(rows, columns)
        screen.cursor.x, screen.cursor.y = min(x, columns - 1), y
        self._set_size(columns, rows)

    def signal(self, number):
        os.kill(self.pid, number)

    # The screen.

    def lines(self):
        """The rows without the blanks at their ends, and without empty rows at the end."""
        # Not pyte's `display`, which raises while one half of a wide character has been written over.
        screen = self.screen
        rows = ["".join(screen.buffer[y][x].data for x in range(screen.columns)).rstrip() for y in range(screen.lines)]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def last_line(self):
        """The last row with anything in it; "" while the screen is empty, as it is between an erasure and what follows."""
        return (self.lines() or [""])[-1]

    def text(self):
        return "\n".join(self.lines())

    def cursor(self):
        """(row, column), from 0."""
        return self.screen.cursor.y, self.screen.cursor.x

    def wait(self, condition, what=None, seconds=PATIENCE):
        """Until a string is on the screen, or condition() is true; AssertionError with the screen if that fails."""
        holds = (lambda: condition in self.text()) if isinstance(condition, str) else condition
        until = time.monotonic() + seconds
        while not holds():
            is_over = self.status is not None and not self._read(QUIET)
            if (is_over and not holds()) or time.monotonic() > until:
                raise AssertionError(f"waited in vain for {what or repr(condition)}; cursor {self.cursor()}, screen:\n"
                                     + "\n".join("|" + row for row in self.lines()))
            self._read(0.05)

    def expect(self, *rows, cursor=None):
        """Waits until exactly these are the rows, and the cursor is there."""
        self.wait(lambda: self.lines() == list(rows) and cursor in (None, self.cursor()),
                  f"the rows {list(rows)}, cursor {cursor}")

    def settle(self):
        """Takes in what comes until nothing comes for a moment."""
        while self._read(QUIET):
            pass

    # The program's end, and its job.

    def modes(self):
        """What stty -g would say."""
        return termios.tcgetattr(self.master)

    def is_restored(self):
        """Whether the terminal is as the program found it; bracketed paste too."""
        on, off = self.output.rfind(b"\x1b[?2004h"), self.output.rfind(b"\x1b[?2004l")
        return self.modes() == self.found and off >= on

    def wait_for_stop(self):
        self.wait(lambda: self.is_stopped, "the program to stop")
        while self._read(0):  # what it wrote before
            pass

    def resume(self):
        """fg"""
        self.is_stopped = False
        os.write(self.orders, b"f")

    def finish(self, seconds=PATIENCE):
        """Waits for the end: the exit status, or minus the signal's number."""
        self.wait(lambda: self.status is not None, "the program to end", seconds)
        self.settle()
        return os.waitstatus_to_exitcode(self.status)

    def hang_up(self):
        os.close(self.master)
        self.master = None

    def close(self):
        """Ends everything that is left."""
        if self.status is None and self.pid:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.orders)
        if self.master is not None:
            os.close(self.master)
        os.close(self.events)
        os.waitpid(self.shell, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Inside.

    def _set_size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self, seconds):
        """Takes in output and news of the job that come within some seconds; False if none came."""
        watched = [self.events] + ([self.master] if self.master is not None else [])
        readable, _, _ = select.select(watched, [], [], seconds)
        if self.master in readable:
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # the last one has closed it
                piece = b""
            self.output += piece
            self.stream.feed(piece)
        if self.events in readable:
            self._event_bytes += os.read(self.events, 4096)
            *events, self._event_bytes = self._event_bytes.split(b"\n")
            for event in events:
                kind, number = event.split()
                if kind == b"started":
                    self.pid = int(number)
                elif kind == b"stopped":
                    self.is_stopped = True
                else:
                    self.status = int(number)
            if not events and self.status is None:
                self.status = 127 << 8  # the stand-in for the shell is gone
        return bool(readable)


def _be_shell(argv, environment, cwd, slave, events, orders):
    """Runs the program as the job in the foreground of a terminal of its own, tells what becomes of it, and puts it
    into the foreground again when ordered to. Ends when the orders do."""
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # As a shell has them, whoever started the test.
    defaults = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGHUP, signal.SIGPIPE)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(slave, os.getpid())
        for number in (*defaults, signal.SIGTTOU):
            signal.signal(number, signal.SIG_DFL)
        for fd in range(3):
            os.dup2(slave, fd)
        if cwd:
            os.chdir(cwd)
        os.closerange(3, 256)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            os.execvpe(argv[0], argv, environment)
        finally:
            os._exit(127)
    try:
        os.setpgid(child, child)
    except OSError:  # it has done so and runs another program already
        pass
    os.write(events, b"started %d\n" % child)
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            break
        os.tcsetpgrp(slave, os.getpid())
        os.write(events, b"stopped %d\n" % status)
        if not os.read(orders, 1):
            os.kill(child, signal.SIGKILL)
            continue
        os.tcsetpgrp(slave, child)
        os.killpg(child, signal.SIGCONT)
    try:
        os.write(events, b"ended %d\n" % status)
        os.read(orders, 1)
    except BrokenPipeError:  # the test did not wait for the end
        pass
