"""What does a run write down, and what does it show meanwhile?

    with RunLog(folder, settings, step=0) as log:       step: of the checkpoint that is resumed, 0 for a new run
        log.step(step, numbers, samples)                after each weight update; step counts from 1
        log.evaluation(record, rows)                    of evaluate.py
        log.say("a notice")

Files in the folder: metrics.jsonl (one flat object a step), completions.jsonl (some of what was sampled, with scores and
advantages), eval.jsonl and eval_completions.jsonl, TensorBoard's events, curves.png. A resumed run cuts what lies after its
checkpoint and goes on, so that no step is there twice. Names of numbers are TRL's:

    loss  reward  reward_std  rewards/<verifier>/mean  frac_reward_zero_std  kl  entropy  grad_norm  learning_rate
    completions/mean_length  completions/clipped_ratio  clip_ratio/region_mean  num_tokens  step_time
    and ours: tokens_per_second (sampled and learnt from, of the whole step)  no_verdict (share of samples)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..records import Problem, Score
from .settings import Settings

__all__ = ["RunLog", "Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled completion, as it is written to completions.jsonl. advantage None: it taught nothing."""

    problem: Problem
    response: str
    score: Score
    advantage: float | None
    tokens: int
    finished: bool


class RunLog:
    """The files and the progress display of one run; on other processes than the first it does nothing (main=False)."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        step: int = 0,
        main: bool = True,
        recipe: Mapping[str, Any] | None = None,
    ) -> None: ...

    def step(self, step: int, numbers: Mapping[str, float], samples: Sequence[Sample] = ()) -> None:
        """Write a step down (at logging_steps alone; all steps are shown). `samples`: all of them; some are kept."""

    def evaluation(self, record: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write an evaluation down."""

    def say(self, text: str) -> None:
        """Show a notice, beside the progress."""

    def close(self) -> None:
        """Draw curves.png from what is on disk, and end the display."""

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
