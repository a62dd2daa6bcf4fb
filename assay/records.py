"""The types that every part of assay shares: what is asked (`Problem`), and what is answered (`Score`).

This module is the leaf of the import graph: it imports nothing of ours and nothing slow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["AssertTests", "Case", "Judgement", "Limits", "Problem", "Score", "Status", "StdioTests"]


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
    """Tests of a program: pairs of standard input and the standard output that it must print.

    tolerance  None: outputs are compared as text, blanks at the ends of lines ignored. A number: words that read as
               numbers may differ from the expected ones by that much, absolutely or relative to the expected one
    """

    cases: list[tuple[str, str]]
    tolerance: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program under test may use; a program with several stdio cases has them anew for each.

    wall_seconds  from its start to its end, whatever it does meanwhile
    cpu_seconds   of each of its processes
    memory_bytes  of address space of each process, and of memory of all together
    processes     processes and threads at one time
    open_files    file descriptors of each process
    file_bytes    size of the largest file it may write; `disk_bytes` of all its files together
    output_bytes  of standard output, and of one value that it returns
    """

    wall_seconds: float = 10.0
    cpu_seconds: float = 5.0
    memory_bytes: int = 1 << 30
    processes: int = 32
    open_files: int = 256
    file_bytes: int = 32 << 20
    disk_bytes: int = 64 << 20
    output_bytes: int = 16 << 20

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise ValueError(f"Limits({name}={value!r}): expected a number above 0")


class Case(NamedTuple):
    """What became of one test case, in texts cut to a size for people.

    source    the assert as written, or `case 3` of a stdio problem
    input     the call that was made, or the standard input
    expected  what it should have given
    got       what it gave, or the exception that it raised
    """

    status: Status
    source: str = ""
    input: str = ""
    expected: str = ""
    got: str = ""


class Judgement(NamedTuple):
    """What a sandbox found out about one solution.

    status   CORRECT if every case passed; else why not, as of the first case that did not
    passed   cases passed, of `total`
    cases    one Case for each test that ran
    detail   one sentence on the first case that did not pass
    seconds  wall-clock seconds that the judgement took
    """

    status: Status
    passed: int
    total: int
    cases: tuple[Case, ...] = ()
    detail: str = ""
    seconds: float = 0.0


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
