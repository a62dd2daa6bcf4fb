"""Are two single values the same: numbers, quantities with units, functions of variables?

Equality of functions is decided at random points: exactly for rational functions (a wrong "same" has a chance under
10^-9), to 40 digits for the rest. An answer that agrees there with a reference it does not know is no easier to find than
the reference.
"""

from __future__ import annotations

import math
import random
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from .evaluate import Evaluator, Undefined, is_exact
from .expr import Expr, show, symbols
from .rounding import DOUBLE_DIGITS, MIN_ROUNDED_DIGITS, decimal_of, is_endless, rounds

__all__ = ["BEYOND", "DIFFERENT", "INFINITY", "SAME", "UNDECIDED", "UNSOUND", "Judged", "ValueComparison", "is_plain"]

SAME, DIFFERENT, UNDECIDED = "same", "different", "undecided"
UNSOUND = "unsound"  # the reference has no value, or states what does not hold
BEYOND = "beyond"  # undecided here; computer algebra may know
INFINITY: Expr = ("const", "inf")
_BARE_UNITS = frozenset("mgsL")  # "5m" beside a bare 5
_WHOLE_NUMBER_NAMES = frozenset("nkmjl")


class Judged(NamedTuple):
    """The outcome of a comparison and the reason for it, in words."""

    relation: str
    why: str


