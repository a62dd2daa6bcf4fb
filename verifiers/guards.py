"""Does a right value do the work that was asked for?

Sameness is of values, so `12+34` is the same as 46. Two guards keep a model from being paid for that: an answer left
undone (`form="evaluated"`), and an answer that only repeats an expression of the prompt.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from .dressing import undress
from .evaluate import Evaluator, TooLarge, Undefined, is_exact
from .expr import Expr, Unreadable, symbols
from .reader import read

__all__ = ["echoes_prompt", "is_done", "plain_form"]

_LITERAL = frozenset(("num", "dec", "mixed", "pct", "deg", "qty", "based", "const", "sym", "text"))
_COLLECTED = frozenset(("list", "set", "tuple", "interval", "union"))


def is_done(answer: Expr) -> bool:
    """Tell whether no sum, difference, product, power, factorial, ... of an answer is left to be computed.

    Fractions, mixed numbers, scientific notation and reduced radicals are done: what is not done is a part that is worth
    a rational number and is not written as one.
    """
    tag = answer[0]
    if tag == "chain":
        return is_done(answer[1][-1])
    if tag in ("named", "range"):
        return is_done(answer[2])
    if tag == "approx":
        return True
    if tag in _COLLECTED:
        return all(is_done(part) for part in answer[1:] if isinstance(part, tuple))
    if tag in ("num", "dec", "sym", "text", "const", "based"):
        return True
    if symbols(answer):
        return True
    if tag in ("neg", "pct", "deg", "qty", "mixed"):
        return not (tag == "neg" and answer[1][0] == "neg") and is_done(answer[1])
    if tag == "root" and answer[2] == ("num", 2) and answer[1][0] == "num" and isinstance(answer[1][1], int):
        return all(answer[1][1] % (k * k) for k in range(2, min(1_000, math.isqrt(abs(answer[1][1]))) + 1))
    if _is_fraction(answer) or _is_scientific(answer):
        return True
    if _is_rational(answer):
        return False
    if tag in ("+", "*"):
        rational = sum(1 for part in answer[1:] if _is_rational(part))
        if rational > 1 or (tag == "+" and len(answer) < 20 and _are_alike(answer[1:])):
            return False
    return all(is_done(part) for part in answer[1:] if isinstance(part, tuple))


def _is_fraction(expr: Expr) -> bool:
    return expr[0] == "/" and all(part[0] == "num" or (part[0] == "neg" and part[1][0] == "num") for part in expr[1:])


def _is_scientific(expr: Expr) -> bool:
    """Tell whether an expression is a x 10^n with a plain number a, or a power of ten alone."""
    power = expr[2] if expr[0] == "*" and len(expr) == 3 and expr[1][0] in ("num", "dec") else expr
    return bool(
        power[0] == "^"
        and power[1] == ("num", 10)
        and (power[2][0] == "num" or (power[2][0] == "neg" and power[2][1][0] == "num"))
        and expr[0] == "*"
    )


def _is_rational(expr: Expr) -> bool:
    """Tell whether an expression is worth a rational number (of a small denominator, where it is not exact)."""
    evaluator = Evaluator()
    try:
        return _rational(evaluator, evaluator.value(expr))
    except (Undefined, TooLarge, KeyError):
        return False


def _rational(evaluator: Evaluator, value: Any) -> bool:
    if is_exact(value):
        return True
    if isinstance(value, evaluator.mp.mpc):
        return False
    near = Fraction(float(value)).limit_denominator(10_000) if abs(value) < 10**9 else Fraction(0)
    return bool(evaluator.equal(value, near))


def _are_alike(terms: Sequence[Expr]) -> bool:
    """Tell whether two terms are rational multiples of each other, and so wait to be added."""
    evaluator = Evaluator()
    try:
        values = [evaluator.value(term) for term in terms]
        return any(
            _rational(evaluator, evaluator.divide(a, b))
            for k, a in enumerate(values)
            for b in values[k + 1 :]
            if b != 0
        )
    except (Undefined, TooLarge, KeyError):
        return False


def plain_form(expr: Expr) -> str:
    """Name the notation of a literal ("num", "dec", "/", ...); an empty string for anything with work in it."""
    while expr[0] in ("neg", "qty", "named", "chain"):
        expr = expr[1] if expr[0] in ("neg", "qty") else expr[2] if expr[0] == "named" else expr[1][-1]
    if expr[0] == "num" and not isinstance(expr[1], int):
        return "repeating"
    if expr[0] in _LITERAL:
        return "num" if expr[0] == "based" else str(expr[0])
    return "/" if _is_fraction(expr) else ""


def echoes_prompt(answer: str, answer_read: Expr, reference_read: Expr, prompt: str) -> bool:
    """Tell whether an answer that is worth the reference only repeats an expression of the prompt.

    What stands in the prompt in the reference's own form is no echo: an option's letter, a number among its data.
    """
    if answer_read == reference_read:
        return False
    form = plain_form(answer_read)
    if form in ("num", "sym", "text", "const") or (form not in ("", "/") and form == plain_form(reference_read)):
        return False
    said = _side(undress(answer).rpartition("=")[2])
    if not said:
        return False
    pattern = r"(?<![A-Za-z0-9.])" + _GAP.join(re.escape(piece) for piece in said) + r"(?![A-Za-z0-9]|\.\d)"
    source = undress(prompt.replace("$", " ").replace("\\%", "%"))[:50_000]
    if _canonical(answer_read) in _expressions(source):
        return True
    return re.search(pattern, _SHORT_FRACTION.sub(r"\\\1{\2}{\3}", source)) is not None


# Between the expressions of a prompt stand words, punctuation and line ends.
_BETWEEN = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}(?![A-Za-z(])|[?;,:=](?=\s|$)|\.(?=\s|$)|\n|=")


def _expressions(source: str) -> set[Expr]:
    """Return every expression that stands in a prompt, with the parts of each, in a form without order or notation."""
    found: set[Expr] = set()
    for piece in map(str.strip, _BETWEEN.split(source.replace("$", " "))[:200]):
        if len(piece) < 2 or len(piece) > 300:
            continue
        try:
            stack = [_canonical(read(piece))]
        except Unreadable:
            continue
        while stack:
            part = stack.pop()
            found.add(part)
            stack.extend(inner for inner in part[1:] if isinstance(inner, tuple))
    return found


def _canonical(expr: Expr) -> Expr:
    """Return an expression with the terms of sums and the factors of products in a fixed order."""
    if expr[0] == "named":
        return _canonical(expr[2])
    tag = expr[0]
    parts = [
        _canonical(part) if isinstance(part, tuple) and part and isinstance(part[0], str) else part for part in expr[1:]
    ]
    if tag in ("+", "*"):
        nothing = ("num", 0 if tag == "+" else 1)
        parts = sorted((part for part in parts if part != nothing), key=repr)
        return parts[0] if len(parts) == 1 else (tag, *parts)
    return parts[0] if tag == "/" and parts[1] == ("num", 1) else (tag, *parts)


_PIECE = re.compile(r"\\[A-Za-z]+|\d+(?:\.\d+)?|[A-Za-z]|[^\s{}$]")
_SHORT_FRACTION = re.compile(r"\\(frac|binom)\s*(\d)\s*(\d)")
_GAP = r"(?:[\s{}$]|\\left|\\right)*"


def _side(text: str) -> list[str]:
    """Return the pieces of an answer without brackets around all of it, and without words for dressing."""
    text = _SHORT_FRACTION.sub(r"\\\1{\2}{\3}", text)
    pieces = _PIECE.findall(text.replace("\\text", "").replace("\\%", "%").strip())
    while len(pieces) > 2 and pieces[0] == "(" and pieces[-1] == ")" and pieces.index(")") == len(pieces) - 1:
        pieces = pieces[1:-1]
    return pieces
