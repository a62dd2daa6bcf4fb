"""What is said about this machine: limits are tried and not believed, and whatever fails comes with its remedy."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from assay.sandbox import checks, drill
from assay.sandbox.checks import Finding, State, check_bubblewrap, check_docker, check_restricted
from assay.sandbox.engine import _remedy, connect, engine_address
from assay.sandbox.errors import SandboxUnavailable

from assay.records import AssertTests, Judgement, Status

REQUIRED = os.environ.get("ASSAY_REQUIRE", "").split(",")


def missing(backend: str, why: str) -> None:
    (pytest.fail if backend in REQUIRED else pytest.skip)(f"no {backend}: {why}")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    try:
        client = connect()
    except SandboxUnavailable as error:
        missing("docker", str(error))
    yield client
    client.close()


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


# ---- docker


def test_a_machine_with_docker_is_looked_at_in_full(client: Any) -> None:
    found = {finding.subject: finding for finding in check_docker()}
    assert {"engine", "image", "container", "system calls", "walls"} <= found.keys()
    assert {f"limit of {what}" for what in ("processes", "processors", "memory")} <= found.keys()
    assert not [finding for finding in found.values() if finding.state is State.FAILED]
    assert all(finding.remedy for finding in found.values() if finding.state is not State.FINE)


def test_limits_that_an_engine_takes_and_ignores_are_noticed(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine drops them, as one without control groups does; the rest of it is real."""
    create = type(client.containers).create
    dropped = ("pids_limit", "nano_cpus", "mem_limit", "memswap_limit", "security_opt", "read_only")

    def without_limits(self: Any, *arguments: Any, **options: Any) -> Any:
        return create(self, *arguments, **{name: value for name, value in options.items() if name not in dropped})

    monkeypatch.setattr(type(client.containers), "create", without_limits)
    found = {finding.subject: finding for finding in check_docker()}
    # A busy machine may have no more than the limit left of its processors, so that one may go unnoticed here.
    for subject in ("limit of processes", "limit of memory", "system calls", "walls"):
        if subject == "walls" and "read-only" in found[subject].detail:
            continue  # nobody may write there anyway
        assert found[subject].state is State.WARNING, found[subject]
        assert found[subject].remedy


@pytest.mark.parametrize(
    ("about", "remedy"),
    [
        ({"SecurityOptions": ["name=rootless"], "CgroupVersion": "2"}, "Delegate="),
        ({"SecurityOptions": [], "CgroupVersion": "1"}, "swapaccount=1"),
        ({"SecurityOptions": None}, "swapaccount=1"),
        ({"CgroupVersion": "2"}, "docker info"),
    ],
)
def test_the_remedy_fits_the_engine(about: dict[str, Any], remedy: str) -> None:
    finding = checks._unlimited(SimpleNamespace(info=lambda: about), "memory", "too much")
    assert finding.state is State.WARNING
    assert remedy in finding.remedy


def test_without_an_engine_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    finding = only(check_docker())
    assert finding.state is State.FAILED
    assert "no Docker engine at" in finding.detail
    assert "dockerd" in finding.remedy
    monkeypatch.setenv("DOCKER_HOST", "nonsense")
    assert "DOCKER_HOST" in only(check_docker()).detail + only(check_docker()).remedy


def test_an_engine_that_stopped_is_told_from_one_that_never_was(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:  # a short name: addresses of sockets are short
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(f"{folder}/docker.sock")
        monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/docker.sock")
        with pytest.raises(SandboxUnavailable, match="seems to have stopped"):
            connect()


def test_a_socket_that_may_not_be_used_is_told() -> None:
    try:
        try:
            raise PermissionError(13, "Permission denied")
        except OSError as inner:
            raise RuntimeError("connection aborted") from inner
    except RuntimeError as error:
        said = _remedy("unix:///var/run/docker.sock", error)
    assert "no permission" in said
    assert "usermod -aG docker" in said
    assert "rootless" in said


def test_the_engine_of_the_user_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr("assay.sandbox.engine.USUAL", f"unix://{tmp_path}/nowhere.sock")
    monkeypatch.setattr("assay.sandbox.engine._context", lambda: None)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert engine_address() == f"unix://{tmp_path}/nowhere.sock"
    (tmp_path / "docker.sock").touch()
    assert engine_address() == f"unix://{tmp_path}/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", "tcp://far.away:2376")
    assert engine_address() == "tcp://far.away:2376"


