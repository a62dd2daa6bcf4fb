"""What do the tests of a function need from the solution, and what becomes of each of them?

Tests are compiled once and run, unmodified, for each solution of the set: the helpers that the prompt defines, then
the setup, then each assert as a case of its own. Of the solution they get stubs alone: for the entry point, and for
names that the tests use and nobody else defines. Everything else, builtins and standard library included, is the
examiner's own.
"""

from __future__ import annotations

import ast
import builtins
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

from .outcome import BadTests, Outcome, described
from .peer import Gone, Peer
from .proxies import Unverifiable
from .purity import leave_no_mark

__all__ = ["AssertSet"]


class _Reached(BaseException):
    """The setup uses something of the solution."""


class _Absent:
    """Stands for a part of the solution before there is one."""

    def _use(self, *args: Any, **keywords: Any) -> Any:
        raise _Reached

    __call__ = __getattr__ = __getitem__ = __iter__ = __len__ = __bool__ = __mro_entries__ = __instancecheck__ = _use
    __str__ = __repr__ = __hash__ = __eq__ = __lt__ = __add__ = __enter__ = __setattr__ = _use


class AssertSet:
    """The compiled tests of one problem."""

    def __init__(self, asserts: list[str], setup: str, entry_point: str | None, prefix: str) -> None:
        if not asserts and not setup.strip():
            raise BadTests("there are no tests")
        self.entry_point = entry_point
        self.trees = {
            "prompt": _parsed(prefix, "prompt", lenient=True),
            "setup": _parsed(setup, "setup"),
        }
        self.sources = {"prompt": prefix, "setup": setup}
        self.setup = [_compiled(tree, name) for name, tree in self.trees.items()]
        self.cases = []
        for number, text in enumerate(asserts):
            name = f"test {number + 1}"
            self.trees[name] = _parsed(text, name)
            self.sources[name] = text
            self.cases.append((name, _compiled(self.trees[name], name)))
        defined = {name: _defined(tree) for name, tree in self.trees.items()}
        if entry_point and entry_point.startswith("__"):
            raise BadTests(f"{entry_point} is no name for an entry point: modules have such names for themselves")
        if entry_point in defined["setup"]:
            raise BadTests(f"the setup defines {entry_point}, which the solution should")
        used = _used(self.setup[1]).union(*(_used(code) for _, code in self.cases))
        used = {name for name in used if not name.startswith("__")}.difference(vars(builtins), *defined.values())
        self.wanted = sorted(used | ({entry_point} if entry_point else set()))
        if not self.wanted:
            raise BadTests("the tests use nothing of the solution")
        self.reusable = leave_no_mark(self.trees.values())
        self._try_setup()

    def _try_setup(self) -> None:
        """Find out whether the setup fails by itself, before there is a solution that could be the reason."""
        main = sys.modules["__main__"]
        try:
            space = self.namespace(dict.fromkeys(self.wanted, _Absent()))
            exec(self.setup[1], space)
        except _Reached:
            pass
        except BaseException as error:
            raise BadTests(f"the setup fails before it reaches the solution: {described(error)}") from None
        finally:
            sys.modules["__main__"] = main

    def namespace(self, stubs: dict[str, Any]) -> dict[str, Any]:
        """Return a fresh namespace of the tests, registered as the main module."""
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        space = vars(module)
        space["__builtins__"] = builtins
        exec(self.setup[0], space)
        space.update(stubs)
        return space

    def run(self, peer: Peer, stubs: dict[str, Any]) -> Iterator[Outcome]:
        """Yield the outcome of each case, or one alone where the setup fails; stops when the solution is gone."""
        space = self.namespace(stubs)
        failed = self._tried(peer, self.setup[1], space, "setup")
        if failed is not None:
            yield failed
            return
        if not self.cases:
            yield Outcome("correct", "setup")
            return
        for name, code in self.cases:
            yield self._tried(peer, code, space, name) or Outcome("correct", self.sources[name])
            if peer.gone:
                return

    def _tried(self, peer: Peer, code: types.CodeType, space: dict[str, Any], name: str) -> Outcome | None:
        """Run one piece of the tests; return None if nothing went wrong."""
        log = peer.log
        log.clear()
        peer.unverifiable, peer.failed = "", False
        status, got = "correct", ""
        try:
            exec(code, space)
        except (Unverifiable, Gone):
            status = "unverifiable"  # also where it was an object of another run that spoke
        except AssertionError as error:
            log.error, status = error, "incorrect"
        except BaseException as error:
            log.error, status, got = error, "incorrect", described(error)
        if peer.gone:
            status = {"late": "timeout"}.get(peer.gone, "crashed")
            got = "" if peer.gone in ("late", "closed") else peer.gone
        elif peer.unverifiable:
            status, got = "unverifiable", peer.unverifiable
        elif status == "unverifiable":
            got = "the tests met an object that is none of this solution's"
        elif status == "correct" and peer.failed:
            status, got = "incorrect", "an assert in a function that the tests passed in failed"
        if status == "correct":
            return None
        if log.error is not None and log.raised is log.error:
            status = "crashed"  # the solution raised, and the test did not expect it
        where, expected = self._failing(name, log.error)
        return Outcome(status, where, log.call(), expected, got or log.result())

    def _failing(self, name: str, error: BaseException | None) -> tuple[str, str]:
        """Return (the text of the statement that failed, the text of the side of it that is no call)."""
        trace, line = (error.__traceback__ if error else None), 0
        while trace is not None:
            filename = trace.tb_frame.f_code.co_filename
            if filename[1:-1] in self.sources:
                name, line = filename[1:-1], trace.tb_lineno
            trace = trace.tb_next
        for node in ast.walk(self.trees[name]):
            if isinstance(node, ast.Assert) and (not line or node.lineno <= line <= (node.end_lineno or 0)):
                text = ast.get_source_segment(self.sources[name], node) or ""
                test = node.test
                if isinstance(test, ast.Compare) and len(test.ops) == 1:
                    return text, ast.get_source_segment(self.sources[name], test.comparators[0]) or ""
                return text, ""
        lines = self.sources[name].splitlines()
        return (lines[line - 1].strip() if 0 < line <= len(lines) else name), ""


def _parsed(text: str, name: str, lenient: bool = False) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if lenient:
                return ast.parse("")  # the start of a program that is none yet
            raise BadTests(f"{name} is not Python: {error}") from None


def _compiled(tree: ast.Module, name: str) -> types.CodeType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return compile(tree, f"<{name}>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise BadTests(f"{name} is not Python: {error}") from None


def _defined(tree: ast.Module) -> set[str]:
    """Return the names that a text binds, those inside functions left out."""
    found: set[str] = set()
    waiting: list[ast.AST] = [node for node in tree.body if not isinstance(node, ast.Assert)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
            waiting += ast.iter_child_nodes(node)
        elif not isinstance(node, ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return found


def _used(code: types.CodeType) -> set[str]:
    """Return the names that code reads without binding them itself, attributes among them."""
    found = set(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            found |= _used(inner)
    return found
