"""How do many callers share a few sandboxes, and what happens when one dies?

A verdict takes a free worker, by preference one that has the same tests at hand, and gives it back. A run whose
sandbox died is judged again, alone in a fresh one. If that dies too, a program known to be good is judged in a third:
where it lives, the solution is what kills sandboxes, and earns 0 (CRASHED); where it dies as well, something is wrong
with the machine, and there is no verdict (INFRA_ERROR). So nobody is punished for our faults, and nobody can buy one.
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
from .worker import Worker, WorkerDied

__all__ = ["Sandbox"]

RUNS = 20_000  # runs after which a sandbox is replaced by a fresh one
RESTART_SECONDS = 90.0  # how long a lost sandbox may take to come back: an engine may be restarting
KNOWN_GOOD = ("def known_good(x):\n    return x + 1\n", AssertTests(["assert known_good(1) == 2"]))


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
        self._changed = threading.Condition()
        self._idle: list[Worker] = []
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
        begin = time.perf_counter()
        words = self._attempts(solution, tests)
        return _judgement(words, time.perf_counter() - begin)

    def _attempts(self, solution: str, tests: AssertTests | StdioTests) -> list[Any]:
        try:
            try:
                return self._attempt(solution, tests, fresh=False)
            except WorkerDied:
                pass
            try:
                return self._attempt(solution, tests, fresh=True)
            except WorkerDied:
                pass
            try:
                words = self._attempt(*KNOWN_GOOD, fresh=True)
            except WorkerDied as error:
                return _no_verdict(f"sandboxes die on this machine, with known good programs too ({error})")
            if words[0] != "correct":
                return _no_verdict(f"a known good program was judged {words[0]}")
            return ["crashed", 0, _total(tests), [], "brought its sandbox down twice, where a known good program runs"]
        except SandboxUnavailable as error:
            return _no_verdict(str(error))

    def _attempt(self, solution: str, tests: AssertTests | StdioTests, fresh: bool) -> list[Any]:
        """Judge in a sandbox; whatever happens, its place is free for another afterwards."""
        worker = self._take(tests, fresh)
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
        with self._changed:
            while True:
                if self._closed:
                    raise RuntimeError("this sandbox was closed; open another with open_sandbox()")
                if fresh and self._idle:
                    self._drop(self._idle.pop(0))
                if self._idle and not fresh:
                    same = (place for place, worker in enumerate(self._idle) if worker.tests == tests)
                    return self._idle.pop(next(same, 0))
                if self._places:
                    self._places -= 1
                    break
                self._changed.wait()
        try:
            worker = self._started()
        except BaseException:
            with self._changed:
                self._places += 1
                self._changed.notify()
            raise
        with self._changed:
            self._all.add(worker)
        return worker

    def _started(self) -> Worker:
        """Start a sandbox, waiting for an engine that is being restarted."""
        until = time.monotonic() + RESTART_SECONDS
        pause = 0.1
        while True:
            try:
                return self._start()
            except (SandboxUnavailable, WorkerDied) as error:
                if time.monotonic() > until or self._closed:
                    raise SandboxUnavailable(str(error)) from None
            time.sleep(pause)
            pause = min(2.0, 2 * pause)

    def _give(self, worker: Worker, sound: bool) -> None:
        if os.getpid() != self._process:
            return
        with self._changed:
            if sound and not self._closed:
                self._idle.append(worker)
                self._changed.notify()
                return
        worker.close()
        with self._changed:
            self._drop(worker, closed=True)

    def _drop(self, worker: Worker, closed: bool = False) -> None:
        """Let a worker go, with the lock held; its place is free."""
        self._all.discard(worker)
        self._places += 1
        self._changed.notify()
        if not closed:
            threading.Thread(target=worker.close, daemon=True).start()

    def warm_up(self) -> None:
        """Start one sandbox now, so that what is wrong shows here, and the others behind it."""
        worker = self._start()
        with self._changed:
            self._places -= 1
            self._all.add(worker)
            self._idle.append(worker)

        def more() -> None:
            for _ in range(self.workers - 1):
                with self._changed:
                    if self._closed or not self._places:
                        return
                    self._places -= 1
                try:
                    worker = self._start()
                except (SandboxUnavailable, WorkerDied):
                    with self._changed:
                        self._places += 1
                    return
                with self._changed:
                    self._all.add(worker)
                self._give(worker, sound=True)

        if self.workers > 1:
            threading.Thread(target=more, name="assay-sandbox-start", daemon=True).start()

    # ---- the end

    def close(self) -> None:
        """End all sandboxes, with whatever runs in them, and wait until they are gone."""
        with self._changed:
            self._closed = True
            mine = self._all if os.getpid() == self._process else set()
            workers, self._all, self._idle = list(mine), set(), []
            self._changed.notify_all()
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
