"""Leverage: the tests run where the program cannot reach, so it uses what they do with its values against them.

The statements of a test can be cut short by what a call raises, swallowed by what a `with` block calls, caught by a
name that the program defines, or made to compute for ever. And the program may lie about what its objects can do.
"""

# The modules of the process that know how values are described to the other side, wherever they are.
_PATCH = """
import sys


def patch(name, make):
    for where, module in list(sys.modules.items()):
        if where.partition(".")[0] not in sys.stdlib_module_names and name in getattr(module, "__dict__", {}):
            setattr(module, name, make(getattr(module, name)))

"""

PROGRAMS = [
    (
        "stop_iteration_out_of_a_call",
        "mapped",
        "raised in a function that map() calls, StopIteration looks like the end of the cases: all() of them are true",
        "def double(x):\n    raise StopIteration\n",
    ),
    (
        "stop_iteration_after_the_first",
        "mapped",
        "the same in the form of a generator's end, an exhausted iterator's error, and a subclass",
        """
class Stop(StopIteration):
    pass


def double(x):
    if x % 2:
        raise Stop(x)
    return next(iter(()))
""",
    ),
    (
        "exit_that_swallows_asserts",
        "managed",
        "__exit__ returns True: whatever was raised in the block, a failed assert too, is forgotten",
        """
class Opened:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return True

    def size(self):
        return -1


def opened(n):
    return Opened()
""",
    ),
    (
        "exit_that_swallows_by_contextlib",
        "managed",
        "the same by contextlib.suppress and by a generator",
        """
import contextlib


@contextlib.contextmanager
def swallowing():
    class Nothing:
        def size(self):
            return -1

    try:
        yield Nothing()
    except BaseException:
        pass


def opened(n):
    return swallowing() if n % 2 else contextlib.suppress(BaseException)
""",
    ),
    (
        "exception_that_is_assertion_error",
        "caught",
        "the exception that the tests catch is the one that they raise when it was not raised",
        "TooSmall = AssertionError\n\n\ndef checked(n):\n    return n\n",
    ),
    (
        "exception_that_is_every_exception",
        "caught",
        "the exception that the tests catch is every exception",
        "TooSmall = BaseException\n\n\ndef checked(n):\n    return n\n",
    ),
    (
        "exception_that_is_a_tuple",
        "caught",
        "an except clause takes a tuple of classes too",
        "TooSmall = (ValueError, AssertionError, Exception)\n\n\ndef checked(n):\n    return n\n",
    ),
    (
        "exception_whose_base_is_forged",
        "caught",
        "a class of the program says that it derives from nothing, and that it is the base of everything",
        """
class Meta(type):
    def __instancecheck__(cls, other):
        return True

    def __subclasscheck__(cls, other):
        return True

    def mro(cls):
        return [cls, AssertionError, Exception, BaseException, object]


class TooSmall(AssertionError, metaclass=Meta):
    pass


def checked(n):
    return n
""",
    ),
    (
        "reseeds_the_generator_of_the_tests",
        "drawn",
        "the tests seed the generator which they share with the program: it chooses the next inputs",
        """
import random


def easy():
    for seed in range(10_000):
        random.seed(seed)
        if random.randint(1, 1000) == 500:
            random.seed(seed)
            return


def half(n):
    easy()
    return 250
""",
    ),
    (
        "plain_value_that_is_none",
        "sequence",
        "a list with methods crosses by name, and is asked for its plain value: that is an object that agrees",
        _PATCH
        + """
class Agreeable:
    def __getattr__(self, name):
        if name in ("__contains__", "__sub__", "__add__", "__eq__", "__and__"):
            return lambda *args: True
        raise AttributeError(name)


class Mine(list):
    def method(self):
        return 1


patch("cut", lambda cut: lambda value: Agreeable() if isinstance(value, Mine) else cut(value))


def items(n):
    return Mine([0])
""",
    ),
    (
        "plain_value_that_learns",
        "operators",
        "arithmetic with the expected number is asked of an object, which learns the number from it",
        _PATCH
        + """
class Learner:
    def __getattr__(self, name):
        if name in ("__sub__", "__rsub__"):
            return lambda other: 0.0
        if name in ("__contains__", "__add__", "__or__"):
            return lambda other: True
        raise AttributeError(name)


class Mine(set):
    def method(self):
        return 1


patch("cut", lambda cut: lambda value: Learner() if isinstance(value, Mine) else cut(value))


def value(x):
    return Mine({0})
""",
    ),
    (
        "lies_about_its_abilities",
        "operators",
        "objects say that they have no operators of their own, or those of a plain type, and have them none the less",
        _PATCH
        + """
NAMES = "eq ne lt le gt ge contains hash neg pos abs invert add sub mul radd rsub rmul truediv and or xor".split()
ALL = " ".join(f"__{name}__" for name in NAMES)
REST = "__call__ __len__ __bool__ __iter__ __next__ __getitem__ __int__ __float__ __index__ __round__ __format__"
turn = iter(range(1 << 30))


class Yes:
    def __getattr__(self, name):
        if name.startswith("__array") or name in ("__class__", "__dict__"):
            raise AttributeError(name)
        return lambda *args: True

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 16


FEATURES = [("", "", ""), (ALL, "", ""), (ALL + " " + REST, "", ALL), ("", "", ALL), (REST, "", ""), (REST, "", ALL)]
patch("_features", lambda features: lambda made: FEATURES[next(turn) % len(FEATURES)])


def value(x):
    return Yes()
""",
    ),
    (
        "function_that_is_a_class_of_the_examiner",
        "total",
        "the function that the tests call is a builtin type: they would call their own",
        "total = type\n",
    ),
    (
        "function_that_is_another_class_of_the_examiner",
        "sequence",
        "the same with a type whose values cross, and whose methods are the examiner's",
        "items = range\n",
    ),
    (
        "keys_that_collide_on_the_other_side",
        "sequence",
        "hashing is cheap where the program made them, and takes quadratic time where they are read",
        """
class Key(int):
    def __hash__(self):
        return id(self)


def items(n):
    step = (1 << 61) - 1
    return {Key(i * step) for i in range(1, 120_000)}
""",
        {"limits": "quick"},
    ),
    (
        "texts_that_collide_on_the_other_side",
        "sequence",
        "tuples with one hash in a dict, as its keys",
        """
class Key(tuple):
    def __hash__(self):
        return id(self)


def items(n):
    step = (1 << 61) - 1
    return {Key((i * step, 0)): i for i in range(1, 80_000)}
""",
        {"limits": "quick"},
    ),
    (
        "key_too_deep_to_hash",
        "sequence",
        "the hash of a tuple is computed recursively in C: a million deep, it runs out of stack where it is read",
        """
class Key(tuple):
    def __hash__(self):
        return 1


def items(n):
    deep = ()
    for _ in range(400_000):
        deep = (deep,)
    return {Key(deep)}
""",
        {"limits": "quick"},
    ),
    (
        "fraction_that_was_never_reduced",
        "operators",
        "a fraction is reduced when it is built again: of numbers with millions of digits, that takes for ever",
        """
from fractions import Fraction


def value(x):
    big = object.__new__(Fraction)
    big._numerator = (1 << 20_000_000) + 1
    big._denominator = (1 << 19_999_999) + 3
    return big
""",
        {"limits": "quick"},
    ),
    (
        "number_that_explodes_in_the_test",
        "operators",
        "int() of a Decimal with a large exponent is a number of a billion digits",
        "from decimal import Decimal\n\n\ndef value(x):\n    return Decimal('-1e999999999')\n",
        {"limits": "quick"},
    ),
    (
        "sizes_that_explode_in_the_test",
        "sized",
        "the tests build a list, a text and a range as long as the number that they get",
        "def size(n):\n    return 10**9 if n % 2 else 10**18\n",
        {"limits": "quick"},
    ),
    (
        "handles_without_end",
        "token setup",
        "each object has a class of its own, and each call of the tests' function hands over thousands",
        """
def token(function=None, x=0, key=None):
    function = function or key
    for _ in range(1000):
        try:
            function([type(f"C{i}", (), {})() for i in range(3000)])
        except TypeError:
            pass
    return "nothing found"
""",
        {"limits": "quick"},
    ),
    (
        "wide_tuples",
        "sequence",
        "a tuple of a hundred thousand tuples, each of them read once, and not once for each other",
        "def items(n):\n    return tuple((i,) for i in range(100_000))\n",
        {"limits": "quick"},
    ),
]
