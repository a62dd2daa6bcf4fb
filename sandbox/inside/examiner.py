"""What runs in the process that judges?

It gets the tests of one problem from the host, then one solution after the other; for each it has the warden start a
candidate, sends it the solution, and runs the tests against it over the wire. It leaves when its tests do.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import random
import resource
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from .frames import Channel, Closed, Late, Malformed
from .kernel import processor, stay
from .outcome import BadTests, Outcome, ended
from .peer import Gone, Peer
from .proxies import Proxy, Unverifiable
from .stdio import StdioSet
from .tests_of_asserts import AssertSet

__all__ = ["Examiner"]

MOST_RESIDENT = 128 << 10  # KiB of memory that an examiner may have had and still judge another solution
# What tests replace to control a solution in the same process; here the solution would never see it.
WATCHED: list[tuple[Any, str]] = [
    *((builtins, name) for name in ("input", "print", "open", "__import__")),
    (sys, "stdin"),
    *((time, name) for name in ("time", "sleep")),
    *((random, name) for name in ("random", "randint", "choice", "shuffle")),
]


class Examiner:
    """Serves the host over `host`, and has its candidates from the warden at the other end of `warden`."""

    def __init__(self, host: Channel, warden: socket.socket, limits: dict[str, Any], main: Any) -> None:
        self.host = host
        self.warden = warden
        self.limits = limits
        self.main = main
        self.previous: socket.socket | None = None
        self.anywhere = os.sched_getaffinity(0)
        self.sink: Any = io.TextIOWrapper(_Nowhere(), encoding="utf-8", errors="replace", write_through=True)
        self.tests: AssertSet | StdioSet | None = None
        self.bad = ""
        self.modules = 0  # that were loaded before the first solution

    def serve(self) -> None:
        """Answer the host until it sends the tests of another problem, for which the warden makes another examiner."""
        while True:
            message = self.host.receive()
            if message[0] == "tests":
                if self.tests is not None or self.bad:
                    return
                self.prepare(message[1])
            elif message[0] == "next":
                return
            elif message[0] == "judge":
                verdict = self.judge(*message[1:])
                self.host.send([*verdict, self.spent()])
                if self.previous is not None:
                    self.previous.close()
                if self.spent():
                    return
                os.sched_setaffinity(0, self.anywhere)

    def prepare(self, tests: dict[str, Any]) -> None:
        """Take the tests of a problem."""
        try:
            self.tests = StdioSet(**tests) if "cases" in tests else AssertSet(**tests)
        except BadTests as error:
            self.bad = str(error)
        self.modules = len(sys.modules)

    def spent(self) -> bool:
        """Tell whether this process should not judge another solution: its tests or the last values left a mark on it."""
        if isinstance(self.tests, AssertSet) and not self.tests.reusable:
            return True
        if (
            len(sys.modules) > self.modules
        ):  # values may bring modules along, in which names of exceptions are looked up
            return True
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MOST_RESIDENT

    # ---- one solution

    def judge(self, run: str, source: str) -> list[Any]:
        """Return ["verdict", run, status, passed, total, cases, detail]."""
        if self.bad or self.tests is None:
            return ["verdict", run, "bad_reference", 0, 0, [], self.bad] if self.bad else ["lost", run]
        try:
            if isinstance(self.tests, StdioSet):
                return self._verdict(run, *self.tests.judge(self, source))
            return self._verdict(run, *self._judge_asserts(self.tests, source))
        finally:
            sys.modules["__main__"] = self.main

    def _verdict(self, run: str, outcomes: list[Outcome], total: int, detail: str) -> list[Any]:
        first = next((each for each in outcomes if each.status != "correct"), None)
        status = first.status if first else "correct"
        passed = sum(each.status == "correct" for each in outcomes)
        if status == "correct" and passed < total:
            status = "crashed"
        return ["verdict", run, status, passed, total, [each.words for each in outcomes], detail]

    def _judge_asserts(self, tests: AssertSet, source: str) -> tuple[list[Outcome], int, str]:
        total = max(1, len(tests.cases))
        ours, theirs = socket.socketpair()
        channel = Channel(ours, int(self.limits["output_bytes"]) + (1 << 20))
        channel.deadline = time.monotonic() + self.limits["wall_seconds"]
        self.start(b"solution", theirs.fileno())
        theirs.close()
        carried = Carried(self.sink)
        peer = Peer(channel, False, carried.extras, carried.apply)
        carried.note = peer.note
        try:
            loaded = self._load(peer, source, tests.wanted)
            if isinstance(loaded, Outcome):
                outcomes = [loaded]
            else:
                with carried:
                    outcomes = list(tests.run(peer, loaded))
        finally:
            sys.modules["__main__"] = self.main
            self.previous = (
                ours  # closed when the next run begins: a candidate that sees its end would only wake to die
            )
        gone = peer.gone
        peer.end()
        if not gone:
            self.leave()
            return outcomes, total, ""
        return outcomes, total, self._ending(outcomes[-1], gone, self.finish())

    def _load(self, peer: Peer, source: str, wanted: list[str]) -> dict[str, Any] | Outcome:
        """Return the stubs by name, or the outcome of a solution that does not load."""
        try:
            peer.channel.send([source, wanted])
            answer = peer.channel.receive()
            if answer[0] == "!":
                return Outcome("crashed", "loading the solution", got=f"{str(answer[1])[:100]}: {str(answer[2])[:500]}")
            _, found, nodes = answer
            names = [name for name in found if name in wanted]
            stubs = zip(names, peer.objects.unpack([found[name] for name in names], nodes), strict=True)
            return {name: stub for name, stub in stubs if isinstance(stub, Proxy) or _is_new_exception(stub)}
        except Closed:
            peer.gone = "closed"
        except Late:
            peer.gone = "late"
        except (
            Malformed,
            Gone,
            Unverifiable,
            TypeError,
            ValueError,
            IndexError,
            KeyError,
            AttributeError,
            UnicodeError,
        ) as error:
            peer.gone = f"malformed: {error}"
        return Outcome("timeout" if peer.gone == "late" else "crashed", "loading the solution")

    def _ending(self, outcome: Outcome, gone: str, end: dict[str, Any]) -> str:
        """Say why the candidate is gone, and correct the outcome where the warden knows better."""
        limits = self.limits
        if gone == "late" or end.get("late") or end.get("cpu", 0) >= limits["cpu_seconds"]:
            outcome.status = outcome.words[0] = "timeout"
            if end.get("cpu", 0) >= limits["cpu_seconds"]:
                return f"used up its {limits['cpu_seconds']:g} seconds of processor time"
            return f"did not end within {limits['wall_seconds']:g} seconds"
        outcome.status = outcome.words[0] = "crashed"
        if gone.startswith("malformed"):
            return f"broke the protocol ({gone})"
        if end.get("memory"):
            return f"was stopped for using more than {int(limits['memory_bytes']) >> 20:,} MiB of memory"
        return ended(end)

    # ---- the warden

    def start(self, what: bytes, *fds: int) -> None:
        """Have a candidate started, on this processor, that holds these: its wire, and standard input and output."""
        here = processor()
        stay(here)
        socket.send_fds(self.warden, [what + b" %d" % here], list(fds))

    def finish(self) -> dict[str, Any]:
        """Have the candidate ended and all its traces removed; return how it ended."""
        self.warden.send(b"end")
        return json.loads(self.warden.recv(4096) or b"{}")  # type: ignore[no-any-return]

    def leave(self) -> None:
        """Have the candidate ended, without waiting for it."""
        self.warden.send(b"leave")


def _is_new_exception(stub: Any) -> bool:
    return isinstance(stub, type) and issubclass(stub, BaseException) and stub.__module__ == "solution"


class _Nowhere(io.BufferedIOBase):
    """Takes what tests print."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)

    def close(self) -> None:
        """Stay open: the next run prints here too."""


