"""Which rows are already in the output, and may the run go on behind them?

A run that was cut off leaves whole lines and perhaps a torn one. Each whole line must be the input's row of that
place with a verdict added, byte for byte; then its verdict is taken over, and the torn rest is cut away. Anything
else in the file stops the run with a message, and the file is left as it was.

Beside the output lies a small record of the settings that its verdicts were made with (`scored.jsonl.settings.json`):
rows judged by two sets of rules would look alike.

A gzip file is kept up to the last member that is complete; `writer` ends members at line ends.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .pairing import WrongUse
from .records import NO_PARTS, Score, Status
from .rows import EMPTY, Row

__all__ = ["Earlier", "Output", "settings_path"]

CHUNK = 1 << 18


def settings_path(output: Path) -> Path:
    """Return where the record of an output's settings lies."""
    return output.with_name(output.name + ".settings.json")


class Output:
    """The file that scored rows go to. In this order: `check_settings`, `earlier`, `cut`; then write to `end`."""

    def __init__(self, path: Path, overwrite: bool = False) -> None:
        self.path = path
        self.compress = path.suffix == ".gz"
        self.regular = path.is_file() or not path.exists()  # a pipe or a device only takes, and is not gone back to
        try:
            self.end = io.FileIO(path, "ab+" if self.regular else "wb")
        except OSError as error:
            raise WrongUse(f"--output {path}: {error.strerror}") from None
        if self.regular:
            self._lock()
            if overwrite:
                self.end.truncate(0)
                settings_path(path).unlink(missing_ok=True)

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not POSIX: then two runs into one file are not noticed
            return
        try:
            fcntl.flock(self.end, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.end.close()
            raise WrongUse(
                f"--output {self.path}: another run is writing to it; wait for it, or name another"
            ) from None

    def check_settings(self, settings: Mapping[str, Any]) -> str | None:
        """Record the settings of a new output, or compare them with those of a begun one.

        Returns a notice where they cannot be compared; raises WrongUse where they differ.
        """
        if not self.regular:
            return None
        record = settings_path(self.path)
        if os.fstat(self.end.fileno()).st_size == 0:
            fresh = record.with_name(record.name + ".new")
            fresh.write_text(json.dumps(settings, indent=2) + "\n")
            fresh.replace(record)
            return None
        try:
            before = json.loads(record.read_text())
        except FileNotFoundError:
            return f"{record.name} is missing: taking the rows in {self.path.name} as scored with these settings"
        except (OSError, ValueError) as error:
            raise WrongUse(
                f"--output {self.path}: its record {record.name} cannot be read ({error}); {_OVER}"
            ) from None
        if not isinstance(before, dict):
            raise WrongUse(f"--output {self.path}: its record {record.name} is no JSON object; {_OVER}")
        different = [
            f"{name} was {before.get(name)!r}, now {value!r}"
            for name, value in settings.items()
            if name != "assay" and before.get(name) != value
        ]
        if different:
            raise WrongUse(f"--output {self.path} was begun with other settings: {'; '.join(different)}; {_OVER}")
        if before.get("assay") != settings.get("assay"):
            return f"{self.path.name} was begun by assay {before.get('assay')}; its rows are kept"
        return None

    def earlier(self) -> Earlier:
        """Return the rows that are in the file."""
        return Earlier(self.path, self.compress) if self.regular else Earlier.nothing(self.path)

    def cut(self, earlier: Earlier) -> None:
        """Cut away what is torn behind the whole rows."""
        if self.regular:
            self.end.truncate(earlier.whole_bytes)

    def close(self) -> None:
        self.end.close()


_OVER = "--overwrite starts over"


class Earlier:
    """The whole lines that an output holds, taken one by one beside the rows of the input."""

    def __init__(self, path: Path, compress: bool) -> None:
        self._path = path
        self._torn = b""
        self.whole_bytes = 0  # of the file, as far as it is kept
        self._lines = self._whole_lines(compress)
        self._next = next(self._lines, None)

    @classmethod
    def nothing(cls, path: Path) -> Earlier:
        self = cls.__new__(cls)
        self._path, self._torn, self.whole_bytes, self._next = path, b"", 0, None
        return self

    def take(self, row: Row) -> tuple[bool, Score | None]:
        """Return (True, verdict or None for an error) if the output holds this row, else (False, None).

        Raises WrongUse if what it holds at this place is another row, or is torn out of one.
        """
        if self._next is None:
            if self._torn and not _could_begin(self._torn, row):
                raise self._mismatch(row.number, "its last, unfinished line does not belong to that row")
            self._torn = b""
            return False, None
        line, self._next = self._next, next(self._lines, None)
        return True, self._verdict(line, row)

    def finish(self, limited: bool) -> None:
        """Raise WrongUse if the output holds more rows than the input had."""
        if self._next is not None or self._torn:
            what = "--limit asks for" if limited else "the input has"
            raise WrongUse(f"--output {self._path} holds more rows than {what}; name another output, or {_OVER}")

    def _verdict(self, line: bytes, row: Row) -> Score | None:
        if row.error is not None:
            added = _added(line, row.body)
            if added is not None and added.keys() == {"line", "error"} and added["line"] == row.number:
                return None
            raise self._mismatch(row.number, f"that row cannot be scored now ({row.error})")
        added = _added(line, row.body)
        if added is None:
            raise self._mismatch(row.number, "that row reads otherwise")
        score = _score(added.get("score")) if added.keys() == {"score"} else None
        if score is None:
            raise self._mismatch(row.number, "that row has no score in it but can be scored now")
        return score

    def _mismatch(self, number: int, why: str) -> WrongUse:
        return WrongUse(
            f"--output {self._path} does not continue this input at line {number}: {why}; "
            f"name another output, or {_OVER}"
        )

    def _whole_lines(self, compress: bool) -> Iterator[bytes]:
        end = _whole_members(self._path) if compress else os.path.getsize(self._path)
        pieces = _inflated(self._path, end) if compress else _pieces(self._path, end)
        rest = b""
        for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if not compress:
                    self.whole_bytes += len(line) + 1
                yield line
        if compress:
            if rest:
                raise WrongUse(f"--output {self._path} has no line end where it was cut off; {_OVER}")
            self.whole_bytes = end
            rest = _torn_member(self._path, end)
        self._torn = rest


def _added(line: bytes, body: bytes) -> dict[str, Any] | None:
    """Return the members that the line adds to the row's body, None if it is not this row."""
    if not line.startswith(body):
        return None
    rest = line[len(body) :]
    if body != EMPTY:
        if not rest.startswith(b", "):
            return None
        rest = rest[2:]
    with contextlib.suppress(ValueError):
        added = json.loads(b"{" + rest)
        if isinstance(added, dict):
            return added
    return None


def _could_begin(torn: bytes, row: Row) -> bool:
    """Whether a torn line may be the start of this row's."""
    return torn.startswith(row.body) or row.body.startswith(torn)


def _score(plain: Any) -> Score | None:
    """Return the Score that `as_dict` made this of; None if it is no such thing."""
    try:
        parts = {name: _score(part) for name, part in plain.get("parts", {}).items()}
        if None in parts.values():
            return None
        return Score(
            plain["reward"],
            Status(plain["status"]),
            plain["answer"],
            plain["detail"],
            plain["seconds"],
            {name: part for name, part in parts.items() if part} or NO_PARTS,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _pieces(path: Path, end: int) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while end > 0 and (piece := file.read(min(CHUNK, end))):
            end -= len(piece)
            yield piece


def _whole_members(path: Path) -> int:
    """Return where the last complete member of a gzip file ends; 0 if there is none."""
    whole = 0
    with contextlib.suppress(zlib.error):
        member = zlib.decompressobj(31)
        at = 0
        for piece in _pieces(path, os.path.getsize(path)):
            data = piece
            while data:
                if member.eof:
                    member = zlib.decompressobj(31)
                member.decompress(data, CHUNK)
                if member.eof:
                    whole = at + len(piece) - len(member.unused_data)
                    data = member.unused_data
                else:
                    data = member.unconsumed_tail
            at += len(piece)
    return whole


def _inflated(path: Path, end: int) -> Iterator[bytes]:
    member = zlib.decompressobj(31)
    for piece in _pieces(path, end):
        data = piece
        while data:
            if member.eof:
                member = zlib.decompressobj(31)
            yield member.decompress(data, CHUNK)
            data = member.unused_data if member.eof else member.unconsumed_tail


def _torn_member(path: Path, start: int) -> bytes:
    """Return the first line that can be read in an unfinished member, to be compared with the row that it should be."""
    with open(path, "rb") as file:
        file.seek(start)
        data = file.read(CHUNK)
    if not data.startswith(b"\x1f\x8b"[: len(data)]):
        raise WrongUse(f"--output {path} is not gzip, as its name says; name another output, or {_OVER}")
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj(31).decompress(data, CHUNK).split(b"\n")[0]
    return b""
