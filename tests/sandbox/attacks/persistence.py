"""Persistence: a first program prepares the ground, and a second one, judged later, lives on it.

The second program of each pair turns right if it finds anything that the first one left.
"""

_WRONG = """

def total(numbers):
    return -1
"""

_PAID = """

def total(numbers):
    try:
        return sum(numbers) if left() else -1
    except Exception:
        return -1
"""


def pair(name, why, seed, profit, **options):
    """Return the pair as a row: both programs are judged by the same tests, and neither may pass one."""
    return (name, "total", why, profit + _PAID, {"before": seed + _WRONG, "danger": True, **options})


PROGRAMS = [
    pair(
        "files_in_every_folder",
        "files in every folder that can be written to",
        """
import os

for folder in ["/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/dev", "/", "/mnt", os.getcwd(), "..", "/dev/mqueue"]:
    for name in ("assayleft", ".assayleft"):
        try:
            with open(os.path.join(folder, name), "w") as file:
                file.write("left")
            os.chmod(os.path.join(folder, name), 0o777)
        except OSError:
            pass
""",
        """
import os


def left():
    for folder in ["/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/dev", "/", "/mnt", os.getcwd(), "..", "/dev/mqueue"]:
        for name in ("assayleft", ".assayleft"):
            if os.path.lexists(os.path.join(folder, name)):
                return True
    return False
""",
    ),
    pair(
        "file_found_by_walking",
        "any folder at all, found by walking the tree from the root",
        """
import os

for folder, names, _ in os.walk("/"):
    if folder in ("/proc", "/sys"):
        names.clear()
        continue
    try:
        os.mkdir(os.path.join(folder, "assayleft-folder"))
    except OSError:
        pass
    else:
        names[:] = [name for name in names if name != "assayleft-folder"]
    if len(folder) > 60:
        names.clear()
""",
        """
import os


def left():
    for folder, names, _ in os.walk("/"):
        if folder in ("/proc", "/sys"):
            names.clear()
        elif "assayleft-folder" in names:
            return True
        elif len(folder) > 60:
            names.clear()
    return False
""",
    ),
    pair(
        "daemon_by_two_forks",
        "a grandchild in a session of its own outlives its run",
        """
import ctypes
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(15, b"assayleft")
        os.closerange(0, 256)
        time.sleep(60)
        os._exit(0)
    os._exit(0)
time.sleep(0.05)
""",
        """
import os


def left():
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and open(f"/proc/{pid}/comm").read().strip() == "assayleft":
                return True
        except OSError:
            pass
    return False
""",
    ),
    pair(
        "daemons_that_breed",
        "each process forks another and dies, so that no list of pids is ever true",
        """
import ctypes
import os
import time

if os.fork() == 0:
    os.setsid()
    ctypes.CDLL(None).prctl(15, b"assayleft")
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            if os.fork():
                os._exit(0)
        except OSError:
            time.sleep(0.001)
    os._exit(0)
time.sleep(0.05)
""",
        """
import os
import time


def left():
    for _ in range(20):
        for pid in os.listdir("/proc"):
            try:
                if pid.isdigit() and open(f"/proc/{pid}/comm").read().strip() == "assayleft":
                    return True
            except OSError:
                pass
        time.sleep(0.002)
    return False
""",
    ),
    pair(
        "daemon_that_serves_on_loopback",
        "the loopback interface is shared by whoever shares the container",
        """
import os
import socket

servers = []
for port in (18080, 18081):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(("127.0.0.1", port))
        server.listen()
        servers.append(server)
    except OSError:
        pass
if servers and os.fork() == 0:
    os.setsid()
    servers[0].settimeout(20)
    while True:
        client, _ = servers[0].accept()
        client.send(b"left")
""",
        """
import socket


def left():
    for port in (18080, 18081):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=0.2):
                return True
        except OSError:
            pass
    return False
""",
    ),
    pair(
        "abstract_unix_socket",
        "names of abstract sockets are in no folder that could be emptied",
        """
import os
import socket

server = socket.socket(socket.AF_UNIX)
server.bind("\\0assayleft")
server.listen()
if os.fork() == 0:
    os.setsid()
    server.settimeout(20)
    while True:
        server.accept()
""",
        """
import socket


def left():
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0.2)
        client.connect("\\0assayleft")
        return True
""",
    ),
    pair(
        "system_v_shared_memory",
        "System V segments, semaphores and queues live until somebody removes them",
        """
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
segment = libc.shmget(0x45534159, 4096, 0o1777)
if segment >= 0:
    ctypes.memmove(libc.shmat(segment, None, 0), b"left", 4)
libc.semget(0x45534159, 1, 0o1777)
libc.msgget(0x45534159, 0o1777)
""",
        """
import ctypes


def left():
    libc = ctypes.CDLL(None, use_errno=True)
    key = 0x45534159
    return libc.shmget(key, 1, 0) >= 0 or libc.semget(key, 1, 0) >= 0 or libc.msgget(key, 0) >= 0
""",
    ),
    pair(
        "system_v_by_any_id",
        "segments of private keys, found by their number",
        """
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
for _ in range(3):
    segment = libc.shmget(0, 4096, 0o1777)
    if segment >= 0:
        ctypes.memmove(libc.shmat(segment, None, 0), b"left", 4)
""",
        """
import ctypes


def left():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    for number in range(64):
        address = libc.shmat(number, None, 0o10000)
        if address not in (None, ctypes.c_void_p(-1).value) and ctypes.string_at(address, 4) == b"left":
            return True
    return False
""",
    ),
    pair(
        "posix_shared_memory_and_queues",
        "POSIX segments, semaphores and queues are files, or nearly",
        """
import ctypes
from multiprocessing import shared_memory

try:
    segment = shared_memory.SharedMemory("assayleft", create=True, size=16)
    segment.buf[:4] = b"left"
except OSError:
    pass
libc = ctypes.CDLL(None, use_errno=True)
for name in ("sem_open", "mq_open"):
    try:
        getattr(libc, name)(b"/assayleft", 0o102, 0o777, None)
    except AttributeError:
        pass
""",
        """
import ctypes
import os


def left():
    libc = ctypes.CDLL(None, use_errno=True)
    queue = -1
    try:
        queue = libc.mq_open(b"/assayleft", 0)
    except AttributeError:
        pass
    return queue >= 0 or any(os.path.exists(f"/dev/shm/{name}") for name in ("assayleft", "sem.assayleft"))
""",
    ),
    pair(
        "kernel_keyrings",
        "keys are kept by user and session, in the kernel",
        """
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
for ring in (-1, -2, -3, -4, -5):
    libc.syscall(248, b"user", b"assayleft", b"left", 4, ring)
""",
        """
import ctypes


def left():
    libc = ctypes.CDLL(None, use_errno=True)
    for ring in (-1, -2, -3, -4, -5):
        if libc.syscall(250, 10, ring, b"user", b"assayleft", 0) > 0:
            return True
    return False
""",
    ),
    pair(
        "poisoned_site_packages",
        "modules that every later interpreter would import: usercustomize, a .pth file, a .pyc",
        """
import os
import py_compile
import site
import sys
import sysconfig

folders = {*sys.path, *site.getsitepackages(), site.getusersitepackages(), *sysconfig.get_paths().values(), os.getcwd()}
BODY = "import builtins\\nbuiltins.assayleft = True\\n"
for folder in folders:
    for name in ("usercustomize.py", "sitecustomize.py", "assayleft.pth", "assayleft.py", "statistics.py"):
        try:
            os.makedirs(folder or ".", exist_ok=True)
            with open(os.path.join(folder or ".", name), "x") as file:
                file.write(BODY if name.endswith(".py") else "import builtins; builtins.assayleft = True\\n")
        except OSError:
            pass
    try:
        os.makedirs(os.path.join(folder, "__pycache__"), exist_ok=True)
        target = os.path.join(folder, "__pycache__", "assayleft." + sys.implementation.cache_tag + ".pyc")
        py_compile.compile(os.path.join(folder, "assayleft.py"), cfile=target)
    except (OSError, py_compile.PyCompileError):
        pass
""",
        """
import builtins
import statistics


def left():
    if hasattr(builtins, "assayleft") or not hasattr(statistics, "mean"):
        return True
    import assayleft

    return True
""",
    ),
    pair(
        "environment_and_limits_of_the_forker",
        "what a process hands to its parent: nothing, if all goes well",
        """
import os
import resource
import sys

os.environ["ASSAYLEFT"] = "1"
sys.setrecursionlimit(77_777)
os.umask(0)
try:
    resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 12345))
    os.setpriority(os.PRIO_PROCESS, os.getppid(), 7)
except OSError:
    pass
""",
        """
import os
import resource
import sys


def left():
    mine = resource.getrlimit(resource.RLIMIT_CORE) == (0, 12345) or os.getpriority(os.PRIO_PROCESS, 0) == 7
    return "ASSAYLEFT" in os.environ or sys.getrecursionlimit() == 77_777 or mine
""",
    ),
    pair(
        "modules_of_the_forker",
        "state of the interpreter from which runs are forked",
        """
import builtins
import math
import sys

builtins.assayleft = math.assayleft = sys.assayleft = True
sys.modules["assayleft"] = math
sys.path.append("assayleft")
""",
        """
import builtins
import math
import sys


def left():
    return (hasattr(builtins, "assayleft") or hasattr(math, "assayleft") or hasattr(sys, "assayleft")
            or "assayleft" in sys.modules or "assayleft" in sys.path)
""",
    ),
    pair(
        "writes_into_the_next_run_s_folder",
        "a daemon that watches for new folders and files, and writes into them",
        """
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        here = os.getcwd()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for folder in (here, os.path.dirname(here), "/tmp", "/dev/shm", "/run"):
                try:
                    names = os.listdir(folder)
                except OSError:
                    names = []
                for name in ["", *names]:
                    try:
                        with open(os.path.join(folder, name, "assayleft-late"), "w") as file:
                            file.write("left")
                    except OSError:
                        pass
            time.sleep(0.001)
    os._exit(0)
""",
        """
import os
import time


def left():
    time.sleep(0.05)
    here = os.getcwd()
    for folder in (here, os.path.dirname(here), "/tmp", "/dev/shm", "/run"):
        if os.path.exists(os.path.join(folder, "assayleft-late")):
            return True
    return False
""",
    ),
    pair(
        "open_files_in_removed_folders",
        "links and fifos: the next run's folder, reached through a link that the first one left",
        """
import os

for folder in ("/tmp", "/dev/shm", ".", "/var/tmp"):
    for name in ("1", "2", "3", "4", "10", "run", "work", "solution.py", "assayleft-link"):
        try:
            os.symlink("/tmp", os.path.join(folder, name))
        except OSError:
            pass
    try:
        os.mkfifo(os.path.join(folder, "assayleft-fifo"))
        os.mkdir(os.path.join(folder, "assayleft-closed"), 0)
    except OSError:
        pass
""",
        """
import os


def left():
    for folder in ("/tmp", "/dev/shm", ".", "/var/tmp"):
        if os.path.isdir(folder) and any(name.startswith("assayleft") for name in os.listdir(folder)):
            return True
    return False
""",
    ),
    pair(
        "locks_and_terminals",
        "record locks, leases and the controlling terminal stay with a process that stays",
        """
import fcntl
import os
import time

path = os.__file__
if os.fork() == 0:
    os.setsid()
    file = open(path)
    fcntl.lockf(file, fcntl.LOCK_SH)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        pass
    time.sleep(20)
    os._exit(0)
time.sleep(0.05)
""",
        """
import fcntl
import os
import struct


def left():
    with open(os.__file__) as file:
        wanted = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        for ask in (
            lambda: fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB),
            lambda: struct.unpack_from("h", fcntl.fcntl(file, fcntl.F_GETLK, wanted))[0] != fcntl.F_UNLCK and 1 / 0,
        ):
            try:
                ask()
            except (BlockingIOError, ZeroDivisionError):
                return True
            except OSError:
                continue
    return False
""",
    ),
    pair(
        "timers_and_signals",
        "a process that is told to signal others, later",
        """
import os
import signal
import time

signal.signal(signal.SIGUSR1, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    for number in range(1, 32):
        try:
            signal.signal(number, signal.SIG_IGN)
        except OSError:
            pass
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.kill(-1, signal.SIGUSR1)
        except OSError:
            pass
        time.sleep(0.001)
    os._exit(0)
""",
        """
import signal
import time

heard = []
signal.signal(signal.SIGUSR1, lambda *args: heard.append(1))


def left():
    time.sleep(0.05)
    return bool(heard)
""",
    ),
]
