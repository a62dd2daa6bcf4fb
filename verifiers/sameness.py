"""Do two answers, once read, say the same?

`Comparison.compare(reference, answer)` follows docs/answers.md: values by value, collections by their kind, statements
by what they state. It returns a `Judged`: same, different or undecided, with the reason in words. The two sides are
named because two rules have a direction: a percent sign, and the base of a numeral, may be missing from the answer only.

Equality of functions is decided at random points: exactly for rational functions (a wrong "same" has a chance under
10^-9), to 40 digits for the rest. An answer that agrees there with a reference it does not know is no easier to find than
the reference.
"""

from __future__ import annotations

import random
import zlib
from fractions import Fraction
from typing import Any, NamedTuple

from .evaluate import Evaluator, TooLarge, Undefined, is_exact
from .expr import COLLECTIONS, Expr, show, symbols

__all__ = ["DIFFERENT", "SAME", "UNDECIDED", "Comparison", "Judged"]

SAME, DIFFERENT, UNDECIDED = "same", "different", "undecided"
MIN_ROUNDED_DIGITS = 4  # significant digits of a decimal that may stand for a value it only rounds
MAX_MEMBERS = 60  # of a collection compared member by member; longer ones only by exact values
_BARE_UNITS = frozenset("mgsL")  # "5m" beside a bare 5
_WHOLE_NUMBER_NAMES = frozenset("nkmjl")
_INFINITY: Expr = ("const", "inf")


class Judged(NamedTuple):
    """The outcome of a comparison and the reason for it, in words."""

    relation: str
    why: str


