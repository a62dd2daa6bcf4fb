"""What does the pool make of workers that die, of many callers, of forks and of being closed?"""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from assay.sandbox import pool
from assay.sandbox.errors import SandboxUnavailable
from assay.sandbox.opening import open_sandbox
from assay.sandbox.pool import KNOWN_GOOD, Sandbox
from assay.sandbox.worker import WorkerDied

from assay.records import AssertTests, Limits, Status, StdioTests

TESTS = AssertTests(["assert f() == 1"])
RIGHT = ["correct", 1, 1, [["correct", "assert f() == 1", "", "", ""]], ""]


class FakeWorker:
    """Judges by a function, and keeps count of how many are alive."""

    alive: ClassVar[set[FakeWorker]] = set()

    def __init__(self, judge: Callable[[str], list[Any]]) -> None:
        self._judge = judge
        self.tests: Any = None
        self.runs = 0
        self.seen: list[Any] = []
        self.alive.add(self)

    def judge(self, solution: str, tests: Any) -> list[Any]:
        self.runs += 1
        if self.tests != tests:
            self.seen.append(tests)
        self.tests = tests
        return self._judge(solution)

    def close(self) -> None:
        self.alive.discard(self)


def sandbox(judge: Callable[[str], list[Any]], workers: int = 2) -> Sandbox:
    FakeWorker.alive = set()
    box = Sandbox("fake", workers, Limits(), lambda: FakeWorker(judge), (sandbox, (judge, workers)))  # type: ignore[arg-type, return-value]
    box.warm_up()
    return box


def dies(solution: str) -> list[Any]:
    raise WorkerDied("gone")


def test_a_run_whose_sandbox_was_killed_is_judged_again() -> None:
    deaths = iter([True, True, False])

    def sometimes(solution: str) -> list[Any]:
        if next(deaths):
            raise WorkerDied("killed")
        return RIGHT

    with sandbox(sometimes) as box:
        assert box.judge("", TESTS).status is Status.CORRECT


def test_who_kills_every_sandbox_earns_nothing() -> None:
    def killer(solution: str) -> list[Any]:
        return RIGHT if solution == KNOWN_GOOD[0] else dies(solution)

    with sandbox(killer) as box:
        judgement = box.judge("kill", TESTS)
        assert judgement.status is Status.CRASHED
        assert (judgement.passed, judgement.total) == (0, 1)
        assert "known good" in judgement.detail
        assert box.judge(KNOWN_GOOD[0], TESTS).status is Status.CORRECT
        assert len(FakeWorker.alive) <= 2


