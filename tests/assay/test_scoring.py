"""Rows keep their order around the ones that cannot be scored, and few are held at a time."""

import pytest
from assay.verifiers.verifier import Verifier
from hypothesis import given
from hypothesis import strategies as st

from assay.records import Problem, Score, Status
from assay.rows import Row
from assay.scoring import MOST_WAITING, score


class Echo(Verifier):
    name = "echo"

    def score(self, response, problem):
        return Score(1.0, Status.CORRECT, response)


class Forgetful(Echo):
    name = "forgetful"

    def score_many(self, pairs, workers=1):
        list(pairs)
        return iter(())


def row(number, good=True):
    return Row(number, b"{", str(number), Problem(str(number))) if good else Row(number, b"{", error="no")


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 3))
def test_every_row_is_emitted_once_in_order_with_its_own_verdict(kinds, workers):
    got = []
    score((row(n, good) for n, good in enumerate(kinds)), Echo(), workers, lambda r, v: got.append((r.number, v)))
    assert [number for number, _ in got] == list(range(len(kinds)))
    assert [verdict.answer if verdict else None for _, verdict in got] == [
        str(number) if good else None for number, good in enumerate(kinds)
    ]


@pytest.mark.parametrize("first_good", [True, False])
@pytest.mark.parametrize("workers", [1, 2])
def test_errors_do_not_pile_up(first_good, workers):
    """One row being scored and then only errors: the rows read ahead of those emitted stay few."""
    read = emitted = most = 0

    def rows():
        nonlocal read, most
        for number in range(20_000):
            read += 1
            most = max(most, read - emitted)
            yield row(number, good=first_good and number == 0)

    def emit(_row, _verdict):
        nonlocal emitted
        emitted += 1

    score(rows(), Echo(), workers, emit)
    assert emitted == 20_000
    assert most <= MOST_WAITING + 2


def test_a_verifier_that_loses_a_verdict_is_noticed():
    with pytest.raises(RuntimeError, match="'forgetful' gave no verdict on line 1"):
        score([row(1)], Forgetful(), 1, lambda _row, _verdict: None)