class ValueComparison(ABC):
    """Compares values; collections and statements, which hold values, are compared by the classes on top."""

    def __init__(self, reference: Expr, answer: Expr, digits: int = 60) -> None:
        self.digits = digits
        self.random = random.Random(zlib.crc32(repr((reference, answer)).encode()))
        self.evaluators: list[Evaluator] = []
        self.inside = 0  # collections around the parts in hand
        self.work = 2_000  # comparisons of two values
        self.reference, self.answer = reference, answer

    def evaluator(self, values: Mapping[str, int | Fraction] | None = None) -> Evaluator:
        """Return an evaluator at this comparison's precision, and remember it: how far it had to reach tells if that was enough."""
        made = Evaluator(values, self.digits)
        self.evaluators.append(made)
        return made

    @abstractmethod
    def compare(self, reference: Expr, answer: Expr) -> Judged: ...

    @abstractmethod
    def all_same(self, pairs: list[tuple[Expr, Expr]]) -> Judged: ...

    def quantities(self, reference: Expr, answer: Expr) -> Judged:
        if reference[0] == "text" or answer[0] == "text":
            return Judged(DIFFERENT, "one is a word, the other is not")
        if reference[0] == "neg" and reference[1][0] in ("qty", "pct", "deg"):
            reference = (reference[1][0], ("neg", reference[1][1]), *reference[1][2:])
        if answer[0] == "neg" and answer[1][0] in ("qty", "pct", "deg"):
            answer = (answer[1][0], ("neg", answer[1][1]), *answer[1][2:])
        marks = (reference[0], answer[0])
        if "qty" in marks:
            if marks == ("qty", "qty"):
                return self.units(reference, answer)
            quantity, other = (reference, answer) if marks[0] == "qty" else (answer, reference)
            if other[0] == "deg":
                if quantity[2][0][1] != (("radian", 1),):
                    return Judged(DIFFERENT, "the units differ")
                return self.values(
                    reference[1] if marks[0] == "qty" else reference,
                    answer[1] if marks[1] == "qty" else answer,
                )
            if other[0] == "pct":
                return Judged(DIFFERENT, "one is a percentage, the other has a unit")
            return self.compare(
                reference[1] if marks[0] == "qty" else reference, answer[1] if marks[1] == "qty" else answer
            )
        if "deg" in marks and marks != ("deg", "deg"):
            inside = next(side[1] for side in (reference, answer) if side[0] == "deg")
            if "'pi'" not in str(inside):
                bare = self.compare(*(side[1] if side[0] == "deg" else side for side in (reference, answer)))
                if bare.relation == SAME:
                    return bare
            return self.values(reference, answer)
        if marks == ("deg", "deg") or marks == ("pct", "pct"):
            return self.compare(reference[1], answer[1])
        if marks[0] == "pct":
            bare = self.compare(reference[1], answer)
            return bare if bare.relation == SAME else self.values(reference, answer)
        if "based" in marks:
            return self.numerals(reference, answer)
        for one, other in ((reference, answer), (answer, reference)):
            if (
                one[0] == "*"
                and len(one) == 3
                and one[2][0] == "sym"
                and one[2][1] in _BARE_UNITS
                and not symbols(other)
                and not symbols(one[1])
            ):
                return self.values(*(one[1] if side is one else side for side in (reference, answer)))
        if "ratio" in marks:
            return self.ratios(reference, answer)
        return self.values(reference, answer)

    def units(self, reference: Expr, answer: Expr) -> Judged:
        (scale_a, kind_a), words_a = reference[2]
        (scale_b, kind_b), words_b = answer[2]
        if kind_a == kind_b:
            if scale_a == scale_b:
                return self.compare(reference[1], answer[1])
            return self.values(("*", ("num", scale_a), reference[1]), ("*", ("num", scale_b), answer[1]))
        temperatures = [_celsius(side) for side in (reference, answer)]
        if None not in temperatures:
            return self.values(*temperatures)  # type: ignore[arg-type]
        if words_a & words_b:
            return self.compare(reference[1], answer[1])
        return Judged(DIFFERENT, "the units differ")

    def numerals(self, reference: Expr, answer: Expr) -> Judged:
        """A numeral in a base wants its digits; the answer may leave the base out."""
        if reference[0] == answer[0] == "based":
            return Judged(DIFFERENT, "the digits or the base differ")
        if reference[0] == "based" and answer[0] == "num" and str(answer[1]) == reference[1]:
            return Judged(SAME, "the same digits, the base left out")
        return Judged(DIFFERENT, "a numeral in a base is met by its digits only")

    def ratios(self, reference: Expr, answer: Expr) -> Judged:
        if reference[0] == answer[0] == "ratio":
            if len(reference) != len(answer):
                return Judged(DIFFERENT, "the ratios have different lengths")
            if any(part == ("num", 0) for part in (*reference[1:], *answer[1:])):  # 12:00 is a time
                return self.all_same(list(zip(reference[1:], answer[1:], strict=True)))
            return self.all_same(
                [(("*", reference[1], b), ("*", answer[1], a)) for a, b in zip(reference[2:], answer[2:], strict=True)]
            )
        return self.values(reference, answer)

    def values(self, reference: Expr, answer: Expr) -> Judged:
        names = symbols(reference) | symbols(answer)
        if names:
            return self.functions(reference, answer, sorted(names))
        infinite = [_infinite(side) for side in (reference, answer)]
        if any(infinite):
            return Judged(SAME if infinite[0] == infinite[1] else DIFFERENT, "infinity is only itself")
        evaluator = self.evaluator()
        try:
            a = evaluator.value(reference)
        except Undefined as undefined:
            return Judged(UNSOUND, f"the reference has no value: {undefined}")
        try:
            b = evaluator.value(answer)
        except Undefined as undefined:
            return Judged(DIFFERENT, f"the answer has no value: {undefined}")
        if evaluator.equal(a, b):
            return Judged(SAME, "the values are equal")
        for decimal, value in ((decimal_of(answer), a), (decimal_of(reference), b)):
            if (
                decimal is not None
                and is_endless(evaluator, value)
                and decimal[2] >= MIN_ROUNDED_DIGITS
                and rounds(evaluator, decimal, value)
            ):
                return Judged(SAME, f"equal when rounded to {decimal[2]} digits")
        for decimal, value in ((decimal_of(answer), a), (decimal_of(reference), b)):
            if (
                decimal is not None
                and decimal[2] in DOUBLE_DIGITS
                and is_endless(evaluator, value)
                and float(decimal[0]) == float(value)
            ):
                return Judged(SAME, "equal as a double, which is how programs print it")
        for decimal, value in ((decimal_of(answer), a), (decimal_of(reference), b)):
            if decimal is not None and is_endless(evaluator, value) and rounds(evaluator, decimal, value):
                return Judged(
                    DIFFERENT,
                    f"{show(answer)} agrees with {show(reference)} to {decimal[2]} significant digits; "
                    f"{MIN_ROUNDED_DIGITS} are needed",
                )
        return Judged(DIFFERENT, f"the values differ: {_shown(a)} is wanted, {_shown(b)} is given")

    def functions(self, reference: Expr, answer: Expr, names: list[str]) -> Judged:
        plain = is_plain(reference) and is_plain(answer)
        bend = 0 if plain else max(_largest_bend(reference), _largest_bend(answer))
        judged = self.agree(
            reference, answer, self.points(names, plain=plain, beyond=bend), 3 if plain else 8 if bend else 4
        )
        # (-1)^n and cos(n pi) are meant for whole n; factorials exist nowhere else.
        if judged.relation == UNDECIDED or (not plain and _WHOLE_NUMBER_NAMES.issuperset(names)):
            return self.agree(reference, answer, self.whole_points(names), 8)
        return judged

    def agree(self, reference: Expr, answer: Expr, points: Any, enough: int) -> Judged:
        agreed = one_sided = 0
        for values in points:
            evaluator = self.evaluator(values)
            sides = []
            for side in (reference, answer):
                try:
                    sides.append(evaluator.value(side))
                except Undefined:
                    sides.append(None)
            if sides[0] is None or sides[1] is None:
                if sides[0] is not sides[1]:
                    one_sided += 1
                    if one_sided > 2:
                        return Judged(DIFFERENT, "one is defined where the other is not")
                continue
            if not evaluator.equal(sides[0], sides[1]):
                at = ", ".join(f"{name} = {value}" for name, value in values.items())
                return Judged(DIFFERENT, f"the values differ at {at}")
            agreed += 1
            if agreed == enough:
                return Judged(SAME, "the same function of the same variables")
        return Judged(UNDECIDED, "no points were found at which both are defined")

    def points(self, names: list[str], *, plain: bool, beyond: int = 0) -> Iterator[dict[str, int | Fraction]]:
        """Yield values for the symbols: whole numbers for rational functions, else small fractions of both signs.

        beyond: the largest number at which a function may bend (|x - 10|); every other point then lies past it.
        """
        draw = self.random.randint
        for k in range(18):
            if plain:
                yield {name: draw(-30_000, 30_000) or 1 for name in names}
            elif beyond and k % 2:
                yield {name: (-1) ** draw(0, 1) * Fraction(beyond * draw(110, 400), 101) for name in names}
            else:
                sign = -1 if k % 3 == 1 or k % 4 == 2 else 1
                yield {name: Fraction(sign * draw(1, 60 if k % 2 else 500), 101) for name in names}

    def whole_points(self, names: list[str]) -> Iterator[dict[str, int | Fraction]]:
        """Yield small whole numbers, odd and even ones for the first symbol in any case."""
        for k in range(1, 13):
            first = "n" if "n" in names else names[0]
            yield {name: k + 8 * (len(names) > 1) if name == first else self.random.randint(1, 9) for name in names}


