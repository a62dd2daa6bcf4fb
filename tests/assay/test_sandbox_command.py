"""The command `assay sandbox`: what is printed, and the exit codes that scripts rely on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from assay.sandbox import checks, drill, image, opening
from assay.sandbox.checks import Finding, State
from assay.sandbox.errors import SandboxUnavailable
from click.testing import CliRunner

from assay.cli import main
from assay.records import Judgement, Status


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["sandbox", *arguments])


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the states of a pretended machine: of each backend, and of the drill; a test may change them."""
    states: dict[str, Any] = {
        "docker": State.FINE,
        "bubblewrap": State.FINE,
        "restricted": State.FINE,
        "fault": "",
        "drills": [],
    }

    def looked(backend: str) -> Any:
        return lambda *_: iter([Finding(f"{backend} [x]", states[backend], f"about {backend}", f"mend {backend}")])

    class Box:
        backend, workers = "docker", 1

        def __enter__(self) -> Box:
            return self

        def __exit__(self, *_: object) -> None: ...

    def opened(backend: str, **_: Any) -> Box:
        if states["fault"] == "shut":
            raise SandboxUnavailable("it does not open")
        states["drills"].append(backend)
        return Box()

    def drilled(_: Any) -> Any:
        yield drill.Outcome(drill.exercises("docker")[0], Judgement(Status.CORRECT, 3, 3), states["fault"])

    monkeypatch.setattr(checks, "CHECKS", {name: looked(name) for name in ("docker", "bubblewrap", "restricted")})
    monkeypatch.setattr(checks, "check_docker", looked("docker"))
    monkeypatch.setattr(opening, "open_sandbox", opened)
    monkeypatch.setattr(drill, "run_drill", drilled)
    return states


def test_all_is_fine(machine: dict[str, Any]) -> None:
    done = run("check")
    assert done.exit_code == 0, done.output
    for word in (
        "docker [x]",
        "about docker",
        "bubblewrap [x]",
        "restricted [x]",
        "a right function",
        "correct",
        "docker: all fine",
    ):
        assert word in done.output
    assert machine["drills"] == ["docker"]


def test_auto_needs_one_of_two(machine: dict[str, Any]) -> None:
    machine["docker"] = State.FAILED
    done = run("check")
    assert done.exit_code == 0
    assert machine["drills"] == ["bubblewrap"]
    assert "mend docker" in done.output
    machine["bubblewrap"] = State.FAILED
    assert run("check").exit_code == 1  # never restricted by itself
    assert run("check", "--backend", "restricted").exit_code == 0


def test_what_was_asked_for_must_work(machine: dict[str, Any]) -> None:
    machine["docker"] = State.FAILED
    done = run("check", "--backend", "docker", "--backend", "bubblewrap")
    assert done.exit_code == 1
    assert "docker: not all is fine" in done.output
    assert machine["drills"] == ["bubblewrap"]


def test_a_warning_is_no_failure(machine: dict[str, Any]) -> None:
    machine["docker"] = State.WARNING
    done = run("check", "--backend", "docker", "--no-drill")
    assert done.exit_code == 0
    assert "warning" in done.output
    assert "mend docker" in done.output
    assert machine["drills"] == []


def test_a_drill_that_goes_wrong_is_a_failure(machine: dict[str, Any]) -> None:
    machine["fault"] = "it earned a reward"
    done = run("check", "--backend", "docker")
    assert done.exit_code == 1
    assert "it earned a reward" in done.output
    machine["fault"] = "shut"
    done = run("check", "--backend", "docker")
    assert done.exit_code == 1
    assert "it does not open" in done.output


def test_wrong_use_is_told() -> None:
    assert run("check", "--backend", "chroot").exit_code == 2
    assert run("build", "--what").exit_code == 2


def test_the_dockerfile_is_where_it_is_said_to_be() -> None:
    done = run("dockerfile")
    assert done.exit_code == 0
    assert "ARG PACKAGES" in Path(done.output.strip()).read_text(encoding="utf-8")


def test_an_image_is_made_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    client = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr("assay.sandbox.engine.connect", lambda **_: client)
    monkeypatch.setattr(image, "build_own", lambda *a, **k: asked.append((a, k)) or "own:1")
    monkeypatch.setattr(image, "build_from", lambda *a: asked.append(a) or "base:1")
    monkeypatch.setattr(image, "remove_old", lambda *a: asked.append(a) or ["old:1"])
    assert run("build").stdout == "own:1\n"
    assert run("build", "--from", "python:3.12", "--with", "numpy", "--with", "sympy").stdout == "base:1\n"
    done = run("build", "--with", "numpy", "--again", "--remove-old")
    assert (done.stdout, done.stderr) == ("own:1\n", "removed old:1\n")
    assert asked == [
        ((client, ()), {"anew": False}),
        (client, "python:3.12", ("numpy", "sympy")),
        ((client, ("numpy",)), {"anew": True}),
        (client, ["own:1"]),
    ]


def test_without_an_engine_building_fails_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    done = run("build")
    assert done.exit_code == 1
    assert "no Docker engine at" in done.stderr
    assert not done.stdout
