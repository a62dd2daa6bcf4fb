"""Are a reference and an answer the same? Decided by working out, by value at many points, and by simplifying.

The rules are those of docs/answers.md. Here they are for what the fast lane left: values are compared by `_values`,
and `_same` takes statements and collections apart until values are left. A decimal with at least four significant
digits meets a value that has no finite decimal expansion when it is that value, rounded or cut at its last digit.

"same" rests on equal exact values, on agreement to many digits (at several points, where there are variables), or on a
difference that simplifies to zero; "different" on a clear difference in value or in shape; anything else is
"undecided", a value that does not exist included.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath
import sympy

from .expr import Expr, Unreadable, show
from .slow_algebra import UNFINISHED, Budget, build, work_out
from .slow_numbers import EXACT_DIGITS, Number, Undefined, Unsupported, evaluate
from .slow_read import read_calculus

__all__ = ["answer"]

SAME, DIFFERENT, UNDECIDED = "same", "different", "undecided"
FEWEST_POINTS, MOST_POINTS = 5, 24
# Digits of agreement that are taken for equality: of closed forms, and where an integral or a sum was approximated.
ENOUGH_DIGITS, ENOUGH_APPROXIMATE = 40, 12
ROUNDING_DIGITS = 4
LARGEST_EXPONENT = 400
SHOWN = 200
# Shares of the time left: for working one side out, for its value at one point, for simplifying at last.
REFERENCE_SHARE, ANSWER_SHARE, POINT_SHARE, SIMPLIFY_SHARE = 0.4, 0.5, 0.3, 0.9


def answer(reference: str, answer: str, deadline: float, reference_done: Callable[[], None]) -> dict[str, str]:
    """Return what a comparison found, as the fields of an Outcome."""
    budget = Budget(deadline)
    found = {"relation": "", "detail": "", "reference_read": "", "answer_read": ""}
    try:
        left = _read(reference)
        found["reference_read"] = _shown(left)
    except Unreadable as error:
        return {**found, "relation": "unreadable_reference", "detail": str(error)}
    comparison = _Comparison(budget)
    for value in _values_in(left):  # alone, so that time spent on the reference is known to be the reference's
        comparison.value(value, REFERENCE_SHARE).try_out(budget)
    reference_done()
    try:
        right = _read(answer)
        found["answer_read"] = _shown(right)
    except Unreadable as error:
        return {**found, "relation": "unreadable_answer", "detail": str(error)}
    relation = comparison.compare(left, right)
    if relation == UNDECIDED and comparison.reference_unknown and budget.cut_short:
        return {**found, "relation": "reference_timeout", "detail": "the reference could not be worked out in time"}
    return {**found, "relation": relation, "detail": comparison.why}


def _read(text: str) -> Expr:
    try:
        expr = read_calculus(text)
        for value in _values_in(expr):
            build(value)
        return expr
    except Unreadable as first:
        from .slow_latex import read_latex

        try:
            return read_latex(text)
        except Unreadable:
            raise first from None


def _shown(expr: Expr) -> str:
    return show(_spelled(expr))[:SHOWN]


def _spelled(expr: Expr) -> Expr:
    """Return the expression with what only the slow lane knows as one symbol, so that it can be shown."""
    tag = expr[0] if expr else None
    if tag == "int":
        low, high = ("" if end is None else show(_spelled(end)) for end in expr[2:4])
        return ("sym", f"int({show(_spelled(expr[4]))}, {expr[1]}" + (f"={low}..{high})" if low else ")"))
    if tag == "lim":
        return ("sym", f"lim({show(_spelled(expr[4]))}, {expr[1]}->{show(_spelled(expr[2]))}{expr[3]})")
    if tag == "diff":
        return ("sym", f"diff({show(_spelled(expr[3]))}, {expr[1]}{f', {expr[2]}' if expr[2] > 1 else ''})")
    if tag == "sympy":
        return ("sym", str(expr[1]))
    return tuple(_spelled(part) if isinstance(part, tuple) else part for part in expr)


class _Value:
    """One side's value: its expression, worked out as far as possible, and its numbers at the points asked for."""

    def __init__(self, expr: Expr, budget: Budget, share: float) -> None:
        self.decimal = _decimal(expr)
        self.raw = build(expr)
        self.complex = self.raw.has(sympy.I)
        self.antiderivative = any(len(limit) == 1 for node in self.raw.atoms(sympy.Integral) for limit in node.limits)
        exact = work_out(self.raw, budget, share)
        self.known = exact is not None
        self.exact: sympy.Expr = self.raw if exact is None else exact
        self.numbers: dict[tuple[Any, ...], Number | Exception] = {}

    @property
    def rational(self) -> Fraction | None:
        if self.exact.is_Rational:
            return Fraction(int(self.exact.p), int(self.exact.q))
        return None

    @property
    def closed(self) -> bool:
        return self.known and not self.exact.has(*UNFINISHED)

    def at(self, point: Mapping[sympy.Symbol, Fraction], complex_plane: bool, budget: Budget) -> Number | Exception:
        """Return the value at a point, remembered, or why there is none."""
        own = {symbol: value for symbol, value in point.items() if symbol in self.raw.free_symbols}
        key = (complex_plane, *own.values())
        if key not in self.numbers:

            def work() -> Number | Exception:
                try:
                    return evaluate(self.exact, own, complex_plane)
                except (Undefined, Unsupported) as error:
                    return error

            self.numbers[key] = budget.within(POINT_SHARE, work) or Unsupported("it takes too long")
        return self.numbers[key]

    def try_out(self, budget: Budget) -> None:
        """Evaluate once what could not be worked out, so that the time it takes is spent while it is alone."""
        if not self.closed:
            whole = _whole_symbols(self.raw)
            self.at({s: _sample(str(s), 0, s in whole) for s in self.raw.free_symbols}, self.complex, budget)


