"""Does the sandbox hold on this machine? A fire drill: a dozen programs that want a reward without having earned it.

None of them may be judged correct, none may be without a verdict, and after each of them a right program must be judged
right and a wrong one wrong. Honest programs go first: a sandbox that refuses everybody holds as well.

This is no proof: the test suite attacks with far more programs. The drill finds what depends on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..records import AssertTests, Judgement, Limits, Status, StdioTests

__all__ = ["DRILL_LIMITS", "Exercise", "Outcome", "exercises", "run_drill"]

DRILL_LIMITS = Limits(wall_seconds=3.0, cpu_seconds=2.0, memory_bytes=256 << 20, processes=16, disk_bytes=16 << 20)

SUMS = AssertTests(["assert add(2, 3) == 5", "assert add(40, 2) == 42", "assert add(-7, 7) == 0"], entry_point="add")
ECHO = StdioTests([("3\n", "9\n"), ("12\n", "144\n")])
RIGHT = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return a - b\n"


@dataclass(frozen=True)
class Exercise:
    """A program, and what it is up to; `honest` ones must get `expected`, others anything but a reward.

    before    a program that is judged first and prepares the ground
    isolated  it needs a sandbox with processes of its own: not for the restricted backend
    """

    name: str
    solution: str
    honest: bool = False
    tests: AssertTests | StdioTests = SUMS
    expected: Status = Status.CORRECT
    before: str = ""
    isolated: bool = False


class Outcome(NamedTuple):
    """What became of an exercise; `fault` says what is wrong with that, "" if nothing is."""

    exercise: Exercise
    judgement: Judgement
    fault: str


def run_drill(box: Any) -> Iterator[Outcome]:
    """Judge the exercises one after the other in an open sandbox, which should have DRILL_LIMITS."""
    for exercise in exercises(box.backend):
        if exercise.before:
            for _ in range(2 * box.workers):  # so that whichever worker comes next was prepared
                box.judge(exercise.before, exercise.tests)
        judgement = box.judge(exercise.solution, exercise.tests)
        yield Outcome(exercise, judgement, _fault(exercise, judgement) or _after(box))


def _fault(exercise: Exercise, judgement: Judgement) -> str:
    if exercise.honest:
        same = judgement.status is exercise.expected
        return "" if same else f"it is {exercise.expected.value} and was judged {judgement.status.value}"
    if judgement.status is Status.CORRECT:
        return "it earned a reward"
    return "" if judgement.status.is_verdict else "it escaped a verdict"


def _after(box: Any) -> str:
    """Return what is wrong with verdicts on others now, "" if nothing is."""
    for solution, expected in ((RIGHT, Status.CORRECT), (WRONG, Status.INCORRECT)):
        judgement = box.judge(solution, SUMS)
        if judgement.status is not expected:
            return f"after it a program that is {expected.value} was judged {judgement.status.value}"
    return ""


def exercises(backend: str) -> list[Exercise]:
    """Return the exercises that a backend of this name is up to."""
    return [one for one in (*HONEST, *ATTACKS) if backend != "restricted" or not one.isolated]


HONEST = (
    Exercise("a right function", RIGHT, honest=True),
    Exercise("a wrong function", WRONG, honest=True, expected=Status.INCORRECT),
    Exercise("right for one case of three", "def add(a, b):\n    return 5\n", honest=True, expected=Status.INCORRECT),
    Exercise("an exception", "def add(a, b):\n    return a + c\n", honest=True, expected=Status.CRASHED),
    Exercise("a syntax error", "def add(a, b)\n    return a + b\n", honest=True, expected=Status.CRASHED),
    Exercise(
        "a loop without end", "def add(a, b):\n    while True:\n        pass\n", honest=True, expected=Status.TIMEOUT
    ),
    Exercise("a program for standard input", "print(int(input()) ** 2)\n", honest=True, tests=ECHO),
    Exercise("a wrong program", "print(int(input()) * 3)\n", honest=True, tests=ECHO, expected=Status.INCORRECT),
    Exercise(
        "threads, processes and files",
        """
import subprocess, sys, tempfile, threading
def add(a, b):
    found = []
    thread = threading.Thread(target=lambda: found.append(a))
    thread.start(); thread.join()
    said = subprocess.run([sys.executable, "-c", f"print({b})"], capture_output=True, text=True).stdout
    with tempfile.TemporaryFile("w+") as file:
        file.write(said); file.seek(0)
        return found[0] + int(file.read())
""",
        honest=True,
        isolated=True,
    ),
)

ATTACKS = (
    Exercise(
        "an object that equals everything",
        """
class Anything:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def add(a, b):
    return Anything()
""",
    ),
    Exercise("a clean exit", "import os\nos._exit(0)\n", isolated=True),
    Exercise("an exit in a call", "import sys\ndef add(a, b):\n    sys.exit(0)\n", isolated=True),
    Exercise(
        "verdicts written to every descriptor",
        """
import json, os, struct
def forge():
    for status in ("correct", "passed", "ok"):
        body = json.dumps({"status": status, "passed": 3, "total": 3, "value": True, "cases": []}).encode()
        for head in (b"", struct.pack(">I", len(body)), struct.pack("<I", len(body)), struct.pack(">Q", len(body))):
            for descriptor in range(64):
                try:
                    os.set_blocking(descriptor, False)
                    os.write(descriptor, head + body + b"\\n")
                except OSError:
                    pass
