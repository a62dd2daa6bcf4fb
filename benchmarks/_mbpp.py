"""Which programs does a training run on MBPP ask verdicts on? Groups of samples of each problem, some of them wrong.

The samples are made from the reference, so nothing need be downloaded but MBPP, and what is right is known: the
reference as it is, and with its result changed. Each sample has a text of its own, as those of a model would.
"""

from __future__ import annotations

import ast
import random
import warnings
from collections.abc import Callable
from typing import NamedTuple

from assay.datasets.code_sets import mbpp

from assay import AssertTests

__all__ = ["Group", "Sample", "literal_cases", "mbpp_groups"]

SLOW = {"123"}  # the reference computes for two seconds: it would measure the processor


class Sample(NamedTuple):
    """A program, and whether it is right."""

    program: str
    right: bool


class Group(NamedTuple):
    """The samples that a model gave for one problem."""

    id: str
    entry_point: str
    tests: AssertTests
    samples: list[Sample]


def mbpp_groups(size: int = 8, sanitized: bool = False, seed: int = 0) -> list[Group]:
    """Return a group for each problem of MBPP, in an order drawn by the seed; up to half the samples are wrong."""
    groups = []
    for problem in mbpp("all", sanitized=sanitized):
        code, tests = problem.meta["code"], problem.tests
        assert isinstance(tests, AssertTests)
        if problem.id in SLOW or not tests.entry_point:
            continue
        wrong = [text for change in CHANGES if (text := changed(code, tests.entry_point, change))]
        samples = []
        for number in range(size):
            kind = number // 2 if number % 2 else len(CHANGES)
            right = kind >= len(wrong)
            program = code if right else wrong[kind]
            samples.append(Sample(f"{program}\n# sample {number + 1}\n", right))
        groups.append(Group(problem.id, tests.entry_point, tests, samples))
    random.Random(seed).shuffle(groups)
    return groups


def nothing(value: ast.expr) -> ast.expr:
    return ast.Constant(None)


def wrapped(value: ast.expr) -> ast.expr:
    return ast.Tuple([value, ast.Constant("?")], ast.Load())


def raising(value: ast.expr) -> ast.expr:
    return ast.BinOp(ast.Constant("?"), ast.Div(), value)


CHANGES: list[Callable[[ast.expr], ast.expr]] = [nothing, wrapped, raising]


def changed(code: str, entry_point: str, change: Callable[[ast.expr], ast.expr]) -> str | None:
    """Return the program with every result of the entry point changed, or None if that leaves it as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(code)
    function = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == entry_point), None)
    if function is None or calls(function, entry_point):  # one that calls itself might go on for ever
        return None
    found = False
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Return) and node.value is not None:
            node.value, found = change(node.value), True
        waiting += ast.iter_child_nodes(node)
    return ast.unparse(ast.fix_missing_locations(tree)) if found else None


def calls(function: ast.FunctionDef, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(function))


def literal_cases(tests: AssertTests) -> tuple[list[list[object]], list[object]] | None:
    """Return the inputs and the expected values of asserts like `f(1, 2) == 3`; None if one is of another shape.

    For judges that take values and not tests.
    """
    inputs, expected = [], []
    for text in tests.asserts:
        try:
            (node,) = ast.parse(text).body
            assert isinstance(node, ast.Assert)
            test = node.test
            assert isinstance(test, ast.Compare)
            assert isinstance(test.ops[0], ast.Eq)
            assert len(test.ops) == 1
            call = test.left
            assert isinstance(call, ast.Call)
            assert isinstance(call.func, ast.Name)
            assert call.func.id == tests.entry_point
            assert not call.keywords
            inputs.append([ast.literal_eval(argument) for argument in call.args])
            expected.append(ast.literal_eval(test.comparators[0]))
        except (AssertionError, ValueError, SyntaxError, TypeError):
            return None
    return inputs, expected
