"""How are completions sampled from a model whose family we don't compute ourselves?

With the model's own forward pass and the cache that transformers makes for it. Prompts of one length are encoded together,
once for their group, and the cache is then repeated for its rows; prompts of another length make a batch of their own,
because padding is not right for every kind of model. A model without such a cache goes over all its tokens at each step.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["AnyModel"]


@dataclass(slots=True)
class _Batch:
    """Rows whose prompts have one length: where they lie among all, what they fed so far, and the model's cache of it."""

    rows: Tensor
    tokens: Tensor  # (rows, length)
    cache: Any


class AnyModel:
    """Decodes groups of completions with any causal language model of transformers, which must be in eval mode."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self.model, self.device = model, device
        self.batches: list[_Batch] = []
        causal = model.get_base_model() if hasattr(model, "get_base_model") else model
        known = inspect.signature(causal.forward).parameters
        self.cache_name = next((name for name in ("past_key_values", "cache_params") if name in known), None)
        self.last_alone = {"logits_to_keep": 1} if "logits_to_keep" in known else {}

    @torch.inference_mode()
    def start(self, prompts: list[list[int]], group: int) -> Tensor:
        """Encode each prompt once. Return the logits (prompts * group, vocabulary) of the first tokens."""
        parts = []
        for length in sorted(set(map(len, prompts))):
            numbers = [number for number, prompt in enumerate(prompts) if len(prompt) == length]
            tokens = torch.tensor([prompts[number] for number in numbers], device=self.device)
            batch = _Batch(torch.tensor(numbers, device=self.device), tokens, None)
            logits = self._forward(batch)
            each = torch.arange(len(numbers), device=self.device).repeat_interleave(group)
            _select(batch, each)
            batch.rows = batch.rows * group + torch.arange(group, device=self.device).repeat(len(numbers))
            self.batches.append(batch)
            parts.append(logits[each])
        return self._in_order(parts)

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        """Return the logits (rows, vocabulary) after one more token (rows,)."""
        parts = []
        for batch in self.batches:
            batch.tokens = torch.cat((batch.tokens, tokens[batch.rows, None]), 1)
            parts.append(self._forward(batch))
        return self._in_order(parts)

    @torch.inference_mode()
    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone: their numbers (kept,), ascending."""
        left = []
        for batch in self.batches:
            mine = torch.isin(batch.rows, rows)
            if not bool(mine.any()):
                continue
            if not bool(mine.all()):
                _select(batch, mine.nonzero()[:, 0])
            batch.rows = torch.searchsorted(rows, batch.rows)
            left.append(batch)
        self.batches = left

    def _forward(self, batch: _Batch) -> Tensor:
        """Feed what the cache does not hold yet. Return the logits (rows, vocabulary) of the next tokens."""
        fed: dict[str, Any] = {"input_ids": batch.tokens, "use_cache": self.cache_name is not None, **self.last_alone}
        if batch.cache is not None and self.cache_name is not None:
            fed |= {"input_ids": batch.tokens[:, -1:], self.cache_name: batch.cache}
        given = self.model(**fed)
        batch.cache = getattr(given, self.cache_name or "", None)
        if not hasattr(batch.cache, "reorder_cache"):
            batch.cache = None  # none that could be repeated
        logits: Tensor = given.logits[:, -1].float()
        return logits

    def _in_order(self, parts: list[Tensor]) -> Tensor:
        logits = parts[0].new_empty(sum(map(len, parts)), parts[0].shape[1])
        for batch, part in zip(self.batches, parts, strict=True):
            logits[batch.rows] = part
        return logits


def _select(batch: _Batch, places: Tensor) -> None:
    """Make the batch that of these rows of it, which may come several times."""
    batch.rows, batch.tokens = batch.rows[places], batch.tokens[places]
    if batch.cache is not None:
        batch.cache.reorder_cache(places)
