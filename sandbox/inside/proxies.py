"""What stands on one side for an object that lives on the other?

A proxy can do what the real type can: it is callable, can be iterated, indexed or printed if that one can, and asks
the other side each time. What decides verdicts is another matter: comparison, arithmetic, `in` and hashing that rest
on code of the solution would let the solution judge itself, so they raise `Unverifiable`. The same object is always
the same proxy, so identity counts.

`Unverifiable` derives from BaseException: a test that catches Exception does not swallow it.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from . import kinds

if TYPE_CHECKING:
    from .peer import Peer

__all__ = ["Proxy", "Unverifiable", "described", "stand_in"]

REMOTE = (
    "__call__ __len__ __bool__ __iter__ __next__ __getitem__ __setitem__ __delitem__ __reversed__ __int__ __float__ "
    "__index__ __complex__ __round__ __format__ __enter__ __exit__ __bytes__ __fspath__"
).split()
_BINARY = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or".split()
JUDGED = [
    *(f"__{name}__" for name in "eq ne lt le gt ge contains hash neg pos abs invert".split()),
    *(f"__{side}{name}__" for name in _BINARY for side in ("", "r", "i")),
]
FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
)
# Methods of plain values that answer a question about them: an object that answers for itself could be any answer.
PREDICATES = frozenset(
    "startswith endswith isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace "
    "istitle isupper issubset issuperset isdisjoint is_integer".split()
)
COROUTINE = 0x100  # CO_ITERABLE_COROUTINE: of a generator that types.coroutine() made awaitable
CHUNK = 256  # most items that an iterator hands over at one time


class Unverifiable(BaseException):
    """The verdict would rest on what cannot cross between examiner and candidate."""


def described(value: Any, item: Callable[[Any], Any]) -> list[Any]:
    """Return the words that name an object as a handle: [form, name, remote, judged, based].

    form  "f" function, "c" class, "X" exception class (then the fourth word is its base), "g" awaitable, "i" instance,
          "m" nothing but a name (module, frame, traceback, code)
    """
    made: Any = type(value)
    if isinstance(value, type):
        if issubclass(value, BaseException):
            base = next(each for each in value.__mro__[1:] if issubclass(each, BaseException))
            return ["X", value.__name__, kinds.class_name(base) or item(base)]
        return ["c", value.__name__, *_features(made)]
    if isinstance(value, FUNCTIONS):
        return ["f", getattr(value, "__name__", "function"), "__call__", "", ""]
    if isinstance(value, Awaitable) or (made is types.GeneratorType and value.gi_code.co_flags & COROUTINE):
        return ["g", made.__name__, "", "", ""]
    if isinstance(value, types.ModuleType | types.FrameType | types.TracebackType | types.CodeType):
        return ["m", made.__name__, "", "", ""]
    return ["i", made.__name__, *_features(made)]


@lru_cache(maxsize=1024)
def _features(made: Any) -> tuple[str, str, str]:
    """Return (what the proxy asks for, what it refuses, what its base value answers) as names in a text each."""
    base = next((each for each in made.__mro__ if each in kinds.CONTAINERS), None)
    remote = [name for name in REMOTE if _has(made, name)]
    judged = [name for name in JUDGED if _has(made, name)]
    based = [name for name in judged if base is not None and getattr(made, name) is getattr(base, name, None)]
    return " ".join(remote), " ".join(name for name in judged if name not in based), " ".join(based)


def _has(made: type, name: str) -> bool:
    """Tell whether a type has a method that neither `object` nor, for a class, `type` gives it."""
    found = getattr(made, name, None)
    ordinary = getattr(type if issubclass(made, type) else object, name, None)
    if name == "__call__" and issubclass(made, type):
        return True
    return found is not None and found is not ordinary


def stand_in(peer: Peer, number: int, words: list[Any], value: Callable[[Any], Any]) -> Any:
    """Return what stands for the other side's object: a proxy, an exception class, or a coroutine."""
    form, name = words[0], words[1]
    if type(name) is not str or form not in ("f", "c", "X", "g", "i", "m"):
        raise TypeError("a handle without a name")
    name = name[:100]
    if form == "X":
        return _exception_class(name, kinds.named_class(words[2]) if type(words[2]) is str else value(words[2]))
    if form == "g":
        return _coroutine(peer, number)
    remote, judged, based = (
        _known(each, among) for each, among in zip(words[2:5], (REMOTE, JUDGED, JUDGED), strict=True)
    )
    return _proxy_class(name, form, remote, judged, based)(peer, number)


def _known(names: str, among: Sequence[str]) -> str:
    """Return those of the names that there are, in one order: what is cached must not grow as the other side likes."""
    given = set(names[:2000].split())
    return " ".join(name for name in among if name in given)


def _exception_class(name: str, base: Any) -> Any:
    if not (isinstance(base, type) and issubclass(base, BaseException)):
        raise TypeError("an exception class without a base")

    def said(self: BaseException) -> str:
        text = vars(self).get("said")
        return text if type(text) is str else base.__str__(self)

    return type(name, (base,), {"__str__": said, "__module__": "solution"})


async def _coroutine(peer: Peer, number: int) -> Any:
    return peer.ask("await", number)


class _Kind(type):
    """Types of proxies: comparing them tells nothing about the types that they stand for."""

    def __eq__(cls, other: object) -> bool:
        if cls is other:
            return True
        if isinstance(other, Proxy):
            raise Unverifiable("type() of an object of the solution")
        return False

    __hash__ = type.__hash__


