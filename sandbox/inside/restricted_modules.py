"""What does a restricted program get when it imports a module?

A stand-in with the harmless functions and classes of some modules. Nothing in it leads to a real module, and nothing
looks up attributes by names that the program gives, or makes code of its texts. So these are left out, or replaced:
string.Formatter, UserString.format, functools.update_wrapper and singledispatch, typing.get_type_hints, the functions
of Enum classes, operator.attrgetter and methodcaller, arguments of copy and json that name what is to be called.
"""

from __future__ import annotations

import functools
import io
import sys
import types
from typing import Any

__all__ = ["NAMED_TUPLE", "OPAQUE", "Module", "Refused", "RefusedModule", "modules", "refused"]

NAMED_TUPLE = frozenset({"_asdict", "_fields", "_make", "_replace", "_field_defaults"})
# No program may hold one of these and ask it for attributes.
OPAQUE = frozenset(
    {types.ModuleType, types.FrameType, types.CodeType, types.TracebackType, types.CellType, types.MappingProxyType}
    | {io.TextIOWrapper, io.FileIO, io.BufferedReader, io.BufferedWriter, io.BufferedRandom}
)


class Refused(RuntimeError):
    """The program uses what the restricted backend does not have."""


class RefusedModule(ImportError):
    """The program imports a module that the restricted backend does not have."""


def refused(what: str) -> Refused:
    """Return the exception that says so, and what to do."""
    return Refused(f"the restricted backend does not allow {what}; the docker and bubblewrap backends do")


class Module:
    """What an import gives. It has no `__name__`: `from it import x` would look for a real module by that name."""

    __slots__ = ("_names",)

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def __getattr__(self, name: str) -> Any:
        try:
            return self._names[name]
        except KeyError:
            raise AttributeError(f"this module of the restricted backend has no {name}") from None

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise refused("a copy of a module")


WHOLE = "math cmath itertools bisect heapq statistics decimal fractions datetime collections.abc numbers".split()
PARTS = {
    "functools": "reduce partial lru_cache cache cmp_to_key cached_property",
    "collections": "Counter OrderedDict defaultdict deque ChainMap UserDict UserList",
    "string": """ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits punctuation printable whitespace
        capwords""",
    "re": "compile match fullmatch search sub subn split findall finditer escape purge error Pattern Match",
    "random": """random randint randrange choice choices shuffle sample uniform gauss normalvariate triangular betavariate
        expovariate gammavariate lognormvariate paretovariate vonmisesvariate weibullvariate getrandbits seed getstate
        setstate Random""",
    "time": "time perf_counter monotonic process_time sleep time_ns perf_counter_ns",
    "hashlib": "md5 sha1 sha224 sha256 sha384 sha512",
    "abc": "ABC abstractmethod",
    "dataclasses": "field asdict astuple replace",
    "textwrap": "wrap fill dedent indent shorten",
    "array": "array",
    "calendar": "isleap leapdays monthrange weekday",
    "contextlib": "contextmanager suppress nullcontext",
}
FORMS = """Any AnyStr Callable ClassVar Collection Container Counter DefaultDict Deque Dict Final FrozenSet Generator Hashable
    Iterable Iterator List Literal Mapping MutableMapping MutableSequence MutableSet Optional OrderedDict ParamSpec Reversible
    Self Sequence Set Sized SupportsFloat SupportsIndex SupportsInt Text Tuple Type TypeVar Union""".split()
FUTURE = "annotations division print_function absolute_import generators nested_scopes unicode_literals with_statement"


