"""How does the host talk to one sandbox: one supervisor, one run at a time?

A worker is a started supervisor and the stream to it. It dies with its sandbox: whatever goes wrong on the stream is
`WorkerDied`, and the pool starts another.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from dataclasses import asdict
from typing import Any, Protocol

from ..records import AssertTests, Limits, StdioTests
from .bootstrap import first_message
from .inside.frames import Channel, Closed, Late, Malformed

__all__ = ["Stream", "Worker", "WorkerDied"]

START_SECONDS = 60.0
SLACK = 10.0  # seconds above its limits that a verdict may take on a busy machine before the sandbox counts as lost

_serial = itertools.count(1)


class WorkerDied(Exception):
    """The sandbox ended, or does not answer any more."""


class Stream(Protocol):
    """What a backend provides: the bytes to and from a supervisor that it started."""

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes that the supervisor wrote; b"" when it is gone."""

    def sendall(self, data: bytes) -> None:
        """Write all of it."""

    def settimeout(self, seconds: float) -> None:
        """Raise TimeoutError from recv and sendall that take longer."""

    def waits(self) -> bool:
        """Tell whether the supervisor wrote something that was not read."""

    def close(self) -> None:
        """End the sandbox at once, with everything in it, and wait until it is gone."""

    def last_words(self) -> str:
        """Return what it wrote to standard error."""


class Worker:
    """A sandbox that is ready; raises WorkerDied if it does not become so."""

    def __init__(self, stream: Stream, config: dict[str, Any], limits: Limits) -> None:
        self.stream = stream
        self.limits = {name: getattr(limits, name) for name in limits.__slots__}
        self.channel = Channel(stream)  # type: ignore[arg-type]
        self.tests: AssertTests | StdioTests | None = None
        self.runs = 0
        try:
            self.channel.deadline = time.monotonic() + START_SECONDS
            stream.sendall(first_message({**config, "limits": self.limits}))
            if self.channel.receive()[0] != "ready":
                raise Malformed
        except (Closed, Late, Malformed, OSError) as error:
            words = stream.last_words()
            self.close()
            raise WorkerDied(f"the sandbox does not start ({type(error).__name__}): {words[-2000:]}") from None

    def judge(self, solution: str, tests: AssertTests | StdioTests) -> list[Any]:
        """Return the words of the verdict: [status, passed, total, cases, detail]."""
        run = str(next(_serial))
        cases = len(tests.cases) if isinstance(tests, StdioTests) else 1
        self.channel.deadline = time.monotonic() + cases * (self.limits["wall_seconds"] + 1) + SLACK
        self.runs += 1
        try:
            if self.stream.waits():
                raise Malformed("words that nobody asked for")
            if self.tests != tests:
                if self.tests is not None:
                    self.channel.send(["next"])
                self.tests = None
                self.channel.send(["tests", asdict(tests)])
                self.tests = tests
            self.channel.send(["judge", run, solution])
            while True:
                answer = self.channel.receive()
                if answer[0] == "lost":
                    raise Malformed("an examiner that has no tests")
                if answer[0] == "verdict" and answer[1] == run:
                    *words, spent = answer[2:]
                    if spent:
                        self.tests = None
                    return list(words)
                if answer[0] == "gone":
                    self.tests = None
                    return _without_examiner(answer[1])
        except (Closed, Late, Malformed, OSError, ValueError, TypeError, IndexError, KeyError) as error:
            raise WorkerDied(f"{type(error).__name__}: {error} {self.stream.last_words()[-500:]}") from None

    def close(self) -> None:
        """End the sandbox."""
        with contextlib.suppress(Exception):
            self.stream.close()


def _without_examiner(why: str) -> list[Any]:
    if why == "late":
        return ["timeout", 0, 1, [], "the tests did not end in time with what this solution gave them"]
    return ["crashed", 0, 1, [], "the tests could not go on with what this solution gave them"]