def is_plain(expr: Expr) -> bool:
    """Tell whether an expression is a rational function: its value at rational points is exact."""
    tag = expr[0]
    if tag in ("num", "dec", "sym"):
        return True
    if tag == "^":
        return expr[2][0] == "num" and isinstance(expr[2][1], int) and expr[2][1] <= 64 and is_plain(expr[1])
    return tag in ("+", "*", "/", "neg", "mixed") and all(is_plain(part) for part in expr[1:])


_BENDING = frozenset("abs sign min max floor ceil".split())


def _largest_bend(expr: Expr) -> int:
    """Return the size of the largest number in an expression that may bend or jump somewhere; 0 if it has no such part."""
    bends = False
    largest = 1
    stack: list[Any] = [expr]
    while stack:
        part = stack.pop()
        if not isinstance(part, tuple):
            continue
        if part[0] == "num" and abs(part[1]) < 10**120:
            largest = max(largest, abs(math.ceil(part[1])))
        elif (
            part[0] == "^"
            and part[1][0] == part[2][0] == "num"
            and isinstance(part[2][1], int)
            and 0 < part[2][1] <= 120
        ):
            largest = max(largest, abs(math.ceil(part[1][1])) ** part[2][1] if abs(part[1][1]) < 1000 else 1)
        bends = bends or part[0] == "root" or (part[0] == "fn" and part[1] in _BENDING)
        stack.extend(part[1:])
    return largest if bends else 0


def _infinite(expr: Expr) -> int:
    if expr == INFINITY:
        return 1
    return -1 if expr == ("neg", INFINITY) else 0


def _celsius(quantity: Expr) -> Expr | None:
    """Return a temperature in degrees Celsius."""
    kind = quantity[2][0][1]
    if kind == (("celsius", 1),):
        return quantity[1]  # type: ignore[no-any-return]
    if kind == (("kelvin", 1),):
        return ("+", quantity[1], ("num", Fraction(-27315, 100)))
    if kind == (("fahrenheit", 1),):
        return ("*", ("+", quantity[1], ("num", -32)), ("num", Fraction(5, 9)))
    return None


def _shown(value: Any) -> str:
    text = str(value) if is_exact(value) else _nstr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _nstr(value: Any) -> str:
    from mpmath import nstr

    return str(nstr(value, 8))
