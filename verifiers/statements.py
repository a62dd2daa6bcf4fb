"""What do relations and lists of relations state? `x = 1 or x = 2` names two values, `x > 1, x < 5` a range."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from .evaluate import Evaluator, TooLarge, Undefined
from .expr import REALS, Expr, Unreadable, number, symbols

__all__ = ["joined", "related"]

_FLIPPED = {"<": ">", ">": "<", "le": "ge", "ge": "le"}


def related(names: list[str | None], sides: list[Expr], operators: list[str]) -> Expr:
    """Build the statement that a chain of relations makes."""
    if operators == ["in"] and names[0]:
        inside = sides[1]
        if inside[0] in ("interval", "union", "minus"):
            return ("range", names[0], inside)
        if inside[0] in ("range", "set", "list"):
            return ("named", names[0], inside[2] if inside[0] == "range" else inside)
        if inside[0] == "tuple" and len(inside) == 3:
            return ("range", names[0], ("interval", inside[1], inside[2], True, True))
        if inside[0] == "text":
            return ("condition",)  # k in Z says what k may be, not what the answer is
        raise Unreadable("membership in something that is no set")
    equal = all(op in ("=", "approx") for op in operators)
    if equal:
        first = next((k for k, name in enumerate(names) if name is None), len(sides) - 1)
        if names[0] is not None and names[0] in symbols(sides[-1]):
            return _chain(sides, operators)  # x = 2x + 1 names nothing
        if names[0] is not None:
            parts = names[0][1:-1].split(",") if names[0].startswith("(") and names[0].endswith(")") else []
            if len(parts) > 1 and len(sides) == 2 and sides[-1][0] == "tuple" and len(sides[-1]) == len(parts) + 1:
                return ("system", *(("named", part, value) for part, value in zip(parts, sides[-1][1:], strict=True)))
            first = max(1, min(first, len(sides) - 1))
            return ("named", names[0], _chain(sides[first:], operators[first:]))
        if names[-1] is not None and len(sides) == 2 and operators == ["="]:
            return ("named", names[-1], sides[0])
        return _chain(sides, operators)
    named = [k for k, name in enumerate(names) if name is not None]
    if (
        len(sides) == 2
        and named == [0]
        and (bars := re.fullmatch(r"\|([a-z])\|", str(names[0])))
        and operators[0] in _FLIPPED
    ):
        end, closed = sides[1], operators[0] in ("le", "ge")
        if operators[0] in ("<", "le"):
            return ("range", bars[1], ("interval", ("neg", end), end, not closed, not closed))
        return (
            "range",
            bars[1],
            ("union", _half_line(_FLIPPED[operators[0]], ("neg", end)), _half_line(operators[0], end)),
        )
    if len(sides) == 2 and len(named) >= 1 and operators[0] != "in":
        at = named[0]
        operator = operators[0] if at == 0 else _FLIPPED.get(operators[0], operators[0])
        return ("range", names[at], _half_line(operator, sides[1 - at]))
    if len(sides) == 3 and named == [1]:
        low, high = sides[0], sides[2]
        if operators[0] in (">", "ge") and operators[1] in (">", "ge"):
            low, high = high, low
            operators = [_FLIPPED[operators[1]], _FLIPPED[operators[0]]]
        if operators[0] in ("<", "le") and operators[1] in ("<", "le"):
            open_low, open_high = operators[0] == "<", operators[1] == "<"
            between: Expr = ("interval", low, high, open_low, open_high)
            if bars := re.fullmatch(r"\|([a-z])\|", str(names[1])):
                return (
                    "range",
                    bars[1],
                    ("union", ("interval", ("neg", high), ("neg", low), open_high, open_low), between),
                )
            return ("range", names[1], between)
    return ("chain", tuple(sides), tuple(operators))


def joined(items: list[Expr], joins: list[str]) -> Expr:
    """Build what a list of statements makes: named values of one name, a system, a union of ranges, or a list."""
    if ("condition",) in items:
        told = [k for k, item in enumerate(items) if item != ("condition",)]
        kept = [items[k] for k in told]
        return joined(kept, [joins[k - 1] for k in told[1:]]) if len(kept) > 1 else kept[0] if kept else items[0]
    if ";" in joins and "," in joins:  # p=5, q=2; p=7, q=2
        groups: list[tuple[list[Expr], list[str]]] = [([items[0]], [])]
        for join, item in zip(joins, items[1:], strict=True):
            if join == ";":
                groups.append(([item], []))
            else:
                groups[-1][0].append(item)
                groups[-1][1].append(join)
        return ("list", *(joined(*group) if group[1] else group[0][0] for group in groups))
    tags = {item[0] for item in items}
    if (
        tags == {"qty"}
        and len({item[2][0][1] for item in items}) == 1
        and _descending([item[2][0][0] for item in items])
    ):
        # 2 hours and 30 minutes is one length of time, in the first of its units.
        scale = items[0][2][0][0]
        parts = (("*", item[1], number(item[2][0][0] / scale)) for item in items)
        return ("qty", ("+", *parts), items[0][2])
    if tags == {"range"}:
        telling = [item for item in items if item[2] != REALS]
        if 0 < len(telling) < len(items):  # x > 3, x in R
            return joined(telling, joins[: len(telling) - 1]) if len(telling) > 1 else telling[0]
    if tags == {"range"} and len({item[1] for item in items}) == 1:
        name = items[0][1]
        if all(join == "and" for join in joins) or (joins == [","] and _meet(items[0][2], items[1][2])):
            both = items[0][2]
            for item in items[1:]:
                both = _overlap(both, item[2])
            return ("range", name, both)
        return ("range", name, ("union", *(item[2] for item in items)))
    if tags == {"named", "range"} and len({item[1] for item in items}) == 1 and "and" not in joins:
        return (
            "range",
            items[0][1],
            ("union", *(("set", item[2]) if item[0] == "named" else item[2] for item in items)),
        )
    if items[0][0] == "named":
        named_items = [item for item in items if item[0] == "named"]
        if len({item[1] for item in named_items}) == 1 and all(item[0] not in ("range", "chain") for item in items):
            return (
                "named",
                items[0][1],
                ("set", *(item[2] if item[0] == "named" else item for item in items)),
            )
        if len(named_items) == len(items):
            if len({item[1] for item in items}) < len(items):
                raise Unreadable("a name is given several values beside other names")
            return ("system", *items)
    return ("list", *items)


def _chain(sides: list[Expr], operators: list[str]) -> Expr:
    return sides[0] if len(sides) == 1 else ("chain", tuple(sides), tuple(operators))


def _half_line(operator: str, end: Expr) -> Expr:
    infinity: Expr = ("const", "inf")
    below: Expr = ("interval", ("neg", infinity), end, True, operator in ("<", "ne"))
    above: Expr = ("interval", end, infinity, operator in (">", "ne"), True)
    if operator == "ne":
        return ("union", below, above)
    return below if operator in ("<", "le") else above


def _descending(scales: list[Any]) -> bool:
    return all(bool(a > b) for a, b in pairwise(scales))


def _faces(a: Expr, b: Expr) -> bool:
    """Tell whether two half-lines point at each other, as in `x > 1, x < 5`."""
    if a[0] != "interval" or b[0] != "interval":
        return False
    infinity: Expr = ("const", "inf")
    return bool((a[2] == infinity) != (b[2] == infinity))


def _meet(a: Expr, b: Expr) -> bool:
    """Tell whether half-lines point at each other and overlap: `x > 1, x < 5` does, `x < 2, x > 3` is a union."""
    if not _faces(a, b):
        return False
    low, high = (a, b) if a[2] == ("const", "inf") else (b, a)
    try:
        evaluator = Evaluator()
        return bool(evaluator.value(low[1]) < evaluator.value(high[2]))
    except (Undefined, TooLarge, KeyError, TypeError):
        return True


def _overlap(a: Expr, b: Expr) -> Expr:
    if not _faces(a, b):
        raise Unreadable("an intersection is left undone")
    low, high = (a, b) if a[2] == ("const", "inf") else (b, a)
    return ("interval", low[1], high[2], low[3], high[4])
