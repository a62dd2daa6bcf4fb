"""What is an expression worth? Exactly where the value is rational, to many digits where it is not.

Rational arithmetic stays in int and Fraction and is exact. Everything else (radicals, π, trigonometry, complex numbers)
is computed by mpmath to `digits` decimal digits, and a sum that cancels to nothing at that precision is zero. What would cost
too much to compute is refused beforehand (`TooLarge`), so that a call takes milliseconds whatever the expression is.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from .expr import Expr

__all__ = ["Evaluator", "NeedsAlgebra", "TooLarge", "Undefined", "is_exact"]

Exact = int | Fraction
Value = Any  # Exact, or an mpf or mpc of the evaluator's context

MAX_BITS = 20_000  # of an exact integer; beyond it powers and products are refused
MAX_STEPS = 20_000  # operations in one evaluation, terms of sums included
_GUARD_DIGITS = 15  # lost to rounding at most; what agrees beyond them is equal

_local = threading.local()


class Undefined(ArithmeticError):
    """The expression has no value here: division by zero, log of zero, infinity minus infinity."""


class NeedsAlgebra(ArithmeticError):
    """The value is that of a sum or product whose terms are too many, or not known, to go through one by one."""


class TooLarge(ArithmeticError):
    """The value, or the work to find it, is beyond what is computed in process."""


def is_exact(value: Value) -> bool:
    """Tell whether a value is rational and known exactly."""
    return isinstance(value, (int, Fraction))


def _context(digits: int) -> Any:
    """Return this thread's mpmath context: mpmath.mp belongs to the user, and contexts are not thread-safe."""
    context = getattr(_local, "context", None)
    if context is None:
        from mpmath.ctx_mp import MPContext

        context = _local.context = MPContext()
    if context.dps != digits:
        context.dps = digits
    return context


