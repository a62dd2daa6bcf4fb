"""The command line: `verify` (also `assay verify`) and `assay explain`.

Here are the flags and the exit codes; what happens to a row is in `scoring`, what is printed in `summary` and
`explaining`. Verdicts go to stdout or `--output`, everything for people goes to stderr.

Exit codes: 0 done; 1 accuracy below --fail-under; 2 wrong use; 3 some rows had no verdict; 74 a file could not be
read or written to its end; 130 interrupted; 141 the reader of the output went away.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from ._version import __version__
from .datasets.fields import USUAL, FieldError
from .datasets.jsonl import RowError, read_rows
from .eval_command import evaluate
from .memory_command import memory
from .pairing import Fields, Pairing, References, WrongUse
from .presets import AUTO, CODE_TASKS, PRESETS
from .records import Limits
from .sandbox_command import sandbox
from .settings import DEADLINE, FOR_ANSWERS, FOR_CODE, Settings, settle
from .summary import say, show, summarise
from .tally import Tally
from .train_command import train
from .verifiers.code_verifier import BAD_TESTS
from .verifiers.thinking import CLOSE, OPEN
from .verifying import Job, opened_sandbox, verify_file

__all__ = ["main", "verify"]

BACKENDS = ("docker", "bubblewrap", "restricted", "auto")
BELOW, NO_VERDICT, IO_FAILED, INTERRUPTED, BROKEN_PIPE = 1, 3, 74, 130, 141

Command = TypeVar("Command", bound=Callable[..., Any])


def _usual(kind: str) -> str:
    names = USUAL[kind]
    return f"{', '.join(names[:6])}, ..." if len(names) > 6 else ", ".join(names)


# The flags that decide how a response is read and judged, shared by both commands.
VERDICT_FLAGS = [
    click.option(
        "--task",
        type=click.Choice([AUTO, *PRESETS, *CODE_TASKS]),
        default=AUTO,
        show_default=True,
        help="Preset: which settings fit. "
        + " ".join(f"{name}: {preset.about}." for name, preset in PRESETS.items())
        + " Judged by running tests: "
        + "; ".join(f"{name} ({about})" for name, about in CODE_TASKS.items()),
    ),
    click.option(
        "--references", metavar="FILE", help="Take references or tests by id from this JSONL file or data set."
    ),
    click.option(
        "--extract",
        type=click.Choice(["boxed", "lenient"]),
        help=r"boxed: only a \boxed{} earns. lenient: also `#### x`, 'the answer is x', a bare answer.",
    ),
    click.option(
        "--form",
        type=click.Choice(["value", "evaluated"]),
        help="evaluated: a numeric answer must have been worked out, 12+34 is not 46.",
    ),
    click.option("--answer-after", metavar="MARK", help="Take the answer from what follows the last MARK, as in 'A:'."),
    click.option("--format", type=click.Choice(["think"]), help="Reward the format too: <think>...</think> answer."),
    click.option("--think-open", metavar="TAG", default=OPEN, show_default=True, help="Thinking starts here."),
    click.option("--think-close", metavar="TAG", default=CLOSE, show_default=True, help="Thinking ends here."),
    click.option("--prefilled", is_flag=True, help="The prompt already ends with the opening tag."),
    click.option(
        "--deadline",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help=f"CPU time for one verdict on an answer.  [default: {DEADLINE}]",
    ),
    click.option(
        "--sandbox",
        type=click.Choice(BACKENDS),
        help="Where programs run. auto, the default: docker, else bubblewrap, never restricted.",
    ),
    click.option(
        "--sandbox-image",
        metavar="IMAGE",
        help="Docker's image for the programs, for packages; `assay sandbox build` makes one.",
    ),
    click.option(
        "--credit",
        type=click.Choice(["all", "fraction"]),
        help="all, the default: a program earns if it passes every test. fraction: the share of tests that it passes.",
    ),
    click.option(
        "--blocks",
        type=click.Choice(["last", "all"]),
        help="last, the default: the last code block that defines the function. all: all blocks are one program.",
    ),
    click.option(
        "--time-limit",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help=f"CPU time of a program (and twice that on the clock).  [default: {Limits().cpu_seconds:g}]",
    ),
    click.option(
        "--memory-limit",
        type=click.IntRange(min=16),
        metavar="MIB",
        help=f"Memory of a program.  [default: {Limits().memory_bytes >> 20}]",
    ),
    *[
        click.option(f"--{kind}-field", metavar="NAME", help=f"Instead of {_usual(kind)}.")
        for kind in ("response", "reference", "prompt", "id")
    ],
]


def _verdict_flags(command: Command) -> Command:
    for flag in reversed(VERDICT_FLAGS):  # decorators apply from the bottom up
        command = flag(command)
    return command


def _settings(flags: dict[str, Any]) -> tuple[Settings, Fields, str | None]:
    """Take the flags of `_verdict_flags` out of all flags; returns the settings, the fields and the references."""
    names = ["task", "format", "think_open", "think_close", "prefilled", *FOR_ANSWERS, *FOR_CODE]
    if flags["memory_limit"] is not None:
        flags["memory_limit"] <<= 20  # MiB
    settings = Settings(**{name: flags.pop(name) for name in names})
    kinds = ("response", "reference", "prompt", "id")
    fields = Fields(**{kind: flags.pop(f"{kind}_field") for kind in kinds}, label=flags.pop("label_field", None))
    return settings, fields, flags.pop("references")


@contextlib.contextmanager
def _wrong_use() -> Iterator[None]:
    """Show what cannot be done as click shows wrong use: the usage, the message, exit 2."""
    try:
        yield
    except WrongUse as error:
        raise click.UsageError(str(error), click.get_current_context(silent=True)) from None


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("file", metavar="FILE|-")
@_verdict_flags
@click.option("--label-field", metavar="NAME", help="Count how often verdicts agree with this true/false field.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Verdicts at one time.  [default: 1; for programs one for each processor]",
)
@click.option(
    "--output", "-o", metavar="FILE", help="Write here (.jsonl or .jsonl.gz), and go on there if it was cut off."
)
@click.option("--overwrite", is_flag=True, help="Start --output anew.")
@click.option(
    "--fail-under", type=click.FloatRange(0, 1), metavar="X", help="Exit 1 if the accuracy is below X (0 to 1)."
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N rows.")
@click.option("--quiet", "-q", is_flag=True, help="No progress bar and no summary.")
@click.version_option(__version__, prog_name="assay")
@click.pass_context
def verify(
    context: click.Context,
    /,
    file: str,
    workers: int | None,
    output: str | None,
    overwrite: bool,
    fail_under: float | None,
    limit: int | None,
    quiet: bool,
    **flags: Any,
) -> None:
    """Score the responses in FILE, a JSON Lines file (.gz too), or standard input.

    Every row comes back with a `score` object added, in order: on standard output, or in --output. The summary goes
    to standard error.

    \b
    verify outputs.jsonl --output scored.jsonl
    zcat outputs.jsonl.gz | verify - --task gsm8k | jq .score.reward
    verify outputs.jsonl --references gsm8k --answer-after 'A:' --fail-under 0.4
    verify programs.jsonl --task mbpp --references mbpp --sandbox docker

    Exit codes: 0 done, 2 wrong use, 3 some rows had no verdict, else 1 below --fail-under.
    """
    settings, fields, references = _settings(flags)
    job = Job(file, settings, fields, references, workers, output, overwrite, limit, quiet)
    tally = Tally()
    try:
        with _wrong_use():
            run = verify_file(job, tally)
    except KeyboardInterrupt:
        say(f"interrupted after {tally.rows:,} rows" + ("; the same command goes on from there" if output else ""))
        context.exit(INTERRUPTED)
    except BrokenPipeError:
        context.exit(BROKEN_PIPE)
    except OSError as error:
        say(f"stopped after {tally.rows:,} rows: {error}" + ("; the same command goes on from there" if output else ""))
        context.exit(IO_FAILED)
    if not quiet:
        show(summarise(run, tally), sys.stderr)
    if tally.without_verdict:
        context.exit(NO_VERDICT)
    if fail_under is not None and (tally.accuracy is None or tally.accuracy < fail_under):
        found = "there is no verdict, which is" if tally.accuracy is None else f"the accuracy {tally.accuracy:.4f} is"
        say(f"{found} below --fail-under {fail_under:g}")
        context.exit(BELOW)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="assay")
def main() -> None:
    """Decide by rule whether a language model's output earns its reward."""


