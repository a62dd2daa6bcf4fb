"""Which programs try to use up the machine? Each is run inside a sandbox only.

`function` ones are asked f(1), `program` ones get a line of standard input. None of them is right.
"""

from __future__ import annotations

from typing import NamedTuple

from assay import AssertTests, StdioTests

__all__ = ["BOMBS", "Bomb"]

FUNCTION = AssertTests(["assert f(1) == 1"], entry_point="f")
PROGRAM = StdioTests([("1\n", "1\n")])


class Bomb(NamedTuple):
    """A program that wants too much, and the tests that it is held against."""

    name: str
    program: str
    tests: AssertTests | StdioTests = FUNCTION


def in_call(body: str, imports: str = "") -> str:
    return f"{imports}\ndef f(x):\n" + "".join(f"    {line}\n" for line in body.strip("\n").split("\n"))


FOLDERS = '(".", "/tmp", "/dev/shm", "/examiner", "/var/tmp", "/run")'

BOMBS = [
    Bomb(
        "fork bomb",
        in_call("while True:\n    try: os.fork()\n    except OSError: pass", "import os"),
    ),
    Bomb(
        "fork bomb of orphans, sessions of their own",
        in_call(
            """
while True:
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork(): os._exit(0)
    except OSError: pass
""",
            "import os",
        ),
    ),
    Bomb("fork bomb on loading", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"),
    Bomb(
        "thread bomb",
        in_call(
            """
while True:
    try: threading.Thread(target=time.sleep, args=(1e6,)).start()
    except RuntimeError: pass
""",
            "import threading, time",
        ),
    ),
    Bomb("memory bomb", in_call("held = []\nwhile True:\n    held.append(bytearray(b'x') * (1 << 24))")),
    Bomb(
        "memory bomb that goes on",
        in_call(
            """
held, size = [], 1 << 26
while True:
    try: held.append(b"x" * size)
    except MemoryError: size = max(size // 2, 1)
"""
        ),
    ),
    Bomb(
        "memory bomb of many processes",
        in_call(
            """
for _ in range(16):
    try:
        if os.fork() == 0: break
    except OSError: pass
held, size = [], 1 << 24
while True:
    try: held.append(bytearray(b"x") * size)
    except MemoryError: time.sleep(0.01)
""",
            "import os, time",
        ),
    ),
    Bomb("one number too large", in_call("return 10 ** 10 ** 10 % 7")),
    Bomb("a result without end", in_call("return itertools.count()", "import itertools")),
    Bomb("a huge result", in_call("return ['x' * 1000] * 10_000_000")),
    Bomb("a huge exception", in_call("raise ValueError('x' * (1 << 28))")),
    Bomb(
        "all disks filled",
        in_call(
            f"""
for folder in {FOLDERS}:
    for number in range(1000):
        try:
            with open(f"{{folder}}/full{{number}}", "wb", 0) as file:
                for _ in range(64): file.write(bytes(1 << 20))
        except OSError: pass
return None
"""
        ),
    ),
    Bomb(
        "all inodes used",
        in_call(
            f"""
for folder in {FOLDERS}:
    for number in range(1_000_000):
        try: os.mkdir(f"{{folder}}/{{number}}")
        except OSError: break
return None
""",
            "import os",
        ),
    ),
    Bomb(
        "a folder in a folder, and so on",
        in_call(
            """
while True:
    try:
        os.mkdir("d"); os.chdir("d")
    except OSError: pass
""",
            "import os",
        ),
    ),
    Bomb("sparse file", in_call("open('sparse', 'wb').truncate(1 << 50)\nreturn None")),
    Bomb(
        "anonymous memory files",
        in_call(
            """
held = []
while True:
    try:
        held.append(os.memfd_create("m"))
        while True: os.write(held[-1], bytes(1 << 20))
    except OSError: pass
""",
            "import os",
        ),
    ),
    Bomb(
        "pipes filled",
        in_call(
            """
held = []
while True:
    try:
        held.append(os.pipe()); os.set_blocking(held[-1][1], False)
        while True: os.write(held[-1][1], bytes(1 << 16))
    except OSError: pass
""",
            "import os",
        ),
    ),
    Bomb("descriptors used up", in_call("held = []\nwhile True:\n    held.append(open('/dev/null'))")),
    Bomb("output flood", "while True: print('9' * 100_000)\n", PROGRAM),
    Bomb("error flood", "import sys\nwhile True: sys.stderr.write('9' * 100_000)\n", PROGRAM),
    Bomb("output flood from a function", in_call("while True: print('9' * 100_000)")),
    Bomb("one line without end", "import os\nwhile True: os.write(1, b'9' * 100_000)\n", PROGRAM),
    Bomb("endless loop", in_call("while True: pass")),
    Bomb("endless loop on loading", "while True: pass\n"),
    Bomb(
        "endless loop, everything caught",
        in_call("while True:\n    try:\n        while True: pass\n    except BaseException: pass"),
    ),
    Bomb("endless loop in C", in_call("return sum(itertools.repeat(0))", "import itertools")),
    Bomb("endless pattern", in_call("return re.match('(a+)+$', 'a' * 60 + 'b')", "import re")),
    Bomb("sleeper", in_call("time.sleep(1e6)", "import time")),
    Bomb(
        "sleeper deaf to signals",
        in_call(
            """
for one in signal.valid_signals():
    try: signal.signal(one, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: time.sleep(1e6)
""",
            "import signal, time",
        ),
    ),
    Bomb(
        "sleeping children that stay",
        in_call(
            """
for _ in range(20):
    try:
        if os.fork() == 0:
            os.setsid(); time.sleep(1e6)
    except OSError: pass
return None
""",
            "import os, time",
        ),
    ),
    Bomb("waits for input", "import sys\nwhile True: sys.stdin.read(); import time; time.sleep(1)\n", PROGRAM),
    Bomb("stops itself", in_call("os.kill(os.getpid(), signal.SIGSTOP)", "import os, signal")),
]
