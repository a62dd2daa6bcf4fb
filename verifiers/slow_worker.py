"""How is one comparison kept from hurting anything? The nursery imports sympy, then forks a child for each and waits.

A child reads and compares two texts of unknown origin, so it is given what it may use and is then forgotten:

- CPU time: an interval timer whose signal has its default action, so the kernel ends the child even amid one long
  multiplication. CPU time and not wall-clock time: a busy machine punishes nobody.
- Memory: RLIMIT_AS. Files, processes and sockets: an audit hook refuses them, RLIMIT_FSIZE too.
- Text is never evaluated: the functions of sympy that do that are taken away, and the hook refuses code from strings.

Nothing that a child does outlives it. The child marks on its pipe when the reference is done, so that the nursery,
which answers for a child that was killed, knows which of the two texts was too much. The nursery handles no text
itself; it ends when a socket is closed or its parent is gone, and takes its children with it.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .slow_lane import receive_frame, send_frame

__all__ = ["serve"]

REFERENCE_DONE, REFERENCE_CUT_SHORT = b"r", b"c"
REPLY = b"{"
OUT_OF_MEMORY = 3  # exit status of a child
LONGEST_REPLY = 1 << 16
IDLE_SECONDS = 0.05  # without a request before the next warming comparison
POLL_SECONDS = 1.0  # how often the nursery looks whether its parent is still there
WALL_FACTOR, WALL_EXTRA = 20.0, 20.0  # below the client's, so that one stuck child does not cost the nursery
# Deep enough for what the nesting bound lets through, and small enough for the C stack.
RECURSION = 5_000
PR_SET_PDEATHSIG = 1
# Compared before the first request is taken: what nearly every comparison needs, and quickly done.
FIRST = ((r"\int_0^1 x^2 dx + \frac{1}{3}", r"\frac{\sqrt{2}}{3} - \ln 2"), (r"\frac{x^2-1}{x-1}", "x+1"))
# Compared one at a time while nobody asks: what is rare, and takes sympy long when it does it for the first time.
LATER = (
    (r"\lim_{x \to 0} \frac{\sin x}{x}", "2"),
    (r"\sum_{n=1}^{\infty} \frac{1}{n^2}", r"\frac{\pi^2}{6}"),
    (r"\int_0^1 x e^{2x} dx", r"\cos 1"),
    (r"\sum_{k=0}^n \binom{n}{k}", "2^n"),
    (r"\int_0^{\infty} e^{-x} \cos x dx", "1"),
    (r"\int_0^{\pi} \sin^2 x dx", r"\int_0^1 \frac{dx}{1+x^2}"),
    (r"\prod_{k=1}^{n} k", "n!"),
    (r"\det\begin{pmatrix} a & b \\ c & d \end{pmatrix}", r"\{x^2|_{x=2}, \frac{1}{2}\}"),  # for latex2sympy
)


@dataclass
class Job:
    """A child at work: which socket waits for it, its pipe, and what came out so far."""

    slot: int
    pid: int
    pipe: int
    deadline: float
    started: float
    output: bytearray


def serve(config: dict[str, Any]) -> None:
    """Import what is slow, tell every socket, and answer requests until the other side is gone."""
    # Dispositions and masks are inherited; a child whose timer signal is blocked or ignored would never die.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGPROF, signal.SIGXCPU, signal.SIGVTALRM, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    channels = [socket.socket(fileno=number) for number in config["sockets"]]
    try:
        compare, die_with_parent = _prepare()
    except BaseException as error:
        for channel in channels:
            with contextlib.suppress(OSError):
                send_frame(channel, {"failed": f"{type(error).__name__}: {error}"[:500]})
        return
    nursery = Nursery(channels, config, compare, die_with_parent)
    try:
        for channel in channels:
            send_frame(channel, {"ready": True})
        nursery.run()
    except (OSError, EOFError, ValueError):
        pass  # the other side is gone, or does not speak as it should: both mean going
    finally:
        nursery.end_children()
        os._exit(0)


def _prepare() -> tuple[Callable[..., dict[str, str]], Callable[[], None]]:
    from .slow_algebra import forbid_evaluation_of_text
    from .slow_compare import compare_texts

    forbid_evaluation_of_text()
    # What is built on first use (sympy's rules, tables and caches) is built here, once, and inherited.
    for pair in FIRST:
        compare_texts(*pair, 10.0, lambda _: None)
    return compare_texts, _death_follower()


def _death_follower() -> Callable[[], None]:
    """Return what a child calls to be killed when the nursery dies; does nothing where the kernel cannot do it."""
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return lambda: None

    def follow() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    return follow


class Nursery:
    """Waits on sockets for requests and on pipes for children, and answers."""

    def __init__(
        self,
        channels: list[socket.socket],
        config: dict[str, Any],
        compare: Callable[..., dict[str, str]],
        die_with_parent: Callable[[], None],
    ) -> None:
        self.channels = channels
        self.config = config
        self.compare = compare
        self.die_with_parent = die_with_parent
        self.jobs: dict[int, Job] = {}  # by the file descriptor of the pipe
        self.slots = {channel.fileno(): slot for slot, channel in enumerate(channels)}
        self.later = list(LATER[::-1])
        self.poll = select.poll()
        for channel in channels:
            channel.settimeout(WALL_EXTRA)
            self.poll.register(channel, select.POLLIN)

    def run(self) -> None:
        self.freeze()
        while os.getppid() == self.config["parent"]:
            idle = self.later and not self.jobs
            ready = self.poll.poll(IDLE_SECONDS * 1000 if idle else POLL_SECONDS * 1000)
            for number, _ in ready:
                if number in self.slots:
                    self.begin(self.slots[number])
                elif part := os.read(number, LONGEST_REPLY):
                    self.jobs[number].output += part
                else:
                    self.finish(self.jobs[number])
            if idle and not ready:
                self.compare(*self.later.pop(), 10.0, lambda _: None)
                self.freeze()
            self.kill_stuck()

    @staticmethod
    def freeze() -> None:
        """Share what is here now with every child: no collection in a child shall touch, and so copy, it."""
        gc.collect()
        gc.freeze()

    def begin(self, slot: int) -> None:
        request = receive_frame(self.channels[slot])
        deadline = float(request["deadline"])
        reading, writing = os.pipe()
        if not (pid := os.fork()):
            try:
                _work(request, writing, self)
            except MemoryError:  # no memory, then, to write a reply with either
                os._exit(OUT_OF_MEMORY)
            finally:
                os._exit(1)
        os.close(writing)
        self.jobs[reading] = Job(slot, pid, reading, deadline, time.monotonic(), bytearray())
        self.poll.register(reading, select.POLLIN)

    def finish(self, job: Job) -> None:
        _, status = os.waitpid(job.pid, 0)
        self.poll.unregister(job.pipe)
        os.close(job.pipe)
        del self.jobs[job.pipe]
        send_frame(self.channels[job.slot], _reply(bytes(job.output), status, job))

    def kill_stuck(self) -> None:
        """End children that hardly got any CPU time for far too long; the timer deals with all others."""
        for job in list(self.jobs.values()):
            if time.monotonic() - job.started > WALL_FACTOR * job.deadline + WALL_EXTRA:
                job.started = float("inf")  # killed once; its reply comes with the end of its pipe
                os.kill(job.pid, signal.SIGTERM)

    def end_children(self) -> None:
        for job in self.jobs.values():
            with contextlib.suppress(OSError):
                os.kill(job.pid, signal.SIGKILL)
                os.waitpid(job.pid, 0)


def _reply(output: bytes, status: int, job: Job) -> dict[str, Any]:
    """Return what the client is told, from what a child wrote and how it ended."""
    on_reference = not output.startswith((REFERENCE_DONE, REFERENCE_CUT_SHORT))
    frame = output if on_reference else output[1:]
    if status == 0 and frame.startswith(REPLY):
        with contextlib.suppress(ValueError):
            reply = json.loads(frame)
            if isinstance(reply, dict):
                return reply
    prefix, side = ("reference_", "reference") if on_reference else ("", "answer")
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number in (signal.SIGPROF, signal.SIGXCPU):
        if output.startswith(REFERENCE_CUT_SHORT):
            prefix, side = "reference_", "reference, which had not been worked out when the answer's turn came"
        return {"relation": f"{prefix}timeout", "detail": f"more than {job.deadline:g} s of CPU time on the {side}"}
    # Nobody but the kernel, out of memory, kills it that way.
    if number == signal.SIGKILL or (os.WIFEXITED(status) and os.WEXITSTATUS(status) == OUT_OF_MEMORY):
        return {"relation": f"{prefix}memory", "detail": f"the {side} needs too much memory"}
    if number == signal.SIGTERM:
        return {"relation": "lost", "detail": "the machine is too busy: no result within any reasonable time"}
    how = f"by {signal.Signals(number).name}" if number else f"with exit status {os.waitstatus_to_exitcode(status)}"
    relation = "unreadable_reference" if on_reference else "undecided"
    return {"relation": relation, "detail": f"working on the {side} ended {how}"}


def _work(request: dict[str, Any], pipe: int, nursery: Nursery) -> None:
    """In the child: put the limits on, compare, and write the reply as the last thing."""
    deadline = float(request["deadline"])
    signal.setitimer(signal.ITIMER_PROF, max(deadline, 0.001))
    nursery.die_with_parent()
    for channel in nursery.channels:
        channel.close()
    for other in nursery.jobs:
        os.close(other)
    _limit(deadline, nursery.config["memory_bytes"])

    on_reference = True

    def reference_done(in_time: bool) -> None:
        nonlocal on_reference
        on_reference = False
        os.write(pipe, REFERENCE_DONE if in_time else REFERENCE_CUT_SHORT)

    try:
        reply = nursery.compare(request["reference"], request["answer"], deadline, reference_done)
    except MemoryError:
        raise
    except BaseException as error:  # a fault of ours, but one that this text brings about
        relation = "unreadable_reference" if on_reference else "undecided"
        reply = {"relation": relation, "detail": f"{type(error).__name__}: {error}"[:200]}
    frame = json.dumps(reply, ensure_ascii=True).encode()
    while frame:
        frame = frame[os.write(pipe, frame) :]
    os._exit(0)


def _limit(deadline: float, memory_bytes: int) -> None:
    sys.setrecursionlimit(RECURSION)
    seconds = int(deadline) + 2  # a second wall behind the timer
    for name, limit in (
        ("RLIMIT_CPU", seconds),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_NPROC", 0),
        ("RLIMIT_AS", _mapped_bytes() + memory_bytes),
    ):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            resource.setrlimit(getattr(resource, name), (limit, limit))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")  # if the machine runs out of memory, this is the process to end
    sys.addaudithook(_refuse)


def _mapped_bytes() -> int:
    """Return the address space in use: RLIMIT_AS counts it all, inherited or not."""
    try:
        with open("/proc/self/statm") as counts:
            return int(counts.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 2 << 30  # not Linux: room for what an interpreter maps


# Who may run code made from a string: the standard library's dataclasses and named tuples, while modules are imported,
# and a loop that sympy unrolls for a number of variables. sympy's lambdify, which prints expressions, may not.
CODE_WRITERS = (collections.__file__, dataclasses.__file__, os.path.join("sympy", "polys", "monomials.py"))
# Audit events that comparing has no business with. `exec` of a module's code is an import; of a string it is not.
FORBIDDEN = ("os.", "subprocess.", "socket.", "shutil.", "ctypes.", "pty.", "webbrowser.", "code.", "builtins.input")
ALLOWED = ("os.listdir", "os.scandir")  # the import system looks around


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "exec":
        made_of_text = getattr(arguments[0], "co_filename", "").startswith("<string")
        refused = made_of_text and not sys._getframe(1).f_code.co_filename.endswith(CODE_WRITERS)
    elif event == "open":
        refused = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) if arguments[2] else False
    else:
        refused = event.startswith(FORBIDDEN) and event not in ALLOWED
    if refused:
        raise PermissionError(f"{event} is not for a comparison")
