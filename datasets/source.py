"""Where do the rows of a named data set come from: a local file if there is one, else the Hugging Face hub.

A local file is the `path` given (the file itself, or a folder that holds it), else it lies in the folder that the
environment variable ASSAY_DATA names. The hub is reached through Hugging Face's `datasets`, which is optional.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .jsonl import RowError, read_rows

__all__ = ["DatasetNotFoundError", "Row", "Source", "file_rows"]

ENVIRONMENT = "ASSAY_DATA"


class DatasetNotFoundError(LookupError):
    """A data set is neither on this machine nor to be had from the hub; the message says what would help."""


class Row(NamedTuple):
    """One row, and where it stands."""

    source: str
    line: int
    fields: Mapping[str, Any]

    def error(self, problem: str) -> RowError:
        """Return the error that says what is wrong with this row."""
        return RowError(self.source, self.line, problem)

    def text(self, *names: str) -> str:
        """Return the first of these fields that holds a string. Raises RowError if none does."""
        for name in names:
            if isinstance(value := self.fields.get(name), str):
                return value
        raise self.error(f"no text in {' or '.join(names)}; fields are {', '.join(self.fields) or 'none'}")


@dataclass(frozen=True, slots=True)
class Source:
    """One split of a data set, and the places where it may lie.

    name    what people call it
    files   its names under a data folder, the usual one first; each may also end in .gz
    hub     its id on the hub, with the configuration and the split there
    """

    name: str
    files: tuple[str, ...]
    hub: str
    config: str | None
    split: str

    def rows(self, path: str | Path | None = None) -> Iterator[Row]:
        """Return the rows. Raises DatasetNotFoundError at once if they are nowhere."""
        if path is not None:
            local = Path(path).expanduser()
            file = local if local.is_file() else self._file_in(local)
            if file is None:
                raise DatasetNotFoundError(f"{self.name}: {self._looked_for(local)}")
            return file_rows(file)
        folder = os.environ.get(ENVIRONMENT)
        if folder and (file := self._file_in(Path(folder).expanduser())):
            return file_rows(file)
        return self._hub_rows(folder)

    def _candidates(self) -> list[str]:
        bare = [name.rpartition("/")[2] for name in self.files]  # for a folder that holds this data set alone
        return [name + ending for name in (*self.files, *bare) for ending in ("", ".gz")]

    def _file_in(self, folder: Path) -> Path | None:
        return next((folder / name for name in self._candidates() if (folder / name).is_file()), None)

    def _looked_for(self, place: Path) -> str:
        if not place.exists():
            return f"{place} does not exist; expected the file, or a folder with {self.files[0]}[.gz]"
        return f"{place} holds none of {', '.join(self._candidates())}"

    def _hub_rows(self, folder: str | None) -> Iterator[Row]:
        config = f", {self.config!r}" if self.config else ""
        remedies = (
            f"pass path= (a .jsonl or .jsonl.gz file) or set {ENVIRONMENT} to a folder with {self.files[0]}[.gz]; "
            f"or pip install datasets and be online, to load {self.hub!r}{config} from the Hugging Face hub"
        )
        tried = f"{ENVIRONMENT} is not set"
        if folder:
            tried = f"{ENVIRONMENT}={folder} has no {self.files[0]}[.gz]"
        try:
            # The import itself is the test: a folder that is merely named `datasets` can be imported, too.
            from datasets import load_dataset
        except ImportError:
            message = f"{self.name}: {tried}, and the `datasets` library is not installed. Remedies: {remedies}"
            raise DatasetNotFoundError(message) from None
        try:
            rows = load_dataset(self.hub, self.config, split=self.split)
        except Exception as error:  # offline, gone, gated, a broken cache: the library raises many types
            reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            message = f"{self.name}: {tried}, and the hub gave no {self.hub!r} ({reason}). Remedies: {remedies}"
            raise DatasetNotFoundError(message) from error
        return (Row(self.hub, number, row) for number, row in enumerate(rows, 1))


def file_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a JSON Lines file, or of a .json file that holds one array. Raises RowError at a bad one."""
    if path.suffix == ".json":
        yield from _array_rows(path)
        return
    for line, row in read_rows(path):
        if isinstance(row, RowError):
            raise row
        yield Row(str(path), line, row)


def _array_rows(path: Path) -> Iterator[Row]:
    try:
        rows = json.loads(path.read_bytes())
    except ValueError as error:
        raise RowError(str(path), 1, f"not valid JSON ({error}); name a JSON Lines file .jsonl") from None
    if not isinstance(rows, list):
        raise RowError(str(path), 1, "expected an array of objects; name a JSON Lines file .jsonl")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise RowError(str(path), number, f"item {number} of the array is not an object")
        yield Row(str(path), number, row)
