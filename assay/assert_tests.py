"""How does Python text become AssertTests: a list of asserts as in MBPP, or a script with its `check(candidate)`?

Nothing is run and no statement is rewritten: a script is cut between its statements, so that each case counts once.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

from .parsing import FAULTS, parse
from .records import AssertTests

__all__ = ["BadTests", "list_tests", "script_tests"]


class BadTests(ValueError):
    """Tests that are there and cannot be used; the message says why."""


def list_tests(
    asserts: list[str], setup: str = "", code: str = "", entry_point: str | None = None, prompt: str = ""
) -> AssertTests:
    """Return tests of single asserts; `code` is the reference program, which names the entry point and its imports.

    Raises BadTests if there is no assert, or if code or tests are not Python.
    """
    if not asserts:
        raise BadTests("test_list is empty; a problem without tests judges nothing")
    asserts, setup, code = [_unix(each) for each in asserts], _unix(setup), _unix(code)
    try:
        program, tests = parse(code), parse("\n".join([setup, *asserts]))
    except FAULTS as error:
        raise BadTests(f"code or tests are not Python: {getattr(error, 'msg', error)}") from None
    entry_point = entry_point or _called_function(program, tests)
    setup = "\n".join(filter(None, [*_imports_of_tests(program, tests), setup]))
    return AssertTests(asserts, setup, entry_point, _prefix(prompt, entry_point))


def _called_function(program: ast.Module, tests: ast.Module) -> str | None:
    """Return the function of the reference program that the tests call."""
    called = {
        node.func.id for node in ast.walk(tests) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    defined = [node.name for node in program.body if isinstance(node, ast.FunctionDef)]
    return next((name for name in defined if name in called), None)


def _imports_of_tests(program: ast.Module, tests: ast.Module) -> list[str]:
    """Return the imports that the tests use but get only from the reference program (MBPP 596 names `sys`).

    The examiner must not take a module from the solution: a solution could hand it another.
    """
    own = {_bound(alias) for node in ast.walk(tests) if isinstance(node, _IMPORTS) for alias in node.names}
    wanted = {node.id for node in ast.walk(tests) if isinstance(node, ast.Name)} - own
    found = []
    for node in program.body:
        if isinstance(node, _IMPORTS):
            node.names = [alias for alias in node.names if _bound(alias) in wanted]
            if node.names:
                found.append(ast.unparse(node))
    return found


_IMPORTS = (ast.Import, ast.ImportFrom)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


@lru_cache(maxsize=512)  # the samples of one problem come one after the other
def script_tests(script: str, entry_point: str | None = None, prompt: str = "") -> AssertTests:
    """Return the tests of a script: what it defines is setup, each assert or call that tests something is a case.

    A `check(candidate)` that nothing calls is called; so are functions `test_...`, if the script only defines them.
    """
    script = _unix(script)
    try:
        body = parse(script).body
    except FAULTS as error:
        raise BadTests(f"the tests are not Python: {getattr(error, 'msg', error)}") from None
    body = [node for node in body if not _takes_the_solution(node) and not _starts_a_runner(node)]
    body = [node for node in body if not _is_idle_import(node, body)]
    functions = {node.name: node for node in body if isinstance(node, _FUNCTIONS)}
    solution = _solution_names(script) | ({re.split(r"\W", entry_point)[0]} if entry_point else set())
    testing = _that_mention(functions, solution | ({"check"} if "check" in functions else set()))

    first = next((number for number, node in enumerate(body) if _is_case(node, testing)), None)
    if first is not None:
        setup, cases = body[:first], _grouped(script, body[first:])
    else:
        setup, cases = body, []
        if "check" in functions and entry_point:
            cases = [f"check({entry_point})"]
        else:
            tests = _test_functions(body, functions)
            # in the case itself, so that the function under test is a name that the case uses
            setup = [node for node in body if node not in tests]
            cases = [f"{_source(script, [node])}\n{node.name}()" for node in tests]
    if not cases:
        raise BadTests("the tests hold nothing that is run: no assert, no call, no check(candidate), no test_...()")
    return AssertTests(cases, _source(script, setup), entry_point, _prefix(prompt, entry_point))


def _test_functions(body: list[ast.stmt], functions: Mapping[str, ast.stmt]) -> list[ast.FunctionDef]:
    """Return the functions `test_...` of a script that runs nothing itself.

    Raises BadTests for tests that only pytest or unittest could run: left out, they would be passed by anything.
    """
    tests: list[ast.FunctionDef] = []
    used = Counter(name for node in body for name in _names(node))
    for node in body:
        if isinstance(node, ast.ClassDef) and not used[node.name]:
            if any(isinstance(part, _FUNCTIONS) and part.name.startswith("test") for part in node.body):
                raise BadTests(f"the tests of class {node.name} are not read: {_REMEDY}")
        if not isinstance(node, _FUNCTIONS) or not node.name.startswith("test") or functions[node.name] is not node:
            continue
        if isinstance(node, ast.AsyncFunctionDef):
            raise BadTests(f"{node.name} is async, and nothing would await it: {_REMEDY}")
        if not _parameters(node):
            tests.append(node)
        elif not used[node.name]:  # else a helper
            raise BadTests(f"{node.name} has parameters, which nothing would fill: {_REMEDY}")
    return tests


_REMEDY = "write them as asserts, or as functions test_...() without parameters"


def _starts_a_runner(node: ast.stmt) -> bool:
    """Whether this only starts pytest or unittest, as in `if __name__ == "__main__": pytest.main()`."""
    names = _names(node)
    return (
        isinstance(node, (ast.If, ast.Expr))
        and not names.isdisjoint(_RUNNERS)
        and names <= _RUNNERS | {"__name__", "__file__", "sys"}
    )


_RUNNERS = {"pytest", "unittest"}


def _is_idle_import(node: ast.stmt, body: list[ast.stmt]) -> bool:
    """Whether this imports pytest and nobody uses it: the sandbox need not have it."""
    return (
        isinstance(node, ast.Import)
        and [(alias.name, alias.asname) for alias in node.names] == [("pytest", None)]
        and not any("pytest" in _names(other) for other in body)
    )


def _takes_the_solution(node: ast.stmt) -> bool:
    """Whether this is pytest's way to the function under test, `from solution import f`."""
    return isinstance(node, ast.ImportFrom) and node.module == "solution"


