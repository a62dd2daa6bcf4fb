"""How do packages get into an image of the host's own Python? pip of this Python installs them into a folder."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .errors import SandboxUnavailable

__all__ = ["install_packages"]


def install_packages(packages: Sequence[str], folder: Path) -> None:
    """Install packages and what they need, for this very Python, into a folder."""
    wrong = [name for name in packages if name.startswith("-") or not name.strip()]
    if wrong:
        raise SandboxUnavailable(f"{wrong[0]!r} is no package; expected a name as pip knows it, as in 'numpy>=2'")
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    elif uv := shutil.which("uv"):
        pip = [uv, "--quiet", "pip", "--python", sys.executable]
    else:
        raise SandboxUnavailable(
            f"packages are installed with pip, and {sys.executable} has none; `{sys.executable} -m ensurepip` installs it"
        )
    done = subprocess.run(
        [*pip, "install", "--target", str(folder), *packages], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SandboxUnavailable(f"pip could not install {' '.join(packages)}: {done.stderr.strip()[-2000:]}")
