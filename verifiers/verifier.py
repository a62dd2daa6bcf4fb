"""What every verifier offers: one verdict, many in order, one under asyncio.

A verifier implements `score`; the rest follows from it. A verifier whose verdicts can wait on another process
(a slow parser, a container) gains from `workers`: the waiting overlaps, the order does not change.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from ..records import Problem, Score

__all__ = ["Verifier", "in_order"]

Row = TypeVar("Row")
Result = TypeVar("Result")


class Verifier(ABC):
    """Judges a response against a problem; never raises for what a response holds."""

    name: str

    @abstractmethod
    def score(self, response: str, problem: Problem | str) -> Score:
        """Return the verdict on one response. `problem` may be given in short as its reference."""

    def score_many(self, pairs: Iterable[tuple[str, Any]], workers: int = 1) -> Iterator[Score]:
        """Yield the verdict of each (response, problem), in order; holds a few rows at a time, however many come."""
        return in_order(lambda pair: self.score(*pair), pairs, workers)

    async def ascore(self, response: str, problem: Problem | str) -> Score:
        """Return the verdict without blocking the event loop."""
        return await asyncio.to_thread(self.score, response, problem)

    def close(self) -> None:
        """Give back processes and files. A closed verifier that is used again opens them again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def in_order(work: Callable[[Row], Result], rows: Iterable[Row], workers: int) -> Iterator[Result]:
    """Apply `work` to each row in up to `workers` threads, yielding in order, with a bounded number in flight."""
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    if workers == 1:
        yield from map(work, rows)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="assay") as threads:
        pending: deque[Future[Result]] = deque()
        try:
            for row in rows:
                pending.append(threads.submit(work, row))
                if len(pending) > 4 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
