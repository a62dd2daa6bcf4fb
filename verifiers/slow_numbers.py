"""What number is an expression, at given values of its variables? By mpmath, to as many digits as can be vouched for.

The tree of a sympy expression is walked as it stands: nothing is simplified, so sizes that no computer could write out
(2 to the power of a thousand million) cost nothing. Everything is computed at two precisions; what agrees is trusted.

Over the reals an odd root of a negative number is negative, as in school, and a value that is not real is no value.
An expression in which the imaginary unit was written is evaluated in the complex plane instead, with principal values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import mpmath
import sympy
from mpmath import mp
from sympy.core.function import AppliedUndef

from .slow_algebra import INFINITIES

__all__ = ["Number", "Undefined", "Unsupported", "evaluate"]

EXACT_DIGITS = (100, 150)  # for closed forms: cancellation may eat half
QUADRATURE_DIGITS = (35, 50)
NESTED_DIGITS = (15, 20)  # a double integral takes the square of the work
FEWEST_DIGITS = 10
MOST_TERMS = 20_000
LARGEST_POWER = 1 << 40  # bits of the exponent's logarithm are what costs; this is far above what anybody writes
NEGLIGIBLE = 0.6  # a part below 10^-(0.6 * digits) of the whole is what rounding left


class Undefined(Exception):
    """There is no value at this point: a division by zero, a logarithm of zero, no real value."""


class Unsupported(Exception):
    """There may be a value, but it is not found here."""


class Number(NamedTuple):
    """A value and how many of its digits agreed at two precisions."""

    value: Any  # mpf or mpc
    digits: int


def evaluate(expr: sympy.Basic, point: Mapping[sympy.Symbol, Fraction], complex_plane: bool) -> Number:
    """Return the value of `expr` where its variables are as `point` says.

    Raises Undefined or Unsupported.
    """
    depth = _quadratures(expr)
    low, high = (EXACT_DIGITS, QUADRATURE_DIGITS, NESTED_DIGITS)[min(depth, 2)]
    try:
        with mp.workdps(low):
            first = _Evaluator(point, complex_plane, low).whole(expr)
        with mp.workdps(high):
            second = _Evaluator(point, complex_plane, high).whole(expr)
    except (ZeroDivisionError, OverflowError) as error:
        raise Undefined(str(error)) from None
    except (ValueError, TypeError, NotImplementedError, mp.NoConvergence, RecursionError) as error:
        raise Unsupported(str(error)) from None
    with mp.workdps(high):
        size = abs(second)
        difference = abs(first - second)
        if difference == 0:
            return Number(second, low)
        if size < mp.mpf(10) ** -int(NEGLIGIBLE * low) and (
            size == 0 or size < abs(first) * mp.mpf(10) ** -(high - low) * 10**6
        ):
            return Number(mp.mpf(0), int(NEGLIGIBLE * low))  # it shrinks as precision grows: it is zero
        digits = int(-mp.log10(difference / size)) if size else 0
    if digits < FEWEST_DIGITS:
        raise Unsupported("the digits do not settle")
    return Number(second, min(digits, low))


def _quadratures(expr: sympy.Basic) -> int:
    """Return how deeply integrals and endless sums are nested: each level is evaluated at many points of the next."""
    inner = max((_quadratures(arg) for arg in expr.args), default=0)
    if isinstance(expr, sympy.Integral):
        return inner + len(expr.limits)
    if isinstance(expr, (sympy.Sum, sympy.Product)):
        return inner + 1 if any(bound in INFINITIES for limit in expr.limits for bound in limit[1:]) else inner
    return inner


class _Evaluator:
    def __init__(self, point: Mapping[sympy.Symbol, Fraction], complex_plane: bool, digits: int) -> None:
        self.point: dict[sympy.Symbol, Any] = {
            symbol: mp.mpf(value.numerator) / value.denominator for symbol, value in point.items()
        }
        self.complex_plane = complex_plane
        self.digits = digits

    def whole(self, expr: sympy.Basic) -> Any:
        """Return the value, which over the reals must be real."""
        value = mp.mpmathify(self.value(expr))
        if not mp.isfinite(value):
            raise Undefined("not finite")
        if isinstance(value, mpmath.mpc):
            if value.imag == 0 or abs(value.imag) <= abs(value) * mp.mpf(10) ** -int(NEGLIGIBLE * self.digits):
                return value.real
            if not self.complex_plane:
                raise Undefined("not real")
        return value

    def value(self, expr: Any) -> Any:
        if expr.is_Symbol:
            if expr not in self.point:
                raise Unsupported(f"{expr} has no value")
            return self.point[expr]
        if expr.is_Rational:
            if expr.q == 0:
                raise Undefined("division by zero")
            return mp.mpf(int(expr.p)) / int(expr.q)
        name = expr.func.__name__
        if (own := _OWN.get(name)) is not None:
            return own(self, expr)
        if (function := _FUNCTIONS.get(name)) is not None:
            return function(*map(self.value, expr.args))
        if isinstance(expr, AppliedUndef):
            return self.unknown_function(expr)
        raise Unsupported(f"{name} is not evaluated")

    def add(self, expr: sympy.Add) -> Any:
        return mp.fsum(map(self.value, expr.args))

    def mul(self, expr: sympy.Mul) -> Any:
        return mp.fprod(map(self.value, expr.args))

    def pow(self, expr: sympy.Pow) -> Any:
        base, exponent = self.value(expr.base), self.value(expr.exp)
        if base == 0:
            if mp.re(exponent) < 0 or (exponent == 0 and not expr.exp.is_Integer):
                raise Undefined("zero to a power that is not positive")
            return mp.mpf(1) if exponent == 0 else mp.mpf(0)
        if abs(exponent) > LARGEST_POWER or mp.mag(base) > LARGEST_POWER:
            growth = mp.re(exponent) * mp.log(abs(base))
            if growth < -LARGEST_POWER:
                return mp.mpf(0)
            if growth > LARGEST_POWER or mp.im(exponent) != 0:
                raise Unsupported("the power is too large")
        if not self.complex_plane and mp.im(base) == 0 and mp.re(base) < 0 and not mp.isint(exponent):
            ratio = _ratio(expr.exp)
            if ratio is not None and ratio.denominator % 2:
                root = mp.power(-mp.re(base), exponent)
                return -root if ratio.numerator % 2 else root
        return mp.power(base, exponent)

    def log(self, expr: Any) -> Any:
        value = self.value(expr.args[0])
        if value == 0:
            raise Undefined("the logarithm of zero")
        return mp.log(value) if len(expr.args) == 1 else mp.log(value) / mp.log(self.value(expr.args[1]))

    def piecewise(self, expr: sympy.Piecewise) -> Any:
        for value, condition in expr.args:
            if self.holds(condition):
                return self.value(value)
        raise Undefined("no case applies")

    def holds(self, condition: Any) -> bool:
        if condition in (True, sympy.true):
            return True
        if condition in (False, sympy.false):
            return False
        if isinstance(condition, sympy.And):
            return all(map(self.holds, condition.args))
        if isinstance(condition, sympy.Or):
            return any(map(self.holds, condition.args))
        if isinstance(condition, sympy.Not):
            return not self.holds(condition.args[0])
        compare = _RELATIONS.get(type(condition).__name__)
        if compare is None:
            raise Unsupported(f"the condition {type(condition).__name__} is not evaluated")
        return compare(self.bound(condition.lhs), self.bound(condition.rhs))

    def real(self, expr: Any) -> Any:
        value = mp.mpmathify(self.value(expr))
        if mp.im(value) != 0:
            raise Undefined("an order among complex numbers")
        return mp.re(value)

    def bound(self, expr: Any) -> Any:
        if expr is sympy.oo:
            return mp.inf
        return mp.ninf if expr is -sympy.oo else self.real(expr)

    def loop(self, expr: Any) -> Any:
        """A sum or product: term by term where it ends, else by convergence acceleration."""
        is_sum = isinstance(expr, sympy.Sum)
        if len(expr.limits) != 1 or len(expr.limits[0]) != 3:
            raise Unsupported("a sum over several variables")
        variable, low, high = expr.limits[0]
        first, last = self.bound(low), self.bound(high)
        if not mp.isint(first) or not (mp.isinf(last) or mp.isint(last)):
            raise Unsupported("a sum between bounds that are not whole")
        term = self.inner(lambda: self.value(expr.function), variable)
        if mp.isinf(last):
            return mp.nsum(term, [first, last]) if is_sum else mp.nprod(term, [first, last])
        if last - first > MOST_TERMS:
            raise Unsupported("a sum of too many terms")
        terms = (term(mp.mpf(k)) for k in range(int(first), int(last) + 1))
        return mp.fsum(terms) if is_sum else mp.fprod(terms)

    def integral(self, expr: sympy.Integral) -> Any:
        return self.integrate(lambda: self.value(expr.function), expr.limits, expr.has(sympy.floor, sympy.ceiling))

    def integrate(self, function: Callable[[], Any], limits: Any, jumps: bool) -> Any:
        if not limits:
            return function()
        *inside, (variable, *ends) = limits  # the first limit is the innermost integral
        if len(ends) != 2:
            raise Unsupported("an antiderivative has no value")
        low, high = self.bound(ends[0]), self.bound(ends[1])
        if low == high:
            return mp.mpf(0)
        sign = 1
        if low > high:
            low, high, sign = high, low, -1
        points = [low, *(self.kinks(low, high) if jumps else ()), high]
        value, error = mp.quad(
            self.inner(lambda: self.integrate(function, inside, jumps), variable), points, error=True
        )
        if error > max(abs(value), 1) * mp.mpf(10) ** -FEWEST_DIGITS:
            raise Unsupported("the integral does not converge")
        return sign * value

    @staticmethod
    def kinks(low: Any, high: Any) -> list[Any]:
        """Return where to cut the interval: floors jump at whole numbers, and quadrature wants no jump inside."""
        if mp.isinf(low) or mp.isinf(high) or high - low > 50:
            return []
        return [mp.mpf(k) for k in range(int(mp.floor(low)) + 1, int(mp.ceil(high)))]

    def inner(self, function: Callable[[], Any], variable: sympy.Symbol) -> Callable[[Any], Any]:
        """Return a function of one number that sets the variable to it and evaluates."""

        def at(value: Any) -> Any:
            before = self.point.get(variable)
            self.point[variable] = value
            try:
                return function()
            finally:
                if before is None:
                    del self.point[variable]
                else:
                    self.point[variable] = before

        return at

    def unknown_function(self, expr: Any) -> Any:
        """f(x) where nothing is known of f: any smooth function will show whether two expressions in f agree."""
        phase = sum(map(ord, expr.func.__name__)) % 97
        total = mp.mpf(phase) / 7
        for place, arg in enumerate(expr.args):
            value = self.value(arg)
            total += mp.cos((place + 2) * value + phase) + value * value / (place + 3) + value / (phase + 2)
        return total


def _ratio(expr: Any) -> Fraction | None:
    """Return a small constant exponent as the fraction that it is: 1/3 may be written 1 * 3^-1 or 0.5."""
    if expr.is_Rational:
        return Fraction(int(expr.p), int(expr.q))
    if expr.free_symbols or expr.count_ops() > 6:
        return None
    plain = expr.doit()
    return Fraction(int(plain.p), int(plain.q)) if plain.is_Rational else None


def _constant(value: Callable[[], Any]) -> Callable[[_Evaluator, Any], Any]:
    return lambda self, expr: value()


def _undefined(self: _Evaluator, expr: Any) -> Any:
    raise Undefined("not a number")


def _digits_of(expr: sympy.Float) -> Any:
    return mp.mpf(expr._mpf_)


_OWN: dict[str, Callable[[_Evaluator, Any], Any]] = {
    "Add": _Evaluator.add,
    "Mul": _Evaluator.mul,
    "Pow": _Evaluator.pow,
    "exp": lambda self, expr: self.pow(sympy.Pow(sympy.E, expr.args[0], evaluate=False)),
    "log": _Evaluator.log,
    "Piecewise": _Evaluator.piecewise,
    "Sum": _Evaluator.loop,
    "Product": _Evaluator.loop,
    "Integral": _Evaluator.integral,
    "NonElementaryIntegral": _Evaluator.integral,
    "UnevaluatedExpr": lambda self, expr: self.value(expr.args[0]),
    "Float": lambda self, expr: _digits_of(expr),
    "Pi": _constant(lambda: +mp.pi),
    "Exp1": _constant(lambda: +mp.e),
    "EulerGamma": _constant(lambda: +mp.euler),
    "Catalan": _constant(lambda: +mp.catalan),
    "GoldenRatio": _constant(lambda: +mp.phi),
    "ImaginaryUnit": _constant(lambda: mp.mpc(0, 1)),
    "NaN": _undefined,
    "ComplexInfinity": _undefined,
    "Infinity": _undefined,
    "NegativeInfinity": _undefined,
    "AccumulationBounds": _undefined,
}


def _factorial(value: Any) -> Any:
    if abs(value) > LARGEST_POWER:
        raise Unsupported("the factorial is too large")
    return mp.factorial(value)


def _gamma(value: Any) -> Any:
    return _factorial(value - 1)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Abs": abs,
    "sign": mp.sign,
    "floor": mp.floor,
    "ceiling": mp.ceil,
    "factorial": _factorial,
    "factorial2": mp.fac2,
    "gamma": _gamma,
    "loggamma": mp.loggamma,
    "binomial": mp.binomial,
    "Max": max,
    "Min": min,
    "Mod": lambda a, b: a - b * mp.floor(a / b),
    "re": mp.re,
    "im": mp.im,
    "arg": mp.arg,
    "conjugate": mp.conj,
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "cot": mp.cot,
    "sec": mp.sec,
    "csc": mp.csc,
    "asin": mp.asin,
    "acos": mp.acos,
    "atan": mp.atan,
    "atan2": mp.atan2,
    "acot": mp.acot,
    "asec": mp.asec,
    "acsc": mp.acsc,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "coth": mp.coth,
    "sech": mp.sech,
    "csch": mp.csch,
    "asinh": mp.asinh,
    "acosh": mp.acosh,
    "atanh": mp.atanh,
    "acoth": mp.acoth,
    "asech": mp.asech,
    "acsch": mp.acsch,
    "erf": mp.erf,
    "erfc": mp.erfc,
    "erfi": mp.erfi,
    "Ei": mp.ei,
    "Si": mp.si,
    "Ci": mp.ci,
    "li": mp.li,
    "fresnels": mp.fresnels,
    "fresnelc": mp.fresnelc,
    "LambertW": mp.lambertw,
    "zeta": mp.zeta,
    "dirichlet_eta": mp.altzeta,
    "polygamma": mp.polygamma,
    "harmonic": mp.harmonic,
    "polylog": mp.polylog,
    "lowergamma": lambda s, x: mp.gammainc(s, 0, x),
    "uppergamma": mp.gammainc,
    "expint": mp.expint,
    "beta": mp.beta,
    "besselj": mp.besselj,
    "bessely": mp.bessely,
    "besseli": mp.besseli,
    "besselk": mp.besselk,
    "elliptic_k": mp.ellipk,
    "elliptic_e": mp.ellipe,
    "fibonacci": mp.fib,
    "RisingFactorial": mp.rf,
    "FallingFactorial": mp.ff,
    "Heaviside": lambda x, at_zero=0.5: mp.mpf(1) if x > 0 else mp.mpf(0) if x < 0 else mp.mpf(at_zero),
}

_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equality": lambda a, b: abs(a - b) <= mp.mpf(10) ** -(mp.dps // 2),
    "Unequality": lambda a, b: abs(a - b) > mp.mpf(10) ** -(mp.dps // 2),
    "StrictLessThan": lambda a, b: a < b,
    "LessThan": lambda a, b: a <= b,
    "StrictGreaterThan": lambda a, b: a > b,
    "GreaterThan": lambda a, b: a >= b,
}
