"""How is one sandbox started under bubblewrap, and what of the host does it see?

New namespaces of every kind, so no network and no process of the host; Python and the system's libraries, read-only;
no capability for programs. Where the host's user is root, runs have users of their own, as in a container. Otherwise
bubblewrap gives one user id, and runs have namespaces of their own.

Memory is limited for each process by rlimit, and for all of a run together by the supervisor, which looks ten times
a second; there is no cgroup here.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from ..records import Limits
from .bootstrap import ENVIRONMENT, FLAGS, LOADER
from .errors import SandboxUnavailable
from .process_stream import ProcessStream

__all__ = ["find_bwrap", "start"]

USERS = 64
SEEN = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")


def find_bwrap() -> str:
    """Return the path of bubblewrap; raises SandboxUnavailable."""
    if sys.platform != "linux":
        raise SandboxUnavailable(f"bubblewrap is for Linux, and this is {sys.platform}; use the docker backend")
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxUnavailable(
            "bubblewrap is not installed: `apt install bubblewrap` (or dnf, pacman), or use docker"
        )
    return found


def start(bwrap: str, limits: Limits) -> tuple[ProcessStream, dict[str, Any]]:
    """Start a sandbox; return its stream and the config of its supervisor. Raises SandboxUnavailable."""
    from .host_python import base_interpreter
    from .seccomp import bpf_filter

    root = os.geteuid() == 0
    python = base_interpreter()
    status, report = os.pipe()
    try:
        command = [bwrap, *_namespaces(root), *_files(python), "--json-status-fd", str(report), "--"]
        try:
            stream = ProcessStream([*command, str(python), *FLAGS, "-c", LOADER], ENVIRONMENT, [report])
        except OSError as error:
            raise SandboxUnavailable(f"{bwrap} cannot be started: {error}") from None
        finally:
            os.close(report)
        inner = _child(status)
    finally:
        os.close(status)
    if inner is None:
        words = stream.last_words()
        stream.close()
        raise SandboxUnavailable(
            f"bubblewrap cannot make a sandbox here: {words or 'it ended without a word'}. Namespaces of unprivileged "
            "users may be switched off; `assay sandbox check` tells more"
        )

    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(inner, signal.SIGKILL)  # the first process of the namespace: all others end with it

    stream.kill = kill
    config: dict[str, Any] = {"cell": "namespace", "seccomp": bpf_filter().hex()}
    if root:
        config |= {"cell": "user", "users": [20_000 + 2 * USERS * random.randrange(300), USERS - 1], "mounts": True}
    return stream, config


def _namespaces(root: bool) -> list[str]:
    common = ["--new-session", "--as-pid-1", "--hostname", "sandbox", "--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN"]
    kinds = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if root:
        return [*kinds, *common, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return ["--unshare-user", *kinds, *common, "--uid", "1000", "--gid", "1000"]


def _files(python: Path) -> list[str]:
    words: list[str] = []
    for name in SEEN:
        path = Path(name)
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), name]
        elif path.exists():
            words += ["--ro-bind", name, name]
    for path in (Path(sys.base_prefix).resolve(), python):
        if Path("/usr") not in (path, *path.parents) and str(path) not in words:
            for parent in reversed(path.parents[:-1]):  # which other users may be kept out of on the host
                words += ["--perms", "0755", "--dir", str(parent)]
            words += ["--ro-bind", str(path), str(path)]
    words += ["--proc", "/proc", "--dev", "/dev", "--dir", "/tmp", "--dir", "/examiner", "--chdir", "/"]
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/"]


def _child(status: int) -> int | None:
    """Return the number of the sandbox's first process, or None if bubblewrap ended before there was one."""
    words = b""
    while b"\n" not in words:
        ready, _, _ = select.select([status], [], [], 20)
        part = os.read(status, 4096) if ready else b""
        if not part:
            return None
        words += part
    return int(json.loads(words.split(b"\n")[0])["child-pid"])
