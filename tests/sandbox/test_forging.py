"""Ways to be paid that were found once: each is a wrong solution with the tests that it turned against the judge.

And ways in which one run was seen by the next, or had a verdict withheld from all.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from assay.sandbox.inside.outcome import CallLog
from assay.sandbox.inside.peer import Gone
from assay.sandbox.inside.proxies import Unverifiable
from assay.sandbox.inside.tests_of_asserts import AssertSet
from assay.sandbox.opening import open_sandbox

from assay.records import AssertTests, Status

UNITTEST = (
    "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(f(1), 2)\n"
    "r = unittest.TestResult()\nunittest.defaultTestLoader.loadTestsFromTestCase(T).run(r)\n"
)
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
    "a mock that is configured": (
        "def notify(c):\n    c.send.configure_mock(assert_called_once_with=lambda *a: None)",
        ["from unittest.mock import Mock\nc = Mock()\nnotify(c)\nc.send.assert_called_once_with('hello')"],
    ),
    "a mock to which another is attached": (
        "def notify(c):\n    c.send.attach_mock(c.other, 'assert_called_once_with')",
        ["from unittest.mock import Mock\nc = Mock()\nnotify(c)\nc.send.assert_called_once_with('hello')"],
    ),
    "a test that is passed over": (
        "import unittest\ndef f(x): raise unittest.SkipTest('x')",
        [
            f"{UNITTEST}assert r.testsRun == 1 and r.wasSuccessful()",
            f"{UNITTEST}assert not r.failures and not r.errors",
        ],
    ),
    "a test that is told to stop": (
        "import unittest.case\nclass Stop(unittest.case._ShouldStop): pass\ndef f(x): raise Stop",
        [f"{UNITTEST}assert r.testsRun == 1 and r.wasSuccessful()"],
    ),
    "an assert in an iterator passed in": (
        "def run(s, f):\n    try:\n        for n in s: f(99)\n    except BaseException: pass",
        ["seen = []\ndef source():\n    yield 1\n    assert seen == [2]\n    yield 2\nrun(source(), seen.append)"],
    ),
    "an assert in a map passed in": (
        "def run(c):\n    try:\n        for _ in c: pass\n    except BaseException: pass",
        ["def check(x):\n    assert x == 2\n    return x\nrun(map(check, [1, 3]))"],
    ),
    "an assert in a group of exceptions": (
        "def run(c):\n    try: c()\n    except BaseException: pass",
        [
            "def check():\n    try:\n        assert 1 == 2\n    except AssertionError as e:\n"
            "        raise ExceptionGroup('all', [e])\nrun(check)"
        ],
    ),
    "an assert in a coroutine passed in": (
        "async def run(a):\n    try: await a\n    except BaseException: pass",
        ["import asyncio\nasync def check():\n    assert 1 == 2\nasyncio.run(run(check()))"],
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


@pytest.mark.parametrize("text", ["return f()", "f()\nbreak", "await f()", "nonlocal f"])
def test_an_assert_that_cannot_be_compiled_is_a_bad_reference(box: Any, text: str) -> None:
    assert box.judge("def f(): return 1", AssertTests([text], entry_point="f")).status is Status.BAD_REFERENCE


@pytest.mark.parametrize("name", ["__builtins__", "__spec__", "__import__"])
def test_an_entry_point_with_the_name_of_what_modules_have_is_a_bad_reference(box: Any, name: str) -> None:
    judgement = box.judge(f"def {name}(*a): return 1", AssertTests(["from . import a"], entry_point=name))
    assert judgement.status is Status.BAD_REFERENCE
    assert name in judgement.detail


# What a solution does that speaks on its wire itself: `answer` is what it says in the place of its next result.
FORGER = """
import sys
frame = sys._getframe()
while "self" not in frame.f_locals:
    frame = frame.f_back
peer = frame.f_locals["self"].peer
perform, send = peer._perform, peer.channel.send
once = []

def number():
    peer.objects.next += 2
    return peer.objects.next - 2

def forged(message):
    if message[0] == "=" and once:
        message = once.pop()()
    return send(message)

peer.channel.send = forged

def g():
    once.append(answer)
    return 0
"""
# A struct whose name is an object that is equal to every name it is asked for, and has the hash of "Point".
POISON = (
    FORGER
    + """
def tuple_with_hash(wanted, mask=(1 << 64) - 1):
    one, two, five = 11400714785074694791, 14029467366897019727, 2870177450012600261
    back = lambda value: pow(value, -1, 1 << 64)
    for first in range(1, 1000):
        sum = (five + first * two) & mask
        sum = ((sum << 31 | sum >> 33) * one) & mask
        lane = (wanted - (2 ^ five ^ 3527539)) * back(one) & mask
        lane = ((lane >> 31 | lane << 33) - sum) * back(two) & mask
        lane -= (lane >> 63) << 64
        if hash((first, lane)) == wanted:
            return first, lane

class Name:
    def __len__(self):
        return 5
    def __str__(self):
        return "Point"

