"""How good is the policy on problems that it was not trained on? Greedy exact answers, and pass@k from n samples.

evaluator = Evaluator(recipe, reward, rollouts, tokenizer, end_tokens, log)
evaluator.at(step)      called with the step that the run starts from, and after each step: evaluates where it is due
                        (before the first step, each eval.steps, after the last one) and not yet in the log
response_text(tokens, tokenizer, end_tokens)   the text that verifiers see, the same in training
judge(reward, pairs)                           scores of (response, problem) pairs, in order, in threads
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..records import Problem, Score

if TYPE_CHECKING:
    from ..verifiers.reward import Reward
    from .metrics import RunLog
    from .recipe import Recipe
    from .rollouts import Rollouts

__all__ = ["Evaluation", "Evaluator", "judge", "response_text"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found.

    step      weight updates that the policy has had
    problems  how many were asked
    exact     share of the problems with a verdict whose greedy answer is right (None: greedy was not asked for)
    reward    mean reward of the greedy answers; parts: of each verifier
    pass_at   k -> the unbiased estimate that one of k samples is right (Chen et al. 2021)
    """

    step: int
    problems: int
    exact: float | None = None
    reward: float | None = None
    parts: dict[str, float] = field(default_factory=dict)
    pass_at: dict[int, float] = field(default_factory=dict)
    no_verdict: int = 0
    mean_length: float = 0.0
    clipped_ratio: float = 0.0
    seconds: float = 0.0


class Evaluator:
    """Evaluates a policy during its training."""

    def __init__(
        self,
        recipe: Recipe,
        reward: Reward,
        rollouts: Rollouts,
        tokenizer: Any,
        end_tokens: frozenset[int],
        log: RunLog,
    ) -> None: ...

    def at(self, step: int) -> Evaluation | None:
        """Evaluate if it is due at this step and was not done; refreshes the rollouts before and releases them after."""
        return None


def response_text(tokens: Sequence[int], tokenizer: Any, end_tokens: frozenset[int]) -> str:
    """Return a completion as text, without its end token; other special tokens stay, for verifiers to see."""
    raise NotImplementedError


def judge(reward: Reward, pairs: Sequence[tuple[str, Problem]]) -> list[Score]:
    """Return the scores of (response, problem) pairs, in order; several at a time where verifiers wait."""
    raise NotImplementedError
