"""Ordinary code that the restricted language runs: a solution, and a test that says what it does in Python."""

PROGRAMS = {
    "augmented assignments": (
        """
class C:
    n = 0
def f(x):
    a = [1, 2]; a[0] += x; a[1:] *= 2
    c = C(); c.n += x; c.n -= 1
    d = {}; d.setdefault('k', 0); d['k'] |= 4
    return a, c.n, d['k']
""",
        "assert f(3) == ([4, 2, 2], 2, 4)",
    ),
    "private attributes": (
        """
class Stack:
    _made = 0
    def __init__(self):
        self._items = []
        self.__size = 0
        Stack._made += 1
    def push(self, x):
        self._items.append(x)
        self.__grow()
    def __grow(self):
        self.__size += 1
    def size(self):
        return self.__size
def f():
    s = Stack(); s.push(1); s.push(2)
    return s.size(), s._items, Stack._made
""",
        "assert f() == (2, [1, 2], 1)",
    ),
    "inheritance": (
        """
class A:
    def __init__(self, x):
        self._x = x
    def _get(self):
        return self._x
class B(A):
    def __init__(self, x):
        super().__init__(x)
    def get(self):
        return super()._get() + 1
    def __repr__(self):
        return f'{self.__class__.__name__}({self._x!r})'
def f():
    return B(1).get(), repr(B(2)), isinstance(B(1), A), type(B(1)) is B
""",
        "assert f() == (2, 'B(2)', True, True)",
    ),
    "match": (
        """
class P:
    def __init__(self, x):
        self.x = x
def f(v):
    match v:
        case 0 | 1:
            return 'few'
        case [a, *rest] if rest:
            return a, rest
        case {'k': k, **more}:
            return k, more
        case str() as s:
            return s
        case P(x=n):
            return n
        case _:
            return None
""",
        """
assert [f(1), f([1, 2]), f({'k': 1, 'l': 2}), f('s'), f(2.5)] == ['few', (1, [2]), (1, {'l': 2}), 's', None]
""",
    ),
    "generators, closures, walrus, lambda": (
        """
def f(n):
    def count():
        nonlocal total
        total += 1
        return total
    total = 0
    def gen():
        while (k := count()) < n:
            got = yield k
        return 'end'
    def outer():
        end = yield from gen()
        yield end
    return [*outer()], sorted([3, 1], key=lambda x: -x), {a: b for a, b in zip('ab', [1, 2])}
""",
        "assert f(3) == ([1, 2, 'end'], [3, 1], {'a': 1, 'b': 2})",
    ),
    "global": (
        """
n = 0
def f():
    global n
    n += 1
    return n
""",
        "assert (f(), f()) == (1, 2)",
    ),
    "underscored names": (
        """
_memo = {}
def _g(_x):
    return _x
def f(x):
    for _ in [1]:
        __ = _g(x)
    return __
""",
        "assert f(2) == 2",
    ),
    "annotations": (
        """
from __future__ import annotations
from typing import *
T = TypeVar('T')
def f(x: List[int], y: Optional[Dict[str, int]] = None, *a: int, **k: str) -> Tuple[int, ...]:
    z: int = len(x)
    w: Set[int]
    return (z,)
""",
        "assert f([1]) == (1,)",
    ),
    "annotations of attributes": (
        """
from typing import Generic, List, TypeVar
T = TypeVar('T')
class Box(Generic[T]):
    items: List[int] = []
    def __init__(self):
        self.x: int | None = 3
def f():
    return Box().x
""",
        "assert f() == 3",
    ),
    "dataclasses": (
        """
from dataclasses import dataclass, field
@dataclass(order=True)
class P:
    x: int
    y: list = field(default_factory=list)
def f():
    p = P(1); p.y.append(2)
    return repr(p), P(1) < P(2), p == P(1, [2])
""",
        "assert f() == ('P(x=1, y=[2])', True, True)",
    ),
    "named tuples": (
        """
from collections import namedtuple
from typing import NamedTuple
A = namedtuple('A', 'x y')
class B(NamedTuple):
    x: int
    y: int = 2
def f():
    return A(1, 2)._replace(y=3).y, B(1).y, A(1, 2)._asdict(), A._fields
""",
        "assert f() == (3, 2, {'x': 1, 'y': 2}, ('x', 'y'))",
    ),
    "formats": (
        """
class P:
    x = 1
def f():
    return ('{:>5.2f}|{}|{0!r}'.replace('{0!r}', '{!r}').format(1.5, 2, 'a'), '{0.x}{1[k]}'.format(P(), {'k': 2}),
        '{a:{w}}'.format(a=1, w=3), '%s %05.1f' % ('a', 2), f'{3:b} {P.x=}', '{x}'.format_map({'x': 1}),
        list(map('{}'.format, [1, 2])), str.format('{}', 1))
""",
        "assert f() == (' 1.50|2|\\'a\\'', '12', '  1', 'a 002.0', '11 P.x=1', '1', ['1', '2'], '1')",
    ),
    "exceptions": (
        """
class Bad(ValueError):
    def __init__(self, n):
        super().__init__(f'bad {n}')
        self.n = n
def f():
    try:
        raise Bad(3) from KeyError(1)
    except (TypeError, Bad) as e:
        return e.n, str(e), e.args, type(e).__name__, e.__class__.__name__
    finally:
        pass
""",
        "assert f() == (3, 'bad 3', ('bad 3',), 'Bad', 'Bad')",
    ),
    "decorators": (
        """
import functools
def twice(g):
    @functools.wraps(g)
    def inner(*a, **k):
        inner.calls += 1
        return g(*a, **k) * 2
    inner.calls = 0
    return inner
@twice
def g(x):
    return x
@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
class C:
    def __init__(self):
        self._v = 2
    @property
    def v(self):
        return self._v
    @v.setter
    def v(self, x):
        self._v = x
    @staticmethod
    def s(x):
        return x
    @classmethod
    def c(cls):
        return cls.__name__
    @functools.cached_property
    def w(self):
        return 7
def f():
    c = C(); c.v = 5
    return g(2), g.calls, g.__name__, fib(30), c.v, C.s(1), C.c(), c.w
""",
        "assert f() == (4, 1, 'g', 832040, 5, 1, 'C', 7)",
    ),
    "special methods": (
        """
import functools
@functools.total_ordering
class V:
    def __init__(self, x):
        self.x = x
    def __add__(self, o):
        return V(self.x + o.x)
    def __eq__(self, o):
        return self.x == o.x
    def __lt__(self, o):
        return self.x < o.x
    def __hash__(self):
        return hash(self.x)
    def __len__(self):
        return self.x
    def __getitem__(self, i):
        return i
    def __iter__(self):
        return iter([self.x])
    def __call__(self):
        return 'called'
    def __enter__(self):
        return self
    def __exit__(self, *a):
        return True
def f():
    with V(1) as v:
        1 / 0
    return (V(1) + V(2)).x, V(1) >= V(0), {V(1), V(1)} == {V(1)}, len(V(3)), v[4], [*v], v()
""",
        "assert f() == (3, True, True, 3, 4, [1], 'called')",
    ),
    "modules": (
        """
import math, re, heapq, bisect, itertools, string, random, datetime, operator, statistics, copy, json, cmath, sys, time, hashlib
import collections.abc
import collections as co
from collections import *
from fractions import Fraction
from decimal import Decimal
def f():
    h = [3, 1]; heapq.heapify(h); random.seed(1)
    return (math.gcd(4, 6), re.sub(r'a+', lambda m: m.group().upper(), 'caat', flags=re.I), h[0], bisect.bisect([1, 2], 1),
        [*itertools.accumulate([1, 2])], string.ascii_lowercase[:2], datetime.date(2020, 2, 29).isoformat(),
        operator.itemgetter(1)([1, 2]), statistics.median([1, 2, 3]), copy.deepcopy([[1]]), json.loads(json.dumps({'a': 1})),
        Fraction(1, 2) + 1, str(Decimal('1.1')), Counter('aab').most_common(1), co.deque([1], maxlen=2), sys.maxsize > 1,
        isinstance([], collections.abc.Sequence), hashlib.md5(b'a').hexdigest()[:4], operator.attrgetter('real')(2),
        defaultdict(int)[1])
""",
        """
assert f()[:4] == (2, 'cAAt', 1, 1) and f()[7:10] == (2, 2, [[1]]) and f()[16:] == (True, '0cc1', 2, 0)
""",
    ),
    "times": (
        """
from datetime import datetime
import time
def f():
    return datetime.strptime('2020-02-29 10:00', '%Y-%m-%d %H:%M').strftime('%d/%m/%y %A'), time.time() > 1
""",
        "assert f() == ('29/02/20 Saturday', True)",
    ),
    "names asked for": (
        """
class C:
    def __init__(self):
        self.a = 1
def f():
    c = C(); setattr(c, 'b', 2)
    return getattr(c, 'a'), getattr(c, 'z', 9), hasattr(c, 'b'), hasattr(c, 'q'), hasattr([], '__len__'), callable(c)
""",
        "assert f() == (1, 9, True, False, True, False)",
    ),
    "eval of an expression": (
        """
x = 4
def f(e):
    return eval(e), eval('a + 1', {'a': 2})
""",
        "assert f('2 ** 3 + x') == (12, 3)",
    ),
    "types": (
        """
def f(x):
    return type(x) == int, type(x) is str, type(x).__name__, isinstance(x, (int, float)), isinstance(int, type), x.__class__ is int
""",
        "assert f(1) == (True, False, 'int', True, True, True)",
    ),
    "a main guard": (
        """
def f():
    return 1
if __name__ == '__main__':
    f = None
""",
        "assert f() == 1",
    ),
    "arguments changed in place": (
        """
def f(x):
    x.append(1)
    x[0] = 5
""",
        """
a = [0]
f(a)
assert a == [5, 1]
""",
    ),
    "functions of the tests": (
        """
def f(g):
    return g(2) + 1
""",
        "assert f(lambda x: x * 2) == 5",
    ),
}
CHAIN = "".join(f"    elif x == {n}:\n        return {n}\n" for n in range(600))
PROGRAMS["a long chain of elif"] = (
    f"def f(x):\n    if x == -1:\n        return -1\n{CHAIN}",
    "assert f(599) == 599",
)
