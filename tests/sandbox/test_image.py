"""The image of the host's own Python: it runs, it is small, it is made once, and none is needed from a registry."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from assay.sandbox import image as image_module
from assay.sandbox.engine import connect
from assay.sandbox.errors import SandboxUnavailable
from assay.sandbox.host_python import base_interpreter, inspect_interpreter, write_archive
from assay.sandbox.image import build_from, build_own, cannot_make, ensure_image, own_name, python_of, remove_old

REQUIRED = os.environ.get("ASSAY_REQUIRE", "").split(",")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="images of the host's Python are made on Linux")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    try:
        client = connect()
    except SandboxUnavailable as error:
        (pytest.fail if "docker" in REQUIRED else pytest.skip)(str(error))
    yield client
    client.close()


@pytest.fixture
def repository(client: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let this test make images of its own, so that it can break none that others use."""
    name = f"assay-test-{uuid.uuid4().hex[:12]}"
    monkeypatch.setattr(image_module, "REPOSITORY", name)
    monkeypatch.setattr(image_module, "BASE", f"{name}:base")
    yield name
    for made in client.images.list(name):
        for tag in made.tags:
            client.images.remove(tag, force=True)


def run(client: Any, image: str, program: str, **more: Any) -> str:
    options = {"user": "65534:65534", "network_mode": "none", "read_only": True, "remove": True, "cap_drop": ["ALL"]}
    said: bytes = client.containers.run(image, ["-c", program], **(options | more))
    return said.decode()


# ---- our own


def test_python_of_the_image_is_the_hosts_and_has_its_standard_library(client: Any) -> None:
    program = (
        "import asyncio, bz2, ctypes, decimal, hashlib, locale, lzma, multiprocessing, os, pwd, sqlite3, ssl, sys\n"
        "import unittest, uuid, zoneinfo, xml.etree.ElementTree, unicodedata, zlib, json\n"
        "print(json.dumps([sys.version, pwd.getpwuid(65534).pw_name, locale.setlocale(locale.LC_ALL, ''),"
        " os.getuid(), hashlib.sha3_256(b'').hexdigest()[:4]]))"
    )  # fmt: skip
    name = ensure_image(client)
    assert json.loads(run(client, name, program)) == [sys.version, "nobody", "C.UTF-8", 65534, "a7ff"]


def test_python_starts_by_its_recorded_path_and_as_python3(client: Any) -> None:
    name = ensure_image(client)
    for start in (python_of(client, name), "python3"):
        assert run(client, name, "print(6 * 7)", entrypoint=start).strip() == "42"
    assert python_of(client, name) == str(base_interpreter())


def test_nothing_of_the_host_but_its_python_is_inside(client: Any) -> None:
    listing = "import os; print('\\n'.join(os.path.join(f, n) for t in ('/etc', '/usr', '/home', '/opt') " \
              "for f, _, ns in os.walk(t) for n in ns))"  # fmt: skip
    files = run(client, ensure_image(client), listing).split()
    assert files
    assert not [file for file in files if file.endswith(("/sh", "/bash", "/shadow", "/su", "/mount", "/gcc"))]
    assert not [file for file in files if "/site-packages/" in file or "/test/" in file]


def test_every_module_is_compiled_and_readable_by_all(client: Any) -> None:
    program = (
        "import importlib.util, os, sys, sysconfig\n"
        "folder = sysconfig.get_path('stdlib')\n"
        "for f, _, names in os.walk(folder):\n"
        "    for n in names:\n"
        "        open(os.path.join(f, n), 'rb').close()\n"
        "import asyncio, sqlite3, decimal, unittest, dataclasses\n"
        "print([m for m in sys.modules.values() if getattr(m, '__file__', '') and m.__file__.endswith('.py') "
        "and m.__name__ != '__main__' and not os.path.exists(importlib.util.cache_from_source(m.__file__))])"
    )
    assert run(client, ensure_image(client), program).strip() == "[]"