@functools.cache
def modules() -> dict[str, dict[str, Any]]:
    """Return the modules that there are: name -> their names."""
    import importlib

    importlib.import_module("_strptime")  # for datetime, which may not import it later
    found: dict[str, dict[str, Any]] = {}
    for name in WHOLE:
        module = importlib.import_module(name)
        names = getattr(module, "__all__", None) or [each for each in dir(module) if not each.startswith("_")]
        found[name] = {each: getattr(module, each) for each in names}
    for name, listed in PARTS.items():
        module = importlib.import_module(name)
        found[name] = {each: getattr(module, each) for each in listed.split() if hasattr(module, each)}
    import operator
    import re

    by_name = ("attrgetter", "methodcaller")
    found["operator"] = {each: getattr(operator, each) for each in operator.__all__ if each not in by_name}
    found["collections"] |= {"namedtuple": _namedtuple, "abc": Module(found["collections.abc"])}
    found["re"] |= {flag.name: int(flag) for flag in re.RegexFlag if flag.name}
    found["re"] |= {"I": int(re.I), "M": int(re.M), "S": int(re.S), "X": int(re.X), "A": int(re.A), "U": int(re.U)}
    found["functools"] |= {"wraps": _wraps}
    found["copy"] = {"copy": _copy, "deepcopy": _deepcopy}
    found["json"] = {
        "dumps": _dumps,
        "loads": _loads,
        "JSONDecodeError": importlib.import_module("json").JSONDecodeError,
    }
    found["typing"] = _typing()
    found["sys"] = {
        "maxsize": sys.maxsize,
        "float_info": sys.float_info,
        "version_info": tuple(sys.version_info[:3]),
        "argv": ["solution.py"],
        "setrecursionlimit": sys.setrecursionlimit,
        "getrecursionlimit": sys.getrecursionlimit,
        "getsizeof": sys.getsizeof,
        "exit": sys.exit,
        "stdin": _Input(),
        "stdout": _Output("stdout"),
        "stderr": _Output("stderr"),
    }
    found["__future__"] = dict.fromkeys(FUTURE.split())
    return found


def _namedtuple(typename: Any, field_names: Any, *, rename: bool = False, defaults: Any = None) -> Any:
    import collections

    names = field_names.replace(",", " ").split() if type(field_names) is str else list(field_names)
    if not all(type(name) is str for name in (typename, *names)):
        raise TypeError("names of a namedtuple must be str")
    return collections.namedtuple(typename, names, rename=bool(rename), defaults=defaults)


def _wraps(wrapped: Any) -> Any:
    def named(wrapper: Any) -> Any:
        if type(wrapper) is type(wrapped) is types.FunctionType:
            wrapper.__name__, wrapper.__doc__ = wrapped.__name__, wrapped.__doc__
        return wrapper

    return named


def _copy(value: Any) -> Any:
    import copy

    return copy.copy(value)


def _deepcopy(value: Any) -> Any:
    import copy

    return copy.deepcopy(value)


def _dumps(
    obj: Any,
    *,
    indent: Any = None,
    sort_keys: bool = False,
    ensure_ascii: bool = True,
    separators: Any = None,
    default: Any = None,
) -> str:
    import json

    return json.dumps(
        obj, indent=indent, sort_keys=sort_keys, ensure_ascii=ensure_ascii, separators=separators, default=default
    )


def _loads(text: Any) -> Any:
    import json

    return json.loads(text)


# ---- typing: names for annotations, which mean nothing at run time


class _Form:
    __slots__ = ()

    def __getitem__(self, item: Any) -> _Form:
        return self

    def __or__(self, other: Any) -> _Form:
        return self

    __ror__ = __or__

    def __call__(self, *args: Any, **keywords: Any) -> _Form:
        return self


class Generic:
    """A base that can be given parameters."""

    def __class_getitem__(cls, item: Any) -> Any:
        return cls


def _typing() -> dict[str, Any]:
    import typing

    return {
        **dict.fromkeys(FORMS, _Form()),
        "Generic": Generic,
        "Protocol": Generic,
        "NamedTuple": typing.NamedTuple,
        "NewType": lambda name, made: made,
        "cast": lambda made, value: value,
        "overload": lambda function: function,
        "TYPE_CHECKING": False,
    }


# ---- sys.stdin and its like: the real ones lead to their files


class _Input:
    __slots__ = ()

    def read(self, size: int = -1) -> str:
        return sys.stdin.read(size)

    def readline(self, size: int = -1) -> str:
        return sys.stdin.readline(size)

    def readlines(self) -> list[str]:
        return sys.stdin.readlines()

    def __iter__(self) -> Any:
        return iter(sys.stdin.readline, "")


class _Output:
    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def write(self, text: str) -> int:
        return int(getattr(sys, self._name).write(text))

    def writelines(self, lines: Any) -> None:
        getattr(sys, self._name).writelines(lines)

    def flush(self) -> None:
        getattr(sys, self._name).flush()
