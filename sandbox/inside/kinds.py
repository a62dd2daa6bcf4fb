"""Which immutable types cross by value, and how is each taken apart and built again?

`plain(value)` gives the value itself if its type is one of them, the base value of an instance of a subclass
(sound: lying about the base value costs as much as answering), or OPAQUE for everything that crosses as a handle.
A subclass of a container that brings methods of its own is OPAQUE: a test may call them.
"""

from __future__ import annotations

import builtins
import importlib
import random
import sys
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from .frames import Malformed

__all__ = ["OPAQUE", "built", "class_name", "cut", "named_class", "ordered_set", "parts", "plain", "refill"]


class _Opaque:
    pass


OPAQUE = _Opaque()

# Types of modules that few programs import, and whose memory each run would pay for; they are loaded when one comes.
RARE = {"decimal": ("Decimal",), "fractions": ("Fraction",), "datetime": ("date", "datetime", "time", "timedelta")}
VIEWS = {type({}.keys()): "dk", type({}.values()): "dv", type({}.items()): "di"}
CONSTANTS: dict[str, Any] = {"Ellipsis": Ellipsis, "NotImplemented": NotImplemented}
CLASSES: dict[str, type] = {
    f"{kind.__module__}.{kind.__qualname__}": kind
    for kind in [
        *(each for each in vars(builtins).values() if isinstance(each, type)),
        *(type(None), type(Ellipsis), type(NotImplemented)),
        *(Counter, OrderedDict, defaultdict, deque),
    ]
}
NAMES = {kind: name for name, kind in CLASSES.items()}
# As a value of the solution, one of these in an `except` clause of a test would hide that an assert of it failed.
CATCHING = frozenset({AssertionError, Exception, BaseException})
EXACT = frozenset({int, tuple, frozenset, bytes, complex, range, *VIEWS})
# Subclasses are cut to the first of these that they derive from.
BASES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__int__),
    (float, float.__float__),
    (str, str.__str__),
    (bytes, lambda value: bytes.__getitem__(value, slice(None))),
    (complex, lambda value: complex(complex.__dict__["real"].__get__(value), complex.__dict__["imag"].__get__(value))),
    (Counter, lambda value: _filled(Counter(), value)),
    (OrderedDict, lambda value: OrderedDict(OrderedDict.items(value))),
    (defaultdict, lambda value: _filled(defaultdict(value.default_factory), value)),
    (dict, lambda value: _filled({}, value)),
    (list, lambda value: list.__getitem__(value, slice(None))),
    (tuple, lambda value: tuple.__getitem__(value, slice(None))),
    (set, set.copy),
    (frozenset, lambda value: frozenset(frozenset.__iter__(value))),
    (deque, lambda value: deque(deque.__iter__(value), value.maxlen)),
    (bytearray, bytearray),
)
# Kinds that are built from words alone. An object in the place of a word would answer for itself, each time otherwise.
OF_WORDS = frozenset("z D F r sl k T p".split())
WORDS = frozenset({type(None), bool, int, float, str})
ATTEMPTS = 60  # orders in which the elements of a set are put in, for each size of its table
MOST_WORK = 50_000  # elements that are put in for each size: large sets get fewer attempts
CONTAINERS = (dict, list, tuple, set, frozenset, deque)


def _filled(empty: Any, value: Any) -> Any:
    dict.update(empty, dict.items(value))
    return empty


def _rare(made: Any) -> str:
    """Return the name of a class if it is one of RARE, else ""."""
    names = RARE.get(made.__module__, ()) if type(made.__module__) is str else ()
    known = made.__name__ in names and getattr(sys.modules.get(made.__module__), made.__name__, None) is made
    return made.__name__ if known else ""


def _is_utc(value: Any) -> bool:
    dates = sys.modules.get("datetime")
    return dates is not None and value is dates.UTC