class Comparison:
    """Compares expressions; one object serves one verdict and bounds its work."""

    def __init__(self, reference: Expr, answer: Expr, digits: int = 60) -> None:
        self.digits = digits
        self.random = random.Random(zlib.crc32(repr((reference, answer)).encode()))
        self.inside = 0  # collections around the parts in hand
        self.work = 2_000  # comparisons of two values
        self.reference, self.answer = reference, answer

    def judge(self) -> Judged:
        """Return the relation of the two expressions given."""
        try:
            return self.compare(self.reference, self.answer)
        except TooLarge as large:
            return Judged(UNDECIDED, str(large))
        except (KeyError, RecursionError) as unknown:
            return Judged(UNDECIDED, f"no rule compares these forms ({unknown})")

    # ---- statements

    def compare(self, reference: Expr, answer: Expr) -> Judged:
        self.work -= 1
        if self.work < 0:
            raise TooLarge("too many parts to compare")
        if reference == answer:
            return Judged(SAME, "both have the same form")
        reference, answer = self.resolved(reference), self.resolved(answer)
        if "identity" in (reference[0], answer[0]):
            return Judged(DIFFERENT, "an equation that always holds says nothing")
        if answer[0] == "false":
            return Judged(DIFFERENT, "the answer states an equation that does not hold")
        if reference[0] == "false":
            return Judged(UNDECIDED, "the reference states an equation that does not hold")
        for side, swap in ((answer, False), (reference, True)):
            if side[0] == "approx":
                other = answer if swap else reference
                pairs = [(part, other) if swap else (other, part) for part in side[1:]]
                first = self.compare(*pairs[0])
                return first if first.relation == SAME else self.compare(*pairs[1])
        if reference[0] == "named" or answer[0] == "named":
            return self.named(reference, answer)
        if reference[0] == "range" or answer[0] == "range":
            return self.ranges(reference, answer)
        if reference[0] == "system" or answer[0] == "system":
            return self.systems(reference, answer)
        if reference[0] == "chain" or answer[0] == "chain":
            return self.relations(reference, answer)
        if _has_sign(reference) or _has_sign(answer):
            return self.compare(_signs_chosen(reference), _signs_chosen(answer))
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
            if exact[0] in ("false", "chain") or not self.shows(shown, exact):
                return ("false",)
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
        if (
            len(distinct) == 1
            and (len(set(sides)) == 1 or any(symbols(side) for side in sides))
            and self.is_empty(sides)
        ):
            return ("identity",)
        if len(distinct) == 1:
            return distinct[0]
        if all(not symbols(side) for side in distinct) or len(distinct) > 2:
            return ("false",)
        return ("chain", tuple(distinct), ("=",))

    def is_empty(self, sides: tuple[Expr, ...]) -> bool:
        """Tell whether a chain that holds says nothing: x = x, 0 = 0, x - x = 0."""
        return len(set(sides)) == 1 or self.identical(sides[-1], ("num", 0))

    def identical(self, a: Expr, b: Expr) -> bool:
        try:
            return self.compare(a, b).relation == SAME
        except KeyError:
            return False

    def shows(self, shown: Expr, exact: Expr) -> bool:
        """Tell whether a number shown after ≈ is the exact one, rounded or cut at its last digit."""
        if symbols(exact) or symbols(shown):
            return False
        evaluator = Evaluator(digits=self.digits)
        decimal = _decimal(shown) or ((shown[1], Fraction(1), 1) if shown[0] == "num" else None)
        value = evaluator.value(_without_unit(exact))
        if decimal is None:
            return evaluator.equal(value, evaluator.value(_without_unit(shown)))
        return evaluator.equal(value, decimal[0]) or _rounds(evaluator, decimal, value)

    def named(self, reference: Expr, answer: Expr) -> Judged:
        if reference[0] == "named" and answer[0] == "named":
            if _same_name(reference[1], answer[1]):
                return self.compare(reference[2], answer[2])
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
        sets = [side[2] if side[0] == "range" else side for side in (reference, answer)]
        if not all(side[0] in ("interval", "union", "minus", "set") or _is_pair(side) for side in sets):
            return Judged(DIFFERENT, "one is a range of values, the other is not")
        return self.reals(*sets)

    def systems(self, reference: Expr, answer: Expr) -> Judged:
        """Compare `x=1, y=2` with another system name by name, with a tuple or list in order."""
        if reference[0] == answer[0]:
            named = [{item[1]: item[2] for item in side[1:]} for side in (reference, answer)]
            if named[0].keys() != named[1].keys():
                return Judged(DIFFERENT, "they give values to different names")
            return self.all_same([(named[0][name], named[1][name]) for name in named[0]])
        values = [_system_values(side) for side in (reference, answer)]
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
        for values in self.points(names, plain=_is_plain(a) and _is_plain(b)):
            evaluator = Evaluator(values, self.digits)
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

    # ---- collections

    def all_same(self, pairs: list[tuple[Expr, Expr]]) -> Judged:
        undecided = None
        self.inside += 1
        for k, (a, b) in enumerate(pairs, 1):
            judged = self.compare(a, b)
            if judged.relation == DIFFERENT:
                return Judged(DIFFERENT, f"part {k} differs: {judged.why}" if len(pairs) > 1 else judged.why)
            if judged.relation == UNDECIDED:
                undecided = judged
        return undecided or Judged(SAME, "every part is the same")

    def collections(self, reference: Expr, answer: Expr) -> Judged:
        if not self.inside:
            if answer[0] not in ("list", "set"):
                reference = _unwrapped(reference)
            if reference[0] not in ("list", "set"):
                answer = _unwrapped(answer)
        kinds = {reference[0], answer[0]}
        if not kinds & COLLECTIONS:
            return self.compare(reference, answer)
        if kinds & {"interval", "union", "minus"}:
            if all(
                side[0] in ("interval", "union", "minus") or _is_pair(side) or (side[0] == "set" and "set" in kinds)
                for side in (reference, answer)
            ):
                return self.reals(reference, answer)
            return Judged(DIFFERENT, "one is a range of values, the other is not")
        if "matrix" in kinds:
            rows = [_rows(side) for side in (reference, answer)]
            if rows[0] is None or rows[1] is None:
                return Judged(DIFFERENT, "one is a matrix, the other is not")
            shapes = [(len(side), len(side[0])) for side in rows if side]
            flat = [[part for row in side for part in row] for side in rows if side]
            if shapes[0] != shapes[1] and (
                kinds == {"matrix"} or len(flat[0]) != len(flat[1]) or 1 not in shapes[0] or 1 not in shapes[1]
            ):
                return Judged(
                    DIFFERENT,
                    f"the shapes differ: {shapes[0][0]} by {shapes[0][1]} and {shapes[1][0]} by {shapes[1][1]}",
                )
            return self.all_same(list(zip(flat[0], flat[1], strict=True)))
        if kinds <= {"list", "set"}:
            return self.sets(reference[1:], answer[1:])
        if "tuple" in kinds and kinds <= {"tuple", "list"}:
            if len(reference) != len(answer):
                return Judged(DIFFERENT, f"{len(reference) - 1} entries are wanted, {len(answer) - 1} are given")
            return self.all_same(list(zip(reference[1:], answer[1:], strict=True)))
        if kinds == {"tuple", "set"}:
            return Judged(DIFFERENT, "a tuple is not a set: its order matters")
        if kinds & {"list", "set"}:
            if self.inside and "set" in kinds:
                return Judged(DIFFERENT, "one is a set, the other a value")
            several, single = (answer, reference) if answer[0] in ("list", "set") else (reference, answer)
            if len(several) > 1 and single[0] != "text" and several is answer:
                judged = self.all_same([(single, member) for member in several[1:]])
                if judged.relation == SAME:
                    return judged
                return Judged(DIFFERENT, f"one value is wanted, {len(several) - 1} are offered")
            return Judged(DIFFERENT, f"{len(reference) - 1} values are wanted, one is given")
        return Judged(DIFFERENT, "one is a collection, the other is not")

    def sets(self, reference: tuple[Expr, ...], answer: tuple[Expr, ...]) -> Judged:
        exact = [self.exact_members(side) for side in (reference, answer)]
        if exact[0] is not None and exact[1] is not None:
            if exact[0] == exact[1]:
                return Judged(SAME, "both hold the same members")
            if len(exact[0]) != len(exact[1]) and not any(_decimal(member) for member in (*reference, *answer)):
                return Judged(DIFFERENT, f"{len(exact[0])} members are wanted, {len(exact[1])} are given")
        if len(reference) > MAX_MEMBERS or len(answer) > MAX_MEMBERS:
            return Judged(
                DIFFERENT if None not in exact else UNDECIDED, "the members differ or are too many to compare"
            )
        undecided = False
        self.inside += 1
        for wanted, given, words in ((reference, answer, "is missing"), (answer, reference, "is not wanted")):
            for member in wanted:
                found = False
                for other in given:
                    judged = self.compare(member, other) if wanted is reference else self.compare(other, member)
                    if judged.relation == SAME:
                        found = True
                        break
                    undecided = undecided or judged.relation == UNDECIDED
                if not found:
                    return Judged(UNDECIDED if undecided else DIFFERENT, f"{show(member)} {words}")
        return Judged(SAME, "both hold the same members")

    def exact_members(self, members: tuple[Expr, ...]) -> set[Any] | None:
        found = set()
        evaluator = Evaluator(digits=self.digits)
        for member in members:
            if member[0] not in ("num", "dec", "neg", "/", "mixed"):
                return None
            try:
                value = evaluator.value(member)
            except (KeyError, Undefined):
                return None
            if not is_exact(value):
                return None
            found.add(value)
        return found

    def reals(self, reference: Expr, answer: Expr) -> Judged:
        """Compare sets of real numbers made of intervals and points."""
        if _is_pair(reference) and _is_pair(answer):
            return self.all_same(list(zip(reference[1:], answer[1:], strict=True)))
        plain = [_as_interval(side) for side in (reference, answer)]
        if plain[0][0] == "interval" == plain[1][0]:
            a, b = plain
            if _bounded_open(a) != _bounded_open(b):
                return Judged(DIFFERENT, "the ends are open in one and closed in the other")
            return self.all_same([(a[1], b[1]), (a[2], b[2])])
        pieces = [self.pieces(side) for side in plain]
        if len(pieces[0]) != len(pieces[1]):
            return Judged(DIFFERENT, "they are made of different numbers of pieces")
        evaluator = Evaluator(digits=self.digits)
        for a, b in zip(*pieces, strict=True):
            if a[2:] != b[2:]:
                return Judged(DIFFERENT, "the ends are open in one and closed in the other")
            for x, y in zip(a[:2], b[:2], strict=True):
                if (x in _ENDLESS or y in _ENDLESS) and x != y:
                    return Judged(DIFFERENT, "the ends differ")
                if x not in _ENDLESS and not evaluator.equal(x, y):
                    return Judged(DIFFERENT, "the ends differ")
        return Judged(SAME, "both are the same range")

    def pieces(self, expr: Expr) -> list[tuple[Any, Any, bool, bool]]:
        """Return a set of reals as disjoint intervals in order: (low, high, low is open, high is open)."""
        evaluator = Evaluator(digits=self.digits)

        def end(of: Expr) -> Any:
            if of == _INFINITY or of == ("neg", _INFINITY):
                return float("inf") if of == _INFINITY else float("-inf")
            return evaluator.value(_without_unit(of))

        expr = _as_interval(expr)
        if expr[0] == "interval":
            found = [(end(expr[1]), end(expr[2]), expr[3], expr[4])]
        elif expr[0] == "union":
            found = [piece for part in expr[1:] for piece in self.pieces(part)]
        elif expr[0] in ("set", "list"):
            found = [(value, value, False, False) for value in map(end, expr[1:])]
        elif expr[0] == "minus":
            found = self.pieces(expr[1])
            for taken in self.pieces(expr[2]):
                found = [left for kept in found for left in _cut(kept, taken)]
        else:
            raise KeyError(expr[0])
        found = [(a, b, ao or a in _ENDLESS, bo or b in _ENDLESS) for a, b, ao, bo in found]
        found.sort(key=lambda piece: (float(piece[0]), piece[2]))
        merged: list[tuple[Any, Any, bool, bool]] = []
        for piece in found:
            if merged and (
                merged[-1][1] > piece[0] or (merged[-1][1] == piece[0] and not (merged[-1][3] and piece[2]))
            ):
                last = merged[-1]
                high, high_open = max((last[1], not last[3]), (piece[1], not piece[3]))
                merged[-1] = (last[0], high, last[2], not high_open)
            else:
                merged.append(piece)
        return merged

    # ---- quantities and values

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
            first = self.all_same(
                [(("*", reference[1], b), ("*", answer[1], a)) for a, b in zip(reference[2:], answer[2:], strict=True)]
            )
            return first
        return self.values(reference, answer)

    def values(self, reference: Expr, answer: Expr) -> Judged:
        names = symbols(reference) | symbols(answer)
        if names:
            return self.functions(reference, answer, sorted(names))
        infinite = [_infinite(side) for side in (reference, answer)]
        if any(infinite):
            return Judged(SAME if infinite[0] == infinite[1] else DIFFERENT, "infinity is only itself")
        evaluator = Evaluator(digits=self.digits)
        try:
            a = evaluator.value(reference)
        except Undefined as undefined:
            return Judged(UNDECIDED, f"the reference has no value: {undefined}")
        try:
            b = evaluator.value(answer)
        except Undefined as undefined:
            return Judged(DIFFERENT, f"the answer has no value: {undefined}")
        if evaluator.equal(a, b):
            return Judged(SAME, "the values are equal")
        for decimal, value in ((_decimal(answer), a), (_decimal(reference), b)):
            if (
                decimal is not None
                and _endless(evaluator, value)
                and decimal[2] >= MIN_ROUNDED_DIGITS
                and _rounds(evaluator, decimal, value)
            ):
                return Judged(SAME, f"equal when rounded to {decimal[2]} digits")
        for decimal, value in ((_decimal(answer), a), (_decimal(reference), b)):
            if decimal is not None and _endless(evaluator, value) and _rounds(evaluator, decimal, value):
                return Judged(
                    DIFFERENT,
                    f"only {decimal[2]} significant digits of a value without end; {MIN_ROUNDED_DIGITS} are needed",
                )
        return Judged(DIFFERENT, f"the values differ: {_shown(a)} is wanted, {_shown(b)} is given")

    def functions(self, reference: Expr, answer: Expr, names: list[str]) -> Judged:
        plain = _is_plain(reference) and _is_plain(answer)
        judged = self.agree(reference, answer, self.points(names, plain=plain), 3 if plain else 4)
        if judged.relation != SAME and _WHOLE_NUMBER_NAMES.issuperset(names) and not plain:
            # (-1)^n and cos(n pi) are meant for whole n; factorials exist nowhere else.
            return self.agree(reference, answer, self.whole_points(names), 5)
        if judged.relation == UNDECIDED:
            return self.agree(reference, answer, self.whole_points(names), 5)
        return judged

    def agree(self, reference: Expr, answer: Expr, points: Any, enough: int) -> Judged:
        agreed = one_sided = 0
        for values in points:
            evaluator = Evaluator(values, self.digits)
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

    def points(self, names: list[str], *, plain: bool) -> Any:
        """Yield values for the symbols: whole numbers for rational functions, else small fractions of both signs."""
        draw = self.random.randint
        for k in range(12):
            if plain:
                yield {name: draw(-30_000, 30_000) or 1 for name in names}
            else:
                sign = -1 if k % 3 == 1 else 1
                yield {name: Fraction(sign * draw(1, 60 if k % 2 else 500), 101) for name in names}

    def whole_points(self, names: list[str]) -> Any:
        for k in range(8):
            yield {name: self.random.randint(1, 9 + 3 * k) for name in names}