def test_the_image_is_small(client: Any) -> None:
    assert (
        client.images.get(ensure_image(client)).attrs["Size"] < 110e6
    )  # without `strip` on the host; with it about 50


def test_an_image_that_is_there_is_used_at_once(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = ensure_image(client)
    monkeypatch.setattr(image_module, "write_archive", None)
    monkeypatch.setattr(image_module, "inspect_interpreter", None)
    assert ensure_image(client) == name == own_name()
    assert ensure_image(client, name) == name


def test_another_python_gets_another_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = own_name()
    copy = tmp_path / "python3"
    copy.write_bytes(b"another one")
    monkeypatch.setattr(image_module, "base_interpreter", lambda: copy)
    after = own_name()
    assert after != before
    copy.write_bytes(b"upgraded in its place")
    assert own_name() not in (before, after)
    monkeypatch.undo()
    assert own_name() == before
    monkeypatch.setattr(image_module, "RECIPE", 10**6)
    assert own_name() != before


def test_builders_at_the_same_time_agree(client: Any, repository: str) -> None:
    with ThreadPoolExecutor(3) as threads:
        clients = [connect() for _ in range(3)]
        names = set(threads.map(build_own, clients))
    for one in clients:
        one.close()
    assert len(names) == 1
    name = names.pop()
    assert name.startswith(f"{repository}:")
    assert run(client, name, "print('here')").strip() == "here"
    assert len(client.images.list(repository)) == 1


def test_old_images_are_found_and_removed(client: Any, repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = {repository}
    stale, current, packed = f"{repository}:3.0.0-0123456789ab", own_name(), f"{repository}:with-packages"
    archive = io.BytesIO()
    tarfile.open(fileobj=archive, mode="w").close()
    for name, host in ((stale, stale), (current, current), (packed, current)):
        labels = f"LABEL assay.sandbox=1 assay.sandbox.host={host} name={name}"
        client.api.import_image_from_data(archive.getvalue(), *name.split(":"), changes=[labels])
    everything = client.images.list
    # Those that others made stay out of it.
    monkeypatch.setattr(
        type(client.images), "list",
        lambda self, *a, **k: [one for one in everything(*a, **k) if any(tag.split(":")[0] in mine for tag in one.tags)],
    )  # fmt: skip
    assert remove_old(client) == [stale]
    assert {tag for one in client.images.list() for tag in one.tags} == {current, packed}


def test_packages_of_the_image_can_be_imported(client: Any, repository: str, tmp_path: Path) -> None:
    """From a folder, so that no network is needed: pip takes a path as it takes a name."""
    source = tmp_path / "tiny"
    source.mkdir()
    (source / "tiny_package.py").write_text("ANSWER = 42\n")
    (source / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='tiny', version='1', py_modules=['tiny_package'])\n"
    )
    try:
        name = build_own(client, [str(source)])
    except SandboxUnavailable as error:
        if "setuptools" in str(error):
            pytest.skip("no network: setuptools for the build could not be fetched")
        raise
    assert name != own_name()
    assert run(client, name, "import tiny_package; print(tiny_package.ANSWER)").strip() == "42"


def test_a_package_that_pip_does_not_know_is_an_error_that_says_so(client: Any, repository: str) -> None:
    with pytest.raises(SandboxUnavailable, match=r"pip could not install \./no/such/folder"):
        build_own(client, ["./no/such/folder"])
    with pytest.raises(SandboxUnavailable, match="no package"):
        build_own(client, ["--index-url=http://127.0.0.1"])


# ---- other images


def test_an_image_that_cannot_be_had_is_an_error_with_a_remedy(client: Any) -> None:
    with pytest.raises(SandboxUnavailable, match=r"127.0.0.1:1/none .*assay sandbox build --from"):
        ensure_image(client, "127.0.0.1:1/none")
    with pytest.raises(SandboxUnavailable, match="no name of an image"):
        ensure_image(client, "Not A Name")


class Engine:
    """An engine of another kind, which has these images."""

    def __init__(self, system: str, processor: str, *images: str) -> None:
        self.answer = {"Os": system, "Arch": processor}
        self.there = images
        self.pulled: list[str] = []
        self.api = self
        self.images = self

    def version(self) -> dict[str, str]:
        return self.answer

    def inspect_image(self, name: str) -> dict[str, Any]:
        from docker.errors import ImageNotFound

        if name not in self.there:
            raise ImageNotFound("not there")
        return {"Config": {"Labels": None}}

    def pull(self, name: str) -> None:
        from docker.errors import APIError

        self.pulled.append(name)
        raise APIError("no registry can be reached")


def test_an_engine_of_another_kind_gets_python_slim() -> None:
    slim, base = f"python:3.{sys.version_info.minor}-slim", image_module.BASE
    for engine in (Engine("windows", "amd64"), Engine("linux", "s390x")):
        assert "the engine runs" in (cannot_make(engine) or "")  # type: ignore[arg-type]
        with pytest.raises(SandboxUnavailable, match=rf"{slim} \(the engine runs.*build --from"):
            ensure_image(engine)  # type: ignore[arg-type]
        assert engine.pulled == [slim]
    assert ensure_image(Engine("linux", "s390x", slim)) == slim  # type: ignore[arg-type]
    assert ensure_image(Engine("linux", "s390x", slim, base)) == base  # type: ignore[arg-type]
    assert python_of(Engine("linux", "s390x", slim), slim) == "python3"  # type: ignore[arg-type]


def test_a_host_that_is_not_linux_gets_python_slim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_module.sys, "platform", "darwin")
    assert "on Linux only" in (cannot_make(Engine("linux", "amd64")) or "")  # type: ignore[arg-type]


