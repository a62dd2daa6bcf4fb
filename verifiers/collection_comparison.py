"""Are two collections the same: lists, sets, tuples, matrices, ranges of real numbers?"""

from __future__ import annotations

from typing import Any

from .evaluate import Undefined, is_exact
from .expr import COLLECTIONS, Expr, show
from .rounding import decimal_of
from .value_comparison import DIFFERENT, INFINITY, SAME, UNDECIDED, Judged, ValueComparison

__all__ = ["CollectionComparison", "is_pair", "without_unit"]

MAX_MEMBERS = 60  # of a collection compared member by member; longer ones only by exact values
Piece = tuple[Any, Any, bool, bool]  # low, high, low is open, high is open
_ENDLESS = frozenset((float("inf"), float("-inf")))


class CollectionComparison(ValueComparison):
    """Compares collections by their kind; their members by what `compare` says of them."""

    def all_same(self, pairs: list[tuple[Expr, Expr]]) -> Judged:
        undecided = None
        self.inside += 1
        for k, (a, b) in enumerate(pairs, 1):
            judged = self.compare(a, b)
            if judged.relation == DIFFERENT:
                return Judged(DIFFERENT, f"part {k} differs: {judged.why}" if len(pairs) > 1 else judged.why)
            if judged.relation != SAME:
                undecided = judged
        return undecided or Judged(SAME, "every part is the same")

    def collections(self, reference: Expr, answer: Expr) -> Judged:
        if not self.inside:
            if answer[0] not in ("list", "set"):
                reference = _unwrapped(reference)
            if reference[0] not in ("list", "set"):
                answer = _unwrapped(answer)
        reference, answer = _as_union(reference, answer), _as_union(answer, reference)
        kinds = {reference[0], answer[0]}
        if not kinds & COLLECTIONS:
            return self.compare(reference, answer)
        if kinds & {"interval", "union", "minus"}:
            if all(
                side[0] in ("interval", "union", "minus") or is_pair(side) or (side[0] == "set" and "set" in kinds)
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
            if len(several) > 1 and single[0] != "text":
                pairs = [(single, member) if several is answer else (member, single) for member in several[1:]]
                judged = self.all_same(pairs)
                if judged.relation == SAME or several is reference:
                    return (
                        judged
                        if judged.relation != DIFFERENT
                        else Judged(DIFFERENT, "several values are wanted, one is given")
                    )
                return Judged(DIFFERENT, f"one value is wanted, {len(several) - 1} are offered")
            return Judged(DIFFERENT, f"{len(reference) - 1} values are wanted, one is given")
        return Judged(DIFFERENT, "one is a collection, the other is not")

    def sets(self, reference: tuple[Expr, ...], answer: tuple[Expr, ...]) -> Judged:
        exact = [self.exact_members(side) for side in (reference, answer)]
        if exact[0] is not None and exact[1] is not None:
            if exact[0] == exact[1]:
                return Judged(SAME, "both hold the same members")
            if len(exact[0]) != len(exact[1]) and not any(decimal_of(member) for member in (*reference, *answer)):
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
                    undecided = undecided or judged.relation != DIFFERENT
                if not found:
                    return Judged(UNDECIDED if undecided else DIFFERENT, f"{show(member)} {words}")
        return Judged(SAME, "both hold the same members")

    def exact_members(self, members: tuple[Expr, ...]) -> set[Any] | None:
        found = set()
        evaluator = self.evaluator()
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
        if is_pair(reference) and is_pair(answer):
            return self.all_same(list(zip(reference[1:], answer[1:], strict=True)))
        plain = [_as_interval(side) for side in (reference, answer)]
        if plain[0][0] == "interval" == plain[1][0]:
            a, b = plain
            if a[3:] != b[3:]:
                return Judged(DIFFERENT, "the ends are open in one and closed in the other")
            return self.all_same([(a[1], b[1]), (a[2], b[2])])
        pieces = [self.pieces(side) for side in plain]
        if len(pieces[0]) != len(pieces[1]):
            return Judged(DIFFERENT, "they are made of different numbers of pieces")
        evaluator = self.evaluator()
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
        evaluator = self.evaluator()

        def end(of: Expr) -> Any:
            if of == INFINITY or of == ("neg", INFINITY):
                return float("inf") if of == INFINITY else float("-inf")
            value = evaluator.value(without_unit(of))
            if not is_exact(value) and isinstance(value, evaluator.mp.mpc):
                raise KeyError("an end that is not real")
            return value

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


def is_pair(expr: Expr) -> bool:
    return expr[0] == "tuple" and len(expr) == 3


def _as_union(side: Expr, other: Expr) -> Expr:
    """Read intervals in a list as their union, where the other side is a union."""
    if side[0] == "list" and other[0] == "union" and all(part[0] == "interval" or is_pair(part) for part in side[1:]):
        return ("union", *side[1:])
    return side


def _as_interval(expr: Expr) -> Expr:
    return ("interval", expr[1], expr[2], True, True) if is_pair(expr) else expr


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
    """A set of one member, or a matrix of one entry, is compared as that."""
    if expr[0] == "matrix" and len(expr[1]) == len(expr[1][0]) == 1:
        return expr[1][0][0]  # type: ignore[no-any-return]
    return expr[1] if expr[0] == "set" and len(expr) == 2 else expr


def _rows(expr: Expr) -> tuple[tuple[Expr, ...], ...] | None:
    if expr[0] == "matrix":
        rows: tuple[tuple[Expr, ...], ...] = expr[1]
        return rows
    return tuple((part,) for part in expr[1:]) if expr[0] in ("tuple", "list") else None


def without_unit(expr: Expr) -> Expr:
    return expr[1] if expr[0] == "qty" else expr
