"""What `assay train` and `assay eval` share: their arguments, faults told in words, evaluations as a table."""

from __future__ import annotations

import contextlib
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from .summary import say

if TYPE_CHECKING:
    from .grpo.eval_record import Evaluation
    from .grpo.recipe import Recipe

__all__ = ["OVERRIDES", "RECIPE", "needs_packages", "quiet_libraries", "recipe_of", "table", "told", "wrong_use"]

STOPPED, INTERRUPTED, TERMINATED = 1, 130, 143
NEEDED = {"torch": "torch", "transformers": "transformers", "peft": "peft", "pydantic": "pydantic", "yaml": "pyyaml"}
INSTALL = (
    "pip install torch==2.13.0            # the build for CPUs; for a GPU see https://pytorch.org/get-started\n"
    "  pip install 'assay-rewards[train]'"
)

RECIPE = click.argument("recipe", metavar="RECIPE")
OVERRIDES = click.argument("overrides", metavar="[KEY=VALUE]...", nargs=-1)


def needs_packages() -> None:
    """Raise wrong use, with what to install, if training's packages are not all there."""
    missing = [name for module, name in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise click.UsageError(
            f"training needs {', '.join(missing)}, which this Python does not have. Run:\n  {INSTALL}"
        )


def recipe_of(name: str, overrides: Sequence[str]) -> Recipe:
    """Return the recipe with its problems loaded; what is wrong with it is wrong use."""
    with wrong_use():
        from .grpo.recipe import load_recipe

        recipe = load_recipe(name, overrides)
        notices = recipe.notices()
    for notice in notices:
        say(notice)
    return recipe


@contextlib.contextmanager
def wrong_use() -> Iterator[None]:
    from .grpo.recipe_file import RecipeError

    try:
        yield
    except RecipeError as error:
        raise click.UsageError(str(error)) from None


def quiet_libraries() -> None:
    """Keep the progress bars and the hints of libraries off the screen; errors are still raised."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging

    logging.disable_progress_bar()


class _Terminated(BaseException):
    """SIGTERM came: leave as for an interrupt, so that files are closed and curves are drawn."""


@contextlib.contextmanager
def told(context: click.Context, command: str | None, folder: Path, begun: Callable[[], bool]) -> Iterator[None]:
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


def table(columns: Sequence[tuple[str, Evaluation]]) -> Any:
    """Return a table with an evaluation in each column."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column(f"{columns[0][1].problems} held-out problems")
    for name, _ in columns:
        made.add_column(name, justify="right")

    def row(name: str, cells: Sequence[str | None]) -> None:
        if any(cells):
            made.add_row(name, *[cell or "-" for cell in cells])

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
    return made
