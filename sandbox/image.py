"""Which image do containers run, and how is it made?

On Linux with an engine for the same kind of processor: our own, made within seconds from the host's own Python
(`host_python`), with no registry and nothing in it but Python. An engine behind a remote DOCKER_HOST gets it sent over
the same connection. Elsewhere (macOS, Windows, another processor): the image that `assay sandbox build --from IMAGE`
made if there is one, else Docker's `python:3.x-slim`, which is pulled.

An image of our own has a name that tells what went in, `assay-sandbox:<python version>-<hash>`: another Python gets
another image, and one that is there is used at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import SandboxUnavailable
from .host_python import base_interpreter, inspect_interpreter, write_archive

if TYPE_CHECKING:
    import docker

__all__ = ["DOCKERFILE", "build_from", "build_own", "ensure_image", "own_name", "python_of", "remove_old"]

RECIPE = 1  # what goes into an image: count up whenever host_python.py changes it
REPOSITORY = "assay-sandbox"
LABEL, PYTHON_LABEL, PACKAGES_LABEL = "assay.sandbox", "assay.sandbox.python", "assay.sandbox.packages"
HOST_LABEL = "assay.sandbox.host"  # the name of the image without packages: images with some belong to it
DOCKERFILE = Path(__file__).with_name("Dockerfile")

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
SLIM = f"python:{VERSION}-slim"
BASE = f"{REPOSITORY}:base-{VERSION}"  # what `assay sandbox build --from IMAGE` makes

# The same processor under the names of Python's platform.machine() and of Docker.
PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "x86": "386"}


def ensure_image(client: docker.DockerClient, name: str | None = None) -> str:
    """Return the name of an image that the engine has, made or pulled if needed; None asks for our own.

    Raises SandboxUnavailable if there is none and none can be had.
    """
    if name is not None:
        return name if _has(client, name) else _pull(client, name)
    why_not = cannot_make(client)
    if why_not is None:
        return build_own(client)
    if _has(client, BASE):
        return BASE
    if _has(client, SLIM):
        return SLIM
    return _pull(client, SLIM, why_not)


def python_of(client: docker.DockerClient, image: str) -> str:
    """Return what starts Python in a container of this image: a path in our own, else "python3"."""
    labels = client.api.inspect_image(image)["Config"].get("Labels") or {}
    return str(labels.get(PYTHON_LABEL, "python3"))


def cannot_make(client: docker.DockerClient) -> str | None:
    """Return why the host's Python cannot be the image's, None if it can."""
    if sys.platform != "linux":
        return f"an image of the host's own Python can be made on Linux only, this is {platform.system()}"
    engine = client.version()
    system, processor = engine.get("Os", "linux"), engine.get("Arch", "")
    mine = PROCESSORS.get(platform.machine(), platform.machine())
    if (system, processor) not in (("linux", mine), ("linux", "")):
        return f"the engine runs {system} on {processor}, and the host's own Python is for linux on {mine}"
    return None


def own_name(packages: Sequence[str] = ()) -> str:
    """Return the name of the image that this Python would make; costs no look into thousands of files."""
    program = base_interpreter()
    status = program.stat()
    library = Path(os.__file__).stat()
    what = [RECIPE, str(program), sys.version, status.st_size, status.st_mtime_ns, library.st_mtime_ns]
    if packages:
        what.append(sorted(packages))
    names = "".join(f"-{re.split('[^A-Za-z0-9_.-]', name)[0]}" for name in sorted(packages))
    key = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]
    return f"{REPOSITORY}:{platform.python_version().replace('+', '_')}-{key}{names}"[:128].rstrip(".-")


def build_own(client: docker.DockerClient, packages: Sequence[str] = (), *, anew: bool = False) -> str:
    """Make the image of the host's Python, with these packages from PyPI in it, unless it is there; returns its name."""
    name = own_name(packages)
    if not anew and _has(client, name):
        return name
    why_not = cannot_make(client)
    if why_not is not None:
        raise SandboxUnavailable(f"{why_not}; use `assay sandbox build --from IMAGE`")
    with _one_at_a_time(name):
        if not anew and _has(client, name):  # somebody else made it while we waited
            return name
        python = inspect_interpreter(base_interpreter())
        with tempfile.TemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
            if packages:
                from .packages import install_packages

                install_packages(packages, Path(folder))
            write_archive(file, python, Path(folder) if packages else None)
            file.seek(0)
            changes = [
                f"LABEL {LABEL}=1 {PYTHON_LABEL}={json.dumps(str(python.program))}",
                f"LABEL {HOST_LABEL}={own_name()} {PACKAGES_LABEL}={json.dumps(' '.join(sorted(packages)))}",
                "ENV PATH=/usr/bin:/bin LANG=C.UTF-8",
                f"ENTRYPOINT {json.dumps([str(python.program)])}",
            ]
            repository, tag = name.split(":")
            pieces = iter(lambda: file.read(1 << 20), b"")  # a file itself would get two lengths and be refused
            said = client.api.import_image_from_stream(pieces, repository=repository, tag=tag, changes=changes)
    if not _has(client, name):
        raise SandboxUnavailable(f"the engine did not take the image {name}: {said.strip()}")
    return name


