"""What must be on disk for a run to go on as if nothing had happened? A checkpoint, whole or not there at all.

    output_dir/checkpoints/step-000010/
        state.pt     weights in training, optimizer, random states, where the data stands, what was sampled and is not learnt yet
        adapter/     the same weights as peft writes them, for use

It is written into a folder of another name, flushed to the disk, and then renamed: a kill at any moment leaves the last one
usable, and one that was damaged later is passed over for the one before it. What can be computed from the number of the
update (the learning rate, the order of problems, the seeds of sampling) is computed from it and not kept.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from .distributed import LaunchError, gather_objects, process_count, process_index
from .experience import Experience
from .policy import ModelError, Policy
from .recipe_file import RecipeError
from .writing import opened

__all__ = [
    "STATE",
    "DamagedCheckpoint",
    "Position",
    "checkpoints",
    "latest_checkpoint",
    "load_checkpoint",
    "load_newest",
    "load_weights",
    "save_checkpoint",
]

PARTIAL = ".partial"
STATE = "state.pt"
# What cannot change between a checkpoint and the run that goes on from it; all else can, learning rate and guards first.
FIXED = ("model_name_or_path", "use_peft", "lora_r", "lora_alpha", "lora_target_modules", "seed", "data")
# Where these change, what was sampled and is not learnt yet is sampled anew.
LAYOUT = (
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "steps_per_generation",
    "num_iterations",
    "num_generations",
    "beta",
)


class DamagedCheckpoint(Exception):
    """A file of a checkpoint is missing or cannot be read; the message names it."""


@dataclass
class Position:
    """Where a run stands.

    step      weight updates made
    drawn     problems drawn, by all processes
    buffer    what was sampled last, as long as there is something left to learn from it
    learnt    updates made from it
    tokens    of its kept completions, over all processes
    numbers   its figures
    seconds   that sampling it and learning from it took so far
    seen      tokens sampled so far, over all processes
    """

    step: int = 0
    drawn: int = 0
    buffer: list[Experience] = field(default_factory=list)
    learnt: int = 0
    tokens: int = 0
    numbers: dict[str, float] = field(default_factory=dict)
    seen: int = 0
    seconds: float = 0.0


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a run that are whole, the oldest first."""
    found = (folder / "checkpoints").glob("step-*")
    return sorted(path for path in found if path.suffix != PARTIAL and (path / STATE).exists())


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint of a run."""
    return (checkpoints(folder) or [None])[-1]  # type: ignore[list-item]


def save_checkpoint(
    folder: Path,
    position: Position,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    keep: int,
    recipe: Mapping[str, Any],
) -> Path:
    """Write a checkpoint and delete all but the newest `keep`. Every process writes its own part; the first one the rest."""
    final = folder / "checkpoints" / f"step-{position.step:06d}"
    partial = final.with_suffix(PARTIAL)
    if process_index() == 0:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    _wait()
    own = {"position": _plain(position), "random": _random_states(policy.device)}
    _save(own, partial / f"process-{process_index()}.pt")
    first = process_index() == 0
    learnt = {
        "weights": {name: weight.detach() for name, weight in policy.trainable.items()},
        "optimizer": optimizer.state_dict(),
    }
    learnt = policy.gathered(learnt, keep=first)
    if first:
        shared = {"recipe": json.dumps(recipe, default=str), "processes": process_count(), **learnt}
        _save(shared, partial / STATE)
    if policy.is_adapter:
        policy.save(partial / "adapter", here=first)
    _wait()
    if process_index() == 0:
        _flush(partial)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        _flush_folder(final.parent)
        for old in checkpoints(folder)[:-keep]:
            shutil.rmtree(old, ignore_errors=True)
        for left in final.parent.glob(f"*{PARTIAL}"):
            shutil.rmtree(left, ignore_errors=True)
    _wait()
    return final


def _save(content: dict[str, Any], path: Path) -> None:
    with opened(path, "wb") as file:  # torch's own errors say nothing of a full disk
        torch.save(content, file)


def load_newest(
    folder: Path,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    recipe: Mapping[str, Any],
    tell: Callable[[str], None] = lambda text: None,
) -> Position:
    """Put a run back where its newest checkpoint left it, or at its beginning if there is none; all processes call.

    tell  gets a notice of each damaged one that was passed over for an older one, and has another name now

    Raises RecipeError if none of those that are there can be read, and what `load_checkpoint` raises otherwise.
    """
    damaged: dict[Path, str] = {}
    for path in reversed(checkpoints(folder)):
        try:
            read, fault = _read(path, recipe), ""
        except DamagedCheckpoint as error:
            read, fault = None, str(error)
        fault = next(filter(None, gather_objects(fault)), "")  # of any process: all take the same one
        if read is not None and not fault:
            position = _restore(*read, policy, optimizer, recipe)
            for each, why in damaged.items():
                tell(
                    f"{each} cannot be read ({why}): going on after step {position.step}; it is now {_set_aside(each)}"
                )
            return position
        damaged[path] = fault
    if damaged:
        newest, why = next(iter(damaged.items()))
        raise RecipeError(
            f"{newest} cannot be read ({why}), and there is no older checkpoint that can: --overwrite starts anew, "
            "output_dir=FOLDER trains elsewhere"
        )
    return Position()


def _set_aside(path: Path) -> str:
    """Give a damaged checkpoint a name by which it is none, and return that."""
    aside = path.with_name(f"damaged-{path.name}")
    if process_index() == 0:
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
    return aside.name


def load_checkpoint(
    path: Path, policy: Policy, optimizer: torch.optim.Optimizer, recipe: Mapping[str, Any]
) -> Position:
    """Put a run back where a checkpoint left it.

    Raises DamagedCheckpoint, ValueError if it was another run's, by model, data or seed, and LaunchError if that had
    another number of processes.
    """
    return _restore(*_read(path, recipe), policy, optimizer, recipe)


def load_weights(path: Path, policy: Policy) -> None:
    """Put the weights of a checkpoint into a policy, to be evaluated; in one process.

    Raises DamagedCheckpoint, and ModelError if they are another model's.
    """
    weights = _loaded(path / STATE)["weights"]
    if _shapes(weights) != _shapes(policy.trainable):
        raise ModelError(
            f"the weights in {path} do not fit {policy.name}: give their own model, model_name_or_path=MODEL"
        )
    with torch.no_grad():
        for name, weight in policy.trainable.items():
            weight.copy_(weights[name])


def _shapes(weights: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(each.shape) for name, each in weights.items()}


def _read(path: Path, recipe: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a checkpoint holds for all processes, and for this one; raises as `load_checkpoint` does."""
    shared = _loaded(path / STATE)
    theirs, ours = json.loads(shared["recipe"]), _plain_recipe(recipe)
    for name in FIXED:
        if theirs.get(name) != ours.get(name):
            raise ValueError(
                f"{path} was made with {name} {theirs.get(name)}, this run has {ours.get(name)}: "
                "train into another output_dir, or anew with --overwrite"
            )
    if shared["processes"] != process_count():
        raise LaunchError(
            f"{path} was made by {shared['processes']} processes, this run has {process_count()}: start as many again"
        )
    return shared, _loaded(path / f"process-{process_index()}.pt")