def test_an_engine_too_old_is_told(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.sandbox.engine.OLDEST", (9, 99))
    with pytest.raises(SandboxUnavailable, match=r"9\.99 is needed: upgrade"):
        connect()


def test_an_image_that_is_not_there_fails_with_a_remedy(client: Any) -> None:
    *_, last = check_docker("127.0.0.1:1/none")
    assert (last.subject, last.state) == ("image", State.FAILED)
    assert "assay sandbox build" in last.remedy


# ---- the others


def test_bubblewrap_is_looked_at() -> None:
    found = list(check_bubblewrap())
    if found[-1].state is State.FAILED:
        assert found[-1].remedy
        missing("bubblewrap", found[-1].detail)
    assert [finding.state for finding in found] == [State.FINE] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is for Linux")
def test_why_bubblewrap_fails_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt install bubblewrap" in only(check_bubblewrap()).remedy

    bwrap = tmp_path / "bwrap"
    bwrap.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    bwrap.chmod(0o755)
    *_, last = check_bubblewrap()
    assert (last.subject, last.state) == ("namespaces", State.FAILED)
    assert "No permissions" in last.detail
    assert last.remedy

    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(
        checks, "SETTINGS", (("no/such", "0", "A"), ("kernel/ostype", "BSD", "B"), ("kernel/ostype", "Linux", "C"))
    )
    *_, last = check_bubblewrap()
    assert last.remedy == "kernel.ostype is Linux: C"


def test_restricted_python_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(check_restricted()).state is State.FINE
    monkeypatch.setattr(checks.metadata, "version", lambda _: "7.4")
    assert only(check_restricted()).state is State.FAILED

    def gone(_: str) -> str:
        raise checks.metadata.PackageNotFoundError

    monkeypatch.setattr(checks.metadata, "version", gone)
    assert "pip install" in only(check_restricted()).remedy


# ---- the drill


class Naive:
    """The judge that many have: solution and asserts in one file, and whoever exits with 0 has passed."""

    backend, workers = "naive", 1

    def judge(self, solution: str, tests: AssertTests) -> Judgement:
        program = "\n".join([solution, *tests.asserts])
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
        status = Status.CORRECT if done.returncode == 0 else Status.INCORRECT
        return Judgement(status, 0, 0)


def test_a_naive_judge_fails_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    bought = ["an object that equals everything", "a clean exit", "an exit in a call"]
    fair = ["a right function", "a wrong function"]
    chosen = [one for one in drill.exercises("naive") if one.name in (*bought, *fair)]
    monkeypatch.setattr(drill, "exercises", lambda _: chosen)
    faults = {exercise.name: fault for exercise, _, fault in drill.run_drill(Naive())}
    assert faults == dict.fromkeys(bought, "it earned a reward") | dict.fromkeys(fair, "")


def test_a_judge_that_can_be_silenced_or_spoilt_fails_the_drill() -> None:
    class Silenced(Naive):
        def judge(self, solution: str, tests: Any) -> Judgement:
            right = {drill.RIGHT: Status.CORRECT, drill.WRONG: Status.INCORRECT}
            return Judgement(right.get(solution, Status.INFRA_ERROR), 0, 0)

    class Spoilt(Naive):
        def judge(self, solution: str, tests: Any) -> Judgement:
            return Judgement(Status.INCORRECT, 0, 0)

    for box, fault in (
        (Silenced(), "it escaped a verdict"),
        (Spoilt(), "after it a program that is correct was judged incorrect"),
    ):
        faults = {outcome.fault for outcome in drill.run_drill(box) if not outcome.exercise.honest}
        assert faults == {fault}


def test_exercises_are_all_different_and_compile_where_they_should() -> None:
    everything = drill.exercises("docker")
    assert len({one.name for one in everything}) == len(everything) > 20
    assert {one.name for one in drill.exercises("restricted")} < {one.name for one in everything}
    for one in everything:
        if one.name != "a syntax error":
            compile(one.solution, one.name, "exec")
            compile(one.before, one.name, "exec")


@pytest.mark.parametrize("backend", ["docker", "bubblewrap", "restricted"])
def test_this_machine_passes_the_drill(backend: str) -> None:
    from assay import open_sandbox

    try:
        box = open_sandbox(backend, workers=1, limits=drill.DRILL_LIMITS)  # type: ignore[arg-type]
    except SandboxUnavailable as error:
        missing(backend, str(error))
    with box:
        faults = {name.name: (fault, judgement) for name, judgement, fault in drill.run_drill(box) if fault}
    assert not faults
