"""Is a checkpoint whole or not there, and does it hold everything?"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from assay.grpo import checkpoint as module
from assay.grpo import metrics, writing
from assay.grpo.checkpoint import (
    Position,
    checkpoints,
    latest_checkpoint,
    load_checkpoint,
    load_newest,
    save_checkpoint,
)
from assay.grpo.distributed import LaunchError
from assay.grpo.experience import Experience
from assay.grpo.guards import Guards
from assay.grpo.learning import Learner
from assay.grpo.policy import Policy, open_policy
from assay.grpo.recipe_file import RecipeError
from assay.grpo.settings import Settings

RECIPE = {"model_name_or_path": "tiny", "seed": 1, "data": {"name": "sums"}, "num_generations": 2, "beta": 0.0}


@pytest.fixture
def settings(tiny_model: Path) -> Settings:
    return Settings(model_name_or_path=str(tiny_model), dtype="float32", num_generations=2, learning_rate=0.1)


@pytest.fixture
def policy(settings: Settings) -> Policy:
    return open_policy(settings, "cpu")


@pytest.fixture
def learner(policy: Policy, settings: Settings) -> Learner:
    learner = Learner(policy, settings, Guards(settings))
    for weight in policy.trainable.values():
        weight.grad = torch.ones_like(weight)
    learner.optimizer.step()
    return learner


def position() -> Position:
    group = Experience([1, 2], [[3], [4, 5]], [1.0, -1.0], [True, False], torch.tensor([0.1, 0.2, 0.3]), None)
    return Position(7, 14, [group], 1, 3, {"reward": 0.5}, 99)


def test_everything_comes_back(tmp_path: Path, policy: Policy, learner: Learner, settings: Settings) -> None:
    torch.manual_seed(5)
    save_checkpoint(tmp_path, position(), policy, learner.optimizer, 2, RECIPE)
    next_draw = torch.rand(3)
    fresh = open_policy(settings, "cpu")
    other = Learner(fresh, settings, Guards(settings))
    found = latest_checkpoint(tmp_path)
    assert found is not None
    again = load_checkpoint(found, fresh, other.optimizer, RECIPE)
    assert torch.equal(torch.rand(3), next_draw)
    expected = position()
    assert torch.equal(again.buffer[0].old, expected.buffer[0].old)  # type: ignore[arg-type]
    assert (again.buffer[0].prompt, again.buffer[0].completions) == ([1, 2], [[3], [4, 5]])
    assert (again.buffer[0].advantages, again.buffer[0].kept) == ([1.0, -1.0], [True, False])
    for name in ("step", "drawn", "learnt", "tokens", "numbers", "seen"):
        assert getattr(again, name) == getattr(expected, name)
    for name, weight in policy.trainable.items():
        assert torch.equal(weight, fresh.trainable[name])
    ours, theirs = learner.optimizer.state_dict()["state"], other.optimizer.state_dict()["state"]
    assert ours
    for number, state in ours.items():
        for name, value in state.items():
            assert torch.equal(value, theirs[number][name])


def test_the_adapter_in_it_is_peft_s(tmp_path: Path, policy: Policy, learner: Learner, tiny_model: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    path = save_checkpoint(tmp_path, position(), policy, learner.optimizer, 2, RECIPE)
    loaded = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32), str(path / "adapter")
    )
    tokens = torch.tensor([[5, 6, 7]])
    assert torch.equal(loaded(tokens).logits, policy.model(tokens).logits)
    assert loaded.peft_config["default"].base_model_name_or_path == str(tiny_model)


def test_the_oldest_go(tmp_path: Path, policy: Policy, learner: Learner) -> None:
    for step in (1, 2, 10, 3):
        save_checkpoint(tmp_path, Position(step), policy, learner.optimizer, 3, RECIPE)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000002", "step-000003", "step-000010"]


@pytest.mark.parametrize("at", range(5))
def test_whatever_moment_it_is_cut_off_the_last_one_is_whole(
    tmp_path: Path, policy: Policy, learner: Learner, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Fails at the first write, the second, .., the rename: what is there before is there after."""
    save_checkpoint(tmp_path, Position(1), policy, learner.optimizer, 1, RECIPE)
    calls = 0

    def failing(real: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > at:
                raise KeyboardInterrupt
            return real(*arguments, **more)

        return call

    monkeypatch.setattr(module.torch, "save", failing(torch.save))
    monkeypatch.setattr(module.os, "fsync", failing(os.fsync))
    monkeypatch.setattr(Path, "rename", failing(Path.rename))
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, Position(2), policy, learner.optimizer, 1, RECIPE)
    monkeypatch.undo()
    assert calls == at + 1
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert load_checkpoint(found, policy, learner.optimizer, RECIPE).step == 1
    save_checkpoint(tmp_path, Position(2), policy, learner.optimizer, 1, RECIPE)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000002"]


