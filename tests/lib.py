"""What the tests in Python share: running the programs, counting checks, skipping, comparing logits.

A test is a file tests/NAME.py, run from the top folder of the sources. Its last line is `sys.exit(lib.summary())`, or
`sys.exit(lib.run_tests(globals()))` where it is made of functions test_...() that assert.
Environment: TERN, TERN_CONVERT, MODEL, BUILD, RUN (an emulator's command, or nothing) and SAN, as in tests/lib.sh.
"""
import array
import atexit
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import traceback

RUN = os.environ.get("RUN", "").split()
SAN = os.environ.get("SAN", "")
IS_SLOW = bool(RUN or SAN)  # programs take ten times as long or more
BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
TERN = os.path.abspath(os.environ.get("TERN", "tern"))
CONVERT = os.path.abspath(os.environ.get("TERN_CONVERT", "tern-convert"))
MODEL = os.path.abspath(os.environ.get("MODEL", "build/models/tern-tiny.gguf"))
SHARED = os.path.join("..", "shared", "checkpoints")  # checkpoints with the logits of an independent implementation
NAME = os.path.basename(sys.argv[0])
FOLDER = tempfile.mkdtemp(prefix="tern-test.")  # for the test's files
atexit.register(shutil.rmtree, FOLDER)
for _name in ("TERN_MODEL", "TERN_MODELS", "TERN_THREADS", "NO_COLOR", "XDG_DATA_HOME"):
    os.environ.pop(_name, None)


def path(*names):
    """Where a file of the test lies."""
    return os.path.join(FOLDER, *names)


# ---- counting ----

passed = failed = skipped = 0


def check(what, good, *facts):
    """Counts a check; one that fails prints what was expected, and the facts. Returns whether it is good."""
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"{NAME}: {what}", *[str(fact)[:4000] for fact in facts], sep="\n    ")
    return bool(good)


def skip(part, reason):
    global skipped
    skipped += 1
    print(f"skipped: {NAME}: {part}: {reason}")


def skip_all(reason):
    """Ends the whole test."""
    skip("everything", reason)
    sys.exit(77)


def on_this_cpu():
    """Ends a test of which nothing depends on the CPU, where that is an emulated one."""
    if RUN:
        skip_all("nothing of it depends on the CPU")


def no_new_threads():
    """Ends a test whose threads, if any, do what those of other tests do, where races are looked for."""
    if SAN == "thread":
        skip_all("its threads do nothing new")


def summary():
    """Prints the counts and returns the exit status; a test that checked nothing has failed."""
    print(f"{NAME}: {passed} passed, {failed} failed, {skipped} skipped")
    return failed > 0 or passed == 0


def run_tests(names):
    """Runs the functions test_... among `names` (name -> value) that contain one of the words of the command line, or all
    without any; returns the exit status."""
    for name, test in list(names.items()):
        if not name.startswith("test_") or (sys.argv[1:] and not any(word in name for word in sys.argv[1:])):
            continue
        try:
            test()
            check(name, True)
        except Exception:
            check(name, False, traceback.format_exc())
    return summary()


def need(module):
    """Imports a module that does not come with Python, or skips the whole test. The first python3 of the PATH may lack
    what the system's python3 has."""
    try:
        return importlib.import_module(module)
    except ImportError:
        system = "/usr/bin/python3"
        if os.path.exists(system) and not os.path.samefile(system, sys.executable):
            os.rmdir(FOLDER)
            os.execv(system, [system, *sys.argv])
        skip_all(f"there is no python3 with {module}")


def shared(part, *names):
    """The path of something in ../shared/checkpoints, or None, with this part skipped, where that does not exist."""
    if os.path.isdir(SHARED):
        return os.path.join(SHARED, *names)
    return skip(part, f"there is no {SHARED}")


# ---- running ----

def call(*command, isa=None, **more):
    """Runs a program: standard output as bytes, standard error as text, standard input empty unless `input` is given."""
    environment = dict(os.environ, **({"TERN_ISA": isa} if isa else {}))
    if "input" not in more:
        more["stdin"] = subprocess.DEVNULL
    done = subprocess.run([*RUN, *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    done.stderr = done.stderr.decode(errors="replace")
    return done


def succeeds(*command):
    """Whether a program of this machine, without RUN, succeeds."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def tern(*arguments, **more):
    return call(TERN, *arguments, **more)


def convert(checkpoint, out, *options):
    """Runs tern-convert; whether it succeeded, which is checked."""
    done = call(CONVERT, checkpoint, "-o", out, "--force", *options)
    return check(f"{checkpoint} is converted", done.returncode == 0, done.stderr)


# ---- logits ----

def traps(wrong):
    """Networks that a reader computes who falls into a trap. How far they are from the right one is computed in Python,
    which takes long, and does not depend on what runs tern: none under sanitizers and emulators."""
    return [] if IS_SLOW else wrong


def logits(model, ids, *options, isa=None):
    """The logits after each of the ids, as the bytes that tern writes; empty after an error, which is checked."""
    out = path("logits.f32")
    done = tern("logits", "-m", model, "--ids", ",".join(map(str, ids)), "-o", out, *options, isa=isa)
    if not check(f"{model}: logits", done.returncode == 0, isa, done.stderr):
        return b""
    with open(out, "rb") as file:
        return file.read()


def rows_of(data, n_row):
    """The bytes of logits as rows; none after an error."""
    if not data:
        return []
    values = array.array("f", data)
    n_col = len(values) // n_row
    return [values[i * n_col:(i + 1) * n_col] for i in range(n_row)]


def relative_error(mine, reference):
    """Relative L2 distance of two rows."""
    return (sum((a - b) ** 2 for a, b in zip(mine, reference)) / sum(b * b for b in reference)) ** 0.5


def worst_error(rows, references):
    return max((relative_error(a, b) for a, b in zip(rows, references)), default=float("inf"))
