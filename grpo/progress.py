"""How is the run going? A bar with reward, KL, lengths, speed and the time left; plain lines where stderr is no terminal."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

__all__ = ["Progress", "duration"]

RECENT = 20  # steps from which the time left is estimated
WAITING = 5.0  # seconds between plain lines on what is going on between steps


class Progress:
    """Shows steps on stderr. `at`: the step that the run starts from."""

    def __init__(self, steps: int, at: int = 0) -> None:
        from ..summary import console

        self.steps = steps
        self._console = console(sys.stderr)
        self._times: deque[float] = deque(maxlen=RECENT)
        self._last = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._line = ""
        if self._console.is_terminal:
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = [
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                BarColumn(24),
                TextColumn("{task.description}"),
            ]
            self._bar = Bar(*columns, console=self._console)
            self._task = self._bar.add_task("", total=steps, completed=at)
            self._bar.start()

    def step(self, step: int, numbers: Mapping[str, float]) -> None:
        """Show a step that is done."""
        now = time.monotonic()
        took = numbers.get("step_time")
        self._times.append(took if took is not None else now - self._last)
        self._last = now
        self._line = in_words(numbers)
        left = (self.steps - step) * sum(self._times) / len(self._times)
        eta = f"ETA {duration(left)}"
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=f"{self._line}  {eta}")
        else:
            print(f"step {step}/{self.steps}  {self._line}  {eta}", file=sys.stderr, flush=True)

    def doing(self, what: str) -> None:
        """Show what is going on between steps."""
        if self._bar is not None:
            self._bar.update(self._task, description=what or self._line)
        elif what and time.monotonic() - self._last > WAITING:
            self._last = time.monotonic()
            print(what, file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Show a notice, above the bar."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def in_words(numbers: Mapping[str, float]) -> str:
    """Return the figures of a step that people look at."""
    shown = (
        ("reward", "reward", "{:.3f}"),
        ("kl", "KL", "{:.4f}"),
        ("completions/mean_length", "length", "{:.1f}"),
        ("tokens_per_second", "", "{:.0f} tok/s"),
    )
    words = []
    for name, label, form in shown:
        value = numbers.get(name)
        if value is not None:
            text = form.format(value) if math.isfinite(value) else "-"
            words.append(f"{label} {text}".strip())
    return "  ".join(words)


def duration(seconds: float) -> str:
    """Return a time as people write it: 0:42, 1:02:03."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
