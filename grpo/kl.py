r"""How far is the policy from the reference? Three estimators of the KL divergence from one sample.

With x drawn from the policy p, q the reference and d = log q(x) - log p(x) (Schulman 2020, joschu.net/blog/kl-approx.html)

    k1 = -d               unbiased for KL(p || q), of high variance, negative half of the time
    k2 = d^2 / 2          biased, of low variance
    k3 = exp(d) - 1 - d   unbiased, of low variance, never negative: GRPO's (Shao et al. 2024, equation 4)

That is what they are worth as numbers to look at. Put into a loss and differentiated, with the samples held fixed, they
pull elsewhere than their values suggest (Tang and Munos 2025; all expectations are over x from p):

    E[grad k1] = E[grad log p] = 0             no pull to the reference at all, only noise: a mistake in a loss
    E[grad k2] = E[-d grad log p]              = grad KL(p || q)
    E[grad k3] = E[(1 - q/p) grad log p]       = grad KL(q || p): the other direction; GRPO as published

The ratio r of the policy to the one that sampled, differentiated too, mends that (DeepSeek-V3.2 2025, and TRL's default
`use_bias_correction_kl`): r k is an estimate for the policy as it is now, and where r is 1

    E[grad (r k1)] = E[grad (r k3)] = E[-d grad log p] = grad KL(p || q)

while r k2 has the gradient of nothing in particular. So: k3 with the correction; k2 without; k1 never without.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = ["kl_estimates"]


def kl_estimates(logprobs: Tensor, ref_logprobs: Tensor, estimator: Literal["k1", "k2", "k3"]) -> Tensor:
    """Return an estimate of KL(policy || reference) for each token, in nats; all shapes alike.

    logprobs, ref_logprobs  of the tokens drawn, under the policy and under the reference
    """
    apart = ref_logprobs - logprobs
    if estimator == "k1":
        return -apart
    if estimator == "k2":
        return apart.square() / 2
    return torch.expm1(apart) - apart  # exp(d) - 1 - d as written loses all digits of a small d, and its sign
