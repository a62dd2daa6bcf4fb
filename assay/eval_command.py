"""The command `assay eval`: flags, messages and exit codes. What it does is in grpo/evaluate_runs.py.

Results go to stdout, everything on the way to stderr.

Exit codes: 0 done; 1 it could not be done; 2 wrong use; 130 interrupted (143 by SIGTERM).
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from .summary import say, show
from .training import OVERRIDES, RECIPE, needs_packages, quiet_libraries, recipe_of, table, told

if TYPE_CHECKING:
    from .grpo.eval_record import Evaluation

__all__ = ["evaluate"]


@click.command("eval")
@RECIPE
@OVERRIDES
@click.option(
    "--adapter",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Of an adapter, a whole model, a run or a checkpoint.  [default: what is in the recipe's output_dir]",
)
@click.option("--greedy", is_flag=True, help="Likeliest answers: the share that is exact.")
@click.option("--k", metavar="1,8,...", help="pass@k for each of these, from sampled answers.")
@click.option(
    "--samples", type=click.IntRange(min=1), help="Answers sampled to each problem.  [default: the greatest k]"
)
@click.option("--no-before", is_flag=True, help="Leave the model without the adapter out.")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the responses here."
)
@click.pass_context
def evaluate(
    context: click.Context,
    /,
    recipe: str,
    overrides: tuple[str, ...],
    adapter: Path | None,
    greedy: bool,
    k: str | None,
    samples: int | None,
    no_before: bool,
    output: Path | None,
) -> None:
    """Evaluate the model of RECIPE on its held-out problems, before and after training.

    Without --greedy and --k, as the recipe's `eval` says.

    \b
    assay eval sums --k 1,8
    assay eval sums --adapter out/sums/adapter data.eval_count=500 --output answers.jsonl

    Exit codes: 0 done, 1 it could not be done, 2 wrong use.
    """
    needs_packages()
    wanted = []
    if greedy or k:
        wanted += [f"eval.greedy={str(greedy).lower()}", f"eval.k=[{k or ''}]"]
    if samples:
        wanted.append(f"eval.samples={samples}")
    chosen = recipe_of(recipe, [*overrides, *wanted])
    if not chosen.data.eval_count or not (chosen.eval.greedy or chosen.eval.k):
        raise click.UsageError("nothing is to be evaluated: set data.eval_count, and --greedy or --k")
    quiet_libraries()
    folder = adapter or Path(chosen.settings.output_dir)
    found: list[tuple[Path | None, Evaluation]] = []
    try:
        with told(context, None, folder, lambda: bool(found)), _opened(output) as file:
            from .grpo.evaluate_runs import before_and_after, newest_trained

            place = newest_trained(folder)
            _say_what(place, folder, named=adapter is not None, before=not no_before)
            for model, record, rows in before_and_after(chosen, place, before=not no_before, tell=say):
                found.append((model, record))
                if file is not None:
                    file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    finally:  # also what is known of an evaluation that was cut off
        if found:
            show(table([("before" if each is None else str(each), record) for each, record in found]), sys.stdout)


@contextlib.contextmanager
def _opened(output: Path | None) -> Iterator[TextIO | None]:
    """Open the file for the responses, if there is to be one. Raises wrong use if it cannot be written."""
    if output is None:
        yield None
        return
    try:
        file = output.open("w", encoding="utf-8", errors="replace")
    except OSError as error:
        raise click.UsageError(f"--output {output}: it cannot be written ({error.strerror})") from None
    with file:
        yield file


def _say_what(place: Path | None, folder: Path, *, named: bool, before: bool) -> None:
    """Say what of a folder is evaluated, where that is not plain; named: the folder was, by --adapter."""
    if place is None and named:
        raise click.UsageError(
            f"--adapter {folder}: it holds no adapter_config.json and no config.json, nor a run's checkpoint"
        )
    if place is None and not before:
        raise click.UsageError(f"{folder} holds nothing trained, and --no-before leaves nothing else to evaluate")
    if place is None:
        say(f"{folder} holds nothing trained: the model is evaluated as it is")
    elif place not in (folder, folder / "adapter", folder / "model"):
        say(f"the newest that {folder} holds is {place}, which is evaluated")
