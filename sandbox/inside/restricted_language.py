"""Which programs does the restricted backend run, and what stands between them and the interpreter?

RestrictedPython walks the program's tree and refuses every kind of node that it is not told to let through. This
module is what it is told; restricted_guards.py is what the changed program calls at run time.

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
import functools
import os
import sys
import types
from typing import Any

from .restricted_guards import CAREFUL, METHODS, SECRET, TEXTS, guards, harmless
from .restricted_modules import Refused, modules, refused

__all__ = ["execute", "prepare"]


def prepare(config: dict[str, Any]) -> None:
    """Load RestrictedPython from where the host found it; raises ImportError."""
    os.chdir(config["folder"])
    os.rmdir(config["folder"])  # where it has no name, nothing can be made in it, and nothing is left of it
    sys.path.append(config["path"])
    try:
        _policy()
    finally:
        sys.path.remove(config["path"])


def execute(source: str, module: types.ModuleType) -> None:
    """Run a program as this module; raises Refused for what the language does not have, else what the program raises."""
    code = _compiled(ast.parse(source, module.__file__ or ""), module.__file__ or "")
    space = module.__dict__
    space.update(guards(space, _compiled))
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
    return result.code  # type: ignore[no-any-return]


# ---- the text: names and kinds of nodes


def _check_identifiers(node: ast.AST) -> None:
    """Look at every identifier of a node, of whatever kind it is; constants are none."""
    if isinstance(node, ast.Constant | ast.alias | ast.ImportFrom | ast.Attribute):
        return
    for field, value in ast.iter_fields(node):
        for name in value if isinstance(value, list) else [value]:
            if not isinstance(name, str) or field == "type_comment" or harmless(name) or name in METHODS:
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
                if name in SECRET or not (harmless(name) or name in METHODS):
                    raise refused(f"setting the attribute {name} {line}")
                node.attr, node.value = name, _call(node, "_write_", value)
                return node
            if name in SECRET or not (harmless(name) or name in METHODS or name in TEXTS or name == "__class__"):
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
            # What follows `from x import` is read from the stand-in by the interpreter itself, past all guards.
            for name in [alias.asname or alias.name for alias in node.names]:
                if not harmless(name) and name not in modules():
                    raise refused(f"the name {name} (line {node.lineno})")
            for name in [alias.name for alias in node.names if isinstance(node, ast.ImportFrom)]:
                if name.startswith("_"):
                    raise refused(f"the name {name} (line {node.lineno})")
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
