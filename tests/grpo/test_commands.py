"""From the command line to an adapter and back, with a model so small that it learns nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from assay.grpo.metrics import read_rows
from click.testing import CliRunner

from assay.cli import main

RECIPE = """\
model_name_or_path: {model}
output_dir: {folder}
dtype: float32
max_steps: 2
num_generations: 4
per_device_train_batch_size: 8
max_completion_length: 6
learning_rate: 1e-2
save_steps: 1
report_to: []
data: {{name: sums, eval_count: 4, count: 20, one_shot: false}}
reward: [{{verifier: math}}, {{verifier: 'shares:Spaces'}}]
eval: {{batch: 3}}
"""
VERIFIER = """\
from assay import Score, Status
from assay.verifiers.verifier import Verifier


class Spaces(Verifier):
    name = "spaces"
    needs_reference = False

    def score(self, response, problem):
        return Score((len(response) * 37 % 11) / 10, Status.INCORRECT)
"""


def run(*arguments: Any) -> Any:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def test_train_then_go_on_then_evaluate(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shares.py").write_text(VERIFIER)
    monkeypatch.syspath_prepend(str(tmp_path))
    recipe, folder = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(RECIPE.format(model=tiny_model, folder=folder))
    done = run("train", recipe)
    assert "step 2/2" in done.stderr
    assert "greedy answers exact" in done.stdout
    assert [row["step"] for row in read_rows(folder / "metrics.jsonl")] == [1, 2]
    assert [row["step"] for row in read_rows(folder / "eval.jsonl")] == [0, 2]
    assert len(read_rows(folder / "completions.jsonl")) == 8
    assert (folder / "curves.png").exists()
    first = read_rows(folder / "metrics.jsonl")[0]
    for name in ("loss", "reward", "entropy", "grad_norm", "completions/mean_length", "tokens_per_second", "step_time"):
        assert isinstance(first[name], float | int), name
    assert {"rewards/math/mean", "rewards/spaces/mean"} <= set(first)

    adapter = (folder / "adapter" / "adapter_model.safetensors").read_bytes()
    run("train", recipe)  # it is done already
    assert (folder / "adapter" / "adapter_model.safetensors").read_bytes() == adapter
    assert len(read_rows(folder / "metrics.jsonl")) == 2

    answers = tmp_path / "answers.jsonl"
    done = run("eval", recipe, "--greedy", "--k", "1,2", "--output", answers)
    assert "before" in done.stdout
    rows = read_rows(answers)
    assert len(rows) == 2 * 4 * 3
    after = {row["id"]: row["response"] for row in rows if row["greedy"] and row["model"] == str(folder / "adapter")}
    during = {row["id"]: row["response"] for row in read_rows(folder / "eval_completions.jsonl") if row["step"] == 2}
    assert after == during  # the adapter that was saved is the policy that was evaluated
    before = {row["id"]: row["response"] for row in rows if row["greedy"] and row["model"] == str(tiny_model)}
    assert before == {
        row["id"]: row["response"] for row in read_rows(folder / "eval_completions.jsonl") if not row["step"]
    }
    assert before != after
