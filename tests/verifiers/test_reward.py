"""Reward: the weighted mean, the gate, verdicts that are missing, and verifiers with bugs."""

from __future__ import annotations

import asyncio
import math
import os
import pickle
import threading
import warnings
from fractions import Fraction
from typing import Any

import pytest
from assay.verifiers.verifier import Verifier
from hypothesis import given
from hypothesis import strategies as st

from assay import Problem, Reward, Score, Status, ThinkFormat


class Fixed(Verifier):
    """Gives the same score to every response, and counts how often it was asked and closed."""

    def __init__(
        self, name: str, reward: float | None, status: Status | None = None, answer: str | None = None
    ) -> None:
        self.name = name
        if status is None:
            status = Status.INFRA_ERROR if reward is None else Status.CORRECT if reward else Status.INCORRECT
        self.given = Score(reward, status, answer, f"said {name}")
        self.closed = 0

    def score(self, response: str, problem: Problem | str) -> Score:
        return self.given

    def close(self) -> None:
        self.closed += 1


class Equals(Verifier):
    """The response is the reference, letter for letter."""

    name = "equals"

    def score(self, response: str, problem: Problem | str) -> Score:
        reference = problem if isinstance(problem, str) else problem.references[0]
        right = response == reference
        return Score(float(right), Status.CORRECT if right else Status.INCORRECT, response, "compared")


class Broken(Verifier):
    """Raises, or returns what no verifier should."""

    def __init__(self, outcome: Any, name: str = "broken") -> None:
        self.name = name
        self.outcome = outcome

    def score(self, response: str, problem: Problem | str) -> Score:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome  # type: ignore[no-any-return]


def test_the_reward_is_the_weighted_mean() -> None:
    score = Reward([(Fixed("a", 1.0), 3), (Fixed("b", 0.0), 1)]).score("", "")
    assert score.reward == 0.75
    assert score.status is Status.CORRECT
    assert {name: part.reward for name, part in score.parts.items()} == {"a": 1.0, "b": 0.0}
    assert score.detail == "a: said a; b: said b"


rewards = st.floats(0, 1)
weights = st.floats(0, 1.7e308)


@given(st.lists(st.tuples(rewards, weights), min_size=1, max_size=6).filter(lambda rows: any(w > 0 for _, w in rows)))
def test_the_mean_agrees_with_exact_arithmetic_and_is_1_when_all_is_right(
    rows: list[tuple[float, float]],
) -> None:
    reward = Reward([(Fixed(f"v{i}", r), w) for i, (r, w) in enumerate(rows)]).score("", "").reward
    assert reward is not None
    counting = [r for r, w in rows if w > 0]
    assert 0 <= reward <= 1
    exact = sum(Fraction(r) * Fraction(w) for r, w in rows) / sum(Fraction(w) for _, w in rows)
    assert reward == pytest.approx(float(exact), abs=1e-9)
    if all(r == 1 for r in counting):
        assert reward == 1.0


def test_status_and_answer_follow_the_heaviest_part() -> None:
    form, right, wrong = Fixed("form", 1.0), Fixed("math", 1.0, answer="4"), Fixed("math", 0.0, answer="5")
    shapeless = Fixed("form", 0.0)
    wrong_but_neat = Reward([(form, 0.2), (wrong, 0.8)]).score("", "")
    assert wrong_but_neat[:3] == (pytest.approx(0.2), Status.INCORRECT, "5")
    right_but_untidy = Reward([(shapeless, 0.2), (right, 0.8)]).score("", "")
    assert right_but_untidy[:3] == (pytest.approx(0.8), Status.CORRECT, "4")
    equal_weights = Reward([(right, 1), (shapeless, 1)]).score("", "")
    assert equal_weights.status is Status.CORRECT
    assert Reward([(form, 1), (right, 0.5)]).score("", "").answer == "4"


@pytest.mark.parametrize("status", [Status.BAD_REFERENCE, Status.INFRA_ERROR])
@pytest.mark.parametrize("weight", [1.0, 0.0])
@pytest.mark.parametrize("gate", [None, "a", "b"])
def test_any_part_without_a_verdict_makes_the_whole_none(status: Status, weight: float, gate: str | None) -> None:
    score = Reward([(Fixed("a", 1.0), 1), (Fixed("b", None, status), weight)], gate=gate).score("", "")
    assert (score.reward, score.status) == (None, status)
    assert score.parts["a"].reward == 1.0


@pytest.mark.parametrize(("math_earned", "expected"), [(0.0, 0.0), (0.5, 0.75), (1.0, 1.0)])
def test_a_gate_lets_the_others_earn_only_with_it(math_earned: float, expected: float) -> None:
    score = Reward([(Fixed("math", math_earned), 1), (Fixed("form", 1.0), 1)], gate="math").score("", "")
    assert score.reward == expected
    assert score.parts["form"].reward == 1.0


