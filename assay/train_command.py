"""The command `assay train`: flags, messages and exit codes. What it does is in grpo/train.py.

Results go to stdout, everything on the way to stderr.

Exit codes: 0 done; 1 the run stopped (a guard, a sandbox or server that went away), and can be resumed; 2 wrong use, also
what was not there from the start (a model, a sandbox, a server); 130 interrupted (143 by SIGTERM), and can be resumed.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .summary import say, show
from .training import OVERRIDES, RECIPE, needs_packages, quiet_libraries, recipe_of, table, told, wrong_use

if TYPE_CHECKING:
    from .grpo.recipe import Recipe

__all__ = ["train"]


@click.command()
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
    needs_packages()
    if resume and overwrite:
        raise click.UsageError("--resume goes on with a run, --overwrite deletes it; give one of them")
    chosen = recipe_of(recipe, overrides)
    if dry_run:
        _print_plan(chosen)
        return
    quiet_libraries()
    from .grpo.run_folder import has_begun, last_step, prepared

    folder = Path(chosen.settings.output_dir)
    first = os.environ.get("RANK", "0") == "0"
    with wrong_use(), prepared(chosen, resume=resume, overwrite=overwrite, main=first) as goes_on:
        if goes_on and first:
            step = last_step(folder)
            say(f"{folder} holds this run; " + (f"going on after step {step}" if step else "it has no checkpoint yet"))
        with told(context, f"assay train {shlex.join([recipe, *overrides])}", folder, lambda: has_begun(folder)):
            from .grpo.train import train as run

            result = run(chosen, resume=goes_on)
    if first:
        _print_result(folder, result.model, chosen)


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
        show(table([(f"step {record.step}", record) for record in first_and_last]), sys.stdout)
    minutes = sum(row.get("step_time") or 0 for row in rows) / 60
    click.echo(f"{rows[-1]['step'] if rows else 0} steps in {minutes:.1f} minutes, without the evaluations")
    click.echo(f"{'adapter' if recipe.settings.use_peft else 'model'}: {model}")
    if (folder / CURVES).exists():
        click.echo(f"curves: {folder / CURVES}")
