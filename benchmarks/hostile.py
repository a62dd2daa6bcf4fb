"""What is the worst that a hostile text can do: how long, how much memory, and does it ever earn?

Every text of `_hostile.py` as an answer, as a reference, on both sides and as a whole response (strict and lenient), in
the main thread, in another thread, under asyncio and in a forked daemonic process. Prints one table; exits 1 if a
limit is broken. Wall-clock limits mean something on an idle machine only; CPU seconds always.

    python benchmarks/hostile.py [--deadline SECONDS] [--ways main,thread,asyncio,fork] [--only TEXT] [--verbose]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from _hostile import ANSWERS, RESPONSES, Trial, trials
from _processes import Watch, cpu_seconds

from assay import MathVerifier

SLACK = 0.25  # seconds beyond the deadline that a verdict may take
MEMORY = 1.5e9  # bytes, the whole process tree


@dataclass
class Outcome:
    """What one way of calling showed."""

    verdicts: int = 0
    worst_seconds: float = 0.0
    worst_name: str = ""
    worst_cpu: float = 0.0
    worst_cpu_name: str = ""
    late: list[str] = field(default_factory=list)
    false_accepts: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)


def chosen(only: str) -> Iterator[tuple[Trial, bool]]:
    """Yield each trial, and whether it is to be read leniently: whole responses are tried both ways."""
    for trial in trials():
        if only in trial.name:
            yield trial, False
            if trial.name.endswith(": response"):
                yield trial._replace(name=trial.name + ", lenient"), True


def examine(deadline: float, only: str, call: Callable[[MathVerifier, Trial], float | None], verbose: bool) -> Outcome:
    """Score every trial with `call`, which returns the reward and lets exceptions through."""
    outcome = Outcome()
    with (
        MathVerifier(deadline=deadline) as strict,
        MathVerifier(deadline=deadline, extract="lenient") as lenient,
    ):
        # The clock is on verdicts, not on the first start of a worker: let each verifier have its workers up.
        for verifier in (strict, lenient):
            verifier.score(r"\boxed{\int_0^1 x^2\,dx}", r"\frac13")
        for trial, is_lenient in chosen(only):
            cpu, start = cpu_seconds(), time.perf_counter()
            try:
                reward = call(lenient if is_lenient else strict, trial)
            except Exception as error:
                outcome.errors.append(f"{trial.name}: {error!r}")
                reward = None
            seconds, cpu = time.perf_counter() - start, cpu_seconds() - cpu
            outcome.verdicts += 1
            if seconds > outcome.worst_seconds:
                outcome.worst_seconds, outcome.worst_name = seconds, trial.name
            if cpu > outcome.worst_cpu:
                outcome.worst_cpu, outcome.worst_cpu_name = cpu, trial.name
            if seconds > deadline + SLACK:
                outcome.late.append(f"{trial.name}: {seconds:.2f} s, {cpu:.2f} s of CPU")
            if reward == 1.0 and not trial.may_be_correct:
                outcome.false_accepts.append(trial.name)
            kind = {1.0: "correct", None: "none"}.get(reward, "zero")
            outcome.statuses[kind] = outcome.statuses.get(kind, 0) + 1
            if verbose and seconds > 0.1:
                print(f"  {seconds:6.2f} s {cpu:6.2f} s CPU  {kind:8} {trial.name}", file=sys.stderr, flush=True)
    return outcome


def score(verifier: MathVerifier, trial: Trial) -> float | None:
    return verifier.score(trial.response, trial.reference).reward


def score_in_thread(verifier: MathVerifier, trial: Trial) -> float | None:
    rewards: list[float | None] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            rewards.append(score(verifier, trial))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return rewards[0]


def score_under_asyncio(verifier: MathVerifier, trial: Trial) -> float | None:
    async def verdict() -> float | None:
        return (await asyncio.to_thread(verifier.score, trial.response, trial.reference)).reward

    return asyncio.run(verdict())


def in_fork(deadline: float, only: str, verbose: bool, pipe: Connection) -> None:
    pipe.send(examine(deadline, only, score, verbose))


def examine_in_fork(deadline: float, only: str, verbose: bool) -> Outcome:
    """Examine in a forked daemonic child of a parent that has workers already: the child must start its own."""
    with MathVerifier(deadline=deadline) as inherited:
        inherited.score(r"\boxed{\int_0^1 x^2\,dx}", r"\frac13")
        here, there = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("fork").Process(
            target=in_fork, args=(deadline, only, verbose, there), daemon=True
        )
        child.start()
        there.close()
        outcome: Outcome = here.recv()
        child.join()
        if inherited.score(r"\boxed{\int_0^1 x^2\,dx}", r"\frac13").reward != 1.0:
            outcome.errors.append("the parent's verifier no longer works after the fork")
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deadline", type=float, default=1.0)
    parser.add_argument("--ways", default="main,thread,asyncio,fork")
    parser.add_argument("--only", default="", help="only trials whose name holds this text")
    parser.add_argument("--verbose", action="store_true", help="name each verdict above 0.1 s on stderr")
    options = parser.parse_args()
    calls = {"main": score, "thread": score_in_thread, "asyncio": score_under_asyncio}
    broken = False
    print(
        f"{len(ANSWERS) + len(RESPONSES)} hostile texts, deadline {options.deadline} s, load {os.getloadavg()[0]:.1f}"
    )
    print(
        f"{'way':8} {'verdicts':>8} {'worst s':>8} {'worst CPU s':>12} {'late':>5} {'peak MB':>8} {'left':>5} ", end=""
    )
    print(f"{'raised':>7} {'false accepts':>14}  rewards")
    for way in options.ways.split(","):
        with Watch() as watch:
            if way == "fork":
                outcome = examine_in_fork(options.deadline, options.only, options.verbose)
            else:
                outcome = examine(options.deadline, options.only, calls[way], options.verbose)
        left = watch.left_running()
        print(
            f"{way:8} {outcome.verdicts:8} {outcome.worst_seconds:8.2f} {outcome.worst_cpu:12.2f} "
            f"{len(outcome.late):5} {watch.peak_bytes / 1e6:8.0f} {len(left):5} {len(outcome.errors):7} "
            f"{len(outcome.false_accepts):14}  {outcome.statuses}",
            flush=True,
        )
        print(f"         slowest: {outcome.worst_name}; most CPU: {outcome.worst_cpu_name}")
        for line in [*outcome.late[:20], *outcome.errors[:20], *outcome.false_accepts[:20]]:
            print("         " + line)
        broken |= bool(outcome.late or outcome.errors or outcome.false_accepts or left or watch.peak_bytes > MEMORY)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
