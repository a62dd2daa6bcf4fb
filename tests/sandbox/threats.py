"""What does each threat of docs/sandbox.md try, and did it get through?

Every threat is a mild version of itself: harmless where nothing stops it, so that the cells which say "not stopped"
can be shown, too. The full ones are in attacks/.

    python threats.py BACKEND      tries all of them, prints {threat: got through} as JSON
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from assay import AssertTests, Limits, Status, StdioTests, open_sandbox

__all__ = ["LIMITS", "PLAIN", "THREATS", "Host", "program"]

LIMITS = Limits(
    wall_seconds=4.0, cpu_seconds=1.0, memory_bytes=512 << 20, processes=24, disk_bytes=16 << 20, output_bytes=1 << 20
)
SECRET = "expected-5e1f0c93ab"


class Host:
    """Things of the host that a program should not get at: a file, a folder, a port, a process."""

    def __init__(self, folder: Path, port: int, mark: str) -> None:
        self.folder, self.port, self.mark = folder, port, mark
        self.file = folder / "secret"

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Host]:
        """Put them there, open to every user, and take them away again."""
        with tempfile.TemporaryDirectory(prefix="assay-threats-") as name, socket.socket() as server:
            folder = Path(name)
            folder.chmod(0o777)
            server.bind(("127.0.0.1", 0))
            server.listen(16)
            host = cls(folder, server.getsockname()[1], f"mark-{os.getpid()}-{os.urandom(4).hex()}")
            host.file.write_text(host.mark)
            host.file.chmod(0o666)
            sleeper = subprocess.Popen(
                [sys.executable, "-c", "import sys; sys.stdin.read()", host.mark], stdin=subprocess.PIPE
            )
            try:
                yield host
            finally:
                sleeper.kill()
                sleeper.communicate()


def program(body: str, host: Host) -> str:
    """Return a solution whose probe() tells whether it got through."""
    words = {"FILE": str(host.file), "FOLDER": str(host.folder), "PORT": host.port, "MARK": host.mark}
    lines = "\n".join(f"    {line}" for line in body.strip("\n").split("\n"))
    head = "".join(f"{name} = {value!r}\n" for name, value in words.items())
    return f"{head}\ndef probe():\n{lines}\n"


PROBE = AssertTests(["assert probe() is True"], entry_point="probe")


def tried(box: Any, body: str, host: Host, tests: AssertTests = PROBE) -> bool:
    """Judge a probe; return whether it got through."""
    judgement = box.judge(program(body, host), tests)
    if not judgement.status.is_verdict:
        raise RuntimeError(f"no verdict: {judgement}")
    return judgement.status is Status.CORRECT


def probe(body: str) -> Callable[[Any, Host], bool]:
    return lambda box, host: tried(box, body, host)


# ---- probes: bodies of functions that return True where they get through

READS_FILE = "return open(FILE).read() == MARK"
READS_SYSTEM = "import os\nreturn 'env' in os.listdir('/usr/bin')"
CONNECTS = """
import socket
with socket.socket() as end:
    end.settimeout(1)
    return end.connect_ex(('127.0.0.1', PORT)) == 0
"""
SEES_PROCESSES = """
import os
for name in os.listdir('/proc'):
    try:
        if MARK in open(f'/proc/{name}/cmdline').read():
            return True
    except OSError:
        pass
return False
"""
STARTS_PROCESSES = """
import os, signal
children = []
try:
    for _ in range(60):
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
except OSError:
    pass
for child in children:
    os.kill(child, signal.SIGKILL)
return len(children) == 60
"""
MANY_USE_MEMORY = """
import os, time
children = []
for _ in range(12):
    child = os.fork()
    if child == 0:
        held = bytearray(120 << 20)
        held[::4096] = b'x' * len(held[::4096])
        time.sleep(1.5)
        os._exit(0)
    children.append(child)
return all(os.waitpid(child, 0)[1] == 0 for child in children)
"""
MANY_USE_PROCESSORS = """
import os, time
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        while time.process_time() < 0.5:
            pass
        os._exit(0)
    children.append(child)
return all(os.waitpid(child, 0)[1] == 0 for child in children)
"""
FILLS_DISK = """
written = 0
for number in range(40):
    with open(f'/tmp/large-{number}', 'wb') as file:
        written += file.write(b'x' * (1 << 20))
