"""How does the policy learn from what was sampled? One weight update: forward and backward passes, then AdamW.

A pass takes per_device_train_batch_size completions. Those of one prompt go through the model together, as one packed
sequence, and are done with, memory and all, before the next prompt's: the loss is a sum over tokens, so its parts add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .distributed import gather_rows, process_count, reduce_gradients
from .experience import Experience
from .free_memory import return_memory
from .guards import Guards, out_of_memory
from .losses import Tally, per_token, policy_loss, token_weights, tokens_per_update
from .policy import Policy
from .schedule import learning_rate_at
from .settings import Settings

__all__ = ["Learner"]

Part = tuple[Experience, int, int]  # completions first .. last of a group


class Learner:
    """Holds the optimizer, and makes updates."""

    def __init__(self, policy: Policy, settings: Settings, guards: Guards) -> None:
        self.policy = policy
        self.settings = settings
        self.guards = guards
        # As in transformers: biases and norms, which are vectors, are not drawn towards 0.
        matrices = [each for each in policy.trainable.values() if each.ndim > 1]
        vectors = [each for each in policy.trainable.values() if each.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}],
            lr=settings.learning_rate,
            betas=(settings.adam_beta1, settings.adam_beta2),
            eps=settings.adam_epsilon,
            weight_decay=settings.weight_decay,
        )

    def update(self, step: int, passes: Sequence[Sequence[Part]], tokens: float) -> dict[str, float]:
        """Make weight update `step`, counted from 1, and return its figures.

        passes  of completions, as `passes_of` cuts them; tokens: kept ones that all processes sampled at one time

        Raises TrainingStopped, with the weights as they were, if the loss or the gradient is not finite.
        """
        settings, policy = self.settings, self.policy
        per_update = tokens_per_update(
            tokens,
            processes=process_count(),
            accumulate=settings.gradient_accumulation_steps,
            passes=settings.passes_per_generation,
        )
        self.optimizer.zero_grad(set_to_none=True)
        corrected = any(group.engine is not None for each in passes for group, _, _ in each)
        tallies = [Tally.empty(policy.device).values[None]]
        idle = policy.idle_passes(sum(bool(self._learnt(part)) for each in passes for part in each))
        with out_of_memory(settings, "training"):
            for each in passes:
                tallies += [
                    self._backward(part, weights).values[None] for part, weights in self._weighed(each, per_update)
                ]
            for _ in range(idle):
                policy.idle()
        if not policy.sharded:  # whose backward passes have done so
            reduce_gradients(policy.trainable.values())
        norm = self._clipped_norm()
        figures = Tally.total(gather_rows(torch.cat([Tally.total(torch.cat(tallies)).values[None]]))).means()
        figures["loss"] /= process_count()
        self.guards.update(step, figures["loss"], norm)
        rate = learning_rate_at(step, settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return_memory(policy.device)
        return {
            "loss": figures["loss"],
            **({"kl": figures["kl"]} if settings.beta > 0 else {}),
            "entropy": figures["entropy"],
            "grad_norm": norm,
            "learning_rate": rate,
            "clip_ratio/low_mean": figures["clip_low"],
            "clip_ratio/high_mean": figures["clip_high"],
            "clip_ratio/region_mean": figures["clip_low"] + figures["clip_high"],
            "ratio/mean": figures["ratio_mean"],
            "ratio/max": figures["ratio_max"],
            **({"sampling/importance_sampling_ratio/mean": figures["engine_correction"]} if corrected else {}),
        }

    def _weighed(self, parts: Sequence[Part], per_update: float) -> Iterator[tuple[Part, Tensor]]:
        """Yield the parts of one pass, each with the weights of its tokens (N,)."""
        settings = self.settings
        lengths = [[len(c) for c in group.completions[first:last]] for group, first, last in parts]
        weights = token_weights(
            settings.loss_type,
            [length for each in lengths for length in each],
            [keep for group, first, last in parts for keep in group.kept[first:last]],
            max_completion_length=settings.max_completion_length,
            tokens_in_update=per_update,
            accumulate=settings.gradient_accumulation_steps,
            device=self.policy.device,
        )
        yield from zip(parts, weights.split([sum(each) for each in lengths]), strict=True)

    def _backward(self, part: Part, weights: Tensor) -> Tally:
        """Add the gradient of some completions of one prompt."""
        settings = self.settings
        group, first, last = part
        learnt = self._learnt(part)
        if not learnt:
            return Tally.empty(self.policy.device)
        completions = [group.completions[place] for place in learnt]
        lengths = [len(completion) for completion in completions]
        advantages = torch.tensor([group.advantages[place] for place in learnt], device=self.policy.device)
        logprobs, entropies = self.policy.logprobs(group.prompt, completions, settings.temperature)
        loss, tally = policy_loss(
            logprobs,
            _picked(group.old, group.completions, learnt),
            _picked(group.reference, group.completions, learnt),
            per_token(advantages, lengths),
            _picked(weights, group.completions[first:last], [place - first for place in learnt]),
            lengths,
            settings,
            entropies,
            _picked(group.engine, group.completions, learnt),
        )
        loss.backward()
        return tally

    def _learnt(self, part: Part) -> list[int]:
        """Return which completions of a part have a gradient, by their places in the group."""
        group, first, last = part
        return [place for place in range(first, last) if group.teaches(place, self.settings.beta)]

    def _clipped_norm(self) -> float:
        """Scale the gradient to max_grad_norm at most; return its norm before."""
        highest = self.settings.max_grad_norm or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(list(self.policy.trainable.values()), highest)
        return float(self.policy.gathered(norm))


def passes_of(experiences: Sequence[Experience], size: int) -> list[list[Part]]:
    """Cut the completions of some groups, in their order, into passes of `size` completions each."""
    passes: list[list[Part]] = []
    room = 0
    for group in experiences:
        first = 0
        while first < len(group.completions):
            if not room:
                passes.append([])
                room = size
            last = min(len(group.completions), first + room)
            passes[-1].append((group, first, last))
            room -= last - first
            first = last
    return passes


def _picked(packed: Tensor | None, completions: Sequence[Sequence[int]], wanted: Sequence[int]) -> Tensor | None:
    """Return what belongs to the wanted ones of a tensor that is packed completion after completion."""
    if packed is None or len(wanted) == len(completions):
        return packed
    pieces = packed.split([len(completion) for completion in completions])
    return torch.cat([pieces[place] for place in wanted])
