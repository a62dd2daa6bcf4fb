"""What does an expression come to? `Expr` to sympy, and what sympy can make of it in the time there is.

Everything is built unevaluated. Only when an estimate says that its numbers can be written out is it worked out
(integrals, limits, sums, and plain arithmetic), each step within a share of the time, because none of them is sure to
end. No text reaches sympy: what is built here is built from its classes.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from fractions import Fraction
from math import inf, log2
from typing import Any, TypeVar

import sympy
from sympy.parsing import sympy_parser

from .expr import Expr, Unreadable

__all__ = ["INFINITIES", "UNFINISHED", "Budget", "build", "forbid_evaluation_of_text", "work_out", "written_size"]

Result = TypeVar("Result")

LARGEST_WRITTEN = 20_000  # bits of the largest number that is written out
LARGEST_DETERMINANT = 6
# Told by identity: asking a number whether it is infinite may make sympy write it out.
INFINITIES = (sympy.oo, -sympy.oo)
UNFINISHED = (sympy.Integral, sympy.Limit, sympy.Sum, sympy.Product, sympy.Derivative)


_HARMLESS = re.compile(r"[A-Za-z]\w*|[+-]?\d{1,6}(?:/\d{1,6})?", re.ASCII)


def forbid_evaluation_of_text() -> None:
    """Take away, in this process, the functions of sympy that run text as Python.

    sympy itself writes S('3/2') and names of units here and there: a plain number or name is made without evaluating.
    """

    def plain(text: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(text, str) or not _HARMLESS.fullmatch(text.strip()):
            raise ValueError("text is not evaluated here")
        text = text.strip()
        return sympy.Symbol(text) if text[0].isalpha() else sympy.Rational(*map(int, text.split("/")))

    def refuse(*_: Any, **__: Any) -> Any:
        raise ValueError("text is not evaluated here")

    sympy_parser.parse_expr = plain  # sympify() looks it up there each time
    sympy_parser.eval_expr = refuse
    sympy_parser.stringify_expr = refuse


class _Enough(BaseException):
    """The share of time is spent. Not an Exception: sympy catches those."""


class Budget:
    """The CPU time of a comparison, dealt out in shares so that one hard step leaves something for the next."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.spent_before = time.process_time()
        self.cut_short = False
        signal.signal(signal.SIGVTALRM, self._ring)
        self.running = False

    def _ring(self, *_: Any) -> None:
        if self.running:
            raise _Enough

    def left(self) -> float:
        return self.seconds - (time.process_time() - self.spent_before)

    def within(self, share: float, work: Callable[[], Result]) -> Result | None:
        """Return what `work` returns, or None if it fails or takes more than its share of the time that is left."""
        try:
            return self._within(share, work)
        except _Enough:  # it may also land in the very last moment of the work
            self.running = False
            self.cut_short = True
            return None

    def _within(self, share: float, work: Callable[[], Result]) -> Result | None:
        self.running = True
        try:
            # It rings again and again: an interrupt that lands in a callback nobody listens to is lost.
            signal.setitimer(signal.ITIMER_VIRTUAL, max(0.002, share * self.left()), 0.01)
            return work()
        except MemoryError:
            raise
        except Exception:
            return None  # whatever a computer algebra system may raise over what it cannot do
        finally:
            self.running = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def work_out(expr: sympy.Expr, budget: Budget, share: float) -> sympy.Expr | None:
    """Return the expression with all that can be done done; None if that is too much or there is no value."""
    if written_size(expr) > LARGEST_WRITTEN:
        return None
    done = budget.within(share, expr.doit)
    if done is None or not isinstance(done, sympy.Expr):
        return None
    return done


def written_size(expr: Any) -> float:
    """Return an upper bound of the bits of any number met on the way, as far as that can be told; inf for too much."""
    try:
        return _size(expr)[1]
    except (OverflowError, RecursionError):
        return inf


