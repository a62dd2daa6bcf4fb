r"""Does every reference of a data set score 1.0 against itself?

A reference that the verifier cannot read, or reads as something else than itself, punishes every model that gets
the answer right. `self_check` puts each reference in \boxed{} and has it judged as if a model had written it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple, Protocol

from ..records import Problem, Score

__all__ = ["Failure", "self_check"]


class Failure(NamedTuple):
    """A reference that does not earn the full reward against itself, and the verdict that says why."""

    problem: Problem
    reference: str
    score: Score


class ScoresMany(Protocol):
    """What a verifier needs to be checked with."""

    def score_many(self, pairs: Iterable[tuple[str, Problem]], workers: int = 1) -> Iterator[Score]:
        """Yield the verdicts in order."""


def self_check(problems: Iterable[Problem], verifier: ScoresMany, workers: int = 1) -> Iterator[Failure]:
    r"""Yield the references that do not score 1.0 against themselves; nothing comes out if all is well.

    Each of a problem's references is judged alone, with the problem's prompt. Raises ValueError for a problem that
    has none: nothing would have been checked.
    """
    asked: deque[tuple[Problem, str]] = deque()

    def pairs() -> Iterator[tuple[str, Problem]]:
        for problem in problems:
            if not problem.references:
                raise ValueError(f"problem {problem.id} has no reference; self_check is for answers, not for tests")
            for reference in problem.references:
                asked.append((problem, reference))
                yield f"\\boxed{{{reference}}}", replace(problem, references=(reference,))

    for score in verifier.score_many(pairs(), workers=workers):
        problem, reference = asked.popleft()
        if score.reward != 1.0:
            yield Failure(problem, reference, score)
