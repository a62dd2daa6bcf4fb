"""How do finished rows reach a file or a pipe soon, whole, and in few system calls?

Rows gather for at most `DELAY` seconds, then go out together, also while the next row is still awaited: a reader of
a pipe sees them then, and a killed run has lost no more. In a gzip file each such batch is a member of its own, of
whole lines: what was cut off in the middle of a member is found and cut away by `resume`.
"""

from __future__ import annotations

import threading
import zlib
from typing import Protocol

__all__ = ["RowWriter"]

BATCH = 1 << 18  # bytes gathered before they go out at once
DELAY = 0.2  # seconds
GZIP_BATCH = 1 << 20  # members shorter than this compress worse
GZIP_DELAY = 2.0
GZIP_LEVEL = 4  # a third of the time of level 6 for a few per cent in size


class Sink(Protocol):
    """An unbuffered stream: it may take less than it is given."""

    def write(self, data: bytes | memoryview, /) -> int | None: ...
    def flush(self) -> None: ...


class RowWriter:
    """Writes lines to a stream. `add` may raise the OSError of an earlier write; a broken pipe shows up there."""

    def __init__(self, sink: Sink, compress: bool = False) -> None:
        self._sink = sink
        self._compress = compress
        self._batch = GZIP_BATCH if compress else BATCH
        self._gathered: list[bytes] = []
        self._size = 0
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._done = threading.Event()
        self._clock = threading.Thread(target=self._tick, name="assay-writer", daemon=True)
        self._clock.start()

    def add(self, line: bytes) -> None:
        """Take one line, with its line end."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            self._gathered.append(line)
            self._size += len(line)
            if self._size >= self._batch:
                self._send()

    def _tick(self) -> None:
        while not self._done.wait(GZIP_DELAY if self._compress else DELAY):
            with self._lock:
                if self._failure is not None:
                    return
                try:
                    self._send()
                except (OSError, ValueError):  # kept in _failure, raised by the next `add`
                    return

    def _send(self) -> None:
        """Write what has gathered. Once a write did not return, nothing more is written: lines would come twice."""
        if not self._gathered:
            return
        data = b"".join(self._gathered)
        self._gathered, self._size = [], 0
        try:
            if self._compress:
                data = _member(data)
            view = memoryview(data)
            while view:
                view = view[self._sink.write(view) or 0 :]
            self._sink.flush()
        except BaseException as failure:
            self._failure = failure
            raise

    def close(self, *, drop: bool = False) -> None:
        """Write what is left, unless it is to be dropped or a write has failed before; raises OSError."""
        self._done.set()
        if drop:
            return  # without the lock: the other thread may hold it in a write that nobody reads
        with self._lock:
            if self._failure is None:
                self._send()
        self._clock.join()


def _member(data: bytes) -> bytes:
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)  # 31: gzip header (without a time) and checksum
    return packer.compress(data) + packer.flush()
