"""Is docs/answers.md true? Every row of every table on the page is put to the verifier.

A row of `reference | answer | verdict` holds both ways round, except where a column `swapped` says otherwise. A column that
is headed by settings (`form="evaluated"`, `open="<r>", close="</r>"`) gives the verdict under them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from assay import MathVerifier, Problem, Status

PAGE = Path(__file__).resolve().parents[2] / "docs" / "answers.md"
GIVEN = ("prompt", "reference", "answer", "response")
# What is on the page is for a quiet machine; a busy one must not fail the tests.
DEADLINE = 10.0


class Row(NamedTuple):
    """One row of the page under one setting: what is put in, and what it says comes out."""

    line: int
    section: str
    given: dict[str, str]
    settings: dict[str, Any]
    column: str
    said: str


def cells_of(line: str) -> list[str]:
    """Split a row of a Markdown table; a bar inside a cell is written \\|, code stands in backticks."""
    cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
    return [unquoted(cell) for cell in cells]


def unquoted(cell: str) -> str:
    code = re.fullmatch(r"(`+)(.*)\1", cell, re.DOTALL)
    if code is None:
        assert "`" not in cell, f"half a code span: {cell}"
        return cell
    inside = code[2]
    return inside[1:-1] if len(code[1]) > 1 and inside.startswith(" ") and inside.endswith(" ") else inside


def settings_of(heading: str) -> dict[str, Any]:
    if "=" not in heading:
        return {}
    call = ast.parse(f"f({heading})", mode="eval").body
    assert isinstance(call, ast.Call)
    return {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}


def tables() -> Iterator[tuple[int, str, list[str], list[str]]]:
    """Yield (line number, section, heading, cells) for each row of each table."""
    section = ""
    heading: list[str] | None = None
    for number, line in enumerate(PAGE.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#"):
            section = line.strip("# ")
        if not line.startswith("|"):
            heading = None
        elif heading is None:
            heading = cells_of(line)
        elif set(line) - set("|-"):
            cells = cells_of(line)
            assert len(cells) == len(heading), f"line {number}: {len(cells)} cells under {len(heading)} headings"
            yield number, section, heading, cells


def rows() -> list[Row]:
    found = []
    for number, section, heading, cells in tables():
        if "status" in heading:
            continue  # test_the_table_of_statuses_is_complete
        row = dict(zip(heading, cells, strict=True))
        given = {name: row.pop(name).replace("⏎", "\n") for name in GIVEN if name in row}
        assert "reference" in given, number
        assert ("answer" in given) != ("response" in given), number
        assert row, f"line {number}: no verdict"
        found += [Row(number, section, given, settings_of(column), column, said) for column, said in row.items()]
    return found


ROWS = rows()
VERDICTS = [row for row in ROWS if row.column not in ("lane", "swapped")]
SAID_SWAPPED = {row.line for row in ROWS if row.column == "swapped"}
SWAPPABLE = [
    row
    for row in ROWS
    if row.column == ("swapped" if row.line in SAID_SWAPPED else "verdict") and "answer" in row.given
    if "prompt" not in row.given
]


class Judges:
    """One verifier for each setting on the page."""

    def __init__(self) -> None:
        self.made: dict[str, MathVerifier] = {}

    def with_settings(self, settings: dict[str, Any]) -> MathVerifier:
        return self.made.setdefault(repr(settings), MathVerifier(deadline=DEADLINE, **settings))

    def status(self, row: Row, *, swapped: bool = False) -> tuple[Status, float | None, str]:
        given = row.given
        reference, answer = given["reference"], given.get("answer", "")
        if swapped:
            reference, answer = answer, reference
        response = given.get("response", f"\\boxed{{{answer}}}")
        problem = Problem("page", prompt=given.get("prompt", ""), references=(reference,))
        score = self.with_settings(row.settings).score(response, problem)
        return score.status, score.reward, f"docs/answers.md line {row.line}: {score.status}, {score.detail}"


@pytest.fixture(scope="module")
def judges() -> Iterator[Judges]:
    made = Judges()
    yield made
    for verifier in made.made.values():
        verifier.close()


def label(row: Row) -> str:
    return f"{row.line}-{row.section}-{row.column}".replace(" ", "_")


@pytest.mark.parametrize("row", VERDICTS, ids=label)
def test_a_row_says_what_the_verifier_does(row: Row, judges: Judges) -> None:
    status, _, why = judges.status(row)
    assert status == row.said, why


@pytest.mark.parametrize("row", SWAPPABLE, ids=label)
def test_a_row_holds_the_other_way_round_too(row: Row, judges: Judges) -> None:
    _, reward, why = judges.status(row, swapped=True)
    # Only the reward is promised: as a reference, `2+2=5` is not wrong but bad.
    assert (reward == 1.0) == (row.said == "correct"), why


@pytest.mark.parametrize("row", [row for row in ROWS if row.column == "lane"], ids=label)
def test_the_lane_that_decides_is_the_one_named(row: Row, judges: Judges) -> None:
    explanation = judges.with_settings({}).explain(f"\\boxed{{{row.given['answer']}}}", row.given["reference"])
    assert explanation.lane == row.said


def test_the_table_of_statuses_is_complete() -> None:
    said = {cells[0]: cells[1] for _, _, heading, cells in tables() if heading[0] == "status"}
    rewards = {"correct": "1"} | {
        status.value: "0" if status.is_verdict else "none" for status in Status if status != "correct"
    }
    assert said == rewards


def test_the_page_is_wide_and_shows_both_verdicts_of_each_rule() -> None:
    assert len(VERDICTS) > 200
    said: dict[str, set[str]] = {}
    for row in VERDICTS:
        said.setdefault(row.section, set()).add(row.said)
    one_sided = {section for section, verdicts in said.items() if "correct" not in verdicts or len(verdicts) == 1}
    assert one_sided <= {"Several references, and whether a reference is good", "What is not read"}, one_sided


def test_the_example_in_python_does_what_its_comment_says() -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    *lines, expression, comment = code[1].strip().splitlines()
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    assert eval(expression, names) == ast.literal_eval(comment.removeprefix("# "))
