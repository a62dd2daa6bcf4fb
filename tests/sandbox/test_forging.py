"""Ways to be paid that were found once: each is a wrong solution with the tests that it turned against the judge.

And ways in which one run was seen by the next, or had a verdict withheld from all.
"""

from __future__ import annotations

from typing import Any

import pytest

from assay.records import AssertTests, Status

CASES = {
    "the length of an object ends a map": (
        "class f:\n    def __init__(s, *a): pass\n    def __len__(s): raise StopIteration",
        ["assert all(map(lambda n: len(f(n)) == n, [1, 2, 3]))"],
    ),
    "a property ends a map": (
        "class f:\n    def __init__(s, *a): pass\n    @property\n    def size(s): raise StopIteration",
        ["assert all(map(lambda n: f(n).size == n, [1, 2, 3]))"],
    ),
    "a tuple of exceptions as a name": (
        "import builtins\nbuiltins.callable = lambda x: True\ndef checked(n): return n\nTooSmall = (AssertionError,)",
        ["try:\n    checked(3)\n    assert False\nexcept TooSmall:\n    pass"],
    ),
    "an exception class as an attribute": (
        "class Bank:\n    Low = Exception\n    def take(self, n): return n",
        ["try:\n    assert Bank().take(3) == 99\nexcept Bank.Low:\n    pass"],
    ),
    "an exception class for contextlib.suppress": (
        "class E:\n    Bad = (Exception,)\ndef f(n): return n",
        ["import contextlib\nwith contextlib.suppress(E.Bad):\n    assert f(1) == 77"],
    ),
    "an exception class for unittest": (
        "class A:\n    Low = AssertionError\n    def take(self, n): return n",
        ["import unittest\nt = unittest.TestCase()\nwith t.assertRaises(A.Low):\n    t.assertEqual(A().take(3), 99)"],
    ),
    "an object that answers for itself": (
        "class greet:\n    def __init__(s, *a): pass\n    def startswith(s, p): return True",
        ["assert greet('Bob').startswith('Hello')"],
    ),
    "objects in a list that answer for themselves": (
        "class W:\n    def startswith(s, p): return True\ndef words(x): return [W(), W()]",
        ["assert all(w.startswith('a') for w in words(['b', 'c']))"],
    ),
    "an assert in a function passed in": (
        "def retry(f):\n    def w(*a):\n        try:\n            f(*a)\n        except BaseException:\n"
        "            pass\n    return w",
        ["@retry\ndef go(x):\n    assert x == 1 + 1\ngo(3)"],
    ),
    "a mock whose methods are replaced": (
        "def notify(c):\n    c.send.assert_called_once_with = lambda *a: None",
        ["from unittest.mock import Mock\nc = Mock()\nnotify(c)\nc.send.assert_called_once_with('hello')"],
    ),
    "a method of the tests' object that is replaced": (
        "def fill(c):\n    c.valid = lambda: True",
        ["class Cart:\n    def valid(self): return False\nc = Cart()\nfill(c)\nassert c.valid()"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_solution_is_not_paid(box: Any, name: str) -> None:
    solution, asserts = CASES[name]
    judgement = box.judge(solution, AssertTests(asserts))
    assert judgement.status not in (Status.CORRECT, Status.BAD_REFERENCE, Status.INFRA_ERROR), judgement
    assert judgement.passed == 0


TREE = AssertTests(["assert depth(root) == 2"], setup="root = Node(1)\nroot.left = Node(2)\nroot.left.left = None")


@pytest.mark.parametrize(
    "solution",
    [
        "Node = int\ndef depth(r): return 7",
        "class Node(Exception): pass\ndef depth(r): return 7",
        "Node = None\ndef depth(r): return 7",
        "def depth(r): return 7",
        "class Node:\n    def __init__(s, v): raise ImportError('no module named x')\ndef depth(r): return 7",
        "class Node:\n    __slots__ = ()\n    def __init__(s, v): pass\ndef depth(r): return 7",
    ],
)
def test_a_setup_cannot_be_made_to_look_broken(box: Any, solution: str) -> None:
    judgement = box.judge(solution, TREE)
    assert judgement.status.is_verdict, judgement
    assert judgement.passed == 0


def test_a_setup_that_uses_the_solution_works(box: Any) -> None:
    right = (
        "class Node:\n    def __init__(s, v): s.v, s.left = v, None\n"
        "def depth(r): return 0 if r is None else 1 + depth(r.left)"
    )
    assert box.judge(right, TREE).status is Status.CORRECT


@pytest.mark.parametrize("setup", ["import no_such_module", "x = 1 / 0", "assert False"])
def test_a_setup_that_is_broken_by_itself_is_a_bad_reference(box: Any, setup: str) -> None:
    for solution in ("def f(): return 1", "def f(): return 2", "syntax error"):
        judgement = box.judge(solution, AssertTests(["assert f() == 1"], setup=setup))
        assert judgement.status is Status.BAD_REFERENCE, judgement


MARKS = {
    "decimal": "import decimal\ndecimal.getcontext().prec = 3\nassert f(1) == 2\n"
    "assert str(decimal.Decimal(1) / 3) == '0.333'\ndecimal.getcontext().prec = 28",
    "module": "import math\nassert math.sqrt(4) == 2\nold, math.sqrt = math.sqrt, lambda x: 0\nassert f(1) == 2\nmath.sqrt = old",
    "environment": "import os\nassert 'A' not in os.environ\nos.environ['A'] = '1'\nassert f(1) == 2\ndel os.environ['A']",
    "file": "import os\nopen('out.txt', 'x').close()\nassert f(1) == 2\nos.remove('out.txt')",
    "alarm": "import signal\nsignal.alarm(1)\nassert f(1) == 2\nsignal.alarm(0)",
    "builtins": "import builtins\nassert len([1]) == 1\nbuiltins.len = lambda x: 7\nassert f(1) == 2\ndel builtins.len",
}


@pytest.mark.parametrize("name", MARKS)
def test_a_failing_run_leaves_no_mark_for_the_next(box: Any, name: str) -> None:
    tests = AssertTests([MARKS[name]])
    for wrong in ("def f(n): return 0", "def f(n): raise ValueError", "import time\ndef f(n): return 1"):
        assert box.judge(wrong, tests).passed == 0
    right = box.judge("def f(n): return n + 1", tests)
    if name != "builtins":  # where the tests break len() for themselves, they are wrong for everybody
        assert right.status is Status.CORRECT, right


def test_ordinary_programs_may_use_objects_of_the_tests(box: Any) -> None:
    tests = AssertTests(
        [
            "import pathlib, uuid, json\nassert f(pathlib.PurePosixPath('a/b')) == 'b'",
            "assert g(uuid.UUID(int=5)) == uuid.UUID(int=6)",
            "try:\n    h('{')\n    assert False\nexcept json.JSONDecodeError as error:\n    assert error.pos == 1",
            "assert sorted(range(2000), key=k) == list(range(1999, -1, -1))",
        ]
    )
    solution = (
        "import json, uuid\ndef f(p): return p.name\ndef g(u): return uuid.UUID(int=u.int + 1)\n"
        "def h(t): return json.loads(t)\ndef k(x): return -x"
    )
    judgement = box.judge(solution, tests)
    assert [case.status for case in judgement.cases] == [Status.CORRECT] * 4, judgement