def test_who_kills_late_is_retried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it cannot have five times its time; how long sandboxes take to start does not count."""
    runs = []

    def late(solution: str) -> list[Any]:
        if solution == KNOWN_GOOD[0]:
            return RIGHT
        runs.append(solution)
        time.sleep(0.06)
        return dies(solution)

    monkeypatch.setattr(pool, "QUICK", 0.0)
    with sandbox(late) as box:
        box.limits = replace(Limits(), wall_seconds=0.05)
        assert box.judge("late", TESTS).status is Status.CRASHED
        assert len(runs) == 2
        runs.clear()
        box.limits = replace(Limits(), wall_seconds=5.0)
        real = box._start
        monkeypatch.setattr(box, "_start", lambda: time.sleep(0.3) or real())  # type: ignore[func-returns-value]
        assert box.judge("early", TESTS).status is Status.CRASHED
        assert len(runs) == 5


def test_where_good_programs_die_too_there_is_no_verdict() -> None:
    with sandbox(dies) as box:
        judgement = box.judge("anything", TESTS)
    assert judgement.status is Status.INFRA_ERROR
    assert "known good" in judgement.detail
    assert not FakeWorker.alive


def test_a_machine_that_judges_wrongly_gives_no_verdict() -> None:
    def broken(solution: str) -> list[Any]:
        return ["incorrect", 0, 1, [], ""] if solution == KNOWN_GOOD[0] else dies(solution)

    with sandbox(broken) as box:
        assert box.judge("anything", TESTS).status is Status.INFRA_ERROR


def test_an_engine_that_stays_away_gives_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "RESTART_SECONDS", 0.0)
    with sandbox(dies, workers=1) as box:
        box._start = lambda: (_ for _ in ()).throw(SandboxUnavailable("the engine is away"))  # type: ignore[assignment, return-value]
        judgement = box.judge("anything", TESTS)
    assert judgement.status is Status.INFRA_ERROR
    assert judgement.detail == "the engine is away"


def test_an_engine_that_comes_back_is_waited_for() -> None:
    with sandbox(dies, workers=1) as box:
        answers = iter([SandboxUnavailable("away"), WorkerDied("starting"), FakeWorker(lambda solution: RIGHT)])

        def start() -> Any:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        box._start = start
        assert box.judge("anything", TESTS).status is Status.CORRECT


def test_never_more_at_a_time_than_workers() -> None:
    lock = threading.Lock()
    running = most = 0

    def judge(solution: str) -> list[Any]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1
        if solution == "die":
            raise WorkerDied
        return RIGHT

    with sandbox(judge, workers=3) as box, ThreadPoolExecutor(16) as threads:
        work = ["die" if number % 10 == 7 else "live" for number in range(200)]
        judgements = list(threads.map(lambda solution: box.judge(solution, TESTS), work))
    assert [judgement.status is Status.CORRECT for judgement in judgements] == [solution == "live" for solution in work]
    assert most <= 3
    assert not FakeWorker.alive


def test_workers_keep_their_tests_where_they_can() -> None:
    """Of 20 problems with 8 samples each, on 2 workers, few are compiled twice."""
    problems = [AssertTests([f"assert f() == {number}"]) for number in range(20)]
    made: list[FakeWorker] = []

    def start() -> Any:
        made.append(FakeWorker(lambda solution: time.sleep(0.003) or RIGHT))  # type: ignore[func-returns-value]
        return made[-1]

    box = Sandbox("fake", 2, Limits(), start, (sandbox, ()))
    with box, ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda tests: box.judge("", tests), [tests for tests in problems for _ in range(8)]))
        assert sum(len(worker.seen) for worker in made) <= 60


def test_nobody_waits_for_ever() -> None:
    """A caller with tests of its own gets its turn among many who share theirs."""
    done = threading.Event()

    def judge(solution: str) -> list[Any]:
        time.sleep(0.0002)
        return RIGHT

    with sandbox(judge, workers=1) as box, ThreadPoolExecutor(9) as threads:

        def same() -> int:
            runs = 0
            while not done.is_set() and runs < 20_000:
                box.judge("", TESTS)
                runs += 1
            return runs

        callers = [threads.submit(same) for _ in range(8)]
        box.judge("", AssertTests(["assert other()"]))
        done.set()
        assert sum(caller.result() for caller in callers) < 100_000


def test_a_closed_sandbox_says_so() -> None:
    box = sandbox(lambda solution: RIGHT)
    box.close()
    box.close()
    with pytest.raises(RuntimeError, match="open another"):
        box.judge("", TESTS)
    assert not FakeWorker.alive


def test_closing_waits_for_sandboxes_that_are_being_started() -> None:
    FakeWorker.alive = set()
    begun, made = threading.Event(), []

    def start() -> Any:
        if made:
            begun.set()
            time.sleep(0.3)
        made.append(FakeWorker(lambda solution: RIGHT))
        return made[-1]

    box = Sandbox("fake", 2, Limits(), start, (sandbox, ()))
    box.warm_up()
    assert begun.wait(10)
    box.close()
    assert len(made) == 2
    assert not box._all
    assert not FakeWorker.alive


def test_wrong_arguments_are_named() -> None:
    with sandbox(lambda solution: RIGHT) as box:
        with pytest.raises(TypeError, match="solution is bytes"):
            box.judge(b"", TESTS)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="tests are list"):
            box.judge("", ["assert True"])  # type: ignore[arg-type]


def test_what_is_too_long_is_not_sent() -> None:
    with sandbox(dies) as box:
        assert box.judge("#" * 10_000_001, TESTS).status is Status.CRASHED
        assert box.judge("", StdioTests([("", "1" * 10_000_001)])).status is Status.BAD_REFERENCE
        assert box.judge("", AssertTests(["assert f()"], setup="#" * 10_000_001)).status is Status.BAD_REFERENCE


def test_a_forked_child_opens_its_own() -> None:
    with sandbox(lambda solution: RIGHT, workers=1) as box:
        box.judge("", TESTS)
        mine = next(iter(box._all))
        read, write = os.pipe()
        child = os.fork()
        if not child:
            box.judge("", TESTS)
            os.write(write, b"own" if mine not in box._all and mine.runs == 1 else b"shared")
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(read, 10) == b"own"
        os.close(read)
        os.close(write)
        assert box.judge("", TESTS).status is Status.CORRECT
        assert mine.runs == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"backend": "podman"}, "no backend 'podman'"),
        ({"workers": 0}, "workers=0"),
        ({"backend": "bubblewrap", "image": "x"}, "for the docker backend"),
    ],
)
def test_wrong_settings_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_sandbox(**arguments)


@pytest.mark.parametrize("name", Limits.__slots__)
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), True, "1", None])
def test_limits_are_numbers_above_nothing(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


# ---- on the real backends


def test_a_real_sandbox_can_be_pickled_and_leaves_nothing(box: Any, backend: str) -> None:
    copy = pickle.loads(pickle.dumps(box))
    try:
        assert copy.backend == backend
        assert copy.limits == box.limits
        assert copy.judge("def f(): return 1", TESTS).status is Status.CORRECT
        with ThreadPoolExecutor(4) as threads:
            judgements = list(threads.map(lambda value: copy.judge(f"def f(): return {value}", TESTS), range(12)))
        assert [judgement.passed for judgement in judgements] == [int(value == 1) for value in range(12)]
    finally:
        copy.close()
    assert not copy._all


def test_a_worker_that_is_killed_costs_no_verdict(box: Any) -> None:
    copy = pickle.loads(pickle.dumps(box))
    try:
        for _ in range(3):
            for worker in list(copy._all):
                worker.stream.close()
            assert copy.judge("def f(): return 1", TESTS).status is Status.CORRECT
    finally:
        copy.close()


@pytest.mark.parametrize("backend", ["docker"])  # elsewhere the Python of the host may load what it likes at its start
def test_no_run_is_forked_with_what_only_the_start_or_another_backend_needs(box: Any) -> None:
    needless = """inside.restricted_language importlib.abc importlib.resources tempfile lzma inspect dataclasses datetime decimal
        fractions threading traceback""".split()
    source = f"import sys\ndef found():\n    return [name for name in {needless} if name in sys.modules]\n"
    assert box.judge(source, AssertTests(["assert found() == []"])).status is Status.CORRECT


def test_a_supervisor_outside_of_its_namespace_refuses_to_begin() -> None:
    """It would end every process of root's with the first run."""
    from assay.sandbox.inside.cells import UserCell

    limits = dict.fromkeys(("cpu_seconds", "memory_bytes", "processes", "open_files", "file_bytes"), 1)
    with pytest.raises(RuntimeError, match="process 1"):
        UserCell(limits, 20_000, 10, lambda: None, False)  # type: ignore[arg-type]