class Evaluator:
    """Evaluates expressions, each symbol standing for the number that `values` gives it."""

    def __init__(self, values: Mapping[str, Exact] | None = None, digits: int = 60) -> None:
        self.values = dict(values or {})
        self.digits = digits
        self.steps = MAX_STEPS
        self.reach = 0.0  # decimal orders of magnitude away from 1 that an operand had: what may hide another one

    @property
    def mp(self) -> Any:
        return _context(self.digits)

    def value(self, expr: Expr) -> Value:
        """Return the value; raises Undefined, TooLarge, or KeyError for a form or symbol that has no value."""
        self.steps -= 1
        if self.steps < 0:
            raise TooLarge("too many operations")
        tag = expr[0]
        if tag == "num" or tag == "dec":
            return expr[1]
        return _RULES[tag](self, expr)

    # ---- one method a form

    def _symbol(self, expr: Expr) -> Value:
        return self.values[expr[1]]

    def _constant(self, expr: Expr) -> Value:
        name = expr[1]
        if name == "inf":
            raise Undefined("infinity")
        mp = self.mp
        return +mp.pi if name == "pi" else +mp.e if name == "e" else mp.mpc(0, 1)

    def _sum(self, expr: Expr) -> Value:
        total: Value = 0
        rough: list[Value] = []
        for term in expr[1:]:
            value = self.value(term)
            if is_exact(value):
                total = total + value
            else:
                rough.append(value)
        if not rough:
            return _whole(total)
        return self._add([*rough, self.approximate(total)] if total else rough)

    def _add(self, terms: list[Value]) -> Value:
        """Add approximate terms; a total far below the largest of them is zero."""
        mp = self.mp
        total = mp.fsum(terms)
        largest = max(abs(term) for term in terms)
        if largest and abs(total) < largest * mp.mpf(10) ** (_GUARD_DIGITS - self.digits):
            return 0
        smallest = min((abs(term) for term in terms if term), default=largest)
        if largest and smallest < largest * mp.mpf(10) ** (_GUARD_DIGITS + 5 - self.digits):
            self.reach = max(self.reach, abs(float(mp.log10(smallest))), abs(float(mp.log10(largest))))
            raise TooLarge("the terms differ too much in size to be added at this precision")
        return total

    def _product(self, expr: Expr) -> Value:
        result: Value = 1
        for factor in expr[1:]:
            result = self._times(result, self.value(factor))
        return result

    def _times(self, a: Value, b: Value) -> Value:
        if is_exact(a) and is_exact(b):
            if _bits(a) + _bits(b) > MAX_BITS:
                raise TooLarge("a product of more digits than are computed")
            return _whole(a * b)
        if (is_exact(a) and a == 0) or (is_exact(b) and b == 0):
            return 0
        return self.approximate(a) * self.approximate(b)

    def _quotient(self, expr: Expr) -> Value:
        return self.divide(self.value(expr[1]), self.value(expr[2]))

    def divide(self, over: Value, under: Value) -> Value:
        if under == 0:
            raise Undefined("division by zero")
        if is_exact(over) and is_exact(under):
            return _whole(Fraction(over) / under)
        return 0 if is_exact(over) and over == 0 else self.approximate(over) / self.approximate(under)

    def _negative(self, expr: Expr) -> Value:
        return -self.value(expr[1])

    def _power(self, expr: Expr) -> Value:
        return self._raise(self.value(expr[1]), self.value(expr[2]))

    def _raise(self, base: Value, exponent: Value) -> Value:
        if is_exact(exponent):
            if is_exact(base):
                if isinstance(exponent, int):
                    return self._exact_power(base, exponent)
                return self._rational_power(base, exponent)
            if isinstance(exponent, int) and abs(exponent) > 10_000:
                raise TooLarge("a power too high to compute")
            if exponent == 0:
                return 1
            if isinstance(exponent, Fraction):
                return self._raise(self._root_of(base, exponent.denominator), exponent.numerator)
            return self._settle(base ** self.approximate(exponent) if not isinstance(exponent, int) else base**exponent)
        if base == 0:
            raise Undefined("zero to a power that is not rational")
        mp = self.mp
        log = mp.log(self.approximate(base)) * exponent
        if abs(log) > 100_000:
            raise TooLarge("a power too large to compute")
        self.reach = max(self.reach, abs(float(mp.re(log))) * 0.44)
        return self._settle(mp.exp(log))

    def _exact_power(self, base: Exact, exponent: int) -> Exact:
        if base in (0, 1):
            if base == 0 and exponent < 0:
                raise Undefined("division by zero")
            return 1 if exponent == 0 else base
        if base == -1:
            return -1 if exponent % 2 else 1
        if abs(exponent) > MAX_BITS or _bits(base) * abs(exponent) > MAX_BITS:
            raise TooLarge("a power of more digits than are computed")
        return _whole(Fraction(base) ** exponent) if exponent < 0 else _whole(base**exponent)

    def _rational_power(self, base: Exact, exponent: Fraction) -> Value:
        degree, times = exponent.denominator, exponent.numerator
        root = self._root_of(base, degree)
        return self._raise(root, times)

    def _root(self, expr: Expr) -> Value:
        degree = self.value(expr[2])
        if not isinstance(degree, int):
            return self._raise(self.value(expr[1]), self.divide(1, degree))
        return self._root_of(self.value(expr[1]), degree)

    def _root_of(self, base: Value, degree: int) -> Value:
        """Return the root: the real one where there is one (the cube root of -8 is -2), else the principal one."""
        if degree == 0 or abs(degree) > 1000:
            raise Undefined("a root of that degree")
        if degree < 0:
            return self.divide(1, self._root_of(base, -degree))
        if is_exact(base):
            if base < 0 and degree % 2:
                return -self._root_of(-base, degree)
            if base >= 0:
                exact = _exact_root(base, degree)
                if exact is not None:
                    return exact
        mp = self.mp
        rough = self.approximate(base)
        if degree % 2 and not isinstance(rough, mp.mpc) and rough < 0:
            return -mp.root(-rough, degree)
        return self._settle(mp.sqrt(rough) if degree == 2 else mp.root(rough, degree))

    def _log(self, expr: Expr) -> Value:
        base, inside = self.value(expr[1]), self.value(expr[2])
        if inside == 0 or base == 0 or base == 1:
            raise Undefined("a logarithm of zero or to base 0 or 1")
        mp = self.mp
        if is_exact(base) and is_exact(inside) and base > 0 and inside > 0:
            ratio = math.log(inside) / math.log(base) if _bits(inside) < 1000 and _bits(base) < 1000 else 0.5
            nearest = round(ratio)
            if abs(ratio - nearest) < 1e-9 and abs(nearest) < 2000 and Fraction(base) ** nearest == inside:
                return nearest
        return self._settle(mp.log(self.approximate(inside)) / mp.log(self.approximate(base)))

    def _percent(self, expr: Expr) -> Value:
        return self.divide(self.value(expr[1]), 100)

    def _degrees(self, expr: Expr) -> Value:
        value = self.value(expr[1])
        return 0 if value == 0 else self.approximate(value) * self.mp.pi / 180

    def _mixed(self, expr: Expr) -> Value:
        return _whole(self.value(expr[1]) + self.value(expr[2]))

    def _ratio(self, expr: Expr) -> Value:
        if len(expr) != 3:
            raise KeyError("a ratio of three or more")
        return self.divide(self.value(expr[1]), self.value(expr[2]))

    def _based(self, expr: Expr) -> Value:
        if len(expr[1]) > 300:
            raise TooLarge("a numeral of more digits than are computed")
        return int(expr[1], expr[2])

    def _chain(self, expr: Expr) -> Value:
        raise KeyError("a statement is no value")

    def _loop(self, expr: Expr) -> Value:
        _, variable, low_expr, high_expr, body = expr
        if ("const", "inf") in (low_expr, high_expr):
            raise NeedsAlgebra("a sum without end")
        low, high = self.value(low_expr), self.value(high_expr)
        if not (isinstance(low, int) and isinstance(high, int)):
            raise NeedsAlgebra("bounds that are not whole numbers")
        if high - low > 5_000:
            raise NeedsAlgebra("a sum of more terms than are added")
        result: Value = 0 if expr[0] == "sum" else 1
        outer = self.values.get(variable)
        for k in range(low, high + 1):
            self.values[variable] = k
            term = self.value(body)
            if expr[0] == "prod":
                result = self._times(result, term)
            else:
                result = (
                    _whole(result + term)
                    if is_exact(result) and is_exact(term)
                    else self.approximate(result) + self.approximate(term)
                )
        if outer is None:
            self.values.pop(variable, None)
        else:
            self.values[variable] = outer
        return result

    def _function(self, expr: Expr) -> Value:
        name = expr[1]
        arguments = [self.value(argument) for argument in expr[2:]]
        whole = _WHOLE.get(name)
        if whole is not None:
            return whole(arguments)
        if len(arguments) != 1:
            raise KeyError(name)
        x = arguments[0]
        if name == "abs":
            return abs(x)
        mp = self.mp
        if name in ("floor", "ceil", "sign"):
            if not is_exact(x) and (
                isinstance(x, mp.mpc) or abs(x - mp.nint(x)) < mp.mpf(10) ** (_GUARD_DIGITS - self.digits)
            ):
                raise Undefined("too close to a whole number to tell")
            if name == "sign":
                return (x > 0) - (x < 0)
            return (
                int(mp.floor(x) if name == "floor" else mp.ceil(x))
                if not is_exact(x)
                else (math.floor(x) if name == "floor" else math.ceil(x))
            )
        if x == 0 and name in _ZERO_AT_ZERO:
            return 0
        rough = self.approximate(x)
        if x != 0:
            size = float(mp.log10(abs(rough)))
            # tanh(200) is 1 for the first 170 digits, cos(10^-40) for 80.
            exponential = float(abs(rough)) * 0.9 if name in _EXPONENTIAL and size < 7 else 0.0
            self.reach = max(self.reach, abs(size) * 2, exponential)
        if abs(rough) > 10**6 and name in _EXPONENTIAL:
            raise TooLarge("an exponential too large to compute")
        if abs(rough) > 10**40:
            raise TooLarge("a function of too large an argument")
        function = _FUNCTIONS[name]
        try:
            result = function(mp, rough)
        except (ZeroDivisionError, ValueError) as error:
            raise Undefined(str(error)) from None
        result = self._settle(result)
        # sin(pi) is zero, tan(pi/2) is undefined: the argument is only as exact as the digits it has.
        size = abs(result)
        if size and size < mp.mpf(10) ** (_GUARD_DIGITS - self.digits):
            return 0
        if size > mp.mpf(10) ** (self.digits - _GUARD_DIGITS) and name not in ("exp", "sinh", "cosh"):
            raise Undefined("a pole")
        return result

    # ---- numbers

    def approximate(self, value: Value) -> Value:
        """Return an mpf or mpc."""
        mp = self.mp
        if is_exact(value):
            bits = _bits(value)
            if bits > 60:
                self.reach = max(self.reach, bits * 0.302)
        if isinstance(value, int):
            return mp.mpf(value)
        if isinstance(value, Fraction):
            return mp.mpf(value.numerator) / value.denominator
        return value

    def _settle(self, value: Value) -> Value:
        """Drop an imaginary part that is only rounding, so that a real value is real."""
        mp = self.mp
        if isinstance(value, mp.mpc):
            if abs(value.imag) <= abs(value.real) * mp.mpf(10) ** (_GUARD_DIGITS - self.digits):
                return value.real
        elif not mp.isfinite(value):
            raise Undefined("no finite value")
        return value

    def equal(self, a: Value, b: Value) -> bool:
        """Tell whether two values are the same, to the digits that are good."""
        if is_exact(a) and is_exact(b):
            return bool(a == b)
        mp = self.mp
        a, b = self.approximate(a), self.approximate(b)
        return bool(abs(a - b) <= max(abs(a), abs(b)) * mp.mpf(10) ** (_GUARD_DIGITS - self.digits))


