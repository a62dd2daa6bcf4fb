"""The commands `assay train` and `assay eval`: flags, messages and exit codes. What they do is in grpo/.

Results go to stdout, everything on the way to stderr.

Exit codes: 0 done; 1 the run stopped (a guard, a sandbox or server that went away), and can be resumed; 2 wrong use, also
what was not there from the start (a model, a sandbox, a server); 130 interrupted (143 by SIGTERM), and can be resumed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

import click

from .summary import say, show

if TYPE_CHECKING:
    from .grpo.eval_record import Evaluation
    from .grpo.recipe import Recipe

__all__ = ["evaluate", "train"]

STOPPED, INTERRUPTED, TERMINATED = 1, 130, 143
NEEDED = {"torch": "torch", "transformers": "transformers", "peft": "peft", "pydantic": "pydantic", "yaml": "pyyaml"}
INSTALL = (
    "pip install torch==2.13.0            # the build for CPUs; for a GPU see https://pytorch.org/get-started\n"
    "  pip install 'assay-rewards[train]'"
)
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

RECIPE = click.argument("recipe", metavar="RECIPE")
OVERRIDES = click.argument("overrides", metavar="[KEY=VALUE]...", nargs=-1)


@click.command(context_settings=CONTEXT)
@RECIPE
@OVERRIDES
@click.option("--resume", is_flag=True, help="Go on with the run in output_dir although settings have changed.")
@click.option("--overwrite", is_flag=True, help="Delete the run in output_dir and start anew.")
@click.option("--dry-run", is_flag=True, help="Say what would be trained on what, and stop.")
@click.pass_context
def train(
    context: click.Context, /, recipe: str, overrides: tuple[str, ...], resume: bool, overwrite: bool, dry_run: bool
) -> None:
    """Train a model by GRPO as RECIPE says: a YAML file, or the name of a recipe that comes with assay.

    Settings are changed with KEY=VALUE. A run that was cut off is gone on with by the same command.

    \b
    assay train sums
    assay train sums max_steps=48 data.largest=99 output_dir=out/longer
    assay train my_recipe.yaml reward.think.weight=0.5 --dry-run

    Exit codes: 0 done, 1 the run was stopped, 2 wrong use, 130 interrupted; after 1 and 130 it can be resumed.
    """
    _needs_packages()
    if resume and overwrite:
        raise click.UsageError("--resume goes on with a run, --overwrite deletes it; give one of them")
    chosen = _recipe(recipe, overrides)
    if dry_run:
        _print_plan(chosen)
        return
    _quiet_libraries()
    from .grpo.run_folder import has_begun, last_step, prepared

    folder = Path(chosen.settings.output_dir)
    first = os.environ.get("RANK", "0") == "0"
    with _wrong_use(), prepared(chosen, resume=resume, overwrite=overwrite, main=first) as goes_on:
        if goes_on and first:
            step = last_step(folder)
            say(f"{folder} holds this run; " + (f"going on after step {step}" if step else "it has no checkpoint yet"))
        with _told(context, f"assay train {shlex.join([recipe, *overrides])}", folder, lambda: has_begun(folder)):
            from .grpo.train import train as run

            result = run(chosen, resume=goes_on)
    if first:
        _print_result(folder, result.model, chosen)


@click.command("eval", context_settings=CONTEXT)
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
    _needs_packages()
    wanted = []
    if greedy or k:
        wanted += [f"eval.greedy={str(greedy).lower()}", f"eval.k=[{k or ''}]"]
    if samples:
        wanted.append(f"eval.samples={samples}")
    chosen = _recipe(recipe, [*overrides, *wanted])
    if not chosen.data.eval_count or not (chosen.eval.greedy or chosen.eval.k):
        raise click.UsageError("nothing is to be evaluated: set data.eval_count, and --greedy or --k")
    _quiet_libraries()
    folder = adapter or Path(chosen.settings.output_dir)
    found: list[tuple[Path | None, Evaluation]] = []
    try:
        with _told(context, None, folder, lambda: bool(found)), _opened(output) as file:
            from .grpo.evaluate_runs import before_and_after, newest_trained

            place = newest_trained(folder)
            _say_what(place, folder, named=adapter is not None, before=not no_before)
            for model, record, rows in before_and_after(chosen, place, before=not no_before, tell=say):
                found.append((model, record))
                if file is not None:
                    file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    finally:  # also what is known of an evaluation that was cut off
        if found:
            show(_table([("before" if each is None else str(each), record) for each, record in found]), sys.stdout)


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
            f"--adapter {folder}: it holds no adapter_config.json and no config.json, nor a run's checkpoint of an adapter"
        )
    if place is None and not before:
        raise click.UsageError(f"{folder} holds nothing trained, and --no-before leaves nothing else to evaluate")
    if place is None:
        say(f"{folder} holds nothing trained: the model is evaluated as it is")
    elif place not in (folder, folder / "adapter", folder / "model"):
        say(f"the newest that {folder} holds is {place}, which is evaluated")


def _needs_packages() -> None:
    """Raise wrong use, with what to install, if training's packages are not all there."""
    missing = [name for module, name in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise click.UsageError(
            f"training needs {', '.join(missing)}, which this Python does not have. Run:\n  {INSTALL}"
        )


def _recipe(name: str, overrides: Sequence[str]) -> Recipe:
    """Return the recipe with its problems loaded; what is wrong with it is wrong use."""
    with _wrong_use():
        from .grpo.recipe import load_recipe

        # A file name, or a second recipe, where a setting belongs is worth a word of its own.
        recipe = load_recipe(name, overrides)
        notices = recipe.notices()
    for notice in notices:
        say(notice)
    return recipe


@contextlib.contextmanager
def _wrong_use() -> Iterator[None]:
    from .grpo.recipe_file import RecipeError

    try:
        yield
    except RecipeError as error:
        raise click.UsageError(str(error)) from None


def _quiet_libraries() -> None:
    """Keep the progress bars and the hints of libraries off the screen; errors are still raised."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging

    logging.disable_progress_bar()


class _Terminated(BaseException):
    """SIGTERM came: leave as for an interrupt, so that files are closed and curves are drawn."""


@contextlib.contextmanager
def _told(context: click.Context, command: str | None, folder: Path, begun: Callable[[], bool]) -> Iterator[None]:
    """Say in words what ended a run, and how it is gone on with; warnings become lines like all others.

    command  None where nothing can be gone on with
    begun    whether anything was done; what was not there before that is wrong use
    """
    from .grpo.distributed import LaunchError
    from .grpo.guards import TrainingStopped
    from .grpo.policy import ModelError
    from .grpo.recipe_file import RecipeError
    from .grpo.vllm_server import VllmError
    from .sandbox.errors import SandboxUnavailable

    def terminate(_: int, __: FrameType | None) -> None:
        raise _Terminated

    earlier = signal.signal(signal.SIGTERM, terminate)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: say(" ".join(str(message).split()))
            yield
    except TrainingStopped as stopped:
        say(str(stopped))
        _say_resume(command, folder, changed=True)
        context.exit(STOPPED)
    except (RecipeError, LaunchError, ModelError) as error:
        raise click.UsageError(str(error)) from None
    except (SandboxUnavailable, VllmError, OSError) as error:
        if not begun():
            raise click.UsageError(str(error)) from None
        say(f"{error}")
        _say_resume(command, folder)
        context.exit(STOPPED)
    except (KeyboardInterrupt, _Terminated) as signalled:
        say("interrupted")
        _say_resume(command, folder)
        context.exit(INTERRUPTED if isinstance(signalled, KeyboardInterrupt) else TERMINATED)
    finally:
        signal.signal(signal.SIGTERM, earlier)


def _say_resume(command: str | None, folder: Path, changed: bool = False) -> None:
    if command is None:
        return
    from .grpo.run_folder import last_step

    step = last_step(folder)
    where = f"after step {step}" if step else "from the start, as there is no checkpoint yet"
    also = "; with other settings add KEY=VALUE and --resume" if changed else ""
    say(f"`{command}` goes on {where}{also}")


def _print_plan(recipe: Recipe) -> None:
    """Print the recipe, and a problem as the model will see it."""
    from .grpo.recipe_file import as_yaml

    click.echo(as_yaml(recipe.as_dict()))
    problems, settings = recipe.problems(), recipe.settings
    groups = settings.prompts_per_generation()
    click.echo(
        f"# {len(problems)} problems to train on, {len(recipe.eval_problems())} held out\n"
        f"# {groups} problems with {settings.num_generations} completions each are sampled at one time, on each device\n"
        f"# the first problem, {problems[0].id}:"
    )
    for message in recipe.messages(problems[0]):
        text = message["content"].replace("\n", "\n#   ")
        click.echo(f"# {message['role']}:\n#   {text}")


def _print_result(folder: Path, model: Path, recipe: Recipe) -> None:
    """Print what a run came to, from its files: it may have been started several times."""
    from .grpo.eval_record import Evaluation
    from .grpo.metrics import CURVES, EVALUATIONS, METRICS, read_rows

    rows = read_rows(folder / METRICS)
    records = [Evaluation.from_dict(row) for row in read_rows(folder / EVALUATIONS)]
    if records:
        first_and_last = [records[0], records[-1]] if len(records) > 1 else records
        show(_table([(f"step {record.step}", record) for record in first_and_last]), sys.stdout)
    minutes = sum(row.get("step_time") or 0 for row in rows) / 60
    click.echo(f"{rows[-1]['step'] if rows else 0} steps in {minutes:.1f} minutes, without the evaluations")
    click.echo(f"{'adapter' if recipe.settings.use_peft else 'model'}: {model}")
    if (folder / CURVES).exists():
        click.echo(f"curves: {folder / CURVES}")


def _table(columns: Sequence[tuple[str, Evaluation]]) -> Any:
    """Return a table with an evaluation in each column."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"{columns[0][1].problems} held-out problems")
    for name, _ in columns:
        table.add_column(name, justify="right")

    def row(name: str, cells: Sequence[str | None]) -> None:
        if any(cells):
            table.add_row(name, *[cell or "-" for cell in cells])

    records = [record for _, record in columns]

    def share(record: Evaluation, value: float | None) -> str | None:
        return None if value is None else f"{value:.1%} ± {record.error(value):.1%}"

    row("greedy answers exact", [share(record, record.exact) for record in records])
    for k in sorted({k for record in records for k in record.pass_at}):
        row(f"pass@{k}, of {max(r.samples for r in records)} samples", [share(r, r.pass_at.get(k)) for r in records])
    row("mean reward", [None if r.reward is None else f"{r.reward:.3f}" for r in records])
    for name in records[0].parts if len(records[0].parts) > 1 else ():
        row(f"  {name}", [f"{r.parts[name]:.3f}" if name in r.parts else None for r in records])
    row("tokens of an answer", [f"{record.mean_length:.1f}" for record in records])
    row("cut off", [f"{record.clipped_ratio:.0%}" for record in records])
    if any(record.no_verdict for record in records):
        row("without a verdict", [str(record.no_verdict) for record in records])
    return table
