"""What does a piece of Python define, as far as can be told without running it?

Parsing is safe on anything: code that is too large or nested too deeply, that holds null bytes or lone surrogates, or
that is no Python, is None. The parser holds the interpreter's lock while it works, so the characters that one response
may have parsed are counted (`Parser`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from ..parsing import FAULTS, parse

__all__ = ["LONGEST_PARSED", "Parser", "bound_names", "defines"]

LONGEST_PARSED = 200_000  # characters of one response, all attempts together: half a second at the worst

# Python 3.11 reads an f-string again for each of its braces.
_BRACES_TIMES_LENGTH = 200_000_000
_F_STRING = re.compile(r"[fF][rR]?[\"']|[rR][fF][\"']")


class Parser:
    """Parses for one response, up to so many characters in all."""

    def __init__(self, most: int = LONGEST_PARSED) -> None:
        self.left = most
        self.error_line = 0  # where the last text that did not parse went wrong, from 1; 0 if that is not known

    def parse(self, code: str) -> ast.Module | None:
        """Return the module, or None if it does not parse or is too much to parse."""
        self.error_line = 0
        self.left -= len(code) + 1
        if self.left < 0:
            return None
        braces = code.count("{")
        if braces * len(code) > _BRACES_TIMES_LENGTH and _F_STRING.search(code):
            return None
        try:
            return parse(code)
        except SyntaxError as error:
            self.error_line = error.lineno or 0
        except FAULTS:
            pass
        return None


def defines(module: ast.Module, names: Iterable[str]) -> bool:
    """Whether the module binds all of these names."""
    wanted = set(names)
    for name in bound_names(module.body):
        wanted.discard(name)
        if not wanted:
            return True
    return not wanted


def bound_names(statements: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that these statements bind where they stand, also under `if`, `try`, `with` and in loops.

    `*` stands for the names of a star import.
    """
    waiting: list[ast.stmt] = list(reversed(statements))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0]
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _targets(target)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                yield from _targets(node.target)
        else:
            for part in ("body", "orelse", "finalbody"):
                waiting.extend(reversed(getattr(node, part, ())))
            for handler in getattr(node, "handlers", ()):
                waiting.extend(reversed(handler.body))


def _targets(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            if isinstance(element, ast.Name):
                yield element.id