def build_from(client: docker.DockerClient, image: str, packages: Sequence[str] = ()) -> str:
    """Build our Dockerfile on top of an image that has python3; returns the name, which other machines' default is."""
    from docker import errors

    arguments = {"BASE": image, "PACKAGES": " ".join(packages)}
    labels = {LABEL: "1", PACKAGES_LABEL: " ".join(sorted(packages))}
    try:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "Dockerfile").write_text(DOCKERFILE.read_text(encoding="utf-8"), encoding="utf-8")
            client.images.build(
                path=folder,
                tag=BASE,
                buildargs=arguments,
                labels=labels,
                network_mode=None if packages else "none",
                rm=True,
                forcerm=True,
            )
    except errors.BuildError as error:
        lines = "".join(str(entry.get("stream", "")) for entry in error.build_log)[-2000:]
        raise SandboxUnavailable(f"no image could be built from {image}: {error}\n{lines}".rstrip()) from error
    except errors.APIError as error:
        raise SandboxUnavailable(f"no image could be built from {image}: {error.explanation}") from error
    return BASE


def remove_old(client: docker.DockerClient, keep: Sequence[str] = ()) -> list[str]:
    """Remove the images that were made here for another Python or by an older version; returns their names.

    Images with packages stay if they belong to this Python, as do those that a container uses.
    """
    from docker import errors

    removed = []
    for image in client.images.list(filters={"label": f"{LABEL}=1"}):
        of_this_python = (image.labels or {}).get(HOST_LABEL) == own_name()
        if image.tags and (of_this_python or {own_name(), BASE, *keep} & set(image.tags)):
            continue
        with contextlib.suppress(errors.APIError):  # in use
            for name in image.tags or [image.id]:
                client.images.remove(name)
                removed.append(str(name))
    return removed


def _has(client: docker.DockerClient, name: str) -> bool:
    from docker import errors

    try:
        client.api.inspect_image(name)
    except errors.ImageNotFound:
        return False
    except errors.APIError as error:
        if error.status_code == 400:  # no valid name
            raise SandboxUnavailable(f"{name!r} is no name of an image: {error.explanation}") from error
        raise
    return True


def _pull(client: docker.DockerClient, name: str, why: str = "") -> str:
    from docker import errors

    try:
        # Without a tag docker-py would pull every version that there is.
        client.images.pull(name if re.search(r"@|:[^/]*$", name) else f"{name}:latest")
    except errors.APIError as error:
        because = f" ({why})" if why else ""
        raise SandboxUnavailable(
            f"the engine has no image {name}{because} and cannot pull it: {error.explanation or error}. "
            "`docker images` lists what it has; `assay sandbox build --from IMAGE` makes one from any image with Python"
        ) from error
    return name


@contextlib.contextmanager
def _one_at_a_time(name: str) -> Iterator[None]:
    """Let one process of this user build: two would do the work twice and leave an image without a name behind."""
    import fcntl

    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "assay")
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / f"{name.replace(':', '-')}.lock").open("wb")
    except (OSError, RuntimeError):
        yield  # no home: build twice rather than not at all
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed, however the process ends
        yield