def _solution_names(script: str) -> set[str]:
    return {
        alias.asname or alias.name
        for node in parse(script).body
        if isinstance(node, ast.ImportFrom) and node.module == "solution"
        for alias in node.names
    }


def _that_mention(functions: Mapping[str, ast.AST], names: set[str]) -> set[str]:
    """Return the names, with the functions that mention one of them, directly or through another."""
    mentioned = {name: _names(node) for name, node in functions.items()}
    found = set(names)
    while more := {name for name, used in mentioned.items() if name not in found and used & found}:
        found |= more
    return found


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _is_case(node: ast.stmt, testing: set[str]) -> bool:
    if isinstance(node, ast.Assert):
        return True
    return not isinstance(node, (*_FUNCTIONS, ast.ClassDef, *_IMPORTS)) and bool(_names(node) & testing)


def _grouped(script: str, body: list[ast.stmt]) -> list[str]:
    """Return cases: each ends with an assert or a statement that is no preparation, an assignment for one."""
    cases: list[str] = []
    group: list[ast.stmt] = []
    for node in body:
        group.append(node)
        if not isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, *_FUNCTIONS, ast.ClassDef, *_IMPORTS)):
            cases.append(_source(script, group))
            group = []
    if group:
        rest = _source(script, group)
        cases = [*cases[:-1], f"{cases[-1]}\n{rest}"] if cases else [rest]
    return cases


def _source(script: str, nodes: Sequence[ast.stmt]) -> str:
    """Return the lines of these statements as they are written, with the blank lines and comments between them."""
    lines = script.split("\n")
    parts: list[str] = []
    end = 0  # the last line that is taken
    for node in nodes:
        start = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
        last = node.end_lineno or start
        own_lines = start > end and not lines[start - 1][: node.col_offset].strip(" @") and _ends_line(lines, node)
        between = lines[end : start - 1]
        if parts and not any(line.strip() and line.strip()[0] != "#" for line in between):
            parts += between
        parts.append("\n".join(lines[start - 1 : last]) if own_lines else ast.unparse(node))
        end = last
    return "\n".join(parts)


def _ends_line(lines: list[str], node: ast.stmt) -> bool:
    rest = lines[(node.end_lineno or 1) - 1].encode()[node.end_col_offset or 0 :].strip()
    return not rest or rest.startswith(b"#")


def _parameters(node: ast.AST) -> bool:
    """Whether a call has to bring arguments."""
    arguments: ast.arguments = node.args  # type: ignore[attr-defined]
    needed = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    return needed > 0 or None in arguments.kw_defaults


@lru_cache(maxsize=512)
def _prefix(prompt: str, entry_point: str | None) -> str:
    """Return the prompt if it is the start of a program that goes on with the entry point's body, else nothing."""
    if entry_point is None or not re.search(rf"^(?:async\s+)?def\s+{re.escape(entry_point)}\b", prompt, re.MULTILINE):
        return ""
    for text in (prompt, f"{prompt.rstrip()}\n    pass\n"):
        try:
            parse(_unix(text))
        except FAULTS:
            continue
        return _unix(prompt)
    return ""


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
