"""Which programs does the restricted backend run, and what stands between them and the interpreter?

RestrictedPython walks the program's tree and refuses every kind of node that it is not told to let through. This
module is what it is told, and the guards that the changed program calls at run time:

- Names: none of the guards' own (`_name_`), no special ones but those of METHODS.
- Attributes: read through `read` or, where the name alone says that care is needed, `special`; written only on classes
  that the program defines, their instances, and its functions. One leading underscore is allowed there, nowhere else.
- Modules: stand-ins from restricted_modules.py, never the real ones.
- Items, iteration and calls need no guard: what a program can get hold of, it may use.

Not covered: faults of the interpreter itself. Python programs that corrupt its memory are known, and nothing here
stops them; it is one process whose language is restricted, no more.

RestrictedPython is imported where it is used: everything else in this folder works with the standard library alone.
"""

from __future__ import annotations

import ast
import builtins
import functools
import os
import string
import sys
import types
from collections.abc import Callable
from typing import Any

from .restricted_modules import NAMED_TUPLE, OPAQUE, Module, Refused, RefusedModule, modules, refused

__all__ = ["METHODS", "SECRET", "Refused", "execute", "guards", "prepare"]

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


def prepare(config: dict[str, Any]) -> None:
    """Load RestrictedPython from where the host found it; raises ImportError."""
    os.chdir(config["folder"])
    sys.path.append(config["path"])
    try:
        _policy()
    finally:
        sys.path.remove(config["path"])


def execute(source: str, module: types.ModuleType) -> None:
    """Run a program as this module; raises Refused for what the language does not have, else what the program raises."""
    code = _compiled(ast.parse(source, module.__file__ or ""), module.__file__ or "")
    space = module.__dict__
    space.update(guards(space))
    exec(code, space)


def _compiled(tree: Any, filename: str) -> types.CodeType:
    from RestrictedPython import compile_restricted_eval, compile_restricted_exec

    for node in ast.walk(tree):
        _check_identifiers(node)
    compiled = compile_restricted_eval if isinstance(tree, ast.Expression) else compile_restricted_exec
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20 * limit)  # walking the tree takes several frames a level, and `elif` makes levels
    try:
        result = compiled(tree, filename, policy=_policy())
    finally:
        sys.setrecursionlimit(limit)
    if result.errors or result.code is None:
        raise Refused(f"the restricted backend refuses this program: {'; '.join(result.errors)}")
    return result.code


# ---- the text: names and kinds of nodes


def _harmless(name: str) -> bool:
    """Tell whether a program may bind the name: the guards' names begin and end with an underscore."""
    return not (name.startswith("_") and name.endswith("_")) or name.strip("_") == ""


def _check_identifiers(node: ast.AST) -> None:
    """Look at every identifier of a node, of whatever kind it is; constants are none."""
    if isinstance(node, ast.Constant | ast.alias | ast.ImportFrom | ast.Attribute):
        return
    for field, value in ast.iter_fields(node):
        for name in value if isinstance(value, list) else [value]:
            if not isinstance(name, str) or field == "type_comment" or _harmless(name) or name in METHODS:
                continue
            if not (isinstance(node, ast.Name) and name == "__name__" and isinstance(node.ctx, ast.Load)):
                raise refused(f"the name {name} (line {getattr(node, 'lineno', '?')})")


@functools.cache
def _policy() -> Any:
    from RestrictedPython import RestrictingNodeTransformer

    class Policy(RestrictingNodeTransformer):  # type: ignore[misc]
        """What of the language there is. Kinds of nodes that neither this nor its base names are refused."""

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.classes: list[str] = []

        def not_allowed(self, node: ast.AST) -> None:
            kind = type(node).__name__
            raise refused(f"{WORDS.get(kind, kind)} (line {getattr(node, 'lineno', '?')})")

        def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
            name, value = self._mangled(node.attr), self.visit(node.value)
            line = f"(line {node.lineno})"
            if not isinstance(node.ctx, ast.Load):
                if name in SECRET or not (_harmless(name) or name in METHODS):
                    raise refused(f"setting the attribute {name} {line}")
                node.attr, node.value = name, _call(node, "_write_", value)
                return node
            if name in SECRET or not (_harmless(name) or name in METHODS or name in TEXTS or name == "__class__"):
                raise refused(f"the attribute {name} {line}")
            guard = "_special_" if name.startswith("_") or name in CAREFUL else "_getattr_"
            return _call(node, guard, value, ast.Constant(name))

        def _mangled(self, name: str) -> str:
            if self.classes and name.startswith("__") and not name.endswith("__"):
                return f"_{self.classes[-1].lstrip('_')}{name}"
            return name

        def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
            if node.keywords:
                raise refused(f"keywords of a class (line {node.lineno})")
            self.classes.append(node.name)
            try:
                return self.node_contents_visit(node)  # type: ignore[no-any-return]
            finally:
                self.classes.pop()

        def visit_Import(self, node: ast.Import) -> ast.AST:
            return self.visit_ImportFrom(node)

        def visit_ImportFrom(self, node: Any) -> ast.AST:
            if [alias.name for alias in node.names] == ["*"]:
                names = modules().get(node.module, ())
                node.names = [ast.copy_location(ast.alias(name), node) for name in names] or node.names
            for alias in node.names:
                if not _harmless(alias.asname or alias.name) and alias.asname:
                    raise refused(f"the name {alias.asname} (line {node.lineno})")
            return node  # type: ignore[no-any-return]

        def visit_MatchValue(self, node: Any) -> ast.AST:
            if any(isinstance(each, ast.Attribute) for each in ast.walk(node)):
                raise refused(f"an attribute in a pattern (line {node.lineno})")
            return self.node_contents_visit(node)  # type: ignore[no-any-return]

        def visit_MatchMapping(self, node: Any) -> ast.AST:
            for key in node.keys:
                self.visit_MatchValue(key)
            return self.node_contents_visit(node)  # type: ignore[no-any-return]

        def visit_MatchClass(self, node: Any) -> ast.AST:
            unsafe = [name for name in node.kwd_attrs if name.startswith("_") or name in CAREFUL]
            if unsafe or not isinstance(node.cls, ast.Name):
                raise refused(f"an attribute in a pattern (line {node.lineno})")
            return self.node_contents_visit(node)  # type: ignore[no-any-return]

    # RestrictedPython would route these through guards of its own, or not let them through; see the module's docstring.
    for kind in """Module Expression Name Constant Subscript Call Assign AugAssign AnnAssign NamedExpr Delete Nonlocal For While
        comprehension ListComp SetComp GeneratorExp DictComp ExceptHandler Try With withitem FunctionDef Lambda arguments
        arg Match match_case MatchAs MatchOr MatchSequence MatchStar MatchSingleton""".split():
        setattr(Policy, f"visit_{kind}", Policy.node_contents_visit)
    # Python 3.11 to 3.13.1 lets `except*` confuse types, down to memory.
    for kind in ("TryStar", "AsyncFunctionDef", "AsyncFor", "AsyncWith", "Await", "TemplateStr", "Interpolation"):
        setattr(Policy, f"visit_{kind}", Policy.not_allowed)
    return Policy


