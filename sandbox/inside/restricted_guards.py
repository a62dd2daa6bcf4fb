"""What does a restricted program call where ordinary code would read an attribute, set one, make a class or import?

`read` for attributes whose names are harmless, `Own.special` for the others, `Own.write` before one is set; and a
table of builtins in which all that are told names (getattr, eval, ...) follow the same rules.
"""

from __future__ import annotations

import ast
import builtins
import functools
import string
import sys
import types
from collections.abc import Callable
from typing import Any

from .restricted_modules import NAMED_TUPLE, OPAQUE, Module, Refused, RefusedModule, modules, refused

__all__ = ["CAREFUL", "METHODS", "SECRET", "TEXTS", "Own", "guards", "harmless", "read", "type_of"]

METHODS = frozenset(
    f"__{name}__"
    for name in """init repr str eq ne lt le gt ge hash len bool iter next reversed getitem setitem delitem contains missing
    call enter exit int float complex index round trunc floor ceil neg pos abs invert bytes format length_hint post_init
    add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or radd rsub rmul rmatmul rtruediv rfloordiv
    rmod rdivmod rpow rlshift rrshift rand rxor ror iadd isub imul imatmul itruediv ifloordiv imod ipow ilshift irshift
    iand ixor ior""".split()
)
TEXTS = frozenset({"__name__", "__qualname__", "__doc__"})
# Attributes of frames, code, tracebacks, generators and their like, whatever object is asked for them.
SECRET = frozenset(
    """tb_frame tb_next tb_lasti tb_lineno f_back f_builtins f_code f_generator f_globals f_lasti f_lineno f_locals f_trace
    gi_frame gi_code gi_yieldfrom cr_await cr_frame cr_code cr_origin ag_await ag_frame ag_code""".split()
)
CAREFUL = SECRET | {"format", "format_map", "obj", "mro", "register"}
PLAIN = """abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float
    format frozenset hash hex id input int issubclass iter len list map max min next object oct ord pow print property
    range repr reversed round set slice sorted staticmethod str sum super tuple zip
    Ellipsis NotImplemented""".split()
MISSING = "open exec compile globals locals vars dir breakpoint help memoryview aiter anext".split()


def harmless(name: str) -> bool:
    """Tell whether a program may bind the name: the guards' names begin and end with an underscore."""
    return not (name.startswith("_") and name.endswith("_")) or name.strip("_") == ""


def read(obj: Any, name: str, getattr: Any = getattr, type: Any = type, opaque: Any = OPAQUE) -> Any:
    """Return an attribute whose name needs no care."""
    if type(obj) in opaque:
        raise refused(f"an attribute of a {type(obj).__name__}")
    value = getattr(obj, name)
    if type(value) in opaque:
        raise refused(f"{name}, a {type(value).__name__}")
    return value


def type_of(obj: Any) -> Any:
    """Be type() with one argument, for all but what a type could be misused of."""
    made = type(obj)
    if issubclass(made, type) or made in OPAQUE or made is types.FunctionType or made.__module__.startswith("inside"):
        raise refused(f"the type of a {made.__name__}")
    return made


