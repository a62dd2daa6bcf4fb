"""How is a sandbox started that isolates by language alone, where there is neither Docker nor bubblewrap?

The supervisor is a process of this Python, and so are examiner and candidate; the solution is compiled through
RestrictedPython (inside/restricted_language.py). Limits of its process keep it from using up the machine: processor
time, memory, files (it may write none), no processes of its own (where it is not root's). They are no isolation: a
fault in the language or in the interpreter leads to this user's files.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from .bootstrap import ENVIRONMENT, FLAGS, LOADER, PRELOAD
from .errors import SandboxUnavailable
from .process_stream import ProcessStream

__all__ = ["start"]


def start() -> tuple[ProcessStream, dict[str, Any]]:
    """Start a sandbox; return its stream and the config of its supervisor. Raises SandboxUnavailable."""
    if sys.platform != "linux":
        raise SandboxUnavailable(f"the restricted backend is for Linux, and this is {sys.platform}; use docker")
    found = importlib.util.find_spec("RestrictedPython")
    if found is None or found.origin is None:
        raise SandboxUnavailable("RestrictedPython is not installed: `pip install 'RestrictedPython>=8'`")
    folder = tempfile.mkdtemp(prefix="assay-restricted-")  # the supervisor goes there and removes it
    try:
        environment = {**ENVIRONMENT, "HOME": folder, "TMPDIR": folder}
        stream = ProcessStream([sys.executable, *FLAGS, "-c", LOADER], environment)
    except OSError as error:
        os.rmdir(folder)
        raise SandboxUnavailable(f"{sys.executable} cannot be started: {error}") from None
    modules = [name for name in PRELOAD if name != "numpy"]
    return stream, {
        "cell": "bare",
        "language": "restricted",
        "preload": modules,
        "path": str(Path(found.origin).parent.parent),
        "folder": folder,
    }
