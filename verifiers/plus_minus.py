"""Which two values does an expression with a plus-or-minus sign stand for?"""

from __future__ import annotations

from .expr import Expr

__all__ = ["has_sign", "signs_chosen"]


def has_sign(expr: Expr) -> bool:
    return expr[0] in ("pm", "mp") or (
        expr[0] in ("+", "*", "/", "^", "neg", "root", "fn", "list", "set", "tuple", "qty")
        and any(isinstance(p, tuple) and p and isinstance(p[0], str) and has_sign(p) for p in expr[1:])
    )


def signs_chosen(expr: Expr) -> Expr:
    """Turn plus-or-minus into the two values that it stands for."""
    if not has_sign(expr):
        return expr
    if expr[0] in ("list", "set"):
        members: list[Expr] = []
        for member in expr[1:]:
            chosen = signs_chosen(member)
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
