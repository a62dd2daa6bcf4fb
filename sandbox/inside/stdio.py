"""How is a program judged that reads standard input and prints?

Each case runs in a process of its own, on real pipes. Its output is drained while it runs, up to a cap, and compared
here, where the program never is: line by line, blanks at the ends of lines and of the whole ignored, and numbers
within a tolerance where one was asked for. After a case that ran out of time the others do not run.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import socket
import time
from typing import TYPE_CHECKING, Any

from .frames import Channel
from .outcome import BadTests, Outcome, ended

if TYPE_CHECKING:
    from .examiner import Examiner

__all__ = ["StdioSet", "same_output"]


class StdioSet:
    """The cases of one problem."""

    def __init__(self, cases: list[list[str]], tolerance: float | None) -> None:
        if not cases:
            raise BadTests("there are no cases")
        self.cases = [(given.encode("utf-8", "surrogateescape"), expected) for given, expected in cases]
        self.tolerance = tolerance

    def judge(self, examiner: Examiner, source: str) -> tuple[list[Outcome], int, str]:
        """Return (outcomes, number of cases, a sentence on the first that failed for another reason than its output)."""
        outcomes: list[Outcome] = []
        detail = ""
        for number, (given, expected) in enumerate(self.cases):
            run = _Run(examiner, source, given)
            status, why = run.judged(expected, self.tolerance)
            got = why or run.output.decode("utf-8", "replace")
            outcomes.append(Outcome(status, f"case {number + 1}", given.decode("utf-8", "replace"), expected, got))
            detail = detail or why
            if status == "timeout":
                break
        return outcomes, len(self.cases), detail


class _Run:
    """One process: what it printed, and how it ended.

    report  what the program's own process says of its end, [exit code, text]; None if it ended without a word
    """

    def __init__(self, examiner: Examiner, source: str, given: bytes) -> None:
        self.limits = limits = examiner.limits
        self.output = bytearray()
        self.most = int(limits["output_bytes"])
        self.late = self.drained = False
        self.report: Any = None
        wire, theirs = socket.socketpair()
        stdin, feed = _pipe()
        drain, stdout = _pipe()
        with wire, open(feed, "wb", buffering=0) as self.feed, open(drain, "rb", buffering=0) as self.drain:
            os.set_blocking(feed, False)
            os.set_blocking(drain, False)
            examiner.start(b"program", theirs.fileno(), stdin, stdout)
            theirs.close()
            os.close(stdin)
            os.close(stdout)
            self._talk(wire, source, memoryview(given), time.monotonic() + limits["wall_seconds"])
        self.end = examiner.finish()

    def _talk(self, wire: socket.socket, source: str, given: memoryview, deadline: float) -> None:
        """Feed the program and drain it until its process has ended, or time or space runs out."""
        channel = Channel(wire, 1 << 16)
        channel.deadline = deadline
        with selectors.DefaultSelector() as selector, contextlib.suppress(Exception):
            channel.send([source])
            selector.register(wire, selectors.EVENT_READ)
            selector.register(self.drain, selectors.EVENT_READ)
            selector.register(self.feed, selectors.EVENT_WRITE)
            while not self.late and len(self.output) <= self.most:
                ready = {key.fileobj for key, _ in selector.select(max(0.0, deadline - time.monotonic()))}
                if self.drain in ready and self._drained() == b"":
                    selector.unregister(self.drain)
                    self.drained = True
                    if wire not in selector.get_map():
                        break
                if self.feed in ready:
                    given = given[self._fed(given) :]
                    if not given:
                        selector.unregister(self.feed)
                        self.feed.close()
                if wire in ready:
                    with contextlib.suppress(Exception):
                        self.report = channel.receive()
                    if self.report is not None or self.drained:
                        break
                    selector.unregister(wire)  # it closed its end of the wire: the end of its output tells
                self.late = time.monotonic() >= deadline
        while len(self.output) <= self.most and self._drained():
            pass  # what it printed before it ended is in the pipe

    def _drained(self) -> bytes | None:
        """Take what is in the pipe; b"" if nothing ever will be again, None if nothing is there now."""
        part = self.drain.read(1 << 16)
        self.output += part or b""
        return part

    def _fed(self, given: memoryview) -> int:
        """Write what the pipe takes; return how much of the input is done with."""
        try:
            return self.feed.write(given[: 1 << 16]) or 0
        except OSError:
            return len(given)  # the program closed its input: it needs no more

    def judged(self, expected: str, tolerance: float | None) -> tuple[str, str]:
        """Return (status, why, where the output does not say it)."""
        cpu = self.limits["cpu_seconds"]
        if self.end.get("cpu", 0) >= cpu:
            return "timeout", f"used up its {cpu:g} seconds of processor time"
        if self.late or self.end.get("late"):
            return "timeout", f"did not end within {self.limits['wall_seconds']:g} seconds"
        if len(self.output) > self.most:
            return "incorrect", f"printed more than {self.most:,} bytes"
        if self.end.get("memory"):
            return (
                "crashed",
                f"was stopped for using more than {int(self.limits['memory_bytes']) >> 20:,} MiB of memory",
            )
        code, said = self.report if _is_report(self.report) else (None, "")
        if code is None and (self.end.get("code") or "signal" in self.end):
            return "crashed", ended(self.end)
        if code:
            return "crashed", said[:500]
        return ("correct" if same_output(self.output, expected, tolerance) else "incorrect"), ""


def _is_report(report: Any) -> bool:
    return type(report) is list and len(report) == 2 and type(report[0]) is int and type(report[1]) is str


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    os.fchmod(read, 0o666)  # a program of another user may open /dev/stdin by its name
    return read, write


def same_output(output: bytes | bytearray, expected: str, tolerance: float | None) -> bool:
    """Compare line by line, ignoring blanks at the ends of lines and empty lines at the end of the whole."""
    try:
        ours = _lines(bytes(output).decode("utf-8"))
    except UnicodeDecodeError:
        return False
    theirs = _lines(expected)
    if ours == theirs:
        return True
    if tolerance is None or len(ours) != len(theirs):
        return False
    return all(_near(a.split(), b.split(), tolerance) for a, b in zip(ours, theirs, strict=True))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.replace("\r\n", "\n").rstrip().split("\n")]


def _near(ours: list[str], theirs: list[str], tolerance: float) -> bool:
    return len(ours) == len(theirs) and all(
        a == b or _close_numbers(a, b, tolerance) for a, b in zip(ours, theirs, strict=True)
    )


def _close_numbers(ours: str, theirs: str, tolerance: float) -> bool:
    try:
        a, b = float(ours), float(theirs)
    except ValueError:
        return False
    return math.isfinite(a) and math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
