"""How likely is each token of some completions, for any causal language model? Through the model's own forward pass.

For families that `Decoder` does not know. The completions of a prompt become the rows of a batch, each with the prompt
in front, padded on the right: no token sees what is behind it, so padding changes nothing. Full logits are avoided where
the model's head is a plain linear layer with nothing before and nothing behind it, which is found out once by looking
through that door. Where the model does more (soft caps, scales, a bias), its own logits are used, for a few rows at a time.
Gradient checkpointing wraps the layers that transformers marks for it, without its detour over training mode, which
would switch dropout on.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from . import logprobs

__all__ = ["head_is_plain", "padded_logprobs"]

PROBE = 5  # tokens
HIGHEST = 300.0  # of the logits that are tried: no cap goes unseen

_plain_heads: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def padded_logprobs(
    model: Any,
    prompt: Sequence[int],
    completions: Sequence[Sequence[int]],
    temperature: float,
    *,
    checkpointed: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return log-probabilities and entropies (N,), in float32, of the N tokens of all completions, one after the other.

    model         of transformers, with or without peft's adapters, which are used unless they are disabled
    checkpointed  keep one tensor a layer for the backward pass, and compute the others again

    Each token's is conditioned on the prompt and on its own completion up to it. Completions may be empty; the prompt has
    at least one token, or ValueError is raised.
    """
    if not prompt:
        raise ValueError("the prompt is empty; the first token of a completion needs one before it")
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    device = causal.get_input_embeddings().weight.device
    written = [list(completion) for completion in completions if len(completion)]
    if not written:
        nothing = torch.zeros(0, device=device)
        return nothing, nothing
    start, longest = len(prompt), max(len(completion) for completion in written)
    width = start + longest - 1  # nothing follows a last token
    rows = torch.zeros(len(written), width, dtype=torch.long)
    there = torch.zeros_like(rows)
    for row, completion in enumerate(written):
        fed = [*prompt, *completion[:-1]]
        rows[row, : len(fed)] = torch.tensor(fed)
        there[row, : len(fed)] = 1
    rows, there = rows.to(device), there.to(device)
    before = there.bool()  # where a token of a completion is predicted
    before[:, : start - 1] = False
    targets = torch.tensor([token for completion in written for token in completion], device=device)
    if head_is_plain(causal):
        with _checkpointing(causal, checkpointed and torch.is_grad_enabled()):
            hidden = causal.base_model(input_ids=rows, attention_mask=there, use_cache=False).last_hidden_state
        return logprobs.token_logprobs(hidden[before], causal.get_output_embeddings().weight, targets, temperature)

    each = max(1, logprobs.BLOCK_BYTES // (4 * longest * causal.get_output_embeddings().weight.shape[0]))
    sizes = [sum(map(len, written[at : at + each])) for at in range(0, len(written), each)]
    again = torch.is_grad_enabled() and (checkpointed or len(sizes) > 1)  # or the graph would keep the logits of all
    parts = []
    for index, wanted in enumerate(targets.split(sizes)):
        here = slice(index * each, (index + 1) * each)
        given = (causal, rows[here], there[here], before[here], longest, wanted, temperature)
        parts.append(checkpoint(_own_logprobs, *given, use_reentrant=False) if again else _own_logprobs(*given))
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def _own_logprobs(
    causal: Any, rows: Tensor, there: Tensor, before: Tensor, longest: int, targets: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Do it with the logits that the model makes of some rows."""
    fewer = {"logits_to_keep": longest} if "logits_to_keep" in inspect.signature(causal.forward).parameters else {}
    logits = causal(input_ids=rows, attention_mask=there, use_cache=False, **fewer).logits
    every = torch.log_softmax(logits[before[:, -logits.shape[1] :]].float() / temperature, -1)
    entropies = -torch.linalg.vecdot(every.detach().exp(), every.detach())
    return every.gather(1, targets[:, None])[:, 0], entropies


@contextmanager
def _checkpointing(causal: Any, wanted: bool) -> Iterator[None]:
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [each for each in causal.modules() if wanted and isinstance(each, GradientCheckpointingLayer)]
    for layer in layers:
        layer.forward = functools.partial(checkpoint, layer.forward, use_reentrant=False)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # the class's own shows again


def head_is_plain(causal: Any) -> bool:
    """Return whether the logits are the last hidden states times the head's weight, and nothing else."""
    if causal not in _plain_heads:
        _plain_heads[causal] = _look(causal)
    return _plain_heads[causal]


@torch.no_grad()
def _look(causal: Any) -> bool:
    """Watch what goes into the head, and put something known in the place of what comes out."""
    head = causal.get_output_embeddings()
    if type(head) is not nn.Linear or head.bias is not None or causal.base_model is causal:
        return False
    tokens = torch.arange(1, PROBE + 1, device=head.weight.device)[None] % head.weight.shape[0]
    known = torch.linspace(-HIGHEST, HIGHEST, PROBE * head.weight.shape[0], device=head.weight.device)
    known = known.view(1, PROBE, -1).to(head.weight.dtype)
    went_in: list[Tensor] = []

    def watch(_: nn.Module, given: tuple[Tensor, ...], __: Tensor) -> Tensor:
        went_in.append(given[0])
        return known

    was_training = causal.training
    causal.eval()
    hook = head.register_forward_hook(watch)
    try:
        came_out = causal(input_ids=tokens, use_cache=False).logits
        hidden = causal.base_model(input_ids=tokens, use_cache=False).last_hidden_state
    finally:
        hook.remove()
        causal.train(was_training)
    return (
        len(went_in) == 1
        and went_in[0].shape == hidden.shape
        and torch.allclose(went_in[0].float(), hidden.float(), rtol=1e-2, atol=1e-4)
        and came_out.shape == known.shape
        and torch.equal(came_out.to(known.dtype), known)
    )
