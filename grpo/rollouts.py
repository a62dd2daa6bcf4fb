"""What does a rollout engine give? For each prompt a group of completions, as tokens.

Two engines keep this contract: `native_rollouts`, in this process, and `vllm_rollouts`, a server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Group", "Rollouts", "Sampling"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. temperature 0 takes the likeliest token (greedy); top_k 0 and min_p 0 are off."""

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    stop_strings: tuple[str, ...] = ()
    min_tokens: int = 0  # no completion ends before; benchmarks force lengths with it


@dataclass(frozen=True, slots=True)
class Group:
    """The completions of one prompt.

    prompt       token ids
    completions  token ids of each, with the end token where the model wrote it
    finished     of each: ended by an end token or a stop string, not cut off at max_tokens
    logprobs     of each, per token, as the engine saw them, at its temperature and before top-p, top-k and min-p;
                 None where the engine does not say
    """

    prompt: list[int]
    completions: list[list[int]]
    finished: list[bool]
    logprobs: list[list[float]] | None = None


class Rollouts(Protocol):
    """Samples from the policy as it was at the last refresh()."""

    def refresh(self) -> None:
        """Take over the policy's present weights."""

    def generate(self, prompts: list[list[int]], num_generations: int, sampling: Sampling, seed: int) -> list[Group]:
        """Return a group for each prompt, in order. The same seed and weights give the same tokens (native engine)."""

    def release(self) -> None:
        """Give back what is not needed until the next refresh(): the memory is training's then."""

    def close(self) -> None:
        """End it."""