WORDS = {
    "TryStar": "except*",
    "AsyncFunctionDef": "async def",
    "AsyncFor": "async for",
    "AsyncWith": "async with",
    "Await": "await",
    "TypeAlias": "type aliases",
    "TypeVar": "type parameters",
}


def _call(node: ast.AST, guard: str, *args: ast.expr) -> ast.Call:
    call = ast.Call(ast.Name(guard, ast.Load()), list(args), [])
    return ast.fix_missing_locations(ast.copy_location(call, node))


# ---- the guards


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

    def __init__(self, space: dict[str, Any]) -> None:
        self.space = space
        self.classes: set[Any] = set()

    def build_class(self, body: Any, name: str, *bases: Any) -> Any:
        """Make a class, as the statement does."""
        for base in bases:
            if isinstance(base, type) and not (base in self.classes or base in _bases() or issubclass(base, tuple)):
                raise refused(f"a class made from {base.__name__}")
        made = builtins.__build_class__(body, name, *bases)
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
            allowed = isinstance(obj, type) or isinstance(obj, FUNCTIONS)
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
        """Be getattr()."""
        try:
            return self.attribute(obj, name)
        except AttributeError:
            if not default:
                raise
            return default[0]

    def hasattr(self, obj: Any, name: Any) -> bool:
        """Be hasattr()."""
        try:
            self.attribute(obj, name)
        except (AttributeError, Refused):
            return False
        return True

    def setattr(self, obj: Any, name: Any, value: Any) -> None:
        """Be setattr()."""
        setattr(self.write(obj), self._settable(name), value)

    def delattr(self, obj: Any, name: Any) -> None:
        """Be delattr()."""
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
        """Be eval() of an expression in this language; names of functions around it are not seen."""
        if type(source) is not str:
            raise refused(f"eval() of a {type(source).__name__}")
        code = _compiled(ast.parse(source.strip(), "<eval>", "eval"), "<eval>")
        space = {key: value for each in spaces for key, value in dict(each or {}).items() if _is_name(key)}
        return eval(code, {**(self.space if not spaces else {}), **space, **guards(self.space, self)})


def _is_name(key: Any) -> bool:
    return type(key) is str and _harmless(key)


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
    """Return the classes of others that a program may derive from."""
    found = {value for value in _plain().values() if isinstance(value, type)}
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


def guards(space: dict[str, Any], own: Own | None = None) -> dict[str, Any]:
    """Return what the changed program finds in its globals: the guards, and its builtins."""
    own = own or Own(space)
    by_name = {**modules(), "operator": {**modules()["operator"], "attrgetter": own.attrgetter, "methodcaller": own.methodcaller}}
    by_name["dataclasses"] = {**by_name["dataclasses"], "dataclass": functools.partial(_dataclass, own)}
    by_name["functools"] = {**by_name["functools"], "total_ordering": functools.partial(_total_ordering, own)}
    made: dict[str, Any] = {}

    def imported(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if level or name not in by_name:
            raise RefusedModule(refused(f"the module {name}").args[0])
        for each in (name, name.partition(".")[0]):
            if each not in made:
                made[each] = Module(by_name[each])
        return made[name if fromlist else name.partition(".")[0]]

    return {
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


def _missing(name: str) -> Any:
    def missing(*args: Any, **keywords: Any) -> Any:
        raise refused(f"{name}()")

    return missing


def _isinstance(obj: Any, kind: Any) -> bool:
    """Be isinstance(), with `type` for the function that stands for it."""
    if kind is type_of:
        return isinstance(obj, type)
    if type(kind) is tuple and type_of in kind:
        return isinstance(obj, type) or isinstance(obj, tuple(each for each in kind if each is not type_of))
    return isinstance(obj, kind)


def _dataclass(own: Own, made: Any = None, /, **options: bool) -> Any:
    import dataclasses

    if made is None:
        return lambda made: _dataclass(own, made, **options)
    if options.keys() - {"init", "repr", "eq", "order", "unsafe_hash", "frozen", "kw_only"}:
        raise refused(f"dataclass({', '.join(options)})")
    return dataclasses.dataclass(**options)(own.write(made))  # type: ignore[call-overload]


def _total_ordering(own: Own, made: Any) -> Any:
    return functools.total_ordering(own.write(made))

