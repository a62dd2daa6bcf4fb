"""The loss: each type's formula written out over completions, its bounds, its metrics, and the sum of its parts."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.grpo.kl import kl_estimates  # noqa: E402
from assay.grpo.losses import (  # noqa: E402
    Tally,
    engine_correction,
    per_token,
    policy_loss,
    token_weights,
    tokens_per_update,
)
from assay.grpo.settings import Settings  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

torch.set_num_threads(1)

LENGTHS = [3, 1, 4, 2]
LONGEST = 5
TYPES = ["grpo", "dr_grpo", "bnpo", "dapo", "cispo"]


def settings(**given: Any) -> Settings:
    if given.get("loss_type") == "cispo":
        given.setdefault("epsilon_high", 1.5)
    return Settings(model_name_or_path="none", max_completion_length=LONGEST, **given)


def weights(kind: str, lengths: list[int] = LENGTHS, **given: Any) -> torch.Tensor:
    kept = given.get("kept") or [True] * len(lengths)
    given.setdefault("tokens_in_update", tokens_per_update(sum(n for n, k in zip(lengths, kept, strict=True) if k)))
    return token_weights(kind, lengths, max_completion_length=LONGEST, **given)


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Ratios between a half and two: both clips are active, for advantages of both signs."""
    random = torch.Generator().manual_seed(0)
    total = sum(LENGTHS)
    logprobs = -torch.rand(total, generator=random, dtype=torch.float64) * 3
    return {
        "logprobs": logprobs.requires_grad_(),
        "old_logprobs": logprobs.detach() + torch.randn(total, generator=random, dtype=torch.float64) * 0.5,
        "ref_logprobs": logprobs.detach() + torch.randn(total, generator=random, dtype=torch.float64) * 0.5,
        "advantages": torch.tensor([1.0, -0.5, -2.0, 0.7], dtype=torch.float64),
    }


def ours(batch: dict[str, torch.Tensor], chosen: Settings, **given: Any) -> tuple[torch.Tensor, Tally]:
    return policy_loss(
        batch["logprobs"],
        batch["old_logprobs"],
        batch["ref_logprobs"],
        per_token(batch["advantages"], LENGTHS),
        weights(chosen.loss_type, **given),
        LENGTHS,
        chosen,
    )


def by_hand(batch: dict[str, torch.Tensor], chosen: Settings) -> float:
    """The loss in plain Python, completion by completion."""
    rows = {name: [part.tolist() for part in batch[name].detach().split(LENGTHS)] for name in list(batch)[:3]}
    high = chosen.epsilon if chosen.epsilon_high is None else chosen.epsilon_high
    losses: list[list[float]] = []
    for new, old, ref, advantage in zip(*rows.values(), batch["advantages"].tolist(), strict=True):
        whole = math.exp(sum(p - o for p, o in zip(new, old, strict=True)) / len(new))
        losses.append([])
        for p, o, q in zip(new, old, ref, strict=True):
            ratio = whole if chosen.importance_sampling_level == "sequence" else math.exp(p - o)
            if chosen.loss_type == "cispo":
                one = -min(ratio, high) * advantage * p
            else:
                bounded = ratio if chosen.delta is None else min(ratio, chosen.delta)
                one = -min(bounded * advantage, min(max(ratio, 1 - chosen.epsilon), 1 + high) * advantage)
            kl = {"k1": p - q, "k2": (p - q) ** 2 / 2, "k3": math.exp(q - p) - (q - p) - 1}[chosen.kl_estimator]
            losses[-1].append(one + chosen.beta * kl * (ratio if chosen.use_bias_correction_kl else 1))
    if chosen.loss_type == "grpo":
        return sum(sum(row) / len(row) for row in losses) / len(losses)
    if chosen.loss_type == "dr_grpo":
        return sum(map(sum, losses)) / (len(losses) * LONGEST)
    return sum(map(sum, losses)) / sum(LENGTHS)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"beta": 0.3},
        {"beta": 0.3, "use_bias_correction_kl": False},
        {"beta": 0.3, "kl_estimator": "k1"},
        {"beta": 0.3, "kl_estimator": "k2"},
        {"epsilon": 0.1, "epsilon_high": 0.4},
        {"delta": 1.3},
    ],
)
def test_against_the_formula(batch: dict[str, torch.Tensor], kind: str, more: dict[str, Any]) -> None:
    chosen = settings(loss_type=kind, **more)
    assert ours(batch, chosen)[0].item() == pytest.approx(by_hand(batch, chosen), rel=1e-6)


