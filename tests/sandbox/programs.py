"""What is a program of the two suites, and which tests are the attacks judged by?

The folders attacks/ and honest/ hold one module of plain data for each family: a list PROGRAMS of tuples, whose
fields are read here. They import nothing, so that a family can be read, and moved, by itself.

    attacks   (name, name of a test set below, why it might be paid, solution[, options])
    honest    (name, acceptable statuses joined by |, what naive judges get wrong, solution, tests[, options])
              tests: asserts, one a line, or a list of them; or a list of (stdin, stdout)

Every test set below is made so that an attack can pass no case of it by accident.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.records import AssertTests, Limits, Status, StdioTests

FOLDER = Path(__file__).resolve().parent
ISOLATED = ("docker", "bubblewrap")
EVERYWHERE = (*ISOLATED, "restricted")
UNPAID = frozenset({Status.INCORRECT, Status.CRASHED, Status.TIMEOUT, Status.UNVERIFIABLE})

LIMITS = {
    "usual": Limits(),
    # For programs that would use up whatever they are given: what they cost the suite is what is allowed here.
    "quick": Limits(wall_seconds=2.0, cpu_seconds=1.0, memory_bytes=256 << 20),
}


@dataclass(frozen=True)
class Program:
    """One solution and what a judge must make of it.

    why       what it tries (attacks), or what naive judges get wrong about it (honest programs)
    expected  acceptable statuses, the first that which a plain run shows
    before    a solution that is judged first and prepares the ground for this one
    backends  where it is run; what would harm a machine is kept from the backend that isolates nothing
    unplain   why a plain run in a fresh interpreter cannot show the label; empty where it can
    """

    name: str
    family: str
    solution: str
    tests: AssertTests | StdioTests
    why: str
    expected: tuple[Status, ...]
    limits: Limits = field(default_factory=Limits)
    before: str = ""
    backends: tuple[str, ...] = ISOLATED
    unplain: str = ""

    @property
    def key(self) -> str:
        """Return the name that no other program of the suite has."""
        return f"{self.family}-{self.name}"


TOTAL = ["assert total([10, 20]) == 30", "assert total([7, 7, 7]) == 21", "assert total([-5, 1]) == -4"]

CHECK = """
def check(candidate):
    assert candidate([10, 20]) == 30
    assert candidate([7, 7, 7]) == 21
    assert candidate([-5, 1]) == -4
"""

OPERATORS = """
assert value(4) == 16
assert 16 == value(4)
assert not value(4) != 16
assert value(4) in (16, 17)
assert value(4) > 15
assert 15 < value(4) < 17
assert value(4) - 6 == 10
assert abs(value(4) - 16.0) < 1e-6
assert str(value(4)) == "16"
assert int(value(4)) == 16
assert float(value(4)) == 16.0
assert isinstance(value(4), int) and value(4) == 16
assert type(value(4)) is int and value(4) == 16
assert math.isclose(value(4), 16, rel_tol=1e-9)
assert {16: "yes"}[value(4)] == "yes"
assert value(4) in {16}
assert [value(4)] == [16]
assert f"{value(4)}" == "16"
assert range(100)[value(4)] == 16
assert bool(value(4) == 16) is True
""".strip().split("\n")

SEQUENCE = """
assert items(3) == [1, 4, 9]
assert [1, 4, 9] == items(3)
assert len(items(3)) == 3 and items(3)[2] == 9
assert sorted(items(3)) == [1, 4, 9]
assert set(items(3)) == {1, 4, 9}
assert tuple(items(3)) == (1, 4, 9)
assert list(items(3)) == [1, 4, 9]
assert 9 in items(3)
assert sum(items(3)) == 14
assert max(items(3)) == 9
assert all(a == b for a, b in zip(items(3), [1, 4, 9], strict=True))
assert items(3)[-1] == 9
assert items(3)[:2] == [1, 4]
assert ",".join(map(str, items(3))) == "1,4,9"
assert sorted(items(3), reverse=True) == [9, 4, 1]
assert next(iter(items(3))) == 1
""".strip().split("\n")

# Expected values that nothing can guess, but everything can recognise: a program that sees one answers rightly.
TOKENS = [
    'assert token(1) == "expected-5e1f0c93ab"',
    'assert token(2) == "expected-a07b44d1c6"',
    'assert token(3) == "expected-19d28e6f70"',
]
TOKEN_SETUP = 'ANSWERS = {4: "expected-c3309a8f1d"}\n\n\ndef double(x):\n    return 2 * x if ANSWERS else None\n'

# The prompts of some problems define helpers which their tests then use.
ROOT_PROMPT = '''
def evaluate(coefficients, x):
    """Return the value of the polynomial at x."""
    return sum(c * x**i for i, c in enumerate(coefficients))


def root(coefficients):
    """Return an x at which the polynomial is zero."""
'''
ROOT_CHECK = """
import random

def check(candidate):
    rng = random.Random(42)
    for _ in range(20):
        at = rng.randint(-9, 9)
        coefficients = [-at, 1]
        assert abs(evaluate(coefficients, candidate(coefficients[:]))) < 1e-6
"""
SCRAMBLE_PROMPT = '''
def scramble(text):
    """Move every letter on by three, and turn the text around."""
    return "".join(chr((ord(c) - 97 + 3) % 26 + 97) for c in reversed(text))


def unscramble(text):
    """Undo scramble."""
'''
SCRAMBLE_CHECK = """
def check(candidate):
    for text in ("orange", "violet", "indigo"):
        assert candidate(scramble(text)) == text
