"""Ordinary programs of many kinds: what textbooks, interview sites and contests ask for."""

# ruff: noqa: E501 -- short programs stand on one line

PROGRAMS = [
    (
        "stringio_arg",
        "correct",
        "a file of the tests is read line by line",
        """
def lines(f):
    return [l.strip() for l in f]
""",
        ["import io\nassert lines(io.StringIO('a\\nb\\n')) == ['a','b']"],
        {"entry_point": "lines"},
    ),
    (
        "writes_to_stringio",
        "correct",
        "print(file=) into an object of the tests",
        """
def emit(f, x):
    print(x, file=f)
""",
        ["import io\nb = io.StringIO()\nemit(b, 5)\nassert b.getvalue() == '5\\n'"],
        {"entry_point": "emit"},
    ),
    (
        "returns_namedtuple",
        "correct",
        "fields, _replace and repr of a struct of the program",
        """
from collections import namedtuple
P = namedtuple('P', 'x y')
def mk(a, b): return P(a, b)
""",
        [
            "assert mk(1, 2) == (1, 2)",
            "assert mk(1,2).x == 1",
            "x, y = mk(3, 4)\nassert x + y == 7",
            "assert mk(1,2)._replace(x=5) == (5,2)",
            "assert repr(mk(1,2)) == 'P(x=1, y=2)'",
        ],
        {"entry_point": "mk"},
    ),
    (
        "enum_return",
        "correct",
        "members by value, by name and by identity",
        """
from enum import Enum
class Color(Enum):
    RED = 1
    BLUE = 2
def pick(n): return Color(n)
""",
        [
            "assert pick(1) == Color.RED",
            "assert pick(2).name == 'BLUE'",
            "assert pick(1) is Color.RED",
            "assert pick(1).value == 1",
            "assert [c.name for c in Color] == ['RED', 'BLUE']",
        ],
        {"entry_point": "pick"},
    ),
    (
        "leet_linked_list",
        "correct",
        "nodes of the program, built by helpers of the tests",
        """
class ListNode:
    def __init__(self, val=0, next=None):
        self.val = val; self.next = next
class Solution:
    def reverseList(self, head):
        p = None
        while head:
            head.next, p, head = p, head, head.next
        return p
""",
        ["h = build([1,2,3])\nr = Solution().reverseList(h)\nassert out(r) == [3,2,1]"],
        {
            "setup": "def build(xs):\n    h = None\n    for x in reversed(xs): h = ListNode(x, h)\n    return h\ndef out(h):\n    r = []\n    while h: r.append(h.val); h = h.next\n    return r",
            "entry_point": "Solution",
        },
    ),
    (
        "leet_node_in_tests",
        "correct",
        "nodes of the tests, walked by the program",
        """
class Solution:
    def depth(self, root):
        return 0 if root is None else 1 + max(self.depth(root.left), self.depth(root.right))
""",
        ["assert Solution().depth(T(1, T(2), T(3, T(4)))) == 3"],
        {
            "setup": "class T:\n    def __init__(self, v, left=None, right=None): self.v=v; self.left=left; self.right=right",
            "entry_point": "Solution",
        },
    ),
    (
        "leet_lru",
        "correct",
        "an object with state over many calls",
        """
from collections import OrderedDict
class LRUCache:
    def __init__(self, c): self.c=c; self.d=OrderedDict()
    def get(self, k):
        if k not in self.d: return -1
        self.d.move_to_end(k); return self.d[k]
    def put(self, k, v):
        self.d[k]=v; self.d.move_to_end(k)
        if len(self.d)>self.c: self.d.popitem(last=False)
""",
        ["c = LRUCache(2)\nc.put(1,1)\nc.put(2,2)\nassert c.get(1) == 1\nc.put(3,3)\nassert c.get(2) == -1"],
        {"entry_point": "LRUCache"},
    ),
    (
        "iterator_class",
        "correct",
        "__iter__ that is a generator",
        """
class C:
    def __init__(self, n): self.n=n
    def __iter__(self):
        for i in range(self.n): yield i*i
""",
        [
            "assert list(C(4)) == [0,1,4,9]",
            "assert sum(C(3)) == 5",
            "assert 4 in C(4)",
            "assert sorted(C(3), reverse=True) == [4,1,0]",
        ],
        {"entry_point": "C"},
    ),
    (
        "generator_send",
        "correct",
        "a generator that is talked to",
        """
def avg():
    t=0; n=0; a=None
    while True:
        x = yield a
        t+=x; n+=1; a=t/n
""",
        ["g = avg()\nnext(g)\nassert g.send(10) == 10\nassert g.send(20) == 15\ng.close()"],
        {"entry_point": "avg"},
    ),
    (
        "context_manager_decorator",
        "correct",
        "contextlib's own context managers",
        """
from contextlib import contextmanager
@contextmanager
def tag(out, n):
    out.append('<'+n+'>')
    yield
    out.append('</'+n+'>')
""",
        ["o = []\nwith tag(o, 'b'):\n    o.append('x')\nassert o == ['<b>','x','</b>']"],
        {"entry_point": "tag"},
    ),
    (
        "async_def",
        "correct",
        "asyncio.run and gather over coroutines of the program",
        """
import asyncio
async def add(a, b):
    await asyncio.sleep(0)
    return a+b
""",
        [
            "import asyncio\nassert asyncio.run(add(1,2)) == 3",
            "import asyncio\nasync def main():\n    return await asyncio.gather(add(1,2), add(3,4))\nassert asyncio.run(main()) == [3, 7]",
        ],
        {"entry_point": "add"},
    ),
    (
        "capsys_via_redirect",
        "correct",
        "output captured by the tests",
        """
def hello(n): print('Hello', n)
""",
        [
            "import io, contextlib\nb = io.StringIO()\nwith contextlib.redirect_stdout(b): hello('x')\nassert b.getvalue().strip() == 'Hello x'"
        ],
        {"entry_point": "hello"},
    ),
    (
        "random_seeded",
        "correct",
        "the tests seed the generator",
        """
import random
def roll(n): return [random.randint(1,6) for _ in range(n)]
""",
        [
            "random.seed(1)\na = roll(5)\nrandom.seed(1)\nassert roll(5) == a",
            "assert all(1 <= x <= 6 for x in roll(50))",
        ],
        {"setup": "import random", "entry_point": "roll"},
    ),
    (
        "random_random_arg",
        "correct",
        "a generator of the tests is used",
        """
def shuffle(xs, rng):
    ys = xs[:]
    rng.shuffle(ys)
    return ys
""",
        ["assert sorted(shuffle([3,1,2], random.Random(3))) == [1,2,3]"],
        {"setup": "import random", "entry_point": "shuffle"},
    ),
    (
        "mock_arg",
        "correct",
        "a Mock of the tests is called",
        """
def notify(c, m):
    c.send(m.upper())
    return True
""",
        ["m = Mock()\nassert notify(m, 'hi')\nm.send.assert_called_once_with('HI')"],
        {"setup": "from unittest.mock import Mock", "entry_point": "notify"},
    ),
    (
        "mock_side_effect",
        "correct",
        "a Mock that raises first, and returns then",
        """
def retry(f, n):
    for i in range(n):
        try: return f()
        except ValueError: pass
    raise RuntimeError('no')
""",
        [
            "m = Mock(side_effect=[ValueError(), 7])\nassert retry(m, 3) == 7\nassert m.call_count == 2",
            "m = Mock(side_effect=ValueError)\ntry:\n    retry(m, 2)\n    assert False\nexcept RuntimeError as e: assert str(e) == 'no'",
        ],
        {"setup": "from unittest.mock import Mock", "entry_point": "retry"},
    ),
    (
        "regex_match_return",
        "correct",
        "match objects",
        """
import re
def find(p, t): return re.search(p, t)
""",
        [
            "assert find('b+', 'abbb').group() == 'bbb'",
            "assert find('x', 'y') is None",
            "assert find('b', 'ab').span() == (1, 2)",
        ],
        {"entry_point": "find"},
    ),
    (
        "datetime",
        "correct",
        "dates, and the one UTC",
        """
from datetime import datetime, timedelta, timezone
def nxt(d): return d + timedelta(days=1)
""",
        [
            "from datetime import datetime, date\nassert nxt(date(2024,2,28)) == date(2024,2,29)",
            "from datetime import datetime, timezone\nassert nxt(datetime(2024,1,1,tzinfo=timezone.utc)).tzinfo is timezone.utc",
        ],
        {"entry_point": "nxt"},
    ),
    (
        "memoryview_bytearray",
        "correct",
        "all kinds of bytes",
        """
def rev(b): return bytes(reversed(b))
""",
        [
            "assert rev(b'abc') == b'cba'",
            "assert rev(bytearray(b'ab')) == b'ba'",
            "assert rev(memoryview(b'ab')) == b'ba'",
        ],
        {"entry_point": "rev"},
    ),
    (
        "heap_in_place",
        "correct",
        "an argument that is a heap",
        """
import heapq
def push(h, x): heapq.heappush(h, x)
""",
        ["h = []\nfor x in (3,1,2): push(h, x)\nassert h[0] == 1 and len(h) == 3"],
        {"entry_point": "push"},
    ),
    (
        "sort_key_lambda",
        "correct",
        "keys of the tests: built in, lambda, itemgetter",
        """
def by(xs, key): xs.sort(key=key)
""",
        [
            "xs = ['bb','a']\nby(xs, len)\nassert xs == ['a','bb']",
            "xs=[(1,'b'),(2,'a')]\nby(xs, lambda p: p[1])\nassert xs[0][0] == 2",
            "from operator import itemgetter\nxs=[(1,'b'),(2,'a')]\nby(xs, itemgetter(1))\nassert xs[0][0] == 2",
        ],
        {"entry_point": "by"},
    ),
    (
        "class_hierarchy_isinstance",
        "correct",
        "isinstance by a class of the program",
        """
class Animal:
    def speak(self): raise NotImplementedError
class Dog(Animal):
    def speak(self): return 'Woof'
def make(): return Dog()
""",
        [
            "assert isinstance(make(), Animal)",
            "assert issubclass(Dog, Animal)",
            "try:\n    Animal().speak()\n    assert False\nexcept NotImplementedError: pass",
        ],
        {"entry_point": "make"},
    ),
    (
        "abstract_class",
        "correct",
        "TypeError of an abstract class",
        """
from abc import ABC, abstractmethod
class S(ABC):
    @abstractmethod
    def area(self): ...
class Sq(S):
    def __init__(self, a): self.a=a
    def area(self): return self.a**2
""",
        ["assert Sq(3).area() == 9", "try:\n    S()\n    assert False\nexcept TypeError: pass"],
        {"entry_point": "Sq"},
    ),
    (
        "property_setter",
        "correct",
        "properties that are set",
        """
class T:
    def __init__(self): self._c = 0
    @property
    def f(self): return self._c*9/5+32
    @f.setter
    def f(self, v): self._c = (v-32)*5/9
""",
        ["t = T()\nt.f = 212\nassert t._c == 100 and t.f == 212"],
        {"entry_point": "T"},
    ),
    (
        "classmethod_static",
        "correct",
        "attributes of a class that change",
        """
class D:
    n = 0
    @classmethod
    def make(cls): cls.n += 1; return cls()
    @staticmethod
    def add(a, b): return a+b
""",
        ["D.make()\nassert D.n == 1\nassert D.add(1,2) == 3\nassert isinstance(D.make(), D)"],
        {"entry_point": "D"},
    ),
    (
        "unittest_class",
        "correct",
        "a TestCase around a class of the program",
        """
class Calc:
    def add(self, a, b): return a+b
    def div(self, a, b):
        if b == 0: raise ValueError('zero')
        return a/b
""",
        [
            "r = unittest.TextTestRunner(stream=io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase(TestCalc))\nassert r.wasSuccessful()"
        ],
        {
            "setup": "import unittest, io\nclass TestCalc(unittest.TestCase):\n    def setUp(self): self.c = Calc()\n    def test_add(self): self.assertEqual(self.c.add(1,2), 3)\n    def test_div(self):\n        with self.assertRaises(ValueError): self.c.div(1,0)\n        self.assertAlmostEqual(self.c.div(1,3), 0.3333333, places=5)",
            "entry_point": "Calc",
        },
    ),
    (
        "assertraises_own",
        "correct",
        "assertRaises with a class of the program, and its attributes",
        """
class Low(Exception):
    def __init__(self, n): super().__init__(f'low {n}'); self.n = n
def take(n):
    if n > 5: raise Low(n)
    return n
""",
        [
            "t = unittest.TestCase()\nwith t.assertRaises(Low) as c: take(9)\nassert c.exception.n == 9",
            "t = unittest.TestCase()\nt.assertRaisesRegex(Low, 'low 7', take, 7)",
        ],
        {"setup": "import unittest", "entry_point": "take"},
    ),
    (
        "recursion_5000",
        "correct",
        "a recursion limit of the program's own",
        """
import sys
sys.setrecursionlimit(10**6)
def deep(n): return 0 if n == 0 else 1 + deep(n-1)
""",
        ["assert deep(5000) == 5000", "assert deep(20000) == 20000"],
        {"entry_point": "deep"},
    ),
    (
        "lru_cache_fib",
        "correct",
        "cache_clear() and cache_info() of the function",
        """
from functools import lru_cache
@lru_cache(None)
def fib(n): return n if n < 2 else fib(n-1)+fib(n-2)
""",
        [
            "assert fib(100) == 354224848179261915075",
            "fib.cache_clear()\nassert fib(10) == 55",
            "assert fib.cache_info().hits >= 0",
        ],
        {"entry_point": "fib"},
    ),
    (
        "partial_return",
        "correct",
        "functools.partial comes back",
        """
from functools import partial
def adder(n): return partial(lambda a, b: a+b, n)
""",
        ["assert adder(3)(4) == 7", "assert list(map(adder(1), [1,2])) == [2,3]"],
        {"entry_point": "adder"},
    ),
    (
        "closure_counter",
        "correct",
        "closures with state",
        """
def counter():
    n = 0
    def inc():
        nonlocal n
        n += 1
        return n
    return inc
""",
        ["c = counter()\nassert [c(), c(), c()] == [1,2,3]", "a, b = counter(), counter()\na()\nassert b() == 1"],
        {"entry_point": "counter"},
    ),
    (
        "huge_int",
        "correct",
        "thousands of digits",
        """
def fact(n):
    r=1
    for i in range(2,n+1): r*=i
    return r
""",
        ["import math\nassert fact(3000) == math.factorial(3000)", "assert len(str(fact(1000))) == 2568"],
        {"entry_point": "fact"},
    ),
    (
        "nan_inf",
        "correct",
        "floats that are no numbers",
        """
def f(x): return float(x)
""",
        [
            "assert f('inf') == float('inf')",
            "assert f('nan') != f('nan')",
            "import math\nassert math.isnan(f('nan'))",
            "assert str(f('-0.0')) == '-0.0'",
        ],
        {"entry_point": "f"},
    ),
    (
        "nested_mutate",
        "correct",
        "an argument changed two levels down, and rows that are one",
        """
def put(g, r, c, v):
    g[r][c] = v
""",
        [
            "g = [[0]*2 for _ in range(2)]\nput(g, 0, 1, 5)\nassert g == [[0,5],[0,0]]",
            "row=[0]*2\ng=[row,row]\nput(g,0,0,1)\nassert g == [[1,0],[1,0]]",
        ],
        {"entry_point": "put"},
    ),
    (
        "returns_self_chain",
        "correct",
        "methods that return self",
        """
class B:
    def __init__(self): self.p=[]
    def add(self, x): self.p.append(x); return self
    def build(self): return '-'.join(self.p)
""",
        ["assert B().add('a').add('b').build() == 'a-b'"],
        {"entry_point": "B"},
    ),
    (
        "threads_in_sol",
        "correct",
        "threads of the program",
        """
import threading
def par(xs):
    out=[None]*len(xs)
    ts=[threading.Thread(target=lambda i=i: out.__setitem__(i, xs[i]**2)) for i in range(len(xs))]
    [t.start() for t in ts]; [t.join() for t in ts]
    return out
""",
        ["assert par([1,2,3]) == [1,4,9]"],
        {"entry_point": "par"},
    ),
    (
        "tempfile_sqlite",
        "correct",
        "a data base in memory",
        """
import sqlite3
class DB:
    def __init__(self): self.c = sqlite3.connect(':memory:'); self.c.execute('create table t(a)')
    def add(self, x): self.c.execute('insert into t values(?)', (x,))
    def all(self): return self.c.execute('select a from t').fetchall()
""",
        ["d = DB()\nd.add(1)\nassert d.all() == [(1,)]"],
        {"entry_point": "DB"},
    ),
    (
        "sqlite_shared_with_tests",
        "correct",
        "a connection of the tests",
        """
import sqlite3
def mk(c):
    c.execute('create table t(a)'); c.execute('insert into t values (4)'); c.commit()
""",
        [
            "import sqlite3\nc = sqlite3.connect(':memory:')\nmk(c)\nassert c.execute('select a from t').fetchall() == [(4,)]"
        ],
        {"entry_point": "mk"},
    ),
    (
        "humaneval",
        "correct",
        "check(candidate)",
        """
def truncate(n):
    return n % 1.0
""",
        ["check(truncate)"],
        {
            "setup": "def check(candidate):\n    assert candidate(3.5) == 0.5\n    assert abs(candidate(1.33) - 0.33) < 1e-6",
            "entry_point": "truncate",
            "prefix": 'def truncate(n: float) -> float:\n    """x"""\n',
        },
    ),
    (
        "default_mutable",
        "correct",
        "a default that is changed",
        """
def app(x, to=[]):
    to.append(x)
    return to
""",
        ["assert app(1) == [1]\nassert app(2) == [1,2]"],
        {"entry_point": "app"},
    ),
    (
        "returns_arg_identity",
        "correct",
        "the argument itself comes back",
        """
def same(x): return x
""",
        ["a = [1]\nassert same(a) is a", "o = object()\nassert same(o) is o"],
        {"entry_point": "same"},
    ),
    (
        "sys_exit",
        "correct",
        "SystemExit that the test expects",
        """
import sys
def f(): sys.exit(3)
""",
        ["try:\n    f()\n    assert False\nexcept SystemExit as e: assert e.code == 3"],
        {"entry_point": "f"},
    ),
    (
        "keyerror",
        "correct",
        "args of an exception",
        """
def f(d, k): return d[k]
""",
        ["try:\n    f({}, 'a')\n    assert False\nexcept KeyError as e: assert e.args[0] == 'a'"],
        {"entry_point": "f"},
    ),
    (
        "typing",
        "correct",
        "from typing import *",
        """
from typing import *
def f(x: List[int]) -> Optional[int]: return x[0] if x else None
""",
        ["assert f([]) is None", "assert f([4]) == 4"],
        {"entry_point": "f"},
    ),
    (
        "struct_time",
        "correct",
        "a struct of the interpreter",
        """
import time
def f(): return time.gmtime(0)
""",
        ["assert f().tm_year == 1970", "assert f()[0] == 1970"],
        {"entry_point": "f"},
    ),
    (
        "walrus_match",
        "correct",
        "match over what the tests pass in",
        """
def f(x):
    match x:
        case {'k': v}: return v
        case [a, *_]: return a
        case _: return None
""",
        ["assert f({'k': 3}) == 3", "assert f([7, 8]) == 7", "assert f(1) is None", "assert f((5,)) == 5"],
        {"entry_point": "f"},
    ),
    (
        "dict_order_keys_view",
        "correct",
        "a view of a dict",
        """
def f(d): return d.keys()
""",
        ["assert f({1:2}) == {1}", "assert list(f({1:2})) == [1]", "assert 1 in f({1:2})"],
        {"entry_point": "f"},
    ),
    (
        "zip_map_result",
        "correct",
        "an iterator of the interpreter",
        """
def f(x): return map(str, x)
""",
        ["assert list(f([1,2])) == ['1','2']", "assert ''.join(f([1,2])) == '12'", "assert tuple(f([])) == ()"],
        {"entry_point": "f"},
    ),
    (
        "set_ops_result",
        "correct",
        "sets, empty ones too",
        """
def f(a, b): return set(a) & set(b)
""",
        [
            "assert f([1,2],[2]) == {2}",
            "assert f([1],[2]) == set()",
            "assert f('ab','b') <= {'b','c'}",
            "assert len(f([1],[1]) | {5}) == 2",
        ],
        {"entry_point": "f"},
    ),
    (
        "test_calls_two_funcs",
        "correct",
        "the result of one function is the argument of another",
        """
def enc(s): return s[::-1]
def dec(s): return s[::-1]
""",
        ["assert dec(enc('abc')) == 'abc'", "for w in ['x','yy']:\n    assert dec(enc(w)) == w"],
        {"entry_point": "enc"},
    ),
    (
        "apps_sum",
        "correct",
        "apps sum",
        """
n=int(input())
print(sum(map(int,input().split())))
""",
        [("3\n1 2 3\n", "6\n"), ("1\n5\n", "5")],
    ),
    (
        "sys_stdin_read",
        "correct",
        "sys.stdin read",
        """
import sys
d=sys.stdin.read().split()
sys.stdout.write(' '.join(d[::-1]))
""",
        [("a b\nc\n", "c b a\n")],
    ),
    (
        "buffer",
        "correct",
        "buffer",
        """
import sys
for l in sys.stdin.buffer: sys.stdout.buffer.write(l.upper())
""",
        [("ab\nc", "AB\nC")],
    ),
    (
        "main_guard_threads",
        "correct",
        "main guard+threads",
        """
import sys,threading
sys.setrecursionlimit(10**6)
threading.stack_size(1<<26)
def main():
    n=int(input())
    def r(k): return 0 if k==0 else 1+r(k-1)
    print(r(n))
if __name__=='__main__':
    t=threading.Thread(target=main); t.start(); t.join()
""",
        [("20000\n", "20000\n")],
    ),
    (
        "open_0",
        "correct",
        "open(0)",
        """
print(len(open(0).read().split()))
""",
        [("1 2 3", "3")],
    ),
    (
        "exit_early",
        "correct",
        "exit early",
        """
import sys
for l in sys.stdin:
    print(int(l)*2)
    sys.exit()
""",
        [("4\n5\n", "8")],
    ),
    (
        "os_exit_after_flush",
        "correct",
        "os._exit after flush",
        """
import os
print(int(input())+1, flush=True)
os._exit(0)
""",
        [("4\n", "5")],
    ),
    (
        "eof",
        "correct",
        "eof",
        """
try:
    while True: print(input()[::-1])
except EOFError: pass
""",
        [("ab\ncd", "ba\ndc")],
    ),
    (
        "fileinput",
        "correct",
        "fileinput",
        """
import fileinput
print(sum(int(x) for x in fileinput.input()))
""",
        [("1\n2\n", "3")],
    ),
    (
        "no_trailing_nl_stderr",
        "correct",
        "no trailing nl + stderr",
        """
import sys
print('x',file=sys.stderr)
print('y',end='')
""",
        [("", "y")],
    ),
    (
        "dup_stdout",
        "correct",
        "dup stdout",
        """
import os,sys
os.write(1,b'hi ')
print('x')
""",
        [("", "hi x")],
    ),
]
