"""Do two answers, once read, say the same?

`Comparison(reference, answer).judge()` follows docs/answers.md: values by value, collections by their kind, statements by
what they state. It returns a `Judged`: same, different or undecided, with the reason in words. The two sides are named
because two rules have a direction: a percent sign, and the base of a numeral, may be missing from the answer only.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from .collection_comparison import CollectionComparison, is_pair, without_unit
from .evaluate import NeedsAlgebra, TooLarge, Undefined, is_exact
from .expr import COLLECTIONS, Expr, show, symbols
from .plus_minus import has_sign, signs_chosen
from .rounding import MIN_ROUNDED_DIGITS, decimal_of, rounds
from .value_comparison import BEYOND, DIFFERENT, INFINITY, SAME, UNDECIDED, UNSOUND, Judged, is_plain

__all__ = ["BEYOND", "DIFFERENT", "SAME", "UNDECIDED", "UNSOUND", "Comparison", "Judged"]


MAX_DIGITS = 3_000  # of precision; one evaluation takes milliseconds there


class Comparison(CollectionComparison):
    """Compares what two answers state; one object serves one verdict and bounds its work."""

    def judge(self) -> Judged:
        """Return the relation of the two expressions given.

        Where numbers so large or so small took part that they could hide a difference, the comparison is made again with
        the digits to see it, up to a limit.
        """
        try:
            judged = self.compare(self.reference, self.answer)
        except NeedsAlgebra as needed:
            return Judged(BEYOND, str(needed))
        except TooLarge as large:
            judged = Judged(UNDECIDED, str(large))
        except Undefined as undefined:
            return Judged(UNDECIDED, f"a part has no value: {undefined}")
        except KeyError as unknown:
            return Judged(UNDECIDED, f"no rule compares these forms ({unknown})")
        if judged.relation == DIFFERENT:
            return judged
        reach = max((evaluator.reach for evaluator in self.evaluators), default=0.0)
        wanted = int(2.5 * reach) + 60
        if wanted <= self.digits or reach < 15:
            return judged
        if wanted > MAX_DIGITS:
            return Judged(UNDECIDED, "the numbers differ too much in size to be compared")
        return Comparison(self.reference, self.answer, wanted).judge()

    def compare(self, reference: Expr, answer: Expr) -> Judged:
        self.work -= 1
        if self.work < 0:
            raise TooLarge("too many parts to compare")
        if reference == answer:
            return Judged(SAME, "both have the same form")
        reference, answer = self.resolved(reference), self.resolved(answer)
        if "identity" in (reference[0], answer[0]):
            return Judged(DIFFERENT, "an equation that always holds says nothing")
        if reference[0] == "false":
            return Judged(UNSOUND, "the reference states an equation that does not hold")
        if answer[0] == "false":
            return Judged(DIFFERENT, "the answer states an equation that does not hold")
        if reference[0] == "approx" or answer[0] == "approx":
            return self.approximate(reference, answer)
        if reference[0] == "named" or answer[0] == "named":
            return self.named(reference, answer)
        if reference[0] == "range" or answer[0] == "range":
            return self.ranges(reference, answer)
        if reference[0] == "system" or answer[0] == "system":
            return self.systems(reference, answer)
        if reference[0] == "chain" or answer[0] == "chain":
            return self.relations(reference, answer)
        if reference[0] == "congruence" or answer[0] == "congruence":
            return self.congruences(reference, answer)
        if reference[0] in COLLECTIONS or answer[0] in COLLECTIONS:
            reference, answer = _point(reference), _point(answer)
        if has_sign(reference) or has_sign(answer):
            return self.compare(signs_chosen(reference), signs_chosen(answer))
        if reference[0] in COLLECTIONS or answer[0] in COLLECTIONS:
            return self.collections(reference, answer)
        return self.quantities(reference, answer)

    def resolved(self, expr: Expr) -> Expr:
        """Reduce a chain of equations to what it says: its last side if it holds, ("false",) if it does not."""
        if expr[0] == "named" and expr[2][0] == "chain":
            inner = self.resolved(expr[2])
            return inner if inner[0] == "false" else ("named", expr[1], inner)
        if expr[0] != "chain":
            return expr
        sides, operators = expr[1], expr[2]
        if "approx" in operators:
            cut = operators.index("approx")
            exact = self.resolved(("chain", sides[: cut + 1], operators[:cut])) if cut else sides[0]
            shown = sides[-1]
            if exact[0] in ("false", "chain"):
                return ("false",)
            if not self.shows(shown, exact):
                return ("approx", shown, exact) if len(sides) == 2 and self.shows(exact, shown) else ("false",)
            return ("approx", exact, shown)
        if any(op != "=" for op in operators):
            if len(sides) == 2 or any(symbols(side) for side in sides):
                return expr
            return ("false",)
        distinct = [sides[0]]
        for side in sides[1:]:
            if self.identical(distinct[-1], side):
                distinct[-1] = side
            else:
                distinct.append(side)
        if len(distinct) == 1:
            last: Expr = distinct[0]
            return ("identity",) if self.is_empty(sides) else last
        if all(not symbols(side) for side in distinct) or len(distinct) > 2:
            return ("false",)
        return ("chain", tuple(distinct), ("=",))

    def is_empty(self, sides: tuple[Expr, ...]) -> bool:
        """Tell whether a chain that holds says nothing: x = x, 0 = 0, x - x = 0."""
        if not any(symbols(side) for side in sides):
            return set(sides) == {("num", 0)}
        return len(set(sides)) == 1 or self.identical(sides[-1], ("num", 0))

    def approximate(self, reference: Expr, answer: Expr) -> Judged:
        """Compare `a ≈ b`: its exact side counts, the shown one only where it may stand for the exact one anyway."""
        if answer[0] == "approx":
            exact, shown = answer[1:]
            first = self.compare(reference, exact)
            return self.compare(reference, shown) if first.relation != SAME and _shows_enough(shown) else first
        exact, shown = reference[1:]
        first = self.compare(exact, answer)
        return self.compare(shown, answer) if first.relation != SAME and _shows_enough(shown) else first

    def identical(self, a: Expr, b: Expr) -> bool:
        try:
            return self.compare(a, b).relation == SAME
        except KeyError:
            return False

    def shows(self, shown: Expr, exact: Expr) -> bool:
        """Tell whether a number shown after ≈ is the exact one, rounded or cut at its last digit."""
        if symbols(exact) or symbols(shown):
            return False
        evaluator = self.evaluator()
        decimal = decimal_of(shown) or ((shown[1], Fraction(1), 1) if shown[0] == "num" else None)
        value = evaluator.value(without_unit(exact))
        if decimal is None:
            return evaluator.equal(value, evaluator.value(without_unit(shown)))
        return evaluator.equal(value, decimal[0]) or rounds(evaluator, decimal, value)

    def named(self, reference: Expr, answer: Expr) -> Judged:
        if reference[0] == "named" and answer[0] == "named":
            if _same_name(reference[1], answer[1]):
                return self.compare(reference[2], answer[2])
            renamed = _renamed(reference, answer)
            if renamed is not None:
                return self.compare(reference[2], renamed)
            if symbols(reference[2]) and symbols(answer[2]):
                return self.relations(_as_equation(reference), _as_equation(answer))
            return Judged(DIFFERENT, f"the reference is about {reference[1]}, the answer about {answer[1]}")
        name, value, other = (
            (reference[1], reference[2], answer) if reference[0] == "named" else (answer[1], answer[2], reference)
        )
        if other[0] == "chain":
            if not symbols(value):
                return Judged(DIFFERENT, f"{name} does not stand alone in {show(other)}")
            named, chain = ("named", name, value), other
            return (
                self.relations(_as_equation(named), chain)
                if reference is not other
                else self.relations(chain, _as_equation(named))
            )
        if other[0] == "range":
            return Judged(DIFFERENT, "one is a value, the other a range of values")
        if other[0] == "system":
            return Judged(DIFFERENT, "one names a single value, the other several")
        return self.compare(value, other) if reference[0] == "named" else self.compare(other, value)

    def ranges(self, reference: Expr, answer: Expr) -> Judged:
        if reference[0] == "range" and answer[0] == "range" and not _same_name(reference[1], answer[1]):
            return Judged(DIFFERENT, f"the reference is about {reference[1]}, the answer about {answer[1]}")
        if "chain" in (reference[0], answer[0]):
            unfolded = [_as_inequality(side) for side in (reference, answer)]
            if unfolded[0] is None or unfolded[1] is None:
                return Judged(DIFFERENT, "one is a range of values, the other is not")
            return self.relations(unfolded[0], unfolded[1])
        sets = [side[2] if side[0] == "range" else side for side in (reference, answer)]
        if not all(side[0] in ("interval", "union", "minus", "set") or is_pair(side) for side in sets):
            return Judged(DIFFERENT, "one is a range of values, the other is not")
        return self.reals(*sets)

    def systems(self, reference: Expr, answer: Expr) -> Judged:
        """Compare `x=1, y=2` with another system name by name, with a tuple or list in order."""
        if reference[0] == answer[0]:
            named = [{item[1]: item[2] for item in side[1:]} for side in (reference, answer)]
            if named[0].keys() != named[1].keys():
                return Judged(DIFFERENT, "they give values to different names")
            return self.all_same([(named[0][name], named[1][name]) for name in named[0]])
        values = [_system_values(side) for side in (signs_chosen(reference), signs_chosen(answer))]
        if any(side[0] not in ("tuple", "list", "matrix", "set") for side in values):
            return Judged(DIFFERENT, "one gives several values, the other one")
        return self.collections(*values)

    def relations(self, reference: Expr, answer: Expr) -> Judged:
        """Compare equations, or inequalities, that are the same up to a constant factor."""
        if reference[0] != "chain" or answer[0] != "chain":
            chain = answer if answer[0] == "chain" else reference
            if chain is answer and chain[2] == ("=",) and reference[0] not in COLLECTIONS:
                # m + n = 7 beside a bare 7 names what was asked for; 2x = 10 beside a bare 10 is an equation to solve.
                for subject, value in (chain[1], chain[1][::-1]):
                    if len(symbols(subject)) > 1 and _is_symbolic(subject) and not symbols(value):
                        return self.compare(reference, value)
            return Judged(DIFFERENT, f"{show(chain)} is a relation, not a value")
        if len(reference[1]) != 2 or len(answer[1]) != 2:
            reference, answer = _ascending(reference), _ascending(answer)
            return (
                self.all_same(list(zip(reference[1], answer[1], strict=False)))
                if (reference[2] == answer[2] and len(reference[1]) == len(answer[1]))
                else Judged(DIFFERENT, "they are different chains of relations")
            )
        left, right = _oriented(reference), _oriented(answer)
        if left[0] != right[0]:
            return Judged(DIFFERENT, "they are different kinds of relation")
        return self.proportional(left[1], right[1], positive=left[0] not in ("=", "ne"))

    def proportional(self, a: Expr, b: Expr, *, positive: bool) -> Judged:
        names = sorted(symbols(a) | symbols(b))
        ratio: Any = None
        agreed = 0
        for values in self.points(names, plain=is_plain(a) and is_plain(b)):
            evaluator = self.evaluator(values)
            try:
                x, y = evaluator.value(a), evaluator.value(b)
            except Undefined:
                continue
            if y == 0 or x == 0:
                if y == x:
                    continue
                return Judged(DIFFERENT, "the two relations hold at different points")
            now = evaluator.divide(x, y)
            if ratio is not None and not evaluator.equal(ratio, now):
                return Judged(DIFFERENT, "they are different relations")
            if not is_exact(now) and isinstance(now, evaluator.mp.mpc):
                return Judged(DIFFERENT, "they are different relations")
            if positive and now < 0:
                return Judged(DIFFERENT, "the inequalities point in opposite directions")
            ratio = now
            agreed += 1
            if agreed == 4:
                return Judged(SAME, "they are the same relation up to a constant factor")
        return Judged(DIFFERENT, "an equation that always holds says nothing")

    def congruences(self, reference: Expr, answer: Expr) -> Judged:
        if reference[0] != answer[0]:
            return Judged(DIFFERENT, "one is a congruence, the other is not")
        sides = self.all_same([(reference[1], answer[1]), (reference[3], answer[3])])
        if sides.relation != SAME:
            return sides
        apart = ("fn", "mod", ("+", reference[2], ("neg", answer[2])), reference[3])
        return self.compare(("num", 0), apart)


def _shows_enough(shown: Expr) -> bool:
    decimal = decimal_of(shown)
    return decimal is not None and decimal[2] >= MIN_ROUNDED_DIGITS


def _system_values(side: Expr) -> Expr:
    """Return the values of x = 1, y = 2 in the order of their names; those of x_1, x_2 are a set of values of x."""
    if side[0] != "system":
        return side
    names = [item[1] for item in side[1:]]
    values = [item[2] for item in side[1:]]
    if all("_" in name for name in names) and len({name.partition("_")[0] for name in names}) == 1:
        return ("list", *values)
    if set(names) <= set("xyzw") or set(names) <= set("abcd"):
        values = [value for _, value in sorted(zip(names, values, strict=True))]
    return ("tuple", *values)


def _same_name(a: str, b: str) -> bool:
    if a == b:
        return True
    a, b = a.replace(" ", ""), b.replace(" ", "")
    # f(x) = ... and y = ... name the same thing in two ways.
    return (
        a == b
        or (a.lower() == b.lower() and len(a) > 1)
        or {a, b} in ({"y", "f(x)"}, {"f", "f(x)"}, {"y", "y(x)"}, {"f(x)", "y(x)"})
    )


def _renamed(reference: Expr, answer: Expr) -> Expr | None:
    """Return f(t) = ... in the reference's variable where the reference says f(x) = ...; None where they differ otherwise."""
    found = [re.fullmatch(r"([A-Za-z])\(([A-Za-z])\)", side[1]) for side in (reference, answer)]
    if found[0] is None or found[1] is None or found[0][1] != found[1][1] or found[0][2] in symbols(answer[2]):
        return None
    return _replaced(answer[2], ("sym", found[1][2]), ("sym", found[0][2]))