@pytest.mark.parametrize("more", [{}, {"beta": 0.1}, {"epsilon": 0.05, "epsilon_high": 0.1}])
def test_gspo_against_the_formula(batch: dict[str, torch.Tensor], more: dict[str, Any]) -> None:
    chosen = settings(loss_type="grpo", importance_sampling_level="sequence", **more)
    assert ours(batch, chosen)[0].item() == pytest.approx(by_hand(batch, chosen), rel=1e-6)
    token = settings(loss_type="grpo", **more)
    assert ours(batch, token)[0].item() != pytest.approx(by_hand(batch, chosen), rel=1e-3)


@pytest.mark.parametrize("kind", TYPES)
def test_the_first_iteration(batch: dict[str, torch.Tensor], kind: str) -> None:
    """Without old log-probabilities the ratio is 1 exactly, and the gradient is that of REINFORCE, whatever clips."""
    chosen = settings(loss_type=kind, epsilon=0.0)
    advantages = per_token(batch["advantages"], LENGTHS)
    loss, tally = policy_loss(batch["logprobs"], None, None, advantages, weights(kind), LENGTHS, chosen)
    (grad,) = torch.autograd.grad(loss, batch["logprobs"])
    torch.testing.assert_close(grad, -advantages * weights(kind).double(), rtol=1e-12, atol=0)
    told = tally.means()
    assert told["ratio_mean"] == told["ratio_max"] == 1
    assert told["clip_low"] == told["clip_high"] == 0


def test_what_is_clipped_has_no_gradient(batch: dict[str, torch.Tensor]) -> None:
    """Gradient exactly where the ratio may still go the way the advantage wants, and below delta."""
    chosen = settings(loss_type="dapo", epsilon=0.1, epsilon_high=0.3, delta=1.6)
    loss, _ = ours(batch, chosen)
    (grad,) = torch.autograd.grad(loss, batch["logprobs"])
    ratio = (batch["logprobs"] - batch["old_logprobs"]).exp()
    advantages = per_token(batch["advantages"], LENGTHS)
    free = torch.where(advantages > 0, ratio < 1.3, (ratio > 0.9) & (ratio < 1.6))
    assert free.any()
    assert not free.all()
    assert ((grad != 0) == free).all()


def test_cispo_keeps_the_gradient_of_clipped_tokens(batch: dict[str, torch.Tensor]) -> None:
    loss, tally = ours(batch, settings(loss_type="cispo", epsilon_high=1.2))
    (grad,) = torch.autograd.grad(loss, batch["logprobs"])
    ratio = (batch["logprobs"] - batch["old_logprobs"]).exp().detach()
    advantages = per_token(batch["advantages"], LENGTHS)
    torch.testing.assert_close(grad, -ratio.clamp(max=1.2) * advantages / sum(LENGTHS), rtol=1e-6, atol=0)
    assert tally.means()["clip_high"] == pytest.approx(((ratio > 1.2) & (advantages > 0)).double().mean().item())


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_metrics(batch: dict[str, torch.Tensor], level: str) -> None:
    chosen = settings(loss_type="grpo", importance_sampling_level=level, epsilon=0.1)
    entropies = torch.linspace(0, 1, sum(LENGTHS), dtype=torch.float64)
    advantages = per_token(batch["advantages"], LENGTHS)
    loss, tally = policy_loss(
        batch["logprobs"],
        batch["old_logprobs"],
        batch["ref_logprobs"],
        advantages,
        weights("grpo"),
        LENGTHS,
        chosen,
        entropies,
    )
    told = tally.means()
    ratio = (batch["logprobs"] - batch["old_logprobs"]).detach()
    advantage = advantages
    if level == "sequence":
        ratio, advantage = torch.stack([part.mean() for part in ratio.split(LENGTHS)]), batch["advantages"]
    ratio = ratio.exp()
    kl = kl_estimates(batch["logprobs"], batch["ref_logprobs"], "k3")
    kl = (kl * (per_token(ratio, LENGTHS) if level == "sequence" else ratio)).mean().item()
    low, high = (ratio < 0.9) & (advantage < 0), (ratio > 1.1) & (advantage > 0)
    assert low.any()
    assert high.any()
    expected = {
        "loss": loss.item(),
        "kl": kl,
        "entropy": entropies.mean().item(),
        "ratio_mean": ratio.mean().item(),
        "ratio_max": ratio.max().item(),
        "clip_low": low.double().mean().item(),
        "clip_high": high.double().mean().item(),
        "engine_correction": 1.0,
    }
    assert told == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("kind", "level"), [*((kind, "token") for kind in TYPES), ("grpo", "sequence")])