main.add_command(verify)
main.add_command(sandbox)
main.add_command(train)
main.add_command(evaluate)
main.add_command(memory)


@main.command()
@click.argument("response", required=False)
@click.option("--reference", "reference", metavar="TEXT", help="The right answer, or the tests of a program.")
@click.option("--prompt", metavar="TEXT", help="The question: an answer that only repeats it earns nothing.")
@click.option("--file", "file", metavar="FILE", help="Take everything from a row of this JSONL file ...")
@click.option("--line", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="... this one.")
@_verdict_flags
@click.pass_context
def explain(
    context: click.Context,
    /,
    response: str | None,
    reference: str | None,
    prompt: str | None,
    file: str | None,
    line: int,
    **flags: Any,
) -> None:
    """Say how one RESPONSE (`-` or nothing: standard input) gets its reward.

    What was taken as its answer and how, how both sides were read, which lane decided, and why; of a program, what
    became of each test.

    \b
    assay explain 'so it is \\boxed{\\frac12}' --reference 0.5
    assay explain --file outputs.jsonl --line 17
    assay explain 'def inc(n): return n + 2' --reference 'assert inc(1) == 2'

    Exit codes: 0 done, 2 wrong use, 3 no verdict.
    """
    from .explaining import explain as explained

    settings, fields, references = _settings(flags)
    with _wrong_use():
        if file is None:
            if reference is None:
                raise WrongUse("no right answer to compare with; give --reference TEXT, or --file and --line")
            references = None  # those go by id, and here is none
            kind = "tests" if settings.task in CODE_TASKS else "reference"
            asked = {"response": _text(response), kind: reference, "prompt": prompt}
            row, fields = {name: value for name, value in asked.items() if value is not None}, Fields()
        elif response is not None or reference is not None or prompt is not None:
            raise WrongUse("--file takes response, reference and prompt from the file; don't give them as well")
        else:
            row = _row(file, line)
        settings, _ = settle(settings, fields, references, iter([(line, b"", row)]))
        known = References.load(references, fields) if references is not None else None
        try:
            paired = Pairing(fields, known, settings.answer_after, settings.is_code).pair(row)
        except FieldError as error:
            raise WrongUse(str(error) if file is None else f"row {line}: {error}") from None
        if file is None and BAD_TESTS in paired[1].meta:
            raise WrongUse(paired[1].meta[BAD_TESTS])
        with settings.verifier(workers=1) as verifier:
            opened_sandbox(verifier)
            verdict = explained(verifier, settings, *paired)
    if verdict.reward is None:
        context.exit(NO_VERDICT)


def _text(response: str | None) -> str:
    """Return the response, read from standard input if it is not among the arguments."""
    if response is not None and response != "-":
        return response
    if response is None and sys.stdin.isatty():
        raise WrongUse("no RESPONSE; give it as an argument, or name a row with --file and --line")
    return sys.stdin.buffer.read().decode(errors="replace")


def _row(file: str, wanted: int) -> dict[str, Any]:
    """Return the row on that line of a file."""
    last = 0
    try:
        for number, row in read_rows(file):
            if number == wanted:
                if isinstance(row, RowError):
                    raise WrongUse(str(row))
                return row
            last = number
            if number > wanted:
                raise WrongUse(f"{file}: line {wanted} is blank")
    except OSError as error:
        raise WrongUse(f"{file}: {error.strerror}") from None
    raise WrongUse(f"{file}: there is no line {wanted}; the last row is on line {last}")


if __name__ == "__main__":  # as `accelerate launch -m assay.cli` calls it
    main()
