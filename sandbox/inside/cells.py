"""How is a process shut in, and how is nothing of it left behind?

    UserCell       in a container: a user of its own for each run, limits by rlimit, traces removed as that user
    NamespaceCell  under bubblewrap: new process, mount and IPC namespaces for each run, gone with their first process
    BareCell       limits by rlimit alone, for programs that are confined by their language

The supervisor calls `enter` in the forked child and, when the run is over, `end` from outside.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from typing import Any

__all__ = ["BareCell", "Dirty", "UserCell"]

WRITABLE = ("/tmp", "/dev/shm", "/dev/mqueue")
PATIENCE = 5.0  # seconds that the kernel may take to end killed processes


class Dirty(Exception):
    """Something of a run is left that cannot be removed; nobody else may run here."""


def limit(limits: dict[str, Any]) -> None:
    """Set the limits of a process; they hold for its children."""
    cpu = max(1, int(-(-limits["cpu_seconds"] // 1)))
    for what, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, int(limits["memory_bytes"]), None),
        (resource.RLIMIT_NPROC, int(limits["processes"]), None),
        (resource.RLIMIT_NOFILE, int(limits["open_files"]), None),
        (resource.RLIMIT_FSIZE, int(limits["file_bytes"]), None),
        (resource.RLIMIT_CORE, 0, None),
        (resource.RLIMIT_MEMLOCK, 0, None),
    ):
        _, most = resource.getrlimit(what)
        if most != resource.RLIM_INFINITY:
            soft = min(soft, most)
        resource.setrlimit(what, (soft, min(hard, most) if hard and most != resource.RLIM_INFINITY else hard or soft))


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


def expose(pid: str = "self") -> None:
    """Make a process the first that the kernel ends where memory runs out."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "w") as file:
        file.write("1000")


class UserCell:
    """Runs are told apart by their user ids, of which each run gets the next.

    first, count  the user ids of candidates; those of examiners follow
    group         the group of the examiners, which owns their directory
    """

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count
        self.runs = self.examiners = 0
        self.candidate = self.examiner = 0

    def enter_candidate(self, limits: dict[str, Any]) -> None:
        """Become the candidate: in the forked child, before anything of the solution is read."""
        os.setsid()
        expose()
        os.nice(5)
        limit(limits)
        self._become(self.candidate, self.candidate)
        os.chdir("/tmp")

    def enter_examiner(self, limits: dict[str, Any]) -> None:
        """Become an examiner."""
        os.setsid()
        limit({**limits, "cpu_seconds": 1 << 20, "memory_bytes": limits["memory_bytes"] + (1 << 28)})
        self._become(self.examiner, self.first)
        os.umask(0o077)
        os.chdir("/examiner")

    def _become(self, user: int, group: int) -> None:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)

    def next_candidate(self) -> None:
        """Choose the user of the next run."""
        self.runs += 1
        self.candidate = self.first + 1 + self.runs % self.count

    def next_examiner(self) -> None:
        """Choose the user of the next examiner."""
        self.examiners += 1
        self.examiner = self.first + 1 + self.count + self.examiners % self.count

    def end_candidate(self, pid: int) -> dict[str, Any]:
        """End the run and remove its traces; return how its first process ended."""
        with self._as(self.candidate):
            ended = self._end(pid, self.candidate)
            for place in WRITABLE:
                empty(place)
        return ended

    def end_examiner(self, pid: int) -> dict[str, Any]:
        """End the examiner likewise."""
        with self._as(self.examiner):
            ended = self._end(pid, self.examiner)
            for place in ("/examiner", *WRITABLE):
                empty(place)
        return ended

    @contextlib.contextmanager
    def _as(self, user: int) -> Any:
        """Be that user for a while. Process 1 cannot be hurt by its processes, and may only hurt them."""
        os.setresuid(user, user, 0)
        try:
            yield
        finally:
            os.setresuid(0, 0, 0)

    def _end(self, pid: int, user: int) -> dict[str, Any]:
        """Kill every process of the user until none is left.

        The kernel kills all of them in one step, in which none can fork; the loop does not rely on it.
        """
        os.kill(-1, signal.SIGKILL)
        ended = how_it_ended(pid)
        patience = time.monotonic() + PATIENCE
        while _others(user):
            if time.monotonic() > patience:
                raise Dirty("processes that do not end")
            os.kill(-1, signal.SIGKILL)
            reap()
            time.sleep(0.001)
        return ended


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


def _others(user: int) -> bool:
    """Tell whether a process of this user is left, dead ones that nobody took included."""
    numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    if len(numbers) <= 2:  # this process and, if it lives, the examiner
        return False
    mark = f"\nUid:\t{user}\t"
    for number in numbers:
        with contextlib.suppress(OSError), open(f"/proc/{number}/status") as file:
            if mark in file.read():
                return True
    return False


def empty(place: str) -> None:
    """Remove all that lies in a directory, without recursion: folders move up before they are emptied.

    Raises Dirty if anything is left: a file that somebody else owns, or that reappears.
    """
    try:
        names = os.listdir(place)
    except OSError:
        return
    if not names:
        return
    serial = 0
    waiting = [f"{place}/{name}" for name in names]
    while waiting:
        path = waiting.pop()
        try:
            if not os.path.isdir(path) or os.path.islink(path):
                os.unlink(path)
                continue
            os.chmod(path, 0o700)
            for name in os.listdir(path):
                serial += 1
                inner, moved = f"{path}/{name}", f"{place}/.leaving-{os.getpid()}-{serial}"
                if os.path.isdir(inner) and not os.path.islink(inner):
                    os.chmod(inner, 0o700)
                    os.rename(inner, moved)
                    waiting.append(moved)
                else:
                    os.unlink(inner)
            os.rmdir(path)
        except OSError as error:
            raise Dirty(f"{error.strerror} in {place}") from None
    if os.listdir(place):
        raise Dirty(f"files in {place}")


class BareCell:
    """Limits alone; a run is its process group."""

    def enter_candidate(self, limits: dict[str, Any]) -> None:
        """Become the candidate."""
        os.setsid()
        expose()
        limit({**limits, "processes": resource.getrlimit(resource.RLIMIT_NPROC)[1]})

    def enter_examiner(self, limits: dict[str, Any]) -> None:
        """Become an examiner."""
        os.setsid()

    def next_candidate(self) -> None:
        """Nothing to choose."""

    def next_examiner(self) -> None:
        """Nothing to choose."""

    def end_candidate(self, pid: int) -> dict[str, Any]:
        """Kill the group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return how_it_ended(pid)

    end_examiner = end_candidate


