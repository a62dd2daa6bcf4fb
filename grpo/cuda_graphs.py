"""How is a step of sampling kept from waiting for Python on a GPU? It is recorded once and replayed: a CUDA graph.

A graph wants the same shapes and addresses each time, so here every row has keys and values for its prompt and all it may
write, in one static cache, with a mask that grows by one column a step. Rows that ended are dropped when half are left:
then the caches are halved and the step is recorded anew. Where recording fails, steps run without, after one warning.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torch.nn import functional

from .group_cache import GroupCache
from .rollout_model import RolloutModel

__all__ = ["GraphCache"]

WARM = 3  # steps before the recording: libraries choose and allocate in the first ones


class GraphCache:
    """Decodes groups of completions with a RolloutModel, in steps of static shape.

    model     what computes
    capacity  tokens of each completion that are fed back, at most
    """

    _told = False

    def __init__(self, model: RolloutModel, capacity: int) -> None:
        self.model, self.capacity = model, capacity
        self.device = model.norm.device
        self.graph: torch.cuda.CUDAGraph | None = None

    @torch.inference_mode()
    def start(self, prompts: list[list[int]], group: int) -> Tensor:
        """Encode each prompt once. Return the logits (prompts * group, vocabulary) of the first tokens."""
        encoded = GroupCache(self.model, 0)
        logits = encoded.start(prompts, group)
        lengths = torch.tensor(encoded.lengths, device=self.device).repeat_interleave(group)
        self.before, rows = max(encoded.lengths), len(lengths)
        width = self.before + self.capacity
        shape = (2, len(self.model.layers), rows, self.model.kv_heads, width, self.model.size)
        self.cache = torch.zeros(shape, dtype=self.model.compute, device=self.device)
        for layer, prompts_of_layer in enumerate(encoded.prompts):
            for number, pair in enumerate(prompts_of_layer):
                for kind, each in enumerate(pair):
                    self.cache[kind, layer, number * group : (number + 1) * group, :, : each.shape[1]] = each
        self.seen = torch.arange(width, device=self.device) < lengths[:, None]  # (rows, width)
        self.positions = lengths
        self.column = torch.tensor([self.before], device=self.device)
        self.places = torch.arange(rows, device=self.device)  # where the rows that are left lie among those computed
        self.fed = torch.zeros(rows, dtype=torch.long, device=self.device)
        return logits

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        """Return the logits (rows, vocabulary) after one more token (rows,)."""
        self.fed[self.places] = tokens
        if self.graph is None and self.device.type == "cuda":
            self._record()
        if self.graph is None:
            self._advance()
        else:
            self.graph.replay()
        return self.logits[self.places]

    @torch.inference_mode()
    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone: their numbers (kept,), ascending."""
        self.places = self.places[rows]
        if 2 * len(self.places) > len(self.fed):
            return
        self.cache, self.seen = self.cache[:, :, self.places], self.seen[self.places]
        self.positions, self.fed = self.positions[self.places], self.fed[self.places]
        self.places = torch.arange(len(self.fed), device=self.device)
        self.graph = None

    def _advance(self) -> None:
        """Compute one step from the static tensors into the static tensors; nothing here waits for the device."""
        self.seen.index_fill_(1, self.column, True)
        self.logits = self.model.logits(self.model.hidden(self.fed, self.positions, self._attend))
        self.positions += 1
        self.column += 1

    def _attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        keys, values = self.cache[0, layer], self.cache[1, layer]
        keys.index_copy_(2, self.column, k[:, :, None])
        values.index_copy_(2, self.column, v[:, :, None])
        shared = q.shape[1] // self.model.kv_heads
        y = functional.scaled_dot_product_attention(
            q.unflatten(1, (-1, shared)), keys, values, attn_mask=self.seen[:, None, None], scale=1.0
        )
        return y.reshape(len(q), -1)

    def _record(self) -> None:
        """Record a step, which leaves everything as it was before."""
        positions, column, seen = self.positions.clone(), self.column.clone(), self.seen.clone()
        try:
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(WARM):
                    self._advance()
                    self._restore(positions, column, seen)
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._advance()
            self.graph = graph
        except RuntimeError as error:
            if not GraphCache._told:
                GraphCache._told = True
                warnings.warn(f"sampling goes without CUDA graphs, which is slower: {error}", stacklevel=2)
        self._restore(positions, column, seen)

    def _restore(self, positions: Tensor, column: Tensor, seen: Tensor) -> None:
        self.positions.copy_(positions)
        self.column.copy_(column)
        self.seen.copy_(seen)
