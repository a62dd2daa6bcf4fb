"""Can these tests be run for one solution after another in the same process, or might one run leave its mark there?

A test that sets a signal, changes a module, the environment or the decimal context, or writes files, cleans up only if no
assert before that fails. So tests that do more than call, compare and compute get a process of their own for each run.
The answer may be wrong in one direction alone: what is not known to be harmless is not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

__all__ = ["leave_no_mark"]

MODULES = frozenset(
    "bisect cmath collections copy datetime fractions functools heapq itertools math operator random re string "
    "typing unicodedata".split()
)
NAMES = frozenset(
    "open exec eval compile globals locals vars setattr delattr input breakpoint __import__ help exit quit".split()
)
HARMLESS = (
    ast.Module, ast.Expr, ast.Assert, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
    ast.Constant, ast.Compare, ast.Call, ast.keyword, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.UnaryOp, ast.BinOp,
    ast.BoolOp, ast.IfExp, ast.Slice, ast.Starred, ast.JoinedStr, ast.FormattedValue, ast.comprehension, ast.ListComp,
    ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda, ast.FunctionDef, ast.arguments, ast.arg, ast.Return,
    ast.For, ast.While, ast.If, ast.Break, ast.Continue, ast.Pass, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Try,
    ast.ExceptHandler, ast.Raise, ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.ClassDef,
)  # fmt: skip


def leave_no_mark(trees: Iterable[ast.Module]) -> bool:
    """Tell whether running these for one solution cannot be seen by the next."""
    modules: set[str] = set()
    nodes = [node for tree in trees for node in ast.walk(tree)]
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if not all(name.partition(".")[0] in MODULES for name in names):
                return False
            modules |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return all(_harmless(node, modules) for node in nodes)


def _harmless(node: ast.AST, modules: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id not in NAMES and not (node.id.startswith("__") and node.id != "__name__")
    if isinstance(node, ast.Attribute):
        return isinstance(node.ctx, ast.Load) and not node.attr.startswith("__")
    if isinstance(node, ast.Subscript):
        return isinstance(node.ctx, ast.Load) or (isinstance(node.value, ast.Name) and node.value.id not in modules)
    return isinstance(node, (*HARMLESS, ast.Import, ast.ImportFrom, ast.alias))