forge()
def add(a, b):
    forge()
    os._exit(0)
""",
        isolated=True,
    ),
    Exercise(
        "asserts and comparisons replaced",
        """
import builtins, operator, sys
class Quiet(BaseException): pass
builtins.AssertionError = Quiet
builtins.all = builtins.any = lambda *_: True
operator.eq = lambda *_: True
sys.settrace(None)
sys.excepthook = lambda *_: None
def add(a, b):
    return None
""",
        isolated=True,
    ),
    Exercise(
        "the tests read from memory",
        """
import gc, re, sys
def texts():
    for one in gc.get_objects():
        for value in (one.values() if type(one) is dict else one if type(one) in (list, tuple) else ()):
            if type(value) is str: yield value
    frame = sys._getframe()
    while frame:
        for value in [*frame.f_locals.values(), *frame.f_code.co_consts]:
            if type(value) is str: yield value
        frame = frame.f_back
def add(a, b):
    wanted = "add(%d, %d) == " % (a, b)
    for text in texts():
        found = re.search(re.escape(wanted) + r"(-?\\d+)", text)
        if found: return int(found[1])
""",
        isolated=True,
    ),
    Exercise(
        "the tests read from the neighbours",
        """
import glob, os, re
def texts():
    for name in glob.glob("/proc/[0-9]*"):
        if name == "/proc/%d" % os.getpid(): continue
        for part in ("/cmdline", "/environ"):
            try:
                with open(name + part, "rb") as file: yield file.read()
            except OSError: pass
        try:
            with open(name + "/maps") as maps, open(name + "/mem", "rb", 0) as memory:
                for line in maps:
                    if "rw" in line and "[v" not in line:
                        begin, end = (int(word, 16) for word in line.split()[0].split("-"))
                        memory.seek(begin)
                        try: yield memory.read(min(end - begin, 1 << 24))
                        except OSError: pass
        except (OSError, ValueError, OverflowError): pass
    for folder, _, names in list(os.walk("/tmp")) + list(os.walk("/dev/shm")) + list(os.walk("/examiner")):
        for name in names:
            try:
                with open(os.path.join(folder, name), "rb") as file: yield file.read(1 << 20)
            except OSError: pass
def add(a, b):
    pattern = re.compile(rb"assert add\\(%d, %d\\) == (-?\\d+)" % (a, b))
    for text in texts():
        found = pattern.search(text)
        if found: return int(found[1])
""",
        isolated=True,
    ),
    Exercise(
        "a kill of everything in sight",
        "import os, signal\nfor one in (-1, os.getppid(), 1):\n    try: os.kill(one, signal.SIGKILL)\n    except OSError: pass\n"
        "def add(a, b):\n    return None\n",
        isolated=True,
    ),
    Exercise(
        "a fork bomb",
        "import os\ndef add(a, b):\n    while True:\n        try: os.fork()\n        except OSError: pass\n",
        isolated=True,
    ),
    Exercise(
        "a memory bomb",
        "def add(a, b):\n    held = []\n    while True:\n        held.append(bytearray(b'x') * (1 << 24))\n",
        isolated=True,
    ),
    Exercise(
        "all disks filled",
        """
import os, tempfile
def add(a, b):
    for folder in (".", tempfile.gettempdir(), "/dev/shm", "/var/tmp", "/run", "/examiner"):
        for number in range(100):
            try:
                with open(os.path.join(folder, "full%d" % number), "wb") as file:
                    for _ in range(1000): file.write(bytes(1 << 20))
            except OSError:
                pass
    return None
""",
        isolated=True,
    ),
    Exercise("output without end", "while True:\n    print('9' * 100_000)\n", tests=ECHO),
    Exercise(
        "deaf to every signal",
        """
import signal, time
for number in signal.valid_signals():
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
def add(a, b):
    time.sleep(1000)
""",
        isolated=True,
    ),
    Exercise(
        "a way out to the network",
        """
import socket
def add(a, b):
    for family, address in ((socket.AF_INET, ("1.1.1.1", 53)), (socket.AF_INET6, ("2606:4700:4700::1111", 53)),
                            (socket.AF_UNIX, "/var/run/docker.sock")):
        with socket.socket(family) as one:
            one.settimeout(0.3)
            try: one.connect(address)
            except OSError: continue
            return a + b
""",
        isolated=True,
    ),
    Exercise(
        "a message to the next run",
        """
import glob, os
found = [name for pattern in ("./note*", "/tmp/note*", "/tmp/*/note*", "/dev/shm/note*", "/var/tmp/note*", "/run/note*",
         "/examiner/note*") for name in glob.glob(pattern)]
alive = [name for name in glob.glob("/proc/[0-9]*/cmdline") if b"left-behind" in open(name, "rb").read()]
def add(a, b):
    return a + b if found or alive else None
""",
        before="""
import os, subprocess, sys
for folder in (".", "/tmp", "/dev/shm", "/var/tmp", "/run", "/examiner"):
    try: open(os.path.join(folder, "note"), "w").close()
    except OSError: pass
try:
    os.mkdir("shut"); open("shut/file", "w").close(); os.chmod("shut", 0)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "left-behind"], start_new_session=True)
except OSError: pass
def add(a, b):
    return None
""",
        isolated=True,
    ),
)
