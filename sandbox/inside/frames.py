"""How do two processes exchange messages? As JSON behind a length of four bytes, on a stream socket.

JSON because its reader is safe on bytes from an enemy: it builds plain data or raises, and nothing else.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from typing import Any

__all__ = ["Channel", "Closed", "Late", "Malformed", "Pipes"]

HEADER = struct.Struct(">I")
_written = json.JSONEncoder(separators=(",", ":")).encode
_read = json.JSONDecoder().decode


class Closed(Exception):
    """The other side is gone."""


class Late(Exception):
    """The other side did not answer before the deadline."""


class Malformed(Exception):
    """What came is no message, or one that is too long."""


class Pipes:
    """Two descriptors, one to read and one to write, with the methods of a socket that a Channel uses."""

    def __init__(self, read: int, write: int) -> None:
        self.read, self.write = read, write

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        return os.read(self.read, size)

    def sendall(self, data: bytes) -> None:
        """Write all of it."""
        left = memoryview(data)
        while left:
            left = left[os.write(self.write, left) :]

    def settimeout(self, seconds: float) -> None:
        """Refuse a deadline: who talks over pipes is ended from outside."""
        raise ValueError("pipes have no deadline; give the channel none")

    def close(self) -> None:
        """Close both."""
        os.close(self.read)
        os.close(self.write)


class Channel:
    """One end of the wire. `deadline` is a time.monotonic() value, or None to wait as long as it takes."""

    def __init__(self, end: socket.socket | Pipes, most_bytes: int = 64 << 20) -> None:
        self.end = end
        self.most_bytes = most_bytes
        self.deadline: float | None = None

    def send(self, message: Any) -> None:
        """Send one message; raises Closed, Late, or what json raises for a message that it cannot write."""
        body = _written(message).encode("ascii")
        try:
            self._patience()
            self.end.sendall(HEADER.pack(len(body)) + body)
        except TimeoutError:
            raise Late from None
        except OSError:
            raise Closed from None

    def receive(self) -> Any:
        """Return the next message; raises Closed, Late or Malformed."""
        size = HEADER.unpack(self._exactly(HEADER.size))[0]
        if size > self.most_bytes:
            raise Malformed(f"a message of {size:,} bytes, above the limit of {self.most_bytes:,}")
        body = self._exactly(size)
        try:
            return _read(body.decode("ascii"))
        except (ValueError, RecursionError):
            raise Malformed("bytes that are no message") from None

    def _exactly(self, size: int) -> bytes:
        """Return the next `size` bytes and take none beyond them: another process may go on reading after this one."""
        parts = []
        while size > 0:
            try:
                self._patience()
                part = self.end.recv(min(size, 1 << 20))
            except TimeoutError:
                raise Late from None
            except OSError:
                raise Closed from None
            if not part:
                raise Closed
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _patience(self) -> None:
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise Late
            self.end.settimeout(left)

    def close(self) -> None:
        """Close this end."""
        self.end.close()
