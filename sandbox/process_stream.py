"""How does the host hold a supervisor that is a process of its own, by two pipes?"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

__all__ = ["ProcessStream"]


def ready(fd: int, event: int, seconds: float) -> bool:
    """Wait until a descriptor is ready; not by select(), which knows none above 1023."""
    poll = select.poll()
    poll.register(fd, event)
    return bool(poll.poll(max(0.0, seconds) * 1000))


class ProcessStream:
    """A process and its standard streams; see worker.Stream.

    kill  () -> None ends it with everything in it
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], fds: Sequence[int] = ()) -> None:
        """Start the process; `fds` are handed on to it. Raises OSError."""
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd="/",
            pass_fds=fds,
            start_new_session=True,
        )
        streams = (self.process.stdin, self.process.stdout, self.process.stderr)
        self.write, self.read, self.errors = (stream.fileno() for stream in streams if stream)
        for fd in (self.write, self.read, self.errors):
            os.set_blocking(fd, False)
        self.patience = 60.0
        self.kill: Callable[[], None] = self._kill_group

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes of standard output."""
        if not ready(self.read, select.POLLIN, self.patience):
            raise TimeoutError
        return os.read(self.read, size)

    def sendall(self, data: bytes) -> None:
        """Write to standard input."""
        left = memoryview(data)
        until = time.monotonic() + self.patience
        while left:
            if not ready(self.write, select.POLLOUT, until - time.monotonic()):
                raise TimeoutError
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(self.write, left[: 1 << 16]) :]

    def settimeout(self, seconds: float) -> None:
        """Set how long recv and sendall wait."""
        self.patience = seconds

    def waits(self) -> bool:
        """Tell whether there is something to read."""
        return ready(self.read, select.POLLIN, 0)

    def last_words(self) -> str:
        """Return what is there of standard error."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.process.wait(0.5)
            return os.read(self.errors, 1 << 16).decode("utf-8", "replace").strip()
        return ""

    def close(self) -> None:
        """End it, and wait until it is gone."""
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
