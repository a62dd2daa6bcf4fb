"""Are the labels of the honest programs true? A plain run in a fresh interpreter, with the tests appended, says so.

Where a plain run is itself what is naive about a judge, the program says why, and is left out by name.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from assay.records import AssertTests, Status

FEWEST = 80
PLAIN = """
import sys, types
solution, *tests = [open(name, encoding="utf-8", errors="surrogatepass", newline="").read() for name in sys.argv[1:]]
module = sys.modules["solution"] = types.ModuleType("solution")
exec(compile(solution, "solution.py", "exec", dont_inherit=True), vars(module))
for number, test in enumerate(tests):
    exec(compile(test, f"test {number}", "exec", dont_inherit=True), vars(module))
"""


def test_the_label_of_an_honest_program_is_true(honest: Any, tmp_path: Path) -> None:
    if honest.unplain:
        pytest.skip(honest.unplain)
    shown = (
        plainly_asserted(honest, tmp_path) if isinstance(honest.tests, AssertTests) else plainly_run(honest, tmp_path)
    )
    first = honest.expected[0]
    # A plain run tells no wrong answer from a crash: both end with a traceback.
    failures = {Status.INCORRECT, Status.CRASHED} if isinstance(honest.tests, AssertTests) else {first}
    assert shown is (Status.CORRECT if first is Status.CORRECT else shown)
    assert shown is first or {shown, first} <= failures, honest.why


def plainly_asserted(honest: Any, folder: Path) -> Status:
    names = []
    for number, text in enumerate([honest.solution, honest.tests.setup, *honest.tests.asserts]):
        names.append(str(folder / f"part{number}.py"))
        Path(names[-1]).write_bytes(text.encode("utf-8", "surrogatepass"))
    done = subprocess.run(
        [sys.executable, "-I", "-c", PLAIN, *names],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
        cwd=folder,
    )
    return Status.INCORRECT if done.returncode else Status.CORRECT


def plainly_run(honest: Any, folder: Path) -> Status:
    file = folder / "program.py"
    file.write_bytes(honest.solution.encode("utf-8", "surrogatepass"))
    for given, wanted in honest.tests.cases:
        done = subprocess.run(
            [sys.executable, "-I", "-X", "utf8", str(file)],
            input=given.encode(),
            capture_output=True,
            check=False,
            timeout=60,
            cwd=folder,
        )
        if done.returncode:
            return Status.CRASHED
        if not agree(done.stdout.decode(), wanted, honest.tests.tolerance):
            return Status.INCORRECT
    return Status.CORRECT


def agree(printed: str, wanted: str, tolerance: float | None) -> bool:
    """Compare as the specification says: blanks at the ends of lines and of the text count for nothing."""
    got, want = ([line.rstrip() for line in text.rstrip().split("\n")] for text in (printed, wanted))
    if tolerance is None or len(got) != len(want):
        return got == want
    return all(
        a == b or near(a, b, tolerance)
        for one, other in zip(got, want, strict=True)
        for a, b in zip(one.split(), other.split(), strict=True)
    )


def near(one: str, other: str, tolerance: float) -> bool:
    try:
        return abs(float(one) - float(other)) <= tolerance * max(1.0, abs(float(other)))
    except ValueError:
        return False


def test_there_are_enough_honest_programs_of_both_kinds() -> None:
    programs = sys.modules["assay_sandbox_programs"].honest()
    right = [one for one in programs if one.expected[0] is Status.CORRECT]
    assert len(programs) >= FEWEST
    assert len(right) > 40
    assert len(programs) - len(right) > 30


def test_asserts_parse_one_by_one(honest: Any) -> None:
    """Asserts that are written a line each must each be a statement."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for text in getattr(honest.tests, "asserts", []):
            compile(text, honest.name, "exec", dont_inherit=True)
