"""Whole programs: what they do on loading, print, import, name and define; how their text is written."""

# ruff: noqa: E501 -- short programs stand on one line

PROGRAMS = [
    (
        "prints_a_lot",
        "correct",
        "a megabyte of output between the calls",
        "def add(a, b):\n    print('debug ' * 50_000)\n    return a + b\n",
        "assert add(1, 2) == 3\nassert add(2, 2) == 4",
    ),
    (
        "prints_failed",
        "correct",
        "the words of a failure, on both streams",
        """
import sys

print("FAILED (failures=1)\\nAssertionError\\nTraceback (most recent call last):\\n0 passed, 3 failed")
print('{"status": "incorrect", "passed": 0}', file=sys.stderr)


def add(a, b):
    print("Error: wrong answer")
    sys.stderr.write("Segmentation fault (core dumped)\\n")
    return a + b
""",
        "assert add(1, 2) == 3",
    ),
    (
        "closes_its_streams",
        "correct",
        "a solution may close standard output",
        "import sys\n\nsys.stdout.close()\nsys.stdin.close()\n\n\ndef add(a, b):\n    return a + b\n",
        "assert add(1, 2) == 3",
        {"unplain": "the interpreter of the plain run fails to flush at its end"},
    ),
    (
        "main_guard_with_input",
        "correct",
        "the guard must not run: it would wait for input, and exit",
        """
def add(a, b):
    return a + b


if __name__ == "__main__":
    x = int(input("first: "))
    print(add(x, int(input())))
    exit(1)
""",
        "assert add(1, 2) == 3",
    ),
    (
        "input_on_loading",
        "crashed|correct",
        "there is nothing to read: EOFError on loading",
        "n = int(input())\n\n\ndef add(a, b):\n    return a + b\n",
        "assert add(1, 2) == 3",
        {"unplain": "whether what was defined before counts is for the judge to say"},
    ),
    (
        "windows_line_ends",
        "correct",
        "carriage returns before the line feeds",
        "def add(a, b):\r\n    '''two\r\n    lines'''\r\n    return a + b\r\n",
        "assert add(1, 2) == 3",
    ),
    (
        "tabs_and_form_feeds",
        "correct",
        "indentation by tabs, form feeds between functions",
        "\x0cdef add(a, b):\n\tif a:\n\t\treturn a + b\n\treturn b\n\x0c\ndef other():\n\treturn 1\n",
        "assert add(1, 2) == 3\nassert other() == 1",
    ),
    (
        "encoding_cookie",
        "correct",
        "the cookie of another encoding in a program that is text already",
        "# -*- coding: latin-1 -*-\ndef word():\n    return 'caf\u00e9 \u03c0'\n",
        "assert word() == 'caf\\u00e9 \\u03c0'",
    ),
    (
        "no_line_end_at_the_end",
        "correct",
        "the last line is not ended, and a comment besides",
        "def add(a, b):\n    return a + b  # done",
        "assert add(1, 2) == 3",
    ),
    (
        "names_in_every_script",
        "correct",
        "identifiers that are normalised by the compiler",
        "def \u03c3\u03cd\u03bd\u03bf\u03bb\u03bf(\uff58, \u00b5):\n    return x + \u03bc\n",
        "assert \u03c3\u03cd\u03bd\u03bf\u03bb\u03bf(1, 2) == 3",
    ),
    (
        "syntax_error",
        "crashed",
        "it does not compile",
        "def add(a, b)\n    return a + b\n",
        "assert add(1, 2) == 3",
    ),
    ("nothing_at_all", "crashed|incorrect", "an empty program", "", "assert add(1, 2) == 3", {"entry_point": "add"}),
    (
        "null_in_the_source",
        "crashed",
        "no program holds a null character",
        "def add(a, b):\n    return a + b\n\x00",
        "assert add(1, 2) == 3",
    ),
    (
        "future_annotations",
        "correct",
        "annotations as texts, dataclasses that read them, a Protocol",
        """
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class Shape(Protocol):
    def area(self) -> Undefined: ...


@dataclass(order=True)
class Square:
    side: float
    tags: list[str] = field(default_factory=list)

    def area(self) -> float:
        return self.side**2


def total_area(sides: list[float]) -> float:
    return sum(s.area() for s in sorted(map(Square, sides)))
""",
        "assert total_area([1, 2]) == 5\nassert total_area([]) == 0",
    ),
    (
        "future_annotations_do_not_leak",
        "correct",
        "compiled code must not inherit the flags of whoever compiles it",
        "def kinds(x: int) -> str:\n    return kinds.__annotations__['x'] is int\n",
        "assert kinds(1) is True",
    ),
    (
        "named_like_builtins",
        "correct",
        "the entry points are called sum, filter and list",
        "def sum(xs):\n    out = 0\n    for x in xs:\n        out += x * 10\n    return out\n",
        "assert sum([1, 2]) == 30\nassert sum([]) == 0",
        {"entry_point": "sum"},
    ),
    (
        "named_like_a_builtin_that_the_test_needs",
        "correct",
        "the tests call len and sorted; so does the solution, with functions of its own",
        "def len(x):\n    return 42\n\n\ndef sorted(x):\n    return 'mine'\n\n\ndef count(xs):\n    return [1 for _ in xs]\n",
        "assert len(count([1, 2, 3])) == 3\nassert sorted(count([1])) == [1]",
        {"entry_point": "count", "unplain": "appended tests would use the solution's len and sorted"},
    ),
    (
        "lambda_as_entry_point",
        "correct",
        "there is no def",
        "add = lambda a, b=2: a + b\n",
        "assert add(1, 2) == 3\nassert add(1) == 3",
    ),
    (
        "partial_and_cached_functions",
        "correct",
        "functools.partial, lru_cache, a decorator and a callable object",
        """
import functools

power_of_two = functools.partial(pow, 2)


@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def shout(f):
    @functools.wraps(f)
    def inner(*args):
        return f(*args).upper()
    return inner


@shout
def greet(name):
    return "hello " + name


class Adder:
    def __init__(self, n):
        self.n = n

    def __call__(self, x):
        return self.n + x


add_five = Adder(5)
""",
        """
assert power_of_two(10) == 1024
assert fib(80) == 23416728348467685
assert greet('bob') == 'HELLO BOB'
assert add_five(1) == 6
""",
    ),
    (
        "class_as_entry_point",
        "correct",
        "the tests make an object and use its methods, attributes and properties",
        """
class Account:
    rate = 2

    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        self.balance += amount
        return self

    @property
    def doubled(self):
        return self.rate * self.balance

    @classmethod
    def empty(cls):
        return cls("nobody")

    @staticmethod
    def currency():
        return "EUR"
""",
        [
            "a = Account('ann', 5)\na.deposit(3).deposit(2)\nassert a.balance == 10\nassert a.doubled == 20",
            "a.balance = 1\nassert a.doubled == 2 and a.owner == 'ann'",
            "assert Account.empty().balance == 0 and Account.currency() == 'EUR' and Account.rate == 2",
        ],
    ),
    (
        "class_with_operators",
        "correct|unverifiable",
        "vectors that are added, compared, measured and printed",
        """
class Vector:
    def __init__(self, *xs):
        self.xs = xs

    def __add__(self, other):
        return Vector(*(a + b for a, b in zip(self.xs, other.xs)))

    def __eq__(self, other):
        return isinstance(other, Vector) and self.xs == other.xs

    def __len__(self):
        return len(self.xs)

    def __getitem__(self, i):
        return self.xs[i]

    def __repr__(self):
        return f"Vector{self.xs}"
""",
        """
assert (Vector(1, 2) + Vector(3, 4)).xs == (4, 6)
assert Vector(1) == Vector(1) and Vector(1) != Vector(2)
assert len(Vector(1, 2)) == 2 and Vector(5)[0] == 5 and repr(Vector(1, 2)) == 'Vector(1, 2)'
""",
    ),
    (
        "class_with_methods_of_containers",
        "correct|unverifiable",
        "a stack with len, iteration, bool, a context manager",
        """
class Stack:
    def __init__(self):
        self._items = []

    def push(self, x):
        self._items.append(x)

    def __len__(self):
        return len(self._items)

    def __iter__(self):
        return reversed(self._items)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._items.clear()
""",
        [
            "s = Stack()\nassert not s\ns.push(1)\ns.push(2)\nassert len(s) == 2 and list(s) == [2, 1]\nassert bool(s)",
            "with s as t:\n    t.push(3)\n    assert len(t) == 3\nassert len(s) == 0",
        ],
    ),
    (
        "raises_what_is_expected",
        "correct",
        "tests that catch exceptions by type, with their text and arguments",
        "def parse(text):\n    if not text:\n        raise ValueError('empty', 3)\n    return int(text)\n",
        [
            "try:\n    parse('')\n    assert False, 'no error'\nexcept ValueError as error:\n    assert error.args == ('empty', 3)",
            "try:\n    parse('x')\nexcept ValueError as error:\n    assert 'invalid literal' in str(error)\nelse:\n    raise AssertionError",
            "try:\n    parse(None + 1)\nexcept TypeError:\n    pass",
            "assert parse('12') == 12",
        ],
    ),
    (
        "raises_another_than_expected",
        "crashed|incorrect",
        "KeyError where the tests catch ValueError",
        "def parse(text):\n    raise KeyError(text)\n",
        ["try:\n    parse('')\n    assert False\nexcept ValueError:\n    pass"],
    ),
    (
        "raises_nothing_where_it_should",
        "incorrect",
        "the test's own AssertionError must not be caught by anybody",
        "def parse(text):\n    return None\n",
        ["try:\n    parse('')\nexcept ValueError:\n    pass\nelse:\n    assert False, 'should have raised'"],
    ),
    (
        "raises_in_the_call",
        "crashed",
        "an exception that nobody expects",
        "def f(x):\n    return [][x]\n",
        "assert f(1) == 1",
    ),
    (
        "raises_on_loading",
        "crashed",
        "it never gets to its function",
        "1 / 0\n\n\ndef f(x):\n    return x\n",
        "assert f(1) == 1",
    ),
    (
        "assertion_of_its_own",
        "crashed|incorrect",
        "an assert in the solution fails, in the call",
        "def f(x):\n    assert x > 5, 'x is small'\n    return x\n",
        "assert f(1) == 1",
    ),
    (
        "assertion_of_its_own_expected",
        "correct",
        "the test wants the solution's assert to fail",
        "def f(x):\n    assert x > 5, 'x is small'\n    return x\n",
        [
            "try:\n    f(1)\nexcept AssertionError as error:\n    assert str(error) == 'x is small'\nelse:\n    raise RuntimeError"
        ],
    ),
    (
        "threads",
        "correct",
        "a pool of threads, a lock, a queue",
        """
import queue
import threading
from concurrent.futures import ThreadPoolExecutor


def squares(xs):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda x: x * x, xs))


def counted(n):
    total, lock, done = [0], threading.Lock(), queue.Queue()

    def work():
        for _ in range(n):
            with lock:
                total[0] += 1
        done.put(True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return total[0], done.qsize()
""",
        "assert squares([1, 2, 3]) == [1, 4, 9]\nassert counted(100) == (400, 4)",
    ),
    (
        "asyncio_inside",
        "correct",
        "an event loop that is the solution's own business",
        """
import asyncio


async def slow(x):
    await asyncio.sleep(0.001)
    return x + 1


async def everything(xs):
    return await asyncio.gather(*map(slow, xs))


def run(xs):
    return asyncio.run(everything(xs))
""",
        "assert run([1, 2, 3]) == [2, 3, 4]\nassert run([]) == []",
    ),
    (
        "coroutine_that_the_test_awaits",
        "correct|unverifiable",
        "the event loop is the test's, the coroutine the solution's",
        "async def add(a, b):\n    return a + b\n",
        "assert asyncio.run(add(1, 2)) == 3",
        {"setup": "import asyncio"},
    ),
    (
        "coroutine_where_a_value_is_wanted",
        "incorrect|unverifiable",
        "nobody awaits it",
        "async def add(a, b):\n    return a + b\n",
        "assert add(1, 2) == 3",
    ),
    (
        "child_processes",
        "correct",
        "a fork, a pipe, a wait: allowed as far as limits go",
        """
import os


def in_child(x):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(w, str(x * 2).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    return int(os.read(r, 100))
""",
        "assert in_child(21) == 42\nassert in_child(0) == 0",
    ),
    (
        "signals",
        "correct",
        "a handler and an alarm of the solution's own",
        """
import signal
import time


class Late(Exception):
    pass


def ring(signum, frame):
    raise Late


def in_time(seconds):
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        time.sleep(seconds)
        return True
    except Late:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
""",
        "assert in_time(0) is True\nassert in_time(5) is False",
    ),
    (
        "temporary_files",
        "correct",
        "it writes and reads files of its own",
        """
import json
import os
import tempfile


def stored(value):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "value.json")
        with open(path, "w") as file:
            json.dump(value, file)
        with open(path) as file:
            return json.load(file)
""",
        "assert stored({'a': [1, 2.5, None]}) == {'a': [1, 2.5, None]}",
    ),
    (
        "standard_library",
        "correct",
        "modules of many kinds are there",
        """
import bisect, calendar, csv, hashlib, heapq, io, itertools, operator, re, statistics, string, textwrap, typing, unicodedata, zlib
from functools import reduce


def many():
    return (heapq.nsmallest(2, [3, 1, 2]), hashlib.sha256(b"a").hexdigest()[:8], statistics.median([1, 5, 2]),
            reduce(operator.mul, range(1, 6)), re.sub(r"\\d", "#", "a1b2"), calendar.isleap(2024), bisect.bisect([1, 3], 2),
            next(csv.reader(io.StringIO("a,b"))), unicodedata.name("a"), zlib.crc32(b"a"))
""",
        "assert many() == ([1, 2], 'ca978112', 2, 120, 'a#b#', True, 1, ['a', 'b'], 'LATIN SMALL LETTER A', 3904355907)",
    ),
    (
        "module_it_lacks",
        "crashed",
        "ModuleNotFoundError on loading",
        "import no_such_module_anywhere\n\n\ndef f(x):\n    return x\n",
        "assert f(1) == 1",
    ),
    (
        "several_functions",
        "correct",
        "the tests call three functions that call each other",
        "def a(x):\n    return b(x) + 1\n\n\ndef b(x):\n    return c(x) * 2\n\n\ndef c(x):\n    return x\n",
        "assert a(3) == 7\nassert b(3) == 6\nassert a(c(1)) == b(c(1)) + 1",
    ),
    (
        "helper_of_the_same_name_as_the_test_s",
        "correct",
        "the solution's helper is its own, the test's the test's",
        "def helper(x):\n    return -1\n\n\ndef f(x):\n    return 10 * x if helper(x) == -1 else None\n",
        "assert f(helper(1)) == 20",
        {
            "setup": "def helper(x):\n    return 2 * x",
            "entry_point": "f",
            "unplain": "appended, the setup would change the solution",
        },
    ),
    (
        "helper_of_the_prompt_defined_again",
        "correct",
        "a right solution repeats the prompt, its helper included",
        "def evaluate(xs, x):\n    return sum(c * x**i for i, c in enumerate(xs))\n\n\ndef root(xs):\n    return -xs[0] / xs[1]\n",
        "assert abs(evaluate([2, 4], root([2, 4]))) < 1e-9",
        {
            "prefix": "def evaluate(xs, x):\n    return sum(c * x**i for i, c in enumerate(xs))\n\n\ndef root(xs):\n",
            "entry_point": "root",
        },
    ),
    (
        "test_that_captures_output",
        "correct|unverifiable",
        "the test redirects standard output around the call",
        "def greet(name):\n    print('hello', name)\n",
        [
            "out = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    greet('bob')\nassert out.getvalue() == 'hello bob\\n'"
        ],
        {"setup": "import contextlib\nimport io"},
    ),
    (
        "metaclasses_and_descriptors",
        "correct",
        "registries, slots, descriptors inside a solution",
        """
class Registry(type):
    known = []

    def __new__(meta, name, bases, space):
        cls = super().__new__(meta, name, bases, space)
        meta.known.append(name)
        return cls


class Positive:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, obj, owner):
        return getattr(obj, self.name, 0)

    def __set__(self, obj, value):
        if value < 0:
            raise ValueError(value)
        setattr(obj, self.name, value)


class Item(metaclass=Registry):
    __slots__ = ("_price",)
    price = Positive()


def run():
    item = Item()
    item.price = 3
    try:
        item.price = -1
    except ValueError:
        return Registry.known, item.price
""",
        "assert run() == (['Item'], 3)",
    ),
    (
        "match_and_walrus",
        "correct",
        "syntax of this Python",
        """
def kind(x):
    match x:
        case [a, *rest] if (n := len(rest)):
            return a, n
        case {"k": v, **more}:
            return v, more
        case int() | float():
            return "number"
        case _:
            return None
""",
        "assert kind([1, 2, 3]) == (1, 2)\nassert kind({'k': 1, 'z': 2}) == (1, {'z': 2})\nassert kind(2.5) == 'number'\nassert kind('x') is None",
    ),
    (
        "exit_after_the_definition",
        "correct|crashed",
        "a script's habit: sys.exit() at the end, outside of any guard",
        "import sys\n\n\ndef add(a, b):\n    return a + b\n\n\nsys.exit(0)\n",
        "assert add(1, 2) == 3",
        {"unplain": "a plain run ends before it is tested"},
    ),
    (
        "slow_but_in_time",
        "correct",
        "a second of computing is allowed",
        "import time\n\n\ndef late(x):\n    end = time.process_time() + 0.7\n    while time.process_time() < end:\n        x += 0\n    return x\n",
        "assert late(3) == 3",
    ),
    (
        "much_memory_but_allowed",
        "correct",
        "two hundred megabytes for a moment",
        "def big(n):\n    block = bytearray(200 << 20)\n    block[-1] = n\n    return block[-1]\n",
        "assert big(7) == 7",
    ),
]
