"""The sampler draws from the distribution that it says, and leaves out what the filters leave out."""

from __future__ import annotations

import math
from itertools import accumulate
from random import Random

import pytest

torch = pytest.importorskip("torch")

from assay.grpo.rollouts import Sampling  # noqa: E402
from assay.grpo.sampling import Sampler, draw_token, in_nucleus, row_stream  # noqa: E402
from hypothesis import assume, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

DRAWS = 10_000


def reference(logits: list[float], how: Sampling) -> list[float]:
    """The exact probabilities, by sorting, one token after the other."""
    highest = max(logits)
    weights = [math.exp((logit - highest) / how.temperature) for logit in logits]
    kept = set(range(len(weights)))
    if how.top_k:
        last = sorted(weights, reverse=True)[min(how.top_k, len(weights)) - 1]
        kept = {token for token in kept if weights[token] >= last}
    total = sum(weights[token] for token in kept)
    if how.top_p < 1:
        kept = {t for t in kept if sum(weights[o] for o in kept if weights[o] > weights[t]) < how.top_p * total}
    kept = {token for token in kept if weights[token] >= how.min_p}
    total = sum(weights[token] for token in kept)
    return [weights[token] / total if token in kept else 0.0 for token in range(len(weights))]


def counts(logits: list[float], how: Sampling, draws: int = DRAWS) -> list[int]:
    stream, sampler, found = Random(7), Sampler(how, ()), [0] * len(logits)
    rows = 500
    for _ in range(draws // rows):
        tokens, _ = sampler.draw(torch.tensor([logits] * rows), [stream] * rows, 0)
        for token in tokens.tolist():
            found[token] += 1
    return found


def too_unlike(found: list[int], expected: list[float]) -> bool:
    """Chi-square with a bound that chance passes once in about 10,000 times (Wilson and Hilferty 1931)."""
    if any(count and not share for count, share in zip(found, expected, strict=True)):
        return True
    used = [(count, share * sum(found)) for count, share in zip(found, expected, strict=True) if share * sum(found) > 5]
    statistic = sum((count - mean) ** 2 / mean for count, mean in used)
    free = len(used) - 1
    if free <= 0:
        return False
    return statistic > free * (1 - 2 / (9 * free) + 3.72 * math.sqrt(2 / (9 * free))) ** 3


LOGITS = [float(value) for value in torch.randn(700, generator=torch.Generator().manual_seed(3)) * 2]


@pytest.mark.parametrize(
    "how",
    [
        Sampling(1),
        Sampling(1, temperature=0.5),
        Sampling(1, temperature=1.7),
        Sampling(1, top_k=9),
        Sampling(1, top_p=0.9),
        Sampling(1, top_p=0.3),
        Sampling(1, min_p=0.05),
        Sampling(1, temperature=1.3, top_k=40, top_p=0.8, min_p=0.1),
        Sampling(1, temperature=1.3, top_p=0.8, min_p=0.1),
    ],
    ids=str,
)
def test_tokens_come_as_often_as_their_probabilities_say(how: Sampling) -> None:
    assert not too_unlike(counts(LOGITS, how), reference(LOGITS, how))


def test_the_check_of_distributions_sees_a_wrong_one() -> None:
    found = counts(LOGITS, Sampling(1))
    assert too_unlike(found, reference(LOGITS, Sampling(1, temperature=1.2)))
    assert too_unlike(found, reference(LOGITS, Sampling(1, top_p=0.9)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([-9.0, -3.0, -1.0, -0.5, 0.0, 0.25, 1.0, 2.0, 4.0]), min_size=1, max_size=40),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.sampled_from([0, 1, 3, 8]),
    st.sampled_from([0.05, 0.37, 0.62, 0.91, 1.0]),
    st.sampled_from([0.0, 0.07, 0.43]),
    st.integers(0, 10**6),
)
def test_only_what_the_filters_leave_is_drawn(
    logits: list[float], temperature: float, top_k: int, top_p: float, min_p: float, seed: int
) -> None:
    how = Sampling(1, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    shares = reference(logits, how)
    streams = [Random(f"{seed}/{row}") for row in range(64)]
    tokens, _ = Sampler(how, ()).draw(torch.tensor([logits] * 64), streams, 0)
    tied = len(logits) - len(set(logits))  # topk may leave out tokens as likely as the last one
    allowed = {token for token, share in enumerate(shares) if share > 0}
    assert set(tokens.tolist()) <= allowed
    if not tied and all(share == 0 or share > 0.3 for share in shares):
        assert set(tokens.tolist()) == allowed


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.sampled_from([0.1, 0.333, 0.5, 0.77, 0.95]))
def test_the_nucleus_is_that_of_sorting(weights: list[int], top_p: float) -> None:
    sums = accumulate(sorted(weights, reverse=True))
    assume(all(abs(each - top_p * sum(weights)) > 1e-3 for each in sums))  # on the border itself rounding decides
    shares = reference([math.log(weight) for weight in weights], Sampling(1, top_p=top_p))
    rows = torch.tensor([weights] * len(weights), dtype=torch.float32)
    inside = in_nucleus(rows, torch.arange(len(weights)), top_p, rows.sum(-1))
    assert inside.tolist() == [share > 0 for share in shares]


def test_a_weightless_token_is_never_drawn_at_the_borders() -> None:
    weights = torch.zeros(3, 600)
    weights[:, [5, 300, 511]] = torch.tensor([1e-20, 3.0, 1e-20])
    edge = torch.tensor([0.0, 0.5, math.nextafter(1.0, 0.0)], dtype=torch.float64)
    assert set(draw_token(weights, edge).tolist()) <= {5, 300, 511}


def test_greedy_takes_the_likeliest_and_no_end_token_too_early() -> None:
    logits = torch.tensor([[0.0, 3.0, 5.0], [9.0, 1.0, 2.0]])
    sampler = Sampler(Sampling(8, temperature=0, min_tokens=2), {2})
    assert sampler.draw(logits.clone(), [Random(0)] * 2, 1)[0].tolist() == [1, 0]
    assert sampler.draw(logits.clone(), [Random(0)] * 2, 2)[0].tolist() == [2, 0]


@pytest.mark.parametrize("top_k", [0, 2])
def test_an_end_token_that_is_almost_certain_waits_for_min_tokens(top_k: int) -> None:
    logits = torch.tensor([[0.0, 1.0, 900.0]])
    sampler = Sampler(Sampling(8, top_k=top_k, min_tokens=2), {2})
    assert {int(sampler.draw(logits.clone(), [Random(n)], 0)[0]) for n in range(50)} == {0, 1}


@pytest.mark.parametrize("how", [Sampling(8, temperature=0.7), Sampling(8, temperature=0.7, top_k=3, top_p=0.9)])
@pytest.mark.parametrize("min_tokens", [0, 4])
def test_logprobs_are_those_before_the_filters(how: Sampling, min_tokens: int) -> None:
    how = Sampling(8, how.temperature, how.top_p, how.top_k, min_tokens=min_tokens)
    logits = torch.randn(5, 333, generator=torch.Generator().manual_seed(1)) * 3
    tokens, said = Sampler(how, {int(logits[0].argmax())}).draw(logits.clone(), [Random(0)] * 5, 0, logprobs=True)
    expected = torch.log_softmax(logits / 0.7, -1).gather(1, tokens[:, None])[:, 0]
    assert said is not None
    torch.testing.assert_close(said, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("how", [Sampling(8), Sampling(8, temperature=0), Sampling(8, top_k=2), Sampling(8, top_p=0.5)])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_told(how: Sampling, bad: float) -> None:
    logits = torch.zeros(2, 300)
    logits[1, 7] = bad
    with pytest.raises(FloatingPointError, match="diverged"):
        Sampler(how, ()).draw(logits, [Random(0)] * 2, 0)


def test_streams_of_rows_differ_and_repeat() -> None:
    first = {row_stream(*numbers).random() for numbers in [(1, 2, 3), (1, 3, 2), (2, 1, 3), (1, 23, 0), (12, 3, 0)]}
    assert len(first) == 5
    assert row_stream(1, 2, 3).random() == row_stream(1, 2, 3).random()
