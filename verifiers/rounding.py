"""When may a decimal stand for a value that it only approximates?

Where the value has no finite decimal expansion, and the decimal shows at least four significant digits of it, rounded or
cut at the last one; or as many as a program prints of a double.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .evaluate import Evaluator, is_exact
from .expr import Expr

__all__ = ["DOUBLE_DIGITS", "MIN_ROUNDED_DIGITS", "decimal_of", "is_endless", "rounds"]

DOUBLE_DIGITS = range(15, 18)  # significant digits with which programs print a double
MIN_ROUNDED_DIGITS = 4  # significant digits of a decimal that may stand for a value it only rounds


def decimal_of(expr: Expr) -> tuple[Any, Fraction, int] | None:
    """Return (value, one unit of the last place, significant digits) for a decimal written with a point."""
    tag = expr[0]
    if tag == "dec":
        return expr[1], Fraction(1, 10 ** expr[2]), expr[3]
    if tag in ("neg", "pct"):
        inner = decimal_of(expr[1])
        if inner is None:
            return None
        return (-inner[0], inner[1], inner[2]) if tag == "neg" else (Fraction(inner[0]) / 100, inner[1] / 100, inner[2])
    if tag == "*" and len(expr) == 3 and expr[2][0] == "^" and expr[2][1] == ("num", 10):
        inner, power = decimal_of(expr[1]), expr[2][2]
        negative = power[0] == "neg"
        power = power[1] if negative else power
        if inner is None or power[0] != "num" or not isinstance(power[1], int) or power[1] > 300:
            return None
        scale = Fraction(10) ** (-power[1] if negative else power[1])
        return inner[0] * scale, inner[1] * scale, inner[2]
    return None


def is_endless(evaluator: Evaluator, value: Any) -> bool:
    """Tell whether a real value has no finite decimal expansion."""
    if not is_exact(value):
        return not isinstance(value, evaluator.mp.mpc)
    if isinstance(value, int):
        return False
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return bool(rest != 1)


def rounds(evaluator: Evaluator, decimal: tuple[Any, Fraction, int], value: Any) -> bool:
    """Tell whether a decimal is a value rounded, or cut, at the decimal's last place."""
    shown, place, _ = decimal
    if not is_exact(value):
        if isinstance(value, evaluator.mp.mpc):
            return False
        mp = evaluator.mp
        shown, place = evaluator.approximate(shown), mp.mpf(place.numerator) / place.denominator
    if (value < 0) != (shown < 0) and shown != 0:
        return False
    excess = abs(value) - abs(shown)
    return bool(0 <= excess < place or 0 <= -excess <= place / 2)