def plain(value: Any) -> Any:
    """Return the value itself, its base value, or OPAQUE."""
    made: Any = type(value)
    if made in EXACT or value is Ellipsis or value is NotImplemented or _rare(made) or _is_utc(value):
        return value
    if isinstance(value, type):
        return value if class_name(value) else OPAQUE
    if issubclass(made, BaseException):
        return value
    if made is slice:
        return value if {type(value.start), type(value.stop), type(value.step)} <= {int, type(None)} else OPAQUE
    if made.__module__ in ("pathlib", "uuid") and made.__name__ in ("PosixPath", "PurePosixPath", "UUID"):
        return value
    if _is_struct(made):
        return value
    if made.__module__.partition(".")[0] == "numpy":
        return value if _carries_numbers(value) else OPAQUE
    if issubclass(made, CONTAINERS) and _has_methods(made):
        return OPAQUE
    return cut(value)


def cut(value: Any) -> Any:
    """Return the base value of an instance of a subclass of a plain type, OPAQUE for other objects."""
    for base, convert in BASES:
        if isinstance(value, base) and issubclass(type(value), base):
            return convert(value)
    if "decimal" in sys.modules:
        from decimal import Decimal

        if issubclass(type(value), Decimal):
            return Decimal.__abs__(value).copy_sign(value)
    if "fractions" in sys.modules:
        from fractions import Fraction

        if issubclass(type(value), Fraction):
            return Fraction(value.numerator, value.denominator)
    return OPAQUE


@lru_cache(maxsize=256)
def _has_methods(made: Any) -> bool:
    fields = getattr(made, "_fields", ())
    for each in made.__mro__:
        if each.__module__ in ("builtins", "collections"):
            return False
        if any(not name.startswith("_") and name not in fields for name in vars(each)):
            return True
    return False


@lru_cache(maxsize=256)
def _is_struct(made: Any) -> bool:
    fields = getattr(made, "_fields", None)
    return (
        issubclass(made, tuple)
        and type(fields) is tuple
        and all(type(field) is str for field in fields)
        and not _has_methods(made)
    )


