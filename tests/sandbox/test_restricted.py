"""Does the restricted language keep programs in, and does it let ordinary programs run?

Every escape here reads the name of the operating system through a module that it must not have, and would be harmless
if it worked. Each is run plainly too, to show that it is a way out of Python as it is.
"""

from __future__ import annotations

import builtins
import importlib.util
import io
import os
import sys
import threading
import time
import types
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from assay.sandbox.inside import restricted_guards, restricted_modules

from assay import AssertTests, Limits, Status, StdioTests, open_sandbox


def data_of(name: str) -> dict[str, Any]:
    """Return what a module of plain data in language/ holds."""
    file = Path(__file__).resolve().parent / "language" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"assay_language_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.PROGRAMS)


ESCAPES = data_of("escapes")
ACCEPTED = data_of("accepted")
REACHED = AssertTests([f"assert reach() == {os.name!r}"], entry_point="reach")


@pytest.fixture
def box(boxes: Any) -> Any:
    return boxes.get("restricted")


# ---- ways out

# Tries at ways that end somewhere else in plain Python, or, in a test run, do not begin.
UNPLAIN = {
    "format within a format",
    "guards replaced in eval",
    "self of reduce",
    "class of a class",
    "globals copied by wraps",
    "file by the class of stdin",
}


def program(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    return f"def reach():\n{lines}\n"


@pytest.mark.parametrize("name", ESCAPES)
def test_the_language_keeps_programs_in(box: Any, name: str) -> None:
    judgement = box.judge(program(ESCAPES[name]), REACHED)
    assert (judgement.status, judgement.passed) == (Status.CRASHED, 0), judgement


@pytest.mark.filterwarnings("ignore")  # it touches everything that other tests of this process have loaded
@pytest.mark.parametrize("name", [name for name in ESCAPES if name not in UNPLAIN])
def test_it_is_a_way_out_of_plain_python(name: str) -> None:
    space: dict[str, Any] = {"__name__": "plain"}
    exec(program(ESCAPES[name]), space)
    assert space["reach"]() == os.name


def test_what_stands_for_an_object_of_the_tests_does_not_lead_to_the_wire(box: Any) -> None:
    for word in ("f._assay[0].channel", "getattr(f, '_assay')", "f.__getattribute__('_assay')", "type(f)._assay"):
        judgement = box.judge(f"def reach(f):\n    return {word} and 1\n", AssertTests(["assert reach(lambda: 1)"]))
        assert judgement.status is Status.CRASHED, (word, judgement)


def test_a_class_derived_from_such_a_stand_in_does_not_either(box: Any) -> None:
    solution = (
        "def reach(f):\n    class Own(type(f)):\n        def get(self):\n            return self._assay\n"
        "    return Own(f, 1).get() and 1\n"
    )
    assert box.judge(solution, AssertTests(["assert reach(lambda: 1)"])).status is Status.CRASHED
    solution = solution.replace("type(f))", "type(list[int])(type(f), int))")
    assert box.judge(solution, AssertTests(["assert reach(lambda: 1)"])).status is Status.CRASHED


def test_super_does_not_lead_there(box: Any) -> None:
    for source in (
        "class Own(super):\n    pass\ndef reach(f):\n    return Own(type(f), f)._assay and 1\n",
        "def reach(f):\n    return super(type(f), f)._assay and 1\n",
        "def reach(f):\n    return super(type(f).mro()[1], f)._assay and 1\n",
    ):
        judgement = box.judge(source, AssertTests(["assert reach(lambda: 1)"]))
        assert judgement.status is Status.CRASHED, judgement
        assert "the restricted backend does not allow" in judgement.detail


def test_nothing_within_reach_leads_out() -> None:
    """Follow every attribute that the guards let through, from everything that a program is given."""
    space: dict[str, Any] = {"__name__": "solution"}
    guards = restricted_guards.guards(space, compile)
    given, own = guards["__builtins__"], guards["_write_"].__self__
    forbidden = {
        *map(id, (open, exec, eval, compile, type, __import__, getattr, setattr, delattr, vars, dir, globals)),
        *map(
            id,
            (object.__getattribute__, object.__reduce_ex__, type.__call__, io.open, os.open, sys.modules, os.environ),
        ),
        *map(id, (types.FunctionType, types.CodeType, types.ModuleType, io.FileIO, str.format, str.format_map)),
    }
    waiting: deque[tuple[Any, str]] = deque()
    known: dict[int, Any] = {}
    asked = set()

    def note(value: Any, path: str) -> None:
        if id(value) not in known:
            known[id(value)] = value
            waiting.append((value, path))

    for name, value in given.items():
        if not name.startswith("__"):
            note(value, name)
    for module in restricted_modules.modules():
        note(given["__import__"](module, fromlist=("x",)), module)
        for name, value in restricted_modules.modules()[module].items():
            note(value, f"{module}.{name}")
    for value in [
        1,
        1.5,
        "s",
        b"s",
        [],
        {},
        (),
        {1},
        1j,
        (x for x in ()),
        iter([]),
        {}.keys(),
        range(3),
        slice(1),
        note,
    ]:
        note(value, type(value).__name__)
    for value in (AttributeError("x"), OSError(1, "x"), SyntaxError("x", ("f", 1, 1, "x")), StopIteration(1)):
        note(value, type(value).__name__)
    for value in list(known.values()):
        if isinstance(value, type):
            try:
                note(value(), f"{value.__name__}()")
            except Exception:
                continue
    while waiting:
        value, path = waiting.popleft()
        kind = type(value)
        assert id(value) not in forbidden, path
        assert kind not in restricted_modules.OPAQUE, path
        assert not issubclass(kind, types.ModuleType), path
        assert not (isinstance(value, type) and issubclass(value, type)), path
        for name in {*dir(value), "__class__", "__dict__", "__globals__", "__code__", "__self__", "__init__"}:
            if kind.__module__ == "builtins" and not isinstance(value, type):  # all are alike, but for their names
                if (kind, name) in asked:
                    continue
                asked.add((kind, name))
            if path.count(".") < 6:
                try:
                    note(own.attribute(value, name), f"{path}.{name}")
                except Exception:
                    continue
        try:
            note(restricted_guards.type_of(value), f"type({path})")
        except restricted_modules.Refused:
            continue
    assert len(known) > 1000


GUARDS_BOUND = r"""
_getattr_ = None
_write_: int = 1
_write_ += 1
def _getattr_(obj, name): pass
def f(_getattr_): pass
def f(*_getattr_): pass
def f(*, _getattr_=1): pass
def f(**_getattr_): pass
f = lambda _getattr_: 0
class _getattr_: pass
import math as _getattr_
from math import sin as __import__
from math import sin as _special_
from math import __class__ as c
from math import __getattribute__ as g
from math import _names
import __class__
for _getattr_ in (): pass
[0 for _getattr_ in ()]
with open('x') as _getattr_: pass
try: pass\nexcept Exception as _getattr_: pass
(_getattr_ := 1)
def f():\n    global _getattr_
def f():\n    x = 1\n    def g():\n        nonlocal __builtins__
match 1:\n    case _getattr_: pass
match [1]:\n    case [*_getattr_]: pass
match {}:\n    case {**_getattr_}: pass
match 1:\n    case 1 as _getattr_: pass
del _getattr_
print(_getattr_)
print(__builtins__)
print(__build_class__)
f(__import__=1)
class A:\n    __slots__ = ('x',)
class A:\n    __match_args__ = ('gi_frame',)
class A:\n    __reduce__ = None
class A:\n    def __getattribute__(self, name): pass
class A:\n    def __deepcopy__(self, memo): pass
class A:\n    def __init_subclass__(cls): pass
class A:\n    def __class_getitem__(cls, x): pass
class A:\n    def __set_name__(self, x, y): pass
class A:\n    def __del__(self): pass
＿getattr＿ = 1
""".strip().split("\n")


@pytest.mark.parametrize("source", GUARDS_BOUND)
def test_names_that_matter_cannot_be_bound(box: Any, source: str) -> None:
    source = source.replace("\\n", "\n")
    judgement = box.judge(f"{source}\ndef reach():\n    return {os.name!r}\n", REACHED)
    assert judgement.status is Status.CRASHED, judgement
    assert "the restricted backend does not allow" in judgement.detail or "SyntaxError" in judgement.detail


WRITES = """
random.Random.seed = print
random.seed.x = 1
collections.Counter.update = print
int.x = 1
math.pi = 3
setattr(collections.Counter, 'update', print)
setattr(collections, 'Counter', print)
del collections.Counter.update
collections.Counter.x += 1
delattr(collections.Counter, 'update')
collections.abc.Sized.register(int)
collections.abc.Iterable[int].register(int)
dataclasses.dataclass(collections.Counter)
functools.total_ordering(collections.Counter)
(lambda: 0).__code__
print.x = 1
for random.Random.seed in (1,): pass
[0 for random.Random.seed in (1,)]
with contextlib.nullcontext(1) as random.Random.seed: pass
(collections.Counter.x, y) = 1, 2
[*collections.Counter.x] = 1, 2
collections.Counter.x: int = 2
""".strip().split("\n")


@pytest.mark.parametrize("source", WRITES)
def test_what_a_program_shares_with_its_supervisor_cannot_be_changed(box: Any, source: str) -> None:
    imports = "import random, collections.abc, math, dataclasses, functools, contextlib\n"
    judgement = box.judge(f"{imports}{source}\ndef reach():\n    return {os.name!r}\n", REACHED)
    assert judgement.status is Status.CRASHED, judgement
    assert "the restricted backend does not allow" in judgement.detail or "AttributeError" in judgement.detail, (
        judgement
    )


# ---- what is refused says so

REFUSED = {
    "import os\ndef f(): return 1": "the module os",
    "def f(): return open('x')": "open()",
    "async def f(): return 1": "async def",
    "def f():\n    try:\n        pass\n    except* ValueError:\n        pass": "except*",
    "def f(): return (lambda: 0).__code__": "the attribute __code__ (line 1)",
    "class A:\n    pass\nclass B(A, x=1):\n    pass\ndef f(): return 1": "keywords of a class (line 3)",
    "def f(): return vars()": "vars()",
}


@pytest.mark.parametrize("source", REFUSED)
def test_a_refusal_says_what_is_refused_and_what_runs_it(box: Any, source: str) -> None:
    judgement = box.judge(source, AssertTests(["assert f() == 1"]))
    assert judgement.status is Status.CRASHED
    assert REFUSED[source] in judgement.detail
    assert "the docker and bubblewrap backends do" in judgement.detail


def test_a_program_may_do_without_a_module_that_there_is_not(box: Any) -> None:
    solution = "try:\n    import numpy as np\nexcept ImportError:\n    np = None\ndef f():\n    return np is None\n"
    assert box.judge(solution, AssertTests(["assert f()"])).status is Status.CORRECT


# ---- what is accepted


@pytest.mark.parametrize("name", ACCEPTED)
def test_ordinary_code_runs(box: Any, name: str) -> None:
    solution, test = ACCEPTED[name]
    judgement = box.judge(solution, AssertTests([test], entry_point="f"))
    assert judgement.status is Status.CORRECT, judgement


@pytest.mark.parametrize("name", [name for name in ACCEPTED if name != "functions of the tests"])
def test_it_means_what_it_means_in_plain_python(name: str) -> None:
    solution, test = ACCEPTED[name]
    space: dict[str, Any] = {"__name__": "plain"}
    sys.modules["plain"] = types.ModuleType("plain")  # where dataclasses look
    try:
        exec(compile(solution, "plain", "exec", dont_inherit=True), space)
        exec(test, space)
    finally:
        del sys.modules["plain"]


PROGRAMS = {
    "input": ("n = int(input())\nprint(sum(int(input()) for _ in range(n)))", "2\n3\n4\n", "7"),
    "sys.stdin": ("import sys\nfor line in sys.stdin:\n    print(sum(map(int, line.split())))", "1 2\n3 4\n", "3\n7"),
    "read": ("import sys\nread = sys.stdin.readline\nn = int(read())\nsys.stdout.write(str(n) + '\\n')", "5\n", "5"),
    "all at once": (
        "import sys\ndata = sys.stdin.read().split()\nprint(*reversed(data), sep='-', end='')",
        "a b\n",
        "b-a",
    ),
    "main": ("def main():\n    print(input()[::-1])\nif __name__ == '__main__':\n    main()", "abc\n", "cba"),
    "exit": ("import sys\nprint(1)\nsys.exit()\nprint(2)", "", "1"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_on_standard_input_run(box: Any, name: str) -> None:
    solution, given, expected = PROGRAMS[name]
    judgement = box.judge(solution, StdioTests([(given, expected)]))
    assert judgement.status is Status.CORRECT, judgement


# ---- limits


def test_limits_hold() -> None:
    limits = Limits(wall_seconds=3.0, cpu_seconds=1.0, memory_bytes=256 << 20, output_bytes=1 << 16)
    with open_sandbox("restricted", workers=1, limits=limits) as box:
        tests = AssertTests(["assert f() == 1"])
        assert box.judge("def f():\n    while True:\n        pass\n", tests).status is Status.TIMEOUT
        assert box.judge("import time\ndef f():\n    time.sleep(60)\n", tests).status is Status.TIMEOUT
        assert box.judge("def f():\n    return len([0] * 10**9)\n", tests).status is Status.CRASHED
        assert box.judge("def f():\n    return f()\n", tests).status is Status.CRASHED
        assert box.judge("def f():\n    return 'x' * 10**7\n", tests).status is not Status.CORRECT
        flood = box.judge("while True:\n    print('x' * 1000)", StdioTests([("", "x")]))
        assert flood.status in (Status.INCORRECT, Status.TIMEOUT)
        assert box.judge("def f():\n    return 1\n", tests).status is Status.CORRECT


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_process_of_a_program_has_nothing_and_leaves_nothing() -> None:
    with open_sandbox("restricted", workers=1) as box:
        waits = "import time\nprint(1, flush=True)\ntime.sleep(1.5)\n"
        thread = threading.Thread(target=box.judge, args=(waits, StdioTests([("", "1")])))
        thread.start()
        supervisor = next(iter(box._all)).stream.process.pid
        until = time.monotonic() + 20
        limits: dict[str, str] = {}
        folder = ""
        while limits.get("Max file size") != "0" and time.monotonic() < until:
            for pid in children(supervisor):
                try:
                    text = Path(f"/proc/{pid}/limits").read_text()
                    folder = os.readlink(f"/proc/{pid}/cwd")
                    environment = Path(f"/proc/{pid}/environ").read_text()
                except OSError:
                    continue
                limits = {line[:26].strip(): line[26:47].strip() for line in text.splitlines()}
                if limits["Max file size"] == "0":
                    break
        assert (limits["Max file size"], limits["Max processes"], limits["Max core file size"]) == ("0", "0", "0")
        assert folder.endswith(" (deleted)")
        assert {line.partition("=")[0] for line in environment.split("\0")} <= {"", *language_environment()}
        thread.join()
        assert not os.path.exists(folder.removesuffix(" (deleted)"))


def language_environment() -> set[str]:
    from assay.sandbox.bootstrap import ENVIRONMENT

    return set(ENVIRONMENT)


def test_the_missing_language_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.sandbox.errors import SandboxUnavailable

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SandboxUnavailable, match="pip install"):
        open_sandbox("restricted", workers=1)


def test_builtins_of_the_program_are_no_more_than_those_of_python() -> None:
    space: dict[str, Any] = {}
    given = restricted_guards.guards(space, compile)["__builtins__"]
    assert set(given) <= {*vars(builtins), "exit", "quit"}