DAMAGE: dict[str, Callable[[Path], None]] = {
    "cut off": lambda path: os.truncate(path / "state.pt", 5000),
    "empty": lambda path: os.truncate(path / "process-0.pt", 0),
    "missing": lambda path: (path / "process-0.pt").unlink(),
    "overwritten": lambda path: (path / "state.pt").write_bytes(b"x" * 5000),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_one_is_passed_over(
    tmp_path: Path, policy: Policy, learner: Learner, damage: Callable[[Path], None]
) -> None:
    """And is none any more, in whose place others would be deleted."""
    for step in (1, 2):
        damage(save_checkpoint(tmp_path, Position(9), policy, learner.optimizer, 3, RECIPE))
        said: list[str] = []
        with pytest.raises(RecipeError, match=r"step-000009 cannot be read .*no older.*--overwrite") as refused:
            load_newest(tmp_path, policy, learner.optimizer, RECIPE, said.append)
        assert "\n" not in str(refused.value)
        whole = save_checkpoint(tmp_path, Position(step), policy, learner.optimizer, 3, RECIPE)
        assert load_newest(tmp_path, policy, learner.optimizer, RECIPE, said.append).step == step
        assert checkpoints(tmp_path) == [whole]
        assert "it is now damaged-step-000009" in said[0]
        assert "going on after step" in said[0]
        shutil.rmtree(whole)
    assert load_newest(tmp_path / "nothing", policy, learner.optimizer, RECIPE).step == 0


def test_one_of_more_processes_is_not_damaged(
    tmp_path: Path, policy: Policy, learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_checkpoint(tmp_path, Position(1), policy, learner.optimizer, 1, RECIPE)
    monkeypatch.setattr(module, "process_count", lambda: 2)
    monkeypatch.setattr(module, "process_index", lambda: 1)  # which it has no file of
    with pytest.raises(LaunchError, match="made by 1 processes, this run has 2"):
        load_newest(tmp_path, policy, learner.optimizer, RECIPE)
    assert path.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told_with_the_file(
    tmp_path: Path, policy: Policy, learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "open", lambda path, mode: io.FileIO("/dev/full", mode), raising=False)
    with pytest.raises(OSError, match=r"No space left on device: '.*process-0.pt'"):
        save_checkpoint(tmp_path, Position(1), policy, learner.optimizer, 1, RECIPE)
    with pytest.raises(OSError, match=r"No space left on device: '.*metrics.jsonl'"):
        metrics._append(tmp_path / "metrics.jsonl", [{"step": 1}])


def test_another_run_s_is_refused(tmp_path: Path, policy: Policy, learner: Learner) -> None:
    path = save_checkpoint(tmp_path, Position(1), policy, learner.optimizer, 1, RECIPE)
    for change in ({"seed": 2}, {"data": {"name": "gsm8k"}}, {"model_name_or_path": "other"}):
        with pytest.raises(ValueError, match=next(iter(change))):
            load_checkpoint(path, policy, learner.optimizer, {**RECIPE, **change})
    load_checkpoint(path, policy, learner.optimizer, {**RECIPE, "learning_rate": 1.0})


def test_what_was_sampled_for_another_layout_is_dropped(tmp_path: Path, policy: Policy, learner: Learner) -> None:
    path = save_checkpoint(tmp_path, position(), policy, learner.optimizer, 1, RECIPE)
    assert load_checkpoint(path, policy, learner.optimizer, RECIPE).buffer
    assert not load_checkpoint(path, policy, learner.optimizer, {**RECIPE, "num_generations": 4}).buffer


def test_nothing_there_is_no_checkpoint(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None
    (tmp_path / "checkpoints" / "step-000003.partial").mkdir(parents=True)
    (tmp_path / "checkpoints" / "step-000004").mkdir()
    assert latest_checkpoint(tmp_path) is None
    shutil.rmtree(tmp_path / "checkpoints")