return written == 40 << 20
"""
MAKES_FILES = """
import os
for number in range(20_000):
    open(f'/tmp/small-{number}', 'w').close()
return True
"""
SYSTEM_CALLS = """
import ctypes
libc = ctypes.CDLL(None)
return libc.unshare(0x10000000) == 0 or libc.ptrace(0, 0, 0, 0) == 0
"""
PRIVILEGES = """
import ctypes, os
try:
    os.setuid(0)
except OSError:
    pass
PR_GET_NO_NEW_PRIVS = 39
return os.getuid() == 0 or ctypes.CDLL(None).prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1
"""
FINDS_TESTS = """
import gc, os, sys
places = [str(value) for value in gc.get_objects() if isinstance(value, (list, dict, tuple))]
for folder, _, files in [*os.walk('/tmp'), *os.walk('/examiner'), *os.walk('/proc/self')]:
    for name in files:
        if name in ('environ', 'cmdline') or not folder.startswith('/proc'):
            try:
                places.append(open(f'{folder}/{name}', errors='replace').read(1 << 16))
            except OSError:
                pass
frame = sys._getframe()
while frame:
    places.append(str(frame.f_locals))
    frame = frame.f_back
for text in places:
    for place in range(len(text)):
        place = text.find('expected-' + '5e1f0c', place)
        if place < 0:
            break
        if text[place + 15:place + 19].isalnum():
            return text[place:place + 19]
"""
FORGES = """
import json, os
for words in (['verdict', '1', 'correct', 1, 1, [], ''], ['=', True, [], [], None], [0, '']):
    body = json.dumps(words).encode()
    for fd in range(20):
        try:
            os.set_blocking(fd, False)
            os.write(fd, len(body).to_bytes(4, 'big') + body)
        except OSError:
            pass
return False
"""
DISHONEST = """
class Yes:
    def __eq__(self, other):
        return True
    def __bool__(self):
        return True
return Yes()
"""
LEAVES_FILES = """
import os
for place in ('/tmp', '/dev/shm', '.'):
    with open(f'{place}/left-behind', 'w') as file:
        file.write('here')
return False
"""
FINDS_FILES = """
import os
return any(os.path.exists(f'{place}/left-behind') for place in ('/tmp', '/dev/shm', '.'))
"""
LEAVES_PROCESSES = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(20)', MARK + '-left'])
    os._exit(0)
time.sleep(0.5)
return False
"""
ENDS = ["import os\nos._exit(0)", "raise SystemExit(0)", "import sys\nsys.exit()", "exit(0)"]
KILLS = [
    "import os\nos.kill(1, 9)\nreturn False",
    "import os\nos.kill(os.getppid(), 9)\nreturn False",
    "import os, ctypes\nos.abort()",
]
PATCHES = """
import math, builtins
math.isclose = lambda *a, **k: True
builtins.abs = lambda x: 0
return 7.0
"""


def finds_tests(box: Any, host: Host) -> bool:
    tests = AssertTests([f"assert probe() == {SECRET!r}"], setup=f"answers = [{SECRET!r}]", entry_point="probe")
    return tried(box, FINDS_TESTS, host, tests)


def dishonest(box: Any, host: Host) -> bool:
    return tried(box, DISHONEST, host, AssertTests(["assert probe() == 4"])) or tried(
        box, DISHONEST, host, AssertTests(["assert probe() in (4, 5)"])
    )


def ends_early(box: Any, host: Host) -> bool:
    return any(tried(box, body, host) for body in ENDS)


def writes_file(box: Any, host: Host) -> bool:
    tried(box, "open(FILE + '-made', 'w').close()\nreturn False", host)
    tried(box, "open(FILE, 'a').write('more')\nreturn False", host)
    return host.file.read_text() != host.mark or (host.folder / "secret-made").exists()


def leaves_files(box: Any, host: Host) -> bool:
    tried(box, LEAVES_FILES, host)
    return tried(box, FINDS_FILES, host)


def leaves_processes(box: Any, host: Host) -> bool:
    tried(box, LEAVES_PROCESSES, host)
    until = (
        time.monotonic() + 5
    )  # a verdict may come a moment before its processes have gone; the one left sleeps for 20 s
    while any(f"{host.mark}-left" in line for line in _command_lines()):
        if time.monotonic() > until:
            return True
    return False


