"""Does an answer equal its reference, where only computer algebra can tell? This module asks, in another process.

Reading LaTeX with a generated parser and simplifying integrals can take any time and any memory, and no thread can
be made to stop. So it happens in a process that can be killed, and this module, which imports nothing slow, talks
to it:

    the user's process                 the nursery (slow_worker.py)         a child for each comparison
    SlowLane.compare  --- socket --->  imported sympy once, then waits ---> forked; CPU time and memory limited by
    (any thread)      <-- socket ----  answers for children that died  <--- the kernel; reads, compares, dies

One nursery serves a lane, with a socket for each of its `workers`: the import is paid once, comparisons run side by
side. It is started when first needed, with `subprocess` (multiprocessing refuses daemonic processes and wants a
guarded `__main__`), and no signal is used in the user's process.

Covered: deadlines, memory, death at any point, fork of the user's process at any point, closing. Not covered: what
the texts mean (slow_read.py) and when two of them are the same (slow_compare.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from typing import Any, NamedTuple

__all__ = ["LONGEST_TEXT", "Outcome", "SlowLane", "receive_frame", "send_frame"]

# Characters. The longest answer in the common data sets has under 200; parsing time grows faster than length.
LONGEST_TEXT = 2_000
# The wall-clock limits exist for a machine that has stopped making progress; CPU time is what the deadline counts.
START_SECONDS = 120.0
WALL_FACTOR, WALL_EXTRA = 30.0, 60.0
CLOSE_SECONDS = 3.0
LARGEST_FRAME = 1 << 20

# The worker's modules are found beside this file, not by importing the package: the same version as this one for
# certain, from a checkout or from an installed package, and without reading `assay/__init__`. The paths of this process
# come after the interpreter's own, so that sympy is found wherever it was put but nothing shadows the standard library.
BOOTSTRAP = """\
import json, sys, types
config = json.loads(sys.argv[1])
sys.path += [entry for entry in config["path"] if entry not in sys.path]
package = types.ModuleType("assay_slow_lane")
package.__path__ = [config["home"]]
sys.modules[package.__name__] = package
from assay_slow_lane.slow_worker import serve
serve(config)
"""
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "TMPDIR")
# One hash seed and one arithmetic: the same comparison takes the same path every time and everywhere.
SET_VARIABLES = {
    "LC_ALL": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "SYMPY_GROUND_TYPES": "python",
    "MPMATH_NOGMPY": "1",
}


class Outcome(NamedTuple):
    """What one comparison found.

    relation        "same", "different" or "undecided"; "unreadable_reference" or "unreadable_answer"; "timeout" or
                    "memory" when the limit was met over the answer, "reference_timeout" or "reference_memory" when
                    it was met over the reference alone; "lost" when the machinery failed
    detail          why, in a few words
    reference_read  how the reference was understood, "" if it was not
    answer_read     likewise for the answer
    seconds         wall-clock seconds, waiting for a free worker not included
    """

    relation: str
    detail: str = ""
    reference_read: str = ""
    answer_read: str = ""
    seconds: float = 0.0


class SlowLane:
    """A pool of workers that compare a reference and an answer by computer algebra; any thread may call it.

    workers       comparisons that may run at once; others wait for their turn (default: one per CPU, at most 4)
    memory_bytes  what one comparison may allocate. The default keeps four at their limit under 1.5 GB in all
    """

    def __init__(self, workers: int | None = None, memory_bytes: int = 192 << 20) -> None:
        if workers is None:
            workers = min(4, os.cpu_count() or 1)
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        self._pool = _Pool(workers, memory_bytes)
        # Also runs at the interpreter's exit. It holds the pool, not the lane, so a dropped lane is closed.
        weakref.finalize(self, self._pool.close)
        _pools.add(self._pool)

    def compare(self, reference: str, answer: str, deadline: float) -> Outcome:
        """Compare, spending at most `deadline` seconds of CPU time once a worker has taken the pair up."""
        for side, text in (("reference", reference), ("answer", answer)):
            if len(text) > LONGEST_TEXT:
                return Outcome(f"unreadable_{side}", f"{len(text)} characters; at most {LONGEST_TEXT} are read")
        return self._pool.compare(reference, answer, deadline)

    def warm_up(self) -> None:
        """Start the worker process, about a second of CPU, without waiting for it."""
        self._pool.nursery()

    def close(self) -> None:
        """End the worker process. A lane that is used again starts another."""
        self._pool.close()

    def __reduce__(self) -> tuple[type[SlowLane], tuple[int, int]]:
        return SlowLane, (self._pool.workers, self._pool.memory_bytes)


class _NurseryDied(Exception):
    """The worker process went away, or did not answer within any reasonable time."""


class _Nursery:
    """One running worker process and this process's ends of its sockets."""

    def __init__(self, workers: int, memory_bytes: int) -> None:
        pairs = [socket.socketpair() for _ in range(workers)]
        self.sockets = [ours for ours, _ in pairs]
        theirs = [end for _, end in pairs]
        self.ready = [False] * workers
        numbers = [end.fileno() for end in theirs]
        config = {
            "sockets": numbers,
            "memory_bytes": memory_bytes,
            "parent": os.getpid(),
            "home": os.path.dirname(os.path.abspath(__file__)),
            "path": [os.path.abspath(entry) for entry in sys.path if entry],
        }
        variables = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-X", "utf8", "-W", "ignore", "-c", BOOTSTRAP, json.dumps(config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**variables, **SET_VARIABLES},
                cwd="/",
                pass_fds=numbers,
                start_new_session=True,  # a Ctrl-C is for the user's process; and the whole group can be killed
            )
        except BaseException:
            self.drop()
            raise
        finally:
            for end in theirs:
                end.close()

    def ask(self, slot: int, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Send a request and return its reply."""
        channel = self.sockets[slot]
        try:
            if not self.ready[slot]:
                channel.settimeout(START_SECONDS)
                if "failed" in (hello := receive_frame(channel)):
                    return {"relation": "lost", "detail": f"the worker could not start: {hello['failed']}"}
                self.ready[slot] = True
            channel.settimeout(WALL_FACTOR * deadline + WALL_EXTRA)
            send_frame(channel, request)
            return receive_frame(channel)
        except (OSError, EOFError, ValueError) as error:
            raise _NurseryDied(str(error)) from error

    def drop(self) -> None:
        """Close our ends, which is also how a nursery learns that it should go."""
        for channel in self.sockets:
            channel.close()

    def end(self, at_once: bool = False) -> None:
        """Make sure that the process and its children are gone, and reap it."""
        self.drop()
        if not at_once:  # it kills and reaps its own children, which leaves no orphan behind
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(CLOSE_SECONDS if any(self.ready) else 0)
        if self.process.returncode is None:  # not reaped, so its number is still its own, and its group's
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def disown(self) -> None:
        """In a forked child: let go of what belongs to the parent process, without touching it."""
        self.drop()
        self.process.returncode = 0  # not our child: nothing to wait for, nothing to warn about


class _Pool:
    """The slots of a lane and its nursery, started when needed and again when it died."""

    def __init__(self, workers: int, memory_bytes: int) -> None:
        self.workers = workers
        self.memory_bytes = memory_bytes
        self.current: _Nursery | None = None
        self.reset()

    def reset(self) -> None:
        self.lock = threading.RLock()  # held while a nursery is started or ended; never while waiting for an answer
        self.free = list(range(self.workers))[::-1]
        self.freed = threading.Condition(threading.Lock())

    def compare(self, reference: str, answer: str, deadline: float) -> Outcome:
        request = {"reference": reference, "answer": answer, "deadline": deadline}
        with self.freed:
            while not self.free:
                self.freed.wait()
            slot = self.free.pop()
        try:
            return self.compare_in(slot, request, deadline)
        finally:
            with self.freed:
                self.free.append(slot)
                self.freed.notify()

    def compare_in(self, slot: int, request: dict[str, Any], deadline: float) -> Outcome:
        started = time.perf_counter()
        why = ""
        # A nursery holds nothing that a text could break: its death is the machine's doing, and once may be chance.
        for _ in range(2):
            try:
                nursery = self.nursery()
            except OSError as error:
                why = f"no worker process could be started: {error}"
                break
            try:
                reply = nursery.ask(slot, request, deadline)
            except _NurseryDied as error:
                why = f"the worker process died: {error}"
                self.bury(nursery)
                continue
            except BaseException:  # an interrupt between question and answer: the socket is of no more use
                self.bury(nursery)
                raise
            if not nursery.ready[slot]:  # it said why it could not start, and ended
                self.bury(nursery)
            return Outcome(**{**reply, "seconds": time.perf_counter() - started})
        return Outcome("lost", why, seconds=time.perf_counter() - started)

    def nursery(self) -> _Nursery:
        with self.lock:
            if self.current is None:
                with _starting:
                    self.current = _Nursery(self.workers, self.memory_bytes)
            return self.current

    def bury(self, nursery: _Nursery) -> None:
        with self.lock:
            if self.current is nursery:
                self.current = None
                nursery.end(at_once=True)

    def close(self) -> None:
        with self.lock:
            nursery, self.current = self.current, None
        if nursery is not None:
            nursery.end()

    def forget(self) -> None:
        """In a forked child: start afresh, whatever another thread of the parent was doing at the time."""
        nursery, self.current = self.current, None
        self.reset()
        if nursery is not None:
            nursery.disown()


def send_frame(channel: socket.socket, value: dict[str, Any]) -> None:
    """Send one JSON object, its length first. ASCII, so that a lone surrogate goes through."""
    text = json.dumps(value, ensure_ascii=True).encode()
    channel.sendall(len(text).to_bytes(4, "big") + text)


def receive_frame(channel: socket.socket) -> dict[str, Any]:
    """Receive one JSON object; EOFError when the other side is gone."""
    size = int.from_bytes(_receive_exactly(channel, 4), "big")
    if size > LARGEST_FRAME:
        raise ValueError(f"a frame of {size} bytes; at most {LARGEST_FRAME} are sent")
    value = json.loads(_receive_exactly(channel, size))
    if not isinstance(value, dict):
        raise ValueError(f"a frame that holds a {type(value).__name__}; an object was expected")
    return value


def _receive_exactly(channel: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(size - len(parts))
        if not part:
            raise EOFError("the connection was closed")
        parts += part
    return bytes(parts)


# Fork: no thread may be amid `Popen` then (the child would keep its pipe open and the parent would wait for it), and
# the child must drop what it inherited: with our ends open in a second process a nursery would outlive the first.
_starting = threading.RLock()
_pools: weakref.WeakSet[_Pool] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    global _starting  # noqa: PLW0603
    _starting = threading.RLock()
    for pool in list(_pools):
        pool.forget()


os.register_at_fork(
    before=lambda: _starting.acquire() and None,
    after_in_parent=lambda: _starting.release(),  # noqa: PLW0108  (a forked child has another lock)
    after_in_child=_after_fork_in_child,
)