class Own:
    """What a program has made itself: classes, and functions by their globals."""

    def __init__(self, space: dict[str, Any], compiled: Callable[[Any, str], types.CodeType]) -> None:
        self.space = space
        self.compiled = compiled
        self.classes: set[Any] = set()
        self.guards: dict[str, Any] = {}

    def build_class(self, body: Any, name: str, *bases: Any) -> Any:
        """Make a class, as the statement does."""
        made = builtins.__build_class__(body, name, *bases)
        for each in type.__dict__["__mro__"].__get__(made)[1:]:  # of generic bases, what they stand for
            if not (each in self.classes or each in _bases() or issubclass(each, tuple)):
                raise refused(f"a class made from {each.__name__}")
        self.classes.add(made)
        return made

    def write(self, obj: Any) -> Any:
        """Return the object if attributes of it may be set."""
        made = type(obj)
        if made in self.classes:
            return obj
        if isinstance(obj, type):
            if obj in self.classes:
                return obj
        elif made is types.FunctionType and obj.__globals__ is self.space:
            return obj
        raise refused(f"setting an attribute of a {made.__name__}")

    def special(self, obj: Any, name: str) -> Any:
        """Return an attribute whose name needs care."""
        made = type(obj)
        if made in OPAQUE or name in SECRET:
            raise refused(f"the attribute {name}")
        if name == "__class__":
            return type_of(obj)
        holder = obj if isinstance(obj, type) else obj.__self_class__ if made is super else made
        if name in ("format", "format_map"):
            return self._formatting(read(obj, name), name)
        if name == "obj":
            allowed = not issubclass(made, BaseException)
        elif name in ("mro", "register"):  # of classes, also asked of list[int], which passes it on
            allowed = not isinstance(getattr(read(obj, name), "__self__", None), type)
        elif name in TEXTS:
            allowed = isinstance(obj, (type, *FUNCTIONS))
        elif name.startswith("_") and not name.startswith("__"):
            allowed = (name in NAMED_TUPLE and issubclass(holder, tuple)) or self._is_own(holder, name)
        else:
            allowed = name in METHODS or not name.startswith("_")
        if not allowed:
            raise refused(f"the attribute {name} of a {made.__name__}")
        return read(obj, name)

    def _is_own(self, holder: Any, name: str) -> bool:
        others = (each for each in type.__dict__["__mro__"].__get__(holder) if each not in self.classes)
        return holder in self.classes and not any(name in vars(each) for each in others)

    def attribute(self, obj: Any, name: Any) -> Any:
        """Return an attribute by any name."""
        if type(name) is not str:
            raise TypeError("attribute name must be string")
        return self.special(obj, name) if name.startswith("_") or name in CAREFUL else read(obj, name)

    # ---- builtins that are told names

    def getattr(self, obj: Any, name: Any, *default: Any) -> Any:
        """Stand for getattr, following the rules."""
        try:
            return self.attribute(obj, name)
        except AttributeError:
            if not default:
                raise
            return default[0]

    def hasattr(self, obj: Any, name: Any) -> bool:
        """Stand for hasattr, following the rules."""
        try:
            self.attribute(obj, name)
        except (AttributeError, Refused):
            return False
        return True

    def setattr(self, obj: Any, name: Any, value: Any) -> None:
        """Stand for setattr, following the rules."""
        setattr(self.write(obj), self._settable(name), value)

    def delattr(self, obj: Any, name: Any) -> None:
        """Stand for delattr, following the rules."""
        delattr(self.write(obj), self._settable(name))

    def _settable(self, name: Any) -> str:
        if type(name) is not str or name.startswith("__") or name in SECRET:
            raise refused(f"setting the attribute {name!s:.40}")
        return name

    def attrgetter(self, *names: Any) -> Any:
        """Be operator.attrgetter."""

        def found(obj: Any) -> Any:
            values = tuple(functools.reduce(self.attribute, str.split(name, "."), obj) for name in names)
            return values if len(values) > 1 else values[0]

        return found

    def methodcaller(self, name: Any, /, *args: Any, **keywords: Any) -> Any:
        """Be operator.methodcaller."""
        return lambda obj: self.attribute(obj, name)(*args, **keywords)

    # ---- formats, which lead to attributes: "{0.name}"

    def _formatting(self, value: Any, name: str) -> Any:
        if value is getattr(str, name):  # the method of the class, which takes the text first
            return lambda text, *args, **keywords: self._formatted(name, text, args, keywords)
        if type(value) is types.BuiltinMethodType and isinstance(value.__self__, str):
            return lambda *args, **keywords: self._formatted(name, value.__self__, args, keywords)
        return value

    def _formatted(self, name: str, text: Any, args: Any, keywords: Any) -> str:
        text = str.__str__(text)
        if name == "format_map":
            (keywords,), args = args, ()
        return _Formatter(self.attribute).vformat(text, args, keywords)

    # ---- eval

    def eval(self, source: Any, *spaces: Any) -> Any:
        """Stand for eval: of an expression in this language; names of functions around it are not seen."""
        if type(source) is not str:
            raise refused(f"eval() of a {type(source).__name__}")
        code = self.compiled(ast.parse(source.strip(), "<eval>", "eval"), "<eval>")
        space = {key: value for each in spaces for key, value in dict(each or {}).items() if _is_name(key)}
        return eval(code, {**(self.space if not spaces else {}), **space, **self.guards})


