"""What is trained on what, and what for? A recipe says it: a YAML file of settings, data, prompt, reward and evaluation.

recipe = load_recipe("sums", ["max_steps=10", "data.digits=3"])     a file, or the name of a recipe that comes with assay
recipe.settings           grpo/settings.py
recipe.problems()         list[Problem] to train on;  recipe.eval_problems(): held out, disjoint from them
recipe.open_reward()      a Reward, its sandbox opened; close it
recipe.encode(problem, tokenizer)    token ids of the prompt, by the chat template
recipe.as_dict()          everything, resolved, as plain data
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..records import Problem
from ..verifiers.reward import Reward
from .settings import Settings

__all__ = ["Recipe", "RecipeError", "load_recipe"]


class RecipeError(ValueError):
    """A recipe cannot be used; the message names the file, the key, what was expected and what was meant perhaps."""


class Recipe(BaseModel):
    """See above."""

    settings: Settings

    def problems(self) -> list[Problem]:
        """Return the problems to train on."""
        raise NotImplementedError

    def eval_problems(self) -> list[Problem]:
        """Return the problems to evaluate on, none of which is trained on."""
        raise NotImplementedError

    def open_reward(self) -> Reward:
        """Return the reward with what it needs opened."""
        raise NotImplementedError

    def encode(self, problem: Problem, tokenizer: Any) -> list[int]:
        """Return the tokens of a prompt."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Return the whole recipe as plain data."""
        raise NotImplementedError


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe."""
    raise NotImplementedError
