"""Which verifier was asked for? The flags, filled up from the preset, in one place that can be shown and recorded."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from .datasets.fields import FieldError, find_field
from .datasets.jsonl import RowError
from .pairing import Fields, WrongUse
from .presets import AUTO, CODE_TASKS, PEEKED_ROWS, PRESETS, Extract, Form, recognise
from .records import Limits
from .verifiers.thinking import CLOSE, OPEN
from .verifiers.verifier import Verifier

__all__ = ["DEADLINE", "FORMAT_WEIGHT", "FOR_ANSWERS", "FOR_CODE", "Settings", "settle"]

FORMAT_WEIGHT = 0.2  # of the think format, beside 1 for the answer
DEADLINE = 1.0  # seconds of CPU for one comparison of answers
WALL = 2  # seconds on the clock for each of CPU that --time-limit gives a program

FOR_ANSWERS = ("extract", "form", "answer_after", "deadline")
FOR_CODE = ("sandbox", "sandbox_image", "credit", "blocks", "time_limit", "memory_limit")

Credit = Literal["all", "fraction"]
Blocks = Literal["last", "all"]


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
    deadline: float | None = None
    sandbox: str | None = None
    sandbox_image: str | None = None
    credit: Credit | None = None
    blocks: Blocks | None = None
    time_limit: float | None = None
    memory_limit: int | None = None
    evidence: str = ""

    @property
    def is_code(self) -> bool:
        """Whether responses are programs, to be run; known once the settings are resolved."""
        return self.task in CODE_TASKS

    def resolved(self, task: str, evidence: str = "") -> Settings:
        """Return the settings with the task known and nothing left open; raises WrongUse for flags of another kind of task."""
        code = task in CODE_TASKS
        for name in FOR_ANSWERS if code else FOR_CODE:
            if getattr(self, name) is not None:
                judged = (
                    "programs, judged by tests" if code else "answers; programs are those of " + ", ".join(CODE_TASKS)
                )
                found = f" ({evidence})" if evidence else ""
                raise WrongUse(
                    f"--{name.replace('_', '-')} is not for the task {task}{found}: its responses are {judged}"
                )
        if code:
            if self.sandbox_image is not None and self.sandbox in ("bubblewrap", "restricted"):
                raise WrongUse(
                    f"--sandbox-image is for --sandbox docker; {self.sandbox} runs the Python of this machine, "
                    "with the packages that are installed there"
                )
            sandbox, credit, blocks = self.sandbox or "auto", self.credit or "all", self.blocks or "last"
            return replace(self, task=task, sandbox=sandbox, credit=credit, blocks=blocks, evidence=evidence)
        preset = PRESETS[task]
        extract, form, deadline = self.extract or preset.extract, self.form or preset.form, self.deadline or DEADLINE
        return replace(self, task=task, extract=extract, form=form, deadline=deadline, evidence=evidence)

    def limits(self) -> Limits:
        """Return what a program may use."""
        chosen: dict[str, Any] = {}
        if self.time_limit is not None:
            chosen |= {"cpu_seconds": self.time_limit, "wall_seconds": WALL * self.time_limit}
        if self.memory_limit is not None:
            chosen["memory_bytes"] = self.memory_limit
        return Limits(**chosen)

    def verifier(self, workers: int | None = None) -> Verifier:
        """Return the verifier that these resolved settings describe; raises WrongUse for those that contradict.

        workers  programs that a sandbox runs at a time; None leaves it to the sandbox
        """
        from .verifiers.reward import Reward
        from .verifiers.think_format import ThinkFormat

        tags = (self.think_open, self.think_close, self.prefilled)
        try:
            answers = self._code_verifier(workers, tags) if self.is_code else self._math_verifier(tags)
            if self.format is None:
                return answers
            return Reward([(answers, 1.0), (ThinkFormat(*tags), FORMAT_WEIGHT)])
        except ValueError as error:
            raise WrongUse(str(error)) from None

    def _math_verifier(self, tags: tuple[str, str, bool]) -> Verifier:
        from .verifiers.math_verifier import MathVerifier

        extract, form, deadline = self.extract or "boxed", self.form or "value", self.deadline or DEADLINE
        return MathVerifier(extract, form, deadline, *tags, answer_after=self.answer_after)

    def _code_verifier(self, workers: int | None, tags: tuple[str, str, bool]) -> Verifier:
        from .verifiers.code_verifier import CodeVerifier

        chosen = (self.sandbox or "auto", self.credit or "all", self.blocks or "last", self.limits(), workers)
        return CodeVerifier(*chosen, *tags, image=self.sandbox_image)

    def record(self) -> dict[str, Any]:
        """Return what decides verdicts, as plain data; a sandbox under the name that was asked for."""
        if self.is_code:
            return {
                "task": self.task,
                "sandbox": self.sandbox,
                "image": self.sandbox_image,
                "credit": self.credit,
                "blocks": self.blocks,
                "limits": asdict(self.limits()),
                "format": self.format,
                "think_tags": [self.think_open, self.think_close, self.prefilled],
            }
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
        if self.is_code:
            words = [f"credit {self.credit}", f"blocks {self.blocks}"]
            if self.sandbox_image is not None:
                words.append(f"image {self.sandbox_image}")
        if self.answer_after is not None:
            words.append(f"answer after {self.answer_after!r}")
        if self.format is not None:
            words.append(f"format {self.format} (weight {FORMAT_WEIGHT:g} beside 1)")
        if (self.think_open, self.think_close) != (OPEN, CLOSE):
            words.append(f"thinking {self.think_open} {self.think_close}")
        if self.prefilled:
            words.append("prefilled")
        if self.is_code:
            most = self.limits()
            words.append(
                f"limits {most.cpu_seconds:g} s of CPU, {most.wall_seconds:g} s in all, {most.memory_bytes >> 20} MiB"
            )
        else:
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
