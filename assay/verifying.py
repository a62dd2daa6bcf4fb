"""What happens between the flags of `verify` and its summary: one file scored, from opening it to its last row.

Input lines -> Rows -> those that the output already holds are counted, the others scored -> lines of the output.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ._version import __version__
from .datasets.jsonl import read_lines
from .pairing import Fields, Pairing, References, WrongUse
from .records import Score
from .resume import Output
from .rows import Row, added_error, added_score
from .scoring import read, score
from .settings import Settings, settle
from .summary import Run, progress, say
from .tally import Tally
from .verifiers.reward import Reward
from .verifiers.verifier import Verifier
from .writer import RowWriter, Sink

if TYPE_CHECKING:
    from .verifiers.code_verifier import Sandbox

__all__ = ["Job", "opened_sandbox", "verify_file"]


@dataclass(frozen=True, slots=True)
class Job:
    """One run of `verify`; the fields are its flags."""

    file: str
    settings: Settings
    fields: Fields
    references: str | None = None
    workers: int | None = None
    output: str | None = None
    overwrite: bool = False
    limit: int | None = None
    quiet: bool = False


def verify_file(job: Job, tally: Tally) -> Run:
    """Score the file, counting into `tally`; returns what the summary wants to know beside it.

    Raises WrongUse for what cannot be done, BrokenPipeError when nobody reads the output any more, OSError when a
    file fails. Whatever is raised, the output holds whole rows from the start and perhaps a torn one, no others.
    """
    with contextlib.ExitStack() as stack:
        stream, name = stack.enter_context(_opened(job.file))
        if job.output is not None:
            _keep_apart(stream, job)
        known = References.load(job.references, job.fields) if job.references is not None else None
        settings, lines = settle(job.settings, job.fields, job.references, read_lines(stream))
        verifier = stack.enter_context(settings.verifier(job.workers))
        box = opened_sandbox(verifier)
        rows: Iterator[Row] = read(lines, Pairing(job.fields, known, settings.answer_after, settings.is_code))
        rows = itertools.islice(rows, job.limit)

        output = Output(Path(job.output), job.overwrite) if job.output is not None else None
        sink: Sink
        if output is None:
            sys.stdout.flush()
            sink = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
        else:
            stack.callback(output.close)
            if notice := output.check_settings(_record(job, settings, known, box)):
                say(notice)
            rows = _skip_earlier(rows, output, tally, limited=job.limit is not None)
            sink = output.end

        facts = [*settings.described()]
        if box is not None:
            by_auto = " (found by auto)" if settings.sandbox == "auto" else ""
            facts.append(("sandbox", f"{box.backend}{by_auto}, {box.workers} worker{'s' if box.workers > 1 else ''}"))
        if known is not None:
            facts.append(("references", f"{len(known):,} from {known.source}"))
        if job.output is not None:
            facts.append(("output", job.output))
        seen = not job.quiet and sys.stderr.isatty() and (job.output is not None or not sys.stdout.isatty())
        total, position = _extent(stream) if job.limit is None else (job.limit, lambda: tally.rows)
        begun = time.perf_counter()
        with progress(seen, total, position, tally) as step:
            writer = RowWriter(sink, compress=output is not None and output.compress)

            def emit(row: Row, verdict: Score | None) -> None:
                if verdict is None:
                    writer.add(added_error(row.body, row.number, row.error or ""))
                else:
                    writer.add(added_score(row.body, verdict))
                _count(row, verdict, tally)
                step()

            try:
                # More threads than the sandbox has workers: it goes on with the programs whose tests it has at hand.
                threads = 8 * box.workers if box is not None else job.workers or 1
                score(rows, verifier, threads, emit)
            except BaseException as error:
                # Nobody may be left to read from a pipe: what has gathered must not wait for them.
                writer.close(drop=isinstance(error, BrokenPipeError | KeyboardInterrupt) and output is None)
                raise
            writer.close()
        unit = "rows" if box is None else "verdicts"
        return Run(name, facts, time.perf_counter() - begun, job.fields.label, unit)


def _count(row: Row, verdict: Score | None, tally: Tally) -> None:
    if verdict is None or row.problem is None:
        tally.add_error(row.number, row.error or "")
    else:
        tally.add(row.number, row.problem.id, verdict, row.label)


def _skip_earlier(rows: Iterator[Row], output: Output, tally: Tally, limited: bool) -> Iterator[Row]:
    """Count the rows that the output already holds, cut away its torn end; returns the rows that are left."""
    earlier = output.earlier()
    left: list[Row] = []
    for row in rows:
        held, verdict = earlier.take(row)
        if not held:
            left.append(row)
            break
        _count(row, verdict, tally)
        tally.earlier += 1
    earlier.finish(limited)
    output.cut(earlier)
    return itertools.chain(left, rows)


def opened_sandbox(verifier: Verifier) -> Sandbox | None:
    """Return the sandbox of a verifier of programs, open; None for other verifiers.

    Raises WrongUse, with what to do, where there is none to be had: before any row is scored.
    """
    answers = verifier.verifiers[0] if isinstance(verifier, Reward) else verifier
    start = getattr(answers, "start", None)
    if start is None:
        return None
    from .sandbox.errors import SandboxUnavailable

    try:
        box: Sandbox = start()
    except SandboxUnavailable as error:
        raise WrongUse(str(error)) from None
    return box


def _record(job: Job, settings: Settings, known: References | None, box: Sandbox | None) -> dict[str, Any]:
    """Return everything that decides verdicts, to be kept beside the output."""
    fields = {kind: name for kind in ("response", "reference", "prompt", "id") if (name := getattr(job.fields, kind))}
    references = known.fingerprint() if known is not None else None
    record = {"assay": __version__, **settings.record(), "fields": fields, "references": references}
    return record if box is None else {**record, "sandbox": box.backend}


@contextlib.contextmanager
def _opened(file: str) -> Iterator[tuple[IO[bytes], str]]:
    if file == "-":
        yield sys.stdin.buffer, "standard input"
        return
    try:
        stream = io.FileIO(file)
    except OSError as error:
        raise WrongUse(f"{file}: {error.strerror}") from None
    with stream:
        yield stream, Path(file).name


def _keep_apart(stream: IO[bytes], job: Job) -> None:
    """Raise WrongUse if the output is also read: it would grow under the reader."""
    path = Path(job.output or "")
    if not path.is_file():
        return
    inputs = [job.references] if job.references is not None and Path(job.references).is_file() else []
    with contextlib.suppress(OSError, ValueError):
        if os.path.samestat(path.stat(), os.fstat(stream.fileno())):
            raise WrongUse(f"--output {path} is the input itself; name another file")
    if any(path.samefile(other) for other in inputs):
        raise WrongUse(f"--output {path} is the file of --references; name another file")


def _extent(stream: IO[bytes]) -> tuple[int | None, Callable[[], int]]:
    """Return (size in bytes, where reading is), or (None, ...) for what has no size, like a pipe."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = stream.fileno()
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            return status.st_size, lambda: os.lseek(descriptor, 0, os.SEEK_CUR)
    return None, lambda: 0
