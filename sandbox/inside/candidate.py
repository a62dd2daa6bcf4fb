"""What runs in the process that holds the solution?

It loads the program, names what the tests want of it, and then does what it is asked. Nothing here is trusted by
anybody: from its first line on, the solution can change all of this, and gains by it what it could say anyway.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import random
import sys
import types
from typing import Any

from .frames import Channel, Pipes
from .peer import Gone, Peer

__all__ = ["Candidate", "run_program"]

MOST_CAPTURED = 1 << 20


class _Captured(io.RawIOBase):
    """Standard output of a solution: kept while a test listens, else thrown away."""

    def __init__(self) -> None:
        self.listening = False
        self.kept: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, data: Any) -> int:
        data = bytes(data)
        if self.listening and self.size < MOST_CAPTURED:
            self.kept.append(data)
            self.size += len(data)
        return len(data)


class Carried:
    """The state that test and solution would share in one process; see examiner.py for the other half."""

    def __init__(self) -> None:
        self.output = _Captured()
        self.stdout = io.TextIOWrapper(self.output, encoding="utf-8", errors="surrogateescape", write_through=True)  # type: ignore[type-var]
        self.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115

    def apply(self, extras: Any) -> None:
        if not extras:
            return
        if "limit" in extras:
            sys.setrecursionlimit(extras["limit"])
        if "random" in extras:
            version, state, gauss = extras["random"]
            random.setstate((version, tuple(state), gauss))
        self.output.listening = bool(extras.get("listen"))

    def extras(self) -> Any:
        if not self.output.kept:
            return None
        said = b"".join(self.output.kept).decode("utf-8", "surrogateescape")
        self.output.kept, self.output.size = [], 0
        return {"said": said}


def execute(source: str, module: types.ModuleType) -> None:
    """Run a program as this module; the warden puts another in its place where the language is not all of Python."""
    exec(compile(source, str(module.__file__), "exec", dont_inherit=True), module.__dict__)


class Candidate:
    """A process that will hold a solution, made before the fork: making it costs more than most runs."""

    def __init__(self, wire: int) -> None:
        self.channel = Channel(Pipes(wire, wire))
        self.carried = Carried()
        self.peer = Peer(self.channel, True, self.carried.extras, self.carried.apply)
        self.module = types.ModuleType("solution")
        self.module.__file__ = "solution.py"

    def run(self) -> None:
        """Load the solution that comes first on the wire, then serve its examiner."""
        source, wanted = self.channel.receive()
        module = self.module
        sys.stdin, sys.stdout = self.carried.stdin, self.carried.stdout
        sys.modules["solution"] = module
        sys.argv = ["solution.py"]
        gc.enable()
        try:
            execute(source.removeprefix("\ufeff"), module)
        except SystemExit:
            pass  # what it defined before can be judged
        except BaseException as error:
            self.channel.send(["!", type(error).__name__, _message(error)])
            return
        space = module.__dict__
        found = {each: space[each] for each in wanted if callable(space.get(each))}
        items, nodes = self._named(found)
        self.channel.send(["=", dict(zip(found, items, strict=True)), nodes])
        with contextlib.suppress(Gone):
            self.peer.serve()

    def _named(self, found: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        objects = self.peer.objects
        if set(map(type, found.values())) != {types.FunctionType}:
            return objects.pack(found.values())
        items = [[objects.new(function)] for function in found.values()]  # most of the time; and it is quick
        return items, [[item[0], "h", "f", name, "__call__", "", ""] for item, name in zip(items, found, strict=True)]


def _message(error: BaseException) -> str:
    try:
        line = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
        return f"{error.msg}{line}" if isinstance(error, SyntaxError) else str(error)[:500]
    except Exception:
        return ""


def run_program(wire: int) -> None:
    """Run a program as `__main__` on the real standard input and output, and end as Python would."""
    channel = Channel(Pipes(wire, wire))
    source = channel.receive()[0]
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    module = types.ModuleType("__main__")
    module.__file__ = "solution.py"
    sys.modules["__main__"] = module
    sys.argv = ["solution.py"]
    gc.enable()
    code, said = 0, ""
    try:
        execute(source.removeprefix("\ufeff"), module)
    except SystemExit as error:
        code, said = _exit_code(error.code)
    except BaseException as error:
        code, said = 1, f"{type(error).__name__}: {_message(error)}"
    code = _finish() or code
    try:
        channel.send([code, said])
    except Exception:
        os._exit(code or 1)
    os._exit(code)


def _exit_code(code: Any) -> tuple[int, str]:
    if code is None:
        return 0, ""
    if isinstance(code, int):
        return code & 255, f"exit code {code & 255}"
    return 1, f"SystemExit: {str(code)[:500]}"


def _finish() -> int:
    """Do what the interpreter does at its end: wait for threads, run exit handlers, flush."""
    import atexit
    import threading

    code = 0
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException:
        code = 1
    try:
        sys.stdout.flush()
    except BaseException:
        code = 120
    return code