class _Comparison:
    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.why = ""
        self.reference_unknown = False
        self.known: dict[Expr, _Value] = {}

    def value(self, expr: Expr, share: float = ANSWER_SHARE) -> _Value:
        if expr not in self.known:
            self.known[expr] = _Value(expr, self.budget, share)
        return self.known[expr]

    # ---- statements and collections

    def compare(self, a: Expr, b: Expr) -> str:
        """Compare reference `a` and answer `b`, with the rules that hold for whole answers only."""
        if a == b:
            self.why = "they say the same in the same form"
            return SAME
        percent = a[0] == "pct", b[0] == "pct"
        if percent == (True, False) and self.same(a[1], b) == SAME:
            return SAME
        return self.same(a, b)

    def same(self, a: Expr, b: Expr) -> str:
        if a == b:
            return SAME
        a, b = _plain(a), _plain(b)
        if a[0] == "qty" or b[0] == "qty":
            return self.quantities(a, b)
        if "named" in (a[0], b[0]):
            return self.named(a, b)
        if "chain" in (a[0], b[0]):
            return self.chains(a, b)
        if "range" in (a[0], b[0]):
            if a[0] == b[0] and a[1] != b[1]:
                return self.because(DIFFERENT, f"{a[1]} is not {b[1]}")
            return self.same(*(side[2] if side[0] == "range" else side for side in (a, b)))
        if a[0] in _SHAPES or b[0] in _SHAPES:
            return self.collections(a, b)
        if not (_is_value(a) and _is_value(b)):
            return self.because(DIFFERENT, "one is a statement or words, the other is not")
        return self.values(a, b)

    def because(self, relation: str, why: str) -> str:
        self.why = why
        return relation

    def all(self, pairs: Iterable[tuple[Expr, Expr]]) -> str:
        """Compare pair by pair: one difference is a difference."""
        worst = SAME
        for a, b in pairs:
            relation = self.same(a, b)
            if relation == DIFFERENT:
                return DIFFERENT
            if relation == UNDECIDED:
                worst = UNDECIDED
        return worst

    def unordered(self, a: list[Expr], b: list[Expr]) -> str:
        """Compare as sets: every member of each has its equal in the other."""
        worst = SAME
        for members, others, swapped in ((a, b, False), (b, a, True)):
            for member in members:
                relations = {self.same(*((other, member) if swapped else (member, other))) for other in others}
                if SAME not in relations:
                    if UNDECIDED not in relations:
                        return self.because(DIFFERENT, f"{_shown(member)} is in only one of the two")
                    worst = UNDECIDED
        return worst

    def quantities(self, a: Expr, b: Expr) -> str:
        if a[0] == b[0] == "qty":
            (scale_a, kind_a), (scale_b, kind_b) = a[2][0], b[2][0]
            if kind_a != kind_b:
                return self.because(DIFFERENT, "the units differ")
            return self.same(("*", ("num", Fraction(scale_a)), a[1]), ("*", ("num", Fraction(scale_b)), b[1]))
        return self.same(*(side[1] if side[0] == "qty" else side for side in (a, b)))

    def named(self, a: Expr, b: Expr) -> str:
        if a[0] == b[0] == "named" and a[1] != b[1] and a[1].isalnum() and b[1].isalnum():
            if not (_is_value(a[2]) and _is_value(b[2])):
                return self.because(DIFFERENT, f"{a[1]} is not {b[1]}")
            return self.equations(("sym", a[1]), a[2], ("sym", b[1]), b[2])
        if "chain" in (a[0], b[0]) and "named" in (a[0], b[0]):
            chain, named = (a, b) if a[0] == "chain" else (b, a)
            if chain[2] == ("=",) and all(map(_is_value, (*chain[1], named[2]))):
                return self.equations(*chain[1], ("sym", named[1]), named[2])
        return self.same(*(side[2] if side[0] == "named" else side for side in (a, b)))

    def chains(self, a: Expr, b: Expr) -> str:
        if a[0] == b[0] == "chain":
            if a[2] == b[2] and len(a[1]) == len(b[1]) and self.all(zip(a[1], b[1], strict=True)) == SAME:
                return SAME
            if a[2] == b[2] == ("=",) and all(map(_is_value, (*a[1], *b[1]))) and (self.open(a) or self.open(b)):
                return self.equations(*a[1], *b[1])
        a_value, b_value = self.end_of(a), self.end_of(b)
        if a_value is None or b_value is None:
            return self.because(UNDECIDED if a[0] == b[0] else DIFFERENT, "a relation is not a value")
        relations = {self.all(pairwise(side[1])) for side in (a, b) if side[0] == "chain"}
        if DIFFERENT in relations:
            return self.because(DIFFERENT, "the equation does not hold")
        if UNDECIDED in relations:
            return UNDECIDED
        return self.same(a_value, b_value)

    def open(self, chain: Expr) -> bool:
        """Tell whether an equation depends on variables; one that does not is true or false."""
        return any(build(side).free_symbols for side in chain[1])

    @staticmethod
    def end_of(expr: Expr) -> Expr | None:
        if expr[0] != "chain":
            return expr
        return expr[1][-1] if set(expr[2]) == {"="} else None

    def equations(self, a: Expr, b: Expr, c: Expr, d: Expr) -> str:
        """Compare a = b with c = d: the same relation when a - b is a constant times c - d."""
        one, two = ("+", a, ("neg", b)), ("+", c, ("neg", d))
        for side in (one, two):
            if self.values(side, ("num", 0)) == SAME:
                return self.because(UNDECIDED, "an equation that always holds")
        ratio: Expr = ("/", one, two)
        value = self.value(ratio)
        numbers = [n for _, n in self.numbers(value, value) if isinstance(n, Number)][:FEWEST_POINTS]
        if len(numbers) < FEWEST_POINTS:
            return self.because(UNDECIDED, "the equations could not be evaluated")
        if all(_agree(number, numbers[0]) for number in numbers[1:]):
            return self.because(SAME, "the equations are multiples of each other")
        return self.because(DIFFERENT, "the equations are not multiples of each other")

    def collections(self, a: Expr, b: Expr) -> str:
        tags = {a[0], b[0]}
        if tags <= {"list", "set"}:
            return self.unordered(list(a[1:]), list(b[1:]))
        if tags <= {"tuple", "list"}:
            if len(a) != len(b):
                return self.because(DIFFERENT, f"{len(a) - 1} entries are not {len(b) - 1}")
            return self.all(zip(a[1:], b[1:], strict=True))
        if tags == {"interval"}:
            if a[3:5] != b[3:5]:
                return self.because(DIFFERENT, "an end is open in only one of the two")
            return self.all(((a[1], b[1]), (a[2], b[2])))
        if tags == {"interval", "tuple"}:  # (1, 2) is both
            pair, interval = (a, b) if a[0] == "tuple" else (b, a)
            if len(pair) == 3 and interval[3] and interval[4]:
                return self.all(((a[1], b[1]), (a[2], b[2])))
        if tags <= {"union", "interval"}:
            return self.unordered(*(list(side[1:]) if side[0] == "union" else [side] for side in (a, b)))
        if tags == {"system"}:
            return self.unordered(list(a[1:]), list(b[1:]))
        if tags == {"minus"}:
            return self.all(zip(a[1:], b[1:], strict=True))
        if tags == {"matrix"}:
            if [len(row) for row in a[1]] != [len(row) for row in b[1]]:
                return self.because(DIFFERENT, "the matrices differ in size")
            return self.all(pair for rows in zip(a[1], b[1], strict=True) for pair in zip(*rows, strict=True))
        if tags == {"matrix", "tuple"}:
            a, b = (_vector(side) for side in (a, b))
            if a[0] == b[0]:
                return self.collections(a, b)
        for one, other in ((a, b), (b, a)):
            if one[0] in ("list", "set") and other[0] not in _SHAPES:
                return self.unordered(list(one[1:]), [other])
        return self.because(DIFFERENT, f"a {a[0]} is not a {b[0]}")

    # ---- values

    def values(self, a: Expr, b: Expr) -> str:
        left, right = self.value(a), self.value(b)
        if left.antiderivative != right.antiderivative:
            return self.because(DIFFERENT, "an antiderivative is only known up to a constant, and is left undone")
        if left.exact == right.exact and not left.exact.has(sympy.nan, sympy.zoo):
            return self.because(SAME, "they come to the same")
        if left.exact.is_infinite or right.exact.is_infinite:
            return self.because(DIFFERENT, "only one is infinite")
        for side in (left, right):
            if side.exact.has(sympy.nan, sympy.zoo, sympy.AccumBounds):
                return self.because(UNDECIDED, "it has no value")
        for one, other in ((left, right), (right, left)):
            if one.decimal is not None and other.decimal is None and not other.raw.free_symbols:
                return self.rounded(one.decimal, other)
        if left.rational is not None and right.rational is not None:
            return self.because(DIFFERENT, f"{left.exact} is not {right.exact}"[:SHOWN])
        return self.by_points(left, right)

    def by_points(self, left: _Value, right: _Value) -> str:
        agreed = 0
        fewest = FEWEST_POINTS if left.raw.free_symbols | right.raw.free_symbols else 1
        for one, two in self.numbers(left, right):
            if isinstance(one, Number) and isinstance(two, Number):
                verdict = _agree(one, two)
                if verdict is None:
                    continue
                if not verdict:
                    return self.because(DIFFERENT, "their values differ")
                agreed += 1
                if agreed == fewest:
                    return self.because(SAME, "their values agree to many digits")
            elif {type(one), type(two)} == {Number, Undefined}:
                return self.because(DIFFERENT, "one has a value where the other has none")
            elif fewest == 1 and isinstance(one, Undefined):
                return self.because(UNDECIDED, "it has no value")
        self.reference_unknown = not left.closed
        if not (left.known and right.known):
            return self.because(UNDECIDED, "it could not be worked out")
        if self.budget.within(SIMPLIFY_SHARE, lambda: sympy.simplify(left.exact - right.exact)) == 0:
            return self.because(SAME, "their difference simplifies to 0")
        return self.because(UNDECIDED, "neither working them out nor their values could decide")

    def numbers(self, left: _Value, right: _Value) -> Iterable[tuple[Number | Exception, Number | Exception]]:
        """Yield both values at one point after another; at one only if there are no variables."""
        complex_plane = left.complex or right.complex
        symbols = sorted(left.raw.free_symbols | right.raw.free_symbols, key=str)
        whole = _whole_symbols(left.raw) | _whole_symbols(right.raw)
        for number in range(MOST_POINTS if symbols else 1):
            point = {symbol: _sample(str(symbol), number, symbol in whole) for symbol in symbols}
            yield left.at(point, complex_plane, self.budget), right.at(point, complex_plane, self.budget)

    def rounded(self, decimal: tuple[Fraction, int, int], exact: _Value) -> str:
        """Compare a decimal with a value: equal, or its rounding if it cannot be written out."""
        written, places, digits = decimal
        if (ratio := exact.rational) is not None:
            finite = _without(_without(ratio.denominator, 2), 5) == 1
        else:
            number = exact.at({}, exact.complex, self.budget)
            if not isinstance(number, Number) or number.digits < digits + 3 or not hasattr(number.value, "man_exp"):
                return self.because(UNDECIDED, "the value could not be found to enough digits")
            man, exp = number.value.man_exp
            ratio = Fraction(man) * Fraction(2) ** exp
            # A value that ends in zeros as far as it is known is taken to end there.
            scaled = ratio * 10 ** max(number.digits // 2, 1)
            finite = abs(scaled - round(scaled)) < Fraction(1, 10 ** (number.digits // 3))
            ratio = Fraction(round(scaled), 10 ** max(number.digits // 2, 1)) if finite else ratio
        if finite:
            if ratio == written:
                return self.because(SAME, "the decimal is the exact value")
            return self.because(DIFFERENT, "the value has a finite decimal expansion, and this is another")
        if digits < ROUNDING_DIGITS:
            return self.because(DIFFERENT, f"a rounded value needs at least {ROUNDING_DIGITS} significant digits")
        gap = (abs(ratio) - abs(written)) * Fraction(10) ** places
        if (ratio < 0) == (written < 0) and -Fraction(1, 2) <= gap < 1:
            return self.because(SAME, "the decimal is the value, rounded or cut")
        return self.because(DIFFERENT, "the decimal is not the value, rounded or cut")


_SHAPES = frozenset(("list", "set", "tuple", "interval", "union", "minus", "matrix", "system"))
_STATEMENTS = frozenset(("named", "chain", "range", "text", "false", "approx", "system", "qty"))


def _is_value(expr: Expr) -> bool:
    return expr[0] not in _SHAPES and expr[0] not in _STATEMENTS


def _plain(expr: Expr) -> Expr:
    """Spell out plus or minus, and take an approximation for what it approximates."""
    if expr[0] == "approx":
        return _plain(expr[1])
    if expr[0] in ("pm", "mp"):
        return ("list", ("+", expr[1], expr[2]), ("+", expr[1], ("neg", expr[2])))
    return expr


def _vector(expr: Expr) -> Expr:
    if expr[0] == "matrix" and (len(expr[1]) == 1 or all(len(row) == 1 for row in expr[1])):
        return ("tuple", *(entry for row in expr[1] for entry in row))
    return expr


def _values_in(expr: Expr) -> list[Expr]:
    """Return the values that a statement or collection is made of."""
    expr = _plain(expr)
    if _is_value(expr):
        return [expr]
    if expr[0] == "text" or expr[0] == "false":
        return []
    found: list[Expr] = []
    for part in expr[1:2] if expr[0] == "qty" else expr[1:]:
        if (
            isinstance(part, tuple)
            and part
            and isinstance(part[0], str)
            and part[0] not in ("=", "<", ">", "le", "ge", "ne")
        ):
            found += _values_in(part)
        elif isinstance(part, tuple):
            found += [value for inner in part if isinstance(inner, tuple) for value in _values_in_row(inner)]
    return found


def _values_in_row(inner: Expr) -> list[Expr]:
    return _values_in(inner) if inner and isinstance(inner[0], str) else [v for part in inner for v in _values_in(part)]


def _decimal(expr: Expr) -> tuple[Fraction, int, int] | None:
    """Return (value, places after the point, significant digits) of a number written with a point, or 1.5 * 10^3."""
    if expr[0] == "neg":
        inside = _decimal(expr[1])
        return None if inside is None else (-inside[0], *inside[1:])
    if expr[0] == "dec":
        return Fraction(expr[1]), expr[2], expr[3]
    if expr[0] == "*" and len(expr) == 3 and expr[1][0] == "dec" and expr[2][:2] == ("^", ("num", 10)):
        power = expr[2][2]
        exponent = (
            -power[1][1] if power[0] == "neg" and power[1][0] == "num" else power[1] if power[0] == "num" else None
        )
        if isinstance(exponent, int) and abs(exponent) < LARGEST_EXPONENT:
            return Fraction(expr[1][1]) * Fraction(10) ** exponent, expr[1][2] - exponent, expr[1][3]
    return None


def _without(number: int, factor: int) -> int:
    while number % factor == 0:
        number //= factor
    return number


def _agree(one: Number, two: Number) -> bool | None:
    """Tell whether two values agree in all the digits that they have; None if those are too few to tell."""
    digits = min(one.digits, two.digits)
    enough = ENOUGH_DIGITS if digits > EXACT_DIGITS[0] // 2 else ENOUGH_APPROXIMATE
    with mpmath.workdps(EXACT_DIGITS[1]):
        size = max(abs(one.value), abs(two.value))
        gap = abs(one.value - two.value)
        tolerance = mpmath.mpf(10) ** -min(digits - 2, enough)
        if gap <= size * tolerance or (size < mpmath.mpf(10) ** -enough and digits < EXACT_DIGITS[0]):
            return True if digits - 2 >= ENOUGH_APPROXIMATE else None
        return False if gap > size * tolerance * 1000 else None


def _whole_symbols(expr: sympy.Basic) -> set[sympy.Symbol]:
    """Return the variables that stand for whole numbers: where a sum ends, under a factorial, above a minus one."""
    whole: set[sympy.Symbol] = set()
    for node in sympy.preorder_traversal(expr):
        if isinstance(node, (sympy.Sum, sympy.Product)):
            whole.update(symbol for limit in node.limits for bound in limit[1:] for symbol in bound.free_symbols)
        elif isinstance(node, (sympy.factorial, sympy.binomial)):
            whole |= node.free_symbols
        elif isinstance(node, sympy.Pow) and not node.base.free_symbols and node.base.could_extract_minus_sign():
            whole |= node.exp.free_symbols
    return whole


def _sample(name: str, number: int, whole: bool) -> Fraction:
    """Return the value of a variable at a point: fixed, without pattern, of both signs and all sizes."""
    chance = random.Random(hashlib.sha256(f"{name}/{number}".encode()).digest())
    if whole:
        return Fraction(number + 1 if len(name) == 1 and number < 3 else chance.randint(1, 9))
    size = (1, 3, 12, 1)[number % 4]
    value = Fraction(chance.randint(1, 997) * size, 997)
    return value if number % 3 else -value
