"""Where do keys and values lie while groups are sampled, and how does a step attend to them?

The prompt of a group lies there once: the queries of all its rows meet its keys in one product. Each row has besides a
static cache of its own for what it wrote. One softmax goes over the scores of both, so nothing has to be reconciled.
Caches lie by key head first, which makes every product a plain batch of matrices without copies.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from .logprobs import causal_attention
from .rollout_model import Attend, RolloutModel

__all__ = ["GroupCache"]

CHUNK = 2048  # tokens of prompts that are encoded at one time, unless one prompt has more


class GroupCache:
    """Decodes groups of completions with a RolloutModel, on the CPU.

    model     what computes
    capacity  tokens of each completion that are fed back, at most
    """

    def __init__(self, model: RolloutModel, capacity: int) -> None:
        self.model, self.capacity, self.device = model, capacity, model.norm.device
        self.prompts: list[list[tuple[Tensor, Tensor]]] = [[] for _ in model.layers]  # [layer][prompt] (kv, P, size)
        self.lengths: list[int] = []  # of the prompts
        self.rows: list[int] = []  # of each prompt, those still sampled
        self.written: list[tuple[Tensor, Tensor]] = []  # [layer] (kv heads, rows, capacity, size)
        self.filled = 0
        self.positions = torch.empty(0, dtype=torch.long)

    @torch.inference_mode()
    def start(self, prompts: list[list[int]], group: int) -> Tensor:
        """Encode each prompt once. Return the logits (prompts * group, vocabulary) of the first tokens."""
        model = self.model
        last = []
        for some in _chunks(prompts, CHUNK):
            lengths = [len(prompt) for prompt in some]
            tokens = torch.tensor([token for prompt in some for token in prompt], device=self.device)
            positions = torch.cat([torch.arange(length, device=self.device) for length in lengths])
            hidden = model.hidden(tokens, positions, self._encode(lengths))
            last.append(hidden[torch.tensor(lengths, device=self.device).cumsum(0) - 1])
        self.lengths = [len(prompt) for prompt in prompts]
        self.rows = [group] * len(prompts)
        shape = (model.kv_heads, len(prompts) * group, self.capacity, model.size)
        self.written = [(self._empty(shape), self._empty(shape)) for _ in model.layers]
        self.positions = torch.tensor(self.lengths, device=self.device).repeat_interleave(group)
        return model.logits(torch.cat(last)).repeat_interleave(group, 0)

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        """Return the logits (rows, vocabulary) after one more token (rows,)."""
        hidden = self.model.hidden(tokens, self.positions, self._attend)
        self.filled += 1
        self.positions += 1
        return self.model.logits(hidden)

    @torch.inference_mode()
    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone: their numbers (kept,), ascending."""
        group_of = torch.tensor([number for number, count in enumerate(self.rows) for _ in range(count)])
        self.rows = torch.bincount(group_of[rows], minlength=len(self.rows)).tolist()
        self.positions = self.positions[rows]
        for index, pair in enumerate(self.written):
            smaller = []
            for each in pair:
                new = self._empty((each.shape[0], len(rows), *each.shape[2:]))
                torch.index_select(each[:, :, : self.filled], 1, rows, out=new[:, :, : self.filled])
                smaller.append(new)
            self.written[index] = (smaller[0], smaller[1])

    def _empty(self, shape: tuple[int, ...]) -> Tensor:
        return torch.empty(shape, dtype=self.model.compute, device=self.device)  # pages are taken as they are written

    def _encode(self, lengths: list[int]) -> Attend:
        """Return the attention within prompts that lie one after the other; it keeps their keys and values."""
        root = self.model.size**0.5  # queries come scaled, and causal_attention scales

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            parts = []
            for queries, keys, values in zip(*(x.split(lengths) for x in (q * root, k, v)), strict=True):
                parts.append(causal_attention(layer, queries, keys, values).flatten(1))
                self.prompts[layer].append((keys.transpose(0, 1).contiguous(), values.transpose(0, 1).contiguous()))
            return torch.cat(parts)

        return attend

    def _attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from one new token of each row to its prompt and to what it wrote."""
        kv_heads, size, rows = self.model.kv_heads, self.model.size, len(q)
        shared = q.shape[1] // kv_heads  # query heads of a key head
        keys, values = self.written[layer]
        keys[:, :, self.filled] = k.transpose(0, 1)
        values[:, :, self.filled] = v.transpose(0, 1)
        keys, values = (x.view(kv_heads * rows, -1, size)[:, : self.filled + 1] for x in (keys, values))
        q = q.unflatten(1, (kv_heads, shared)).transpose(0, 1).reshape(kv_heads, rows * shared, size)
        before = max(self.lengths)
        scores = q.new_empty(kv_heads, rows * shared, before + self.filled + 1)
        for at, to, length, (prompt_keys, _) in self._groups(layer, shared):
            scores[:, at:to, :length] = torch.bmm(q[:, at:to], prompt_keys.transpose(1, 2))
            if length < before:
                scores[:, at:to, length:before] = -torch.inf
        each = scores.view(kv_heads * rows, shared, -1)
        each[:, :, before:] = torch.bmm(q.view(kv_heads * rows, shared, size), keys.transpose(1, 2))
        shares = torch.softmax(scores, -1, dtype=torch.float32).to(q.dtype)
        y = torch.empty_like(q)
        for at, to, length, (_, prompt_values) in self._groups(layer, shared):
            y[:, at:to] = torch.bmm(shares[:, at:to, :length], prompt_values)  # with out= it goes matrix by matrix
        y.view(kv_heads * rows, shared, size).baddbmm_(shares.view(each.shape)[:, :, before:], values)
        return y.view(kv_heads, rows, shared, size).transpose(0, 1).reshape(rows, -1)

    def _groups(self, layer: int, shared: int) -> list[tuple[int, int, int, tuple[Tensor, Tensor]]]:
        """Return of each prompt: from and to which query its rows reach, its length, its keys and values."""
        ends = list(itertools.accumulate(rows * shared for rows in self.rows))
        starts = [0, *ends[:-1]]
        return [each for each in zip(starts, ends, self.lengths, self.prompts[layer], strict=True) if each[0] < each[1]]


def _chunks(prompts: list[list[int]], size: int) -> list[list[list[int]]]:
    """Split into runs of prompts that have no more than size tokens together, or are one."""
    chunks: list[list[list[int]]] = []
    left = 0
    for prompt in prompts:
        if not chunks or len(prompt) > left:
            chunks.append([])
            left = size
        chunks[-1].append(prompt)
        left -= len(prompt)
    return chunks
