"""Where else do the numbers of a run go? TensorBoard, and Weights & Biases if it was asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from .recipe_file import RecipeError
from .settings import Settings

__all__ = ["Reporter", "reporters"]

EVENTS = "tensorboard"  # the folder of its event files
WANDB_ID = "wandb_id"  # the file with the name under which a resumed run goes on


class Reporter(Protocol):
    """Takes the numbers of a step."""

    def step(self, step: int, numbers: Mapping[str, float]) -> None:
        """Take them."""

    def close(self) -> None:
        """Write out what is left."""


def reporters(
    folder: Path, settings: Settings, step: int, recipe: Mapping[str, Any] | None, tell: Callable[[str], None]
) -> list[Reporter]:
    """Return what report_to names; TensorBoard, which is the default, is left out with a notice if it is not installed.

    step  of the checkpoint that is resumed: what was written after it is withdrawn
    Raises RecipeError if Weights & Biases is asked for and not installed.
    """
    made: list[Reporter] = []
    if "tensorboard" in settings.report_to:
        try:
            made.append(_TensorBoard(folder / EVENTS, step))
        except ImportError:
            tell("no TensorBoard files: it is not installed; pip install tensorboard, or set report_to: []")
    if "wandb" in settings.report_to:
        try:
            made.append(_WandB(folder, recipe))
        except ImportError:
            raise RecipeError("report_to: wandb is not installed; pip install wandb, or leave it out") from None
    return made


class _TensorBoard:
    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def step(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            if value is not None and math.isfinite(value):
                self._writer.add_scalar(name if "/" in name else f"train/{name}", value, step)

    def close(self) -> None:
        self._writer.close()


class _WandB:
    def __init__(self, folder: Path, recipe: Mapping[str, Any] | None) -> None:
        import wandb

        place = folder / WANDB_ID
        name = place.read_text().strip() if place.exists() else wandb.util.generate_id()
        place.write_text(name)
        self._run: Any = wandb.init(
            project="assay", name=folder.name, id=name, resume="allow", dir=str(folder), config=dict(recipe or {})
        )
        # By a step of our own: wandb's must rise, and those after a resume may have been there already.
        self._run.define_metric("*", step_metric="step")

    def step(self, step: int, numbers: Mapping[str, float]) -> None:
        self._run.log({**numbers, "step": step})

    def close(self) -> None:
        self._run.finish()
