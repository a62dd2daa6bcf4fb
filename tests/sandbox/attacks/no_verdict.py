"""Buying "no verdict": a sample without one is skipped by a trainer, which is better than 0 for a wrong program.

So these try to break the machinery: kill, starve or confuse whoever runs and judges them. They must earn 0, and what
is judged beside and after them must be judged right.
"""


def blow(name, why, solution, **options):
    """Return a row for a program that strikes at the sandbox itself."""
    return (name, "total", why, solution, {"limits": "quick", "danger": True, **options})


PROGRAMS = [
    blow(
        "kills_everybody",
        "kill(-1) reaches all that its user may signal",
        "import os\nimport signal\n\n\ndef total(numbers):\n    os.kill(-1, signal.SIGKILL)\n    return -1\n",
    ),
    blow(
        "kills_pid_1",
        "the container ends with its first process",
        """
import os


def total(numbers):
    for number in (9, 15, 2, 3, 1, 6, 11, 19, 31):
        try:
            os.kill(1, number)
        except OSError:
            pass
    return -1
""",
    ),
    blow(
        "kills_its_parents",
        "the forker, the supervisor, and theirs",
        """
import os


def total(numbers):
    pid = os.getppid()
    while pid > 0:
        try:
            os.kill(pid, 9)
            pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            break
    return -1
""",
    ),
    blow(
        "kills_every_pid",
        "each number that a process could have, one after the other",
        """
import os


def total(numbers):
    for number in (15, 9):
        for pid in range(1, 5000):
            if pid != os.getpid():
                try:
                    os.kill(pid, number)
                except OSError:
                    pass
    return -1
""",
    ),
    blow(
        "kills_every_group",
        "process groups and sessions, its own last",
        """
import os


def total(numbers):
    for group in range(1, 5000):
        try:
            os.killpg(group, 9)
        except OSError:
            pass
    os.killpg(0, 9)
    return -1
""",
    ),
    blow(
        "kills_at_load",
        "everybody, before it is asked anything",
        """
import os

for pid in (-1, 1, os.getppid(), 0):
    try:
        os.kill(pid, 9)
    except OSError:
        pass
""",
    ),
    blow(
        "kills_again_and_again",
        "daemons that go on killing while the next runs are set up",
        """
import os
import time


def total(numbers):
    for _ in range(4):
        if os.fork() == 0:
            os.setsid()
            end = time.monotonic() + 20
            while time.monotonic() < end:
                for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
                    if pid != os.getpid():
                        try:
                            os.kill(pid, 9)
                        except OSError:
                            pass
            os._exit(0)
    return -1
""",
    ),
    blow(
        "stops_everybody",
        "SIGSTOP for each pid there is: nobody dies, nobody answers",
        """
import os
import signal


def total(numbers):
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        if pid != os.getpid():
            try:
                os.kill(pid, signal.SIGSTOP)
            except OSError:
                pass
    return -1
""",
    ),
    blow(
        "restarts_the_machine",
        "reboot(2) ends a pid namespace where it is allowed",
        """
import ctypes


def total(numbers):
    libc = ctypes.CDLL(None, use_errno=True)
    for command in (0x01234567, 0x4321FEDC):
        libc.reboot(command)
    return -1
""",
    ),
    blow(
        "makes_itself_the_last_to_die",
        "the out-of-memory killer is pointed at the others",
        """
import os
import time

for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
    try:
        with open(f"/proc/{pid}/oom_score_adj", "w") as file:
            file.write("-1000" if pid == str(os.getpid()) else "1000")
    except OSError:
        pass


def total(numbers):
    held = []
    for _ in range(20):
        try:
            os.fork()
        except OSError:
            break
    while True:
        try:
            held.append(bytearray(b"x") * (4 << 20))
        except MemoryError:
            time.sleep(0.01)
""",
    ),
    blow(
        "uses_up_the_pids",
        "with no process left to fork, the next run cannot be set up",
        """
import os
import time


def total(numbers):
    while True:
        try:
            if os.fork() == 0:
                os.setsid()
                time.sleep(60)
                os._exit(0)
        except OSError:
            break
    return -1
""",
    ),
    blow(
        "uses_up_the_pids_with_zombies",
        "children that nobody waits for",
        """
import os


def total(numbers):
    try:
        while True:
            if os.fork() == 0:
                os._exit(0)
    except OSError:
        pass
    return -1
""",
    ),
    blow(
        "fills_what_the_supervisor_writes_to",
        "no place for the next run's folder",
        """
import os


def total(numbers):
    for folder in (".", "..", "/tmp", "/dev/shm", "/run"):
        for size in (1 << 20, 1 << 12, 1):
            for number in range(2000):
                try:
                    with open(os.path.join(folder, f"full-{size}-{number}"), "wb") as file:
                        file.write(b"x" * size)
                except OSError:
                    break
    return -1
""",
    ),
    blow(
        "limits_its_parents",
        "prlimit on the forker: no files, no processes, no CPU time",
        """
import os
import resource


def total(numbers):
    for pid in {os.getppid(), 1, *[int(name) for name in os.listdir("/proc") if name.isdigit()]} - {os.getpid()}:
        for name in ("RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_FSIZE"):
            try:
                resource.prlimit(pid, getattr(resource, name), (1, 1))
            except OSError:
                pass
    return -1
""",
    ),
    blow(
        "freezes_its_group",
        "the control group's own switches, where they can be written",
        """
import glob


def total(numbers):
    for pattern, text in (
        ("/sys/fs/cgroup/freezer/freezer.state", "FROZEN"),
        ("/sys/fs/cgroup/*/freezer.state", "FROZEN"),
        ("/sys/fs/cgroup/cgroup.freeze", "1"),
        ("/sys/fs/cgroup/cgroup.kill", "1"),
        ("/sys/fs/cgroup/pids.max", "1"),
        ("/sys/fs/cgroup/pids/pids.max", "1"),
        ("/sys/fs/cgroup/memory.max", "1"),
    ):
        for path in glob.glob(pattern):
            try:
                with open(path, "w") as file:
                    file.write(text)
            except OSError:
                pass
    return -1
""",
    ),
    blow(
        "dies_in_every_way",
        "one signal a call: whatever the judge makes of an odd death, it must not be its own fault",
        """
import os

numbers_of_signals = iter((4, 5, 7, 8, 13, 24, 25, 27, 31))


def total(numbers):
    os.kill(os.getpid(), next(numbers_of_signals))
    return -1
""",
    ),
    blow(
        "dumps_core",
        "a core dump as large as it can be, wherever the pattern says",
        """
import os
import resource

try:
    resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)[1:] * 2)
except (OSError, ValueError):
    pass


def total(numbers):
    held = bytearray(b"x") * (100 << 20)
    os.abort()
""",
    ),
    blow(
        "says_it_is_the_machinery",
        "exceptions and words by which a judge tells its own failures",
        """
import sys


class SandboxError(BaseException):
    pass


for name in ("INFRA_ERROR", "infra_error", "SandboxUnavailable", "Closed", "BrokenPipeError", "Late", "MemoryError"):
    print(name, '{"status": "infra_error"}', file=sys.stderr)


def total(numbers):
    raise [ConnectionError, BrokenPipeError, EOFError][len(numbers) % 3]("infra_error: container died")
""",
    ),
    blow(
        "tests_that_look_bad",
        "an error that looks as if the tests did not parse",
        """
def total(numbers):
    if len(numbers) == 3:
        raise SyntaxError("invalid syntax", ("<tests>", 1, 1, "assert"))
    raise NameError("name 'assert_total' is not defined")
""",
    ),
]