Piece = tuple[Any, Any, bool, bool]  # low, high, low is open, high is open
_ENDLESS = frozenset((float("inf"), float("-inf")))


def _is_plain(expr: Expr) -> bool:
    """Tell whether an expression is a rational function: its value at rational points is exact."""
    tag = expr[0]
    if tag in ("num", "dec", "sym"):
        return True
    if tag == "^":
        return expr[2][0] == "num" and isinstance(expr[2][1], int) and expr[2][1] <= 64 and _is_plain(expr[1])
    return tag in ("+", "*", "/", "neg", "mixed") and all(_is_plain(part) for part in expr[1:])


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


def _as_equation(named: Expr) -> Expr:
    return ("chain", (("sym", named[1]), named[2]), ("=",))


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


def _has_sign(expr: Expr) -> bool:
    return expr[0] in ("pm", "mp") or (
        expr[0] in ("+", "*", "/", "^", "neg", "root", "fn", "list", "set", "tuple", "qty")
        and any(isinstance(p, tuple) and p and isinstance(p[0], str) and _has_sign(p) for p in expr[1:])
    )


def _signs_chosen(expr: Expr) -> Expr:
    """Turn plus-or-minus into the two values that it stands for."""
    if not _has_sign(expr):
        return expr
    if expr[0] in ("list", "set"):
        members: list[Expr] = []
        for member in expr[1:]:
            chosen = _signs_chosen(member)
            members.extend(chosen[1:] if chosen is not member else (chosen,))
        return (expr[0], *members)
    return ("set", _choose(expr, upper=True), _choose(expr, upper=False))


