"""What did training change? The model of a recipe evaluated without and with what was trained, on the same problems."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from .eval_record import Evaluation
from .evaluate import Evaluator
from .policy import Policy, open_policy
from .recipe import Recipe
from .recipe_file import RecipeError
from .settings import Settings

__all__ = ["before_and_after"]


def before_and_after(
    recipe: Recipe,
    trained: Path | None,
    *,
    before: bool = True,
    output: Path | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> list[tuple[Path | None, Evaluation]]:
    """Return the evaluation of the model as it is (None) and of what was trained, those that are asked for.

    trained  folder of an adapter or of a whole model; None: there is none
    output   a file for the responses with their scores, as JSON Lines

    Raises RecipeError for an adapter that does not fit the model, OSError for a model that cannot be read.
    """
    found: list[tuple[Path | None, Evaluation]] = []
    rows: list[dict[str, Any]] = []
    adapter = trained is not None and (trained / "adapter_config.json").is_file()
    settings = _as_trained(recipe.settings, trained) if adapter and trained is not None else recipe.settings
    with recipe.open_reward() as reward:

        def run(policy: Policy, place: Path | None) -> None:
            from .train import open_rollouts

            with closing(open_rollouts(policy, settings)) as rollouts:
                evaluator = Evaluator(recipe, reward, rollouts, policy.tokenizer, policy.end_tokens)
                record, responses = evaluator.now(0)
            tell(f"{place or 'before'}: {record.in_words()}")
            found.append((place, record))
            rows.extend({"model": str(place or settings.model_name_or_path), **row} for row in responses)

        if before or adapter:
            policy = open_policy(settings)  # its adapter is fresh, which is the model as it is
            if before:
                run(policy, None)
            if adapter and trained is not None:
                _load_adapter(policy, trained)
                run(policy, trained)
            del policy
        if trained is not None and not adapter:
            plain = settings.model_copy(update={"model_name_or_path": str(trained), "beta": 0.0})
            run(open_policy(plain), trained)
    if output is not None:
        with open(output, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return found


def _as_trained(settings: Settings, adapter: Path) -> Settings:
    """Return the settings with the shape of a saved adapter."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    shape = {"lora_r": config["r"], "lora_alpha": config["lora_alpha"], "lora_target_modules": config["target_modules"]}
    return settings.model_copy(update={**shape, "use_peft": True, "lora_dropout": 0.0})


def _load_adapter(policy: Policy, adapter: Path) -> None:
    from peft import load_peft_weights, set_peft_model_state_dict

    weights = load_peft_weights(str(adapter), device=str(policy.device))
    try:
        outcome = set_peft_model_state_dict(policy.model, weights)
    except RuntimeError as error:  # sizes that differ
        raise RecipeError(f"the adapter in {adapter} does not fit {policy.name}: {error}") from None
    if outcome.unexpected_keys:
        raise RecipeError(
            f"the adapter in {adapter} is for another model: {policy.name} has no {outcome.unexpected_keys[0]}"
        )
