"""Does the loop learn, and does it go on after a kill as if nothing had happened?"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import letters
import pytest
import torch
from assay.grpo import train as module
from assay.grpo.guards import TrainingStopped
from assay.grpo.metrics import RunLog
from assay.grpo.recipe import Recipe, RecipeError
from assay.grpo.rollouts import Group

from assay import Score, Status

SCRIPT = Path(letters.__file__)


@pytest.fixture
def run(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that trains into a folder of tmp_path and returns the Result."""
    monkeypatch.setattr(Recipe, "open_reward", Recipe.open_reward)  # put back afterwards

    def call(name: str, *overrides: str, resume: bool = True) -> Any:
        return module.train(letters.recipe_of(tiny_model, tmp_path / name, list(overrides)), resume=resume)

    return call


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(next(folder.glob("*.safetensors")))


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_same(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_it_learns(run: Any) -> None:
    settings = ["max_steps=16", "beta=0", "num_iterations=1", "steps_per_generation=2", "save_steps=0"]
    rewards = [line["reward"] for line in metrics(run("learns", *settings).folder)]
    assert sum(rewards[:3]) / 3 < 0.5
    assert sum(rewards[-3:]) / 3 > 0.8


def test_the_ratio_is_1_the_first_time_and_not_the_second(run: Any) -> None:
    lines = metrics(run("ratio").folder)
    first, second = [lines[0], lines[4], lines[8]], [lines[3], lines[7], lines[11]]
    assert all(line["ratio/max"] == pytest.approx(1, abs=1e-5) for line in first)
    assert all(line["ratio/max"] > 1.01 for line in second)


class Elsewhere:
    """The native rollouts, as an engine would report them that finds all tokens less likely than the policy does."""

    def __init__(self, policy: Any, settings: Any) -> None:
        self.policy, self.real = policy, real_rollouts(policy, settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def generate(self, *given: Any) -> list[Group]:
        return [replace(group, logprobs=self.found(group)) for group in self.real.generate(*given)]

    def found(self, group: Group) -> list[list[float]]:
        with torch.no_grad():
            logprobs, _ = self.policy.logprobs(group.prompt, group.completions, 1.0)
        return [(each - 0.8).tolist() for each in logprobs.split([len(each) for each in group.completions])]


real_rollouts = module.open_rollouts


@pytest.mark.parametrize("correct", [True, False])
def test_samples_of_an_engine_too_far_away_teach_nothing(
    run: Any, monkeypatch: pytest.MonkeyPatch, correct: bool
) -> None:
    monkeypatch.setattr(module, "open_rollouts", Elsewhere)
    where = ["max_steps=1", "beta=0", "vllm_importance_sampling_clip_max=1.5", "warmup_steps=0"]
    folder = run("apart", *where, f"vllm_importance_sampling_correction={correct}").folder
    (line,) = metrics(folder)
    assert (line["grad_norm"] == 0) is correct
    assert line.get("sampling/importance_sampling_ratio/mean") == (0 if correct else None)


def test_what_was_redrawn_is_told_of_too(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that is all right is replaced, and counts in the mean all the same."""
    earns = iter([1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    monkeypatch.setattr(letters.Letters, "score", lambda *_: Score(next(earns), Status.CORRECT))
    once = ["max_steps=1", "steps_per_generation=1", "gradient_accumulation_steps=1", "num_iterations=1"]
    (line,) = metrics(run("redrawn", *once, "dynamic_sampling=redraw", "beta=0").folder)
    assert next(earns, None) is None
    assert line["reward"] == line["rewards/letters/mean"] == 5 / 8
    assert line["frac_reward_zero_std"] == 0.5
    assert line["num_tokens"] == 8 * line["completions/mean_length"]
    assert line["grad_norm"] > 0


VARIANTS = {
    "adapter": [],
    "dropout": ["lora_dropout=0.1"],
    "all weights": ["use_peft=false", "learning_rate=0.001", "save_total_limit=1"],
    "redrawn": ["dynamic_sampling=redraw", "beta=0", "scale_rewards=batch", "loss_type=grpo"],
    "checkpointing": ["gradient_checkpointing=true", "loss_type=bnpo"],
}


@pytest.mark.filterwarnings("ignore:.*is computed by its own forward pass")
@pytest.mark.parametrize(("variant", "at"), [*((name, 3) for name in VARIANTS), ("adapter", 6)])
def test_what_was_cut_off_ends_the_same(
    run: Any, monkeypatch: pytest.MonkeyPatch, variant: str, at: int, tmp_path: Path
) -> None:
    """Cut off in the middle of what was sampled (3), and after an update whose checkpoint was not written (6)."""
    overrides = [*VARIANTS[variant], "max_steps=8", "save_steps=3" if at == 3 else "save_steps=4"]
    whole = run("whole", *overrides)
    real = RunLog.step

    def cut(self: RunLog, step: int, *arguments: Any) -> None:
        if step == at + 1:
            raise KeyboardInterrupt
        real(self, step, *arguments)

    monkeypatch.setattr(RunLog, "step", cut)
    with pytest.raises(KeyboardInterrupt):
        run("cut", *overrides)
    monkeypatch.setattr(RunLog, "step", real)
    rest = run("cut", *overrides)
    assert_same(whole.model, rest.model)
    told = [(line["step"], line["loss"], line["reward"]) for line in metrics(rest.folder)]
    assert told == [(line["step"], line["loss"], line["reward"]) for line in metrics(whole.folder)]


def test_another_seed_ends_elsewhere(run: Any) -> None:
    """The comparison above can fail."""
    one, other = run("one", "max_steps=2"), run("other", "max_steps=2", "seed=7")
    with pytest.raises(AssertionError):
        assert_same(one.model, other.model)


@pytest.mark.slow
def test_killed_three_times_it_ends_the_same(tmp_path: Path, tiny_model: Path) -> None:
    """SIGKILL, at random moments, to a process of its own."""

    def start(name: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-W", "ignore", str(SCRIPT), str(tiny_model), str(tmp_path / name)]
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    assert start("whole").wait(300) == 0
    moments = random.Random()
    kills = 0
    for step in (2, 5, 9):
        process = start("killed")
        while process.poll() is None:
            path = tmp_path / "killed" / "metrics.jsonl"
            if path.exists() and len(path.read_bytes().splitlines()) >= step:
                time.sleep(moments.uniform(0, 0.2))  # somewhere in an update, or in the writing of a checkpoint
                os.kill(process.pid, signal.SIGKILL)
                break
            time.sleep(0.005)
        kills += process.wait(300) == -signal.SIGKILL
    assert kills
    assert start("killed").wait(300) == 0
    assert_same(tmp_path / "whole" / "adapter", tmp_path / "killed" / "adapter")
    assert [line["step"] for line in metrics(tmp_path / "killed")] == list(range(1, 13))


@pytest.mark.slow
def test_two_processes_train_together_and_go_on(tmp_path: Path, tiny_model: Path) -> None:
    """As `accelerate launch` starts them, over gloo: cut off and resumed they end as two that were not."""

    def together(name: str, *overrides: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = [sys.executable, "-W", "ignore", str(SCRIPT), str(tiny_model), str(tmp_path / name), *overrides]
        rendezvous = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
        both = [
            subprocess.Popen(
                words, env={**os.environ, **rendezvous, "RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE
            )
            for rank in ("0", "1")
        ]
        said = [process.communicate(timeout=300)[1].decode()[-2000:] for process in both]
        assert [process.returncode for process in both] == [0, 0], said

    together("whole", "max_steps=5", "lr_scheduler_type=constant")
    together("halves", "max_steps=3", "lr_scheduler_type=constant")
    together("halves", "max_steps=5", "lr_scheduler_type=constant")
    assert_same(tmp_path / "whole" / "adapter", tmp_path / "halves" / "adapter")
    assert [line["step"] for line in metrics(tmp_path / "halves")] == [1, 2, 3, 4, 5]
    assert len(list((tmp_path / "halves" / "checkpoints" / "step-000005").glob("process-*.pt"))) == 2


def test_it_goes_on_from_the_checkpoint_before_a_damaged_one(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And ends the same."""
    settings = ["max_steps=4", "lr_scheduler_type=constant"]
    whole = run("whole", *settings)
    folder = run("damaged", "max_steps=3", *settings[1:]).folder
    os.truncate(folder / "checkpoints" / "step-000003" / "state.pt", 5000)
    run("damaged", *settings)
    assert "step-000003 cannot be read (state.pt: " in capsys.readouterr().err
    assert_same(whole.model, folder / "adapter")
    assert [line["step"] for line in metrics(folder)] == [1, 2, 3, 4]


def test_a_reward_that_cannot_be_opened_leaves_nothing(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = letters.recipe_of(Path("no model is looked for"), tmp_path / "none", [])

    def unable(_: Recipe) -> Any:
        raise RecipeError("reward: no such module")

    monkeypatch.setattr(Recipe, "open_reward", unable)
    with pytest.raises(RecipeError):
        module.train(recipe)
    assert not (tmp_path / "none").exists()


def test_what_nothing_was_learnt_from_says_nothing(run: Any) -> None:
    """Nobody writes eight tokens without being cut off."""
    (line,) = metrics(run("cut", "max_steps=1", "mask_truncated_completions=true", "max_completion_length=2").folder)
    for name in ("entropy", "kl", "ratio/mean", "ratio/max", "clip_ratio/region_mean"):
        assert line[name] is None
    assert (line["loss"], line["grad_norm"]) == (0, 0)


def test_tokens_per_second_are_of_all_steps_that_learn_from_them(run: Any) -> None:
    """Four here: two updates' worth is sampled at one time and learnt from twice. A resume in the middle counts too."""
    run("speed", "max_steps=6", "lr_scheduler_type=constant")
    lines = metrics(run("speed", "max_steps=8", "lr_scheduler_type=constant").folder)
    assert [line["step"] for line in lines if "tokens_per_second" in line] == [4, 8]
    sampled = [lines[3]["num_tokens"], lines[7]["num_tokens"] - lines[3]["num_tokens"]]
    for at, tokens in zip((0, 4), sampled, strict=True):
        seconds = sum(line["step_time"] for line in lines[at : at + 4])
        assert lines[at + 3]["tokens_per_second"] == pytest.approx(tokens / seconds)


def test_a_guard_leaves_it_resumable(run: Any) -> None:
    with pytest.raises(TrainingStopped, match="learning_rate"):
        run("drifts", "max_kl=1e-9", "save_steps=1")
    result = run("drifts", "max_kl=null", "save_steps=1")
    assert result.steps == 12


def test_a_verifier_that_always_fails_is_told_of(
    run: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("boom")

    monkeypatch.setattr(letters.Letters, "score", fail)
    run("fails", "max_steps=1", "save_steps=0")
    assert "failed with RuntimeError: boom" in " ".join(capsys.readouterr().err.split())


def test_numbers_that_make_no_groups_are_told(run: Any) -> None:
    with pytest.raises(ValueError, match="no multiple of num_generations"):
        run("odd", "per_device_train_batch_size=3", "steps_per_generation=2")