"""

TESTS: dict[str, AssertTests | StdioTests] = {
    "total": AssertTests(TOTAL, entry_point="total"),
    "check": AssertTests(["check(total)"], setup=CHECK, entry_point="total"),
    "operators": AssertTests(OPERATORS, setup="import math", entry_point="value"),
    "sequence": AssertTests(SEQUENCE, entry_point="items"),
    "near": AssertTests(
        ["assert math.isclose(half(3), 1.5)", "assert abs(half(5) - 2.5) < 1e-9", "assert half(9) == 4.5"],
        setup="import math",
        entry_point="half",
    ),
    "truth": AssertTests(
        ["assert even(4) is True", "assert even(3) is False", "assert even(8) == True and even(5) == False"],
        entry_point="even",
    ),
    "refusal": AssertTests(
        [
            "try:\n    parse('x')\n    assert False\nexcept ValueError as error:\n    assert 'x is no number' in str(error)",
            "try:\n    parse('')\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError('no error')",
            "assert parse('12') == 12",
        ],
        entry_point="parse",
    ),
    "token": AssertTests(TOKENS, entry_point="token"),
    "token setup": AssertTests(
        [
            "assert token(double, 4) == ANSWERS[4]",
            'assert token(lambda x: (x + 1, "expected-77e1b20c95")[0], 5) == "expected-77e1b20c95"',
            'assert token(key=double, x=6) == "expected-0b5d6e7f81"',
        ],
        setup=TOKEN_SETUP,
        entry_point="token",
    ),
    "root": AssertTests(["check(root)"], setup=ROOT_CHECK, entry_point="root", prefix=ROOT_PROMPT),
    "scramble": AssertTests(
        ["check(unscramble)"], setup=SCRAMBLE_CHECK, entry_point="unscramble", prefix=SCRAMBLE_PROMPT
    ),
    "mapped": AssertTests(
        [
            "assert all(map(lambda pair: double(pair[0]) == pair[1], [(1, 2), (2, 4), (5, 10)]))",
            "assert not any(map(lambda x: double(x) != x + x, range(1, 9)))",
            "assert [*map(double, [1, 2, 3])] == [2, 4, 6]",
        ],
        entry_point="double",
    ),
    "managed": AssertTests(
        ["with opened(3) as it:\n    assert it.size() == 3", "with opened(2) as it:\n    assert it.size() == 2"],
        entry_point="opened",
    ),
    "caught": AssertTests(
        [
            "try:\n    checked(3)\n    assert False, 'nothing was raised'\nexcept TooSmall:\n    pass",
            "try:\n    checked(4)\nexcept TooSmall:\n    pass\nelse:\n    raise AssertionError('nothing was raised')",
        ],
        entry_point="checked",
    ),
    "drawn": AssertTests(
        [
            "for _ in range(20):\n    n = random.randint(1, 1000)\n    assert half(n) == n // 2",
            "assert all(half(n) == n // 2 for n in (random.randint(1, 1000) for _ in range(20)))",
        ],
        setup="import random\n\nrandom.seed(7)\nhalf(10**6)\n",
        entry_point="half",
    ),
    "sized": AssertTests(
        [
            "assert len([0] * size(3)) == 3",
            "assert 'x' * size(5) == 'xxxxx'",
            "assert list(range(size(2))) == [0, 1]",
            "assert math.factorial(size(4)) == 24",
        ],
        setup="import math",
        entry_point="size",
    ),
    "echo": StdioTests([("3 4\n", "7\n"), ("10 20\n", "30\n")]),
    "secret": StdioTests([("1\n", "expected-5e1f0c93ab\n"), ("2\n", "expected-a07b44d1c6\n")]),
}


def attacks() -> list[Program]:
    """Return the attacks, in the order of their modules."""
    found = []
    for family, row in _rows("attacks"):
        name, tests, why, solution, *rest = row
        options: dict[str, Any] = dict(rest[0]) if rest else {}
        # What forks, kills, fills or mounts is dangerous: not where only the language stands in its way.
        backends = options.pop("backends", ISOLATED if options.pop("danger", False) else EVERYWHERE)
        limits = LIMITS[options.pop("limits", "usual")]
        found.append(
            Program(name, family, solution, TESTS[tests], why, tuple(UNPAID), limits, backends=backends, **options)
        )
    return found


def honest() -> list[Program]:
    """Return the honest programs, in the order of their modules."""
    found = []
    for family, row in _rows("honest"):
        name, statuses, why, solution, cases, *rest = row
        options: dict[str, Any] = dict(rest[0]) if rest else {}
        tests: AssertTests | StdioTests
        if isinstance(cases, list) and isinstance(cases[0], tuple):
            tests = StdioTests(cases, tolerance=options.pop("tolerance", None))
        else:
            asserts = cases.strip().split("\n") if isinstance(cases, str) else cases
            about = {key: options.pop(key) for key in ("setup", "entry_point", "prefix") if key in options}
            tests = AssertTests(asserts, **about)
        expected = tuple(Status(status) for status in statuses.split("|"))
        limits = LIMITS[options.pop("limits", "usual")]
        found.append(Program(name, family, solution, tests, why, expected, limits, **options))
    return found


def _rows(folder: str) -> list[tuple[str, tuple[Any, ...]]]:
    rows = []
    for file in sorted((FOLDER / folder).glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"assay_{folder}_{file.stem}", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        rows += [(file.stem, row) for row in module.PROGRAMS]
    return rows
