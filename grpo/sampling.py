"""Which token comes next? One draw a row, each row from a random stream of its own.

No sorting of the vocabulary: a token is found by its place on the line of cumulated weights exp((logit - highest) /
temperature), block by block, then within its block. What top-p leaves out is found by trying: a token belongs to the
nucleus if all likelier tokens together weigh less than top-p, which is one pass over the row; where the drawn token does
not, it and all that are no likelier are struck out and another is drawn. That is exact, and for top-p 0.95 it takes one
draw in 19 cases of 20.

The order is that of transformers: temperature, top-k, top-p of what is left, min-p. Tokens as likely as the last one
inside are inside, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import torch
from torch import Tensor

from .rollouts import Sampling

__all__ = ["Sampler", "draw_token", "in_nucleus", "row_stream"]

BLOCK = 256  # of the vocabulary: weights are summed within, then cumulated over


def row_stream(seed: int, prompt: int, completion: int) -> Random:
    """Return the random stream of one completion: it depends on these numbers alone, not on the batch."""
    return Random(f"{seed}/{prompt}/{completion}")


class Sampler:
    """Draws the tokens of a batch.

    sampling    how
    end_tokens  those that may not come before sampling.min_tokens
    """

    def __init__(self, sampling: Sampling, end_tokens: Iterable[int]) -> None:
        self.sampling = sampling
        self.ends = sorted(end_tokens)

    def draw(
        self, logits: Tensor, streams: list[Random], length: int, *, logprobs: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return the tokens (rows,), and if asked their log-probabilities at the temperature, before all filters.

        logits   (rows, vocabulary), float32; overwritten
        streams  of each row
        length   tokens that the completions have already
        Raises FloatingPointError for logits that are not numbers.
        """
        how = self.sampling
        every = None
        if logprobs:
            every = torch.logsumexp(logits / how.temperature if how.temperature not in (0, 1) else logits, -1)
        if length < how.min_tokens:
            logits[:, self.ends] = -torch.inf
        if how.temperature == 0:
            chosen, tokens = logits.max(-1)
            if not bool(chosen.isfinite().all()):
                raise _not_numbers()
        else:
            highest = logits.amax(-1)
            if 0 < how.top_k < logits.shape[1]:
                weights, tokens = self._among_highest(logits, streams)
            else:
                weights, tokens = self._among_all(logits, streams)
            # the drawn token's logit at the temperature, regained from its weight
            chosen = weights.log() + (highest / how.temperature)
        return tokens, None if every is None else chosen - every

    def _among_highest(self, logits: Tensor, streams: list[Random]) -> tuple[Tensor, Tensor]:
        """Draw among the top_k highest logits, which come sorted. Return weights (rows,) and tokens (rows,)."""
        how = self.sampling
        highest, places = logits.topk(how.top_k)
        weights = _weights(highest, how.temperature)
        if how.top_p < 1:
            cumulated = weights.cumsum(-1, dtype=torch.float64)
            before = torch.searchsorted(-weights, -weights)  # how many are likelier
            before = torch.nn.functional.pad(cumulated, (1, 0)).gather(1, before)
            weights = weights * (before < how.top_p * cumulated[:, -1:])
        if how.min_p > 0:
            weights = weights * (weights >= how.min_p)
        place = _place(weights.double().cumsum(-1), _uniform(streams, logits.device))
        return weights.gather(1, place)[:, 0], places.gather(1, place)[:, 0]

    def _among_all(self, logits: Tensor, streams: list[Random]) -> tuple[Tensor, Tensor]:
        """Draw among all tokens that top-p and min-p leave. Return weights (rows,) and tokens (rows,)."""
        how = self.sampling
        weights = _weights(logits, how.temperature)
        total = weights.sum(-1) if how.top_p < 1 else None
        if how.min_p > 0:
            weights.mul_(weights >= how.min_p)
        tokens = draw_token(weights, _uniform(streams, weights.device))
        left = torch.arange(len(streams), device=weights.device)  # rows whose token may lie outside the nucleus
        while total is not None:
            here, drawn = weights[left] if len(left) < len(streams) else weights, tokens[left]
            out = ~in_nucleus(here, drawn, how.top_p, total[left])
            if not bool(out.any()):
                break
            here, drawn, left = here[out], drawn[out], left[out]
            here = torch.where(here > here.gather(1, drawn[:, None]), here, 0)
            weights[left] = here
            tokens[left] = draw_token(here, _uniform([streams[row] for row in left.tolist()], here.device))
        return weights.gather(1, tokens[:, None])[:, 0], tokens


def in_nucleus(weights: Tensor, tokens: Tensor, top_p: float, total: Tensor) -> Tensor:
    """Return (rows,) booleans: do all tokens likelier than this one weigh less than top_p of the total (rows,)?"""
    own = weights.gather(1, tokens[:, None])
    return torch.where(weights > own, weights, 0).sum(-1) < top_p * total


def draw_token(weights: Tensor, uniform: Tensor) -> Tensor:
    """Return for each row the token on which the number falls, each token being as wide as its weight.

    weights  (rows, vocabulary), none negative, not all zero
    uniform  (rows,) in [0, 1), float64
    Raises FloatingPointError for weights that are not numbers.
    """
    rows, size = weights.shape
    if size % BLOCK:
        weights = torch.nn.functional.pad(weights, (0, -size % BLOCK))
    blocks = weights.view(rows, -1, BLOCK)
    sums = blocks.sum(-1).double()
    cumulated = sums.cumsum(-1)
    block = _place(cumulated, uniform)
    # how far into the block, as a share of it: uniform again
    width = sums.gather(1, block)
    rest = (uniform[:, None] * cumulated[:, -1:] - cumulated.gather(1, block) + width) / width
    inside = blocks.gather(1, block[:, :, None].expand(-1, -1, BLOCK))[:, 0]
    return (block * BLOCK + _place(inside.double().cumsum(-1), rest[:, 0].clamp(0, 1)))[:, 0]


def _place(cumulated: Tensor, uniform: Tensor) -> Tensor:
    """Return (rows, 1): the first place where the cumulated weights exceed that share of them; its weight is not 0."""
    total = cumulated[:, -1:]
    if not bool((total.isfinite() & (total > 0)).all()):
        raise _not_numbers()
    share = torch.minimum(uniform[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulated, share, right=True)


def _weights(logits: Tensor, temperature: float) -> Tensor:
    logits.sub_(logits.amax(-1, keepdim=True))
    if temperature != 1:
        logits.div_(temperature)
    return logits.exp_()


def _uniform(streams: list[Random], device: torch.device) -> Tensor:
    return torch.tensor([stream.random() for stream in streams], dtype=torch.float64, device=device)


def _not_numbers() -> FloatingPointError:
    return FloatingPointError(
        "the policy's logits are not numbers: its weights have diverged; lower learning_rate, or resume from an earlier "
        "checkpoint"
    )
