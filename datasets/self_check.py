r"""Does every reference of a data set score 1.0 against itself?

A reference that the verifier cannot read, or reads as something else than itself, punishes every model that gets
the answer right. `self_check` puts each reference in \boxed{} and has it judged as if a model had written it. The
reference of a problem with tests is its published solution, judged in a fence by a CodeVerifier.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from ..records import Problem, Score

__all__ = ["Failure", "self_check"]


SOLUTIONS = ("code", "canonical_solution", "solution", "reference_solution")


class Failure(NamedTuple):
    """A reference that does not earn the full reward against itself, and the verdict that says why."""

    problem: Problem
    reference: str
    score: Score


class ScoresMany(Protocol):
    """What a verifier needs to be checked with."""

    def score_many(self, pairs: Iterable[tuple[str, Problem]], workers: Any = ...) -> Iterator[Score]:
        """Yield the verdicts in order."""


def self_check(problems: Iterable[Problem], verifier: ScoresMany, workers: int | None = None) -> Iterator[Failure]:
    r"""Yield the references that do not score 1.0 against themselves; nothing comes out if all is well.

    Each of a problem's references is judged alone, with the problem's prompt; so is the solution in the `meta` of a
    problem with tests. Raises ValueError for a problem that has none: nothing would have been checked.
    """
    asked: deque[tuple[Problem, str]] = deque()

    def pairs() -> Iterator[tuple[str, Problem]]:
        for problem in problems:
            if problem.tests is not None:
                program = _solution(problem)
                asked.append((problem, program))
                yield f"```python\n{program}\n```", problem
                continue
            if not problem.references:
                raise ValueError(f"problem {problem.id} has no reference and no tests: there is nothing to check")
            for reference in problem.references:
                asked.append((problem, reference))
                yield f"\\boxed{{{reference}}}", replace(problem, references=(reference,))

    # A verifier of programs knows best how many its sandbox takes.
    many = verifier.score_many(pairs()) if workers is None else verifier.score_many(pairs(), workers=workers)
    for score in many:
        problem, reference = asked.popleft()
        if score.reward != 1.0:
            yield Failure(problem, reference, score)


def _solution(problem: Problem) -> str:
    """Return the program that the data set publishes; a body is left one, for the prompt to go before it."""
    for name in SOLUTIONS:
        if isinstance(program := problem.meta.get(name), str):
            return program
    raise ValueError(f"problem {problem.id} has tests but no program in its meta ({', '.join(SOLUTIONS)}) to check")
