"""How often is the verdict right? assay beside math-verify, in one run.

On the labelled cases of tests/verifiers/cases (ambiguous ones left out), by group of rules, and on real outputs with
labels where ASSAY_DATA has them. A false accept is a wrong answer that earns; a false reject a right one that does not.

    python benchmarks/accuracy.py [--cases FOLDER] [--wrong] [--no-peer]

Groups that are about sameness alone (marked *) are a fair comparison; the others ask for things that math-verify does
not set out to do (thinking tags, hedging, echoes of the prompt), and show what a training run would have rewarded.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _peer import PEER, PEER_NAME

from assay import MathVerifier, Problem

CASES = Path(__file__).resolve().parent.parent / "tests" / "verifiers" / "cases"
SAMENESS = {"numbers", "around", "collections", "expressions", "choice-text"}
Case = dict[str, Any]


@dataclass
class Tally:
    """What one verifier did on one group."""

    count: int = 0
    false_accepts: int = 0
    false_rejects: int = 0
    seconds: float = 0.0

    def add(self, earned: bool, expected: bool) -> None:
        self.count += 1
        self.false_accepts += earned and not expected
        self.false_rejects += expected and not earned

    def plus(self, other: Tally) -> Tally:
        return Tally(
            self.count + other.count,
            self.false_accepts + other.false_accepts,
            self.false_rejects + other.false_rejects,
            self.seconds + other.seconds,
        )

    def row(self) -> str:
        right = self.count - self.false_accepts - self.false_rejects
        return f"{right / max(self.count, 1):8.2%} {self.false_accepts:6} {self.false_rejects:6} {self.seconds:8.1f}"


def read_cases(folder: Path) -> list[Case]:
    lines = (line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines())
    return [case for case in map(json.loads, lines) if not case.get("ambiguous")]


def references_of(case: Case) -> tuple[str, ...]:
    return tuple(case.get("references") or [case["reference"]])


def assay_earned() -> Callable[[Case], bool]:
    verifiers: dict[tuple[str, str, bool], MathVerifier] = {}

    def earned(case: Case) -> bool:
        setting = (case.get("extract", "boxed"), case.get("form", "value"), case.get("prefilled", False))
        if setting not in verifiers:
            verifiers[setting] = MathVerifier(extract=setting[0], form=setting[1], prefilled=setting[2])
        problem = Problem(id=case["id"], prompt=case.get("prompt", ""), references=references_of(case))
        return verifiers[setting].score(case["response"], problem).reward == 1.0

    return earned


def peer_earned(case: Case) -> bool:
    assert PEER is not None
    return any(PEER(case["response"], reference) for reference in references_of(case))


def tally(cases: Iterable[Case], earned: Callable[[Case], bool], name: str, wrong: bool) -> dict[str, Tally]:
    groups: dict[str, Tally] = {}
    for case in cases:
        group = groups.setdefault(case["rule"].split("/")[0], Tally())
        start = time.perf_counter()
        verdict = earned(case)
        group.seconds += time.perf_counter() - start
        group.add(verdict, case["expect"])
        if wrong and verdict != case["expect"]:
            kind = "false accept" if verdict else "false reject"
            print(f"{name}: {kind}: {case['id']}: {case['response'][-100:]!r} against {case['reference'][:80]!r}")
    return groups


def print_table(columns: list[tuple[str, dict[str, Tally]]], title: str) -> None:
    print(f"\n{title}")
    print(f"{'':16} {'cases':>6} " + " ".join(f"| {name:^31}" for name, _ in columns))
    print(f"{'':16} {'':>6} " + " ".join(f"| {'right':>8} {'FA':>6} {'FR':>6} {'seconds':>8}" for _ in columns))
    groups = sorted(columns[0][1])
    sums = [("sameness *", [g for g in groups if g in SAMENESS]), ("all", groups)]
    shown = [(group + (" *" if group in SAMENESS else ""), [group]) for group in groups]
    for name, members in shown + (sums if len(groups) > 1 else []):
        totals = []
        for _, tallies in columns:
            total = Tally()
            for member in members:
                total = total.plus(tallies[member])
            totals.append(total)
        print(f"{name:16} {totals[0].count:6} " + " ".join(f"| {total.row()}" for total in totals))


def real_outputs(folder: Path) -> list[Case]:
    """GSM8K solutions of real models, with labels; the answer is what follows the last `A: ` on both sides."""
    file = folder / "outputs" / "gsm8k_openai_solutions.jsonl.gz"
    if not file.exists():
        return []
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        {
            "id": row["id"],
            "rule": "gsm8k",
            "response": row["response"],
            "reference": row["reference"].rpartition("A: ")[2],
            "expect": row["label"] in (True, "True"),
        }
        for row in rows
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, default=CASES, help="a folder of case files")
    parser.add_argument("--wrong", action="store_true", help="print every disagreement")
    parser.add_argument("--no-peer", action="store_true", help="leave math-verify out (it takes minutes)")
    options = parser.parse_args()
    peer = PEER is not None and not options.no_peer
    if PEER is None:
        print(PEER_NAME)

    cases = read_cases(options.cases)
    columns = [("assay", tally(cases, assay_earned(), "assay", options.wrong))]
    if peer:
        columns.append((PEER_NAME, tally(cases, peer_earned, PEER_NAME, options.wrong)))
    print_table(columns, f"{len(cases)} labelled cases (FA: false accepts, FR: false rejects)")

    folder = os.environ.get("ASSAY_DATA")
    outputs = real_outputs(Path(folder)) if folder else []
    if not outputs:
        print("\nNo real outputs: ASSAY_DATA names no folder with outputs/gsm8k_openai_solutions.jsonl.gz")
        return 0
    verifier = MathVerifier(extract="lenient", answer_after="A:")

    def assay_after(case: Case) -> bool:
        return verifier.score(case["response"], case["reference"]).reward == 1.0

    def peer_after(case: Case) -> bool:
        assert PEER is not None
        return PEER(case["response"].rpartition("A: ")[2], case["reference"])

    columns = [("assay", tally(outputs, assay_after, "assay", options.wrong))]
    if peer:
        columns.append((PEER_NAME, tally(outputs, peer_after, PEER_NAME, options.wrong)))
    print_table(columns, f"{len(outputs)} real outputs with labels (GSM8K)")
    verifier.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
