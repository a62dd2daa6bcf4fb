"""How does a stream of lines become a stream of verdicts, in order and in constant memory?

`datasets.jsonl.read_lines` -> `read` -> Rows -> `score` -> emit(Row, Score or None), once for each row of the input.
The rows that cannot be scored keep their place among the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .datasets.fields import FieldError
from .datasets.jsonl import RowError
from .pairing import Pairing
from .records import Problem, Score
from .rows import EMPTY, ERROR, SCORE, Row, room_for
from .verifiers.verifier import Verifier

__all__ = ["read", "score"]

MOST_WAITING = 1000  # rows held behind one that is being scored


def read(lines: Iterable[tuple[int, bytes, dict[str, Any] | RowError]], pairing: Pairing) -> Iterator[Row]:
    """Turn each line into a Row: paired with its problem, or with the reason why it cannot be."""
    for number, text, row in lines:
        if isinstance(row, RowError):
            yield Row(number, EMPTY, error=row.problem)
            continue
        try:
            response, problem = pairing.pair(row)
            label = pairing.label(row)
        except RecursionError:
            yield Row(number, EMPTY, error="nested too deeply; expected the response as text")
        except FieldError as error:
            yield Row(number, room_for(text, row, ERROR), error=f"row {number}: {error}")
        else:
            yield Row(number, room_for(text, row, SCORE), response, problem, label=label)


def score(rows: Iterable[Row], verifier: Verifier, workers: int, emit: Callable[[Row, Score | None], None]) -> None:
    """Call `emit` for each row with its verdict, or with None if it has an error instead, in the order of the rows."""
    source = iter(rows)
    waiting: deque[Row] = deque()  # taken from the source, not emitted yet
    more = True

    def pairs() -> Iterator[tuple[str, Problem]]:
        nonlocal more
        for row in source:
            if row.problem is None and not waiting:
                emit(row, None)
                continue
            waiting.append(row)
            if row.problem is not None:
                yield row.response, row.problem
            elif len(waiting) > MOST_WAITING:
                return  # rows with errors pile up behind one being scored: let it finish first
        more = False

    while more:
        for verdict in verifier.score_many(pairs(), workers):
            while waiting[0].problem is None:
                emit(waiting.popleft(), None)
            emit(waiting.popleft(), verdict)
        while waiting:
            row = waiting.popleft()
            if row.problem is not None:
                raise RuntimeError(f"the verifier {verifier.name!r} gave no verdict on line {row.number}")
            emit(row, None)
