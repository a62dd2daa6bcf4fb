"""How is a process made ready to be forked thousands of times?

By judging a small program in it a few times, both sides at once. What a run touches, the interpreter then has at hand:
its caches are filled and its code is specialised once, here, and not in each child, where every page that is written
has to be copied first. That is worth a third of a run.
"""

from __future__ import annotations

import contextlib
import os
import sys
from _thread import allocate_lock, start_new_thread  # threading itself is for those programs that have threads
from typing import Any

from .candidate import Candidate
from .examiner import Examiner
from .frames import Channel, Pipes

__all__ = ["rehearse"]

TIMES = 12
PROGRAM = "def known(x, y=1):\n    return [x, y] if x else {y}\n"
TESTS = {
    "asserts": ["assert known(2, 'a') == [2, 'a']", "assert known([0]) == [[0], 1]", "assert known(0, y=(1, 2.5))"],
    "setup": "import math",
    "entry_point": "known",
    "prefix": "",
}


class _Rehearsal(Examiner):
    """An examiner whose candidates are threads, and which has no host and no warden."""

    def __init__(self, limits: dict[str, Any]) -> None:
        super().__init__(Channel(Pipes(-1, -1)), None, limits, sys.modules["__main__"])  # type: ignore[arg-type]

    def start(self, what: bytes, *fds: int) -> None:
        """Run the candidate in a thread."""
        wire = os.dup(fds[0])
        os.set_blocking(wire, True)

        def candidate() -> None:
            with contextlib.suppress(BaseException):
                Candidate(wire).run()
            self.running.release()

        self.wire = wire
        self.running = allocate_lock()
        self.running.acquire()
        start_new_thread(candidate, ())

    def leave(self) -> None:
        """End it by closing its wire."""
        if self.previous:
            self.previous.close()
        self.running.acquire()
        os.close(self.wire)


def rehearse(limits: dict[str, Any]) -> None:
    """Judge a known program a few times; raises RuntimeError if the verdict is not that it is right."""
    before = sys.stdin, sys.stdout, sys.argv
    for _ in range(TIMES):
        examiner = _Rehearsal(limits)
        examiner.prepare(TESTS)
        for _ in range(2):
            verdict = examiner.judge("", PROGRAM)
            if verdict[2] != "correct":
                raise RuntimeError(f"the rehearsal failed: {verdict}")
    sys.stdin, sys.stdout, sys.argv = before
    sys.modules.pop("solution", None)