def _choose(expr: Expr, *, upper: bool) -> Expr:
    if not isinstance(expr, tuple) or not expr or not isinstance(expr[0], str):
        return expr
    if expr[0] in ("pm", "mp"):
        a, b = (_choose(part, upper=upper) for part in expr[1:])
        second = b if (expr[0] == "pm") == upper else ("neg", b)
        return second if a == ("num", 0) else ("+", a, second)
    return tuple(_choose(part, upper=upper) if isinstance(part, tuple) else part for part in expr)


def _is_symbolic(expr: Expr) -> bool:
    """Tell whether an expression is made of symbols alone, as m + n and xy are."""
    return expr[0] == "sym" or (expr[0] in ("+", "*", "neg", "/") and all(_is_symbolic(part) for part in expr[1:]))


def _is_pair(expr: Expr) -> bool:
    return expr[0] == "tuple" and len(expr) == 3


def _as_interval(expr: Expr) -> Expr:
    return ("interval", expr[1], expr[2], True, True) if _is_pair(expr) else expr


def _bounded_open(interval: Expr) -> tuple[bool, bool]:
    ends = (("neg", _INFINITY), _INFINITY)
    return interval[3] or interval[1] in ends, interval[4] or interval[2] in ends


def _cut(piece: Piece, taken: Piece) -> list[Piece]:
    """Return what is left of an interval when another is taken out of it."""
    low, high, low_open, high_open = piece
    cut_low, cut_high, cut_low_open, cut_high_open = taken
    left = []
    if low < cut_low or (low == cut_low and cut_low_open and not low_open):
        end, end_open = min((high, not high_open), (cut_low, cut_low_open))
        left.append((low, end, low_open, not end_open))
    if high > cut_high or (high == cut_high and cut_high_open and not high_open):
        start, start_open = max((low, low_open), (cut_high, not cut_high_open))
        left.append((start, high, start_open, high_open))
    return left


