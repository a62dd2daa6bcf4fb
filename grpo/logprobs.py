r"""How likely is each token of some completions, when they share a prompt?

The prompt is computed once for its whole group, in the layout `[prompt | c1 | .. | cG]` without padding, and every
completion attends to the prompt and to itself. Full logits never exist: `token_logprobs` goes over the vocabulary in
blocks with a running maximum, as attention does over keys (Milakov and Gimelshein 2018), and takes along the mean row of
the head under the softmax. That is all the backward pass needs, because for h the hidden state and t the token

    d log p(t) / dh = (W[t] - sum_v p(v) W[v]) / temperature

whatever loss the log-probability goes into. Two products with the head instead of three, and memory for one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .decoder import Attend, Decoder

__all__ = ["causal_attention", "group_logprobs", "prefix_attention", "token_logprobs"]

BLOCK_BYTES = 16 << 20  # of logits at one time; twice that is at work


class _TokenLogprobs(torch.autograd.Function):
    """log softmax(h W' / temperature)[token], and the entropy of that distribution."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, tokens: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        rows, vocabulary = hidden.shape[0], head.shape[0]
        block = max(256, min(vocabulary, BLOCK_BYTES // (4 * max(1, rows))))
        with_gradient = ctx.needs_input_grad[0]
        highest = torch.full((rows,), -torch.inf, device=hidden.device)
        total = torch.zeros(rows, device=hidden.device)  # sum of exp(logit - highest)
        first = torch.zeros(rows, device=hidden.device)  # sum of exp(logit - highest) * (logit - highest)
        chosen = torch.zeros(rows, device=hidden.device)
        mean = torch.zeros_like(hidden, dtype=torch.float32) if with_gradient else None
        for start in range(0, vocabulary, block):
            weight = head[start : start + block].to(hidden.dtype)
            logits = (hidden @ weight.t()).float()
            if temperature != 1.0:
                logits.div_(temperature)
            inside = (tokens >= start) & (tokens < start + weight.shape[0])
            place = (tokens - start).clamp(0, weight.shape[0] - 1)[:, None]
            chosen = torch.where(inside, logits.gather(1, place)[:, 0], chosen)
            higher = torch.maximum(highest, logits.amax(-1))
            below = highest - higher
            shrink = torch.exp(below)
            first = (first + below.nan_to_num(neginf=0.0) * total) * shrink
            total = total * shrink
            highest = higher
            powers = torch.exp(logits.sub_(highest[:, None]))
            total += powers.sum(-1)
            first += torch.bmm(powers[:, None], logits[:, :, None])[:, 0, 0]
            if mean is not None:
                mean.mul_(shrink[:, None]).add_(powers.to(hidden.dtype) @ weight)
            del logits, powers
        normalizer = highest + total.log()
        if mean is not None:
            mean.div_(-total[:, None]).add_(head[tokens]).div_(temperature)
            ctx.save_for_backward(mean.to(hidden.dtype))
        entropy = total.log() - first / total
        ctx.mark_non_differentiable(entropy)
        return chosen - normalizer, entropy

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return slope * grads[0][:, None].to(slope.dtype), None, None, None


def token_logprobs(hidden: Tensor, head: Tensor, tokens: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return log-probabilities of tokens (N,) after hidden states (N, hidden), and entropies (N,), both in float32.

    head  (vocabulary, hidden). Where it is trained too, rows go in slices whose logits are computed again backward.
    """
    if not (head.requires_grad and torch.is_grad_enabled()):
        return _TokenLogprobs.apply(hidden, head, tokens, temperature)
    from torch.utils.checkpoint import checkpoint

    rows = max(1, BLOCK_BYTES // (4 * head.shape[0]))
    parts = [
        checkpoint(
            _plain_logprobs, hidden[at : at + rows], head, tokens[at : at + rows], temperature, use_reentrant=False
        )
        for at in range(0, len(tokens), rows)
    ]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def _plain_logprobs(hidden: Tensor, head: Tensor, tokens: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    every = torch.log_softmax((hidden @ head.to(hidden.dtype).t()).float() / temperature, -1)
    entropy = -torch.linalg.vecdot(every.detach().exp(), every.detach())
    return every.gather(1, tokens[:, None])[:, 0], entropy


def causal_attention(_: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend within one sequence, each token to itself and those before it."""
    grouped = q.shape[1] != k.shape[1]
    q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
    y = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
    return y[0].transpose(0, 1)


def prefix_attention(prompt: int, lengths: Sequence[int], device: torch.device) -> Attend:
    """Return the attention of `[prompt | c1 | .. | cG]`: each completion sees the prompt and itself.

    prompt   tokens of the prompt; lengths, of each completion. They lie packed, one after the other.
    """
    longest = max(lengths, default=0)
    if not longest:
        return causal_attention
    sizes = torch.tensor(lengths, device=device)
    starts = prompt + sizes.cumsum(0) - sizes
    column = torch.arange(longest, device=device)
    there = column < sizes[:, None]  # (G, longest)
    place = torch.where(there, starts[:, None] + column, 0)
    seen = column[:, None] >= torch.arange(-prompt, longest, device=device)  # (longest, prompt + longest)

    def attend(index: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        group = len(lengths)
        keys, values = (
            torch.cat((x[:prompt].expand(group, *x[:prompt].shape), x[place]), 1).transpose(1, 2) for x in (k, v)
        )
        y = functional.scaled_dot_product_attention(
            q[place].transpose(1, 2), keys, values, attn_mask=seen, enable_gqa=q.shape[1] != k.shape[1]
        )
        before = causal_attention(index, q[:prompt], k[:prompt], v[:prompt])
        return torch.cat((before, y.transpose(1, 2)[there]))

    return attend


def group_logprobs(
    decoder: Decoder,
    prompt: Sequence[int],
    completions: Sequence[Sequence[int]],
    temperature: float,
    *,
    adapted: bool = True,
    checkpointed: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return log-probabilities and entropies (N,) of the N tokens of all completions, one completion after the other.

    Each token's is conditioned on the prompt and on its own completion up to it. Completions may be empty; the prompt has
    at least one token, or ValueError is raised.
    """
    if not prompt:
        raise ValueError("the prompt is empty; the first token of a completion needs one before it")
    device = decoder.embedding.device
    fed = [list(completion[:-1]) for completion in completions]  # nothing follows a last token
    lengths = [len(each) for each in fed]
    tokens = torch.tensor([*prompt, *(token for each in fed for token in each)], device=device)
    start = len(prompt)
    positions = torch.cat([torch.arange(start), *(torch.arange(start, start + size) for size in lengths)]).to(device)
    attend = prefix_attention(start, lengths, tokens.device)
    hidden = decoder.hidden(tokens, positions, attend, adapted=adapted, checkpointed=checkpointed)
    before: list[int] = []  # for each token of a completion, where the hidden state lies that predicts it
    at = start
    for completion, size in zip(completions, lengths, strict=True):
        before += [start - 1, *range(at, at + size)] if completion else []
        at += size
    targets = torch.tensor(
        [token for completion in completions for token in completion], device=device, dtype=torch.long
    )
    return token_logprobs(
        hidden[torch.tensor(before, device=device, dtype=torch.long)], decoder.head, targets, temperature
    )
