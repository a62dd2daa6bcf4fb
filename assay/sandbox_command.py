"""The command `assay sandbox`: make the image that containers run, and say what of the sandbox works on this machine.

What is looked at is in `sandbox/checks.py` and `sandbox/drill.py`, how images are made in `sandbox/image.py`; here is
what is printed. Results go to stdout.

Exit codes: 0 all that was asked for works; 1 something does not; 2 wrong use.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, cast

import click

from .summary import console, show

if TYPE_CHECKING:
    from .sandbox.checks import Finding

__all__ = ["sandbox"]

NOT_FINE = 1
AUTO = "auto"
LOOKS = {"fine": "[green]fine   [/]", "warning": "[yellow]warning[/]", "failed": "[red]failed [/]"}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def sandbox() -> None:
    """Set the sandbox for untrusted programs up, and look whether it works here."""


@sandbox.command()
def dockerfile() -> None:
    """Print where the Dockerfile for images with packages lies.

    \b
    docker build -f "$(assay sandbox dockerfile)" --build-arg PACKAGES="numpy pandas" -t my-image .
    """
    from .sandbox.image import DOCKERFILE

    click.echo(str(DOCKERFILE))


@sandbox.command()
@click.option(
    "--from", "base", metavar="IMAGE", help="Build on this image, which has Python, instead of the host's own Python."
)
@click.option(
    "--with", "packages", metavar="PACKAGE", multiple=True, help="Install this in it, as pip knows it; may be repeated."
)
@click.option("--again", is_flag=True, help="Make it even if it is there.")
@click.option("--remove-old", is_flag=True, help="Remove the images that were made for another Python or version.")
@click.pass_context
def build(
    context: click.Context, /, base: str | None, packages: tuple[str, ...], again: bool, remove_old: bool
) -> None:
    """Make the image that containers run, and print its name.

    Nothing needs this beforehand: the image without packages is made when it is first used. It is made from this very
    Python, within seconds and without a registry.

    \b
    assay sandbox build --with numpy --with sympy
    verify outputs.jsonl --sandbox-image NAME
    """
    from .sandbox import image
    from .sandbox.engine import connect
    from .sandbox.errors import SandboxUnavailable

    try:
        with contextlib.closing(connect(timeout=600)) as client:
            name = image.build_from(client, base, packages) if base else image.build_own(client, packages, anew=again)
            removed = image.remove_old(client, [name]) if remove_old else []
    except SandboxUnavailable as error:
        click.echo(str(error), err=True)
        context.exit(NOT_FINE)
    for old in removed:
        click.echo(f"removed {old}", err=True)
    click.echo(name)


@sandbox.command()
@click.option(
    "--backend",
    "backends",
    type=click.Choice([AUTO, "docker", "bubblewrap", "restricted"]),
    multiple=True,
    default=[AUTO],
    show_default=True,
    help="What has to work; may be repeated. auto: docker or bubblewrap.",
)
@click.option("--image", metavar="IMAGE", help="Look at containers of this image.")
@click.option("--no-drill", is_flag=True, help="Don't let a dozen attacks loose on it.")
@click.pass_context
def check(context: click.Context, /, backends: tuple[str, ...], image: str | None, no_drill: bool) -> None:
    """Say what of the sandbox works on this machine, and what to do where it does not.

    A fire drill follows: small programs that would have a reward they did not earn.

    Exit codes: 0 what was asked for works, 1 it does not.
    """
    from .sandbox.checks import CHECKS

    works: dict[str, bool] = {}
    for backend in CHECKS if AUTO in backends else dict.fromkeys(backends):
        _print_heading(backend)
        works[backend] = _print_findings(backend, image)
    wanted = [backend for backend in dict.fromkeys(backends) if backend != AUTO]
    if AUTO in backends:
        wanted += [next((backend for backend in ("docker", "bubblewrap") if works[backend]), "docker")]
    for backend in dict.fromkeys(wanted):
        if works[backend] and not no_drill:
            _print_heading(f"drill on {backend}")
            works[backend] = _print_drill(backend, image)
    missing = [backend for backend in dict.fromkeys(wanted) if not works[backend]]
    if missing:
        click.echo(f"\n{', '.join(missing)}: not all is fine, see above.")
        context.exit(NOT_FINE)
    click.echo(f"\n{', '.join(dict.fromkeys(wanted))}: all fine.")


def _print_heading(text: str) -> None:
    from rich.rule import Rule

    show(Rule(f"[bold]{text}", align="left", style="dim"), sys.stdout)


def _print_findings(backend: str, image: str | None) -> bool:
    """Print what was found out about a backend as it is; returns whether it can be used."""
    from .sandbox.checks import CHECKS, State, check_docker

    findings = check_docker(image) if backend == "docker" else CHECKS[backend]()
    usable = True
    for finding in findings:
        show(_row(finding), sys.stdout)
        usable = usable and finding.state is not State.FAILED
    return usable


def _row(finding: Finding) -> Any:
    from rich.markup import escape
    from rich.table import Table

    row = Table.grid(padding=(0, 2))
    row.add_column(width=19)
    row.add_column(width=7)
    row.add_column()
    detail = escape(finding.detail)
    if finding.remedy:
        detail += f"\n[bold]{escape(finding.remedy)}[/]"
    row.add_row(escape(finding.subject), LOOKS[finding.state.value], detail)
    return row


def _print_drill(backend: str, image: str | None) -> bool:
    """Print what became of each program of the drill; returns whether all went well."""
    from rich.markup import escape
    from rich.table import Table

    from .sandbox.drill import DRILL_LIMITS, run_drill
    from .sandbox.errors import SandboxUnavailable
    from .sandbox.opening import open_sandbox

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("program", "verdict", "seconds", ""):
        table.add_column(name, justify="right" if name == "seconds" else "left")
    held = True
    try:
        with (
            open_sandbox(
                cast(Any, backend), workers=1, limits=DRILL_LIMITS, image=image if backend == "docker" else None
            ) as box,
            console(sys.stderr).status("") as status,
        ):
            for exercise, judgement, fault in run_drill(box):
                status.update(exercise.name)
                mark = f"[red]{escape(fault)}[/]" if fault else "[green]as it should be[/]"
                kind = "" if exercise.honest else "[dim]attack:[/] "
                table.add_row(kind + escape(exercise.name), judgement.status.value, f"{judgement.seconds:.2f}", mark)
                held = held and not fault
    except SandboxUnavailable as error:
        show(f"[red]{escape(str(error))}[/]", sys.stdout)
        return False
    show(table, sys.stdout)
    return held
