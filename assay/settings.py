"""Which verifier was asked for? The flags, filled up from the preset, in one place that can be shown and recorded."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .datasets.fields import FieldError, find_field
from .datasets.jsonl import RowError
from .pairing import Fields, WrongUse
from .presets import AUTO, CODE_TASKS, PEEKED_ROWS, PRESETS, Extract, Form, recognise
from .verifiers.thinking import CLOSE, OPEN
from .verifiers.verifier import Verifier

__all__ = ["FORMAT_WEIGHT", "Settings", "settle"]

FORMAT_WEIGHT = 0.2  # of the think format, beside 1 for the answer


@dataclass(frozen=True, slots=True)
class Settings:
    """The flags of `verify` and `explain` that decide verdicts; None leaves a choice to the preset.

    evidence  why `auto` took this task; empty when it was named
    """

    task: str = AUTO
    extract: Extract | None = None
    form: Form | None = None
    answer_after: str | None = None
    format: str | None = None
    think_open: str = OPEN
    think_close: str = CLOSE
    prefilled: bool = False
    deadline: float = 1.0
    evidence: str = ""

    def resolved(self, task: str, evidence: str = "") -> Settings:
        """Return the settings with the task known and nothing left open; raises WrongUse for a task that needs code."""
        if task in CODE_TASKS:
            raise WrongUse(
                f"the task {task} is judged by running tests, which this version cannot do"
                f"{f' ({evidence})' if evidence else ''}; it verifies answers: --task {', '.join(PRESETS)}"
            )
        preset = PRESETS[task]
        return Settings(
            task=task,
            extract=self.extract or preset.extract,
            form=self.form or preset.form,
            answer_after=self.answer_after,
            format=self.format,
            think_open=self.think_open,
            think_close=self.think_close,
            prefilled=self.prefilled,
            deadline=self.deadline,
            evidence=evidence,
        )

    def verifier(self) -> Verifier:
        """Return the verifier that these resolved settings describe; raises WrongUse for those that contradict."""
        from .verifiers.math_verifier import MathVerifier
        from .verifiers.reward import Reward
        from .verifiers.think_format import ThinkFormat

        tags = (self.think_open, self.think_close, self.prefilled)
        try:
            answers = MathVerifier(
                self.extract or "boxed", self.form or "value", self.deadline, *tags, answer_after=self.answer_after
            )
            if self.format is None:
                return answers
            return Reward([(answers, 1.0), (ThinkFormat(*tags), FORMAT_WEIGHT)])
        except ValueError as error:
            raise WrongUse(str(error)) from None

    def record(self) -> dict[str, Any]:
        """Return what decides verdicts, as plain data."""
        return {
            "task": self.task,
            "extract": self.extract,
            "form": self.form,
            "answer_after": self.answer_after,
            "format": self.format,
            "think_tags": [self.think_open, self.think_close, self.prefilled],
            "deadline": self.deadline,
        }

    def described(self) -> list[tuple[str, str]]:
        """Return the lines for the summary: the task and how it was found, and the settings."""
        words = [f"extract {self.extract}", f"form {self.form}"]
        if self.answer_after is not None:
            words.append(f"answer after {self.answer_after!r}")
        if self.format is not None:
            words.append(f"format {self.format} (weight {FORMAT_WEIGHT:g} beside 1)")
        if (self.think_open, self.think_close) != (OPEN, CLOSE):
            words.append(f"thinking {self.think_open} {self.think_close}")
        if self.prefilled:
            words.append("prefilled")
        words.append(f"deadline {self.deadline:g} s")
        found = f" (found by auto: {self.evidence})" if self.evidence else ""
        return [("task", self.task + found), ("settings", ", ".join(words))]


Lines = Iterator[tuple[int, bytes, dict[str, Any] | RowError]]


def settle(settings: Settings, fields: Fields, references: str | None, lines: Lines) -> tuple[Settings, Lines]:
    """Resolve the settings, looking at the first rows if the task is `auto`; returns all of the lines again."""
    if settings.task != AUTO:
        return settings.resolved(settings.task), lines
    first = list(itertools.islice(lines, PEEKED_ROWS))
    rows = [row for _, _, row in first if isinstance(row, dict)]
    responses = []
    for row in rows:
        with contextlib.suppress(FieldError, RecursionError):
            found = find_field(row, "response", fields.response)
            responses += [found.value] if found else []
    return settings.resolved(*recognise(rows, responses, references)), itertools.chain(first, lines)