def _command_lines() -> Iterator[str]:
    for number in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            yield Path(f"/proc/{number}/cmdline").read_text(errors="replace")


def timed_out(body: str) -> Callable[[Any, Host], bool]:
    def runs_on(box: Any, host: Host) -> bool:
        judgement = box.judge(program(body, host), PROBE)
        return judgement.status is not Status.TIMEOUT or judgement.seconds > LIMITS.wall_seconds + 5

    return runs_on


def floods(box: Any, host: Host) -> bool:
    judgement = box.judge("print('x' * (1 << 21))\n", StdioTests([("", "x" * (1 << 21))]))
    return judgement.status is Status.CORRECT or len(str(judgement)) > 10_000


def hostile_tests(box: Any, host: Host) -> bool:
    tests = AssertTests(["assert probe()", f"assert open({str(host.file)!r}).read() == {host.mark!r}"])
    return tried(box, "return True", host, tests)


def buys_no_verdict(box: Any, host: Host) -> bool:
    for body in KILLS:
        if not box.judge(program(body, host), PROBE).status.is_verdict:
            return True
    return not tried(box, "return True", host)


def patches(box: Any, host: Host) -> bool:
    tests = AssertTests(["assert math.isclose(probe(), 3.0)", "assert abs(probe() - 3.0) < 1e-9"], setup="import math")
    judgement = box.judge(program(PATCHES, host), tests)
    return bool(judgement.passed)


def table(box: Any, host: Host) -> bool:
    tests = AssertTests(["assert square(3) == 9", "assert square(12) == 144"], entry_point="square")
    return box.judge("def square(n):\n    return {3: 9, 12: 144}[n]\n", tests).status is Status.CORRECT


def oracle(box: Any, host: Host) -> bool:
    tests = AssertTests(["assert square(7, lambda n: n * n) == 49"], entry_point="square")
    return box.judge("def square(n, helper):\n    return helper(n)\n", tests).status is Status.CORRECT


THREATS: dict[str, Callable[[Any, Host], bool]] = {
    "reads the tests or the expected values": finds_tests,
    "forges the verdict": probe(FORGES),
    "objects that equal everything": dishonest,
    "replaces functions that the tests use": patches,
    "ends before the tests do": ends_early,
    "reads files of the host": probe(READS_FILE),
    "reads the host's programs and libraries": probe(READS_SYSTEM),
    "writes files of the host": writes_file,
    "uses the network": probe(CONNECTS),
    "sees processes of the host": probe(SEES_PROCESSES),
    "leaves files for the next run": leaves_files,
    "leaves processes behind": leaves_processes,
    "processor time without end": timed_out("while True:\n    pass"),
    "processor time of many processes together": probe(MANY_USE_PROCESSORS),
    "waits without end": timed_out("import time\ntime.sleep(1000)"),
    "memory of one process": probe("return len([0] * (1 << 27)) > 0"),
    "memory of many processes together": probe(MANY_USE_MEMORY),
    "processes without end": probe(STARTS_PROCESSES),
    "fills the disk": probe(FILLS_DISK),
    "files without end": probe(MAKES_FILES),
    "output without end": floods,
    "rare system calls": probe(SYSTEM_CALLS),
    "becomes root, or may": probe(PRIVILEGES),
    "kills its sandbox to get no verdict": buys_no_verdict,
    "hostile tests": hostile_tests,
    "a table of the tests' answers": table,
    "tests that hand over the answer": oracle,
}

# Those that can be run outside of a sandbox, to show that they get through there.
PLAIN = {
    "reads files of the host": READS_FILE,
    "reads the host's programs and libraries": READS_SYSTEM,
    "uses the network": CONNECTS,
    "sees processes of the host": SEES_PROCESSES,
    "processes without end": STARTS_PROCESSES,
    "memory of one process": "return len([0] * (1 << 27)) > 0",
    "becomes root, or may": PRIVILEGES,
}


def main(backend: str) -> None:
    with Host.opened() as host, open_sandbox(backend, workers=1, limits=LIMITS) as box:  # type: ignore[arg-type]
        print(json.dumps({name: through(box, host) for name, through in THREATS.items()}))


if __name__ == "__main__":
    main(sys.argv[1])
