"""Programs of standard input and output that would be paid without computing anything."""

PROGRAMS = [
    (
        "reads_the_expected_output",
        "secret",
        "the expected output may lie in a file beside the input",
        """
import glob
import os
import re

found = []
for pattern in ("*", "../*", "/tmp/*", "/tmp/*/*", "/dev/shm/*", "/proc/*/fd/*", "/proc/*/cmdline", "/proc/*/environ"):
    for path in glob.glob(pattern):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            found += re.findall(rb"expected-[0-9a-f]{10}", os.read(fd, 1 << 20))
            os.close(fd)
        except OSError:
            pass
number = int(open(0).readline() or 1)
print(found[number % len(found)].decode() if found else "nothing found")
""",
        {"danger": True},
    ),
    (
        "searches_its_own_memory",
        "secret",
        "the expected output in the memory that a forked process inherits",
        """
import gc
import re

number = int(input())
found = []
for thing in gc.get_objects():
    for part in gc.get_referents(thing):
        if isinstance(part, (str, bytes)):
            text = part if isinstance(part, str) else part.decode("latin-1")
            found += re.findall(r"expected-[0-9a-f]{10}", text)
print(found[number % len(found)] if found else "nothing found")
""",
    ),
    (
        "prints_without_end",
        "echo",
        "every text is somewhere in an endless one",
        "import itertools\n\nfor number in itertools.count():\n    print(number)\n",
        {"limits": "quick"},
    ),
    (
        "closes_standard_output",
        "echo",
        "an output that cannot be read is no wrong output",
        "import os\nimport sys\n\nsys.stdout.close()\nos.close(1)\nos.close(2)\n",
    ),
    (
        "right_output_then_crash",
        "echo",
        "the exit code counts as well as the output; the output is wrong besides",
        "a, b = map(int, input().split())\nprint(a - b, flush=True)\nraise SystemExit(0 if a > b else 3)\n",
    ),
    (
        "child_prints_later",
        "echo",
        "the program ends, and a child that holds the pipe goes on printing and keeps it open",
        """
import os
import time

if os.fork() == 0:
    os.setsid()
    for _ in range(100):
        time.sleep(0.1)
        print("7", flush=True)
os._exit(0)
""",
        {"limits": "quick", "danger": True},
    ),
    (
        "child_prints_into_the_next_case",
        "echo",
        "a child waits for the next case and prints what it reads there",
        """
import os
import sys
import time

line = input()
if os.fork() == 0:
    os.setsid()
    for _ in range(50):
        time.sleep(0.02)
        for path in (f"/proc/{pid}/fd/1" for pid in os.listdir("/proc") if pid.isdigit()):
            try:
                fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
                os.write(fd, b"30\\n7\\n")
                os.close(fd)
            except OSError:
                pass
    os._exit(0)
print(-1)
""",
        {"limits": "quick", "danger": True},
    ),
    (
        "writes_into_standard_input",
        "echo",
        "the pipe of the input, opened the other way round, and the input given back as the output",
        """
import os
import sys

data = sys.stdin.read()
for path in ("/proc/self/fd/0", "/dev/stdin"):
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        os.write(fd, b"7\\n")
    except OSError:
        pass
sys.stdout.write(data)
""",
    ),
    (
        "verdict_on_every_descriptor",
        "echo",
        "the program's process may hold a channel of the judge's",
        """
import json
import os
import struct

for message in ([0, ""], {"status": "correct", "passed": 2, "total": 2}, "correct", [0, "7\\n"], True):
    body = json.dumps(message).encode()
    for fd in range(2, 128):
        for data in (body + b"\\n", struct.pack(">I", len(body)) + body):
            try:
                os.write(fd, data)
            except OSError:
                pass
print(-1)
""",
    ),
    (
        "answer_after_the_end_of_the_text",
        "echo",
        "null characters, backspaces and carriage returns that hide what is wrong",
        "a, b = map(int, input().split())\nprint(f'0\\x08{a + b + 1}\\x08\\x00\\r{a + b}\\x1b[K')\n",
    ),
    (
        "all_lines_the_input_might_mean",
        "echo",
        "a table of outputs, one of them right",
        "line = input()\nfor number in range(-100, 100):\n    print(number, end=' ')\n",
    ),
    (
        "waits_for_more_input",
        "echo",
        "it reads beyond the end of the input, for ever",
        """
import time

while True:
    try:
        input()
    except EOFError:
        time.sleep(0.01)
""",
        {"limits": "quick"},
    ),
    (
        "never_reads_and_floods_errors",
        "echo",
        "standard error is drained by nobody, if the judge forgot it",
        "import sys\n\nfor _ in range(2000):\n    sys.stderr.write('x' * 10_000)\nprint(-1)\n",
        {"limits": "quick"},
    ),
    (
        "exec_into_cat",
        "echo",
        "another program takes its place and gives the input back",
        """
import os
import sys

for path in ("/bin/cat", "/usr/bin/cat"):
    if os.path.exists(path):
        os.execv(path, ["cat"])
sys.stdout.write(sys.stdin.read())
""",
        {"danger": True},
    ),
]
