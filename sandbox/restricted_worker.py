"""How is a sandbox started that isolates by language alone, where there is neither Docker nor bubblewrap?

The supervisor is a process of this Python, and so are examiner and candidate; the solution is compiled through
RestrictedPython (inside/restricted_language.py). Limits of its process keep it from using up the machine: processor
time, memory, files (it may write none), no processes of its own (where it is not root's). They are no isolation: a
fault in the language or in the interpreter leads to this user's files.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

from .bootstrap import ENVIRONMENT, FLAGS, LOADER, PRELOAD
from .errors import SandboxUnavailable
from .process_stream import ProcessStream

__all__ = ["start"]


class _Stream(ProcessStream):
    """A supervisor in an empty directory that goes when it does."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="assay-restricted-", ignore_cleanup_errors=True)
        environment = {**ENVIRONMENT, "HOME": self.folder.name, "TMPDIR": self.folder.name}
        super().__init__([sys.executable, *FLAGS, "-c", LOADER], environment)

    def close(self) -> None:
        """End it, and remove the directory."""
        super().close()
        self.folder.cleanup()


def start() -> tuple[ProcessStream, dict[str, Any]]:
    """Start a sandbox; return its stream and the config of its supervisor. Raises SandboxUnavailable."""
    if sys.platform != "linux":
        raise SandboxUnavailable(f"the restricted backend is for Linux, and this is {sys.platform}; use docker")
    found = importlib.util.find_spec("RestrictedPython")
    if found is None or found.origin is None:
        raise SandboxUnavailable("RestrictedPython is not installed: `pip install 'RestrictedPython>=8'`")
    try:
        stream = _Stream()
    except OSError as error:
        raise SandboxUnavailable(f"{sys.executable} cannot be started: {error}") from None
    modules = [name for name in PRELOAD if name != "numpy"]
    return stream, {
        "cell": "bare",
        "language": "restricted",
        "preload": modules,
        "path": str(Path(found.origin).parent.parent),
        "folder": stream.folder.name,
    }
