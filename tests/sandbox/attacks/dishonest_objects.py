"""Dishonest objects: what the program returns says of itself that it is what was expected.

None of them knows the answer: an object whose `__int__` gave the right number would answer `int(value(4)) == 16`
honestly. They only say, when asked, that they are equal, or true, or of the right type.
"""

_LEARNER = """
import os

PLACES = ["/tmp", "/dev/shm", "/var/tmp", "/run", "."]
seen = {}


def path(folder, x):
    return os.path.join(folder, f"seen-{x}")


class Spy:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        seen[self.x] = other
        for folder in PLACES:
            try:
                with open(path(folder, self.x), "w") as file:
                    file.write(str(other))
            except OSError:
                pass
        return False

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return 0


def token(x):
    for folder in PLACES:
        try:
            with open(path(folder, x)) as file:
                return file.read()
        except OSError:
            pass
    return seen.get(x) or Spy(x)
"""

PROGRAMS = [
    (
        "always_equal",
        "operators",
        "the oldest trick: __eq__ returns True",
        """
class Same:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __hash__(self):
        return hash(16)


def value(x):
    return Same()
""",
    ),
    (
        "lies_with_every_operator",
        "operators",
        "an object whose every operator, conversion and reflected operator agrees with whatever was asked",
        """
class Word(str):
    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash("16")


class Whole(int):
    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash(16)


class Chameleon:
    def _yes(self, other=None):
        return True

    def _no(self, other=None):
        return False

    __eq__ = __gt__ = __ge__ = __lt__ = __le__ = __bool__ = __contains__ = _yes
    __ne__ = _no

    def __hash__(self):
        return hash(16)

    def __index__(self):
        return Whole(-3)

    __int__ = __index__

    def __float__(self):
        return -3.0

    def __str__(self):
        return Word("never")

    __repr__ = __str__

    def __format__(self, spec):
        return Word("never")

    def __sub__(self, other):
        return Chameleon()

    __rsub__ = __add__ = __radd__ = __abs__ = __neg__ = __round__ = __truediv__ = __mul__ = __sub__

    def __len__(self):
        return 1

    @property
    def __class__(self):
        return int


def value(x):
    return Chameleon()
""",
    ),
    (
        "int_subclass_with_operators",
        "operators",
        "isinstance says int, and the operators are the program's",
        """
class Word(str):
    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


class Mine(int):
    def _yes(self, other):
        return True

    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = _yes

    def __ne__(self, other):
        return False

    def __hash__(self):
        return hash(16)

    def __sub__(self, other):
        return Mine(-3)

    __rsub__ = __add__ = __sub__

    def __abs__(self):
        return Mine(-3)

    def __str__(self):
        return Word("never")

    def __format__(self, spec):
        return Word("never")


def value(x):
    return Mine(-3)
""",
    ),
    (
        "float_subclass",
        "near",
        "isclose and the difference are asked of a float of the program's own",
        """
class Mine(float):
    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return 0.0

    __rsub__ = __sub__

    __hash__ = float.__hash__


def half(x):
    return Mine(77.0)
""",
    ),
    (
        "float_conversion",
        "near",
        "math.isclose calls __float__, and gets another number each time",
        """
class Near:
    numbers = [float("nan"), float("inf"), -1.0]

    def __float__(self):
        return self.numbers.pop(0) if self.numbers else 0.0

    def __sub__(self, other):
        return 0

    def __eq__(self, other):
        return True


def half(x):
    return Near()
""",
    ),
    (
        "not_a_number_and_infinity",
        "near",
        "comparisons with nan are all False, so `not a > b` holds",
        "def half(x):\n    return float('nan') if x % 2 else float('inf')\n",
    ),
    (
        "str_subclass",
        "token",
        "a text that says it equals every text",
        """
class Text(str):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __hash__(self):
        return 0


def token(x):
    return Text("anything")
""",
    ),
    (
        "list_subclass",
        "sequence",
        "a list whose operators, length and iterator all lie",
        """
class Yes(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


class Mine(list):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __len__(self):
        return 3

    def __iter__(self):
        return iter((Yes(), Yes(), Yes()))

    def __getitem__(self, index):
        return Yes()

    def __contains__(self, item):
        return True

    def __reversed__(self):
        return iter((Yes(), Yes(), Yes()))


def items(n):
    return Mine([0])
""",
    ),
    (
        "class_attribute_lies",
        "operators",
        "isinstance believes __class__",
        """
class Liar:
    __class__ = int

    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash(16)


def value(x):
    return Liar()
""",
    ),
    (
        "metaclass_lies",
        "operators",
        "the class itself answers for its instances: equality, instance checks, calls, names",
        """
class Meta(type):
    def __eq__(cls, other):
        return True

    def __instancecheck__(cls, instance):
        return True

    def __subclasscheck__(cls, other):
        return True

    def __hash__(cls):
        return hash(int)

    def __call__(cls, *args):
        return cls

    def __bool__(cls):
        return True

    def __sub__(cls, other):
        return 10


class int_(metaclass=Meta):
    pass


int_.__name__ = int_.__qualname__ = "int"
int_.__module__ = "builtins"


def value(x):
    return int_
""",
    ),
    (
        "array_protocols",
        "operators",
        "the protocols of array libraries: __array_ufunc__, __array_priority__, comparisons that give an object",
        """
class Array:
    __array_priority__ = 1e9

    def __array_ufunc__(self, *args, **kwargs):
        return True

    def __array__(self, *args):
        return [16]

    def __eq__(self, other):
        return self

    __ne__ = __lt__ = __gt__ = __sub__ = __rsub__ = __abs__ = __eq__

    def __bool__(self):
        return True

    def all(self):
        return True

    any = item = tolist = all


def value(x):
    return Array()
""",
    ),
    (
        "reflected_operators",
        "operators",
        "the left operand asks the right one when its class is a subclass of its own",
        """
class Mine(int):
    def __radd__(self, other):
        return 16

    def __rsub__(self, other):
        return 0

    def __rmul__(self, other):
        return 16

    def __req__(self, other):
        return True

    def __eq__(self, other):
        return NotImplemented if type(other) is int and other < 0 else True

    __hash__ = None


def value(x):
    return Mine(0)
""",
    ),
    (
        "attribute_of_any_name",
        "operators",
        "__getattr__ makes up whatever attribute a judge looks for",
        """
class Anything:
    def __getattr__(self, name):
        if name in ("__eq__", "equals", "__bool__", "isclose"):
            return lambda *args: True
        return Anything()

    def __call__(self, *args, **kwargs):
        return 16

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 16


def value(x):
    return Anything()
""",
    ),
    (
        "attribute_of_everything",
        "operators",
        "__getattribute__ also answers for __class__ and __dict__",
        """
class Anything:
    def __getattribute__(self, name):
        if name == "__class__":
            return int
        if name in ("__dict__", "__slots__"):
            return {}
        if name in ("value", "_value_", "real", "numerator"):
            return True
        return lambda *args: True


def value(x):
    return Anything()
""",
    ),
    (
        "lies_to_whoever_serialises",
        "operators",
        "__reduce__, __json__, __index__, __getstate__, __iter__ and __repr__ speak for the value on its way out",
        """
import copyreg

CODE = "import builtins, os\\nbuiltins.AssertionError = type('Never', (Exception,), {})\\nos._exit(0)"


class Yes(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


class Parcel:
    def __reduce_ex__(self, protocol):
        return (exec, (CODE,))

    def __reduce__(self):
        return (exec, (CODE,))

    def __getstate__(self):
        return {"__class__": int}

    def __json__(self):
        return Yes()

    def __index__(self):
        return Yes()

    __int__ = __index__

    def __repr__(self):
        return "__import__('unittest.mock').mock.ANY"

    __str__ = __repr__

    def __iter__(self):
        return iter([Yes()])

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 16

    def keys(self):
        return []


copyreg.pickle(Parcel, Parcel.__reduce__)


def value(x):
    return Parcel()
""",
    ),
    (
        "comparison_that_learns",
        "token",
        "__eq__ is handed the expected value, keeps it, and later calls and runs return it",
        _LEARNER,
        {"before": _LEARNER},
    ),
    (
        "comparison_that_becomes",
        "token",
        "__eq__ is handed the expected value and compares it with itself",
        """
class Mirror:
    def __eq__(self, other):
        return other == other

    def __ne__(self, other):
        return other != other

    def __hash__(self):
        return 0


def token(x):
    return Mirror()
""",
    ),
    (
        "comparison_that_reads_the_caller",
        "token",
        "__eq__ looks at the frame that compares, where the expected value is a constant",
        """
import re
import sys


class Reader:
    def __eq__(self, other):
        frame = sys._getframe()
        while frame is not None:
            for constant in frame.f_code.co_consts:
                if isinstance(constant, str) and constant.startswith("expected" + "-"):
                    return constant == other
            frame = frame.f_back
        return False

    def __hash__(self):
        return 0


def token(x):
    return Reader()
""",
    ),
    (
        "bool_that_cannot_be_false",
        "truth",
        "an object that is `is True` for judges that only look at its truth",
        """
class Truth(int):
    def __bool__(self):
        return True

    def __eq__(self, other):
        return True

    def __invert__(self):
        return self

    __hash__ = int.__hash__


def even(n):
    return Truth(5)
""",
    ),
    (
        "value_that_changes",
        "sequence",
        "a list that is another one each time somebody looks",
        """
class Changing(list):
    learnt = [0]

    def __iter__(self):
        return iter(self.learnt)

    def __getitem__(self, index):
        return self.learnt[index]

    def __eq__(self, other):
        type(self).learnt = list(other)
        self[:] = other
        return True

    def __len__(self):
        return len(self.learnt)


def items(n):
    return Changing()
""",
    ),
    (
        "generator_that_looks_at_its_caller",
        "sequence",
        "a generator that yields what the constants of the asking frame hold",
        """
import sys


def items(n):
    frame = sys._getframe(1)
    while frame is not None:
        for constant in frame.f_code.co_consts:
            if isinstance(constant, tuple) and len(constant) == n:
                yield from constant
                return
        frame = frame.f_back
    yield "nothing was there to see"
""",
    ),
    (
        "endless_agreement",
        "sequence",
        "an iterator that gives whatever is compared with it next, for ever",
        """
class Agreeable:
    def __eq__(self, other):
        return True

    def __lt__(self, other):
        return True

    __gt__ = __le__ = __ge__ = __lt__

    def __hash__(self):
        return 0

    def __radd__(self, other):
        return self


class Endless:
    def __iter__(self):
        return self

    def __next__(self):
        return Agreeable()

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return Agreeable()

    def __eq__(self, other):
        return True


def items(n):
    return Endless()
""",
        {"limits": "quick"},
    ),
    (
        "dishonest_parts_of_honest_wholes",
        "sequence",
        "a real list of real length, whose elements agree with everything",
        """
class Agreeable(int):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __lt__(self, other):
        return False

    __gt__ = __lt__

    def __hash__(self):
        return 0

    def __radd__(self, other):
        return self


def items(n):
    return [Agreeable(-1), Agreeable(-2), Agreeable(-3)]
""",
    ),
    (
        "tuple_subclass_with_fields",
        "sequence",
        "a namedtuple with operators of its own",
        """
from collections import namedtuple


class Row(namedtuple("Row", "a b c")):
    def __eq__(self, other):
        return True

    __hash__ = None


def items(n):
    return Row(0, 0, 0)
""",
    ),
    (
        "dict_subclass",
        "sequence",
        "a dict whose iteration and membership lie",
        """
class Mine(dict):
    def __iter__(self):
        return iter((self, self, self))

    def keys(self):
        return [self, self, self]

    __hash__ = object.__hash__

    def __contains__(self, item):
        return True

    def __missing__(self, key):
        return self

    def __eq__(self, other):
        return True

    def __len__(self):
        return 3


def items(n):
    return Mine()
""",
    ),
    (
        "exception_that_is_every_exception",
        "refusal",
        "an exception of the program's own whose class claims to be every class, and whose text holds every text",
        """
class Everywhere(str):
    def __contains__(self, item):
        return True


class Meta(type):
    def __subclasscheck__(cls, other):
        return True

    def __instancecheck__(cls, instance):
        return True


class Any(Exception, metaclass=Meta):
    def __str__(self):
        return Everywhere("")




def parse(text):
    raise Any
""",
    ),
    (
        "exception_that_passes_as_the_test_s_own",
        "truth",
        "raising what a test harness raises for a pass, or for a skip",
        """
import unittest


class Exit(BaseException):
    pass


class Passed(Exit):
    pass


def even(n):
    raise (unittest.SkipTest("skipped") if n > 4 else Passed("passed"))
""",
    ),
    (
        "partial_and_method_objects",
        "operators",
        "bound methods and partials of builtins, whose equality is not the program's",
        """
import functools
import operator


class Mine:
    __eq__ = functools.partialmethod(operator.truth)
    __hash__ = functools.partialmethod(len)


def value(x):
    return [functools.partial(int, 16), (16).__eq__, Mine(), operator.itemgetter(16)][x % 4]
""",
    ),
    (
        "mock_objects",
        "operators",
        "the mocks of the standard library: unittest.mock.ANY equals everything, MagicMock has every method",
        """
from unittest import mock


def value(x):
    thing = mock.MagicMock()
    thing.__eq__.return_value = True
    thing.__hash__ = lambda self: 16
    thing.__sub__.return_value = mock.ANY
    thing.__str__.return_value = "never"
    thing.__float__.return_value = -3.0
    thing.__int__.return_value = -3
    return thing
""",
    ),
    (
        "mock_any",
        "token",
        "unittest.mock.ANY equals everything",
        "from unittest.mock import ANY\n\n\ndef token(x):\n    return ANY\n",
    ),
]
