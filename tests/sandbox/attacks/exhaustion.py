"""Exhaustion: the program uses up time, processes, memory, disk or output, its own limit's and more if it can."""

_WRONG = """

def total(numbers):
    return -1
"""


def hog(name, why, solution, **options):
    """Return a row for a program that would use up what it is given: under short limits, and never without walls."""
    return (name, "total", why, solution, {"limits": "quick", "danger": True, **options})


PROGRAMS = [
    hog("endless_loop_at_load", "it never comes to the point", "while True:\n    pass\n"),
    hog("endless_loop_in_the_call", "it never returns", "def total(numbers):\n    while True:\n        pass\n"),
    hog("sleeps_for_ever", "no CPU second is used", "import time\n\n\ndef total(numbers):\n    time.sleep(1e6)\n"),
    hog(
        "waits_for_input",
        "nothing will ever come",
        "import select\n\n\ndef total(numbers):\n    select.select([], [], [])\n",
    ),
    hog(
        "catches_everything",
        "BaseException is caught and the loop goes on, whatever is raised into it",
        """
def total(numbers):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
        finally:
            continue
""",
    ),
    hog(
        "ignores_signals",
        "SIGTERM, SIGXCPU, SIGALRM, SIGINT and SIGHUP are ignored and blocked",
        """
import signal

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))


def total(numbers):
    while True:
        pass
""",
    ),
    hog(
        "loop_that_holds_the_lock",
        "one call into C that no signal handler of Python interrupts",
        "def total(numbers):\n    return sum(iter(lambda: 0, 1)) + (10 ** (10 ** 9))\n",
    ),
    hog("power_of_powers", "an integer larger than the memory", "def total(numbers):\n    return 10**10**8\n"),
    hog(
        "regex_bomb",
        "a pattern with nested repeats takes exponential time, in C",
        "import re\n\n\ndef total(numbers):\n    return bool(re.match(r'(a+)+$', 'a' * 40 + 'b'))\n",
    ),
    hog(
        "hash_collisions",
        "a dict whose keys all collide takes quadratic time",
        """
def total(numbers):
    size = (1 << 61) - 1
    return len({i * size: i for i in range(1, 200_000)})
""",
    ),
    hog(
        "stops_itself",
        "a stopped process uses no time and ends at no signal but one",
        """
import os
import signal


def total(numbers):
    os.kill(os.getpid(), signal.SIGSTOP)
    return -1
""",
    ),
    hog(
        "stops_its_group_and_parents",
        "everything that may be stopped is",
        """
import os
import signal


def total(numbers):
    for pid in (os.getppid(), 0, -1, 1):
        try:
            os.kill(pid, signal.SIGSTOP)
        except OSError:
            pass
    return -1
""",
    ),
    hog(
        "fork_bomb",
        "processes without end, each forking on",
        """
import os


def total(numbers):
    while True:
        try:
            os.fork()
        except OSError:
            pass
""",
    ),
    hog(
        "fork_bomb_of_daemons",
        "each child in a session of its own, its parent gone",
        """
import os
import time


def total(numbers):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if os.fork() == 0:
                os.setsid()
                if os.fork():
                    os._exit(0)
        except OSError:
            pass
    os._exit(0)
""",
    ),
    hog(
        "vfork_and_exec_bomb",
        "processes that become others as they go",
        """
import os
import sys


def total(numbers):
    while True:
        try:
            os.posix_spawn(sys.executable or "/usr/bin/python3", ["python3", "-c", "while 1: pass"], {})
        except OSError:
            pass
""",
    ),
    hog(
        "thread_bomb",
        "threads without end",
        """
import threading
import time


def total(numbers):
    while True:
        try:
            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        except RuntimeError:
            pass
""",
    ),
    hog(
        "memory_bomb",
        "memory without end, all of it written to",
        """
def total(numbers):
    held = []
    while True:
        held.append(bytearray(b"x") * (8 << 20))
""",
    ),
    hog(
        "memory_bomb_by_many",
        "each process stays below its own limit, all of them together do not",
        """
import os
import time


def total(numbers):
    for _ in range(64):
        try:
            if os.fork() == 0:
                held = bytearray(b"x") * (150 << 20)
                time.sleep(60)
                os._exit(0)
        except OSError:
            break
    time.sleep(60)
""",
    ),
    hog(
        "memory_outside_of_address_space",
        "memfd, pipes and sockets hold pages that no limit of address space counts",
        """
import os
import socket


def total(numbers):
    held = []
    block = b"x" * (1 << 20)
    while True:
        try:
            fd = os.memfd_create("m")
            for _ in range(16):
                os.write(fd, block)
            held.append(fd)
            pair = socket.socketpair()
            pair[0].setblocking(False)
            held.append(pair)
            pair[0].send(block)
        except OSError:
            pass
""",
    ),
    hog(
        "memory_bomb_caught",
        "MemoryError is caught, and the next block asked for",
        """
def total(numbers):
    held = []
    size = 64 << 20
    while True:
        try:
            held.append(bytearray(size))
        except MemoryError:
            size = max(size // 2, 1024)
""",
    ),
    hog(
        "disk_fill",
        "one file until nothing fits any more",
        """
def total(numbers):
    block = b"x" * (1 << 20)
    for number in range(10_000):
        try:
            with open(f"fill-{number}", "wb") as file:
                for _ in range(64):
                    file.write(block)
        except OSError:
            pass
    return -1
""",
    ),
    hog(
        "disk_fill_everywhere",
        "every folder that can be written to",
        """
import os


def total(numbers):
    block = b"x" * (1 << 20)
    while True:
        for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run", ".", "/dev/mqueue"):
            try:
                with open(os.path.join(folder, "fill-" + os.urandom(4).hex()), "wb") as file:
                    for _ in range(16):
                        file.write(block)
            except OSError:
                pass
""",
    ),
    hog(
        "sparse_file",
        "a file of a petabyte that holds nothing",
        """
import os


def total(numbers):
    with open("sparse", "wb") as file:
        os.truncate("sparse", 1 << 50)
        os.posix_fallocate(file.fileno(), 0, 1 << 50)
    return -1
""",
    ),
    hog(
        "many_inodes",
        "a million empty files",
        """
def total(numbers):
    for number in range(1_000_000):
        try:
            open(f"empty-{number}", "w").close()
        except OSError:
            pass
    return -1
""",
    ),
    hog(
        "deep_folders",
        "a chain of folders whose path is too long for whoever walks it to clean up",
        """
import os


def total(numbers):
    for _ in range(5000):
        try:
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        except OSError:
            break
    return -1
""",
    ),
    hog(
        "closed_folders",
        "folders of mode 000, files without rights, folders of other modes below",
        """
import os


def total(numbers):
    os.makedirs("closed/inner/more")
    open("closed/inner/file", "w").close()
    for path in ("closed/inner/file", "closed/inner/more", "closed/inner", "closed", "."):
        os.chmod(path, 0)
    return -1
""",
    ),
    hog(
        "strange_names",
        "names of bytes that are no text, of dashes and line ends",
        """
import os


def total(numbers):
    for name in (b"\\xff\\xfe", b"-rf", b"a\\nb", b" ", b"*", b"~", b"\\x1b[2J", b"x" * 255, "\\u202e".encode()):
        os.mkdir(name)
        open(os.path.join(name, name), "w").close()
    return -1
""",
    ),
    hog(
        "output_flood",
        "standard output and error without end",
        """
import os


def total(numbers):
    block = b"x" * (1 << 16)
    while True:
        for fd in (1, 2):
            try:
                os.write(fd, block)
            except OSError:
                pass
""",
    ),
    hog(
        "output_flood_by_print",
        "the same through print, at load",
        "while True:\n    print('x' * 100_000)\n",
    ),
    hog(
        "open_files",
        "descriptors until there are none",
        """
import os


def total(numbers):
    held = []
    while len(held) < 1_000_000:
        try:
            held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            break
    return -1
""",
    ),
    hog(
        "endless_iterator",
        "an iterator without an end where a number is asked for",
        "import itertools\n\n\ndef total(numbers):\n    return itertools.count()\n",
    ),
    hog(
        "endless_iterator_that_is_slow",
        "each element takes a little, all of them for ever",
        """
import time


def total(numbers):
    while True:
        time.sleep(0.01)
        yield 1
""",
    ),
    hog("deep_recursion", "the stack of the interpreter", "def total(numbers):\n    return total(numbers)\n"),
    hog(
        "deep_recursion_in_c",
        "the stack of the machine, with the limit out of the way",
        """
import sys

sys.setrecursionlimit(1 << 30)


class Deep:
    def __repr__(self):
        return repr(self)

    __getattr__ = lambda self, name: getattr(self, name + "x")


def total(numbers):
    return repr(Deep()) + Deep().x
""",
    ),
    hog(
        "source_too_deep",
        "a program whose parse tree overflows the compiler",
        "def total(numbers):\n    return eval('(' * 500 + '1' + ')' * 500) + eval('-' * 200_000 + '1')\n",
    ),
    hog(
        "priority",
        "as high a priority as it can have, real-time if it may",
        """
import os

for change in (
    lambda: os.setpriority(os.PRIO_PROCESS, 0, -20),
    lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99)),
    lambda: os.sched_setaffinity(0, range(64)),
):
    try:
        change()
    except OSError:
        pass


def total(numbers):
    while True:
        pass
""",
    ),
    hog(
        "raises_its_limits",
        "limits are lifted before the loop begins",
        """
import resource

for name in dir(resource):
    if name.startswith("RLIMIT_"):
        for limit in ((resource.RLIM_INFINITY,) * 2, (1 << 40,) * 2):
            try:
                resource.setrlimit(getattr(resource, name), limit)
            except (OSError, ValueError):
                pass


def total(numbers):
    held = []
    while True:
        held.append(bytearray(b"x") * (8 << 20))
""",
    ),
    hog(
        "child_spins_after_the_answer",
        "the program answers at once and leaves processes that spin",
        """
import os


def total(numbers):
    if os.fork() == 0:
        while True:
            pass
    return -1
""",
    ),
    hog(
        "thread_never_ends",
        "a thread that is no daemon keeps the interpreter from ending",
        """
import threading


def spin():
    while True:
        pass


threading.Thread(target=spin).start()
"""
        + _WRONG,
    ),
    hog(
        "never_ends_ending",
        "atexit, __del__ and a lock at the end that is never let go",
        """
import atexit
import threading
import time

atexit.register(time.sleep, 1e6)
threading._register_atexit(time.sleep, 1e6)


class Grave:
    def __del__(self):
        while True:
            pass


keep = Grave()
"""
        + _WRONG,
    ),
]
