"""How many verdicts a second on one core, and how long does one take? assay beside math-verify, in one run.

The process is pinned to one core and its children with it. Every row is distinct, and nothing said about one row helps
with another. Each part is run several times; the median is shown. Rates are verdicts per CPU second (children
counted), which a busy machine does not change much; p50, p99 and worst are wall-clock times of single verdicts.

    python benchmarks/speed.py [--rounds N] [--no-peer]

GSM8K-like     integer answers, boxed at the end of 40 and of 300 characters; half of them right
MATH-like      each MATH-500 answer against itself in other notation and against another problem's answer (ASSAY_DATA)
import         `import assay`, and the first verdict, in a fresh interpreter
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from _notation import rewritings, surely_different
from _peer import PEER, PEER_NAME
from _processes import children_cpu_seconds

from assay import MathVerifier

Row = tuple[str, str]  # response, reference
FILLER = "Each of them pays for two of the tickets, so we add the prices and take the discount away from that. "


@dataclass
class Timing:
    """Medians over the rounds; times in seconds."""

    rate: float
    cpu: float
    p50: float
    p99: float
    worst: float
    correct: int


def gsm8k_like(length: int, count: int, seed: int) -> list[Row]:
    """Return responses of about `length` characters that end in a boxed integer; every other one is wrong."""
    numbers = random.Random(seed)
    rows = []
    for i in range(count):
        reference = numbers.randrange(1, 1_000_000)
        answer = reference if i % 2 else reference + numbers.randrange(1, 50)
        end = rf"The answer is \boxed{{{answer}}}"
        start = f"{numbers.randrange(10**9)} " + FILLER * (length // len(FILLER) + 1)
        rows.append((start[: max(length - len(end) - 1, 0)] + " " + end, str(reference)))
    return rows


def math500() -> list[str]:
    folder = os.environ.get("ASSAY_DATA")
    file = Path(folder) / "math500" / "test.jsonl.gz" if folder else None
    if file is None or not file.exists():
        return []
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["answer"] for line in lines]


def math_like(references: list[str], seed: int) -> list[Row]:
    """Return each answer against itself in a notation drawn by the seed, and against an answer that is another."""
    choose = random.Random(seed)
    rows = []
    for i, reference in enumerate(references):
        others = [text for _, text in rewritings(reference)]
        rows.append((rf"Case {choose.randrange(10**9)}: \boxed{{{choose.choice(others)}}}.", reference))
        wrong = reference
        while not surely_different(wrong, reference):
            wrong = choose.choice(references)
        rows.append((rf"Case {choose.randrange(10**9)}, {i}: \boxed{{{wrong}}}.", reference))
    return rows


def measure(score: Callable[[str, str], bool], rows: list[Row]) -> Timing:
    """Time a pass over the rows for the rate, and another, each verdict by itself, for the distribution."""
    children, own = children_cpu_seconds(), time.process_time()
    correct = sum([score(response, reference) for response, reference in rows])
    cpu = time.process_time() - own
    cpu += children_cpu_seconds() - children
    clock, times = time.perf_counter, []
    for response, reference in rows:
        start = clock()
        score(response, reference)
        times.append(clock() - start)
    times.sort()
    return Timing(
        rate=len(rows) / cpu,
        cpu=cpu / len(rows),
        p50=times[len(times) // 2],
        p99=times[min(len(times) - 1, len(times) * 99 // 100)],
        worst=times[-1],
        correct=correct,
    )


def median_of(timings: list[Timing]) -> Timing:
    def middle(name: str) -> float:
        return float(statistics.median(getattr(timing, name) for timing in timings))

    return Timing(middle("rate"), middle("cpu"), middle("p50"), middle("p99"), middle("worst"), timings[0].correct)


def print_row(what: str, who: str, timing: Timing, ratio: float | None) -> None:
    micro = [f"{1e6 * seconds:12,.1f}" for seconds in (timing.cpu, timing.p50, timing.p99, timing.worst)]
    times = f"{ratio:8,.0f}x" if ratio else f"{'':9}"
    print(f"{what:22} {who:18} {timing.rate:11,.0f} {' '.join(micro)} {timing.correct:8} {times}", flush=True)


def fresh_interpreter(code: str, rounds: int) -> float:
    """Return the median wall-clock seconds that `code` takes in an interpreter of its own, its start taken off."""
    script = f"import time; t = time.perf_counter()\n{code}\nprint(time.perf_counter() - t)"
    times = []
    for _ in range(rounds):
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        times.append(float(ran.stdout.split()[-1]))
    return statistics.median(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="the median of how many (default 5)")
    parser.add_argument("--no-peer", action="store_true", help="leave math-verify out")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    peer = None if options.no_peer else PEER
    if PEER is None:
        print(PEER_NAME)

    references = math500()
    parts: list[tuple[str, Callable[[int], list[Row]], int]] = [
        ("GSM8K-like, 40 chars", lambda seed: gsm8k_like(40, 20_000, seed), 400),
        ("GSM8K-like, 300 chars", lambda seed: gsm8k_like(300, 20_000, seed), 400),
    ]
    if references:
        parts.append(("MATH-like", lambda seed: math_like(references, seed), 1000))
    else:
        print("No MATH-like part: ASSAY_DATA names no folder with math500/test.jsonl.gz")

    print(f"one core, median of {options.rounds}, load {os.getloadavg()[0]:.1f}; times in microseconds")
    print(f"{'':22} {'':18} {'verdicts/s':>11} {'CPU each':>12} {'p50':>12} {'p99':>12} {'worst':>12} {'correct':>8}")
    verifier = MathVerifier()

    def score(response: str, reference: str) -> bool:
        return verifier.score(response, reference).reward == 1.0

    score(r"\boxed{\int_0^1 x^2\,dx}", r"\frac13")  # the slow lane's first start is timed on its own, below
    for name, make, peer_rows in parts:
        measure(score, make(-1)[:1000])  # warm-up
        # Other rows in each round: whatever a verifier were to remember from one would not help it in the next.
        ours = median_of([measure(score, make(seed)) for seed in range(options.rounds)])
        theirs = None
        if peer is not None:
            rounds = range(min(options.rounds, 3))
            theirs = median_of([measure(peer, make(seed)[:peer_rows]) for seed in rounds])
        print_row(name, "assay", ours, None)
        if theirs is not None:
            print_row(name, PEER_NAME, theirs, ours.rate / theirs.rate)
    verifier.close()

    print("\nseconds in a fresh interpreter")
    first = r"from assay import MathVerifier; MathVerifier().score(r'\boxed{42}', '42')"
    slow = r"from assay import MathVerifier; v = MathVerifier(); v.score(r'\boxed{\int_0^1 x^2\,dx}', r'\frac13'); v.close()"
    for what, code in [("import assay", "import assay"), ("first verdict", first), ("first slow verdict", slow)]:
        print(f"{what:22} {'assay':18} {fresh_interpreter(code, options.rounds):11.3f}")
    if peer is not None:
        print(f"{'import':22} {PEER_NAME:18} {fresh_interpreter('import math_verify', options.rounds):11.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