class Proxy(metaclass=_Kind):
    """Base of all proxies: attributes are asked for, everything else is added by `_proxy_class`."""

    __slots__ = ("__weakref__", "_assay")
    _assay_form = ""

    def __init__(self, peer: Peer, number: int) -> None:
        object.__setattr__(self, "_assay", (peer, number, []))

    def __getattr__(self, name: str) -> Any:
        peer, number, _ = object.__getattribute__(self, "_assay")
        if name in PREDICATES:
            raise refused(self, name)
        return peer.ask("get", number, name)

    def __setattr__(self, name: str, value: Any) -> None:
        peer, number, _ = object.__getattribute__(self, "_assay")
        peer.ask("set", number, name, (value,))

    def __delattr__(self, name: str) -> None:
        peer, number, _ = object.__getattribute__(self, "_assay")
        peer.ask("del", number, name)

    def __str__(self) -> str:
        return _do(self, "__str__", ())  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return _do(self, "__repr__", ())  # type: ignore[no-any-return]

    def __copy__(self) -> Any:
        return _do(self, "__copy__", ())

    def __deepcopy__(self, memo: Any) -> Any:
        return _do(self, "__deepcopy__", ())

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise refused(self, "pickling")

    def __mro_entries__(self, bases: Any) -> Any:
        raise refused(self, "a class made from another")

    def __instancecheck__(self, other: object) -> bool:
        peer, number, _ = object.__getattribute__(self, "_assay")
        return type(other).__mro__[-2] is Proxy and peer.ask("isinstance", number, None, (other,)) is True

    def __subclasscheck__(self, other: object) -> bool:
        peer, number, _ = object.__getattribute__(self, "_assay")
        return isinstance(other, Proxy) and peer.ask("issubclass", number, None, (other,)) is True


def refused(proxy: Proxy, what: str) -> Unverifiable:
    """Return the exception for what a proxy must not do, noted so that no test can hide it."""
    peer, _, _ = object.__getattribute__(proxy, "_assay")
    return peer.note(f"{what} of an object of type {type(proxy).__name__}, which rests on code of the other side")  # type: ignore[no-any-return]


def _do(proxy: Proxy, name: str, args: tuple[Any, ...]) -> Any:
    peer, number, _ = object.__getattribute__(proxy, "_assay")
    return peer.ask("do", number, name, args)


@lru_cache(maxsize=1024)
def _proxy_class(name: str, form: str, remote: str, judged: str, based: str) -> Any:
    members: dict[str, Any] = {"__slots__": (), "__module__": "solution", "_assay_form": form}
    for each in remote.split():
        if each in REMOTE:
            members[each] = _asking(each)
    for each in judged.split():
        if each in JUDGED:
            members[each] = _refusing(each)
    for each in based.split():
        if each in JUDGED:
            members[each] = _by_base(each)
    if "__eq__" in members:
        members.setdefault("__ne__", _refusing("__ne__"))
        members.setdefault("__hash__", _refusing("__hash__"))
    if "__next__" in members:
        members["__next__"] = _next
        members["__iter__"] = lambda self: self
    return _Kind(name, (Proxy,), members)


def _asking(name: str) -> Any:
    if name == "__call__":

        def call(self: Proxy, /, *args: Any, **keywords: Any) -> Any:
            peer, number, _ = object.__getattribute__(self, "_assay")
            return peer.ask("call", number, None, args, keywords)

        return call

    def ask(self: Proxy, *args: Any) -> Any:
        return _do(self, name, args)

    return _leave if name == "__exit__" else ask


def _leave(self: Proxy, kind: Any, error: BaseException | None, trace: Any) -> bool:
    """Leave a `with` block. What was raised in it stays raised: the rest of the block was not run."""
    try:
        swallowed = _do(self, "__exit__", (kind, error, None))
    except Exception:
        if isinstance(error, AssertionError):
            return False
        raise
    if error is not None and swallowed is not False and swallowed is not None and not isinstance(error, AssertionError):
        raise refused(self, "an exception that is swallowed")
    return False


def _refusing(name: str) -> Any:
    def refuse(self: Proxy, *args: Any) -> Any:
        if name == "__eq__" and args[0] is self:
            raise refused(self, "comparison with itself")
        raise refused(self, name)

    return refuse


def _by_base(name: str) -> Any:
    def answer(self: Proxy, *args: Any) -> Any:
        return getattr(_base_value(self), name)(*map(_base_value, args))

    return answer


def _base_value(value: Any) -> Any:
    if not isinstance(value, Proxy):
        return value
    peer, number, _ = object.__getattribute__(value, "_assay")
    found = peer.ask("plain", number)
    if type(found) not in kinds.CONTAINERS:
        raise refused(value, "the plain value")
    return found


class _Ahead:
    """Items that an iterator handed over before they were asked for, and what came after them."""

    def __init__(self) -> None:
        self.taken = 0
        self.items: list[Any] = []
        self.end: BaseException | None = None


def _next(self: Proxy) -> Any:
    """Take the next item; who takes many gets them in growing portions, up to CHUNK."""
    peer, number, kept = object.__getattribute__(self, "_assay")
    if not kept:
        kept.append(_Ahead())
    ahead = kept[0]
    if not ahead.items and ahead.end is None:
        size = max(1, min(CHUNK, ahead.taken // 8))
        items, ahead.end = peer.ask("next", number, None, (size,))
        if type(items) is not list or len(items) > size or not (items or ahead.end):
            raise TypeError("an iterator that gives no items")
        ahead.items = items[::-1]
        ahead.taken += len(items)
    if ahead.items:
        return ahead.items.pop()
    end, ahead.end = ahead.end, StopIteration()
    raise end
