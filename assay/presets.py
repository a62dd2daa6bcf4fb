"""Which settings fit this task, and which task is this?

A preset is a name for the settings of the verifier that a data set calls for; a flag given beside `--task` wins over
it. `--task auto` looks at the first rows, and whoever asked is told what it took and why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .given_tests import BadTests, find_tests, has_tests, looks_like_tests
from .records import StdioTests

__all__ = ["AUTO", "CODE_TASKS", "PEEKED_ROWS", "PRESETS", "Preset", "recognise", "tests_in"]

Extract = Literal["boxed", "lenient"]
Form = Literal["value", "evaluated"]

AUTO = "auto"
PEEKED_ROWS = 20


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings of the `MathVerifier` for one kind of task; `about` says when to take it."""

    extract: Extract
    form: Form
    about: str


PRESETS: Mapping[str, Preset] = {
    "gsm8k": Preset("lenient", "evaluated", "grade-school word problems; the number has to be worked out"),
    "math": Preset("boxed", "value", r"competition mathematics; only a \boxed{} answer earns"),
    "sums": Preset("boxed", "evaluated", r"generated arithmetic; a \boxed{} number that has been worked out"),
    "text": Preset("lenient", "value", "any other answers; a box, `#### x`, 'the answer is x' or a bare answer"),
}

# Judged by running tests; the names say how the tests come, and the verifier is the same.
CODE_TASKS: Mapping[str, str] = {
    "mbpp": "programs and lists of asserts",
    "humaneval": "programs, or bodies that continue the prompt, and check(candidate)",
    "stdio": "programs that read standard input and print, and pairs of both",
}

_ARITHMETIC = re.compile(r"(sum|difference|product|word)-[0-9a-f]{12}\b|sums\b")  # ids of datasets.arithmetic
_ID_NAMES = ("id", "task_id", "unique_id", "dataset", "data_source")
_ANSWERS = ("reference", "ground_truth", "answer", "target")


def tests_in(row: Mapping[str, Any]) -> str | None:
    """Return the field of a row that is judged by tests: it has some, and no answer under the plainest names."""
    answers = [row[name] for name in _ANSWERS if row.get(name) is not None]
    return has_tests(row) if not answers or any(map(looks_like_tests, answers)) else None


def _code_task(row: Mapping[str, Any]) -> str:
    """Return which of the code tasks a row with tests is."""
    if "test_list" in row:
        return "mbpp"
    try:
        return "stdio" if isinstance(find_tests(row), StdioTests) else "humaneval" if "entry_point" in row else "mbpp"
    except BadTests:
        return "mbpp"


def recognise(
    rows: Sequence[Mapping[str, Any]], responses: Sequence[str], references: str | None = None
) -> tuple[str, str]:
    """Return (preset or code task, the evidence for it).

    What --references names decides; else the first row that tells; else it is `math` where a response has a box,
    and `text` where none has. `responses` are what was found as the responses of the rows.
    """
    name = (references or "").lower()
    for task in ("gsm8k", *CODE_TASKS, "math"):
        if task in name:
            return task, "the references' name"
    answers = [row for row in rows if not tests_in(row)]
    tested = [row for row in rows if tests_in(row)]
    if tested and not any(row.get(name) is not None for row in answers for name in _ANSWERS):
        return _code_task(tested[0]), f"the rows hold tests, in {tests_in(tested[0])!r}"
    for row in answers:
        text = {name: value for name, value in row.items() if isinstance(value, str)}
        ids = " ".join(text.get(name, "") for name in _ID_NAMES).lower()
        if "gsm8k" in ids:
            return "gsm8k", "the rows' ids name it"
        if _ARITHMETIC.match(ids):
            return "sums", "the rows' ids are those of generated arithmetic"
        if any("####" in text.get(name, "") or "<<" in text.get(name, "") for name in ("answer", "reference")):
            return "gsm8k", "a reference has GSM8K's #### or <<...>>"
        if "math" in ids or ("problem" in row and "solution" in row) or ("subject" in row and "level" in row):
            return "math", "the rows have the fields of MATH"
    if any(r"\boxed" in response for response in responses):
        return "math", r"a response has a \boxed{} answer"
    return "text", r"no response of the first rows has a \boxed{} answer"
