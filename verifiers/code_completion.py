"""How does what a response holds become a whole program?

Three things may be missing, and are supplied here:

- the start, where the response continues a prompt (HumanEval): a body alone, indented in whatever way, goes behind it
- the prompt's preamble, where the response repeats the signature but not the imports and helpers before it
- the function, where the response wraps it as a method (`class Solution`): it is called on a fresh object each time

Nothing is taken away from the code, with one exception: what a model writes behind a body that is no Python any more.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from .code_parsing import Parser, bound_names, defines

__all__ = ["continued", "is_prefix", "whole_program"]

MOST_CUTS = 4  # attempts to leave away what follows a body


class _Start(NamedTuple):
    """The prompt that a body continues, taken apart.

    text      ending with a newline
    preamble  what stands before the entry point: imports and helpers
    bound     the names that the preamble binds
    indent    of the body
    """

    text: str
    preamble: str
    bound: frozenset[str]
    indent: str


@lru_cache(maxsize=1024)
def _start(prefix: str, entry_point: str) -> _Start | None:
    """Take a prompt apart; None if it is no beginning of a program that defines the entry point."""
    text = prefix.replace("\r\n", "\n").replace("\r", "\n").rstrip() + "\n"
    parser = Parser()
    module = parser.parse(text) or parser.parse(f"{text}    pass\n")
    if module is None:
        return None
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    own = [node for node in module.body if isinstance(node, functions) and node.name == entry_point]
    if not own:
        return None
    lines = text.split("\n")
    first = min([own[-1].lineno, *(decorator.lineno for decorator in own[-1].decorator_list)])
    before = [node for node in module.body if (node.end_lineno or 0) < first]
    last_line = next(line for line in reversed(lines) if line.strip())
    inside = own[-1].body[0].lineno > own[-1].lineno and last_line[:1] in (" ", "\t")
    indent = lines[own[-1].body[0].lineno - 1] if inside else "    "
    return _Start(
        text,
        "\n".join(lines[: first - 1]).strip("\n") if before else "",
        frozenset(bound_names(before)),
        indent[: len(indent) - len(indent.lstrip())] or "    ",
    )


def is_prefix(prompt: str, entry_point: str) -> bool:
    """Whether a prompt is the beginning of a program, up to and into the function of that name."""
    return entry_point in prompt and _start(prompt, entry_point) is not None


def whole_program(code: str, module: ast.Module, entry_point: str, prefix: str) -> str | None:
    """Return the code with what it lacks of the preamble, or None if it does not define the entry point."""
    if _is_body(module, entry_point):
        return None
    if not defines(module, (entry_point,)):
        holder = _holder(module, entry_point)
        if holder is None:
            return None
        code = (
            f"{code.rstrip()}\n\n\ndef {entry_point}(*args, **kwargs):\n"
            f"    return {holder}().{entry_point}(*args, **kwargs)\n"
        )
    start = _start(prefix, entry_point) if prefix else None
    if start is None or not start.bound or start.bound <= set(bound_names(module.body)):
        return code
    # Imports from __future__ stay in front, and so does what stands before them.
    future = [n.end_lineno or 0 for n in module.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    lines = code.split("\n")
    return "\n".join([*lines[: max(future, default=0)], start.preamble, "", "", *lines[max(future, default=0) :]])


def _is_body(module: ast.Module, entry_point: str) -> bool:
    """Whether this is a body at the margin: it returns, and if it binds the name, then as a variable of its own."""
    if not any(isinstance(node, ast.Return) for node in _statements(module.body)):
        return False
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return not any(isinstance(node, definitions) and node.name == entry_point for node in module.body)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that belong to the same scope, also those under `if`, `for` and the like."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            waiting += [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt)]
            for handler in getattr(node, "handlers", ()):
                waiting += handler.body


def _holder(module: ast.Module, method: str) -> str | None:
    """Return the class that has this method: the only one that has it, or `Solution` among several."""
    holders = [
        node.name
        for node in module.body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.name == method for item in node.body)
    ]
    if len(holders) > 1:
        holders = [name for name in holders if name == "Solution"]
    return holders[0] if len(holders) == 1 else None


def continued(body: str, entry_point: str, prefix: str, parser: Parser) -> str | None:
    """Return the prompt with this body behind it, or None if that is no program, or no body."""
    start = _start(prefix, entry_point)
    body = body.strip("\n").rstrip()
    if start is None or not body.strip():
        return None
    for variant in _indented(body, start.indent):
        text = variant
        for _ in range(MOST_CUTS):
            program = f"{start.text}{text}\n"
            module = parser.parse(program)
            if module is not None:
                if _does_something(module, entry_point, start.text.count("\n")):
                    return program
                break
            text = _cut(text, parser.error_line - start.text.count("\n"))
            if not text:
                break
    return None


def _indented(body: str, indent: str) -> list[str]:
    """Return the body as it may have been meant, the likeliest first."""
    lines = body.split("\n")
    first, others = lines[0], [line for line in lines[1:] if line.strip()]
    again = textwrap.indent(textwrap.dedent(body), indent)
    if first[:1] in (" ", "\t"):
        return [body] if again == body else [body, again]
    if others and all(line[:1] in (" ", "\t") for line in others):  # only the first line lost its indentation
        return [indent + body, again]
    return [again]


def _cut(text: str, line: int) -> str:
    """Return the text up to the last line at the margin that begins before or at the faulty line."""
    lines = text.split("\n")
    for number in range(min(line, len(lines)) - 1, 0, -1):
        if lines[number].strip() and lines[number][0] not in " \t":
            return "\n".join(lines[:number]).rstrip()
    return ""


def _does_something(module: ast.Module, entry_point: str, after: int) -> bool:
    """Whether the entry point has a statement behind that line which is no bare expression, such as a word of prose."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == entry_point:
            return any(statement.lineno > after and _acts(statement) for statement in node.body)
    return False


def _acts(statement: ast.stmt) -> bool:
    return not isinstance(statement, ast.Expr) or isinstance(
        statement.value, ast.Call | ast.Yield | ast.YieldFrom | ast.Await
    )
