"""How an answer is held once it is read: nested tuples, the first item a tag.

Tuples hash, compare and build fast, and a reader sees the whole shape at a glance:

    numbers       ("num", int | Fraction)              exact
                  ("dec", value, places, digits)       a decimal written with a point: places after it, significant digits
                  ("mixed", whole, fraction)           1 1/2
    atoms         ("sym", name)   ("const", "pi" | "e" | "i" | "inf")
    arithmetic    ("+", a, b, ...)  ("*", a, b, ...)  ("/", a, b)  ("^", a, b)  ("neg", a)
                  ("root", a, n)  ("fn", name, a)  ("log", base, a)  ("call", name, a, ...)
                  ("pm", a, b) for a plus or minus b, ("mp", a, b)
    marks         ("pct", a)  ("deg", a)  ("qty", a, unit)  ("based", digits, base)  ("ratio", a, b, ...)
    loops         ("sum" | "prod", variable, low, high, body)
    collections   ("list", ...) bare   ("set", ...)   ("tuple", ...)   ("matrix", (row, row, ...))
                  ("interval", low, high, low is open, high is open)   ("union", ...)   ("minus", whole, taken away)
    statements    ("named", name, value)   ("chain", (side, ...), (operator, ...))   ("approx", exact, shown)
                  ("range", name, set of reals)   ("system", named, ...)
                  ("congruence", side, residue, modulus)  ("false",) for a chain that does not hold
                  ("condition",) for what only says where a letter runs
    words         ("text", words)

A tag is never an operand, so two trees are equal exactly when they say the same in the same form.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

__all__ = ["COLLECTIONS", "REALS", "Expr", "Unreadable", "number", "show", "symbols"]

Expr = tuple[Any, ...]

REALS: Expr = ("interval", ("neg", ("const", "inf")), ("const", "inf"), True, True)
COLLECTIONS = frozenset(("list", "set", "tuple", "matrix", "interval", "union", "minus", "range"))


class Unreadable(ValueError):
    """The text is not an answer that the reader knows; the message says where it stopped."""


def number(value: int | Fraction) -> Expr:
    """Return the leaf for an exact number, an int where it is one."""
    if isinstance(value, Fraction) and value.denominator == 1:
        value = value.numerator
    return ("num", value)


def symbols(expr: Expr) -> frozenset[str]:
    """Return the names of the free variables of an expression."""
    found: set[str] = set()
    stack: list[Any] = [expr]
    while stack:
        node = stack.pop()
        if not isinstance(node, tuple) or not node:
            continue
        tag = node[0]
        if tag == "sym":
            found.add(node[1])
        elif tag == "call":
            found.add(node[1] + "(")
            stack.extend(node[2:])
        elif tag in ("sum", "prod"):
            found |= symbols(node[4]) - {node[1]}
            stack.extend(node[2:4])
        elif isinstance(tag, str):
            stack.extend(node[1:])
        else:
            stack.extend(node)
    return frozenset(found)


_INFIX = {
    "+": " + ",
    "*": "*",
    "/": "/",
    "^": "^",
    "pm": " ± ",
    "mp": " ∓ ",
    "union": " ∪ ",
    "minus": " \\ ",
    "ratio": ":",
}
_BRACKETS = {"list": ("", ""), "set": ("{", "}"), "tuple": ("(", ")")}


def show(expr: Expr) -> str:
    """Return the expression in one line, for people."""
    tag, *rest = expr
    if tag == "num":
        return str(rest[0])
    if tag == "dec":
        return f"{float(rest[0]):.{rest[1]}f}" if rest[1] < 30 and abs(rest[0]) < 10**15 else str(rest[0])
    if tag in ("sym", "const", "text"):
        return str(rest[0])
    if tag in _INFIX:
        return _INFIX[tag].join(_operand(a) for a in rest)
    if tag in _BRACKETS:
        left, right = _BRACKETS[tag]
        return left + ", ".join(show(a) for a in rest) + right
    if tag == "neg":
        return "-" + _operand(rest[0])
    if tag == "mixed":
        return f"{show(rest[0])} {show(rest[1])}"
    if tag == "pct":
        return _operand(rest[0]) + "%"
    if tag == "deg":
        return _operand(rest[0]) + "°"
    if tag == "qty":
        return f"{_operand(rest[0])} {rest[1]}"
    if tag == "based":
        return f"{rest[0]} in base {rest[1]}"
    if tag == "root":
        return f"√({show(rest[0])})" if rest[1] == ("num", 2) else f"root({show(rest[0])}, {show(rest[1])})"
    if tag in ("fn", "call"):
        return f"{rest[0]}({', '.join(show(a) for a in rest[1:])})"
    if tag == "log":
        return f"log_{_operand(rest[0])}({show(rest[1])})"
    if tag == "interval":
        return f"{'(' if rest[2] else '['}{show(rest[0])}, {show(rest[1])}{')' if rest[3] else ']'}"
    if tag == "matrix":
        return "[" + "; ".join(" ".join(show(a) for a in row) for row in rest[0]) + "]"
    if tag == "named":
        return f"{rest[0]} = {show(rest[1])}"
    if tag == "congruence":
        return f"{show(rest[0])} ≡ {show(rest[1])} mod {show(rest[2])}"
    if tag == "system":
        return ", ".join(show(item) for item in rest)
    if tag == "approx":
        return f"{show(rest[0])} ≈ {show(rest[1])}"
    if tag == "range":
        return f"{rest[0]} in {show(rest[1])}"
    if tag == "chain":
        sides, operators = rest
        return show(sides[0]) + "".join(f" {op} {show(side)}" for op, side in zip(operators, sides[1:], strict=True))
    if tag in ("sum", "prod"):
        return f"{tag}({show(rest[3])}, {rest[0]}={show(rest[1])}..{show(rest[2])})"
    return "a false statement" if tag == "false" else str(expr)


def _operand(expr: Expr) -> str:
    text = show(expr)
    return f"({text})" if expr[0] in ("+", "*", "/", "pm", "mp", "neg", "^", "chain", "list") else text
