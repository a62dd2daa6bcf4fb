"""A run that teaches the tiny model to write letters; as a program, it trains into a folder until somebody kills it.

python letters.py MODEL FOLDER [key=value ...]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from assay.verifiers.verifier import Verifier

from assay import Reward, Score, Status

SETTINGS = """
model_name_or_path: {model}
output_dir: {folder}
dtype: float32
data: {{name: sums, digits: 1, count: 20, eval_count: 2, one_shot: false}}
reward: [{{verifier: math}}]
eval: {{greedy: false}}
report_to: []
learning_rate: 0.1
warmup_steps: 2
max_steps: 12
num_generations: 4
per_device_train_batch_size: 4
gradient_accumulation_steps: 2
steps_per_generation: 4
num_iterations: 2
max_completion_length: 8
beta: 0.04
save_steps: 1
"""


class Letters(Verifier):
    """Rewards the share of ASCII letters."""

    name = "letters"
    needs_reference = False

    def score(self, response: str, problem: Any) -> Score:
        """Return the share."""
        share = sum(letter.isascii() and letter.isalpha() for letter in response) / max(1, len(response))
        return Score(share, Status.CORRECT if share else Status.INCORRECT)


def recipe_of(model: Path, folder: Path, overrides: list[str]) -> Any:
    """Return the recipe, written beside the folder of the run, with the reward exchanged."""
    from assay.grpo.recipe import Recipe, load_recipe

    Recipe.open_reward = lambda self: Reward([(Letters(), 1.0)])  # type: ignore[method-assign]
    path = folder.with_suffix(".yaml")
    scratch = path.with_suffix(f".{os.getpid()}")
    scratch.write_text(SETTINGS.format(model=model, folder=folder))
    scratch.replace(path)  # at once: another process of the same run may be reading it
    return load_recipe(path, overrides)


def main() -> None:
    """Train, and go on where an earlier one was killed."""
    import torch

    torch.set_num_threads(1)
    from assay.grpo.train import train

    train(recipe_of(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]), resume=True)


if __name__ == "__main__":
    main()
