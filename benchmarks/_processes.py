"""What do this process and everything it started cost: CPU seconds, resident bytes, and who is still there?

Read from /proc, so Linux only; elsewhere CPU falls back to what the operating system adds up for finished children,
and memory is not known.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Watch", "alive", "children_cpu_seconds", "cpu_seconds", "descendants", "resident_bytes"]

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the name (state is the first), None for a process that is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None


def descendants(root: int | None = None) -> dict[int, str]:
    """Return the living processes below `root` (this one unless told), as {pid: start time}; zombies are not living."""
    parents: dict[int, list[tuple[int, str]]] = {}
    for entry in PROC.iterdir() if PROC.is_dir() else ():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) and fields[0] != "Z":
            parents.setdefault(int(fields[1]), []).append((int(entry.name), fields[19]))
    found: dict[int, str] = {}
    waiting = [root or os.getpid()]
    while waiting:
        for pid, started in parents.get(waiting.pop(), []):
            found[pid] = started
            waiting.append(pid)
    return found


def alive(seen: dict[int, str]) -> list[int]:
    """Return which of the processes seen before still live (the same process, not another with its number)."""
    return [pid for pid, started in seen.items() if (f := _stat(pid)) and f[0] != "Z" and f[19] == started]


def children_cpu_seconds() -> float:
    """Return the CPU seconds used so far by the finished children of this process and its living descendants."""
    gone = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = sum(sum(map(int, f[11:15])) for pid in descendants() if (f := _stat(pid))) / TICKS
    return gone.ru_utime + gone.ru_stime + living


def cpu_seconds() -> float:
    """Return the CPU seconds used so far by this process and its children; the look at the children costs some itself."""
    return time.process_time() + children_cpu_seconds()


def resident_bytes(root: int | None = None, besides: Collection[int] = ()) -> int:
    """Return the resident memory of this process and its descendants besides some, shared pages counted once for each."""
    counted = [root or os.getpid(), *(pid for pid in descendants(root) if pid not in besides)]
    return sum(int(f[21]) * PAGE for pid in counted if (f := _stat(pid)))


class Watch:
    """Looks at the process tree now and then while it is entered: peak memory, and every process seen."""

    def __init__(self, every: float = 0.02) -> None:
        self.every = every
        self.peak_bytes = 0
        self.seen: dict[int, str] = {}
        self.before: dict[int, str] = {}  # children that were there already are nobody's doing here
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._done.is_set():
            self.peak_bytes = max(self.peak_bytes, resident_bytes(besides=self.before))
            self.seen.update((pid, began) for pid, began in descendants().items() if pid not in self.before)
            self._done.wait(self.every)

    def left_running(self, patience: float = 5.0) -> list[int]:
        """Return the processes seen that still live, after giving them a little time to go."""
        until = time.monotonic() + patience
        while (left := alive(self.seen)) and time.monotonic() < until:
            self._done.wait(0.02) if not self._done.is_set() else time.sleep(0.02)
        return left

    def __enter__(self) -> Self:
        self.before = descendants()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