def test_parts_add_up(batch: dict[str, torch.Tensor], kind: str, level: str) -> None:
    """Weights once for the pass, then completions in two parts: the same loss, gradient and figures."""
    chosen = settings(loss_type=kind, importance_sampling_level=level, beta=0.1)
    whole, tally = ours(batch, chosen)
    (expected,) = torch.autograd.grad(whole, batch["logprobs"], retain_graph=True)
    weight = weights(kind)
    cut = sum(LENGTHS[:2])
    parts = []
    for where, lengths, rows in ((slice(cut), LENGTHS[:2], slice(2)), (slice(cut, None), LENGTHS[2:], slice(2, None))):
        parts.append(
            policy_loss(
                batch["logprobs"][where],
                batch["old_logprobs"][where],
                batch["ref_logprobs"][where],
                per_token(batch["advantages"][rows], lengths),
                weight[where],
                lengths,
                chosen,
            )
        )
    total = parts[0][0] + parts[1][0]
    (grad,) = torch.autograd.grad(total, batch["logprobs"])
    torch.testing.assert_close(total, whole, rtol=1e-10, atol=0)
    torch.testing.assert_close(grad, expected, rtol=1e-10, atol=0)
    assert (parts[0][1] + parts[1][1]).means() == pytest.approx(tally.means(), rel=1e-5)


@pytest.mark.parametrize("kind", TYPES)
def test_completions_left_out(batch: dict[str, torch.Tensor], kind: str) -> None:
    """They weigh nothing and count in no token count, but still in B."""
    kept = [True, False, True, False]
    weight = weights(kind, kept=kept).split(LENGTHS)
    tokens = LENGTHS[0] + LENGTHS[2]
    for keep, length, mine in zip(kept, LENGTHS, weight, strict=True):
        one = {"grpo": 1 / (4 * length), "dr_grpo": 1 / (4 * LONGEST)}.get(kind, 1 / tokens)
        assert mine.tolist() == pytest.approx([one if keep else 0.0] * length)
    chosen = settings(loss_type=kind, beta=0.1)
    loss, tally = ours(batch, chosen, kept=kept)
    (grad,) = torch.autograd.grad(loss, batch["logprobs"])
    assert [part.abs().max().item() > 0 for part in grad.split(LENGTHS)] == kept
    assert tally.values[0].item() == tally.values[3].item() == tokens
    picked = per_token(torch.tensor(kept), LENGTHS)
    alone = policy_loss(
        *(batch[name][picked] for name in ("logprobs", "old_logprobs", "ref_logprobs")),
        per_token(batch["advantages"], LENGTHS)[picked],
        weights(kind, kept=kept)[picked],
        [LENGTHS[0], LENGTHS[2]],
        chosen,
    )[1]
    assert alone.means() == pytest.approx(tally.means(), rel=1e-5)


@pytest.mark.parametrize("kind", TYPES)
def test_nothing_kept_and_nothing_written(kind: str) -> None:
    """No division by zero: everything left out, completions without tokens, or no completions."""
    for lengths, kept in (([2, 1], [False, False]), ([0, 0], [True, True]), ([], [])):
        weight = weights(kind, lengths, kept=kept, tokens_in_update=tokens_per_update(0))
        logprobs = torch.zeros(sum(lengths), requires_grad=True)
        level = "sequence" if kind == "grpo" else "token"
        loss, tally = policy_loss(
            logprobs,
            None,
            logprobs.detach(),
            torch.ones(sum(lengths)),
            weight,
            lengths,
            settings(loss_type=kind, beta=0.1, importance_sampling_level=level),
        )
        assert loss.item() == 0
        loss.backward()
        told = tally.means()
        assert told.pop("loss") == 0
        assert all(math.isnan(value) for value in told.values())  # there is no mean of nothing