def test_the_dockerfile_builds_on_any_image_with_python(client: Any, repository: str) -> None:
    """Our own image is the base here: it has no shell, and no registry is needed."""
    name = build_from(client, build_own(client))
    assert name == image_module.BASE
    assert run(client, name, "print('built')").strip() == "built"
    with pytest.raises(SandboxUnavailable, match=r"no image could be built from 127\.0\.0\.1:1/none"):
        build_from(client, "127.0.0.1:1/none")


# ---- the archive


def test_the_archive_holds_each_name_once_and_no_surprises() -> None:
    file = io.BytesIO()
    write_archive(file, inspect_interpreter(base_interpreter()))
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        members = archive.getmembers()
    names = [member.name for member in members]
    assert len(names) == len(set(names))
    assert all(member.uid == member.gid == 0 and not member.mode & 0o6000 for member in members)
    assert all(member.isdir() or member.isreg() or member.issym() for member in members)
    seen = {""}
    for member in members:
        assert os.path.dirname(member.name) in seen, f"{member.name} comes before its folder"
        seen.add(member.name)
    assert "encodings" in {Path(name).parent.name for name in names}


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="there is no /usr/bin/python3")
def test_a_python_of_the_distribution_is_taken_apart_as_well(client: Any, repository: str) -> None:
    """Debian's lies in /usr with its library elsewhere than its packages."""
    program = Path("/usr/bin/python3").resolve()
    file = io.BytesIO()
    write_archive(file, inspect_interpreter(program))
    tag = f"{repository}:distribution"
    client.api.import_image_from_data(file.getvalue(), *tag.split(":"), changes=[f'ENTRYPOINT ["{program}"]'])
    ours = subprocess.run([program, "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=True)
    assert run(client, tag, "import sys, ssl, sqlite3, decimal, json; print(sys.version)") == ours.stdout


def test_a_python_below_tmp_is_refused(tmp_path: Path) -> None:
    pretender = tmp_path / "python3"
    pretender.write_text('#!/bin/sh\necho \'["/x", ["/tmp/lib/python3"], "/tmp/site"]\'\n')
    pretender.chmod(0o755)
    with pytest.raises(SandboxUnavailable, match="a container mounts its own files"):
        inspect_interpreter(pretender)
    with pytest.raises(SandboxUnavailable, match="does not start"):
        inspect_interpreter(tmp_path / "missing")