def _replaced(expr: Expr, old: Expr, new: Expr) -> Expr:
    return (
        new if expr == old else tuple(_replaced(part, old, new) if isinstance(part, tuple) else part for part in expr)
    )


def _point(expr: Expr) -> Expr:
    """Return the coordinates of a named point P(1, 2)."""
    return expr[2] if expr[0] == "*" and len(expr) == 3 and expr[1][0] == "sym" and expr[2][0] == "tuple" else expr


def _as_equation(named: Expr) -> Expr:
    return ("chain", (("sym", named[1]), named[2]), ("=",))


def _as_inequality(side: Expr) -> Expr | None:
    """Return x > 3 as the inequality that it was; None for what bounds nothing or both ends."""
    if side[0] == "chain":
        return side if len(side[1]) == 2 else None
    if side[0] != "range" or side[2][0] != "interval":
        return None
    _, low, high, low_open, high_open = side[2]
    if (low == ("neg", INFINITY)) == (high == INFINITY):
        return None
    name: Expr = ("sym", side[1])
    if high == INFINITY:
        return ("chain", (low, name), ("<" if low_open else "le",))
    return ("chain", (name, high), ("<" if high_open else "le",))


def _oriented(chain: Expr) -> tuple[str, Expr]:
    """Return (operator, difference of the sides), inequalities turned so that they read `difference < 0`."""
    (a, b), (operator,) = chain[1], chain[2]
    if operator in (">", "ge"):
        a, b, operator = b, a, "<" if operator == ">" else "le"
    return operator, ("+", a, ("neg", b))


def _ascending(chain: Expr) -> Expr:
    """Turn a chain of > and ≥ around, so that it reads from small to large."""
    if all(operator in (">", "ge") for operator in chain[2]):
        return ("chain", chain[1][::-1], tuple("<" if operator == ">" else "le" for operator in chain[2][::-1]))
    return chain


def _is_symbolic(expr: Expr) -> bool:
    """Tell whether an expression is made of symbols alone, as m + n and xy are."""
    return expr[0] == "sym" or (expr[0] in ("+", "*", "neg", "/") and all(_is_symbolic(part) for part in expr[1:]))
