"""How does a row of MBPP or HumanEval become a Problem with tests?

A prompt that shows every assert can be met with a table of their answers. So MBPP's prompt shows the description,
the signature and `shown` asserts (one, unless told otherwise), while all of them are scored. HumanEval's prompt is
the start of a program, as published; its `check(candidate)` runs beside the call of it, on the examiner's side.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ..records import AssertTests, Problem
from .source import Row, Source

__all__ = ["humaneval", "humaneval_problem", "mbpp", "mbpp_problem"]

MBPP_FILES = {"full": ("mbpp/mbpp.jsonl",), "sanitized": ("mbpp/sanitized-mbpp.jsonl", "mbpp/sanitized-mbpp.json")}
# Task ids by split, from MBPP's own README; the sanitized set inherits them.
MBPP_SPLITS = {
    "prompt": range(1, 11),
    "test": range(11, 511),
    "validation": range(511, 601),
    "train": range(601, 975),
    "all": range(1, 975),
}
HUMANEVAL = Source("humaneval", ("humaneval/HumanEval.jsonl",), "openai/openai_humaneval", None, "test")


def mbpp(
    split: str = "test",
    *,
    sanitized: bool = False,
    shown: int = 1,
    challenge: bool = False,
    path: str | Path | None = None,
    limit: int | None = None,
) -> Iterator[Problem]:
    """Yield the problems of MBPP (Austin et al. 2021): 974, or the 427 of the sanitized set.

    split      "prompt" (10 problems), "test" (500), "validation" (90), "train" (374) or "all"
    shown      how many of the asserts the prompt shows; all of them are scored
    challenge  score the `challenge_test_list` too, where a problem has one
    """
    if split not in MBPP_SPLITS:
        raise ValueError(f"mbpp has the splits {', '.join(map(repr, MBPP_SPLITS))}, not {split!r}")
    config = "sanitized" if sanitized else "full"
    hub_split = "prompt+test+validation+train" if split == "all" else split
    source = Source(f"mbpp {config}", MBPP_FILES[config], "google-research-datasets/mbpp", config, hub_split)
    ours = (row for row in source.rows(path) if _task_id(row) in MBPP_SPLITS[split])
    return islice((mbpp_problem(row, str(_task_id(row)), shown, challenge) for row in ours), limit)


def _task_id(row: Row) -> int:
    number = row.fields.get("task_id")
    if not isinstance(number, int) or number not in MBPP_SPLITS["all"]:
        raise row.error(f"task_id is {number!r}; MBPP's splits need a number from 1 to 974")
    return number


def mbpp_problem(row: Row, identity: str, shown: int = 1, challenge: bool = False) -> Problem:
    """Return the Problem of a row with `test_list`; the full and the sanitized set name their fields differently."""
    text = row.text("text", "prompt")
    code = _unix(row.text("code")) if "code" in row.fields else ""
    asserts = [_unix(each) for each in _strings(row, "test_list")]
    if challenge:
        asserts += [_unix(each) for each in _strings(row, "challenge_test_list")]
    if not asserts:
        raise row.error("test_list is empty; a problem without tests judges nothing")
    setup = row.fields.get("test_setup_code") or "\n".join(_strings(row, "test_imports"))
    setup = _unix(setup)
    try:
        program, tests = _parse(code), _parse("\n".join([setup, *asserts]))
    except SyntaxError as error:
        raise row.error(f"code or tests are not Python: {error.msg}") from None
    entry_point = _entry_point(program, tests)
    setup = "\n".join(filter(None, [*_imports_of_tests(program, tests), setup]))
    return Problem(
        id=identity,
        prompt=_mbpp_prompt(text, _signature(program, tests, entry_point), asserts[:shown]),
        tests=AssertTests(asserts=asserts, setup=setup, entry_point=entry_point),
        meta={"text": text, "code": code},
    )


def _parse(code: str) -> ast.Module:
    with warnings.catch_warnings():  # programs that write "\w" for r"\w" are published so
        warnings.simplefilter("ignore")
        return ast.parse(code)


def _mbpp_prompt(text: str, signature: str, shown: list[str]) -> str:
    parts = [text]
    if signature:
        parts.append(f"Begin with this:\n```python\n{signature}\n```")
    if shown:
        listed = "\n".join(shown)
        parts.append(f"This is how it is tested:\n```python\n{listed}\n```")
    return "\n\n".join(parts)


def _entry_point(program: ast.Module, tests: ast.Module) -> str | None:
    """Return the function of the reference program that the tests call."""
    called = {
        node.func.id for node in ast.walk(tests) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    defined = [node.name for node in program.body if isinstance(node, ast.FunctionDef)]
    return next((name for name in defined if name in called), None)


def _signature(program: ast.Module, tests: ast.Module, entry_point: str | None) -> str:
    """Return the entry point's `def` line, and before it whole the classes that the tests make objects of."""
    used = _names(tests)
    parts = []
    for node in program.body:
        if isinstance(node, ast.ClassDef) and node.name in used:
            parts.append(ast.unparse(node))
        elif isinstance(node, ast.FunctionDef) and node.name == entry_point:
            parts.append(f"def {node.name}({ast.unparse(node.args)}):")
    return "\n\n".join(parts)


def _imports_of_tests(program: ast.Module, tests: ast.Module) -> list[str]:
    """Return the imports that the tests use but get only from the reference program (MBPP 596 names `sys`).

    The examiner must not take a module from the solution: a solution could hand it another.
    """
    own = {_bound(alias) for node in ast.walk(tests) if isinstance(node, _IMPORTS) for alias in node.names}
    wanted = _names(tests) - own
    found = []
    for node in program.body:
        if isinstance(node, _IMPORTS):
            node.names = [alias for alias in node.names if _bound(alias) in wanted]
            if node.names:
                found.append(ast.unparse(node))
    return found


_IMPORTS = (ast.Import, ast.ImportFrom)


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _names(tree: ast.Module) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def humaneval(*, path: str | Path | None = None, limit: int | None = None) -> Iterator[Problem]:
    """Yield the 164 problems of HumanEval (Chen et al. 2021); a response may be the body alone or a whole program."""
    rows = HUMANEVAL.rows(path)
    return islice((humaneval_problem(row, row.text("task_id")) for row in rows), limit)


def humaneval_problem(row: Row, identity: str) -> Problem:
    """Return the Problem of a row with `test` (which defines `check`) and `entry_point`."""
    entry_point = row.text("entry_point")
    prompt = _unix(row.text("prompt"))
    meta: dict[str, Any] = {}
    if isinstance(solution := row.fields.get("canonical_solution"), str):
        meta["canonical_solution"] = _unix(solution)
    return Problem(
        id=identity,
        prompt=prompt,
        tests=AssertTests(
            # `check` is defined in setup, so the examiner's own runs, never one that a solution brings
            asserts=[f"check({entry_point})"],
            setup=_unix(row.text("test")),
            entry_point=entry_point,
            prefix=prompt,
        ),
        meta=meta,
    )


def _strings(row: Row, name: str) -> list[str]:
    value = row.fields.get(name)
    if value is None:
        return []
    items = list(value) if isinstance(value, list | tuple) else [value]
    if not all(isinstance(item, str) for item in items):
        raise row.error(f"{name} must be a list of strings")
    return items


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
