"""When must a run stop, and what should be changed then? Each guard says so in words, naming the setting.

A run that a guard stops is left as its last checkpoint has it: after the change (or without one) the same command resumes it.

    guards = Guards(settings)
    guards.rewards(step, groups)              after the rewards: all None, or no group that teaches
    guards.update(step, loss, grad_norm)      before each weight update: what is not finite is never applied
    guards.drift(step, kl)                    after it: how far the policy is from the reference
    with out_of_memory(settings, "training"): around what may run out of memory
    kept = fitting(problems, encode, settings, tell)   before the first step: prompts that are too long

Everything raises TrainingStopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..records import Problem, Score
from .settings import Settings

__all__ = ["Guards", "TrainingStopped", "fitting", "out_of_memory"]


class TrainingStopped(RuntimeError):
    """A run cannot go on; the message says why, which setting to change, and that it can be resumed."""


class Guards:
    """The checks of one run; they count steps in a row, anew after a resume."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def rewards(self, step: int, groups: Sequence[Sequence[Score]]) -> None:
        """Look at the scores of a step, group by group."""

    def update(self, step: int, loss: float, grad_norm: float) -> None:
        """Look at the loss and the norm of the gradient of a weight update that is about to be made."""

    def drift(self, step: int, kl: float | None) -> None:
        """Look at the mean KL divergence from the reference, per token; None where there is no reference."""


def fitting(
    problems: Sequence[Problem],
    encode: Callable[[Problem], list[int]],
    settings: Settings,
    tell: Callable[[str], None],
    context: int | None = None,
) -> list[tuple[Problem, list[int]]]:
    """Return the problems whose prompt is short enough, each with its tokens; `tell` gets a notice of those left out.

    context  tokens that the model can take (prompt and completion), where it says
    """
    raise NotImplementedError


@contextmanager
def out_of_memory(settings: Settings, doing: str) -> Iterator[None]:
    """Turn the many errors of memory that ran out into one TrainingStopped; `doing` is "sampling" or "training"."""
    yield
