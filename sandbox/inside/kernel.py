"""What is asked of the kernel: limits, forks, the ends of processes, mounts, capabilities, system calls?

Names that Python's standard library does not know are called through the C library.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import signal
import struct
from typing import Any

__all__ = [
    "NEW_IPC",
    "NEW_MOUNTS",
    "NEW_PROCESSES",
    "Seal",
    "check",
    "drop_capabilities",
    "expose",
    "for_examiner",
    "fork",
    "has_ended",
    "how_it_ended",
    "memory_of_others",
    "mount",
    "obey",
    "processor",
    "reap",
    "rlimits",
    "stay",
    "trim",
]

_python_libc = ctypes.PyDLL(None, use_errno=True)
processor = _python_libc.sched_getcpu

NEW_MOUNTS, NEW_IPC, NEW_PROCESSES = 0x00020000, 0x08000000, 0x20000000  # CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID
NO_SUID, NO_DEVICES, NO_EXEC = 2, 4, 8  # MS_NOSUID, MS_NODEV, MS_NOEXEC
NO_NEW_PRIVILEGES, SET_SECCOMP, DROP_BOUNDING = 38, 22, 24  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_CAPBSET_DROP
CAPABILITIES_VERSION = 0x20080522


def fork() -> int:
    """Fork; raises OSError.

    This is the C library's fork, without what Python does after os.fork() in the child: new locks, a new random seed,
    hooks of modules. A process with one thread needs none of that, and it is half of what a fork costs. The random
    generator then starts alike in every run, so that a program which draws from it is judged alike every time.
    """
    pid: int = _python_libc.fork()
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"fork: {os.strerror(number)}")
    return pid


# ---- limits and processes


def rlimits(limits: dict[str, Any]) -> list[tuple[int, tuple[int, int]]]:
    """Return the limits of a process as (resource, (soft, hard)), none above those that hold here."""
    cpu = max(1, math.ceil(limits["cpu_seconds"]))
    wanted = [(resource.RLIMIT_CPU, cpu, cpu + 1)]
    for what, name in (
        (resource.RLIMIT_AS, "memory_bytes"),
        (resource.RLIMIT_NPROC, "processes"),
        (resource.RLIMIT_NOFILE, "open_files"),
        (resource.RLIMIT_FSIZE, "file_bytes"),
    ):
        wanted.append((what, int(limits[name]), int(limits[name])))
    found = []
    for what, soft, hard in (*wanted, (resource.RLIMIT_CORE, 0, 0), (resource.RLIMIT_MEMLOCK, 0, 0)):
        most = resource.getrlimit(what)[1]
        if most == resource.RLIM_INFINITY:
            found.append((what, (soft, hard)))
        else:
            found.append((what, (min(soft, most), min(hard, most))))
    return found


def for_examiner(limits: dict[str, Any]) -> dict[str, Any]:
    """Return the limits of an examiner: it ends with its runs, and holds what several of them sent."""
    return {**limits, "cpu_seconds": 1 << 20, "memory_bytes": limits["memory_bytes"] + (1 << 28)}


def obey(limits: list[tuple[int, tuple[int, int]]]) -> None:
    """Set the limits of this process; they hold for its children."""
    for what, values in limits:
        resource.setrlimit(what, values)


def how_it_ended(pid: int) -> dict[str, Any]:
    """Wait for a killed child and return {code or signal, cpu}."""
    _, status, used = os.wait4(pid, 0)
    found: dict[str, Any] = {"cpu": used.ru_utime + used.ru_stime}
    if os.WIFSIGNALED(status):
        found["signal"] = os.WTERMSIG(status)
        if found["signal"] == signal.SIGXCPU:
            found["cpu"] = float("1e9")
    else:
        found["code"] = os.waitstatus_to_exitcode(status)
    return found


def has_ended(pid: int) -> bool:
    """Tell whether a child has ended, and leave it for `how_it_ended`."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def expose() -> None:
    """Make this process the first that the kernel ends where memory runs out."""
    try:
        file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(file, b"1000")
        os.close(file)
    except OSError:
        pass


def stay(processor: int) -> None:
    """Keep this process on one processor. Who only answers each other wakes faster where the other just was."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {processor})


def reap() -> list[int]:
    """Take the orphans that have ended; return their numbers."""
    found = []
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            found.append(pid)
    return found


# ---- namespaces, capabilities, system calls, memory


def trim() -> None:
    """Give memory that is free back to the system: what is not there need not be copied at a fork."""
    with contextlib.suppress(AttributeError):  # the C library of Alpine has no such function
        _python_libc.malloc_trim(0)


def check(name: str, *args: Any) -> None:
    """Call a function of the C library; raises OSError if it fails."""
    if getattr(_python_libc, name)(*args) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def mount(place: str, size: int, files: int, more: str = ",mode=1777") -> None:
    """Put an empty file system in memory over a directory."""
    options = f"size={size},nr_inodes={files}{more}".encode("ascii")
    check("mount", b"tmpfs", place.encode("ascii"), b"tmpfs", NO_SUID | NO_DEVICES | NO_EXEC, options)


def drop_capabilities() -> None:
    """Give up all that the user namespace gave."""
    for capability in range(64):
        if _python_libc.prctl(DROP_BOUNDING, capability, 0, 0, 0) < 0:
            break
    check("capset", struct.pack("=II", CAPABILITIES_VERSION, 0), bytes(24))


class Seal:
    """A filter of system calls, as bytes in hexadecimal; "" where the container has one already."""

    def __init__(self, code: str) -> None:
        self.code = ctypes.create_string_buffer(bytes.fromhex(code), len(code) // 2)
        self.program = struct.pack("@HP", len(code) // 16, ctypes.addressof(self.code)) if code else b""

    def __call__(self) -> None:
        """Put the filter on this process and those that come of it."""
        if self.program:
            check("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
            check("prctl", SET_SECCOMP, 2, self.program, 0, 0)


def memory_of_others(*known: int) -> int:
    """Return the bytes of memory that all processes but the known ones and this have beyond what they inherited."""
    page = resource.getpagesize()
    inherited = _resident("self")
    found = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and name != "1" and int(name) not in known:
            found += max(0, _resident(name) - inherited)
    return found * page


def _resident(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