def test_a_shut_gate_says_so() -> None:
    score = Reward([(Fixed("math", 1.0), 1), (Fixed("form", 0.0), 0.1)], gate="form").score("", "")
    assert (score.reward, score.status) == (0.0, Status.INCORRECT)
    assert "nothing is earned without form" in score.detail


@pytest.mark.parametrize(
    ("weighted", "settings", "error", "says"),
    [
        ([], {}, ValueError, "at least one"),
        ([(Fixed("a", 1.0), 1), (Fixed("a", 1.0), 1)], {}, ValueError, "named 'a'"),
        ([(Fixed("a", 1.0), -1)], {}, ValueError, "weight of 'a': -1"),
        ([(Fixed("a", 1.0), math.nan)], {}, ValueError, "weight of 'a': nan"),
        ([(Fixed("a", 1.0), math.inf)], {}, ValueError, "weight of 'a': inf"),
        ([(Fixed("a", 1.0), "much")], {}, TypeError, "'much' is no number"),
        ([(Fixed("a", 1.0), None)], {}, TypeError, "None is no number"),
        ([(Fixed("a", 1.0), 0)], {}, ValueError, "above 0"),
        ([(1.0, Fixed("a", 1.0))], {}, TypeError, "(verifier, weight)"),
        ([Fixed("a", 1.0)], {}, TypeError, "expected (verifier, weight)"),
        ([(Fixed("a", 1.0), 1)], {"gate": "math"}, ValueError, "there are a"),
    ],
)
def test_what_cannot_make_a_reward_is_refused(weighted: Any, settings: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as raised:
        Reward(weighted, **settings)
    assert says in str(raised.value)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


OUTCOMES = [
    ValueError("bug " * 1000),
    RecursionError(),
    MemoryError(),
    AssertionError("x\ud800\x00"),
    Unprintable(),
    None,
    "correct",
    Score(math.nan, Status.CORRECT),
    Score(7.0, Status.CORRECT),
    Score(-0.5, Status.INCORRECT),
    Score(None, Status.CORRECT),
    Score(1.0, Status.INFRA_ERROR),
    Score("1", Status.CORRECT),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: repr(outcome)[:40])
def test_a_verifier_with_a_bug_costs_a_verdict_and_not_the_run(outcome: Any) -> None:
    reward = Reward([(Fixed("a", 1.0), 1), (Broken(outcome), 1)])
    for score in (
        reward.score("", ""),
        asyncio.run(reward.ascore("", "")),
        *reward.score_many([("", "")], 2),
    ):
        assert (score.reward, score.status) == (None, Status.INFRA_ERROR)
        assert "broken: the verifier failed with" in score.detail
        assert len(score.detail) < 500
        assert score.parts["a"].reward == 1.0


def test_an_interrupt_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        Reward([(Broken(KeyboardInterrupt()), 1)]).score("", "")


def test_a_reward_is_a_verifier_and_can_be_a_part() -> None:
    inner = Reward([(Fixed("a", 1.0), 1), (Fixed("b", 0.0), 1)], name="inner")
    score = Reward([(inner, 1), (Fixed("c", 1.0), 1)]).score("", "")
    assert isinstance(inner, Verifier)
    assert score.reward == 0.75
    assert score.parts["inner"].parts["b"].reward == 0.0
    assert score.as_dict()["parts"]["inner"]["parts"]["a"]["reward"] == 1.0


@pytest.mark.parametrize("workers", [1, 3])
def test_many_come_back_in_order(workers: int) -> None:
    reward = Reward([(Equals(), 1)])
    pairs = [(str(i), str(i if i % 3 else -i)) for i in range(100)]
    assert [s.reward for s in reward.score_many(pairs, workers)] == [float(r == p) for r, p in pairs]


def test_under_asyncio_the_verifiers_work_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=20)

    class Meets(Fixed):
        def score(self, response: str, problem: Problem | str) -> Score:
            meeting.wait()  # passes only when the other verifier is at work too
            return self.given

    score = asyncio.run(Reward([(Meets("a", 1.0), 1), (Meets("b", 0.0), 1)]).ascore("", ""))
    assert score.reward == 0.5


def test_close_reaches_every_verifier_even_past_a_failure() -> None:
    class Sticks(Fixed):
        def close(self) -> None:
            raise OSError("stuck")

    last = Fixed("b", 1.0)
    with pytest.raises(OSError, match="stuck"), Reward([(Sticks("a", 1.0), 1), (last, 1)]):
        pass
    assert last.closed == 1


def test_it_survives_pickling_and_a_fork() -> None:
    reward = Reward([(Equals(), 1), (ThinkFormat(), 0.5)], gate="equals", name="mine")
    again = pickle.loads(pickle.dumps(reward))
    assert again.score("4", "4")[:2] == reward.score("4", "4")[:2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests' threads make Python 3.12 warn
        child = os.fork()
    if child == 0:
        os._exit(0 if reward.score("4", "4").reward == pytest.approx(2 / 3) else 1)
    assert os.waitpid(child, 0)[1] == 0
