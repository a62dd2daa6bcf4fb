"""Are two values the same? By working them out, by their numbers at many points, and by simplifying.

"same" rests on equal exact values, on agreement to many digits (at several points, where there are variables), or on a
difference that simplifies to zero; "different" on a clear difference; anything else is "undecided", a value that does
not exist included. Variables take real values of both signs; those that stand for whole numbers (the end of a sum, what
is under a factorial) take whole ones. Where one side has a real value and the other none, they differ.

A decimal with at least four significant digits meets a value that has no finite decimal expansion when it is that
value, rounded or cut at its last digit. Nothing else is approximate.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import mpmath
import sympy

from .expr import Expr
from .slow_algebra import INFINITIES, UNFINISHED, Budget, build, work_out
from .slow_numbers import Number, Undefined, Unsupported, evaluate

__all__ = [
    "DIFFERENT",
    "FEWEST_POINTS",
    "REFERENCE_SHARE",
    "SAME",
    "UNDECIDED",
    "Value",
    "Values",
    "agree",
    "as_fraction",
    "decimal_of",
    "is_rounding",
]

SAME, DIFFERENT, UNDECIDED = "same", "different", "undecided"
FEWEST_POINTS, MORE_POINTS, MOST_POINTS = 5, 7, 24
ISOLATED_POINTS = 1
LARGEST_WHOLE = 29  # a prime, so that whole numbers taken in even steps below it do not repeat
# Digits: more than 40 are not asked for; an integral that was approximated must come to 12.
MOST_AGREEMENT, LEAST_AGREEMENT, SPARE_DIGITS = 40, 12, 3
CLEARLY = 10**3  # times the tolerance, above which two values differ
ROUNDING_DIGITS = 4
LARGEST_EXPONENT = 400
# Shares of the time left: for working one side out, for its value at one point, for simplifying at last.
REFERENCE_SHARE, ANSWER_SHARE, POINT_SHARE, SIMPLIFY_SHARE = 0.5, 0.6, 0.3, 0.9
# Of the values that variables take; small ones where a series may be left, since most converge near 0.
SIZES, SERIES_SIZES = (1, 3, 12, 1, 60, 5), (1, 1, 1, 1, 1, 3)

Point = Mapping[sympy.Symbol, Fraction]


class Value:
    """One side's value: its expression, worked out as far as possible, and its numbers at the points asked for."""

    def __init__(self, expr: Expr, budget: Budget, share: float) -> None:
        self.decimal = decimal_of(expr)
        self.raw = build(expr)
        self.symbols: set[sympy.Symbol] = self.raw.free_symbols
        self.whole = _whole_symbols(self.raw)
        self.complex: bool = self.raw.has(sympy.I)
        self.antiderivative = any(len(end) == 1 for node in self.raw.atoms(sympy.Integral) for end in node.limits)
        exact = work_out(self.raw, budget, share)
        self.known = exact is not None
        self.exact: sympy.Expr = self.raw if exact is None else exact
        self.numbers: dict[tuple[Any, ...], Number | Exception] = {}

    @property
    def rational(self) -> Fraction | None:
        return Fraction(int(self.exact.p), int(self.exact.q)) if self.exact.is_Rational else None

    @property
    def closed(self) -> bool:
        """Tell whether nothing in it is left to work out."""
        return self.known and not self.exact.has(*UNFINISHED)

    @property
    def exists(self) -> bool:
        return not self.exact.has(sympy.nan, sympy.zoo, sympy.AccumBounds)

    def at(self, point: Point, complex_plane: bool, budget: Budget) -> Number | Exception:
        """Return the value at a point, remembered, or why there is none."""
        own = {symbol: value for symbol, value in point.items() if symbol in self.symbols}
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
            self.at({s: _sample(s.name, 0, s in self.whole, SERIES_SIZES) for s in self.symbols}, self.complex, budget)


