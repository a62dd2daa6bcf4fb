"""What does a person see of a run: the bar while it lasts, and the summary at its end.

All of it goes to stderr. Without a terminal there the bar is left out and the summary is plain text. What comes from
the file (ids, messages) is shown as text, never as markup or control codes.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from .records import Status
from .tally import MOST_IDS, Tally

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.table import Table

__all__ = ["Run", "console", "progress", "say", "show", "shown", "summarise"]

PLAIN_WIDTH = 180  # lines of a log wrap where it is read
BAR = 30  # characters of a share of 100 %
COLOURS = {
    Status.CORRECT: "green",
    Status.INCORRECT: "red",
    Status.NO_ANSWER: "yellow",
    Status.CRASHED: "red",
    Status.TIMEOUT: "yellow",
    Status.UNVERIFIABLE: "yellow",
    Status.BAD_REFERENCE: "magenta",
    Status.INFRA_ERROR: "magenta",
}


def console(file: TextIO) -> Console:
    """Return a console, wide enough for whole sentences where there is no terminal."""
    from rich.console import Console

    return Console(file=file, width=None if file.isatty() else PLAIN_WIDTH, highlight=False)


def show(what: RenderableType, file: TextIO) -> None:
    """Print something of rich's; without a terminal as plain text, without spaces at the ends of lines."""
    screen = console(file)
    if screen.is_terminal:
        screen.print(what)
        return
    with screen.capture() as captured:
        screen.print(what)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    print("\n".join(lines), file=file, flush=True)


def say(message: str) -> None:
    """Print one line for people on stderr."""
    print(f"assay: {shown(message, 1000)}", file=sys.stderr, flush=True)


def shown(text: str, most: int = 60) -> str:
    """Return text from a file so that it is safe to print: on one line, without control codes, cut at `most`."""
    safe = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return safe if len(safe) <= most else safe[: most - 1] + "…"


@contextlib.contextmanager
def progress(on: bool, total: int | None, position: Callable[[], int], tally: Tally) -> Iterator[Callable[[], None]]:
    """Show a bar while the block runs; yields what to call after each row.

    total, position   bytes or rows, as long as both are the same; without a total there is no estimate of the end
    """
    if not on:
        yield lambda: None
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TimeElapsedColumn, TimeRemainingColumn

    columns: list[str | ProgressColumn] = [SpinnerColumn(), BarColumn(), "{task.fields[rows]:,} rows"]
    columns += ["{task.fields[rate]:,.0f} rows/s", TimeElapsedColumn()]
    if total:
        columns += ["left", TimeRemainingColumn()]
    with Progress(*columns, console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task("", total=total or None, rows=tally.rows, rate=0.0)
        begun = updated = time.monotonic()
        before = tally.rows

        def step() -> None:
            nonlocal updated
            now = time.monotonic()
            if now - updated > 0.1:
                updated = now
                rate = (tally.rows - before) / (now - begun)
                bar.update(task, completed=position(), rows=tally.rows, rate=rate)

        yield step


@dataclass(frozen=True, slots=True)
class Run:
    """What the summary says about a run beside its tally.

    facts    (name, value) lines under the title: the task, the settings, where rows went
    seconds  wall clock of the scoring
    unit     what the speed counts
    """

    title: str
    facts: Sequence[tuple[str, str]]
    seconds: float
    label_field: str | None = None
    unit: str = "rows"


def summarise(run: Run, tally: Tally) -> Group:
    """Return the summary, to be printed on a rich console."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[Text | Table] = [
        Text.assemble(("assay ", "dim"), (shown(run.title, 80), "bold")),
        _lines(run.facts, "dim"),
        _counts(tally),
        _lines(_results(run, tally), "bold"),
    ]
    return Group(*[Padding(part, (0, 0, 1, 0 if index == 0 else 2), expand=False) for index, part in enumerate(parts)])


def _lines(lines: Sequence[tuple[str, str]], style: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=style, no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines:
        grid.add_row(name, Text(value))
    return grid


def _counts(tally: Tally) -> Table:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right")
    grid.add_column(justify="right")
    grid.add_column(no_wrap=True)
    rows = [(status.value, tally.statuses[status], COLOURS[status]) for status in Status if tally.statuses[status]]
    if tally.errors:
        rows.append(("error", tally.errors, "magenta"))
    for name, count, colour in rows:
        share = count / tally.rows
        bar = "━" * max(1, round(share * BAR))
        grid.add_row(Text(name, colour), f"{count:,}", f"{share:.1%}", Text(bar, colour))
    grid.add_row("rows", f"{tally.rows:,}", "", "")
    return grid


def _results(run: Run, tally: Tally) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    if tally.accuracy is not None and tally.mean_reward is not None:
        lines.append(("accuracy", f"{tally.accuracy:.2%}  ({tally.correct:,} of {tally.verdicts:,} verdicts)"))
        lines.append(("mean reward", f"{tally.mean_reward:.4f}{_part_means(tally)}"))
    if several := tally.pass_at():
        ids = several[0].ids
        shown_k = [f"{p.k}: {p.value:.2%}" + (f" ({p.ids:,} of the ids)" if p.ids != ids else "") for p in several]
        lines.append(("pass@k", f"{'   '.join(shown_k)}   over {ids:,} ids"))
    elif tally.too_many_ids:
        lines.append(("pass@k", f"not computed: more than {MOST_IDS:,} ids"))
    if run.label_field is not None:
        lines.append(("labels", _agreement(tally)))
    lines.append(("speed", _speed(run, tally)))
    for index, (seconds, number, id) in enumerate(sorted(tally.slowest, reverse=True)):
        text = f"{_duration(seconds):>8}  line {-number:,}" + (f"  {shown(id, 40)}" if id else "")
        lines.append(("slowest" if index == 0 else "", text))
    for index, (number, message) in enumerate(tally.first_errors):
        text = message if message.startswith("row ") else f"line {number}: {message}"
        lines.append(("errors" if index == 0 else "", shown(text, 160)))
    if tally.errors > len(tally.first_errors):
        lines.append(("", f"and {tally.errors - len(tally.first_errors):,} more"))
    return lines


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def _part_means(tally: Tally) -> str:
    means = [f"{name} {total / count:.4f}" for name, (count, total) in tally.parts.items()]
    return f"  ({', '.join(means)})" if means else ""


def _agreement(tally: Tally) -> str:
    counts = tally.labels  # by (verdict is correct, label)
    text = f"{counts[True, True] + counts[False, False]:,} agree"
    text += f", {counts[True, False] + counts[False, True]:,} disagree"
    if counts[True, False] or counts[False, True]:
        text += f"  ({counts[True, False]:,} correct labelled false, {counts[False, True]:,} the other way)"
    if without := tally.verdicts - counts.total():
        text += f", {without:,} without a label"
    return text


def _speed(run: Run, tally: Tally) -> str:
    now = tally.rows - tally.earlier
    speed = (
        f"{now / run.seconds:,.0f} {run.unit}/s  ({now:,} {run.unit} in {run.seconds:.2f} s)"
        if now
        else "nothing was left to score"
    )
    return speed + (f"; {tally.earlier:,} rows were scored by an earlier run" if tally.earlier else "")
