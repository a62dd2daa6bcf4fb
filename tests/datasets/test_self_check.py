"""Every reference that a data set brings earns the full reward when it is the answer; what does not is found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import pytest
from assay.datasets.arithmetic import arithmetic
from assay.datasets.loaders import gsm8k, humaneval, math500, mbpp
from assay.datasets.self_check import self_check

from assay import AssertTests, CodeVerifier, MathVerifier
from assay.records import Problem, Score, Status

REAL = os.environ.get("ASSAY_DATA")
real_data = pytest.mark.skipif(not REAL, reason="ASSAY_DATA is not set: the real data sets are not here")


def failures(problems: Iterable[Problem], **settings: Any) -> list[str]:
    with MathVerifier(**settings) as verifier:
        return [f"{f.problem.id}: {f.reference!r}: {f.score.detail}" for f in self_check(problems, verifier, workers=2)]


class Picky:
    """Finds fault with every reference that is not a digit, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Problem]] = []

    def score_many(self, pairs: Iterable[tuple[str, Problem]], workers: int = 1) -> Iterator[Score]:
        ahead: list[tuple[str, Problem]] = []
        for pair in pairs:  # takes some before it answers the first, as threads would
            ahead.append(pair)
            if len(ahead) > 3:
                yield self.score(*ahead.pop(0))
        yield from (self.score(*pair) for pair in ahead)

    def score(self, response: str, problem: Problem) -> Score:
        self.asked.append((response, problem))
        if problem.references[0].isdigit():
            return Score(1.0, Status.CORRECT)
        return Score(None, Status.BAD_REFERENCE, detail=problem.references[0])


def test_each_reference_is_judged_alone_and_failures_name_their_own() -> None:
    problems = [Problem(str(n), "prompt", (str(n), f"x{n}")) for n in range(10)]
    picky = Picky()
    found = list(self_check(problems, picky))
    assert [(f.problem.id, f.reference, f.score.detail) for f in found] == [
        (str(n), f"x{n}", f"x{n}") for n in range(10)
    ]
    assert all(f.problem is problems[int(f.problem.id)] for f in found)
    assert [response for response, _ in picky.asked[:2]] == [r"\boxed{0}", r"\boxed{x0}"]
    assert all(len(asked.references) == 1 and asked.prompt == "prompt" for _, asked in picky.asked)


def test_a_problem_without_references_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="problem 7 has no reference and no tests"):
        list(self_check([Problem("7")], Picky()))


def test_the_verifier_finds_a_reference_that_means_nothing() -> None:
    found = failures([Problem("good", "", ("7",)), Problem("bad", "", (r"\frac{",)), Problem("empty", "", ("",))])
    assert [line.split(":")[0] for line in found] == ["bad", "empty"]


def test_generated_problems() -> None:
    problems = chain(
        arithmetic(200, "train", digits=(1, 3)),
        arithmetic(100, "eval", digits=(2, 6), seed=4, one_shot=False),
    )
    assert failures(problems, form="evaluated") == []


@real_data
@pytest.mark.parametrize("form", ["value", "evaluated"])
def test_gsm8k(form: str) -> None:
    problems = [*gsm8k("train", path=REAL), *gsm8k("test", path=REAL)]
    assert len(problems) == 8792
    assert failures(problems, form=form) == []


@real_data
@pytest.mark.slow
def test_math500() -> None:
    problems = list(math500(path=REAL))
    assert len(problems) == 500
    assert failures(problems) == []


# ---- programs


def test_a_problem_with_tests_and_no_program_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="problem 7 has tests but no program"):
        list(self_check([Problem("7", tests=AssertTests(["assert f(1)"]))], Picky()))


def program_failures(problems: Iterable[Problem], box: Any) -> list[str]:
    with CodeVerifier(box) as verifier:
        return [f"{f.problem.id}: {f.score.detail}" for f in self_check(problems, verifier)]


def test_a_wrong_program_is_found(code_box: Any) -> None:
    tests = AssertTests(["assert f(1) == 2"], entry_point="f")
    right = Problem("right", tests=tests, meta={"code": "def f(x): return x + 1"})
    wrong = Problem("wrong", tests=tests, meta={"code": "def f(x): return x"})
    body = AssertTests(["check(f)"], "def check(f): assert f(1) == 2", "f", "def f(x):\n    'Add one.'\n")
    continued = Problem("body", tests=body, meta={"canonical_solution": "    return x + 1\n"})
    assert program_failures([right, wrong, continued], code_box) == ["wrong: f(1) should give 2, gave 1"]


@real_data
def test_humaneval(code_box: Any) -> None:
    problems = list(humaneval(path=REAL))
    assert len(problems) == 164
    assert program_failures(problems, code_box) == []


@real_data
@pytest.mark.slow
@pytest.mark.parametrize(("sanitized", "number"), [(True, 427), (False, 974)])
def test_mbpp(code_box: Any, sanitized: bool, number: int) -> None:
    problems = list(mbpp("all", sanitized=sanitized, path=REAL))
    assert len(problems) == number
    assert program_failures(problems, code_box) == []
