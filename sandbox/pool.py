"""How do many callers share a few sandboxes, and what happens when one dies?

A verdict takes a free worker, by preference one that has the same tests at hand, and gives it back. A run whose
sandbox died is judged again, alone in a fresh one. If that dies too, each time (or once, where it took long), a program
known to be good is judged in another: where it lives, the solution is what kills sandboxes, and earns 0 (CRASHED); where
it dies as well, something is wrong with the machine, and there is no verdict (INFRA_ERROR). So nobody is punished for
our faults or for a sandbox that somebody else kills, and nobody can buy "no verdict".
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from ..records import AssertTests, Case, Judgement, Limits, Status, StdioTests
from .errors import SandboxUnavailable
from .worker import START_SECONDS, Worker, WorkerDied

__all__ = ["Sandbox"]

RUNS = 20_000  # runs after which a sandbox is replaced by a fresh one
PATIENCE = 64  # times that a waiting caller lets others go first whose tests are at hand
MOST_CHARACTERS = 10_000_000  # of a program, and of all its tests; each may take six bytes on the wire
TOO_LONG = f"{MOST_CHARACTERS:,} is the most"
CLOSED = "this sandbox was closed; open another with open_sandbox()"
RETRIES = 4  # of a run whose sandbox died: it may have been killed from outside
# Seconds and time limits that a run whose sandboxes died may have had in all; beyond, there is one retry alone.
QUICK, LONG = 2.0, 1.5
RESTART_SECONDS = 90.0  # how long a lost sandbox may take to come back: an engine may be restarting
KNOWN_GOOD = ("def known_good(x):\n    return x + 1\n", AssertTests(["assert known_good(1) == 2"]))


class _Turn:
    """A caller that waits for a worker, or for a place to start one."""

    def __init__(self, tests: AssertTests | StdioTests, fresh: bool) -> None:
        self.tests = tests
        self.fresh = fresh
        self.came = threading.Event()
        self.worker: Worker | None = None
        self.passed_over = 0


class Sandbox:
    """Judges programs in up to `workers` sandboxes at a time; safe to share between threads, also after a fork.

    backend  the name of the backend, for people
    start    () -> a Worker that is ready; raises SandboxUnavailable or WorkerDied
    reopen   (function, arguments) that opens the same sandbox in another process, for pickling
    """

    def __init__(
        self,
        backend: str,
        workers: int,
        limits: Limits,
        start: Callable[[], Worker],
        reopen: tuple[Callable[..., Sandbox], tuple[Any, ...]],
    ) -> None:
        self.backend = backend
        self.workers = workers
        self.limits = limits
        self._start = start
        self._reopen = reopen
        self._closed = False
        self._reset()
        _open.add(self)

    def _reset(self) -> None:
        """Forget all workers: at the beginning, and in a forked child, whose parent has them."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._started = threading.Condition(self._lock)
        self._starting = 0  # sandboxes that are about to be there
        self._idle: list[Worker] = []
        self._waiting: list[_Turn] = []
        self._all: set[Worker] = set()
        self._places = self.workers  # sandboxes that may still be started

    # ---- one verdict

    def judge(self, solution: str, tests: AssertTests | StdioTests) -> Judgement:
        """Return what the tests say of the solution; never raises for what a solution holds.

        Raises TypeError for arguments of other types and RuntimeError after close().
        """
        if not isinstance(solution, str):
            raise TypeError(f"solution is {type(solution).__name__}; judge() takes its source as str")
        if not isinstance(tests, AssertTests | StdioTests):
            raise TypeError(f"tests are {type(tests).__name__}; judge() takes AssertTests or StdioTests")
        clock = [time.perf_counter()]
        words = _oversized(solution, tests) or self._attempts(solution, tests, clock)
        return _judgement(words, time.perf_counter() - clock[0])

    def _attempts(self, solution: str, tests: AssertTests | StdioTests, clock: list[float]) -> list[Any]:
        """Judge until a sandbox survives it; give up after RETRIES, or after one where the runs were long."""
        spent = 0.0
        try:
            for retry in range(1 + RETRIES):
                try:
                    return self._attempt(solution, tests, retry > 0, clock)
                except WorkerDied:
                    spent += time.perf_counter() - clock[0]  # of runs alone: a busy machine starts slowly
                    if retry and spent > QUICK + LONG * self.limits.wall_seconds:
                        break
            try:
                words = self._attempt(*KNOWN_GOOD, True)
            except WorkerDied as error:
                return _no_verdict(f"sandboxes die on this machine, with known good programs too ({error})")
            if words[0] != "correct":
                return _no_verdict(f"a known good program was judged {words[0]}")
            return [
                "crashed",
                0,
                _total(tests),
                [],
                "brought its sandbox down each time, where a known good program runs",
            ]
        except SandboxUnavailable as error:
            return _no_verdict(str(error))

    def _attempt(
        self, solution: str, tests: AssertTests | StdioTests, fresh: bool, clock: list[float] | None = None
    ) -> list[Any]:
        """Judge in a sandbox; whatever happens, its place is free for another afterwards. `clock` starts with the run."""
        worker = self._take(tests, fresh)
        if clock is not None:
            clock[0] = time.perf_counter()
        sound = False
        try:
            words = worker.judge(solution, tests)
            sound = True
            return words
        finally:
            self._give(worker, sound and worker.runs < RUNS)

    # ---- workers

    def _take(self, tests: AssertTests | StdioTests, fresh: bool) -> Worker:
        """Wait for a worker; `fresh` asks for one that never ran anything."""
        if os.getpid() != self._process:
            self._reset()
        with self._lock:
            if self._closed:
                raise RuntimeError(CLOSED)
            if fresh and self._idle:
                self._retire(self._idle.pop(0))
            if self._idle and not fresh:
                same = (place for place, worker in enumerate(self._idle) if worker.tests == tests)
                return self._idle.pop(next(same, 0))
            if self._places:
                self._places -= 1
                turn = None
            else:
                turn = _Turn(tests, fresh)
                self._waiting.append(turn)
        if turn is not None:
            turn.came.wait()
            if turn.worker is not None:
                return turn.worker
            if self._closed:
                raise RuntimeError(CLOSED)
        return self._new()

    def _new(self) -> Worker:
        """Start a sandbox in a place that was taken, waiting for an engine that is being restarted."""
        until = time.monotonic() + RESTART_SECONDS
        pause = 0.1
        while True:
            try:
                return self._launch()
            except (SandboxUnavailable, WorkerDied) as error:
                if time.monotonic() > until or self._closed:
                    with self._lock:
                        self._free_place()
                    raise SandboxUnavailable(str(error)) from None
            time.sleep(pause)
            pause = min(2.0, 2 * pause)

    def _launch(self) -> Worker:
        """Start a sandbox, once, where close() can see it."""
        with self._lock:
            if self._closed:
                raise RuntimeError(CLOSED)
            self._starting += 1
        worker = None
        try:
            worker = self._start()
            return worker
        finally:
            with self._lock:
                self._starting -= 1
                if worker is not None:
                    self._all.add(worker)
                self._started.notify_all()

    def _give(self, worker: Worker, sound: bool) -> None:
        """Hand a worker on: to who waits with the same tests, else with tests that no other worker has."""
        if os.getpid() != self._process:
            return
        with self._lock:
            if self._closed:
                sound = False
            elif sound and any(turn.fresh for turn in self._waiting):
                sound = False  # a run that lost its sandbox waits for the place
            elif sound and self._waiting:
                turn = self._next_turn(worker)
                turn.worker = worker
                turn.came.set()
                return
            elif sound:
                self._idle.append(worker)
                return
        worker.close()
        with self._lock:
            self._all.discard(worker)
            self._free_place()

    def _next_turn(self, worker: Worker) -> _Turn:
        """Choose who goes next with this worker: compiling tests anew costs as much as a run."""
        first = self._waiting[0]
        first.passed_over += 1
        if first.passed_over > PATIENCE:
            return self._waiting.pop(0)
        elsewhere = [other.tests for other in self._all if other is not worker]
        same = (place for place, turn in enumerate(self._waiting) if turn.tests == worker.tests)
        untaken = (place for place, turn in enumerate(self._waiting) if turn.tests not in elsewhere)
        return self._waiting.pop(next(same, next(untaken, 0)))

    def _free_place(self) -> None:
        """Let the next in line start a sandbox, with the lock held."""
        if self._waiting:
            fresh = (place for place, turn in enumerate(self._waiting) if turn.fresh)
            self._waiting.pop(next(fresh, 0)).came.set()
        else:
            self._places += 1

    def _retire(self, worker: Worker) -> None:
        """End an idle worker in the background, with the lock held; its place is free."""

        def end() -> None:
            worker.close()
            with self._lock:
                self._all.discard(worker)

        self._places += 1
        threading.Thread(target=end, daemon=True).start()

    def warm_up(self) -> None:
        """Start one sandbox now, so that what is wrong shows here, and the others behind it."""
        self._places -= 1
        self._idle.append(self._launch())

        def more() -> None:
            for _ in range(self.workers - 1):
                with self._lock:
                    if self._closed or not self._places:
                        return
                    self._places -= 1
                try:
                    worker = self._launch()
                except (SandboxUnavailable, WorkerDied, RuntimeError):
                    with self._lock:
                        self._free_place()
                    return
                self._give(worker, sound=True)

        if self.workers > 1:
            threading.Thread(target=more, name="assay-sandbox-start", daemon=True).start()

    # ---- the end

    def close(self) -> None:
        """End all sandboxes, with whatever runs in them, and wait until they are gone."""
        if os.getpid() != self._process:
            self._reset()  # the parent's are not ours to end
        with self._lock:
            self._closed = True
            for turn in self._waiting:
                turn.came.set()
            self._started.wait_for(lambda: not self._starting, START_SECONDS)
            workers, self._all, self._idle = list(self._all), set(), []
        threads = [threading.Thread(target=worker.close) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _open.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[..., Sandbox], tuple[Any, ...]]:
        return self._reopen


