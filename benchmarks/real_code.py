"""On programs that models wrote: is the verdict that of a plain run?

    python benchmarks/real_code.py FILE.jsonl[.gz] ... [--backend docker] [--limit N]

Each row (response, test, entry_point, prompt) is judged as `verify` would, from the response to the Score, and beside
it run plainly: the program and its tests as one file in a fresh `python3 -I`, inside a container. Where the response
is a body that continues its prompt, the plain run gets the prompt before it. Every disagreement is printed, with what
either side says; then the time, and the rate in verdicts a second;
and why there was no verdict, where there was none. Exit code 1 if there is a disagreement.

A plain run is no judge: it takes what is no code for code, it does not know the helpers in a prompt, it may come out
differently each time (hash seeds). So what a disagreement rests on is looked for by more plain runs: the same again,
with three times the time, and of the program that the verifier found in the response. --label NAME counts agreement with
a field of the rows, too.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from _plain import Outcome, PlainRuns
from assay.datasets.jsonl import RowError, read_rows

from assay import AssertTests, CodeVerifier, Limits, Problem, Score, Status, open_sandbox
from assay.pairing import Fields, Pairing

Row = tuple[str, str, Problem, str]  # name, response, problem, label
AGAIN = 6  # plain runs of a program about which the two disagree


def rows_of(file: str, label: str) -> Iterator[Row]:
    pairing = Pairing(fields=Fields(), code=True)
    for line, row in read_rows(file):
        if isinstance(row, RowError):
            raise SystemExit(f"{file}, line {line}: {row}")
        response, problem = pairing.pair(row)
        yield f"line {line}, {problem.id}", response, problem, str(row.get(label, ""))


def plain_program(response: str, tests: AssertTests) -> tuple[str, AssertTests]:
    """Return what a person would run: the response, or the prompt and the response if that is a body."""
    whole = defines(response, tests.entry_point or "")
    return response if whole else tests.prefix + "\n" * (not tests.prefix.endswith("\n")) + response, tests


def defines(code: str, name: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(code).body
    except (SyntaxError, ValueError):
        return f"def {name}(" in code
    return any(getattr(node, "name", None) == name for node in body)


def compare(file: str, options: argparse.Namespace) -> int:
    """Print what came out for one file; return the number of disagreements."""
    limits = Limits(wall_seconds=options.seconds, cpu_seconds=options.seconds)
    rows = list(islice(rows_of(file, options.label), options.limit))
    pairs = [(response, problem) for _, response, problem, _ in rows]
    with open_sandbox(options.backend, limits=limits) as box:
        begin = time.perf_counter()
        with CodeVerifier(box) as verifier:
            scores = list(verifier.score_many(pairs))
        seconds = time.perf_counter() - begin
        print(f"{Path(file).name}: {len(rows)} programs on {box.backend}, {box.workers} workers")
    statuses = Counter(score.status.value for score in scores)
    print("    verdicts: " + ", ".join(f"{count} {status}" for status, count in statuses.most_common()))
    for why, count in Counter(score.detail for score in scores if score.reward is None).most_common():
        print(f"    no verdict, {count} times: {why[:200]}")
    print(f"    {seconds:.1f} s, {len(rows) / seconds:.0f} verdicts/s, load {os.getloadavg()[0]:.1f}", flush=True)
    outcomes = plainly([plain_program(response, tests_of(problem)) for response, problem in pairs], limits)
    odd = [i for i, score in enumerate(scores) if (score.status is Status.CORRECT) is not outcomes[i].passed]
    print(f"    {len(odd)} of {len(rows)} differ from a plain run")
    explain([(rows[i][0], pairs[i], scores[i], outcomes[i]) for i in odd], limits)
    if options.label:
        same = sum((score.reward == 1.0) is (row[3].lower() == "true") for row, score in zip(rows, scores, strict=True))
        ran = sum(outcome.passed is (row[3].lower() == "true") for row, outcome in zip(rows, outcomes, strict=True))
        print(f"    the field {options.label!r} agrees with {same} verdicts and {ran} plain runs of {len(rows)}")
    return len(odd)


def tests_of(problem: Problem) -> AssertTests:
    assert isinstance(problem.tests, AssertTests)
    return problem.tests


def plainly(programs: list[tuple[str, AssertTests]], limits: Limits) -> list[Outcome]:
    begin = time.perf_counter()
    with PlainRuns(replace(limits, memory_bytes=2 << 30)) as plain:
        found = dict(plain.run_many(programs))
    seconds = time.perf_counter() - begin
    print(f"    {len(programs)} plain runs: {seconds:.1f} s, {len(programs) / seconds:.0f} a second")
    return [found[i] for i in range(len(programs))]


def explain(odd: list[tuple[str, tuple[str, Problem], Score, Outcome]], limits: Limits) -> None:
    """Print each disagreement with what either side says, and what more plain runs say."""
    patient = replace(limits, wall_seconds=3 * limits.wall_seconds)
    programs = []
    for _, (response, problem), score, _ in odd:
        programs += [plain_program(response, tests_of(problem))] * AGAIN
        programs.append((score.answer or "", tests_of(problem)))
    outcomes = plainly(programs, patient) if programs else []
    for place, (name, _, score, outcome) in enumerate(odd):
        *again, found = outcomes[place * (AGAIN + 1) :][: AGAIN + 1]
        print(f"    {name}")
        print(f"        sandbox:     {score.status.value}, {score.seconds:.1f} s: {score.detail[:300]}")
        print(f"        plain:       {outcome.why or 'passes'}")
        print(f"        plain again: {sum(each.passed for each in again)} of {AGAIN} pass")
        print(f"        the program that the verifier found, plainly: {found.why or 'passes'}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--backend", default="docker", choices=["docker", "bubblewrap", "restricted"])
    parser.add_argument("--limit", type=int, default=None, help="only so many rows of each file")
    parser.add_argument("--seconds", type=float, default=10.0, help="time limit of a program, on both sides")
    parser.add_argument("--label", default="", help="a field with true or false to compare with as well")
    options = parser.parse_args()
    return int(sum([compare(file, options) for file in options.files]) > 0)


if __name__ == "__main__":
    sys.exit(main())
