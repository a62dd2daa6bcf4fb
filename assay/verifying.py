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
from typing import IO, Any

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
from .writer import RowWriter, Sink

__all__ = ["Job", "verify_file"]


@dataclass(frozen=True, slots=True)
class Job:
    """One run of `verify`; the fields are its flags."""

    file: str
    settings: Settings
    fields: Fields
    references: str | None = None
    workers: int = 1
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
        verifier = stack.enter_context(settings.verifier())
        rows: Iterator[Row] = read(lines, Pairing(job.fields, known, settings.answer_after))
        rows = itertools.islice(rows, job.limit)

        output = Output(Path(job.output), job.overwrite) if job.output is not None else None
        sink: Sink
        if output is None:
            sys.stdout.flush()
            sink = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
        else:
            stack.callback(output.close)
            if notice := output.check_settings(_record(job, settings, known)):
                say(notice)
            rows = _skip_earlier(rows, output, tally, limited=job.limit is not None)
            sink = output.end

        facts = [*settings.described()]
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
                score(rows, verifier, job.workers, emit)
            except BaseException as error:
                # Nobody may be left to read from a pipe: what has gathered must not wait for them.
                writer.close(drop=isinstance(error, BrokenPipeError | KeyboardInterrupt) and output is None)
                raise
            writer.close()
        return Run(name, facts, time.perf_counter() - begun, job.fields.label)


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


def _record(job: Job, settings: Settings, known: References | None) -> dict[str, Any]:
    """Return everything that decides verdicts, to be kept beside the output."""
    fields = {kind: name for kind in ("response", "reference", "prompt", "id") if (name := getattr(job.fields, kind))}
    references = known.fingerprint() if known is not None else None
    return {"assay": __version__, **settings.record(), "fields": fields, "references": references}


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