def _whole(value: Exact) -> Exact:
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def _bits(value: Exact) -> int:
    return (
        value.bit_length() if isinstance(value, int) else value.numerator.bit_length() + value.denominator.bit_length()
    )


def _exact_root(value: Exact, degree: int) -> Exact | None:
    over, under = (value, 1) if isinstance(value, int) else (value.numerator, value.denominator)
    top, bottom = _integer_root(over, degree), _integer_root(under, degree)
    return None if top is None or bottom is None else _whole(Fraction(top, bottom))


def _integer_root(value: int, degree: int) -> int | None:
    if value in (0, 1):
        return value
    if degree == 2:
        root = math.isqrt(value)
    else:
        if value.bit_length() > 1000:
            raise TooLarge("a root of more digits than are computed")
        root = round(value ** (1 / degree)) if value.bit_length() < 1000 else 0
        root = next((r for r in (root - 1, root, root + 1) if r >= 0 and r**degree == value), root)
    return root if root**degree == value else None


def _integers(arguments: list[Value]) -> list[int]:
    if not arguments or not all(isinstance(a, int) for a in arguments):
        raise Undefined("defined for whole numbers only")
    return arguments


def _factorial(arguments: list[Value]) -> int:
    (n,) = _integers(arguments)
    if n < 0:
        raise Undefined("the factorial of a negative number")
    if n > 1_500:
        raise TooLarge("a factorial of more digits than are computed")
    return math.factorial(n)


