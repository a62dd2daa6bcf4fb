"""How does a row of MBPP or HumanEval become a Problem with tests?

A prompt that shows every assert can be met with a table of their answers. So MBPP's prompt shows the description,
the signature and `shown` asserts (one, unless told otherwise), while all of them are scored. HumanEval's prompt is
the start of a program, as published; its `check(candidate)` runs beside the call of it, on the examiner's side.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ..assert_tests import BadTests, list_tests, script_tests
from ..parsing import parse
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
    asserts = _strings(row, "test_list")
    if challenge:
        asserts += _strings(row, "challenge_test_list")
    try:
        tests = list_tests(asserts, row.fields.get("test_setup_code") or "\n".join(_strings(row, "test_imports")), code)
    except BadTests as error:
        raise row.error(str(error)) from None
    return Problem(
        id=identity,
        prompt=_mbpp_prompt(text, _signature(code, tests), tests.asserts[:shown]),
        tests=tests,
        meta={"text": text, "code": code},
    )


def _mbpp_prompt(text: str, signature: str, shown: list[str]) -> str:
    parts = [text]
    if signature:
        parts.append(f"Begin with this:\n```python\n{signature}\n```")
    if shown:
        listed = "\n".join(shown)
        parts.append(f"This is how it is tested:\n```python\n{listed}\n```")
    return "\n\n".join(parts)


def _signature(code: str, tests: AssertTests) -> str:
    """Return the entry point's `def` line, and before it whole the classes that the tests make objects of."""
    program, asserts = parse(code), parse("\n".join([tests.setup, *tests.asserts]))
    used = {node.id for node in ast.walk(asserts) if isinstance(node, ast.Name)}
    parts = []
    for node in program.body:
        if isinstance(node, ast.ClassDef) and node.name in used:
            parts.append(ast.unparse(node))
        elif isinstance(node, ast.FunctionDef) and node.name == tests.entry_point:
            parts.append(f"def {node.name}({ast.unparse(node.args)}):")
    return "\n\n".join(parts)


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
    try:
        # `check` is defined in setup, so the examiner's own runs, never one that a solution brings
        tests = script_tests(row.text("test"), entry_point, prompt)
    except BadTests as error:
        raise row.error(str(error)) from None
    return Problem(id=identity, prompt=prompt, tests=tests, meta=meta)


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