def _loaded(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has many for a file that is cut off or overwritten
        why = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
        raise DamagedCheckpoint(f"{file.name}: {why[:120]}") from error
    return found


def _restore(
    shared: dict[str, Any],
    own: dict[str, Any],
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    recipe: Mapping[str, Any],
) -> Position:
    with torch.no_grad():
        for name, weight in policy.trainable.items():
            weight.copy_(policy.share(shared["weights"][name], weight))
    for number, parameter in enumerate(each for group in optimizer.param_groups for each in group["params"]):
        state = shared["optimizer"]["state"].get(number, {})
        state.update({name: policy.share(value, parameter) for name, value in state.items()})
    optimizer.load_state_dict(shared["optimizer"])
    torch.set_rng_state(own["random"]["cpu"])
    if policy.device.type == "cuda":
        torch.cuda.set_rng_state(own["random"]["cuda"], policy.device)
    position = own["position"]
    buffer = [Experience(**{**each, **_on(each, policy.device)}) for each in position.pop("buffer")]
    theirs, ours = json.loads(shared["recipe"]), _plain_recipe(recipe)
    if any(theirs.get(name) != ours.get(name) for name in LAYOUT):
        buffer = []
    return Position(**position, buffer=buffer)


def _plain_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe as it comes back from a checkpoint."""
    plain: dict[str, Any] = json.loads(json.dumps(recipe, default=str))
    return plain


def _plain(position: Position) -> dict[str, Any]:
    return {**asdict(position), "buffer": [asdict(each) for each in position.buffer]}


def _on(experience: dict[str, Any], device: torch.device) -> dict[str, Any]:
    return {name: value.to(device) for name, value in experience.items() if isinstance(value, torch.Tensor)}


def _random_states(device: torch.device) -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _wait() -> None:
    if process_count() > 1:
        torch.distributed.barrier()


def _flush(folder: Path) -> None:
    """Have the disk hold what was written, before the name says that it is whole."""
    for where, _, names in os.walk(folder):
        for path in [Path(where, name) for name in names]:
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        _flush_folder(Path(where))


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
