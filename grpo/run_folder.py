"""May this run write into that folder, and does it go on with what is there?

A folder that is empty takes a new run. One that holds the run of the same recipe is gone on with by itself. One that holds a
run with other settings is gone on with if that is asked for (`--resume`) and possible: after a guard's advice, for example.
One in which another process trains, and anything else, is refused, with the remedy. Nothing is ever deleted but the files of
a run, and only if that is asked for, or if it has other settings and never came to a line of its logs.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from .metrics import COMPLETIONS, CURVES, EVAL_COMPLETIONS, EVALUATIONS, METRICS, RECIPE
from .recipe import Recipe
from .recipe_file import RecipeError, Source
from .reporters import EVENTS, WANDB_ID

__all__ = ["changes", "has_begun", "last_step", "prepared", "trained"]

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
LOCK = "lock"  # stays when a run has ended; what counts is who holds it


@contextlib.contextmanager
def prepared(recipe: Recipe, *, resume: bool = False, overwrite: bool = False, main: bool = True) -> Iterator[bool]:
    """Keep the recipe's output_dir for this process, and yield whether the run goes on with what is in it.

    resume     also with changed settings; RecipeError if there is nothing to go on with
    overwrite  delete the run that is there
    main       this is the first process of the run, which decides; the others go on with what it leaves

    Raises RecipeError, which says what is there, or who trains there, and how to go on.
    """
    if not main:
        yield True
        return
    folder = Path(recipe.settings.output_dir)
    is_run = (folder / RECIPE).is_file()
    if not is_run and folder.exists() and not _is_empty(folder):
        raise RecipeError(
            f"{folder} is not empty and holds no run (no {RECIPE} is in it): name another folder, output_dir=FOLDER"
        )
    if resume and not is_run:
        raise RecipeError(f"--resume: there is no run in {folder}; leave it out to start one")
    with _alone_in(folder):
        yield _goes_on(folder, recipe, resume, overwrite)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and all(path.name == LOCK for path in folder.iterdir())


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a folder. The system lets go of it when this one ends, however it ends.

    Raises RecipeError if another trains there. A file system that cannot lock does not notice.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+")
    except OSError as error:
        raise RecipeError(f"{folder} cannot be written to: {error.strerror}; name another, output_dir=FOLDER") from None
    with file:
        try:
            # Unlike flock's, no child that outlives this process goes on holding it.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            raise RecipeError(
                f"another process trains in {folder} ({file.read().strip()}): wait for it, or name another folder, "
                "output_dir=FOLDER"
            ) from None
        except OSError:
            pass  # a file system without locks
        file.truncate(0)
        file.write(f"pid {os.getpid()}, host {platform.node()}\n")
        file.flush()
        yield


def _goes_on(folder: Path, recipe: Recipe, resume: bool, overwrite: bool) -> bool:
    """Return whether what is in a folder is gone on with; delete it if it is not."""
    if not (folder / RECIPE).is_file():
        return False
    differences = {} if overwrite else changes(folder, recipe)
    step, last = last_step(folder), recipe.settings.max_steps
    if overwrite or (differences and not has_begun(folder)):  # a run that came to nothing is in nobody's way
        _delete(folder)
        return False
    listed = ", ".join(f"{name} {_compared(*pair)}" for name, pair in list(differences.items())[:4])
    listed += f" and {len(differences) - 4} more" if len(differences) > 4 else ""
    others = "--overwrite starts anew, output_dir=FOLDER trains elsewhere"
    if any(name.partition(".")[0] in IDENTITY for name in differences):
        raise RecipeError(f"{folder} holds another run, with {listed}: {others}")
    if differences and step >= last:
        raise RecipeError(
            f"{folder} holds a run with {listed}, and it is already at step {step}: --resume with max_steps above {step} "
            f"goes on, {others}"
        )
    if differences and not resume:
        raise RecipeError(f"{folder} holds a run with {listed}: --resume goes on with the new settings, {others}")
    return True


def changes(folder: Path, recipe: Recipe) -> dict[str, tuple[Any, Any]]:
    """Return (there, here) of each setting in which the folder's run differs, by dotted key; what changes nothing left out.

    Raises RecipeError if the folder's recipe cannot be read.
    """
    try:
        theirs = Source(str(folder / RECIPE), (folder / RECIPE).read_text(encoding="utf-8")).data
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{folder / RECIPE} cannot be read: {error}; --overwrite starts anew") from None
    ours = json.loads(json.dumps(recipe.as_dict()))
    found = _differing(theirs, ours, "")
    return {name: pair for name, pair in found.items() if name.partition(".")[0] not in ASIDE}


def _differing(theirs: Any, ours: Any, name: str) -> dict[str, tuple[Any, Any]]:
    """Return (theirs, ours) of what differs in two plain values, by dotted key, as deep as both have the same entries."""
    if isinstance(theirs, list) and isinstance(ours, list) and _names(theirs) == _names(ours) is not None:
        theirs, ours = (dict(zip(_names(each) or (), each, strict=True)) for each in (theirs, ours))
    if not (isinstance(theirs, dict) and isinstance(ours, dict)):
        return {} if theirs == ours else {name: (theirs, ours)}
    found: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys([*ours, *theirs]):
        found |= _differing(theirs.get(key), ours.get(key), f"{name}.{key}" if name else key)
    return found


def _names(entries: list[Any]) -> list[str] | None:
    """Return what the entries of a recipe's list go by in it; None for a list of plain values."""
    if not entries or not all(isinstance(each, dict) and "verifier" in each for each in entries):
        return None
    return [str(each.get("name") or each["verifier"]) for each in entries]


def _compared(old: Any, new: Any) -> str:
    """Return two values in words; long ones from a little before the place where they begin to differ."""
    named = [(_names(value) or value) if isinstance(value, list) else value for value in (old, new)]
    texts = [value if isinstance(value, str) else json.dumps(value) for value in named]
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*texts, strict=False)))
    start = max(0, same - 10) if max(map(len, texts)) > 40 else 0
    before, now = (_cut(text, start) for text in texts)
    return f"{before} (now {now})"


def _cut(text: str, start: int) -> str:
    text = "…" * (start > 0) + text[start:]
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


def has_begun(folder: Path) -> bool:
    """Tell whether a run came to something: a line of its logs, a checkpoint, something trained."""
    logs = any(path.stat().st_size for path in folder.glob("*.jsonl"))
    return logs or last_step(folder) > 0 or trained(folder) is not None


def trained(folder: Path) -> Path | None:
    """Return the folder of the adapter or model for a run's folder, a checkpoint's, or its own; None if there is none.

    An adapter has an adapter_config.json, a model a config.json.
    """
    for place in (folder, folder / "adapter", folder / "model"):
        if (place / "adapter_config.json").is_file() or (place / "config.json").is_file():
            return place
    return None
