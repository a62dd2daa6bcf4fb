"""Can a hostile text hang the verifier, raise, eat the memory, leave something running, or earn?

The texts are those of the benchmark (`benchmarks/_hostile.py`), under a short deadline. Time is bounded as CPU seconds
of the whole process tree, and generously: what a busy machine does to the wall clock is for the benchmark to show.
"""

from __future__ import annotations

import asyncio
import importlib.util
import multiprocessing
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest

from assay import MathVerifier

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
DEADLINE = 0.4
CPU_LIMIT = DEADLINE + 1.0
MEMORY_LIMIT = 1.5e9
SLOW_LANE = (r"\boxed{\int_0^1 x^2\,dx}", r"\frac13")

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the process tree is read from /proc")


def bench_module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"assay_benchmarks{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and NamedTuples look their module up
    spec.loader.exec_module(module)
    return module


HOSTILE = bench_module("_hostile")
PROCESSES = bench_module("_processes")
Scoring = Callable[[MathVerifier, str, str], "float | None"]


def score_plainly(verifier: MathVerifier, response: str, reference: str) -> float | None:
    return verifier.score(response, reference).reward


def score_in_a_thread(verifier: MathVerifier, response: str, reference: str) -> float | None:
    rewards: list[float | None] = []
    thread = threading.Thread(target=lambda: rewards.append(score_plainly(verifier, response, reference)))
    thread.start()
    thread.join()
    assert rewards, "the thread ended in an exception"
    return rewards[0]


def score_in_asyncio(verifier: MathVerifier, response: str, reference: str) -> float | None:
    async def verdict() -> float | None:
        return (await verifier.ascore(response, reference)).reward

    return asyncio.run(verdict())


def faults(trials: list[Any], score: Scoring, extract: Literal["boxed", "lenient"] = "boxed") -> list[str]:
    """Score the trials; return one line for each that raised, was slow or earned what it should not."""
    found = []
    with MathVerifier(deadline=DEADLINE, extract=extract) as verifier:
        verifier.score(*SLOW_LANE)  # the workers are up: their start is not the text's doing
        for trial in trials:
            before = PROCESSES.cpu_seconds()
            try:
                reward = score(verifier, trial.response, trial.reference)
            except Exception as error:
                found.append(f"{trial.name}: raised {error!r}")
                continue
            if (spent := PROCESSES.cpu_seconds() - before) > CPU_LIMIT:
                found.append(f"{trial.name}: {spent:.2f} CPU seconds")
            if reward == 1.0 and not trial.may_be_correct:
                found.append(f"{trial.name}: earned")
        if verifier.score(*SLOW_LANE).reward != 1.0:
            found.append("afterwards an honest answer does not earn any more")
    return found


def every(step: int, start: int = 0) -> list[Any]:
    return list(HOSTILE.trials())[start::step]


def test_there_are_enough_hostile_texts_and_all_differ() -> None:
    names = [hostile.name for hostile in [*HOSTILE.ANSWERS, *HOSTILE.RESPONSES]]
    assert len(names) == len(set(names)) >= 131


@pytest.mark.slow
def test_no_hostile_text_hangs_raises_or_earns() -> None:
    with PROCESSES.Watch() as watch:
        found = faults(every(2), score_plainly)  # benchmarks/hostile.py tries all of them
    assert not found, "\n".join(found)
    assert watch.peak_bytes < MEMORY_LIMIT
    assert watch.left_running() == []


@pytest.mark.slow
def test_no_hostile_response_hangs_raises_or_earns_when_read_leniently() -> None:
    found = faults([trial for trial in every(1) if trial.name.endswith(": response")], score_plainly, "lenient")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("score", [score_in_a_thread, score_in_asyncio])
def test_the_same_in_other_threads(score: Scoring) -> None:
    found = faults(every(9, 2), score)
    assert not found, "\n".join(found)


def child(pipe: Connection) -> None:
    with PROCESSES.Watch() as watch:
        found = faults(every(9, 5), score_plainly)
    pipe.send((found, watch.left_running()))


def test_the_same_in_a_forked_daemonic_child() -> None:
    with MathVerifier(deadline=DEADLINE) as inherited:
        inherited.score(*SLOW_LANE)  # the parent has workers, which the child must not take for its own
        here, there = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=child, args=(there,), daemon=True)
        process.start()
        there.close()
        found, left = here.recv()
        process.join()
        assert not found, "\n".join(found)
        assert left == []
        assert inherited.score(*SLOW_LANE).reward == 1.0


def test_one_verifier_serves_hostile_and_honest_threads_at_once() -> None:
    """What one thread's bomb does to its worker must not change another thread's verdict."""
    bombs = [r"\boxed{9^{9^{9^9}}}", r"\boxed{\sum_{k=1}^{100000} \sqrt{k}}", r"\boxed{\int_0^1 x^{x^{x}}\,dx}"]
    wrong: list[str] = []
    with MathVerifier(deadline=DEADLINE) as verifier:

        def hostile(bomb: str) -> None:
            for _ in range(3):
                if verifier.score(bomb, "42").reward == 1.0:
                    wrong.append(f"{bomb} earned")

        def honest(power: int) -> None:
            for n in range(1, 13):
                response = rf"\boxed{{\int_0^1 {n}x^{power}\,dx}}"
                right, other = verifier.score(response, rf"\frac{{{n}}}{{{power + 1}}}"), verifier.score(response, "42")
                # A machine short of time may not decide; deciding wrongly is what must not happen.
                if right.reward == 0.0 and right.status not in {"timeout", "unverifiable"}:
                    wrong.append(f"{response}: {right.status}, {right.detail}")
                if other.reward == 1.0:
                    wrong.append(f"{response} earned against 42")

        threads = [threading.Thread(target=hostile, args=(bomb,)) for bomb in bombs]
        threads += [threading.Thread(target=honest, args=(power,)) for power in (2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong, "\n".join(wrong)