def _size(expr: Any) -> tuple[float, float]:
    """Return (bits of the value, most bits of any value inside). Variables count as small: they are never put in."""
    if expr.is_Rational:
        bits = float(max(abs(int(expr.p)).bit_length(), int(expr.q).bit_length()))
        return bits, bits
    parts = [_size(arg) for arg in expr.args if isinstance(arg, sympy.Expr)]
    worst = max((part[1] for part in parts), default=1.0)
    values = [part[0] for part in parts]
    if expr.is_Pow and expr.exp.free_symbols == set() and not expr.base.free_symbols:
        value = _power_bits(values[0], values[1], expr.exp)
    elif expr.is_Add:
        value = max(values, default=1.0) + log2(len(values) + 1)
    elif expr.is_Mul:
        value = sum(values)
    elif isinstance(expr, (sympy.factorial, sympy.gamma)) and not expr.free_symbols:
        value = inf if values[0] > 24 else 2 ** values[0] * values[0]
    elif isinstance(expr, sympy.binomial) and not expr.free_symbols:
        value = inf if min(values) > 24 else 2 ** min(values) * max(values)
    else:
        value = max(values, default=1.0)
    if value > LARGEST_WRITTEN:
        worst = inf
    return value, max(worst, value)


def _power_bits(base: float, exponent: float, expr: Any) -> float:
    if expr.is_Rational:  # known, and not only bounded
        return base * abs(float(Fraction(int(expr.p), int(expr.q))))
    return inf if exponent > 40 else base * 2**exponent


# ---- Expr to sympy


def build(expr: Expr, bound: frozenset[str] = frozenset()) -> sympy.Expr:
    """Return the sympy expression, unevaluated; raises Unreadable for what is no expression."""
    tag = expr[0]
    if tag == "sympy":
        return expr[1]
    builder = _BUILDERS.get(tag)
    if builder is None:
        raise Unreadable(f"a {tag} is not read here")
    return builder(expr, bound)


def _symbol(name: str) -> sympy.Symbol:
    return sympy.Symbol(name, real=True)


def _number(expr: Expr, bound: frozenset[str]) -> sympy.Expr:
    value = expr[1]
    return sympy.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else sympy.Integer(value)


def _constant(expr: Expr, bound: frozenset[str]) -> sympy.Expr:
    name = expr[1]
    if name in bound:  # the index i of a sum is not the imaginary unit
        return _symbol(name)
    return {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo}[name]


def _add(*parts: sympy.Expr) -> sympy.Expr:
    return sympy.Add(*parts, evaluate=False)


def _mul(*parts: sympy.Expr) -> sympy.Expr:
    return sympy.Mul(*parts, evaluate=False)


