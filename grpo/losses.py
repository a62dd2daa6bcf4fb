"""What is minimised? A weighted sum over the tokens of all completions, packed, without padding.

    loss = sum over tokens t of weight_t * (clipped_t + beta * KL_t)

KL_t is one of the estimators in `kl`, times r_t as DeepSeek-V3.2 and TRL have it. The loss types differ in the weights
alone, and cispo in what is summed. With r the ratio of the policy to the policy
that sampled, A the advantage, B completions in a pass, n_i tokens in completion i:

    loss type   weight of a token of completion i        source
    grpo        1 / (B n_i)                              Shao et al. 2024, DeepSeekMath, equation 3
    dr_grpo     1 / (B max_completion_length)            Liu, Chen et al. 2025, Understanding R1-Zero-Like Training
    bnpo        1 / (tokens of the pass)                 the name and the normaliser are TRL's
    dapo        1 / (tokens of the weight update)        Yu et al. 2025, DAPO, equation 8
    cispo       as dapo                                  MiniMax 2025, MiniMax-M1, equations 4 and 5

    all but cispo    -min(min(r, delta) A, clip(r, 1 - epsilon, 1 + epsilon_high) A)
    cispo            -min(r, epsilon_high), held fixed, * A * log-probability
    GSPO             r is one number for a completion: exp(mean of its tokens' log ratios) (Zheng et al. 2025)

An engine apart from the trainer (vLLM) computes the same weights a little differently, so its samples come from a policy that
is not quite the old one. Where it says how likely it found them, the part before the KL term is multiplied by the ratio of the
old policy to the engine, cut off or left out where it is too far from 1 (`engine_correction`; Yao et al. 2025, Your Efficient RL
Framework Secretly Brings You Off-Policy RL Training).

Normalisers are exactly TRL's (1.16), over several passes and processes too, where gradients are summed over the passes of
an update and averaged over processes. A pass may then be split further, group by group: weights are made for the whole
pass, the parts' losses are added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .kl import kl_estimates
from .settings import Settings

__all__ = ["Tally", "engine_correction", "per_token", "policy_loss", "token_weights", "tokens_per_update"]

LossType = Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo"]


def tokens_per_update(generated: float, *, processes: int = 1, accumulate: int = 1, passes: int = 1) -> float:
    """Return the tokens that one weight update learns from, for each process: the normaliser of dapo and cispo.

    generated   tokens of the kept completions that all processes sampled at one time
    accumulate  passes for one update; passes, those that one sampling feeds. Where they differ, this is an average.
    """
    return max(1.0, float(generated)) / processes * accumulate / passes


def token_weights(
    loss_type: LossType,
    lengths: Sequence[int],
    kept: Sequence[bool] | None = None,
    *,
    max_completion_length: int,
    tokens_in_update: float,
    accumulate: int = 1,
    tokens_in_pass: float | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Return the weight of each token (N,), float32, of the completions of one pass, one completion after the other.

    lengths           tokens of each of the B completions; all of them count in B, empty and left out ones as well
    kept              false for completions that are to teach nothing (cut off, say): their tokens weigh 0
    tokens_in_update  what tokens_per_update() says; read for dapo and cispo
    accumulate        passes for one weight update
    tokens_in_pass    read for bnpo: kept tokens of this pass. None counts those given, which is TRL's way; with several
                      processes the mean over them makes the gradient that of the joined pass
    """
    kept = [True] * len(lengths) if kept is None else kept
    if len(kept) != len(lengths):
        raise ValueError(f"{len(lengths)} lengths, but {len(kept)} completions are said to be kept or not")
    if tokens_in_pass is None:
        tokens_in_pass = sum(length for length, keep in zip(lengths, kept, strict=True) if keep)
    each: list[float] = []
    for length, keep in zip(lengths, kept, strict=True):
        if not keep:
            each.append(0.0)
        elif loss_type == "grpo":
            each.append(1 / (len(lengths) * max(1, length) * accumulate))
        elif loss_type == "dr_grpo":
            each.append(1 / (len(lengths) * max_completion_length * accumulate))
        elif loss_type == "bnpo":
            each.append(1 / (max(1.0, tokens_in_pass) * accumulate))
        else:
            each.append(1 / tokens_in_update)
    return per_token(torch.tensor(each, device=device), lengths)


