"""Files of a run: whole lines, no step twice whatever was cut off, and curves of whatever is there."""

from __future__ import annotations

import json
import math
import struct
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from assay.grpo.eval_record import Evaluation
from assay.grpo.metrics import RunLog, Sample, read_rows
from assay.grpo.progress import Progress, duration
from assay.grpo.recipe_file import RecipeError
from assay.grpo.settings import Settings

from assay import Problem, Score, Status

NAMES = ("metrics.jsonl", "completions.jsonl", "eval.jsonl", "eval_completions.jsonl")
RECIPE = {"model_name_or_path": "tiny", "max_steps": 6, "data": {"name": "sums"}}


@pytest.fixture(autouse=True)
def _few_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all the rest: only the tests of the curves do it."""
    if "curves" not in request.node.name and "picture" not in request.node.name:
        from assay.grpo import curves

        monkeypatch.setattr(curves, "draw", lambda folder: None)


def settings(**changes: Any) -> Settings:
    return Settings(**{"model_name_or_path": "tiny", "max_steps": 6, "report_to": [], **changes})


def numbers(step: int) -> dict[str, float]:
    return {"reward": step / 10, "entropy": 1.0, "completions/mean_length": 5.0, "step_time": 0.5, "grad_norm": 2.0}


def sample(text: str = "x") -> Sample:
    problem = Problem("p", "1 + 1?", ("2",))
    return Sample(problem, text, Score(1.0, Status.CORRECT, "2", "same"), 0.5, 3, True)


def evaluation(step: int, exact: float = 0.5) -> tuple[Evaluation, list[dict[str, Any]]]:
    return Evaluation(step, 10, exact, exact, {"math": exact}, pass_at={1: exact}), [{"step": step, "id": "a"}] * 2


def run(folder: Path, first: int, last: int, **changes: Any) -> None:
    with RunLog(folder, settings(**changes), step=first, recipe=RECIPE) as log:
        if first == 0 and 0 not in log.evaluations:
            log.evaluation(*evaluation(0))
        for step in range(first + 1, last + 1):
            log.step(step, numbers(step), [sample(f"{step}/{index}") for index in range(8)])


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in NAMES}


def test_a_resumed_run_writes_what_the_run_never_cut_off_writes(tmp_path: Path) -> None:
    run(tmp_path / "whole", 0, 6)
    run(tmp_path / "cut", 0, 5)
    for name in NAMES:  # killed in the middle of a line
        with open(tmp_path / "cut" / name, "ab") as file:
            file.write(b'{"step": 6, "rew')
    run(tmp_path / "cut", 3, 4)  # from the checkpoint of step 3
    run(tmp_path / "cut", 4, 6)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert [row["step"] for row in read_rows(tmp_path / "cut" / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6]


def test_a_run_without_a_checkpoint_begins_anew_but_keeps_its_evaluation(tmp_path: Path) -> None:
    run(tmp_path, 0, 2)
    with RunLog(tmp_path, settings(), step=0, recipe=RECIPE) as log:
        assert list(log.evaluations) == [0]
        assert log.evaluations[0] == evaluation(0)[0]
        assert read_rows(tmp_path / "metrics.jsonl") == []
    with RunLog(tmp_path, settings(), step=0, recipe={**RECIPE, "model_name_or_path": "other"}) as log:
        assert log.evaluations == {}  # another model's
        assert read_rows(tmp_path / "eval_completions.jsonl") == []


def test_an_evaluation_that_was_cut_off_leaves_nothing(tmp_path: Path) -> None:
    run(tmp_path, 0, 2)
    with open(tmp_path / "eval_completions.jsonl", "a") as file:
        file.write('{"step": 2, "id": "a"}\n')  # its record was not written any more
    with RunLog(tmp_path, settings(), step=2, recipe=RECIPE):
        assert [row["step"] for row in read_rows(tmp_path / "eval_completions.jsonl")] == [0, 0]


def test_what_is_written_is_json_whatever_it_was(tmp_path: Path) -> None:
    with RunLog(tmp_path, settings(), recipe=RECIPE) as log:
        log.step(1, {"reward": math.nan, "loss": math.inf, "kl": 1e-3}, [sample("\ud800 \x00 日本\n")])

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    for name in ("metrics.jsonl", "completions.jsonl"):
        text = (tmp_path / name).read_text("utf-8")
        assert text.count("\n") == 1
        json.loads(text, parse_constant=refuse)
    assert read_rows(tmp_path / "metrics.jsonl") == [{"step": 1, "reward": None, "loss": None, "kl": 1e-3}]


def test_completions_have_what_verify_reads(tmp_path: Path) -> None:
    with RunLog(tmp_path, settings(log_completions=3), recipe=RECIPE) as log:
        log.step(1, numbers(1), [sample(str(index)) for index in range(9)])
        log.step(2, numbers(2), [])
    rows = read_rows(tmp_path / "completions.jsonl")
    assert [row["response"] for row in rows] == ["0", "3", "6"]  # of several groups, where there are several
    assert rows[0] == {
        "step": 1,
        "id": "p",
        "prompt": "1 + 1?",
        "response": "0",
        "reference": "2",
        "advantage": 0.5,
        "tokens": 3,
        "finished": True,
        "score": {"reward": 1.0, "status": "correct", "answer": "2", "detail": "same", "seconds": 0.0},
    }


def test_logging_steps_leaves_steps_out_but_not_the_last(tmp_path: Path) -> None:
    run(tmp_path, 0, 6, logging_steps=4)
    assert [row["step"] for row in read_rows(tmp_path / "metrics.jsonl")] == [4, 6]


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    with RunLog(tmp_path / "none", settings(), main=False) as log:
        log.step(1, numbers(1), [sample()])
        log.evaluation(*evaluation(1))
        log.say("x")
        log.doing("x")
        assert 1 in log.evaluations
    assert not (tmp_path / "none").exists()


def test_plain_lines_where_there_is_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path, settings(), recipe=RECIPE) as log:
        log.step(1, {**numbers(1), "kl": 0.0123, "tokens_per_second": 812.4})
        log.step(2, numbers(2))
        log.say("[a notice]")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "step 1/6  reward 0.100  KL 0.0123  length 5.0  812 tok/s  ETA 0:02"
    assert lines[1] == "step 2/6  reward 0.200  length 5.0  ETA 0:02"
    assert lines[2] == "[a notice]"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    progress = Progress(3)
    progress.step(1, numbers(1))
    progress.doing("evaluation 3/10")
    progress.say("[a notice]")
    progress.close()
    said = capsys.readouterr().err
    for words in ("1/3", "evaluation 3/10", "[a notice]"):
        assert words in said


@pytest.mark.parametrize(("seconds", "words"), [(0, "0:00"), (59.6, "1:00"), (3725, "1:02:05"), (-1, "0:00")])
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


# ---- curves


def size(png: Path) -> tuple[int, int]:
    content = png.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", content[16:24])


def test_curves_are_drawn_at_the_end_and_when_a_run_is_cut_off(tmp_path: Path) -> None:
    run(tmp_path, 0, 6)
    whole = (tmp_path / "curves.png").read_bytes()
    width, height = size(tmp_path / "curves.png")
    assert width > 1000
    assert height > 500
    with suppress(KeyboardInterrupt), RunLog(tmp_path, settings(), step=2, recipe=RECIPE) as log:
        log.step(3, numbers(3))
        raise KeyboardInterrupt
    assert (tmp_path / "curves.png").read_bytes() != whole
    assert not list(tmp_path.glob("*.new"))


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"step": 1, "reward": None}],
        [{"step": 1, "reward": 0.5, "kl": 0.1, "entropy": 0.0, "completions/mean_length": 0.0}],
        [
            {"step": s, "reward": 0.1, "rewards/a/mean": 0.2, "rewards/b/mean": 0.1, "completions/clipped_ratio": 0.5}
            | {"completions/mean_length": 7.0}
            for s in range(1, 40)
        ],
    ],
)
def test_curves_of_whatever_there_is(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    from assay.grpo.curves import draw

    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if not rows:
        assert draw(tmp_path) is None
    records = [evaluation(0, 0.0)[0], evaluation(9, 1.0)[0]] if len(rows) != 1 else []
    (tmp_path / "eval.jsonl").write_text("".join(json.dumps(record.as_dict()) + "\n" for record in records))
    assert draw(tmp_path) == tmp_path / "curves.png"


def test_a_run_is_not_stopped_by_its_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    run(tmp_path, 0, 2)
    assert "pip install matplotlib" in capsys.readouterr().err
    assert len(read_rows(tmp_path / "metrics.jsonl")) == 2


# ---- elsewhere


def test_tensorboard_has_each_step_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    pytest.importorskip("torch")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path, 0, 5, report_to=["tensorboard"])
    run(tmp_path, 3, 6, report_to=["tensorboard"])
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/reward")] == [1, 2, 3, 4, 5, 6]
    assert events.Scalars("train/reward")[-1].value == pytest.approx(0.6)
    assert [event.step for event in events.Scalars("eval/exact")] == [0]
    assert [event.step for event in events.Scalars("completions/mean_length")] == [1, 2, 3, 4, 5, 6]


def test_tensorboard_that_is_not_installed_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    run(tmp_path, 0, 2, report_to=["tensorboard"])
    assert capsys.readouterr().err.count("pip install tensorboard") == 1


def test_wandb_only_if_asked_and_under_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, Any]] = []
    logged: list[dict[str, Any]] = []

    def init(**given: Any) -> Any:
        started.append(given)
        return SimpleNamespace(log=logged.append, finish=lambda: None, define_metric=lambda *_, **__: None)

    ids = iter(["one", "two"])
    wandb = SimpleNamespace(init=init, util=SimpleNamespace(generate_id=lambda: next(ids)))
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    run(tmp_path, 0, 2)
    assert not started
    run(tmp_path, 0, 2, report_to=["wandb"])
    run(tmp_path, 2, 3, report_to=["wandb"])
    assert [given["id"] for given in started] == ["one", "one"]
    assert started[0]["config"] == RECIPE
    assert {"step": 3, "reward": 0.3}.items() <= logged[-1].items()
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(RecipeError, match="pip install wandb"):
        run(tmp_path, 0, 2, report_to=["wandb"])
