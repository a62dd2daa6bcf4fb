"""What was trained, and does it belong to the model? Adapters that do not fit are refused before anything is evaluated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.grpo.checkpoint import Position, save_checkpoint  # noqa: E402
from assay.grpo.evaluate_runs import before_and_after, newest_trained  # noqa: E402
from assay.grpo.policy import ModelError, open_policy  # noqa: E402
from assay.grpo.recipe import Recipe  # noqa: E402
from assay.grpo.settings import Settings  # noqa: E402


def recipe(model: Path) -> Recipe:
    settings = {"model_name_or_path": str(model), "dtype": "float32", "max_completion_length": 4}
    data = {"name": "sums", "eval_count": 2, "count": 4, "one_shot": False}
    return Recipe(settings=Settings(**settings), data=data, reward=[{"verifier": "math"}])


@pytest.fixture
def adapter(tiny_model: Path, tmp_path: Path) -> Path:
    open_policy(recipe(tiny_model).settings, "cpu").save(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.fixture
def other(tiny_model: Path, tmp_path: Path) -> Any:
    """Return a function that makes another model, with the tokenizer of the tiny one."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    def make(**changes: Any) -> Path:
        config = AutoConfig.from_pretrained(tiny_model, **changes)
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "other")
        AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "other")
        return tmp_path / "other"

    return make


@pytest.mark.parametrize("changes", [{"hidden_size": 64}, {"num_hidden_layers": 1}])
def test_an_adapter_that_does_not_fit_is_refused_at_once(other: Any, adapter: Path, changes: dict[str, Any]) -> None:
    model, said = other(**changes), []
    with pytest.raises(ModelError) as raised:
        next(before_and_after(recipe(model), adapter, tell=said.append))
    assert not said
    assert "\n" not in str(raised.value)
    assert f"{adapter} is an adapter of " in str(raised.value)
    assert f"/tiny-llama0, and its weights do not fit {model}: " in str(raised.value)


def test_an_adapter_of_another_name_is_told(tiny_model: Path, other: Any, adapter: Path) -> None:
    model, said = other(), []
    found = list(before_and_after(recipe(model), adapter, tell=said.append))
    assert [place for place, _, _ in found] == [None, adapter]
    assert said[0] == f"{adapter} is an adapter of {tiny_model}; it fits {model}, with which it is evaluated"


def test_the_same_base_may_lie_elsewhere(tiny_model: Path, adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / tiny_model.name).symlink_to(tiny_model)
    said: list[str] = []
    rows = [
        rows for *_, rows in before_and_after(recipe(tmp_path / "moved" / tiny_model.name), adapter, tell=said.append)
    ]
    assert [line.partition(":")[0] for line in said] == ["before", str(adapter)]
    assert [row["model"] for row in rows[1]] == [str(adapter)] * 2


@pytest.mark.parametrize("config", ["{", "[]", '{"peft_type": "IA3"}'])
def test_what_is_no_lora_adapter_is_refused(tiny_model: Path, adapter: Path, config: str) -> None:
    (adapter / "adapter_config.json").write_text(config)
    with pytest.raises(ModelError, match="holds no LoRA adapter that can be read"):
        next(before_and_after(recipe(tiny_model), adapter))


def test_what_was_trained_last_is_found(tmp_path: Path) -> None:
    run = tmp_path / "run"
    steps = [run / "checkpoints" / f"step-{step:06d}" for step in (5, 10)]
    assert newest_trained(run) is None
    for step in steps:
        (step / "adapter").mkdir(parents=True)
        (step / "state.pt").touch()
        (step / "adapter" / "adapter_config.json").touch()
    partial = run / "checkpoints" / "step-000015.partial" / "adapter"
    partial.mkdir(parents=True)
    (partial / "adapter_config.json").touch()
    for folder in (run, run / "checkpoints", steps[1], steps[1] / "adapter"):
        assert newest_trained(folder) == steps[1] / "adapter"
    assert newest_trained(steps[0]) == steps[0] / "adapter"
    (run / "adapter").mkdir()
    result = run / "adapter" / "adapter_config.json"
    result.touch()
    assert newest_trained(run) == run / "adapter"
    os.utime(result, (0, 0))  # the run was gone on with, and cut off
    assert newest_trained(run) == steps[1] / "adapter"


def test_a_checkpoint_of_all_weights_is_evaluated(tiny_model: Path, other: Any, tmp_path: Path) -> None:
    whole = recipe(tiny_model)
    whole = whole.model_copy(update={"settings": whole.settings.model_copy(update={"use_peft": False})})
    policy = open_policy(whole.settings, "cpu")
    optimizer = torch.optim.SGD(policy.trainable.values(), lr=0.0)
    ((_, _, rows),) = before_and_after(whole, None)
    with torch.no_grad():
        for weight in policy.trainable.values():
            weight.neg_()
    step = save_checkpoint(tmp_path, Position(step=5), policy, optimizer, 2, {})
    for folder in (tmp_path, tmp_path / "checkpoints", step):
        assert newest_trained(folder) == step
    (before, _, same), (after, _, changed) = before_and_after(whole, step)
    assert (before, after) == (None, step)
    assert [row["response"] for row in same] == [row["response"] for row in rows]
    assert [row["response"] for row in changed] != [row["response"] for row in rows]
    with pytest.raises(ModelError, match=r"the weights in .*step-000005 do not fit "):
        list(before_and_after(recipe(other(num_hidden_layers=1)), step))
    (step / "state.pt").write_bytes(b"")
    with pytest.raises(ModelError, match=r"step-000005 cannot be read \(state\.pt: "):
        list(before_and_after(whole, step))
