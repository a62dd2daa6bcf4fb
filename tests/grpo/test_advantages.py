"""Advantages: closed forms, no verdict, and nothing out of nothing."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from assay.grpo.advantages import advantages_of  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

torch.set_num_threads(1)

NAN = float("nan")


def close(values: torch.Tensor, expected: list[list[float]]) -> None:
    assert values.dtype == torch.float32
    torch.testing.assert_close(values, torch.tensor(expected), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("ones", "group"), [(1, 8), (3, 8), (7, 8), (1, 2), (5, 16)])
def test_right_or_wrong_has_a_closed_form(ones: int, group: int) -> None:
    """K right ones of G: mean p = k/G, unbiased variance p (1 - p) G / (G - 1)."""
    p = ones / group
    std = math.sqrt(p * (1 - p) * group / (group - 1))
    rewards = [[1.0] * ones + [0.0] * (group - ones)]
    scaled = [(1 - p) / (std + 1e-4)] * ones + [-p / (std + 1e-4)] * (group - ones)
    close(advantages_of(rewards, "group").values, [scaled])
    close(advantages_of(rewards, "none").values, [[1 - p] * ones + [-p] * (group - ones)])  # Dr. GRPO
    close(advantages_of(rewards, "batch").values, [scaled])  # one group is the batch


def test_the_batch_has_one_standard_deviation() -> None:
    rewards = [[1.0, 0.0], [0.5, 0.25]]
    mean = sum(map(sum, rewards)) / 4
    std = math.sqrt(sum((r - mean) ** 2 for group in rewards for r in group) / 3)
    found = advantages_of(rewards, "batch")
    close(
        found.values,
        [[0.5 / (std + 1e-4), -0.5 / (std + 1e-4)], [0.125 / (std + 1e-4), -0.125 / (std + 1e-4)]],
    )
    assert found.mean == pytest.approx(mean)
    assert found.std == pytest.approx(std)


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_no_verdict_is_left_out(scale: str) -> None:
    """The others' advantages are those of the smaller group, and its own is 0."""
    with_gaps = advantages_of([[1.0, None, 0.25, 0.0, NAN]], scale)
    without = advantages_of([[1.0, 0.25, 0.0]], scale)
    torch.testing.assert_close(with_gaps.values[0, [0, 2, 3]], without.values[0], rtol=0, atol=0)
    assert with_gaps.values[0, [1, 4]].tolist() == [0.0, 0.0]
    assert with_gaps.verdicts.tolist() == [3]
    assert (with_gaps.mean, with_gaps.std) == (without.mean, without.std)


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_fewer_than_two_verdicts_teach_nothing(scale: str) -> None:
    found = advantages_of([[1.0, None, None], [None, None, None], [1.0, 0.0, 0.0]], scale)
    assert found.equal.tolist() == [True, True, False]
    assert found.verdicts.tolist() == [1, 0, 3]
    assert found.values[:2].abs().max() == 0
    assert found.values[2].abs().min() > 0


def test_no_verdicts_at_all() -> None:
    found = advantages_of([[None, None]])
    assert found.values.tolist() == [[0.0, 0.0]]
    assert math.isnan(found.mean)
    assert math.isnan(found.std)


@given(
    st.floats(-1e3, 1e3),
    st.integers(2, 16),
    st.sampled_from(["group", "batch", "none"]),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_equal_rewards_teach_exactly_nothing(reward: float, group: int, scale: str, dtype: torch.dtype) -> None:
    """The mean of G equal numbers is not always that number: 0.1 three times, for example."""
    found = advantages_of(torch.full((3, group), reward, dtype=dtype), scale)
    assert found.equal.all()
    assert found.values.abs().max() == 0


def test_rewards_equal_but_for_rounding_teach_nothing() -> None:
    found = advantages_of([[0.1 + 0.2, 0.3, 0.3]])
    assert found.equal.tolist() == [True]
    assert found.values.abs().max() == 0


rewards_of_groups = st.integers(2, 6).flatmap(
    lambda size: st.lists(
        st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=size, max_size=size), min_size=1, max_size=5
    )
)


@given(rewards_of_groups, st.sampled_from(["group", "batch", "none"]))
def test_advantages_of_a_group_cancel(rewards: list[list[float | None]], scale: str) -> None:
    found = advantages_of(rewards, scale)
    assert found.values.isfinite().all()
    largest = found.values.abs().amax(1)
    assert (found.values.double().sum(1).abs() <= 1e-5 * (1 + largest)).all()


def test_infinite_rewards_are_refused() -> None:
    with pytest.raises(ValueError, match="infinite"):
        advantages_of([[math.inf, 0.0]])
