"""Which file could not be written? Python says it where a file is opened, and not where the disk is full later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["opened"]


@contextmanager
def opened(path: Path, mode: str) -> Iterator[BinaryIO]:
    """Open a file of bytes; an OSError until it is closed names the file."""
    try:
        with open(path, mode) as file:
            yield file  # type: ignore[misc]
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
