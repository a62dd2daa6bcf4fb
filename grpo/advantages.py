"""How much better than its group is each completion? The advantages that weigh the loss.

For the rewards r_1 .. r_G of one prompt's completions (Shao et al. 2024, DeepSeekMath, section 4.1.2)

    scale_rewards   advantage of completion i
    group           (r_i - mean of its group) / (std of its group + 1e-4)
    batch           (r_i - mean of its group) / (std of the batch + 1e-4)      Liu, Liu et al. 2025 (Lite PPO)
    none            r_i - mean of its group                                    Liu, Chen et al. 2025 (Dr. GRPO)

with the unbiased standard deviation (divided by G - 1), as TRL has it. A reward of None is no verdict: that completion
has advantage 0 and counts neither in a mean nor in a standard deviation. A group whose verdicts are all equal, or fewer
than two, has advantages of exactly 0: dividing the rounding error of its mean by 1e-4 would teach noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Advantages", "advantages_of"]

EPSILON = 1e-4  # added to the standard deviation
SPREAD = 1e-8  # between the highest and the lowest reward of a group: below it they are equal


@dataclass(frozen=True, slots=True)
class Advantages:
    """What the rewards of a batch teach.

    values    (groups, G) float32; 0 where there is no verdict
    verdicts  (groups,) whole numbers: completions of each group that have a reward
    equal     (groups,) bool: nothing to learn, its verdicts are all equal or fewer than two (dynamic sampling, Yu et al. 2025)
    mean      of all verdicts; nan if there is none
    std       of all verdicts; nan if there are fewer than two
    """

    values: Tensor
    verdicts: Tensor
    equal: Tensor
    mean: float
    std: float


def advantages_of(
    rewards: Tensor | Sequence[Sequence[float | None]], scale_rewards: Literal["group", "batch", "none"] = "group"
) -> Advantages:
    """Return the advantages of rewards (groups, G), where None or nan is no verdict.

    With scale_rewards "batch" hand in the groups of all processes. Raises ValueError for infinite rewards.
    """
    if not isinstance(rewards, Tensor):
        rewards = torch.tensor(
            [[float("nan") if reward is None else reward for reward in group] for group in rewards], dtype=torch.float64
        )
    wide = rewards.double()
    if wide.isinf().any():
        raise ValueError("a reward is infinite; rewards are finite numbers, or None for no verdict")
    known = ~wide.isnan()
    verdicts = known.sum(1)
    centred = wide - wide.nanmean(1, keepdim=True)
    highest = torch.where(known, wide, -torch.inf).amax(1)
    lowest = torch.where(known, wide, torch.inf).amin(1)
    equal = highest - lowest <= SPREAD  # and so it is with one verdict, 0, and with none, -inf
    every = wide[known]
    mean = every.mean().item() if len(every) else float("nan")
    std = every.std().item() if len(every) > 1 else float("nan")
    if scale_rewards == "group":
        squares = torch.where(known, centred.square(), 0.0).sum(1)
        centred = centred / ((squares / (verdicts - 1).clamp(min=1)).sqrt() + EPSILON)[:, None]
    elif scale_rewards == "batch":
        centred = centred / (std + EPSILON)
    values = torch.where(known & ~equal[:, None], centred, 0.0)
    return Advantages(values.float(), verdicts, equal, mean, std)
