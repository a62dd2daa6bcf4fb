"""Are a reference and an answer the same? Takes statements and collections apart until values are left.

The rules are those of docs/answers.md; here they stand for what the fast lane could not read or decide. One difference
makes a difference; what remains undecided makes the whole undecided. Values are compared in slow_values.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import pairwise

from .expr import Expr, Unreadable, show
from .slow_algebra import Budget, build
from .slow_latex import read_latex
from .slow_numbers import Number
from .slow_read import IncompleteConstruct, check_text, read_calculus
from .slow_values import (
    DIFFERENT,
    FEWEST_POINTS,
    REFERENCE_SHARE,
    SAME,
    UNDECIDED,
    Values,
    agree,
    as_fraction,
    decimal_of,
    is_rounding,
)

__all__ = ["compare_texts"]

SHOWN = 200  # characters of how a text was read


def compare_texts(
    reference: str, answer: str, deadline: float, reference_done: Callable[[bool], None]
) -> dict[str, str]:
    """Return what a comparison found, as the fields of an Outcome.

    reference_done is told, when the answer's turn comes, whether there was time enough for the reference.
    """
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
    # Settled before the answer is looked at: no answer can bring it about that its reference is blamed.
    in_time = not budget.cut_short
    reference_done(in_time)
    try:
        right = _read(answer)
        found["answer_read"] = _shown(right)
    except Unreadable as error:
        return {**found, "relation": "unreadable_answer", "detail": str(error)}
    relation = comparison.compare(left, right)
    if relation == UNDECIDED and not in_time:
        return {**found, "relation": "reference_timeout", "detail": "the reference could not be worked out in time"}
    why = comparison.why if _is_value(left) or relation != SAME else "part by part they are the same"
    return {**found, "relation": relation, "detail": why}


def _read(text: str) -> Expr:
    """Read with our own reader, then with latex2sympy."""
    check_text(text)
    try:
        expr = read_calculus(text)
        for value in _values_in(expr):
            build(value)
        return expr
    except Unreadable as first:
        if isinstance(first, IncompleteConstruct):  # latex2sympy would guess what is missing
            raise
        try:
            return read_latex(text)
        except Unreadable:
            raise first from None


def _shown(expr: Expr) -> str:
    try:
        return show(_spelled(expr))[:SHOWN]
    except (ArithmeticError, ValueError, RecursionError):
        return "something too long to show"


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


class _Comparison(Values):
    def compare(self, a: Expr, b: Expr) -> str:
        """Compare reference `a` and answer `b`, with the rules that hold for whole answers only."""
        if a == b:
            self.why = "they say the same in the same form"
            return SAME
        percent = a[0] == "pct", b[0] == "pct"
        if percent == (True, False) and self.same(a[1], b) == SAME:
            return SAME
        if (a[0] == "deg") != (b[0] == "deg") and self.same(
            *(side[1] if side[0] == "deg" else side for side in (a, b))
        ) == SAME:
            return SAME
        return self.same(a, b)

    def same(self, a: Expr, b: Expr) -> str:
        if a == b:
            return SAME
        a, b = _plain(a), _plain(b)
        if not (self.roundings_hold(a) and self.roundings_hold(b)):
            return self.because(DIFFERENT, "what stands after the sign of approximation is not near")
        a, b = _exact(a), _exact(b)
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

    def roundings_hold(self, expr: Expr) -> bool:
        """Tell whether what is said to be approximately so is, as a decimal of whatever length."""
        if expr[0] != "approx":
            return True
        exact, shown = self.end_of(expr[1]), decimal_of(expr[2])
        if exact is None or not _is_value(exact) or shown is None:
            return False
        number = self.value(exact).at({}, False, self.budget)
        return isinstance(number, Number) and is_rounding(as_fraction(number), *shown[:2])

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
                if not self.value(named[2]).symbols and self.open(chain):
                    return self.because(DIFFERENT, f"{named[1]} does not stand alone in only one of the two")
                left, right = chain[1]
                return self.equations(left, right, ("sym", named[1]), named[2])
        return self.same(*(side[2] if side[0] == "named" else side for side in (a, b)))

    def chains(self, a: Expr, b: Expr) -> str:
        if a[0] == b[0] == "chain":
            if a[2] == b[2] and len(a[1]) == len(b[1]) and self.all(zip(a[1], b[1], strict=True)) == SAME:
                return SAME
            if a[2] == b[2] == ("=",) and all(map(_is_value, (*a[1], *b[1]))) and (self.open(a) or self.open(b)):
                (left, right), (other_left, other_right) = a[1], b[1]
                return self.equations(left, right, other_left, other_right)
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
        return any(self.value(side).symbols for side in chain[1])

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
        if all(agree(number, numbers[0]) for number in numbers[1:]):
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


_SHAPES = frozenset(("list", "set", "tuple", "interval", "union", "minus", "matrix", "system"))
_STATEMENTS = frozenset(("named", "chain", "range", "text", "false", "approx", "system", "qty"))


def _is_value(expr: Expr) -> bool:
    return expr[0] not in _SHAPES and expr[0] not in _STATEMENTS


def _plain(expr: Expr) -> Expr:
    """Spell out plus or minus, and take an approximation for what it approximates."""
    if expr[0] == "chain" and "approx" in expr[2]:
        sides, operators = expr[1], expr[2]
        at = operators.index("approx")
        exact = sides[0] if at == 0 else ("chain", sides[: at + 1], operators[:at])
        return ("approx", exact, sides[at + 1]) if at + 2 == len(sides) else ("false",)
    if expr[0] in ("pm", "mp"):
        return ("list", ("+", expr[1], expr[2]), ("+", expr[1], ("neg", expr[2])))
    return expr


def _exact(expr: Expr) -> Expr:
    return expr[1] if expr[0] == "approx" else expr


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
