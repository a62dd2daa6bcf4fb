"""Values of every type that tests compare: as themselves, neither rounded, nor flattened, nor printed and read back."""

# ruff: noqa: E501 -- short programs stand on one line

PROGRAMS = [
    (
        "negative_zero",
        "correct",
        "-0.0 equals 0.0, but its sign is there to be looked at",
        "def zero():\n    return -0.0\n",
        "assert zero() == 0.0\nassert math.copysign(1, zero()) == -1.0\nassert str(zero()) == '-0.0'",
        {"setup": "import math"},
    ),
    (
        "not_a_number",
        "correct",
        "nan is not equal to itself, and JSON has none",
        "def nothing():\n    return [float('nan'), float('inf'), float('-inf')]\n",
        "assert math.isnan(nothing()[0])\nassert nothing()[0] != nothing()[0]\nassert nothing()[1:] == [math.inf, -math.inf]",
        {"setup": "import math"},
    ),
    (
        "nan_where_a_number_is_wanted",
        "incorrect",
        "nan equals no expected nan",
        "def mean(xs):\n    return float('nan')\n",
        "assert mean([]) == float('nan')",
    ),
    (
        "one_is_true_is_one_point_zero",
        "correct",
        "1, True and 1.0 are equal and of three types",
        "def as_asked(kind):\n    return {'int': 1, 'bool': True, 'float': 1.0}[kind]\n",
        """
assert as_asked('int') == True == as_asked('float')
assert type(as_asked('int')) is int and type(as_asked('bool')) is bool and type(as_asked('float')) is float
assert as_asked('bool') is True
assert as_asked('int') is not True
""",
    ),
    (
        "one_where_true_is_wanted",
        "incorrect",
        "1 == True, but 1 is not True",
        "def even(n):\n    return 1 - n % 2\n",
        "assert even(4) is True",
    ),
    (
        "tuple_where_a_list_is_wanted",
        "incorrect",
        "JSON makes lists of tuples",
        "def pair(a, b):\n    return (a, b)\n",
        "assert pair(1, 2) == [1, 2]",
    ),
    (
        "tuple_in_a_list",
        "correct",
        "nested tuples and lists keep their types",
        "def pairs(n):\n    return [(i, [i]) for i in range(n)], ((), [], {})\n",
        """
assert pairs(2) == ([(0, [0]), (1, [1])], ((), [], {}))
assert pairs(1) != [[(0, [0])], [[], [], {}]]
assert isinstance(pairs(2)[0][0], tuple) and isinstance(pairs(2)[1][1], list)
""",
    ),
    (
        "huge_integers",
        "correct",
        "integers of thousands of digits, past the limit for turning text to int",
        "def power(n):\n    return 3**n\n",
        "assert power(20_000) == 3**20_000\nassert power(64) == 3433683820292512484657849089281\nassert -power(5) == -243",
    ),
    (
        "huge_integer_off_by_one",
        "incorrect",
        "as a float it would be equal",
        "def power(n):\n    return 10**n + 1\n",
        "assert power(40) == 10**40",
    ),
    (
        "bytes_and_bytearrays",
        "correct",
        "bytes of every value, and the changeable kind",
        "def every():\n    return bytes(range(256)), bytearray(b'\\x00\\xff')\n",
        """
assert every()[0] == bytes(range(256))
assert every()[1] == b'\\x00\\xff' and isinstance(every()[1], bytearray)
assert every()[0] != ''.join(map(chr, range(256)))
""",
    ),
    (
        "text_where_bytes_are_wanted",
        "incorrect",
        "b'a' is not 'a'",
        "def encode(text):\n    return text\n",
        "assert encode('abc') == b'abc'",
    ),
    (
        "sets_and_frozen_sets",
        "correct",
        "sets of tuples, sets of frozen sets, the empty set",
        "def sets():\n    return {(1, 2), 'a', None}, frozenset({frozenset(), frozenset({1})}), set()\n",
        """
assert sets() == ({(1, 2), 'a', None}, {frozenset(), frozenset([1])}, set())
assert isinstance(sets()[1], frozenset) and sets()[2] != {}
""",
    ),
    (
        "order_of_a_set",
        "correct",
        "a test may rest on the order in which a set gives its elements, the same in every process",
        "def unique(xs):\n    return set(xs)\n",
        """
assert list(unique([10, 3, 7, 3, 64, 128, 5])) == list(set([10, 3, 7, 3, 64, 128, 5]))
assert tuple(unique('mississippi')) == tuple(set('mississippi'))
""",
    ),
    (
        "order_of_a_set_within",
        "correct",
        "the solution lists a set of texts; the test lists its own",
        "def letters(text):\n    return list(set(text.split()))\n",
        "assert letters('the cat sat on the mat') == list(set('the cat sat on the mat'.split()))",
    ),
    (
        "order_of_a_dict",
        "correct",
        "insertion order crosses",
        "def count(text):\n    return {c: text.count(c) for c in text}\n",
        "assert list(count('hello')) == ['h', 'e', 'l', 'o']\nassert list(count('ab').items()) == [('a', 1), ('b', 1)]",
    ),
    (
        "keys_that_are_no_text",
        "correct",
        "JSON has texts for keys alone",
        "def table():\n    return {1: 'a', (1, 2): 'b', None: 'c', 2.5: 'd', b'x': 'e', frozenset({1}): 'f'}\n",
        "assert table() == {1: 'a', (1, 2): 'b', None: 'c', 2.5: 'd', b'x': 'e', frozenset({1}): 'f'}\nassert '1' not in table()",
    ),
    (
        "texts_for_numbers_in_keys",
        "incorrect",
        "as JSON they would be the same",
        "def table(n):\n    return {str(i): i for i in range(n)}\n",
        "assert table(3) == {0: 0, 1: 1, 2: 2}",
    ),
    (
        "nested_empties",
        "correct",
        "empty things of five types, none equal to another",
        "def empties():\n    return [[], (), {}, set(), '', b'', [[]], [()], None, 0, False]\n",
        "assert empties() == [[], (), {}, set(), '', b'', [[]], [()], None, 0, False]\nassert len({str(e) for e in empties()}) == 11",
    ),
    (
        "numbers_of_the_standard_library",
        "correct",
        "Decimal with its scale, Fraction, complex",
        """
from decimal import Decimal
from fractions import Fraction


def numbers():
    return Decimal("1.10"), Fraction(2, 6), complex(1, -2), Decimal("NaN"), Decimal("-Infinity")
""",
        """
assert numbers()[:3] == (Decimal("1.1"), Fraction(1, 3), 1 - 2j)
assert str(numbers()[0]) == "1.10"
assert numbers()[3].is_nan() and numbers()[4] < 0
assert isinstance(numbers()[1], Fraction) and numbers()[1].denominator == 3
""",
        {"setup": "from decimal import Decimal\nfrom fractions import Fraction"},
    ),
    (
        "dates_and_times",
        "correct",
        "datetime's types, with and without a time zone",
        """
import datetime as dt


def moments():
    return (dt.date(2024, 2, 29), dt.datetime(2024, 1, 1, 12, 30, 5, 7), dt.timedelta(days=-1, seconds=5), dt.time(23, 59),
            dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc))
""",
        """
assert moments()[0] == date(2024, 2, 29) and moments()[1].microsecond == 7
assert moments()[2] == timedelta(days=-1, seconds=5)
assert moments()[3].isoformat() == '23:59:00'
assert moments()[4].utcoffset() == timedelta(0)
assert (moments()[0] + timedelta(days=1)).month == 3
""",
        {"setup": "from datetime import date, timedelta"},
    ),
    (
        "ranges_and_slices",
        "correct",
        "a range equals a range, and is no list",
        "def steps(n):\n    return range(0, n, 3)\n",
        "assert steps(10) == range(0, 12, 3)\nassert list(steps(10)) == [0, 3, 6, 9]\nassert steps(10) != [0, 3, 6, 9]\nassert 6 in steps(10)",
    ),
    (
        "views_of_a_dict",
        "correct",
        "keys, values and items as views",
        "def views():\n    d = {'b': 2, 'a': 1}\n    return d.keys(), d.items(), d.values()\n",
        """
assert sorted(views()[0]) == ['a', 'b'] and views()[0] == {'a', 'b'}
assert list(views()[2]) == [2, 1] and len(views()[1]) == 2
assert ('a', 1) in views()[1]
""",
    ),
    (
        "named_tuples",
        "correct",
        "equal to plain tuples, with names, from three ways to make them",
        """
from collections import namedtuple
from typing import NamedTuple

Point = namedtuple("Point", "x y")


class Named(NamedTuple):
    left: int
    right: int = 7


def points():
    return Point(1, 2), Named(3), [Point(y=5, x=4)]
""",
        [
            "assert points()[0] == (1, 2) and points()[0].y == 2",
            "assert points()[1] == (3, 7) and points()[1].right == 7",
            "assert points()[2][0].x == 4",
            "x, y = points()[0]\nassert (y, x) == (2, 1)",
        ],
    ),
    (
        "generator_listed_by_the_test",
        "correct",
        "the test lists it, sums it, takes its first",
        "def squares(n):\n    for i in range(n):\n        yield i * i\n",
        """
assert list(squares(4)) == [0, 1, 4, 9]
assert sum(squares(4)) == 14
assert next(squares(3)) == 0
assert [a + b for a, b in zip(squares(3), squares(3))] == [0, 2, 8]
""",
    ),
    (
        "endless_generator_taken_from",
        "correct",
        "it never ends, and the test takes five",
        "def naturals():\n    n = 0\n    while True:\n        yield n\n        n += 1\n",
        "assert list(itertools.islice(naturals(), 5)) == [0, 1, 2, 3, 4]\nassert next(n for n in naturals() if n > 10) == 11",
        {"setup": "import itertools"},
    ),
    (
        "generator_where_a_list_is_wanted",
        "incorrect|unverifiable",
        "a generator equals no list, though its elements are right",
        "def squares(n):\n    return (i * i for i in range(n))\n",
        "assert squares(3) == [0, 1, 4]",
    ),
    (
        "endless_generator_where_a_list_is_wanted",
        "timeout|crashed|incorrect|unverifiable",
        "the test lists what has no end",
        "import itertools\n\n\ndef firsts(n):\n    return itertools.count(n)\n",
        "assert list(firsts(3)) == [3, 4, 5]",
        {"limits": "quick", "unplain": "a plain run would fill the memory"},
    ),
    (
        "map_and_filter_objects",
        "correct",
        "iterators of the builtins",
        "def doubled(xs):\n    return map(lambda x: 2 * x, filter(None, xs))\n",
        "assert list(doubled([1, 0, 2])) == [2, 4]\nassert tuple(doubled([])) == ()\nassert sorted(doubled([3, 1])) == [2, 6]",
    ),
    (
        "iterator_that_is_used_up",
        "correct",
        "the second list of one iterator is empty",
        "def once(xs):\n    return iter(xs)\n",
        ["it = once([1, 2])\nassert list(it) == [1, 2]\nassert list(it) == []", "assert next(once([5])) == 5"],
    ),
    (
        "unicode",
        "correct",
        "every plane, combining marks, lone surrogates, nulls",
        "def echo(text):\n    return text + '\\ud800\\x00\\U0001f600e\\u0301'\n",
        "assert echo('\\udfff') == '\\udfff\\ud800\\x00\\U0001f600e\\u0301'\nassert len(echo('')) == 5\nassert '\\x00' in echo('a\\r\\n\\u2028')",
    ),
    (
        "composed_where_decomposed_is_wanted",
        "incorrect",
        "two texts that look the same",
        "def accent():\n    return '\\u00e9'\n",
        "assert accent() == 'e\\u0301'",
    ),
    (
        "long_texts",
        "correct",
        "a megabyte in, a megabyte out",
        "def shout(text):\n    return text.upper() + '!'\n",
        "assert shout('ab' * 500_000) == 'AB' * 500_000 + '!'\nassert len(shout('\\u00e9' * 1_000_000)) == 1_000_001",
    ),
    (
        "long_lists",
        "correct",
        "a hundred thousand elements in and out",
        "def doubled(xs):\n    return [2 * x for x in xs]\n",
        "assert doubled(list(range(100_000))) == list(range(0, 200_000, 2))\nassert sum(doubled([0.5] * 100_000)) == 100_000",
    ),
    (
        "long_list_wrong_at_the_end",
        "incorrect",
        "ninety-nine thousand elements are right",
        "def counted(n):\n    return [*range(n - 1), n]\n",
        "assert counted(100_000) == list(range(100_000))",
    ),
    (
        "deep_nesting",
        "correct",
        "nine hundred lists in each other",
        "def nest(n):\n    deep = []\n    for _ in range(n):\n        deep = [deep]\n    return deep\n",
        [
            "assert nest(3) == [[[[]]]]",
            "deep, count = nest(900), 0\nwhile deep:\n    deep, count = deep[0], count + 1\nassert count == 900",
        ],
    ),
    (
        "one_object_twice",
        "correct",
        "a list that holds the same list twice",
        "def twice():\n    row = [0]\n    return [row, row]\n",
        ["grid = twice()\ngrid[0][0] = 5\nassert grid[1][0] == 5", "assert twice()[0] is not twice()[0]"],
    ),
    (
        "subclass_of_int_and_str",
        "correct",
        "enums over int and str are equal to plain values",
        """
from enum import Enum, IntEnum


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Word(str, Enum):
    A = "a"


def level(n):
    return Level(n) if n else Word.A
""",
        "assert level(2) == 2\nassert level(0) == 'a'\nassert level(1) + 1 == 2",
    ),
    (
        "enum_members",
        "correct|unverifiable",
        "members of an enum of the solution, by name, value and identity",
        """
import enum


class Color(enum.Enum):
    RED = 1
    BLUE = 2


def mix(a, b):
    return Color.RED if a is b else Color.BLUE
""",
        "assert mix(Color.RED, Color.RED) is Color.RED\nassert mix(Color.RED, Color.BLUE).value == 2\nassert Color.RED.name == 'RED'",
    ),
    (
        "floats_to_the_last_digit",
        "correct",
        "0.1 + 0.2 is what it is",
        "def add(a, b):\n    return a + b\n",
        "assert add(0.1, 0.2) == 0.30000000000000004\nassert add(1e308, 1e308) == float('inf')\nassert add(5e-324, 0) == 5e-324",
    ),
    (
        "almost_the_right_float",
        "incorrect",
        "equal when printed to ten digits",
        "def add(a, b):\n    return a + b\n",
        "assert add(0.1, 0.2) == 0.3",
    ),
    (
        "right_by_accident_of_floats",
        "incorrect",
        "true division is right where numbers are small, and wrong where a float ends",
        "def half(n):\n    return int(n / 2)\n",
        "assert half(10) == 5\nassert half(2**60) == 2**59\nassert half(10**17 + 2) == 5 * 10**16 + 1",
    ),
    (
        "text_of_a_number",
        "incorrect",
        "printed they look the same",
        "def total(xs):\n    return str(sum(xs))\n",
        "assert total([1, 2]) == 3",
    ),
    (
        "functions_as_values",
        "correct",
        "a function that makes functions; the test calls them",
        """
def adder(n):
    def add(x, *, times=1):
        return (x + n) * times
    return add
""",
        "assert adder(2)(3) == 5\nassert adder(2)(3, times=2) == 10\nassert callable(adder(1))\nassert list(map(adder(1), [1, 2])) == [2, 3]",
    ),
]
