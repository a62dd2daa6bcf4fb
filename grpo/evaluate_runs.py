"""What did training change? The model of a recipe evaluated without and with what was trained, on the same problems."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from .checkpoint import STATE, DamagedCheckpoint, latest_checkpoint, load_weights
from .eval_record import Evaluation
from .evaluate import Evaluator, Row
from .policy import ModelError, Policy, TargetError, open_policy
from .recipe import Recipe
from .settings import Settings

__all__ = ["before_and_after", "newest_trained"]

ADAPTER, MODEL = "adapter_config.json", "config.json"  # what tells their folders


Evaluated = tuple[Path | None, Evaluation, list[Row]]


def newest_trained(folder: Path) -> Path | None:
    """Return what was trained last in the folder of a run: its result, or what its newest checkpoint holds.

    A checkpoint's folder, the folder of checkpoints, and an adapter's or a model's own will do as well. None: there is
    nothing. Of a checkpoint it is the adapter's folder, or its own where all weights are trained.
    """
    newest = latest_checkpoint(folder.parent if folder.name == "checkpoints" else folder) or folder
    places = [folder, folder / "adapter", folder / "model", newest / "adapter"]
    written = [file for place in places for name in (ADAPTER, MODEL) if (file := place / name).is_file()]
    if (newest / STATE).is_file() and not (newest / "adapter").is_dir():
        written.append(newest / STATE)
    return max(written, key=lambda file: file.stat().st_mtime_ns).parent if written else None


def before_and_after(
    recipe: Recipe,
    trained: Path | None,
    *,
    before: bool = True,
    tell: Callable[[str], None] = lambda text: None,
) -> Iterator[Evaluated]:
    """Yield the evaluation of the model as it is (None), then of what was trained, those that are asked for.

    Each with a row for each response, as `evaluate` returns it, and the model's name.
    trained  folder of an adapter, of a whole model, or of a checkpoint of one; None: there is none

    Raises ModelError for what cannot be loaded, or does not fit the model; of an adapter before anything is evaluated.
    """
    settings = recipe.settings
    with recipe.open_reward() as reward:

        def run(policy: Policy, place: Path | None) -> Evaluated:
            from .train import open_rollouts

            with closing(open_rollouts(policy, settings)) as rollouts:
                evaluator = Evaluator(recipe, reward, rollouts, policy.tokenizer, policy.end_tokens)
                record, responses = evaluator.now(0)
            tell(f"{place or 'before'}: {record.in_words()}")
            return place, record, [{"model": str(place or settings.model_name_or_path), **row} for row in responses]

        if trained is not None and (trained / ADAPTER).is_file():
            policy, weights = _open_with(trained, settings, tell)
            if before:
                yield run(policy, None)
            _load(trained, weights, policy)
            yield run(policy, trained)
            return
        if before:
            yield run(open_policy(settings), None)
        if trained is not None:
            yield run(_open_model(trained, settings), trained)


def _open_model(trained: Path, settings: Settings) -> Policy:
    """Return the model of a folder, or of a checkpoint of a run that trains all weights."""
    alone = {"beta": 0.0}  # without a reference
    if not (trained / STATE).is_file():
        return open_policy(settings.model_copy(update=alone | {"model_name_or_path": str(trained)}))
    policy = open_policy(settings.model_copy(update=alone | {"use_peft": False}))
    try:
        load_weights(trained, policy)
    except DamagedCheckpoint as error:
        raise ModelError(f"{trained} cannot be read ({error})") from error
    return policy


def _open_with(adapter: Path, settings: Settings, tell: Callable[[str], None]) -> tuple[Policy, dict[str, Tensor]]:
    """Return the model with a fresh adapter, which is the model as it is, and the weights that are to go into it.

    Raises ModelError for weights that do not fit; that they are of a base of another name is told.
    """
    from peft import get_peft_model_state_dict, load_peft_weights

    try:
        config = json.loads((adapter / ADAPTER).read_text(encoding="utf-8"))
        weights: dict[str, Tensor] = load_peft_weights(str(adapter), device="cpu")
        shape: dict[str, Any] = {"lora_r": config["r"], "lora_alpha": config["lora_alpha"]}
    except Exception as error:  # of three libraries
        raise ModelError(
            f"{adapter} holds no LoRA adapter that can be read ({type(error).__name__}: {error})"
        ) from error
    base = config.get("base_model_name_or_path")
    layers = {name.removeprefix("base_model.model.").partition(".lora_")[0] for name in weights if ".lora_" in name}
    shape |= {"lora_target_modules": sorted(layers), "use_peft": True, "lora_dropout": 0.0}
    policy = None
    with suppress(TargetError):  # it has no such layers
        policy = open_policy(settings.model_copy(update=shape))
    if policy is None or _shapes(weights) != _shapes(
        get_peft_model_state_dict(policy.model, save_embedding_layers=False)
    ):
        raise ModelError(
            f"{adapter} is an adapter of {base}, and its weights do not fit {settings.model_name_or_path}: give its own "
            "model, model_name_or_path=MODEL"
        )
    if Path(str(base)).name != Path(policy.name).name:
        tell(f"{adapter} is an adapter of {base}; it fits {settings.model_name_or_path}, with which it is evaluated")
    return policy, weights


def _shapes(weights: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(each.shape) for name, each in weights.items() if ".lora_" in name}


def _load(adapter: Path, weights: dict[str, Tensor], policy: Policy) -> None:
    from peft import set_peft_model_state_dict

    outcome = set_peft_model_state_dict(policy.model, weights)
    if outcome.unexpected_keys:
        raise ModelError(f"{adapter} trains more than layers' adapters ({outcome.unexpected_keys[0]}): merge it first")