def _unwrapped(expr: Expr) -> Expr:
    """A set of one member is compared as that member."""
    return expr[1] if expr[0] == "set" and len(expr) == 2 else expr


def _rows(expr: Expr) -> tuple[tuple[Expr, ...], ...] | None:
    if expr[0] == "matrix":
        rows: tuple[tuple[Expr, ...], ...] = expr[1]
        return rows
    return tuple((part,) for part in expr[1:]) if expr[0] in ("tuple", "list") else None


def _without_unit(expr: Expr) -> Expr:
    return expr[1] if expr[0] == "qty" else expr


def _infinite(expr: Expr) -> int:
    if expr == _INFINITY:
        return 1
    return -1 if expr == ("neg", _INFINITY) else 0


def _decimal(expr: Expr) -> tuple[Any, Fraction, int] | None:
    """Return (value, one unit of the last place, significant digits) for a decimal written with a point."""
    tag = expr[0]
    if tag == "dec":
        return expr[1], Fraction(1, 10 ** expr[2]), expr[3]
    if tag in ("neg", "pct"):
        inner = _decimal(expr[1])
        if inner is None:
            return None
        return (-inner[0], inner[1], inner[2]) if tag == "neg" else (Fraction(inner[0]) / 100, inner[1] / 100, inner[2])
    if tag == "*" and len(expr) == 3 and expr[2][0] == "^" and expr[2][1] == ("num", 10):
        inner, power = _decimal(expr[1]), expr[2][2]
        negative = power[0] == "neg"
        power = power[1] if negative else power
        if inner is None or power[0] != "num" or not isinstance(power[1], int) or power[1] > 300:
            return None
        scale = Fraction(10) ** (-power[1] if negative else power[1])
        return inner[0] * scale, inner[1] * scale, inner[2]
    return None


def _endless(evaluator: Evaluator, value: Any) -> bool:
    """Tell whether a real value has no finite decimal expansion."""
    if not is_exact(value):
        return not isinstance(value, evaluator.mp.mpc)
    if isinstance(value, int):
        return False
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest != 1


def _rounds(evaluator: Evaluator, decimal: tuple[Any, Fraction, int], value: Any) -> bool:
    """Tell whether a decimal is a value rounded, or cut, at the decimal's last place."""
    shown, place, _ = decimal
    if not is_exact(value):
        if isinstance(value, evaluator.mp.mpc):
            return False
        mp = evaluator.mp
        value, shown, place = value, evaluator.approximate(shown), mp.mpf(place.numerator) / place.denominator
    if (value < 0) != (shown < 0) and shown != 0:
        return False
    excess = abs(value) - abs(shown)
    return bool(0 <= excess < place or 0 <= -excess <= place / 2)


def _shown(value: Any) -> str:
    text = str(value) if is_exact(value) else _nstr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _nstr(value: Any) -> str:
    from mpmath import nstr

    return str(nstr(value, 8))
