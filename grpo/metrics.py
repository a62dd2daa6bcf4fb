"""What does a run write down, and what does it show meanwhile?

    with RunLog(folder, settings, step=0) as log:       step: of the checkpoint that is resumed, 0 for a new run
        log.step(step, numbers, samples)                after each weight update, before its checkpoint; step counts from 1
        log.evaluation(record, rows)                    of evaluate.py
        log.say("a notice")

Files in the folder: recipe.yaml (the whole recipe, as resolved), metrics.jsonl (one flat object a step), completions.jsonl
(some of what was sampled, with scores and advantages), eval.jsonl and eval_completions.jsonl, TensorBoard's events,
curves.png. A resumed run cuts what lies after its checkpoint and goes on, so that no step is there twice. Names of numbers
are TRL's:

    loss  reward  reward_std  rewards/<verifier>/mean  frac_reward_zero_std  kl  entropy  grad_norm  learning_rate
    completions/mean_length  completions/clipped_ratio  clip_ratio/region_mean  num_tokens  step_time
    and ours: no_verdict (share of samples)  tokens_per_second (sampled and learnt from, over all steps since the sampling;
    at the last of them alone)

Groups that dynamic sampling left out or replaced are counted like the others, but for reward_std.

What a step without a token to learn from cannot know (entropy, kl, ratio) is null.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..records import Problem, Score
from .eval_record import Evaluation
from .progress import Progress
from .settings import Settings
from .writing import opened

__all__ = ["COMPLETIONS", "EVALUATIONS", "EVAL_COMPLETIONS", "METRICS", "RECIPE", "RunLog", "Sample", "read_rows"]

METRICS = "metrics.jsonl"
COMPLETIONS = "completions.jsonl"
EVALUATIONS = "eval.jsonl"
EVAL_COMPLETIONS = "eval_completions.jsonl"
RECIPE = "recipe.yaml"
CURVES = "curves.png"
REDRAW = 60.0  # seconds between drawings of the curves, so that a run that is killed has them too


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled completion, as it is written to completions.jsonl. advantage None: it taught nothing."""

    problem: Problem
    response: str
    score: Score
    advantage: float | None
    tokens: int
    finished: bool


class RunLog:
    """The files and the progress display of one run; on other processes than the first it does nothing (main=False).

    evaluations  those in eval.jsonl, by step
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        step: int = 0,
        main: bool = True,
        recipe: Mapping[str, Any] | None = None,
    ) -> None:
        """Open the files. Raises OSError, and RecipeError if what report_to names is not installed."""
        self.folder = folder
        self.settings = settings
        self.main = main
        self.evaluations: dict[int, Evaluation] = {}
        if not main:
            return
        folder.mkdir(parents=True, exist_ok=True)
        if recipe is not None:
            from .recipe_file import as_yaml

            text = as_yaml(dict(recipe))
            place = folder / RECIPE
            if step == 0 and not (place.exists() and place.read_text(encoding="utf-8") == text):
                step = -1  # another run's: its evaluation before the first step is not ours
            _replace(place, text)
        for name in (METRICS, COMPLETIONS, EVALUATIONS):
            _cut(folder / name, range(step + 1))
        self.evaluations = {row["step"]: Evaluation.from_dict(row) for row in read_rows(folder / EVALUATIONS)}
        _cut(folder / EVAL_COMPLETIONS, self.evaluations)  # not those of an evaluation that was cut off
        step = max(step, 0)
        self.progress = Progress(settings.max_steps, step)
        from .reporters import reporters

        self._reporters = reporters(folder, settings, step, recipe, self.say)
        self._drawn = time.monotonic()

    def step(self, step: int, numbers: Mapping[str, float], samples: Sequence[Sample] = ()) -> None:
        """Write a step down (at logging_steps, and the last one; all are shown). `samples`: all of them; some are kept."""
        if not self.main:
            return
        self.progress.step(step, numbers)
        if step % self.settings.logging_steps and step != self.settings.max_steps:
            return
        chosen = _spread(samples, self.settings.log_completions)
        if chosen:
            _append(self.folder / COMPLETIONS, [_completion(step, sample) for sample in chosen])
        row = {name: value for name, value in numbers.items() if name != "step"}
        _append(self.folder / METRICS, [{"step": step, **row}])
        for reporter in self._reporters:
            reporter.step(step, row)
        if time.monotonic() - self._drawn > REDRAW:
            self._draw()

    def evaluation(self, record: Evaluation, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write an evaluation down: the record to eval.jsonl, the responses to eval_completions.jsonl."""
        self.evaluations[record.step] = record
        if not self.main:
            return
        _append(self.folder / EVAL_COMPLETIONS, rows)
        _append(self.folder / EVALUATIONS, [record.as_dict()])  # last: an evaluation that is listed here is whole
        values = {"exact": record.exact, "reward": record.reward, "mean_length": record.mean_length}
        values |= {f"pass@{k}": value for k, value in record.pass_at.items()}
        for reporter in self._reporters:
            reporter.step(record.step, {f"eval/{name}": each for name, each in values.items() if each is not None})
        self.say(f"step {record.step}: {record.in_words()}")

    def say(self, text: str) -> None:
        """Show a notice, beside the progress."""
        if self.main:
            self.progress.say(text)

    def doing(self, what: str) -> None:
        """Show what is going on between steps; empty: nothing special."""
        if self.main:
            self.progress.doing(what)

    def close(self) -> None:
        """Draw curves.png from what is on disk, and end the display."""
        if not self.main:
            return
        self.progress.close()
        for reporter in self._reporters:
            reporter.close()
        self._draw()

    def _draw(self) -> None:
        """Draw the curves; a picture that cannot be drawn is told and stops nothing."""
        self._drawn = time.monotonic()
        try:
            from .curves import draw

            draw(self.folder)
        except ImportError:
            self.say("no curves.png: matplotlib is not installed; pip install matplotlib")
        except Exception as error:
            self.say(f"no curves.png: {type(error).__name__}: {error}")

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the whole rows of one of the files; a last line that a kill has torn is left out."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def _cut(path: Path, steps: Container[int]) -> None:
    """Leave the whole rows of some steps; the file is replaced in one go, or left alone if nothing is to be cut."""
    if not path.exists():
        return
    before = path.read_bytes()
    kept = b""
    for line in before.splitlines(keepends=True):
        try:
            if line.endswith(b"\n") and json.loads(line)["step"] in steps:
                kept += line
        except (ValueError, KeyError, TypeError):
            continue  # torn
    if kept != before:
        _replace(path, kept)


def _replace(path: Path, content: str | bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    with opened(fresh, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _append(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows in one write, on the disk when it returns: a checkpoint that comes next has its step in the file."""
    lines = b"".join(json.dumps(_plain(row), ensure_ascii=False).encode(errors="replace") + b"\n" for row in rows)
    with opened(path, "ab") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: what is no finite number is null, tensors and the like are numbers."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def _spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return `count` of the samples, evenly spread, so that they are of different problems where there are several."""
    if len(samples) <= count:
        return list(samples)
    return [samples[index * len(samples) // count] for index in range(count)]


def _completion(step: int, sample: Sample) -> dict[str, Any]:
    references = sample.problem.references
    return {
        "step": step,
        "id": sample.problem.id,
        "prompt": sample.problem.prompt,
        "response": sample.response,
        **({"reference": references[0] if len(references) == 1 else list(references)} if references else {}),
        "advantage": sample.advantage,
        "tokens": sample.tokens,
        "finished": sample.finished,
        "score": sample.score.as_dict(),
    }
