"""Edges: values and programs that were misjudged once by this very judge."""

# ruff: noqa: E501 -- short programs stand on one line

PROGRAMS = [
    (
        "tuple_of_many_tuples",
        "correct",
        "wide and flat: reading it must not take the square of its size",
        "def pairs(n):\n    return tuple((i, (i,)) for i in range(n))\n",
        "assert len(pairs(30_000)) == 30_000\nassert pairs(30_000)[-1] == (29_999, (29_999,))\nassert set(pairs(2)) == {(0, (0,)), (1, (1,))}",
    ),
    (
        "byte_order_mark",
        "correct",
        "a text that begins with U+FEFF",
        "\ufeffdef add(a, b):\n    return a + b\n",
        "assert add(1, 2) == 3",
        {"unplain": "compile() knows the mark in bytes alone; in a file it is no error"},
    ),
    (
        "exceptions_of_its_own",
        "correct",
        "the tests catch a class that the solution defines, and read its attributes",
        """
class TooSmall(ValueError):
    def __init__(self, n):
        super().__init__(f"{n} is too small")
        self.n = n


def check(n):
    if n < 10:
        raise TooSmall(n)
    return n
""",
        [
            "try:\n    check(3)\n    assert False\nexcept TooSmall as error:\n    assert error.n == 3 and str(error) == '3 is too small'",
            "try:\n    check(3)\n    assert False\nexcept ValueError as error:\n    assert type(error).__name__ == 'TooSmall'",
            "assert check(10) == 10",
        ],
    ),
    (
        "containers_of_the_standard_library",
        "correct",
        "Counter, defaultdict, OrderedDict, deque: equal to plain ones, and with methods of their own",
        """
from collections import Counter, OrderedDict, defaultdict, deque


def containers(text):
    groups = defaultdict(list)
    for c in text:
        groups[c].append(c)
    return Counter(text), groups, OrderedDict(sorted(Counter(text).items())), deque(text, maxlen=3)
""",
        """
assert containers('hello')[0] == {'h': 1, 'e': 1, 'l': 2, 'o': 1}
assert containers('hello')[0].most_common(1) == [('l', 2)]
assert containers('hello')[0]['z'] == 0
assert containers('abc')[1]['z'] == []
assert list(containers('cab')[2]) == ['a', 'b', 'c'] and isinstance(containers('a')[2], OrderedDict)
assert containers('hello')[3] == deque('llo') and containers('hello')[3].maxlen == 3
assert containers('aab')[0] + Counter('b') == Counter('aabb')
""",
        {"setup": "from collections import Counter, OrderedDict, deque"},
    ),
    (
        "types_as_values",
        "correct",
        "builtin types and exceptions returned as values",
        "def kinds(xs):\n    return [type(x) for x in xs]\n",
        "assert kinds([1, 'a', 2.0, None]) == [int, str, float, type(None)]\nassert kinds([[]])[0] is list",
    ),
    (
        "writes_errors_too",
        "correct",
        "standard error is no part of the output",
        "import sys\n\nprint('debug ' * 30_000, file=sys.stderr)\nprint(sum(map(int, input().split())))\nprint('end', file=sys.stderr)\n",
        [("3 4\n", "7\n"), ("10 20\n", "30\n")],
    ),
]