def _double_factorial(arguments: list[Value]) -> int:
    (n,) = _integers(arguments)
    if n < 0:
        raise Undefined("the double factorial of a negative number")
    if n > 2_000:
        raise TooLarge("a double factorial of more digits than are computed")
    return math.prod(range(n, 0, -2))


def _binomial(arguments: list[Value]) -> int:
    n, k = _integers(arguments)
    if k < 0 or n < 0:
        raise Undefined("a binomial of negative numbers")
    if n > 5_000:
        raise TooLarge("a binomial of more digits than are computed")
    return math.comb(n, k)


def _remainder(arguments: list[Value]) -> int:
    a, modulus = _integers(arguments)
    if modulus == 0:
        raise Undefined("a remainder modulo zero")
    return a % modulus


def _extreme(pick: Any) -> Any:
    def of(arguments: list[Value]) -> Value:
        if not all(is_exact(a) for a in arguments):
            raise KeyError("of values that are not rational")
        return pick(arguments)

    return of


_WHOLE: dict[str, Any] = {
    "factorial": _factorial,
    "double factorial": _double_factorial,
    "binom": _binomial,
    "mod": _remainder,
    "gcd": lambda a: math.gcd(*_integers(a)),
    "lcm": lambda a: math.lcm(*_integers(a)),
    "max": _extreme(max),
    "min": _extreme(min),
}
_EXPONENTIAL = frozenset("exp sinh cosh tanh coth sech csch".split())
_ZERO_AT_ZERO = frozenset("sin tan arcsin arctan sinh tanh arcsinh arctanh".split())
_FUNCTIONS: dict[str, Any] = {
    "sin": lambda mp, x: mp.sin(x),
    "cos": lambda mp, x: mp.cos(x),
    "tan": lambda mp, x: mp.tan(x),
    "sec": lambda mp, x: mp.sec(x),
    "csc": lambda mp, x: mp.csc(x),
    "cot": lambda mp, x: mp.cot(x),
    "arcsin": lambda mp, x: mp.asin(x),
    "arccos": lambda mp, x: mp.acos(x),
    "arctan": lambda mp, x: mp.atan(x),
    "arccot": lambda mp, x: mp.acot(x),
    "arcsec": lambda mp, x: mp.asec(x),
    "arccsc": lambda mp, x: mp.acsc(x),
    "sinh": lambda mp, x: mp.sinh(x),
    "cosh": lambda mp, x: mp.cosh(x),
    "tanh": lambda mp, x: mp.tanh(x),
    "coth": lambda mp, x: mp.coth(x),
    "sech": lambda mp, x: mp.sech(x),
    "csch": lambda mp, x: mp.csch(x),
    "arcsinh": lambda mp, x: mp.asinh(x),
    "arccosh": lambda mp, x: mp.acosh(x),
    "arctanh": lambda mp, x: mp.atanh(x),
    "exp": lambda mp, x: mp.exp(x),
}
_RULES: dict[str, Any] = {
    "sym": Evaluator._symbol,
    "const": Evaluator._constant,
    "+": Evaluator._sum,
    "*": Evaluator._product,
    "/": Evaluator._quotient,
    "neg": Evaluator._negative,
    "^": Evaluator._power,
    "root": Evaluator._root,
    "log": Evaluator._log,
    "fn": Evaluator._function,
    "pct": Evaluator._percent,
    "deg": Evaluator._degrees,
    "mixed": Evaluator._mixed,
    "ratio": Evaluator._ratio,
    "based": Evaluator._based,
    "sum": Evaluator._loop,
    "prod": Evaluator._loop,
}