def _pow(base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
    if base is sympy.E:
        return sympy.exp(exponent, evaluate=False)
    return sympy.Pow(base, exponent, evaluate=False)


def _divide(top: sympy.Expr, bottom: sympy.Expr) -> sympy.Expr:
    if top.is_Rational and bottom.is_Rational and bottom != 0:
        return top / bottom
    return _mul(top, _pow(bottom, sympy.Integer(-1)))


def _negative(value: sympy.Expr) -> sympy.Expr:
    return -value if value.is_Rational or value in INFINITIES else _mul(sympy.Integer(-1), value)


def _log(expr: Expr, bound: frozenset[str]) -> sympy.Expr:
    base, inside = build(expr[1], bound), build(expr[2], bound)
    top = sympy.log(inside, evaluate=False)
    return top if base is sympy.E else _divide(top, sympy.log(base, evaluate=False))


def _function(expr: Expr, bound: frozenset[str]) -> sympy.Expr:
    name, *operands = expr[1:]
    if name == "det" and operands[0][0] == "matrix":
        rows = operands[0][1]
        if len(rows) != len(rows[0]) or len(rows) > LARGEST_DETERMINANT:
            raise Unreadable(f"a determinant is read of up to {LARGEST_DETERMINANT} rows, and as many columns")
        return sympy.Matrix([[build(entry, bound) for entry in row] for row in rows]).det(method="berkowitz")
    kind = _FUNCTIONS.get(name)
    if kind is None:
        raise Unreadable(f"the function {name} is not read here")
    args = [build(operand, bound) for operand in operands]
    if name in ("gcd", "lcm"):
        if not all(arg.is_Integer for arg in args):
            raise Unreadable(f"{name} of anything but whole numbers is not read")
        return kind(args)
    if name == "lg":
        return _divide(sympy.log(args[0], evaluate=False), sympy.log(10, evaluate=False))
    return kind(*args, evaluate=False)


def _call(expr: Expr, bound: frozenset[str]) -> sympy.Expr:
    return sympy.Function(expr[1])(*(build(part, bound) for part in expr[2:]))


def _loop(expr: Expr, bound: frozenset[str]) -> sympy.Expr:
    tag, variable, low, high, body = expr
    ends = build(low, bound), build(high, bound)
    # A whole number under a name that no text can have: sympy's rules for sums want to know that it is whole.
    index = sympy.Symbol(f"#{variable}", integer=True)
    inside = build(body, bound | {variable}).xreplace({_symbol(variable): index})
    return (sympy.Sum if tag == "sum" else sympy.Product)(inside, (index, *ends))


def _integral(expr: Expr, bound: frozenset[str]) -> sympy.Expr:
    _, variable, low, high, body = expr
    symbol = _symbol(variable)
    inside = build(body, bound | {variable})
    if low is None:
        return sympy.Integral(inside, symbol)
    return sympy.Integral(inside, (symbol, build(low, bound), build(high, bound)))


def _limit(expr: Expr, bound: frozenset[str]) -> sympy.Expr:
    _, variable, target, side, body = expr
    to = build(target, bound)
    if to in INFINITIES:
        side = "-" if to is sympy.oo else "+"
    return sympy.Limit(build(body, bound | {variable}), _symbol(variable), to, side or "+-")


def _derivative(expr: Expr, bound: frozenset[str]) -> sympy.Expr:
    _, variable, order, body = expr
    return sympy.Derivative(build(body, bound), (_symbol(variable), order))


def _based(expr: Expr, bound: frozenset[str]) -> sympy.Expr:
    return sympy.Integer(int(expr[1], expr[2]))


def _of(combine: Callable[..., sympy.Expr]) -> Callable[[Expr, frozenset[str]], sympy.Expr]:
    return lambda expr, bound: combine(*(build(part, bound) for part in expr[1:]))


def _degrees(value: sympy.Expr) -> sympy.Expr:
    return _mul(value, sympy.pi, sympy.Rational(1, 180))


_BUILDERS: dict[str, Callable[[Expr, frozenset[str]], sympy.Expr]] = {
    "num": _number,
    "dec": _number,
    "mixed": _of(_add),
    "sym": lambda expr, bound: _symbol(expr[1]),
    "const": _constant,
    "+": _of(_add),
    "*": _of(_mul),
    "/": _of(_divide),
    "ratio": _of(_divide),
    "^": _of(_pow),
    "neg": _of(_negative),
    "root": _of(lambda inside, index: _pow(inside, _divide(sympy.Integer(1), index))),
    "fn": _function,
    "log": _log,
    "call": _call,
    "pct": _of(lambda value: _mul(value, sympy.Rational(1, 100))),
    "deg": _of(_degrees),
    "based": _based,
    "sum": _loop,
    "prod": _loop,
    "int": _integral,
    "lim": _limit,
    "diff": _derivative,
}

_FUNCTIONS: dict[str, Any] = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "sec": sympy.sec, "csc": sympy.csc, "cot": sympy.cot,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "arccot": sympy.acot, "arcsec": sympy.asec,
    "arccsc": sympy.acsc, "sinh": sympy.sinh, "cosh": sympy.cosh, "tanh": sympy.tanh, "coth": sympy.coth,
    "sech": sympy.sech, "csch": sympy.csch, "arcsinh": sympy.asinh, "arccosh": sympy.acosh, "arctanh": sympy.atanh,
    "exp": sympy.exp, "lg": sympy.log, "gcd": sympy.gcd, "lcm": sympy.lcm, "min": sympy.Min, "max": sympy.Max,
    "floor": sympy.floor, "ceil": sympy.ceiling, "abs": sympy.Abs, "sign": sympy.sign, "factorial": sympy.factorial,
    "binom": sympy.binomial,
}  # fmt: skip