def test_an_empty_completion_between_others() -> None:
    """Counted in B, and its neighbours' tokens stay their own (one ratio a completion)."""
    logprobs = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)
    old = torch.tensor([-1.5, -2.5, -3.0])
    chosen = settings(loss_type="grpo", importance_sampling_level="sequence", epsilon=10.0)
    loss, _ = policy_loss(
        logprobs,
        old,
        None,
        per_token(torch.tensor([1.0, 9.0, -1.0]), [2, 0, 1]),
        weights("grpo", [2, 0, 1]),
        [2, 0, 1],
        chosen,
    )
    assert loss.item() == pytest.approx((-math.exp(0.5) + 1.0) / 3)


def test_tokens_of_an_update() -> None:
    assert tokens_per_update(120, processes=2, accumulate=2, passes=4) == 30
    assert tokens_per_update(0) == 1


def test_passes_of_an_update_add_up_to_one() -> None:
    """Two passes of an update weigh what one of double size weighs, where the type does not look at the pass."""
    for kind in ("grpo", "dr_grpo", "dapo", "cispo"):
        once = weights(kind)
        halves = [
            weights(kind, part, accumulate=2, tokens_in_update=sum(LENGTHS)) for part in (LENGTHS[:2], LENGTHS[2:])
        ]
        torch.testing.assert_close(torch.cat(halves), once)
    halves = [weights("bnpo", part, accumulate=2) for part in (LENGTHS[:2], LENGTHS[2:])]
    assert [half.sum().item() for half in halves] == pytest.approx([0.5, 0.5])


def test_beta_wants_a_reference() -> None:
    one = torch.zeros(1)
    with pytest.raises(ValueError, match=r"beta is 0\.1.*reference"):
        policy_loss(one, None, None, one, one, [1], settings(beta=0.1))


def test_kept_has_one_entry_for_each_completion() -> None:
    with pytest.raises(ValueError, match="4 lengths, but 3 completions"):
        token_weights("grpo", LENGTHS, [True] * 3, max_completion_length=LONGEST, tokens_in_update=1)


# ---- the KL estimators

LOGPROB = st.floats(-60, 0, width=32)


@given(LOGPROB, LOGPROB, st.sampled_from([1.0, 1e-3, 1e-6]))
def test_k3_and_k2_are_never_negative(p: float, q: float, scale: float) -> None:
    new = torch.tensor([p])
    ref = new + (torch.tensor([q]) - new) * scale
    assert kl_estimates(new, ref, "k3").item() >= 0
    assert kl_estimates(new, ref, "k2").item() >= 0
    assert kl_estimates(new, new, "k3").item() == 0


@given(st.floats(-1e-4, 1e-4))
def test_k3_keeps_its_digits_near_zero(apart: float) -> None:
    new, ref = torch.zeros(1), torch.tensor([apart])
    exact = ref.double().square() / 2
    assert kl_estimates(new, ref, "k3").double().item() == pytest.approx(exact.item(), rel=0.01, abs=abs(apart) * 2e-7)


def test_values_and_gradients_in_expectation() -> None:
    """Over every outcome of a categorical distribution: k1 and k3 are unbiased; the gradients are those of the page."""
    random = torch.Generator().manual_seed(0)
    logits, other = (torch.randn(7, generator=random, dtype=torch.float64) for _ in range(2))
    logits.requires_grad_()
    log_p, log_q = logits.log_softmax(-1), other.log_softmax(-1)
    p, q = log_p.exp(), log_q.exp()
    reverse, forward = (p * (log_p - log_q)).sum(), (q * (log_q - log_p)).sum()
    means = {name: (p.detach() * kl_estimates(log_p, log_q, name)).sum() for name in ("k1", "k2", "k3")}
    ratio = (log_p - log_p.detach()).exp()
    means |= {f"r {name}": (p.detach() * ratio * kl_estimates(log_p, log_q, name)).sum() for name in ("k1", "k3")}
    assert means["k1"].item() == pytest.approx(reverse.item())
    assert means["k3"].item() == pytest.approx(reverse.item())
    slope = {name: torch.autograd.grad(mean, logits, retain_graph=True)[0] for name, mean in means.items()}
    torch.testing.assert_close(slope["k1"], torch.zeros(7, dtype=torch.float64))
    torch.testing.assert_close(slope["k2"], torch.autograd.grad(reverse, logits, retain_graph=True)[0])
    torch.testing.assert_close(slope["k3"], torch.autograd.grad(forward, logits, retain_graph=True)[0])
    for name in ("r k1", "r k3"):
        torch.testing.assert_close(slope[name], slope["k2"])


