"""How is a process shut in, and how is nothing of it left behind?

    UserCell       a user of its own for each run, limits by rlimit, traces removed as that user: in a container, and
                   under bubblewrap where the host's user is root
    NamespaceCell  new process, mount and IPC namespaces for each run, gone with their first process: under bubblewrap
                   where the host's user is nobody special, and so has one user id to give
    BareCell       limits by rlimit alone, for programs that are confined by their language

The supervisor forks with `fork_...`, the child calls `enter_...`, and when the run is over the supervisor `end_...`s it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Sequence
from typing import Any

from .kernel import (
    NEW_IPC,
    NEW_MOUNTS,
    NEW_PROCESSES,
    Seal,
    check,
    drop_capabilities,
    expose,
    for_examiner,
    fork,
    has_ended,
    how_it_ended,
    memory_of_others,
    mount,
    obey,
    reap,
    rlimits,
)

__all__ = ["Dirty", "cell_of"]


WRITABLE = ("/tmp", "/dev/shm", "/dev/mqueue")
PATIENCE = 5.0  # seconds that the kernel may take to end killed processes


class Dirty(Exception):
    """Something of a run is left that cannot be removed; nobody else may run here."""


class UserCell:
    """Runs are told apart by their user ids, of which each run gets the next.

    first, count  the user ids of candidates; those of examiners follow. `first` is the examiners' group, which owns
                  their directory
    seal          what every process does last before it begins
    watched       True where no cgroup limits the memory of all processes together

    Raises RuntimeError outside of a process namespace of its own: ending a run there would end the machine's processes.
    """

    def __init__(self, limits: dict[str, Any], first: int, count: int, seal: Seal, watched: bool) -> None:
        if os.getpid() != 1:
            raise RuntimeError("it has to be process 1 of a namespace: it kills all that a user id may kill")
        self.limits, self.examiner_limits = rlimits(limits), rlimits(for_examiner(limits))
        self.first, self.count = first, count
        self.seal, self.watched = seal, watched
        self.first_to_go = os.open("/proc/self/oom_score_adj", os.O_RDWR)
        self.usual = os.pread(self.first_to_go, 16, 0)
        self.runs = self.examiners = 0
        self.candidate = self.examiner = 0

    def enter_candidate(self) -> None:
        """Become the candidate: in the forked child, before anything of the solution is read."""
        os.setsid()
        os.nice(5)
        obey(self.limits)
        self._become(self.candidate, self.candidate)
        os.chdir("/tmp")
        self.seal()

    def enter_examiner(self) -> None:
        """Become an examiner."""
        os.setsid()
        obey(self.examiner_limits)
        self._become(self.examiner, self.first)
        os.umask(0o077)
        os.chdir("/examiner")
        os.environ["TMPDIR"] = os.environ["HOME"] = "/examiner"
        self.seal()

    def _become(self, user: int, group: int) -> None:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)

    def fork_candidate(self) -> int:
        """Fork a process for the next user; return its number, or 0 in it.

        It is born as the first that the kernel ends where memory runs out.
        """
        self.runs += 1
        self.candidate = self.first + 1 + self.runs % self.count
        os.pwrite(self.first_to_go, b"1000", 0)
        pid = fork()
        if pid:
            os.pwrite(self.first_to_go, self.usual, 0)
        return pid

    def fork_examiner(self) -> int:
        """Fork an examiner."""
        self.examiners += 1
        self.examiner = self.first + 1 + self.count + self.examiners % self.count
        return fork()

    def memory(self, examiner: int) -> int:
        """Return the bytes that the processes of the run have of their own, 0 where a cgroup counts them."""
        return memory_of_others(examiner) if self.watched else 0

    ended = staticmethod(has_ended)

    def kill(self, pid: int) -> None:
        """Kill all processes of the run; `end_candidate` is still to come."""
        os.setresuid(0, self.candidate, 0)
        try:
            os.kill(-1, signal.SIGKILL)
        finally:
            os.setresuid(0, 0, 0)

    def end_candidate(self, pid: int) -> dict[str, Any]:
        """End the run and remove its traces; return how its first process ended."""
        return self._end(pid, self.candidate, WRITABLE)

    def end_examiner(self, pid: int) -> dict[str, Any]:
        """End the examiner likewise."""
        os.setresgid(0, self.first, 0)  # the group that may enter their directory
        try:
            return self._end(pid, self.examiner, ("/examiner", "/dev/shm", "/dev/mqueue"))
        finally:
            os.setresgid(0, 0, 0)

    def _end(self, pid: int, user: int, places: Sequence[str]) -> dict[str, Any]:
        """Kill every process of the user until none is left, and remove its files.

        The kernel kills all of them in one step, in which none can fork; the loop does not rely on it. It is done with
        the rights of that user, so it can hurt nobody else's; the real user stays root, whom nobody here may signal.
        """
        os.setresuid(0, user, 0)
        try:
            os.kill(-1, signal.SIGKILL)
            ended = how_it_ended(pid)
            patience = 0.0
            while _is_at_work(user):
                patience = patience or time.monotonic() + PATIENCE
                if time.monotonic() > patience:
                    raise Dirty("processes that do not end")
                os.kill(-1, signal.SIGKILL)
                reap()
                time.sleep(0.001)
            for place in places:
                empty(place)
        finally:
            os.setresuid(0, 0, 0)
        return ended


def _is_at_work(user: int) -> bool:
    """Tell whether a process or a thread of this user is left, dead ones that nobody took included."""
    try:
        os.getpriority(os.PRIO_USER, user)
    except ProcessLookupError:
        return False
    return True


def empty(place: str) -> None:
    """Remove all that the present user left in a directory, without recursion: folders move up before they are emptied.

    Raises Dirty if anything is left.
    """
    try:
        waiting = _own(place)
    except FileNotFoundError:
        return
    except OSError as error:
        raise Dirty(f"{error.strerror}: {place}") from None
    if not waiting:
        return
    serial, mark = 0, os.urandom(8).hex()  # nobody can have taken the names before
    while waiting:
        path = waiting.pop()
        try:
            if not os.path.isdir(path) or os.path.islink(path):
                os.unlink(path)
                continue
            os.chmod(path, 0o700)
            for name in os.listdir(path):
                serial += 1
                inner, moved = f"{path}/{name}", f"{place}/.{mark}-{serial}"
                if os.path.isdir(inner) and not os.path.islink(inner):
                    os.chmod(inner, 0o700)
                    os.rename(inner, moved)
                    waiting.append(moved)
                else:
                    os.unlink(inner)
            os.rmdir(path)
        except OSError as error:
            raise Dirty(f"{error.strerror} in {place}") from None
    if _own(place):
        raise Dirty(f"files in {place}")


def _own(place: str) -> list[str]:
    """Return the paths of what lies in a directory and belongs to the user that this process is for now."""
    user = os.geteuid()
    paths = [f"{place}/{name}" for name in os.listdir(place)]
    return [path for path in paths if os.lstat(path).st_uid == user]


class NamespaceCell:
    """Each run in namespaces of its own. A keeper between supervisor and program makes them and waits for its end."""

    def __init__(self, limits: dict[str, Any], seal: Seal) -> None:
        limits = {**limits, "processes": limits["processes"] + 6}  # the supervisor and its like are counted too
        self.limits, self.examiner_limits = rlimits(limits), rlimits(for_examiner(limits))
        self.seal = seal
        self.disk = int(limits["disk_bytes"])
        self.keepers: dict[int, tuple[int, int]] = {}

    def fork_candidate(self) -> int:
        """Fork a process in new namespaces; return its number, or 0 in it."""
        read, write = os.pipe()
        keeper = fork()
        if not keeper:
            os.close(read)
            self._keep(write)
            return 0
        os.close(write)
        pid = int.from_bytes(os.read(read, 4), "big")
        if not pid:
            raise OSError("no namespaces for a run")
        self.keepers[pid] = (keeper, read)
        return pid

    fork_examiner = fork_candidate

    def _keep(self, write: int) -> None:
        """In the keeper: return in the program, never here."""
        try:
            check("unshare", NEW_PROCESSES | NEW_MOUNTS | NEW_IPC)
            pid = fork()
        except OSError:
            os._exit(1)
        if not pid:
            os.close(write)
            return
        os.write(write, pid.to_bytes(4, "big"))
        os.write(write, json.dumps(how_it_ended(pid)).encode("ascii"))
        os._exit(0)

    def enter_candidate(self) -> None:
        """Become the candidate."""
        self._enter(self.limits)

    def enter_examiner(self) -> None:
        """Become an examiner."""
        self._enter(self.examiner_limits)

    def _enter(self, limits: list[tuple[int, tuple[int, int]]]) -> None:
        os.setsid()
        expose()
        mount("/tmp", self.disk, 2048)
        mount("/dev/shm", 16 << 20, 1024)
        mount("/proc", 4096, 2)  # the processes of the supervisor are nobody's business
        obey(limits)
        os.chdir("/tmp")
        drop_capabilities()
        self.seal()

    def memory(self, examiner: int) -> int:
        """Return the bytes that the processes of the run have of their own."""
        return memory_of_others(examiner, *(keeper for keeper, _ in self.keepers.values()))

    def ended(self, pid: int) -> bool:
        """Return False: what such a process forked ends with it."""
        return False

    def kill(self, pid: int) -> None:
        """Kill the first process of the namespace."""
        os.kill(pid, signal.SIGKILL)

    def end_candidate(self, pid: int) -> dict[str, Any]:
        """Kill the first process of the namespace, and so all of them; return how it ended."""
        keeper, read = self.keepers.pop(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        words = b""
        while part := os.read(read, 4096):
            words += part
        os.close(read)
        os.waitpid(keeper, 0)
        reap()
        return json.loads(words or b"{}")  # type: ignore[no-any-return]

    end_examiner = end_candidate


class BareCell:
    """Limits alone; a run is its process group."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.limits = rlimits({**limits, "processes": 0, "file_bytes": 0})  # root may start processes all the same

    def fork_candidate(self) -> int:
        """Fork a process; return its number, or 0 in it."""
        return fork()

    fork_examiner = fork_candidate

    def enter_candidate(self) -> None:
        """Become the candidate."""
        os.setsid()
        expose()
        obey(self.limits)

    def enter_examiner(self) -> None:
        """Become an examiner."""
        os.setsid()

    def memory(self, examiner: int) -> int:
        """Return 0: a program here is one process, which rlimits limit."""
        return 0

    ended = staticmethod(has_ended)

    def kill(self, pid: int) -> None:
        """Kill the process."""
        os.kill(pid, signal.SIGKILL)

    def end_candidate(self, pid: int) -> dict[str, Any]:
        """Kill the group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return how_it_ended(pid)

    end_examiner = end_candidate


def cell_of(config: dict[str, Any]) -> UserCell | NamespaceCell | BareCell:
    """Return the cell that the host asks for, with the file systems that it needs in place."""
    limits = config["limits"]
    if config["cell"] == "bare":
        return BareCell(limits)
    if config["cell"] == "namespace":
        return NamespaceCell(limits, Seal(config["seccomp"]))
    if config.get("mounts"):  # under bubblewrap, which cannot say how many files a file system may hold
        group = config["users"][0]  # the examiners' own, which may not look into what is for the others
        mount("/tmp", int(limits["disk_bytes"]), 2048, f",mode=1707,gid={group}")
        mount("/dev/shm", 16 << 20, 1024)
        mount("/examiner", 16 << 20, 2048, f",mode=0770,gid={group}")
    first, count = config["users"]
    return UserCell(limits, first, count, Seal(config.get("seccomp", "")), bool(config.get("mounts")))
