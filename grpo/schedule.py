"""How large is the step? The learning rate as a function of the number of the update, nothing kept."""

from __future__ import annotations

import math

from .settings import Settings

__all__ = ["learning_rate_at"]


def learning_rate_at(step: int, settings: Settings) -> float:
    """Return the learning rate of update `step`, counted from 1.

    It rises from 0 in warmup_steps (the first update then has the rate 0, as in transformers), and falls to 0 towards the
    end of max_steps as a line, as half a cosine wave, or not at all.
    """
    done, warm, whole = step - 1, settings.warmup_steps, settings.max_steps
    if done < warm:
        return settings.learning_rate * done / warm
    if settings.lr_scheduler_type == "constant":
        return settings.learning_rate
    gone = (done - warm) / max(1, whole - warm)
    if settings.lr_scheduler_type == "cosine":
        return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * gone))
    return settings.learning_rate * (1 - gone)