# ---- samples of an engine that computes otherwise

OLD = [-1.0, -2.0, -0.5, -1.5, -0.2, -0.9, -3.0, -0.1, -2.2, -0.7]
APART = [0.2, -0.1, 0.3, 2.0, 0.0, 0.0, 0.0, float("nan"), -0.4, -0.9]  # log ratios; one that the engine does not say


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("bounded", ["mask", "truncate"])
def test_the_correction_against_its_formula(level: str, bounded: str) -> None:
    low, high = 0.5, 3.0
    chosen = settings(
        vllm_importance_sampling_mode=f"{level}_{bounded}",
        vllm_importance_sampling_clip_min=low,
        vllm_importance_sampling_clip_max=high,
    )
    expected: list[float] = []
    start = 0
    for length in LENGTHS:
        logs = [0.0 if math.isnan(each) else each for each in APART[start : start + length]]
        start += length
        ratios = [math.exp(each if level == "token" else sum(logs)) for each in logs]
        within = [low <= ratio <= high for ratio in ratios]
        if bounded == "mask":
            expected += [ratio if fits else 0.0 for ratio, fits in zip(ratios, within, strict=True)]
        else:
            expected += [min(max(ratio, low), high) for ratio in ratios]
    old = torch.tensor(OLD)
    found = engine_correction(old, old - torch.tensor(APART), LENGTHS, chosen)
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    assert len({round(each, 4) for each in expected}) > 2  # within, beyond, unknown


def test_no_bounds_no_cut() -> None:
    chosen = settings(vllm_importance_sampling_mode="token_mask", vllm_importance_sampling_clip_max=None)
    old = torch.tensor(OLD)
    found = engine_correction(old, old - 5.0, LENGTHS, chosen)
    assert found.tolist() == pytest.approx([math.exp(5.0)] * len(OLD), rel=1e-5)


@pytest.mark.parametrize("kind", TYPES)
def test_the_correction_weighs_all_but_the_kl_term(batch: dict[str, torch.Tensor], kind: str) -> None:
    """A completion that the mask leaves out has the gradient of its KL term alone."""
    chosen = settings(loss_type=kind, beta=0.3, vllm_importance_sampling_mode="sequence_mask")
    engine = batch["old_logprobs"].clone()
    engine[: LENGTHS[0]] -= 1.0  # a ratio of e ** 3: beyond 3
    given = (batch["ref_logprobs"], per_token(batch["advantages"], LENGTHS), weights(kind), LENGTHS, chosen)
    loss, tally = policy_loss(batch["logprobs"], batch["old_logprobs"], *given, engine_logprobs=engine)
    plain, _ = ours(batch, chosen)
    advantages = per_token(torch.tensor([0.0, *batch["advantages"].tolist()[1:]]), LENGTHS)
    without, _ = policy_loss(batch["logprobs"], batch["old_logprobs"], given[0], advantages, *given[2:])
    assert loss.item() == pytest.approx(without.item(), rel=1e-6)
    assert loss.item() != pytest.approx(plain.item(), rel=1e-3)
    assert tally.means()["engine_correction"] == pytest.approx(1 - LENGTHS[0] / sum(LENGTHS))
    assert ours(batch, chosen)[1].means()["engine_correction"] == 1.0


def test_samples_of_the_policy_itself_are_weighed_by_the_engine_alone(batch: dict[str, torch.Tensor]) -> None:
    """Without old log-probabilities the policy's own are compared with the engine's; no gradient goes through that."""
    chosen = settings(loss_type="grpo", vllm_importance_sampling_mode="token_truncate")
    given = (None, per_token(batch["advantages"], LENGTHS), weights("grpo"), LENGTHS, chosen)
    engine = batch["logprobs"].detach() - 0.5
    plain = policy_loss(batch["logprobs"], None, *given)[0]
    loss = policy_loss(batch["logprobs"], None, *given, engine_logprobs=engine)[0]
    gradients = [torch.autograd.grad(each, batch["logprobs"])[0] for each in (loss, plain)]
    torch.testing.assert_close(gradients[0], gradients[1] * math.exp(0.5))
