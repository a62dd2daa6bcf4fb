"""The counts of a summary, and pass@k against its definition."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import tally as tally_module
from assay.records import Score, Status
from assay.tally import Tally, pass_at_k

RIGHT = Score(1.0, Status.CORRECT)
WRONG = Score(0.0, Status.INCORRECT)
NO_VERDICT = Score(None, Status.BAD_REFERENCE)


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_draws_with_a_correct_one(case):
    samples, correct, k = case
    draws = list(combinations([True] * correct + [False] * (samples - correct), k))
    assert pass_at_k(samples, correct, k) == pytest.approx(sum(any(draw) for draw in draws) / len(draws))


def test_pass_at_k_stays_a_probability_for_many_samples():
    assert 0.0 < pass_at_k(100_000, 1, 1) < 1e-4
    assert pass_at_k(100_000, 50_000, 1000) == pytest.approx(1.0)


@pytest.mark.parametrize("k", [0, 4, -1])
def test_pass_at_k_says_which_k_there_are(k):
    with pytest.raises(ValueError, match="between 1 and the 3 samples"):
        pass_at_k(3, 1, k)


def test_means_are_over_verdicts_and_errors_are_counted_apart():
    tally = Tally()
    for number, score in enumerate([RIGHT, RIGHT, WRONG, NO_VERDICT], 1):
        tally.add(number, "", score)
    tally.add_error(5, "no reference")
    assert (tally.rows, tally.verdicts, tally.without_verdict) == (5, 3, 2)
    assert tally.accuracy == tally.mean_reward == pytest.approx(2 / 3)
    assert tally.first_errors == [(5, "no reference")]


def test_nothing_scored_has_no_accuracy():
    assert Tally().accuracy is None
    assert Tally().mean_reward is None
    assert Tally().pass_at() == []


def test_with_several_parts_the_first_says_what_is_correct():
    tally = Tally()
    badly_written = Score(0.8, Status.CORRECT, parts={"math": RIGHT, "think_format": WRONG})
    well_written = Score(0.2, Status.INCORRECT, parts={"math": WRONG, "think_format": RIGHT})
    tally.add(1, "", badly_written)
    tally.add(2, "", well_written)
    assert tally.accuracy == 0.5
    assert tally.mean_reward == pytest.approx(0.5)
    assert tally.parts == {"math": (2, 1.0), "think_format": (2, 1.0)}


def test_partial_credit_is_a_reward_but_no_pass():
    tally = Tally()
    tally.add(1, "a", Score(0.5, Status.CORRECT))
    assert (tally.accuracy, tally.mean_reward) == (0.0, 0.5)


def test_pass_at_k_takes_the_ids_that_have_k_responses_in_any_order_of_rows():
    tally = Tally()
    rows = [("a", RIGHT), ("b", WRONG), ("a", WRONG), ("b", WRONG), ("a", WRONG), ("c", RIGHT), ("b", NO_VERDICT)]
    for number, (id, score) in enumerate(rows, 1):
        tally.add(number, id, score)
    found = {p.k: (p.value, p.ids) for p in tally.pass_at()}
    assert found.keys() == {1, 2, 3}
    assert found[1] == (pytest.approx((1 / 3 + 0 + 1) / 3), 3)
    assert found[2] == (pytest.approx((2 / 3 + 0) / 2), 2)
    assert found[3] == (1.0, 1)


def test_one_response_an_id_makes_no_pass_at_k():
    tally = Tally()
    for number in range(10):
        tally.add(number, str(number), RIGHT)
        tally.add(number, "", RIGHT)  # without an id, nothing is known to be the same problem
    assert tally.pass_at() == []


def test_the_counts_by_id_stop_at_a_bound(monkeypatch):
    monkeypatch.setattr(tally_module, "MOST_IDS", 100)
    tally = Tally()
    for number in range(1000):
        tally.add(number, str(number % 200), RIGHT)
    assert tally.too_many_ids
    assert tally.pass_at() == []
    assert tally.accuracy == 1.0


@given(st.lists(st.floats(0, 10), max_size=30))
def test_the_slowest_rows_are_the_slowest(seconds):
    tally = Tally()
    for number, value in enumerate(seconds, 1):
        tally.add(number, "", RIGHT._replace(seconds=value))
    assert sorted((s for s, _, _ in tally.slowest), reverse=True) == sorted(seconds, reverse=True)[:3]


def test_labels_are_counted_beside_verdicts():
    tally = Tally()
    for number, (score, label) in enumerate([(RIGHT, True), (RIGHT, False), (WRONG, False), (WRONG, None)], 1):
        tally.add(number, "", score, label)
    assert dict(tally.labels) == {(True, True): 1, (True, False): 1, (False, False): 1}
