"""The commands `assay train` and `assay eval`: which folder a run may take, what is told, and the exit codes."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from assay.grpo import evaluate_runs, run_folder
from assay.grpo import train as loop
from assay.grpo.checkpoint import FIXED
from assay.grpo.distributed import LaunchError
from assay.grpo.eval_record import Evaluation
from assay.grpo.guards import TrainingStopped
from assay.grpo.metrics import RunLog
from assay.grpo.recipe import Recipe, load_recipe
from assay.grpo.vllm_server import VllmError
from assay.sandbox.errors import SandboxUnavailable
from click.testing import CliRunner

from assay import training
from assay.cli import main

RECIPE = """\
model_name_or_path: tiny
output_dir: {folder}
max_steps: 4
report_to: []
data: {{name: sums, eval_count: 5, count: 20}}
reward: [{{verifier: math}}]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "recipe.yaml"
    file.write_text(RECIPE.format(folder=tmp_path / "run"))
    return file


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the runs were started with; training itself is pretended: a log, a checkpoint, an adapter."""
    seen: dict[str, Any] = {"resume": [], "recipes": [], "then": None}

    def pretended(chosen: Recipe, *, resume: bool) -> loop.Result:
        seen["resume"].append(resume)
        seen["recipes"].append(chosen)
        folder = Path(chosen.settings.output_dir)
        with RunLog(folder, chosen.settings, step=2 if resume else 0, recipe=chosen.as_dict()) as log:
            log.evaluation(Evaluation(0, 5, 0.2, 0.2, mean_length=7), [])
            (folder / "checkpoints" / "step-000002").mkdir(parents=True, exist_ok=True)
            (folder / "checkpoints" / "step-000002" / "state.pt").touch()
            if seen["then"] is not None:
                then: Callable[[], None] = seen["then"]
                then()
            log.step(4, {"reward": 0.5, "step_time": 90.0})
            log.evaluation(Evaluation(4, 5, 0.8, 0.8, mean_length=6), [])
        (folder / "adapter").mkdir(exist_ok=True)
        (folder / "adapter" / "adapter_config.json").write_text("{}")
        return loop.Result(folder, folder / "adapter", 4, None, None)

    from assay.grpo import curves

    monkeypatch.setattr(curves, "draw", lambda folder: None)
    monkeypatch.setattr(loop, "train", pretended)
    return seen


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def fail(seen: dict[str, Any], error: BaseException) -> None:
    def raised() -> None:
        raise error

    seen["then"] = raised


def test_a_run_prints_before_and_after(recipe: Path, runs: dict[str, Any], tmp_path: Path) -> None:
    done = run("train", recipe, "learning_rate=1e-3")
    assert done.exit_code == 0, done.output
    assert runs["resume"] == [False]
    assert runs["recipes"][0].settings.learning_rate == 1e-3
    for words in ("5 held-out problems", "step 0", "step 4", "20.0% ± 17.9%", "80.0%", "1.5 minutes"):
        assert words in done.stdout
    assert f"adapter: {tmp_path / 'run' / 'adapter'}" in done.stdout.replace("\n", "")


def test_the_same_command_goes_on(recipe: Path, runs: dict[str, Any]) -> None:
    assert run("train", recipe).exit_code == 0
    again = run(
        "train", recipe, "save_steps=1", "eval.steps=2", "logging_steps=2"
    )  # which change nothing that is learnt
    assert again.exit_code == 0, again.output
    assert runs["resume"] == [False, True]
    assert "going on after step 2" in again.stderr


def test_changed_settings_need_a_word(recipe: Path, runs: dict[str, Any], tmp_path: Path) -> None:
    run("train", recipe)
    changed = run("train", recipe, "learning_rate=1e-3", "beta=0.1")
    assert changed.exit_code == 2
    for words in (
        "learning_rate 1e-06 (now 0.001)",
        "beta 0.0 (now 0.1)",
        "--resume goes on",
        "--overwrite",
        "output_dir=FOLDER",
    ):
        assert words in changed.stderr
    assert runs["resume"] == [False]
    assert run("train", recipe, "learning_rate=1e-3", "--resume").exit_code == 0
    assert runs["resume"] == [False, True]
    assert run("train", recipe, "learning_rate=1e-3").exit_code == 0  # they are this run's now
    assert run("train", recipe, f"output_dir={tmp_path / 'other'}").exit_code == 0
    assert runs["resume"] == [False, True, True, False]


@pytest.mark.parametrize("change", ["seed=1", "data.digits=3", "model_name_or_path=other", "lora_r=4"])
def test_another_run_cannot_be_gone_on_with(recipe: Path, runs: dict[str, Any], tmp_path: Path, change: str) -> None:
    run("train", recipe)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    refused = run("train", recipe, change, "--resume")
    assert refused.exit_code == 2
    assert "holds another run" in refused.stderr
    assert change.partition("=")[0] in refused.stderr
    anew = run("train", recipe, change, "--overwrite")
    assert anew.exit_code == 0, anew.output
    assert runs["resume"] == [False, False]
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_overwriting_deletes_the_run_and_nothing_else(recipe: Path, runs: dict[str, Any], tmp_path: Path) -> None:
    run("train", recipe)
    folder = tmp_path / "run"
    (folder / "keep").mkdir()
    before: list[list[str]] = []
    runs["then"] = lambda: before.append(sorted(path.name for path in folder.iterdir()))
    assert run("train", recipe, "--overwrite").exit_code == 0
    assert "adapter" not in before[0]
    assert "keep" in before[0]


def test_a_folder_with_other_things_is_left_alone(recipe: Path, runs: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    assert run("train", recipe, "--resume").exit_code == 2  # empty: nothing to go on with
    (folder / "thesis.tex").write_text("all of it")
    for flags in ([], ["--overwrite"], ["--resume"]):
        refused = run("train", recipe, *flags)
        assert refused.exit_code == 2
        assert "holds no run" in refused.stderr
    assert (folder / "thesis.tex").read_text() == "all of it"
    assert not runs["resume"]
    assert run("train", recipe, "--resume", "--overwrite").exit_code == 2


TRAINING = """\
import sys
from assay.grpo.recipe import load_recipe
from assay.grpo.run_folder import prepared
with prepared(load_recipe(sys.argv[1])):
    print("training", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("flags", [[], ["--overwrite"], ["learning_rate=1"]])
def test_one_process_trains_in_a_folder(
    recipe: Path, runs: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: list[str]
) -> None:
    """However it ends; the other processes of one launch are the same run."""
    words = [sys.executable, "-c", TRAINING, str(recipe)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "training\n"
        refused = run("train", recipe, *flags)
        assert refused.exit_code == 2
        assert f"another process trains in {tmp_path / 'run'} (pid {other.pid}, host " in refused.stderr
        assert not runs["resume"]
        monkeypatch.setenv("RANK", "1")
        assert run("train", recipe).exit_code == 0
        monkeypatch.delenv("RANK")
        other.kill()
        other.wait()
        assert run("train", recipe).exit_code == 0


def test_a_file_system_without_locks_takes_runs(
    recipe: Path, runs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(run_folder.fcntl, "lockf", unable)
    assert run("train", recipe).exit_code == 0


def test_a_folder_that_cannot_be_made_is_told(recipe: Path, runs: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = run("train", recipe, f"output_dir={tmp_path / 'file' / 'run'}")
    assert refused.exit_code == 2
    assert "cannot be written to" in refused.stderr


def test_a_run_that_came_to_nothing_is_in_nobody_s_way(recipe: Path, runs: dict[str, Any], tmp_path: Path) -> None:
    def nothing() -> None:
        (tmp_path / "run" / "checkpoints" / "step-000002" / "state.pt").unlink()
        for log in (tmp_path / "run").glob("*.jsonl"):
            log.unlink()
        raise OSError("the reward cannot be opened")

    runs["then"] = nothing
    assert run("train", recipe).exit_code == 2
    runs["then"] = None
    assert run("train", recipe, "seed=3", "reward.math.deadline=2").exit_code == 0
    assert runs["resume"] == [False, False]
    assert "seed: 3" in (tmp_path / "run" / "recipe.yaml").read_text()


def test_logs_stay_though_there_is_no_checkpoint(recipe: Path, runs: dict[str, Any], tmp_path: Path) -> None:
    """Hours of a run may be in them, of one that writes its only checkpoint at its end."""

    def cut_off() -> None:
        (tmp_path / "run" / "checkpoints" / "step-000002" / "state.pt").unlink()
        (tmp_path / "run" / "metrics.jsonl").write_text('{"step": 1, "reward": 0.5}\n')
        raise OSError("the sandbox went away")

    runs["then"] = cut_off
    assert run("train", recipe).exit_code == 1
    runs["then"] = None
    assert run("train", recipe, "seed=3").exit_code == 2
    assert (tmp_path / "run" / "metrics.jsonl").exists()
    assert run("train", recipe, "seed=3", "--overwrite").exit_code == 0


def test_what_was_trained_stays_without_its_checkpoints(recipe: Path, runs: dict[str, Any], tmp_path: Path) -> None:
    run("train", recipe)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    assert run("train", recipe, "seed=3").exit_code == 2
    assert (tmp_path / "run" / "adapter").exists()


def test_a_run_is_not_gone_on_with_to_where_it_is(recipe: Path, runs: dict[str, Any], tmp_path: Path) -> None:
    run("train", recipe)
    before = (tmp_path / "run" / "recipe.yaml").read_text()
    for change in ("max_steps=1", "max_steps=2"):
        for flags in ([], ["--resume"]):
            refused = run("train", recipe, change, *flags)
            assert refused.exit_code == 2
            assert "already at step 2: --resume with max_steps above 2 goes on" in refused.stderr
    assert (tmp_path / "run" / "recipe.yaml").read_text() == before
    assert run("train", recipe, "max_steps=3", "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("reward.math.deadline=2", "with reward.math.deadline 1.0 (now 2.0):"),
        ("reward=[{verifier: math}, {verifier: think}]", 'with reward ["math"] (now ["math", "think"]):'),
        ("reward=[{verifier: math, name: sums}]", 'with reward ["math"] (now ["sums"]):'),
        (f"prompt.system={'word ' * 30}end", "…"),
    ],
)
def test_only_what_differs_is_shown(recipe: Path, runs: dict[str, Any], change: str, words: str) -> None:
    run("train", recipe, f"prompt.system={'word ' * 30}")
    refused = run("train", recipe, f"prompt.system={'word ' * 30}", change)
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert ("ord end" in refused.stderr) == ("prompt" in change)


def test_what_makes_another_run_is_what_checkpoints_hold_fast() -> None:
    assert set(FIXED) == set(run_folder.IDENTITY)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (TrainingStopped("step 3: the loss is nan; lower learning_rate"), 1, "the loss is nan"),
        (SandboxUnavailable("docker is away"), 1, "docker is away"),
        (OSError("no space left"), 1, "no space left"),
        (VllmError("the server is gone"), 1, "the server is gone"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_ends_a_run_is_told_and_how_to_go_on(
    recipe: Path, runs: dict[str, Any], error: BaseException, code: int, words: str
) -> None:
    fail(runs, error)
    done = run("train", recipe, "beta=0.5")
    assert done.exit_code == code, done.output
    assert words in done.stderr
    assert f"`assay train {recipe} beta=0.5` goes on after step 2" in done.stderr
    assert ("--resume" in done.stderr) == isinstance(error, TrainingStopped)
    runs["then"] = None
    assert run("train", recipe, "beta=0.5").exit_code == 0
    assert runs["resume"] == [False, True]


def test_a_polite_kill_closes_the_files(recipe: Path, runs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    close = RunLog.close
    monkeypatch.setattr(RunLog, "close", lambda self: (closed.append(True), close(self))[1])
    before = signal.getsignal(signal.SIGTERM)
    runs["then"] = lambda: os.kill(os.getpid(), signal.SIGTERM)
    done = run("train", recipe)
    assert done.exit_code == 143
    assert "goes on after step 2" in done.stderr
    assert closed == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def test_errors_of_ours_are_not_hidden(recipe: Path, runs: dict[str, Any]) -> None:
    fail(runs, ZeroDivisionError("a bug"))
    assert isinstance(run("train", recipe).exception, ZeroDivisionError)


def test_other_processes_say_and_delete_nothing(
    recipe: Path, runs: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("train", recipe)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(loop, "train", lambda chosen, *, resume: loop.Result(tmp_path, tmp_path, 4, None, None))
    done = run("train", recipe, "--overwrite")
    assert (done.exit_code, done.output) == (0, "")
    assert (tmp_path / "run" / "adapter").exists()


def test_a_dry_run_shows_what_would_be_done(recipe: Path, runs: dict[str, Any], tmp_path: Path) -> None:
    done = run("train", recipe, "prompt.think=true", "--dry-run")
    assert done.exit_code == 0, done.output
    for words in ("20 problems to train on, 5 held out", "What is", "<think>", "max_steps: 4"):
        assert words in done.stdout
    assert not runs["resume"]
    assert not (tmp_path / "run").exists()
    shown = tmp_path / "shown.yaml"
    shown.write_text(done.stdout)
    assert load_recipe(shown) == load_recipe(recipe, ["prompt.think=true"])  # what is printed is a recipe


def test_what_is_wrong_with_a_recipe_is_wrong_use(recipe: Path, runs: dict[str, Any]) -> None:
    for command in ("train", "eval"):
        done = run(command, recipe, "max_step=3")
        assert done.exit_code == 2
        assert "did you mean max_steps?" in done.stderr
    assert "it comes with gsm8k, mbpp, sums" in run("train", "nothing").stderr


def test_missing_packages_are_told_with_what_to_install(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "find_spec", lambda name: None if name in ("torch", "peft") else importlib.util)
    for command in ("train", "eval"):
        done = run(command, recipe)
        assert done.exit_code == 2
        assert "training needs torch, peft" in done.stderr
        assert "pip install torch==2.13.0" in done.stderr
        assert "pip install 'assay-rewards[train]'" in done.stderr


# ---- assay eval


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Recipe, Path | None, dict[str, Any]]]:
    asked: list[tuple[Recipe, Path | None, dict[str, Any]]] = []

    def pretended(
        recipe: Recipe, trained: Path | None, **flags: Any
    ) -> Iterator[tuple[Path | None, Evaluation, list[dict[str, int]]]]:
        asked.append((recipe, trained, flags))
        base = Evaluation(0, 5, 0.2, 0.2, samples=8, pass_at={1: 0.1, 8: 0.6})
        after = Evaluation(0, 5, 1.0, 0.9, samples=8, pass_at={1: 0.9, 8: 1.0})
        yield from [(None, base, [{"row": 1}])] * flags["before"]
        if trained:
            yield trained, after, [{"row": 2}]

    monkeypatch.setattr(evaluate_runs, "before_and_after", pretended)
    return asked


def test_eval_compares_before_and_after(
    recipe: Path, runs: dict[str, Any], evaluations: list[Any], tmp_path: Path
) -> None:
    run("train", recipe)
    done = run("eval", recipe, "--k", "1,8", "--samples", "16")
    assert done.exit_code == 0, done.output
    (chosen, trained, flags), *_ = evaluations
    assert (chosen.eval.k, chosen.eval.samples, chosen.eval.greedy) == ([1, 8], 16, False)
    assert trained == tmp_path / "run" / "adapter"
    assert flags["before"] is True
    for words in ("before", "20.0%", "100.0%", "pass@8", "60.0%"):
        assert words in done.stdout


def test_eval_takes_any_folder_of_what_was_trained(recipe: Path, evaluations: list[Any], tmp_path: Path) -> None:
    adapter, model, nothing = tmp_path / "c" / "adapter", tmp_path / "m", tmp_path / "n"
    for folder in (adapter, model, nothing):
        folder.mkdir(parents=True)
    (adapter / "adapter_config.json").touch()
    (model / "config.json").touch()
    for given, found in ((adapter, adapter), (adapter.parent, adapter), (model, model)):
        assert run("eval", recipe, "--adapter", given, "--no-before", "--greedy").exit_code == 0
        assert evaluations[-1][1] == found
        assert evaluations[-1][2]["before"] is False
        assert (evaluations[-1][0].eval.greedy, evaluations[-1][0].eval.k) == (True, [])
    refused = run("eval", recipe, "--adapter", nothing)
    assert refused.exit_code == 2
    assert "holds no adapter_config.json and no config.json" in refused.stderr


def test_eval_takes_the_newest_checkpoint_of_a_run_that_was_cut_off(
    recipe: Path, evaluations: list[Any], tmp_path: Path
) -> None:
    newest = tmp_path / "run" / "checkpoints" / "step-000010"
    (newest / "adapter").mkdir(parents=True)
    (newest / "adapter" / "adapter_config.json").touch()
    (newest / "state.pt").touch()
    for flags in ([], ["--adapter", tmp_path / "run"], ["--adapter", tmp_path / "run" / "checkpoints"]):
        done = run("eval", recipe, *flags)
        assert done.exit_code == 0, done.output
        assert f"is {newest / 'adapter'}, which is evaluated" in done.stderr
        assert evaluations[-1][1] == newest / "adapter"


def test_a_file_that_cannot_be_written_is_told_before_the_evaluation(
    recipe: Path, evaluations: list[Any], tmp_path: Path
) -> None:
    refused = run("eval", recipe, "--output", tmp_path / "none" / "answers.jsonl")
    assert refused.exit_code == 2
    assert "answers.jsonl: it cannot be written (No such file or directory)" in refused.stderr
    assert not evaluations
    assert run("eval", recipe, "--output", tmp_path / "answers.jsonl").exit_code == 0
    assert (tmp_path / "answers.jsonl").read_text() == '{"row": 1}\n'


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_what_was_found_is_printed_although_the_disk_is_full(recipe: Path, evaluations: list[Any]) -> None:
    done = run("eval", recipe, "--output", "/dev/full")
    assert done.exit_code == 1
    assert "No space left" in done.stderr
    assert "20.0%" in done.stdout


def test_eval_without_anything_trained_is_of_the_model(recipe: Path, evaluations: list[Any]) -> None:
    done = run("eval", recipe)
    assert done.exit_code == 0, done.output
    assert "holds nothing trained" in done.stderr
    assert evaluations[0][1] is None
    assert run("eval", recipe, "--no-before").exit_code == 2
    assert run("eval", recipe, "data.eval_count=0").exit_code == 2
    assert run("eval", recipe, "eval.greedy=false").exit_code == 2
    assert run("eval", recipe, "--k", "1,x").exit_code == 2


def test_a_wrong_launch_is_wrong_use(recipe: Path, runs: dict[str, Any]) -> None:
    fail(runs, LaunchError("add --fsdp_version 2"))
    done = run("train", recipe)
    assert (done.exit_code, "Error: add --fsdp_version 2" in done.output) == (2, True)


@pytest.mark.parametrize("command", ["train", "eval"])
def test_a_model_that_cannot_be_loaded_is_wrong_use(recipe: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "none").mkdir()
    done = run(command, recipe, f"model_name_or_path={tmp_path / 'none'}")
    assert done.exit_code == 2
    assert f"\nError: model_name_or_path: {tmp_path / 'none'}: the folder has no config.json" in done.stderr
    assert "goes on" not in done.stderr


@pytest.mark.parametrize("error", [VllmError("no server"), SandboxUnavailable("no docker"), OSError("no disk")])
def test_what_lacks_from_the_start_is_wrong_use(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(loop, "train", failing)
    monkeypatch.setattr(evaluate_runs, "before_and_after", failing)
    for command in ("train", "eval"):
        done = run(command, recipe)
        assert (done.exit_code, f"\nError: {error}\n" in done.stderr) == (2, True)
        assert "goes on" not in done.stderr


@pytest.mark.filterwarnings("default")
def test_warnings_are_lines_like_all_others(recipe: Path, runs: dict[str, Any]) -> None:
    runs["then"] = lambda: warnings.warn("tiny is slow:\n  it pads", stacklevel=1)
    done = run("train", recipe)
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines().count("assay: tiny is slow: it pads") == 1
    assert "UserWarning" not in done.stderr


def test_it_is_a_module_that_runs() -> None:
    """As `accelerate launch -m assay.cli` calls it."""
    command = [sys.executable, "-m", "assay.cli", "train", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "RECIPE" in done.stdout