class Values:
    """Compares values within a budget, remembers what they came to, and says why."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.why = ""
        self.known: dict[Expr, Value] = {}

    def value(self, expr: Expr, share: float = ANSWER_SHARE) -> Value:
        if expr not in self.known:
            self.known[expr] = Value(expr, self.budget, share)
        return self.known[expr]

    def because(self, relation: str, why: str) -> str:
        self.why = why
        return relation

    def values(self, reference: Expr, answer: Expr) -> str:
        left, right = self.value(reference), self.value(answer)
        if left.antiderivative != right.antiderivative:
            return self.because(DIFFERENT, "an antiderivative is only known up to a constant, and is left undone")
        if not (left.exists and right.exists):
            return self.because(UNDECIDED, "it has no value")
        if left.exact == right.exact:
            return self.because(SAME, "they come to the same")
        if left.exact in INFINITIES or right.exact in INFINITIES:
            return self.because(DIFFERENT if left.closed and right.closed else UNDECIDED, "only one is infinite")
        for one, other in ((left, right), (right, left)):
            if one.decimal is not None and other.decimal is None and not other.symbols:
                return self.rounded(one.decimal, other)
        if left.rational is not None and right.rational is not None:
            return self.because(DIFFERENT, "their values differ")
        return self.by_points(left, right)

    def by_points(self, left: Value, right: Value) -> str:
        agreed = exceptions = 0
        fewest = FEWEST_POINTS if left.symbols | right.symbols else 1
        for one, two in self.numbers(left, right):
            if isinstance(one, Number) and isinstance(two, Number):
                verdict = agree(one, two)
                if verdict is False:
                    return self.because(DIFFERENT, "their values differ")
                agreed += verdict is True
                if agreed == fewest:
                    return self.because(SAME, "their values agree to many digits")
            elif {type(one), type(two)} == {Number, Undefined}:
                exceptions += 1
                if exceptions > ISOLATED_POINTS or fewest == 1:
                    return self.because(DIFFERENT, "one has a value where the other has none")
                fewest += MORE_POINTS  # one isolated point does not make a difference; is it one?
        if not (left.known and right.known):
            return self.because(UNDECIDED, "it could not be worked out")
        if self.budget.within(SIMPLIFY_SHARE, lambda: sympy.simplify(left.exact - right.exact)) == 0:
            return self.because(SAME, "their difference simplifies to 0")
        return self.because(UNDECIDED, "neither working them out nor their values could decide")

    def numbers(self, left: Value, right: Value) -> Iterator[tuple[Number | Exception, Number | Exception]]:
        """Yield both values at one point after another; at one only if there are no variables."""
        complex_plane = left.complex or right.complex
        symbols = sorted(left.symbols | right.symbols, key=lambda symbol: str(symbol.name))
        whole = left.whole | right.whole
        sizes = SIZES if left.closed and right.closed else SERIES_SIZES
        for number in range(MOST_POINTS if symbols else 1):
            point = {symbol: _sample(symbol.name, number, symbol in whole, sizes) for symbol in symbols}
            yield left.at(point, complex_plane, self.budget), right.at(point, complex_plane, self.budget)

    def rounded(self, decimal: tuple[Fraction, int, int], exact: Value) -> str:
        """Compare a decimal with a value: equal, or its rounding if it cannot be written out."""
        written, places, digits = decimal
        if (ratio := exact.rational) is not None:
            finite = _without(_without(ratio.denominator, 2), 5) == 1
        else:
            number = exact.at({}, exact.complex, self.budget)
            if not isinstance(number, Number) or number.digits < digits + SPARE_DIGITS:
                return self.because(UNDECIDED, "the value could not be found to enough digits")
            if isinstance(number.value, mpmath.mpc):
                return self.because(DIFFERENT, "only one is real")
            ratio, finite = _as_written(number)
        if finite:
            if ratio == written:
                return self.because(SAME, "the decimal is the exact value")
            return self.because(DIFFERENT, "the value has a finite decimal expansion, and this is another")
        if digits < ROUNDING_DIGITS:
            return self.because(DIFFERENT, f"a rounded value needs at least {ROUNDING_DIGITS} significant digits")
        if is_rounding(ratio, written, places):
            return self.because(SAME, "the decimal is the value, rounded or cut")
        return self.because(DIFFERENT, "the decimal is not the value, rounded or cut")


def agree(one: Number, two: Number) -> bool | None:
    """Tell whether two values agree in all the digits that they have; None if those are too few to tell."""
    digits = min(one.digits - SPARE_DIGITS, two.digits - SPARE_DIGITS, MOST_AGREEMENT)
    with mpmath.workdps(2 * MOST_AGREEMENT):
        size = max(abs(one.value), abs(two.value))
        gap = abs(one.value - two.value)
        tolerance = size * mpmath.mpf(10) ** -digits
        if gap <= tolerance:
            return True if digits >= LEAST_AGREEMENT else None
        return False if gap > tolerance * CLEARLY else None


def as_fraction(number: Number) -> Fraction:
    """Return the exact value of the binary digits of a real number."""
    man, exp = number.value.real.man_exp
    return Fraction(int(man)) * Fraction(2) ** int(exp)


def is_rounding(value: Fraction, written: Fraction, places: int) -> bool:
    """Tell whether a decimal is a value rounded or cut to so many places."""
    gap = (abs(value) - abs(written)) * Fraction(10) ** places
    return (value < 0) == (written < 0) and -Fraction(1, 2) <= gap < 1


def _as_written(number: Number) -> tuple[Fraction, bool]:
    """Return a value as a fraction, and whether it ends in zeros as far as it is known (then it is cut there)."""
    ratio = as_fraction(number)
    scale = 10 ** (number.digits // 2)
    nearest = round(ratio * scale)
    finite = abs(ratio * scale - nearest) < Fraction(1, 10 ** (number.digits // 3))
    return (Fraction(nearest, scale), True) if finite else (ratio, False)


def decimal_of(expr: Expr) -> tuple[Fraction, int, int] | None:
    """Return (value, places after the point, significant digits) of a number written with a point, or 1.5 * 10^3."""
    if expr[0] == "neg":
        inside = decimal_of(expr[1])
        return None if inside is None else (-inside[0], *inside[1:])
    if expr[0] == "dec":
        return Fraction(expr[1]), expr[2], expr[3]
    if expr[0] == "*" and len(expr) == 3 and expr[1][0] == "dec" and expr[2][:2] == ("^", ("num", 10)):
        power = expr[2][2]
        sign, power = (-1, power[1]) if power[0] == "neg" else (1, power)
        if power[0] == "num" and isinstance(power[1], int) and abs(power[1]) < LARGEST_EXPONENT:
            exponent = sign * power[1]
            return Fraction(expr[1][1]) * Fraction(10) ** exponent, expr[1][2] - exponent, expr[1][3]
    return None


def _without(number: int, factor: int) -> int:
    while number % factor == 0:
        number //= factor
    return number


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


def _sample(name: str, number: int, whole: bool, sizes: tuple[int, ...]) -> Fraction:
    """Return the value of a variable at a point: fixed, without pattern, of both signs and all sizes."""
    if whole:
        start, step, *_ = hashlib.sha256(name.encode(errors="replace")).digest()
        return Fraction(1 + (start + number * (1 + step % (LARGEST_WHOLE - 1))) % LARGEST_WHOLE)
    chance = random.Random(hashlib.sha256(f"{name}/{number}".encode(errors="replace")).digest())
    value = Fraction(chance.randint(1, 997) * sizes[number % len(sizes)], 997)
    return value if number < 2 or chance.random() < 0.5 else -value