def _is_name(key: Any) -> bool:
    return type(key) is str and harmless(key)


# datetime.strptime, written in C, imports this by the same way and then takes the real one.
OF_C = ("_strptime",)
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodDescriptorType)


class _Formatter(string.Formatter):
    def __init__(self, attribute: Callable[[Any, Any], Any]) -> None:
        self.attribute = attribute

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        first, rest = string._string.formatter_field_name_split(field_name)  # type: ignore[attr-defined]
        value = self.get_value(first, args, kwargs)
        for is_attribute, name in rest:
            value = self.attribute(value, name) if is_attribute else value[name]
        return value, first


@functools.cache
def _bases() -> set[Any]:
    """Return the classes of others that a program may derive from; super has the attributes of what it is about."""
    found = {value for value in _plain().values() if isinstance(value, type) and value is not super}
    for module in modules().values():
        found |= {value for value in module.values() if isinstance(value, type)}
    return found


@functools.cache
def _plain() -> dict[str, Any]:
    errors = {
        name: value
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    return {**{name: getattr(builtins, name) for name in PLAIN}, **errors}


def guards(space: dict[str, Any], compiled: Callable[[Any, str], types.CodeType]) -> dict[str, Any]:
    """Return what the changed program finds in its globals: the guards, and its builtins."""
    own = Own(space, compiled)
    by_name = {
        **modules(),
        "operator": {**modules()["operator"], "attrgetter": own.attrgetter, "methodcaller": own.methodcaller},
    }
    by_name["dataclasses"] = {**by_name["dataclasses"], "dataclass": functools.partial(_dataclass, own)}
    by_name["functools"] = {**by_name["functools"], "total_ordering": functools.partial(_total_ordering, own)}
    made: dict[str, Any] = {}

    def imported(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if name in OF_C:
            return None
        if level or name not in by_name:
            raise RefusedModule(refused(f"the module {name}").args[0])
        for each in (name, name.partition(".")[0]):
            if each not in made:
                made[each] = Module(by_name[each])
        return made[name if fromlist else name.partition(".")[0]]

    own.guards = {
        "_getattr_": read,
        "_special_": own.special,
        "_write_": own.write,
        "__builtins__": {
            **_plain(),
            **{name: _missing(name) for name in MISSING},
            "__build_class__": own.build_class,
            "__import__": imported,
            "type": type_of,
            "isinstance": _isinstance,
            "getattr": own.getattr,
            "hasattr": own.hasattr,
            "setattr": own.setattr,
            "delattr": own.delattr,
            "eval": own.eval,
            "exit": sys.exit,
            "quit": sys.exit,
        },
    }
    return own.guards


def _missing(name: str) -> Any:
    def missing(*args: Any, **keywords: Any) -> Any:
        raise refused(f"{name}()")

    return missing


def _isinstance(obj: Any, kind: Any) -> bool:
    """Be isinstance(), with `type` for the function that stands for it."""
    if kind is type_of:
        return isinstance(obj, type)
    if type(kind) is tuple and type_of in kind:
        return isinstance(obj, tuple(type if each is type_of else each for each in kind))
    return isinstance(obj, kind)


def _dataclass(own: Own, made: Any = None, /, **options: bool) -> Any:
    import dataclasses

    if made is None:
        return lambda made: _dataclass(own, made, **options)
    if options.keys() - {"init", "repr", "eq", "order", "unsafe_hash", "frozen", "kw_only"}:
        raise refused(f"dataclass({', '.join(options)})")
    return dataclasses.dataclass(**options)(own.write(made))


def _total_ordering(own: Own, made: Any) -> Any:
    return functools.total_ordering(own.write(made))
