"""Is there a Docker engine, and where? What to do when there is none is told in the error.

Looked at in this order, as Docker's own client does and one place more: DOCKER_HOST, the context chosen with
`docker context use`, the usual socket, the socket of a rootless engine of this user.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .errors import SandboxUnavailable

if TYPE_CHECKING:
    import docker

__all__ = ["connect", "engine_address"]

USUAL = "unix:///var/run/docker.sock"
INSTALL = "install it (Debian and Ubuntu: `apt install docker.io`; others: https://docs.docker.com/engine/install/)"
START = "start it (`sudo systemctl start docker`, or `sudo dockerd &` where there is no systemd, or Docker Desktop)"
OLDEST = (1, 40)  # of the engine's API: Docker 19.03


def connect(timeout: float = 60.0) -> docker.DockerClient:
    """Return a client whose engine answers; timeout is of its later requests, in seconds.

    Raises SandboxUnavailable with the remedy in its message.
    """
    try:
        import docker
        import requests
    except ImportError as error:
        raise SandboxUnavailable(
            f"the Python package `docker` cannot be imported ({error}); `pip install docker`"
        ) from error

    address = engine_address()
    client = None
    try:
        _knock(address)
        if os.environ.get("DOCKER_HOST"):
            client = docker.from_env(timeout=timeout)  # with its certificates, if it names any
        else:
            client = docker.DockerClient(base_url=address, timeout=timeout)
        version = str(client.version().get("ApiVersion", "0"))
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError, ValueError) as error:
        if client is not None:
            client.close()
        raise SandboxUnavailable(_remedy(address, error)) from error
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        client.close()
        needed = ".".join(map(str, OLDEST))
        raise SandboxUnavailable(
            f"the Docker engine at {address} speaks version {version} of the API, {needed} is needed: upgrade the engine "
            "to 19.03 or newer"
        )
    return client


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at an address on this machine; docker-py would leave a socket open there."""
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(10)
            one.connect(address.removeprefix("unix://"))


def engine_address() -> str:
    """Return where the engine is looked for."""
    return next(address for address in _addresses() if address)


def _addresses() -> Iterator[str | None]:
    yield os.environ.get("DOCKER_HOST")
    yield _context()
    if os.path.exists(USUAL.removeprefix("unix://")):
        yield USUAL
    for folder in (os.environ.get("XDG_RUNTIME_DIR"), os.path.expanduser("~/.docker/run")):
        if folder and os.path.exists(f"{folder}/docker.sock"):
            yield f"unix://{folder}/docker.sock"
    yield USUAL


def _context() -> str | None:
    """Return the address of the chosen context, None for the default one or if it cannot be told."""
    try:
        from docker.context import ContextAPI

        context = ContextAPI.get_current_context()
        return str(context.Host) if context is not None and context.Name != "default" and context.Host else None
    except Exception:  # an unreadable configuration of another program: the usual socket may do all the same
        return None


def _remedy(address: str, error: Exception) -> str:
    """Say what is wrong with the engine at an address and what to do about it."""
    causes = _causes(error)
    where = f"the Docker engine at {address}"
    if not address.startswith("unix:"):
        return f"{where} cannot be used: {error}; DOCKER_HOST or `docker context` names it: is that right?"
    if any(isinstance(cause, PermissionError) for cause in causes):
        return (
            f"no permission to use {where}: join its group (`sudo usermod -aG docker $USER`, then log in again), or use "
            "a rootless engine (`dockerd-rootless-setuptool.sh install`)"
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return f"{where} does not answer, it seems to have stopped: {START}"
    if any(isinstance(cause, FileNotFoundError) for cause in causes):
        there = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin")
        if there:
            return f"there is no Docker engine at {address}, though one is installed: {START}"
        client = "; the command `docker` is only its client" if shutil.which("docker") else ""
        return f"there is no Docker engine at {address}{client}: {INSTALL}, and {START}"
    return f"{where} cannot be used: {error}"


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error with all that it was raised from: libraries wrap the system's error several times."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__, *one.args, getattr(one, "reason", None)]
    return found
