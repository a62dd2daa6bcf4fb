"""The types that every part of assay shares: what is asked (`Problem`), and what is answered (`Score`).

This module is the leaf of the import graph: it imports nothing of ours and nothing slow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["AssertTests", "Problem", "Score", "Status", "StdioTests"]


class Status(StrEnum):
    """Why a response got its reward."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    NO_ANSWER = "no_answer"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    UNVERIFIABLE = "unverifiable"
    BAD_REFERENCE = "bad_reference"
    INFRA_ERROR = "infra_error"

    @property
    def is_verdict(self) -> bool:
        """False for the two statuses that are not the response's fault and earn None instead of 0."""
        return self is not Status.BAD_REFERENCE and self is not Status.INFRA_ERROR


NO_PARTS: Mapping[str, Score] = MappingProxyType({})


class Score(NamedTuple):
    """One verdict.

    reward   in [0, 1], or None: no verdict, and not the response's fault (a trainer skips the sample)
    status   why, for programs
    answer   what was taken from the response as its answer, None if nothing was found
    detail   why, for people: one sentence
    seconds  wall-clock seconds that the verdict took
    parts    for a `Reward` of several verifiers: the Score of each, by verifier name
    """

    reward: float | None
    status: Status
    answer: str | None = None
    detail: str = ""
    seconds: float = 0.0
    parts: Mapping[str, Score] = NO_PARTS

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON: the status as its string, the parts as dicts, no `parts` when there are none."""
        plain: dict[str, Any] = {
            "reward": self.reward,
            "status": self.status.value,
            "answer": self.answer,
            "detail": self.detail,
            "seconds": round(self.seconds, 6),
        }
        if self.parts:
            plain["parts"] = {name: part.as_dict() for name, part in self.parts.items()}
        return plain


@dataclass(frozen=True, slots=True)
class AssertTests:
    """Tests written as Python: asserts, or a `check(candidate)` function and the call of it.

    asserts      statements, each one a test case
    setup        code that the asserts need; it runs beside them, never beside the solution
    entry_point  the function under test, where the tests name one
    prefix       the prompt that a bare function body continues (HumanEval)
    """

    asserts: list[str]
    setup: str = ""
    entry_point: str | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class StdioTests:
    """Tests of a program: pairs of standard input and the standard output that it must print."""

    cases: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to ask a model, with what is needed to judge the response.

    references  acceptable answers (one is enough to be right); empty when `tests` judge
    meta        whatever else the row held that may be wanted later (level, subject, solution, ...)
    """

    id: str
    prompt: str = ""
    references: tuple[str, ...] = ()
    tests: AssertTests | StdioTests | None = None
    meta: dict[str, Any] = field(default_factory=dict)
