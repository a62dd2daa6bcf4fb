"""Where do the tests of the sandbox run? On every backend that this machine has, each opened once.

A backend that is missing skips its tests, by name; where ASSAY_REQUIRE lists it ("docker,bubblewrap") they fail instead.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from assay.records import AssertTests, Judgement, Limits

REQUIRED = {name.strip() for name in os.environ.get("ASSAY_REQUIRE", "").split(",") if name.strip()}


def _load_programs() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "assay_sandbox_programs", Path(__file__).resolve().parent / "programs.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


PROGRAMS = _load_programs()
SUITES = {"attack": PROGRAMS.attacks(), "honest": PROGRAMS.honest()}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `attack` or `honest` on every program of that suite, on each of the program's backends.

    A test that asks for `backend`, or for `box`, alone runs on each backend that isolates.
    """
    asks_backend = "backend" in metafunc.fixturenames
    for suite, programs in SUITES.items():
        if suite in metafunc.fixturenames and asks_backend:
            pairs = [(name, one) for name in PROGRAMS.EVERYWHERE for one in programs if name in one.backends]
            ids = [f"{name}-{one.key}" for name, one in pairs]
            metafunc.parametrize(("backend", suite), pairs, ids=ids)
            return
        if suite in metafunc.fixturenames:
            metafunc.parametrize(suite, programs, ids=[f"{one.key}" for one in programs])
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if asks_backend and not any("backend" in names for names in chosen):
        metafunc.parametrize("backend", PROGRAMS.ISOLATED)


class Boxes:
    """The sandboxes that are open in this session, one for each backend and set of limits."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, Limits], Any] = {}
        self._missing: dict[str, str] = {}

    def get(self, backend: str, limits: Limits | None = None) -> Any:
        limits = limits or Limits()
        if (backend, limits) not in self._open and backend not in self._missing:
            try:
                from assay.sandbox.errors import SandboxUnavailable

                from assay import open_sandbox
            except ImportError as error:
                self._missing[backend] = str(error)
            else:
                try:
                    self._open[backend, limits] = open_sandbox(
                        backend, workers=3, limits=limits
                    )  # most of them wait for a limit
                except SandboxUnavailable as error:
                    self._missing[backend] = str(error)
        if backend in self._missing:
            (pytest.fail if backend in REQUIRED else pytest.skip)(f"no {backend}: {self._missing[backend]}")
        return self._open[backend, limits]

    def close(self) -> None:
        for box in self._open.values():
            box.close()


@pytest.fixture(scope="session")
def boxes() -> Iterator[Boxes]:
    held = Boxes()
    yield held
    held.close()


@pytest.fixture
def box(boxes: Boxes, backend: str) -> Any:
    """Return the open sandbox of a backend, with the usual limits; it is shared, so leave it open."""
    return boxes.get(backend)


# ---- running a suite

NEIGHBOUR = AssertTests(["assert join(['a', 'b']) == 'a-b'", "assert join([]) == ''"], entry_point="join")
RIGHT_NEIGHBOUR = "def join(parts):\n    return '-'.join(parts)\n"
WRONG_NEIGHBOUR = "def join(parts):\n    return '+'.join(parts) or None\n"


class Ran(NamedTuple):
    """What became of a program, and of the right and the wrong program that were judged just after it."""

    judgement: Judgement
    others: tuple[Judgement, ...] = ()
    right: Judgement | None = None
    wrong: Judgement | None = None


class Suites:
    """The verdicts of whole suites: programs run side by side, once a backend, when the first of them is asked for."""

    def __init__(self, boxes: Boxes, session: pytest.Session) -> None:
        self._boxes = boxes
        self._session = session
        self._ran: dict[tuple[str, str], dict[str, Ran]] = {}

    def run(self, suite: str, backend: str, program: Any) -> Ran:
        if (suite, backend) not in self._ran:
            self._ran[suite, backend] = self._run_all(suite, backend)
        return self._ran[suite, backend][program.key]

    def _chosen(self, suite: str, backend: str) -> list[Any]:
        """Return the programs that this session will ask for: with -k, not all."""
        chosen = {}
        for item in self._session.items:
            params = item.callspec.params if hasattr(item, "callspec") else {}
            if params.get("backend") == backend and suite in params:
                chosen[params[suite].key] = params[suite]
        return list(chosen.values())

    def _run_all(self, suite: str, backend: str) -> dict[str, Ran]:
        programs = self._chosen(suite, backend)
        ran: dict[str, Ran] = {}
        for limits in dict.fromkeys(program.limits for program in programs):
            mine = [program for program in programs if program.limits == limits]
            ran |= _run_side_by_side(self._boxes.get(backend, limits), mine, suite == "attack")
        return ran


def _run_side_by_side(box: Any, programs: list[Any], with_neighbours: bool) -> dict[str, Ran]:
    ran = {}
    with ThreadPoolExecutor(box.workers) as threads:
        alone = [program for program in programs if not program.before]
        results = threads.map(lambda program: _run_one(box, program, with_neighbours), alone)
        ran = {program.key: result for program, result in zip(alone, results, strict=True)}
        # Pairs come last, and one at a time, several times over: some run meets a worker that was prepared.
        for program in programs:
            if program.before:
                times = 2 * box.workers
                seeds = [threads.submit(box.judge, program.before, program.tests) for _ in range(times)]
                seeded = [seed.result() for seed in seeds]
                runs = [threads.submit(_run_one, box, program, with_neighbours) for _ in range(times)]
                first, *others = [run.result() for run in runs]
                ran[program.key] = first._replace(others=(*seeded, *(other.judgement for other in others)))
    return ran


def _run_one(box: Any, program: Any, with_neighbours: bool) -> Ran:
    judgement = box.judge(program.solution, program.tests)
    if not with_neighbours:
        return Ran(judgement)
    return Ran(judgement, (), box.judge(RIGHT_NEIGHBOUR, NEIGHBOUR), box.judge(WRONG_NEIGHBOUR, NEIGHBOUR))


@pytest.fixture(scope="session")
def suites(boxes: Boxes, request: pytest.FixtureRequest) -> Suites:
    return Suites(boxes, request.session)
