"""Which sandbox is meant, and does this machine have it?"""

from __future__ import annotations

import os
import secrets
from typing import Any, Literal

from ..records import Limits
from .errors import SandboxUnavailable
from .pool import Sandbox
from .worker import Worker, WorkerDied

__all__ = ["BACKENDS", "open_sandbox"]

Backend = Literal["docker", "bubblewrap", "restricted", "auto"]
BACKENDS = ("docker", "bubblewrap", "restricted")


def open_sandbox(
    backend: Backend = "auto", workers: int | None = None, limits: Limits | None = None, image: str | None = None
) -> Sandbox:
    """Open a sandbox in which programs are judged; close it, or use it in a `with` statement.

    backend  "docker", "bubblewrap" (Linux without Docker), "restricted" (neither; isolates by language alone), or
             "auto": docker, else bubblewrap, never restricted
    workers  programs judged at one time; as many as there are processors by default
    limits   of each program
    image    of the containers; made from this Python by default

    Raises SandboxUnavailable, whose message names what is missing and the remedy.
    """
    if backend not in (*BACKENDS, "auto"):
        raise ValueError(f"there is no backend {backend!r}; there are {', '.join(map(repr, (*BACKENDS, 'auto')))}")
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise ValueError(f"workers={workers!r}: expected a number of at least 1, or None for one for each processor")
    if image is not None and backend not in ("docker", "auto"):
        raise ValueError(f"image={image!r} is for the docker backend; {backend} runs the Python of this machine")
    limits = limits or Limits()
    count = workers or os.cpu_count() or 1
    if backend != "auto":
        return _opened(backend, count, limits, image)
    reasons = []
    for name in BACKENDS[:2]:
        try:
            return _opened(name, count, limits, image)
        except SandboxUnavailable as error:
            reasons.append(f"{name}: {error}")
        if image is not None:
            break
    raise SandboxUnavailable(
        f"no sandbox works on this machine. {' '.join(reasons)} The backend 'restricted' works without them, "
        "and isolates by language alone; it has to be asked for by name. `assay sandbox check` tells more."
    )


def _opened(backend: str, workers: int, limits: Limits, image: str | None) -> Sandbox:
    starter = {"docker": _docker, "bubblewrap": _bubblewrap, "restricted": _restricted}[backend]
    sandbox = Sandbox(
        backend, workers, limits, starter(limits, image), (open_sandbox, (backend, workers, limits, image))
    )
    try:
        sandbox.warm_up()
    except WorkerDied as error:
        raise SandboxUnavailable(str(error)) from None
    return sandbox


def _docker(limits: Limits, image: str | None) -> Any:
    from . import docker_worker
    from .engine import connect
    from .image import ensure_image, python_of

    client = connect()
    name = ensure_image(client, image)
    python = python_of(client, name)
    owner = f"{os.getpid()}-{secrets.token_hex(4)}"

    def start() -> Worker:
        import docker
        import requests

        try:
            stream, config = docker_worker.start(client, name, python, limits, owner)
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            raise SandboxUnavailable(
                f"no container could be started: {error}; `assay sandbox check` tells more"
            ) from None
        return Worker(stream, config, limits)

    return start


def _bubblewrap(limits: Limits, image: str | None) -> Any:
    from . import bubblewrap_worker

    bwrap = bubblewrap_worker.find_bwrap()
    return lambda: Worker(*bubblewrap_worker.start(bwrap, limits), limits)


def _restricted(limits: Limits, image: str | None) -> Any:
    from . import restricted_worker

    return lambda: Worker(*restricted_worker.start(), limits)
