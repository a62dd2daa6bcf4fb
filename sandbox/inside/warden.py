"""What supervises the runs: process 1 of a container, or its like?

It forks an examiner for each set of tests and, when that asks, a candidate for each run; it ends both in time,
whatever they do, and removes what they leave. It reads no test and no solution: both go straight to the process
that needs them, so a candidate finds nothing of another run in the memory that it inherits.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal.signal() makes enums of its arguments, which a fork pays for
import gc
import json
import os
import random
import signal
import socket
import struct
import sys
import time
import types
from typing import Any

from . import candidate, cells
from .candidate import Candidate, run_program
from .examiner import Examiner
from .frames import Channel, Closed, Pipes
from .kernel import stay, trim
from .rehearsal import rehearse

__all__ = ["Warden", "main"]

GRACE = 0.15  # seconds after its deadline at which a candidate is ended; the examiner's own deadline comes first
EXAMINER_GRACE = 0.4  # ... and the examiner, if it has not come to a verdict
TICK = 0.1
WIRE = 3  # the candidate's descriptor for it
FD = struct.Struct("@i")
NOT_ENTERED = 98  # exit code of a candidate that could not be shut in: our fault, or a program that says so
HOST_GONE = 97  # exit code of an examiner whose host is gone


class Warden:
    """One sandbox: `host` leads to the pool outside, `nothing` nowhere."""

    def __init__(self, host: Pipes, nothing: int, cell: Any, limits: dict[str, Any]) -> None:
        self.host = host
        self.nothing = nothing
        self.candidate = Candidate(WIRE)
        self.anywhere = os.sched_getaffinity(0)
        self.cell = cell
        self.limits = limits
        self.run = 0  # process of the candidate, 0 if none runs
        self.deadline = 0.0
        self.late = self.too_large = False

    def supervise(self) -> None:
        """Have one examiner after the other, until the host is gone."""
        while True:
            os.sched_setaffinity(0, self.anywhere)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.examiner = self.cell.fork_examiner()
            if not self.examiner:
                ours.close()
                self._be_examiner(theirs)
            theirs.close()
            with ours:
                told = self._attend(ours)
            if self.run:
                self._end()
            ended = self.cell.end_examiner(self.examiner)
            if ended.get("code") == HOST_GONE:
                return
            if told or ended.get("code") != 0:
                Channel(self.host).send(["gone", told or "ended"])

    def _attend(self, examiner: socket.socket) -> str:
        """Do what the examiner asks until it is gone; return why it had to go, "" if it went by itself."""
        receive, space = examiner.recvmsg, socket.CMSG_SPACE(3 * FD.size)
        while True:
            examiner.settimeout(TICK if self.run else None)
            try:
                words, sent, _, _ = receive(32, space)
            except TimeoutError:
                why = self._look()
                if why:
                    return why
                continue
            if words == b"leave":
                self._end()
            elif words == b"end":
                examiner.send(json.dumps(self._end()).encode("ascii"))
            elif not words:
                return ""
            else:
                self._start(words, [fd for (fd,) in FD.iter_unpack(sent[0][2])])

    def _start(self, words: bytes, fds: list[int]) -> None:
        self.deadline = time.monotonic() + self.limits["wall_seconds"]
        self.late = self.too_large = False
        what, here = words.split()
        stay(int(here))
        self.run = self.cell.fork_candidate()
        if not self.run:
            self._be_candidate(what, fds)
        for fd in fds:
            os.close(fd)

    def _look(self) -> str:
        """Look after a run that takes long; return why the examiner has to go, "" if it need not."""
        now = time.monotonic()
        if now > self.deadline + EXAMINER_GRACE:
            return "late"
        if now > self.deadline + GRACE and not self.late:
            self.late = True
            self.cell.kill(self.run)
        elif self.cell.ended(self.run):
            self.cell.kill(self.run)  # what it forked keeps its wire open
        elif self.cell.memory(self.examiner) > self.limits["memory_bytes"]:
            self.too_large = True
            self.cell.kill(self.run)
        return ""

    def _end(self) -> dict[str, Any]:
        if not self.run:
            return {}
        ended = self.cell.end_candidate(self.run)
        self.run = 0
        if ended.get("code") == NOT_ENTERED:
            raise cells.Dirty("a process could not be shut in")
        if self.late:
            ended["late"] = True
        if self.too_large:
            ended["memory"] = True
        return ended  # type: ignore[no-any-return]

    # ---- in the children, which never return

    def _be_examiner(self, warden: socket.socket) -> None:
        code = 1
        try:
            errors = os.dup(2)
            os.dup2(self.nothing, 2)
            keep = {self.host.read, self.host.write, warden.fileno(), errors}
            close_all_but(keep)
            self.cell.enter_examiner()
            gc.enable()
            random.seed()
            try:
                Examiner(Channel(self.host), warden, self.limits, sys.modules["__main__"]).serve()
                code = 0
            except Closed:
                code = HOST_GONE
        except BaseException:
            import traceback  # seldom needed, and each fork would pay for it

            os.write(errors, traceback.format_exc().encode("utf-8", "replace")[-4000:])
        finally:
            os._exit(code)

    def _be_candidate(self, what: bytes, fds: list[int]) -> None:
        try:
            os.dup2(self.nothing, 2)
            for place, fd in enumerate(fds[1:]):
                os.dup2(fd, place)
            os.dup2(fds[0], WIRE)
            os.closerange(WIRE + 1, 1 << 20)
            try:
                self.cell.enter_candidate()
            except BaseException:
                os._exit(NOT_ENTERED)
            _signal.signal(signal.SIGINT, _signal.default_int_handler)
            if what == b"program":
                run_program(WIRE)
            else:
                self.candidate.run()
        finally:
            os._exit(1)


def close_all_but(keep: set[int]) -> None:
    """Close all descriptors from 3 on but these."""
    start = 3
    for fd in sorted(keep):
        if fd >= start:
            os.closerange(start, fd)
            start = fd + 1
    os.closerange(start, 1 << 20)


def main(config: dict[str, Any]) -> None:
    """Be the warden; `config` says of which kind of cell, with which limits, and what to import before the first fork."""
    for name in config["preload"]:
        try:
            __import__(name)
        except Exception:
            sys.modules.pop(name, None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    host = Pipes(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(nothing, fd)
    sys.modules["__main__"] = types.ModuleType("__main__")
    cell = cells.cell_of(config)
    if config.get("language") == "restricted":
        from . import restricted_language  # loaded for these alone: every fork copies what is there

        restricted_language.prepare(config)
        candidate.execute = restricted_language.execute
    rehearse(config["limits"])
    random.seed(0)
    Channel(host).send(["ready", sys.version_info[:3]])
    gc.collect()
    trim()
    gc.disable()
    gc.freeze()
    Warden(host, nothing, cell, config["limits"]).supervise()