name, plain = Name(), tuple_with_hash(hash("Point"))
peer._perform = lambda operation, *rest: plain if operation == "plain" else perform(operation, *rest)

def answer():
    handle, struct = peer.objects.new(name), number()
    nodes = [[handle, "h", "i", "N", "__len__", JUDGED, BASED], [struct, "n", [handle], 2, "x", "y", 1, 2]]
    return ["=", [struct], nodes, [], None]
"""
)
POINT = "from collections import namedtuple\nPoint = namedtuple('Point', 'x y')\ndef g(): return Point(%s)"


@pytest.mark.parametrize(("judged", "based"), [("__eq__", "__hash__"), ("", "__eq__ __hash__")])
def test_an_object_in_the_place_of_a_name_speaks_in_no_other_run(
    boxes: Any, backend: str, judged: str, based: str
) -> None:
    boxes.get(backend)
    poison = POISON.replace("JUDGED", repr(judged)).replace("BASED", repr(based))
    tests = AssertTests(["assert g() == (5, 6)"])
    with open_sandbox(backend, workers=1) as box:
        assert box.judge(poison, tests).status is Status.CRASHED
        assert box.judge(POINT % "0, 0", tests).status is Status.INCORRECT
        assert box.judge(POINT % "5, 6", tests).status is Status.CORRECT


def test_a_class_is_named_by_a_word_that_stays_the_same(box: Any) -> None:
    solution = (
        FORGER
        + """
class Name:
    asked = 0
    def split(self):
        Name.asked += 1
        return ["builtins.ValueError" if Name.asked == 1 else "builtins.Exception"]

name = Name()

def answer():
    handle, kind = peer.objects.new(name), number()
    return ["=", [kind], [[handle, "h", "i", "N", "", "", ""], [kind, "T", [handle]]], [], None]
"""
    )
    tests = AssertTests(["E = g()\ntry:\n    assert 1 == 2\nexcept E:\n    pass"], entry_point="g")
    assert box.judge(solution, tests).status is Status.CRASHED


@pytest.mark.parametrize("error", [Gone("over"), Unverifiable("of another run")])
def test_what_an_object_of_another_run_raises_passes_no_test(error: BaseException) -> None:
    def speak() -> None:
        raise error

    peer: Any = SimpleNamespace(log=CallLog(), unverifiable="", failed=False, gone="")
    (outcome,) = AssertSet(["speak()"], "", "speak", "").run(peer, {"speak": speak})
    assert outcome.status == "unverifiable"


def test_a_module_that_a_value_brings_along_changes_no_later_verdict(boxes: Any, backend: str) -> None:
    boxes.get(backend)
    tests = AssertTests(["r = ''\ntry:\n    f()\nexcept OSError as e:\n    r = type(e).__name__\nassert r == 'Error'"])
    raises = "import shutil\ndef f(): raise shutil.Error('x')"
    brings = "import pathlib\ndef f(): return pathlib.PurePosixPath('a')"
    with open_sandbox(backend, workers=1) as box:
        fresh = box.judge(raises, tests).status
        assert box.judge(brings, tests).status is Status.INCORRECT
        assert box.judge(raises, tests).status is fresh


def test_exceptions_of_decimal_cross_as_what_they_are(box: Any) -> None:
    text = "r = ''\ntry:\n    f()\nexcept ArithmeticError as e:\n    r = repr(e)\nassert r == \"InvalidOperation('x')\""
    solution = "import decimal\ndef f(): raise decimal.InvalidOperation('x')"
    assert box.judge(solution, AssertTests([text])).status is Status.CORRECT


def test_mocks_are_called_and_asked_as_ever(box: Any) -> None:
    tests = AssertTests(
        ["from unittest.mock import Mock\nc = Mock()\nnotify(c)\nc.send.assert_called_once_with('hello')"]
    )
    assert box.judge("def notify(c): c.send('hello')", tests).status is Status.CORRECT
    assert box.judge("def notify(c): c.send('bye')", tests).passed == 0


def test_large_sets_cross_in_time(box: Any) -> None:
    solution = (
        "def g():\n    s = set(str(i) for i in range(20000))\n    for i in range(10000): s.discard(str(i * 2))\n"
        "    s |= {str(-i) for i in range(1, 6000)}\n    return s"
    )
    assert box.judge(solution, AssertTests(["assert len(g()) == 15999"])).status is Status.CORRECT


def test_what_typing_knows_cannot_be_changed_by_a_solution(box: Any) -> None:
    """Its aliases forward to the classes that all tests have."""
    tests = AssertTests(["try:\n    f(Sequence)\nexcept AttributeError:\n    pass\nassert not isinstance(3, Sequence)"])
    tests = replace(tests, setup="from typing import Sequence")
    assert box.judge("def f(S):\n    S.register(int)", tests).status is Status.CORRECT
    tests = replace(tests, asserts=["f(Sequence)\nassert not hasattr(Sequence, 'append')"])
    assert box.judge("def f(S):\n    S.append = print", tests).passed == 0
    assert box.judge("def f(S): pass", tests).status is Status.CORRECT


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