_open: weakref.WeakSet[Sandbox] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for sandbox in list(_open):
        sandbox.close()


def _oversized(solution: str, tests: AssertTests | StdioTests) -> list[Any] | None:
    """Return the verdict on what is too long to send to a sandbox, None if it is not."""
    if len(solution) > MOST_CHARACTERS:
        return ["crashed", 0, _total(tests), [], f"the program has {len(solution):,} characters; {TOO_LONG}"]
    if isinstance(tests, StdioTests):
        size = sum(len(given) + len(expected) for given, expected in tests.cases)
    else:
        size = len(tests.setup) + len(tests.prefix) + sum(map(len, tests.asserts))
    if size > MOST_CHARACTERS:
        return ["bad_reference", 0, 0, [], f"the tests have {size:,} characters; {TOO_LONG}"]
    return None


def _total(tests: AssertTests | StdioTests) -> int:
    return max(1, len(tests.cases if isinstance(tests, StdioTests) else tests.asserts))


def _no_verdict(why: str) -> list[Any]:
    return ["infra_error", 0, 0, [], why]


def _judgement(words: list[Any], seconds: float) -> Judgement:
    status, passed, total, listed, detail = words
    cases = tuple(Case(Status(case[0]), *map(str, case[1:])) for case in listed)
    return Judgement(Status(status), passed, total, cases, detail or _detail(cases), seconds)


def _detail(cases: tuple[Case, ...]) -> str:
    """Say in a sentence what went wrong first."""
    for number, case in enumerate(cases):
        if case.status is not Status.CORRECT:
            words = [f"case {number + 1}: {case.source}" if case.source else f"case {number + 1}"]
            words += [f"{case.input} gave {case.got}" if case.input and case.got else case.got or case.input]
            words += [f"expected {case.expected}" if case.expected else ""]
            return "; ".join(filter(None, words))
    return ""
