"""How are completions sampled in this process, without a server and without `generate`?

Each prompt is encoded once for its group, weights are fused and packed for the machine, rows that ended leave the batch,
and prompts of different lengths go together without padding. What does the forward pass is one of three engines:

    GroupCache    for the families that `Decoder` computes, on the CPU
    GraphCache    for the same on CUDA, each step replayed as a CUDA graph
    AnyModel      for every other causal model of transformers: its own forward pass and cache, with its adapters as they
                  are, so that it samples from the policy as it is, not as it was at the last refresh()
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from .any_model import AnyModel
from .cuda_graphs import GraphCache
from .free_memory import return_memory
from .group_cache import GroupCache
from .packed_weights import Form, choose_form
from .policy import Policy
from .rollout_model import RolloutModel
from .rollouts import Group, Sampling
from .sampling import Sampler, row_stream
from .stop_strings import StopStrings

__all__ = ["NativeRollouts"]

CACHE_BYTES = 1 << 30  # of keys and values at one time; prompts beyond that wait their turn
DROP = 8  # rows are dropped as soon as one in so many has ended: that costs a copy of the caches


class _Engine(Protocol):
    def start(self, prompts: list[list[int]], group: int) -> Tensor: ...
    def step(self, tokens: Tensor) -> Tensor: ...
    def keep(self, rows: Tensor) -> None: ...


class NativeRollouts:
    """Samples from the policy as it was at the last refresh(), the first of which happens by itself.

    keep  on a CPU, leave the base packed between rollouts, where that pays: adapters then lie beside it, a step takes a
          little longer, a refresh nothing, and release() gives nothing back but after a full fine-tune. False multiplies by
          the policy's own tensors. On a GPU adapters are merged into throw-away weights, which release() frees.
    form  of the weights; None lets the machine and `keep` decide
    """

    def __init__(self, policy: Policy, *, keep: bool = False, form: Form | None = None) -> None:
        self.policy = policy
        self.form: Form = form or choose_form(policy.device, policy.compute, copy=keep or policy.sharded)
        self.beside = not policy.sharded and (self.form == "shared" or (keep and self.form == "fp16"))
        self.model: RolloutModel | None = None

    def refresh(self) -> None:
        """Take over the policy's present weights."""
        if self.beside and self.model is not None and self.model.follow():
            return
        self.model = None  # before its successor is made
        decoder = self.policy.begin_sampling()
        if decoder is None:
            return
        self.model = RolloutModel(decoder, self.form, merge=not self.beside)
        return_memory(self.policy.device)  # the float32 copies of one layer after the other

    @torch.inference_mode()
    def generate(
        self, prompts: list[list[int]], num_generations: int, sampling: Sampling, seed: int, *, logprobs: bool = False
    ) -> list[Group]:
        """Return a group for each prompt, in order. The same seed and weights give the same tokens.

        Each completion has a random stream of its own, from the seed, the prompt's number in this call and its own.
        logprobs  also say how likely each token was
        Raises ValueError for a prompt without tokens, FloatingPointError for a policy that has diverged.
        """
        for number, prompt in enumerate(prompts):
            if not prompt:
                raise ValueError(f"prompt {number} has no tokens; a completion needs at least one to follow")
        if self.policy.decoder is not None and self.model is None:
            self.refresh()
        stops = StopStrings(self.policy.tokenizer, sampling.stop_strings)
        was_training = self.policy.model.training
        self.policy.model.eval()  # no dropout, where the model's own forward pass is used
        try:
            groups: list[Group] = []
            for first, some in self._portions(prompts, num_generations, sampling.max_tokens):
                batch = _Batch(self.policy, sampling, stops, logprobs)
                groups += batch.run(self._engine(sampling.max_tokens), first, some, num_generations, seed)
            return groups
        finally:
            self.policy.model.train(was_training)

    def release(self) -> None:
        """Give the weights back, unless they are the frozen base's and to be kept."""
        if self.model is not None and not (self.beside and self.model.follow()):
            self.model = None
        self.policy.end_sampling()
        return_memory(self.policy.device)

    def close(self) -> None:
        """Give all weights back."""
        self.model = None
        self.policy.end_sampling()
        return_memory(self.policy.device)

    def _engine(self, max_tokens: int) -> _Engine:
        if self.model is None:
            return AnyModel(self.policy.model, self.policy.device)
        if self.policy.device.type == "cuda":
            return GraphCache(self.model, max_tokens)
        return GroupCache(self.model, max_tokens)

    def _portions(self, prompts: list[list[int]], group: int, tokens: int) -> list[tuple[int, list[list[int]]]]:
        """Split the prompts so that the caches of what is sampled at one time stay within CACHE_BYTES."""
        decoder = self.policy.decoder
        if decoder is None:
            config = self.policy.model.config.get_text_config()
            width, layers = 2 * config.hidden_size, config.num_hidden_layers
        else:
            width, layers = 2 * decoder.kv_heads * decoder.head_size, len(decoder.layers)
        longest = max(map(len, prompts), default=0)
        each = group * (tokens + longest) * width * layers * self.policy.compute.itemsize
        at_once = max(1, CACHE_BYTES // max(1, each))
        return [(at, prompts[at : at + at_once]) for at in range(0, len(prompts), at_once)]


class _Batch:
    """The rows sampled at one time."""

    def __init__(self, policy: Policy, sampling: Sampling, stops: StopStrings, logprobs: bool) -> None:
        self.ends, self.device = policy.end_tokens, policy.device
        self.sampling, self.stops, self.logprobs = sampling, stops, logprobs
        self.sampler = Sampler(sampling, self.ends)

    def run(self, engine: _Engine, first: int, prompts: list[list[int]], group: int, seed: int) -> list[Group]:
        count = len(prompts) * group
        streams = [row_stream(seed, first + row // group, row % group) for row in range(count)]
        written: list[list[int]] = [[] for _ in range(count)]
        scores: list[list[float]] = [[] for _ in range(count)]
        finished = [False] * count
        present = list(range(count))  # rows that the engine computes; the ended ones among them are drawn in vain
        logits = engine.start(prompts, group) if self.sampling.max_tokens else None
        while logits is not None:
            length = len(written[next(row for row in present if not finished[row])])
            drawn, said = self.sampler.draw(logits, [streams[row] for row in present], length, logprobs=self.logprobs)
            tokens = drawn.tolist()
            for place, row in enumerate(present):
                if not finished[row]:
                    written[row].append(tokens[place])
                    finished[row] = self._ended(written[row])
            if said is not None:
                for row, score in zip(present, said.tolist(), strict=True):
                    scores[row].append(score)
            left = [place for place, row in enumerate(present) if not finished[row]]
            if not left or length + 1 == self.sampling.max_tokens:
                break
            if len(present) - len(left) >= max(1, len(present) // DROP):
                places = torch.tensor(left, device=self.device)
                engine.keep(places)
                present, drawn = [present[place] for place in left], drawn[places]
            logits = engine.step(drawn)
        return [
            Group(
                prompt=list(prompt),
                completions=written[at : at + group],
                finished=finished[at : at + group],
                logprobs=[scores[row][: len(written[row])] for row in range(at, at + group)] if self.logprobs else None,
            )
            for at, prompt in zip(range(0, count, group), prompts, strict=True)
        ]

    def _ended(self, tokens: list[int]) -> bool:
        return len(tokens) >= self.sampling.min_tokens and (tokens[-1] in self.ends or self.stops.ended(tokens))
