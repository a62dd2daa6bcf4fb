"""May this run write into that folder, and does it go on with what is there?

A folder that is empty takes a new run. One that holds the run of the same recipe is gone on with by itself. One that holds a
run with other settings is gone on with if that is asked for (`--resume`) and possible: after a guard's advice, for example.
Anything else is refused, with the remedy; nothing is ever deleted but the files of a run, and only if that is asked for.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .metrics import COMPLETIONS, CURVES, EVAL_COMPLETIONS, EVALUATIONS, METRICS, RECIPE
from .recipe import Recipe
from .recipe_file import RecipeError, Source
from .reporters import EVENTS, WANDB_ID

__all__ = ["changes", "last_step", "prepare", "trained"]

# What may change from one start to the next without changing what is learnt.
ASIDE = (
    "output_dir",
    "save_steps",
    "save_total_limit",
    "logging_steps",
    "log_completions",
    "report_to",
    "max_kl",
    "vllm_server_base_url",
    "eval",
)
# What makes it another run, which cannot go on from the old one's checkpoint.
IDENTITY = ("model_name_or_path", "use_peft", "lora_r", "lora_alpha", "lora_target_modules", "seed", "data")
OURS = (
    RECIPE,
    METRICS,
    COMPLETIONS,
    EVALUATIONS,
    EVAL_COMPLETIONS,
    CURVES,
    EVENTS,
    WANDB_ID,
    "checkpoints",
    "adapter",
    "model",
)


def prepare(recipe: Recipe, *, resume: bool = False, overwrite: bool = False, main: bool = True) -> bool:
    """Return whether the run goes on with what is in its output_dir.

    resume     also with changed settings; RecipeError if there is nothing to go on with
    overwrite  delete the run that is there
    main       this is the first process; the others delete nothing

    Raises RecipeError, which says what is there and how to go on.
    """
    folder = Path(recipe.settings.output_dir)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        if resume:
            raise RecipeError(f"--resume: there is no run in {folder}; leave it out to start one")
        return False
    if not (folder / RECIPE).is_file():
        raise RecipeError(
            f"{folder} is not empty and holds no run (no {RECIPE} is in it): name another folder, output_dir=FOLDER"
        )
    if overwrite:
        if main:
            _delete(folder)
        return False
    differences = changes(folder, recipe)
    listed = ", ".join(
        f"{name} {_short(old)} (now {_short(new)})" for name, (old, new) in list(differences.items())[:4]
    )
    listed += f" and {len(differences) - 4} more" if len(differences) > 4 else ""
    others = "--overwrite starts anew, output_dir=FOLDER trains elsewhere"
    if any(name.partition(".")[0] in IDENTITY for name in differences):
        raise RecipeError(f"{folder} holds another run, with {listed}: {others}")
    if differences and not resume:
        raise RecipeError(f"{folder} holds a run with {listed}: --resume goes on with the new settings, {others}")
    return True


def changes(folder: Path, recipe: Recipe) -> dict[str, tuple[Any, Any]]:
    """Return (there, here) of each setting in which the folder's run differs, by dotted key; what changes nothing left out."""
    try:
        theirs = Source(str(folder / RECIPE), (folder / RECIPE).read_text(encoding="utf-8")).data
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{folder / RECIPE} cannot be read: {error}; --overwrite starts anew") from None
    ours = json.loads(json.dumps(recipe.as_dict()))
    flat_theirs, flat_ours = _flat(theirs), _flat(ours)
    names = dict.fromkeys([*flat_ours, *flat_theirs])
    return {
        name: (flat_theirs.get(name), flat_ours.get(name))
        for name in names
        if name.partition(".")[0] not in ASIDE and flat_theirs.get(name) != flat_ours.get(name)
    }


def _flat(plain: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in plain.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[before + name] = value
    return flat


def _short(value: Any) -> str:
    text = json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= 40 else text[:39] + "…"


def _delete(folder: Path) -> None:
    """Delete the run in a folder, what else is there stays; its mark last, so that a kill leaves a run's folder."""
    for name in [*OURS[1:], RECIPE]:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def last_step(folder: Path) -> int:
    """Return the weight updates of the newest checkpoint in a run's folder, 0 without one."""
    from .checkpoint import latest_checkpoint

    newest = latest_checkpoint(folder)
    return int(newest.name.rpartition("-")[2]) if newest is not None else 0


def trained(folder: Path) -> Path | None:
    """Return the folder of the adapter or model for a run's folder, a checkpoint's, or its own; None if there is none.

    An adapter has an adapter_config.json, a model a config.json.
    """
    for place in (folder, folder / "adapter", folder / "model"):
        if (place / "adapter_config.json").is_file() or (place / "config.json").is_file():
            return place
    return None