def per_token(values: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return the value of each token's completion: values (B,) becomes (N,)."""
    return values.repeat_interleave(torch.tensor(lengths, dtype=torch.long, device=values.device))


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over tokens, of which the figures of a step are made; parts of a pass, passes and processes are added.

    values  (10,) float32: tokens, sum of KL, sum of entropy, ratios (one a token, or one a completion for GSPO), their
            sum, those clipped low, those clipped high, sum of (weight times what is minimised), sum of the engine's
            corrections, highest ratio
    """

    values: Tensor

    @staticmethod
    def empty(device: torch.device | None = None) -> Tally:
        """Return the tally of no token."""
        return Tally(torch.zeros(10, device=device))

    def __add__(self, other: Tally) -> Tally:
        return Tally.total(torch.stack((self.values, other.values)))

    @staticmethod
    def total(rows: Tensor) -> Tally:
        """Add up tallies, given as rows (any, 10)."""
        return Tally(torch.cat((rows[:, :-1].sum(0), rows[:, -1:].amax(0))))

    def means(self) -> dict[str, float]:
        """Return the figures under their names, means where they are means; all but the loss is NaN without a token."""
        tokens, kl, entropy, ratios, ratio, low, high, loss, correction, highest = self.values.tolist()
        each, every = tokens or math.nan, ratios or math.nan
        return {
            "loss": loss,
            "kl": kl / each,
            "entropy": entropy / each,
            "ratio_mean": ratio / every,
            "ratio_max": highest if ratios else math.nan,
            "clip_low": low / every,
            "clip_high": high / every,
            "engine_correction": correction / each,
        }


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor | None,
    ref_logprobs: Tensor | None,
    advantages: Tensor,
    weights: Tensor,
    lengths: Sequence[int],
    settings: Settings,
    entropies: Tensor | None = None,
    engine_logprobs: Tensor | None = None,
) -> tuple[Tensor, Tally]:
    """Return the loss, a scalar, and what there is to tell about it. N tokens, completion after completion.

    logprobs      (N,) under the policy, with a gradient
    old_logprobs  (N,) under the policy that sampled; None says that it is the same: the ratio is 1
    ref_logprobs  (N,) under the reference; read where beta is above 0, and where given for the KL that is told
    advantages    (N,) of each token's completion, see per_token()
    weights       (N,) of token_weights(); tokens that weigh 0 count nowhere
    lengths       tokens of each completion, in order
    entropies     (N,) for the tally
    engine_logprobs  (N,) under the engine that sampled, as it computes; None: the same as old_logprobs

    Read of settings: loss_type, importance_sampling_level, epsilon, epsilon_high, delta, beta, kl_estimator,
    use_bias_correction_kl, vllm_importance_sampling_mode, _clip_min and _clip_max.
    Raises ValueError for beta above 0 without ref_logprobs.
    """
    sequence = settings.importance_sampling_level == "sequence"
    high = settings.epsilon if settings.epsilon_high is None else settings.epsilon_high
    old = logprobs.detach() if old_logprobs is None else old_logprobs
    log_ratios = logprobs - old  # (N,)
    if sequence:
        sums = log_ratios.new_zeros(len(lengths)).index_add(0, _owners(lengths, logprobs.device), log_ratios)
        sizes = torch.tensor(lengths, device=logprobs.device)
        log_ratios = per_token(sums / sizes.clamp(min=1), lengths)
    ratios = log_ratios.exp()
    if settings.loss_type == "cispo":
        each = -ratios.detach().clamp(max=high) * advantages * logprobs
    else:
        bounded = ratios if settings.delta is None else ratios.clamp(max=settings.delta)
        clipped = ratios.clamp(1 - settings.epsilon, 1 + high)
        each = -torch.minimum(bounded * advantages, clipped * advantages)
    correction = None if engine_logprobs is None else engine_correction(old, engine_logprobs, lengths, settings)
    if correction is not None:
        each = each * correction
    kl = None if ref_logprobs is None else kl_estimates(logprobs, ref_logprobs, settings.kl_estimator)
    if kl is not None and settings.use_bias_correction_kl:
        kl = kl * ratios
    if settings.beta > 0:
        if kl is None:
            raise ValueError(f"beta is {settings.beta}, but there are no log-probabilities under the reference")
        each = each + settings.beta * kl
    loss = (each * weights).sum()

    with torch.no_grad():
        used = weights != 0
        # GSPO has one ratio for a completion, which counts once, so each of its tokens counts 1/n of it
        share = 1.0 / per_token(sizes.float(), lengths) if sequence else torch.ones_like(ratios)
        share = share * used
        if settings.loss_type == "cispo":
            is_low, is_high = torch.zeros_like(used), (ratios > high) & (advantages > 0)
        else:
            is_low = (ratios < 1 - settings.epsilon) & (advantages < 0)
            is_high = (ratios > 1 + high) & (advantages > 0)
        nothing = torch.zeros_like(logprobs)
        rows = (
            used,
            (nothing if kl is None else kl) * used,
            (nothing if entropies is None else entropies) * used,
            share,
            ratios * share,
            is_low * share,
            is_high * share,
            each * weights,
            (torch.ones_like(logprobs) if correction is None else correction) * used,
        )
        highest = torch.where(used, ratios, 0.0).amax() if len(ratios) else loss.new_zeros(())
        values = torch.stack([*(row.float().sum() for row in rows), highest.float()])
    return loss, Tally(values)


def engine_correction(old: Tensor, engine: Tensor, lengths: Sequence[int], settings: Settings) -> Tensor:
    """Return the weight of each token (N,) that makes up for its having been drawn by another computation.

    old, engine  (N,) log-probabilities under the policy that sampled, as the trainer and as the engine compute them; NaN
                 where the engine does not say, which counts as equal

    The weight is the ratio of the two, of the token or of the whole completion; "truncate" cuts it off at
    vllm_importance_sampling_clip_min and _clip_max, "mask" makes it 0 beyond them.
    """
    log_ratios = torch.nan_to_num(old - engine, nan=0.0)
    level, bounded = settings.vllm_importance_sampling_mode.split("_")
    if level == "sequence":
        sums = log_ratios.new_zeros(len(lengths)).index_add(0, _owners(lengths, old.device), log_ratios)
        log_ratios = per_token(sums, lengths)
    ratios = log_ratios.exp()
    low, high = settings.vllm_importance_sampling_clip_min, settings.vllm_importance_sampling_clip_max
    low, high = 0.0 if low is None else low, float("inf") if high is None else high
    if bounded == "truncate":
        return ratios.clamp(low, high)
    return torch.where((ratios >= low) & (ratios <= high), ratios, 0.0)


def _owners(lengths: Sequence[int], device: torch.device) -> Tensor:
    """Return the number of each token's completion (N,)."""
    return per_token(torch.arange(len(lengths), device=device), lengths)