class Carried:
    """State that a test and the solution share when they run in one process, carried along with each message.

    Carried: what the solution prints while a test captures output; towards the solution, the random generator once a
    test has seeded it (never back: whoever sets a generator chooses the inputs of a test), and the recursion limit. Not
    carried, and so UNVERIFIABLE: replaced builtins, standard input, patches by unittest.mock.
    """

    def __init__(self, sink: Any) -> None:
        self.random = False
        self.limit = sys.getrecursionlimit()
        self.sink = sink
        self.note: Callable[[str], BaseException] = RuntimeError

    def __enter__(self) -> Carried:
        self.stdout, sys.stdout = sys.stdout, self.sink
        self.seed = random.seed
        self.watched = [getattr(module, name) for module, name in WATCHED]

        def seed(*args: Any, **keywords: Any) -> None:
            self.random = True
            self.seed(*args, **keywords)

        random.seed = seed
        return self

    def __exit__(self, *ignored: object) -> None:
        random.seed = self.seed
        for (module, name), value in zip(WATCHED, self.watched, strict=True):
            setattr(module, name, value)
        sys.setrecursionlimit(self.limit)
        sys.stdout = self.stdout

    def extras(self) -> Any:
        for (module, name), value in zip(WATCHED, self.watched, strict=True):
            if getattr(module, name) is not value:
                raise self.note(f"the tests replace {module.__name__}.{name}, which cannot reach the solution")
        found: dict[str, Any] = {}
        if sys.getrecursionlimit() != self.limit:
            found["limit"] = sys.getrecursionlimit()
        if self.random:
            found["random"] = random.getstate()
        if sys.stdout is not self.sink:
            found["listen"] = True
        return found or None

    def apply(self, extras: Any) -> None:
        if type(extras) is not dict:
            return
        said = extras.get("said")
        if type(said) is str and sys.stdout is not self.sink:
            sys.stdout.write(said)
