"""Does every reference solution of HumanEval and MBPP pass in the sandbox?

One line for each data set, and each exception by name: what the sandbox says of it, and what a plain run says (the
program and its tests in one fresh `python3 -I`). An exception that a plain run has as well is the data set's fault.
Exit code 1 if one differs.

    ASSAY_DATA=... python benchmarks/references.py [--backend docker] [--no-plain]

By default every reference is run plainly, too, which shows that nothing passes here that fails there; --no-plain
does so for exceptions only. Plain runs need a Docker engine, whatever the backend.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from _plain import Outcome, PlainRuns
from assay.datasets.code_sets import humaneval, mbpp

from assay import AssertTests, Limits, Problem, Status, open_sandbox

Row = tuple[str, str, AssertTests]  # name, solution, tests


def humaneval_rows() -> Iterator[Row]:
    for problem in humaneval():
        yield problem.id, problem.prompt + problem.meta["canonical_solution"], tests_of(problem)


def mbpp_rows(sanitized: bool, challenge: bool) -> Iterator[Row]:
    for problem in mbpp("all", sanitized=sanitized, challenge=challenge):
        yield f"MBPP {problem.id}", problem.meta["code"], tests_of(problem)


def tests_of(problem: Problem) -> AssertTests:
    assert isinstance(problem.tests, AssertTests)
    return problem.tests


SETS = {
    "HumanEval": humaneval_rows,
    "sanitized MBPP": lambda: mbpp_rows(True, False),
    "MBPP": lambda: mbpp_rows(False, False),
    "MBPP, challenge tests too": lambda: mbpp_rows(False, True),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="docker", choices=["docker", "bubblewrap", "restricted"])
    parser.add_argument("--no-plain", action="store_true", help="plain runs of exceptions only")
    parser.add_argument("--only", default="", help="data sets whose name holds this text")
    options = parser.parse_args()
    limits = Limits(wall_seconds=20, cpu_seconds=15)
    differs = 0
    with open_sandbox(options.backend, limits=limits) as box, ThreadPoolExecutor(box.workers) as threads:
        print(f"references on {box.backend}, {box.workers} workers, load {os.getloadavg()[0]:.1f}")
        print(f"{'':26} {'programs':>9} {'correct':>8} {'seconds':>8} {'per s':>6} {'plain runs':>11} {'differ':>7}")
        for name, rows in SETS.items():
            if options.only not in name:
                continue
            listed = list(rows())
            begin = time.perf_counter()
            judged = list(threads.map(lambda row: box.judge(row[1], row[2]), listed))
            seconds = time.perf_counter() - begin
            correct = [each.status is Status.CORRECT for each in judged]
            wanted = [i for i in range(len(listed)) if not correct[i] or not options.no_plain]
            plain = run_plainly([listed[i] for i in wanted], limits)
            found = dict(zip(wanted, plain, strict=True))
            odd = [i for i in wanted if found[i].passed is not correct[i]]
            differs += len(odd)
            print(
                f"{name:26} {len(listed):9} {sum(correct):8} {seconds:8.1f} {len(listed) / seconds:6.0f} "
                f"{len(wanted):11} {len(odd):7}",
                flush=True,
            )
            for i in sorted({*odd, *(i for i in wanted if not correct[i])}):
                print(f"    {listed[i][0]}: {judged[i].status.value}: {judged[i].detail[:200]}")
                print(f"        plain: {'passes' if found[i].passed else found[i].why}")
    return int(differs > 0)


def run_plainly(rows: list[Row], limits: Limits) -> list[Outcome]:
    """Return the outcomes of plain runs, in the order of the rows."""
    if not rows:
        return []
    with PlainRuns(replace(limits, wall_seconds=60, memory_bytes=2 << 30)) as plain:
        found = dict(plain.run_many((solution, tests) for _, solution, tests in rows))
    return [found[i] for i in range(len(rows))]


if __name__ == "__main__":
    sys.exit(main())