def _carries_numbers(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    return getattr(dtype, "kind", "") in tuple("biufcU") and hasattr(value, "tolist")


def parts(value: Any) -> tuple[str, Iterable[Any]]:
    """Return (kind, the values it is built from) of a value that `plain` gave back as it is."""
    made = type(value)
    if made is complex:
        return "z", (value.real, value.imag)
    rare = _rare(made)
    if rare == "Decimal":
        return "D", (str(value),)
    if rare == "Fraction":
        return "F", (value.numerator, value.denominator)
    if rare == "timedelta":
        return "dt", ("timedelta", 0, value.days, value.seconds, value.microseconds)
    if rare:
        return "dt", (rare, getattr(value, "fold", 0), *_date_fields(value))
    if made is range or made is slice:
        return ("r" if made is range else "sl"), (value.start, value.stop, value.step)
    if made in VIEWS:
        return VIEWS[made], value
    if value is Ellipsis or value is NotImplemented:
        return "k", (repr(value),)
    if _is_utc(value):
        return "k", ("utc",)
    if isinstance(value, type):
        return "T", (class_name(value),)
    if issubclass(made, BaseException):
        return "x", (class_name(made) or made, _args(value), _text(value), *_attributes(value))
    if made.__module__ in ("pathlib", "uuid"):
        return "p", (made.__name__, str(value))
    if made.__module__.partition(".")[0] == "numpy":
        return "np", (value.dtype.str, tuple(value.shape), tuple(value.ravel().tolist()))
    return "n", (made.__name__, len(made._fields), *made._fields, *tuple.__iter__(value))


def _date_fields(value: Any) -> list[Any]:
    found = [getattr(value, name) for name in ("year", "month", "day") if hasattr(value, name)]
    names = ("hour", "minute", "second", "microsecond")
    found += [getattr(value, name) for name in names if hasattr(value, name)]
    if hasattr(value, "tzinfo") and value.tzinfo is not None:
        offset = value.utcoffset()
        if not isinstance(value.tzinfo, sys.modules["datetime"].timezone) or offset is None:
            raise ValueError("a time zone that is no fixed offset cannot cross")
        found.append(offset)
    return found


def class_name(kind: type) -> str:
    """Return by which name a class is known on the other side, "" if by none.

    An exception of the standard library has the names of its bases behind its own, for a side that did not load it.
    """
    if kind in NAMES:
        return NAMES[kind]
    if _rare(kind):
        return f"{kind.__module__}.{kind.__name__}"
    top = kind.__module__.partition(".")[0]
    if not issubclass(kind, BaseException) or top not in sys.stdlib_module_names or top == "__main__":
        return ""
    if getattr(sys.modules.get(kind.__module__), kind.__name__, None) is not kind:
        return ""
    return " ".join(
        f"{each.__module__}.{each.__qualname__}" for each in kind.__mro__ if issubclass(each, BaseException)
    )


def named_class(names: str) -> type:
    """Return the first class of these names that is known here."""
    for name in names.split()[:20]:
        if name in CLASSES:
            return CLASSES[name]
        module, _, short = name.rpartition(".")
        if short in RARE.get(module, ()):
            return getattr(importlib.import_module(module), short)  # type: ignore[no-any-return]
        top = module.split(".")[0]
        if (
            top not in sys.stdlib_module_names or top == "unittest"
        ):  # whose exceptions tell its runner to pass a test over
            continue
        found = getattr(importlib.import_module(module) if module in RARE else sys.modules.get(module), short, None)
        if isinstance(found, type) and issubclass(found, BaseException):
            return found
    raise Malformed("a class that is not known")


def _args(error: BaseException) -> tuple[Any, ...]:
    args = error.args
    return tuple(args) if type(args) is tuple else ()


def _text(error: BaseException) -> str | None:
    """Return what str() gives where a class of the solution decides that."""
    if type(error).__str__ in (BaseException.__str__, Exception.__str__) or type(error).__module__ == "builtins":
        return None
    try:
        return str.__str__(str(error))
    except Exception:
        return None


def _attributes(error: BaseException) -> list[Any]:
    return [each for pair in vars(error).items() if not pair[0].startswith("__") for each in pair]


def built(kind: str, items: list[Any]) -> Any:
    """Return the value of a kind; whatever cannot be one raises."""
    if kind in OF_WORDS and not set(map(type, items)) <= WORDS:
        raise Malformed(f"a value of the kind {kind!r} that is built from objects")
    if kind == "z":
        return complex(*items)
    if kind == "D":
        from decimal import Decimal

        return Decimal(items[0])
    if kind == "F":
        from fractions import Fraction

        return Fraction(*items)
    if kind == "r":
        return range(*items)
    if kind == "sl" and {*map(type, items)} <= {int, type(None)}:
        return slice(*items)
    if kind == "dk":
        return dict.fromkeys(items).keys()
    if kind == "dv":
        return dict(enumerate(items)).values()
    if kind == "di":
        return dict(items).items()
    if kind == "dt":
        return _date(*items)
    if kind == "k":
        return _utc() if items[0] == "utc" else CONSTANTS[items[0]]
    if kind == "T":
        return named_class(items[0])
    if kind == "p":
        return _path_or_uuid(*items)
    if kind == "x":
        return _error(*items)
    if kind == "np":
        return _array(*items)
    if kind == "n":
        name, count, *rest = items
        if type(count) is not int or not set(map(type, (name, *rest[:count]))) <= {str}:
            raise Malformed("a struct with names that are no names")
        return _struct(name, tuple(rest[:count]))(*rest[count:])
    raise Malformed(f"a value of the unknown kind {kind[:20]!r}")


def _utc() -> Any:
    from datetime import UTC

    return UTC


def _date(name: str, fold: int, *fields: Any) -> Any:
    import datetime

    if type(name) is not str or name not in RARE["datetime"] or type(fold) is not int:
        raise Malformed("a date of a kind that is none")
    zone: dict[str, Any] = {}
    if fields and isinstance(fields[-1], datetime.timedelta):
        zone = {"tzinfo": datetime.timezone(fields[-1])}
        fields = fields[:-1]
    if not set(map(type, fields)) <= {int}:
        raise Malformed("a date that is not made of numbers")
    value = getattr(datetime, name)(*fields, **zone)
    return value.replace(fold=fold) if fold else value


def _path_or_uuid(name: str, text: str) -> Any:
    import pathlib
    import uuid

    return {"PosixPath": pathlib.PosixPath, "PurePosixPath": pathlib.PurePosixPath, "UUID": uuid.UUID}[name](text)


def _error(made: Any, args: Any, text: Any, *attributes: Any) -> BaseException:
    if type(made) is str:
        made = named_class(made)
    if not (isinstance(made, type) and issubclass(made, BaseException) and type(args) is tuple):
        raise Malformed("an exception that is none")
    try:
        error = made(*args)
    except Exception:
        error = made.__new__(made)
        error.args = args
    for name, value in zip(attributes[::2], attributes[1::2], strict=True):
        if type(name) is str and not name.startswith("__"):
            vars(error)[name] = value
    if type(text) is str:
        vars(error)["said"] = text
    return error


@lru_cache(maxsize=256)
def _struct(name: str, fields: tuple[str, ...]) -> Any:
    if len(name) + sum(map(len, fields)) > 4000:
        raise Malformed("a struct with names that are too long")
    return namedtuple(name, fields)


def _array(dtype: str, shape: tuple[int, ...], items: tuple[Any, ...]) -> Any:
    import numpy  # there on both sides or on none

    numbers = {bool, int, float, complex, str}
    if type(dtype) is not str or not (type(shape) is type(items) is tuple and set(map(type, shape)) <= {int}):
        raise Malformed("an array that is none")
    if numpy.dtype(dtype).kind not in "biufcU" or not set(map(type, items)) <= numbers:
        raise Malformed("an array of objects")
    array = numpy.array(items, dtype=dtype).reshape(shape)
    return array if shape else array[()]


# ---- sets: a program may depend on the order of their table


def ordered_set(items: list[Any], made: Callable[[Any], Any]) -> Any:
    """Return a frozenset that iterates in the order of `items`, where that can be had; see `refill`."""
    order, shuffled = list(items), random.Random(0)
    for _ in range(_attempts(items)):
        for value in (made(order), made(set(order))):
            if list(value) == items:
                return value
        shuffled.shuffle(order)
    helper: set[Any] = set()
    refill(helper, items)
    value = made(helper)
    return value if list(value) == items else made(items)


def _attempts(items: list[Any]) -> int:
    return max(1, min(ATTEMPTS, MOST_WORK // max(1, len(items))))


def refill(container: set[Any], items: list[Any]) -> None:
    """Give a set other elements, so that it iterates in the order of `items` where that can be had.

    The order depends on the size of the table, and on who came first where two elements want one place: so the ways to
    come to a size are tried, and orders of coming.
    """
    container.clear()
    container.update(items)
    if list(container) == items:
        return
    for make in _ways(len(items)):
        order, shuffled = list(items), random.Random(0)
        for _ in range(_attempts(items)):
            container.clear()
            make(container, order)
            if list(container) == items:
                return
            shuffled.shuffle(order)
    container.clear()
    container.update(items)


def _ways(count: int) -> Iterable[Callable[[set[Any], list[Any]], None]]:
    """Yield what programs do: add one by one, unite two sets, take away from a larger one."""
    yield lambda container, order: container.update(order)
    for part in sorted({0, 1, count // 4, count // 2, count}):
        yield lambda container, order, part=part: _united(container, order[:part], order)  # type: ignore[misc]
    size = 8
    while size < 16 * count + 64:
        yield lambda container, order, size=size: _grown(container, size, order)  # type: ignore[misc]
        size *= 2


def _united(container: set[Any], some: list[Any], items: list[Any]) -> None:
    container.update(some)
    container.update(set(items))


def _grown(container: set[Any], size: int, items: list[Any]) -> None:
    """Fill a table of `size` places: others make it grow, then they leave."""
    taken = {hash(item) % size for item in items}
    others = [number for number in range(size) if number not in taken][: max(5, size // 4)]
    container.update(set(others))
    container.difference_update(others)
    container.update(items)
