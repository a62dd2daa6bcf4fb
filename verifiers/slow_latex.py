r"""What does a text say that our own reader does not know? Asks latex2sympy2_extended.

This is the second reader, for what the first leaves: determinants, differences at two ends, unusual sets. It reads
leniently, dropping signs that it does not know, and takes long on the first text of a kind. So a text comes here only
if every command in it is known to be read right, and what comes out is turned into `Expr` with sympy leaves:

    ("sympy", expression)

Looked for in its source (1.11.0): text reaches sympy's evaluating parser only through `variable_values`, which is not
used here, and through sympify() of what is no sympy object; sympy's parser is taken away in this process anyway.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy

from .dressing import undress
from .expr import Expr, Unreadable
from .slow_read import MAX_DIGITS, group

__all__ = ["read_latex"]

END_OF_TEXT = -1  # antlr's token
LONGEST_TEXT = 300  # its time grows much faster than the text
_KNOWN_COMMANDS = frozenset(
    "frac sqrt int sum prod lim sin cos tan sec csc cot arcsin arccos arctan sinh cosh tanh ln log exp pi infty to "
    "times cdot div binom le ge in cup cap mathbb emptyset lfloor rfloor lceil rceil max min gcd lcm det begin end "
    "alpha beta delta epsilon theta lambda mu nu xi rho sigma tau phi chi psi omega".split()
)
_KNOWN_SIGNS = re.compile(r"[A-Za-z0-9 +\-*/^_{}()\[\]|,=<>!.&]*\Z")
_COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{(\w+)\}")
_ENVIRONMENTS = frozenset(("matrix", "pmatrix", "bmatrix", "vmatrix"))
_OPERATORS = {
    "Equality": "=",
    "Unequality": "ne",
    "StrictLessThan": "<",
    "LessThan": "le",
    "StrictGreaterThan": ">",
    "GreaterThan": "ge",
}


@lru_cache(maxsize=1)
def _converter() -> Any:
    """Return latex2sympy with exact decimals, two-sided limits, and no guesses; it is slow to import."""
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, _Latex2Sympy

    class Converter(_Latex2Sympy):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(None, True, True, ConversionConfig(lowercase_symbols=False))

        def create_parser(self, latex_str: str) -> Any:
            self.parser = super().create_parser(latex_str)
            return self.parser

        def parse(self, latex_str: str) -> Any:
            result = super().parse(latex_str)
            if self.parser.getTokenStream().LA(1) != END_OF_TEXT:
                raise Unreadable("not all of it was read")
            return result

        def parse_number(self, text: str) -> Any:
            value = Fraction(text.replace(",", ""))
            return sympy.Rational(value.numerator, value.denominator)

        def handle_limit(self, func: Any) -> Any:
            limit = super().handle_limit(func)
            return sympy.Limit(*limit.args[:3], "+-") if "^" not in func.limit_sub().getText() else limit

        def handle_integral(self, func: Any) -> Any:
            if not func.DIFFERENTIAL() and "d" not in func.getText():
                raise Unreadable("an integral without its differential")
            return super().handle_integral(func)

    return Converter


def read_latex(text: str) -> Expr:
    """Return what a text says; raises Unreadable."""
    text = _braced(undress(text)).replace("\\begin {", "\\begin{").replace("\\end {", "\\end{")
    _check(text)
    try:
        result = _converter()().parse(text)
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # it raises plain Exceptions, and whatever a wrong guess leads to
        raise Unreadable(f"not read: {type(error).__name__}") from None
    return _to_expr(result)


def _check(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise Unreadable(f"{len(text)} characters; at most {LONGEST_TEXT} are read here")
    for command in _COMMAND.findall(text):
        if command not in _KNOWN_COMMANDS and command not in ("{", "}", "\\"):
            raise Unreadable(f"\\{command} is not read")
    if not _KNOWN_SIGNS.match(_COMMAND.sub("", text)):
        raise Unreadable("there is a sign in it that is not read")
    if not _ENVIRONMENTS.issuperset(_ENVIRONMENT.findall(text)):
        raise Unreadable("that environment is not read")
    if any(len(digits) > MAX_DIGITS for digits in re.findall(r"\d+", text)):
        raise Unreadable(f"a number has more than {MAX_DIGITS} digits")


def _braced(text: str) -> str:
    r"""Write \frac12 and \sqrt2 with braces, without which they are not read."""
    out = ""
    while (found := re.search(r"\\(frac|binom|sqrt)(?![A-Za-z])\s*(\[[^\]]*\])?", text)) is not None:
        out += text[: found.start()] + found.group().rstrip()
        at = found.end()
        for _ in range(1 if found.group(1) == "sqrt" else 2):
            inside, at = group(text, at)
            out += "{" + _braced(inside) + "}"
        text = text[at:]
    return out + text


def _to_expr(value: Any) -> Expr:
    """Return sympy's result as an Expr."""
    if isinstance(value, sympy.MatrixBase):
        return ("matrix", tuple(tuple(_leaf(entry) for entry in row) for row in value.tolist()))
    if isinstance(value, sympy.FiniteSet):
        return ("set", *map(_to_expr, value.args))
    if isinstance(value, sympy.Tuple):
        return ("tuple", *map(_to_expr, value.args))
    if isinstance(value, sympy.Interval):
        return ("interval", _leaf(value.start), _leaf(value.end), bool(value.left_open), bool(value.right_open))
    if isinstance(value, sympy.Union):
        return ("union", *map(_to_expr, value.args))
    if value is sympy.S.EmptySet:
        return ("set",)
    if isinstance(value, sympy.core.relational.Relational) and type(value).__name__ in _OPERATORS:
        return ("chain", (_to_expr(value.lhs), _to_expr(value.rhs)), (_OPERATORS[type(value).__name__],))
    return _leaf(value)


def _leaf(value: Any) -> Expr:
    if not isinstance(value, sympy.Expr) or value.is_Matrix or value.has(sympy.MatrixBase, sympy.MatrixExpr):
        raise Unreadable(f"a {type(value).__name__} is not read")
    # `i` is a variable there and the imaginary unit here, unless something is summed over it; `\gamma` the reverse.
    symbol = sympy.Symbol("i", real=True)
    if symbol in value.free_symbols:
        value = value.xreplace({symbol: sympy.I})
    return ("sympy", value)
