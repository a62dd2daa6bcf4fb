"""Is every cell of the table in docs/sandbox.md true?

The table is read, and each threat tried on each backend; what got through must be what the cell says. Bubblewrap has
two columns: what these tests are not started as (root, or a user) is tried in a process that is, or skipped by name.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay import AssertTests

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "sandbox.md"
COLUMNS = ("docker", "bubblewrap, as root", "bubblewrap, as a user", "restricted")
NOBODY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"


def _load_threats() -> Any:
    spec = importlib.util.spec_from_file_location("assay_threats", Path(__file__).resolve().parent / "threats.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


threats = _load_threats()


def table() -> dict[tuple[str, str], str]:
    """Return the cells of the table, by threat and column."""
    if not PAGE.exists():
        return {}
    lines = PAGE.read_text(encoding="utf-8").split("## Threats")[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if line.startswith("| ")]
    head, *body = rows
    assert tuple(head[1:]) == COLUMNS
    assert all(len(row) == len(head) for row in body)
    return {(row[0], column): cell for row in body for column, cell in zip(COLUMNS, row[1:], strict=True)}


TABLE = table()
pytestmark = pytest.mark.skipif(not TABLE, reason="these tests are about a page of the checkout")


@pytest.fixture(scope="module")
def host() -> Iterator[Any]:
    with threats.Host.opened() as there:
        yield there


@pytest.fixture(scope="module")
def as_nobody(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Try all threats under bubblewrap, from a process of a user without privileges."""
    needed = [shutil.which("setpriv"), shutil.which("bwrap"), shutil.which(SYSTEM_PYTHON)]
    if not all(needed):
        pytest.skip(f"becoming a user without privileges takes setpriv, bwrap and {SYSTEM_PYTHON}")
    version = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import sys; print(sys.version_info >= (3, 11))"], capture_output=True, check=False
    )
    if version.stdout.strip() != b"True":
        pytest.skip(f"{SYSTEM_PYTHON} is older than 3.11")
    folder = Path("/tmp") / f"assay-as-nobody-{os.getpid()}"  # where pytest keeps its folders, others may not look
    folder.mkdir(mode=0o755)
    try:
        for name in ("assay", "sandbox", "verifiers"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        shutil.copy(Path(__file__).resolve().parent / "threats.py", folder)
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        done = subprocess.run(
            [*become, "env", "-i", "PATH=/usr/bin:/bin", f"PYTHONPATH={folder}", SYSTEM_PYTHON, "-B", "threats.py", "bubblewrap"],
            cwd=folder, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
    finally:
        shutil.rmtree(folder)
    if "SandboxUnavailable" in done.stderr:
        pytest.skip(f"bubblewrap does not work for a user: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("threat", threats.THREATS)
def test_a_cell_says_what_happens(
    threat: str, column: str, boxes: Any, host: Any, request: pytest.FixtureRequest
) -> None:
    cell = TABLE[threat, column]
    backend, _, user = column.partition(", ")
    if user == "as a user" and os.geteuid() == 0:
        got_through = request.getfixturevalue("as_nobody")[threat]
    elif user == "as root" and os.geteuid() != 0:
        pytest.skip("the tests are not run by root")
    else:
        got_through = threats.THREATS[threat](boxes.get(backend, threats.LIMITS), host)
    assert cell.startswith("not stopped: " if got_through else "stopped: "), cell


def test_the_table_and_the_programs_are_about_the_same_threats() -> None:
    assert list(threats.THREATS) == list(dict.fromkeys(threat for threat, _ in TABLE))
    assert all(re.match(r"(not )?stopped: \w", cell) for cell in TABLE.values())


# ---- that the programs try what they say: outside of a sandbox they get through


@pytest.mark.parametrize("threat", threats.PLAIN)
def test_without_a_sandbox_it_gets_through(threat: str, host: Any) -> None:
    if threat == "becomes root, or may" and os.geteuid() != 0:
        pytest.skip("nobody here is root")
    source = threats.program(threats.PLAIN[threat], host) + "print(probe())\n"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "True\n", done.stderr


def test_a_probe_that_gets_through_is_seen(boxes: Any, host: Any, backend: str) -> None:
    """What is stopped elsewhere works on the sandbox's own files, processes and sockets."""
    box = boxes.get(backend, threats.LIMITS)
    for body in (
        "open('/tmp/own', 'w').write(MARK)\nreturn open('/tmp/own').read() == MARK",
        threats.STARTS_PROCESSES.replace("60", "6"),
        threats.FILLS_DISK.replace("40", "4"),
        threats.MAKES_FILES.replace("20_000", "50"),
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "return socket.create_connection(server.getsockname(), 1) is not None",
    ):
        assert threats.tried(box, body, host), body
    assert not threats.tried(box, "return False", host)
    assert box.judge("def f():\n    return 1\n", AssertTests(["assert f() == 1"])).passed == 1
