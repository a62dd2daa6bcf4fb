r"""What holds for MathVerifier whatever the texts are?

Sameness is tested against an oracle that shares nothing with the verifier: a value is drawn first (a fraction, a + b√c, a
polynomial, a tuple, ...), then written down in two notations drawn at random. The same value must be the same answer, a
changed value must not, either way round. What no text may do (raise, run, earn from inside thinking) is in
test_math_hostility.py. Runs are derandomised: the same examples every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import gcd
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from assay import MathVerifier, Problem, Score, Status

steady = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)
Draw = st.DrawFn
Meaning = tuple[str, Any]


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    with MathVerifier(deadline=5.0) as made:
        yield made


@pytest.fixture(scope="module")
def evaluated() -> Iterator[MathVerifier]:
    with MathVerifier(form="evaluated", deadline=5.0) as made:
        yield made


@pytest.fixture(scope="module")
def lenient() -> Iterator[MathVerifier]:
    with MathVerifier(extract="lenient", deadline=5.0) as made:
        yield made


def judged(verifier: MathVerifier, answer: str, reference: str) -> Score:
    return verifier.score(f"\\boxed{{{answer}}}", reference)


def same(verifier: MathVerifier, answer: str, reference: str) -> bool:
    return judged(verifier, answer, reference).reward == 1.0


# ---- values, and ways to write them

fractions = st.builds(Fraction, st.integers(-99, 99), st.sampled_from([1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 100]))
nonzero = fractions.filter(bool)
whole = st.integers(-99, 99).filter(bool)
# What a value may be changed by: no decimal of a few places is a rounding of anything that far away.
shifts = st.sampled_from([Fraction(1), Fraction(-1), Fraction(1, 2), Fraction(-1, 3), Fraction(2, 7), Fraction(10)])


def is_finite(value: Fraction) -> bool:
    """Tell whether a fraction has a finite decimal expansion."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def decimal(value: Fraction) -> str:
    """Write a fraction with a finite expansion as a decimal."""
    places = next(n for n in range(60) if (value * 10**n).denominator == 1)
    digits = str(abs(value.numerator * 10**places // value.denominator)).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def fraction_forms(value: Fraction) -> list[str]:
    """Return ways to write a fraction that stand anywhere, also inside a tuple or before a letter."""
    over, under = abs(value.numerator), value.denominator
    sign = "-" if value < 0 else ""
    if under == 1:
        return [f"{sign}{over}", f"{sign}{{{over}}}", f"{sign}\\frac{{{6 * over}}}{{6}}"]
    forms = [
        f"{sign}\\frac{{{over}}}{{{under}}}",
        f"{sign}\\dfrac{{{over}}}{{{under}}}",
        f"{sign}\\tfrac {{{3 * over}}} {{{3 * under}}}",
        f"\\frac{{{sign}{over}}}{{{under}}}",
        f"{sign}{over}/{under}",
    ]
    if over < 10 and under < 10:
        forms.append(f"{sign}\\frac{over}{under}")
    return forms


def number_forms(value: Fraction) -> list[str]:
    """Return ways to write a fraction that stands alone."""
    forms = fraction_forms(value)
    plain = forms[0]
    if is_finite(value):
        shown = decimal(value)
        forms += [shown, shown + ("00" if "." in shown else ".0"), shown.replace("-", "−"), f"{shown}\\times10^{{0}}"]
        forms += [decimal(value / 1000) + r"\times 10^3", decimal(value * 100) + "e-2", decimal(value * 100) + r"\%"]
        if "." not in shown:
            forms += [shown.translate({ord("0") + d: 0xFF10 + d for d in range(10)}), shown + "."]
            forms += ["+" + shown] if value >= 0 else [shown.replace("-", "- ")]
        else:
            forms.append(shown.replace("-0.", "-.").removeprefix("0"))
    repeating = decimal_expansion(value)
    if repeating:
        forms.append(repeating)
    if abs(value) > 1 and value.denominator > 1:
        whole_part, rest = divmod(abs(value.numerator), value.denominator)
        forms.append(f"{'-' if value < 0 else ''}{whole_part}\\frac{{{rest}}}{{{value.denominator}}}")
    forms += [f"${plain}$", f"\\left({plain}\\right)", f"\\mathbf{{{plain}}}", f"\\,{plain}\\;", f"x = {plain}"]
    return [*forms, f"\\text{{{plain}}}" if "\\" not in plain else plain, f"{plain}.", f"{plain}\\text{{ apples}}"]


def decimal_expansion(value: Fraction) -> str:
    r"""Write a fraction without a finite expansion with its cycle: 0.1\overline{6}."""
    if is_finite(value):
        return ""
    whole_part, rest = divmod(abs(value.numerator), value.denominator)
    seen: dict[int, int] = {}
    digits = ""
    while rest not in seen:
        seen[rest] = len(digits)
        digit, rest = divmod(rest * 10, value.denominator)
        digits += str(digit)
    start = seen[rest]
    return f"{'-' if value < 0 else ''}{whole_part}.{digits[:start]}\\overline{{{digits[start:]}}}"


UNITS = ["cm", "m", "kg", "hours", "dollars", "apples", "red balls"]
WORDS = ["east", "yes", "Evelyn", "rational", "the circle", "infinitely many", "isosceles triangle"]


def quantity_forms(value: Fraction, unit: str) -> list[str]:
    """Return ways to write a number of something."""
    forms = [f"{plain}\\text{{ {unit}}}" for plain in fraction_forms(value)]
    forms += [f"{forms[0]}.", f"{fraction_forms(value)[0]}\\ \\mathrm{{{unit}}}", f"$ {forms[0]} $"]
    if is_finite(value):
        shown = decimal(value)
        forms += [f"{shown} {unit}", f"\\text{{{shown} {unit}}}", f"{shown}\\,\\text{{{unit}}}"]
        forms += [f"\\${shown}", f"{shown}\\text{{ dollar}}"] if unit == "dollars" and value >= 0 else []
    return forms


def added(draw: Draw, terms: list[str]) -> str:
    """Join terms, which bring their signs, in any order."""
    terms = draw(st.permutations(terms))
    gap = draw(st.sampled_from(["", " "]))
    return gap.join([terms[0], *(term if term.startswith("-") else "+" + term for term in terms[1:])])


def multiple(draw: Draw, factor: Fraction, symbol: str) -> str:
    r"""Write factor * symbol: 3x, \frac{3}{2}x, \frac{3x}{2}, 1.5\cdot x."""
    sign = "-" if factor < 0 else ""
    over, under = abs(factor.numerator), factor.denominator
    if under == 1:
        bare = f"{sign}{symbol}" if over == 1 else f"{sign}{over}{symbol}"
        return draw(st.sampled_from([bare, f"{sign}{over}\\cdot {symbol}", f"{sign}{over} \\times {symbol}"]))
    forms = [
        f"{sign}\\frac{{{over}}}{{{under}}}{symbol}",
        f"{sign}\\frac{{{symbol if over == 1 else f'{over}{symbol}'}}}{{{under}}}",
        f"{sign}{over}{symbol}/{under}",
    ]
    if is_finite(factor):
        forms.append(decimal(factor) + symbol)
    return draw(st.sampled_from(forms))


def radical(draw: Draw, factor: Fraction, square: int) -> str:
    """Write factor * √square."""
    symbol = draw(st.sampled_from([f"\\sqrt{{{square}}}", f"{square}^{{1/2}}", f"\\sqrt[2]{{{square}}}"]))
    if symbol[0] != "\\":
        return f"{fraction_forms(factor)[0]}\\cdot {symbol}"
    forms = [multiple(draw, factor, symbol)]
    sign = "-" if factor < 0 else ""
    if factor.denominator == 1:
        forms.append(f"{sign}\\sqrt{{{factor.numerator**2 * square}}}")
        forms.append(f"{sign}\\frac{{{abs(factor.numerator) * square}}}{{\\sqrt{{{square}}}}}")
    return draw(st.sampled_from(forms))


def written_polynomial(draw: Draw, coefficients: tuple[Fraction, ...]) -> str:
    """Write c0 + c1 x + ...: expanded in any order, by Horner's rule, or around another point."""
    powers = ["1", "x", "x^2", "x^{3}", "x^4"]
    way = draw(st.sampled_from(["expanded", "expanded", "horner", "split"]))
    if way == "horner":
        text = fraction_forms(coefficients[-1])[0]
        for coefficient in coefficients[-2::-1]:
            rest = fraction_forms(coefficient)[0]
            text = f"x({text})" + (rest if rest.startswith("-") else "+" + rest)
        return text
    if way == "split" and len(coefficients) > 2:
        # p(x) = (x - r) q(x) + p(r)
        r = draw(st.integers(-3, 3))
        quotient: list[Fraction] = []
        carry = Fraction(0)
        for coefficient in coefficients[::-1]:
            carry = carry * r + coefficient
            quotient.append(carry)
        rest = quotient.pop()
        inner = written_polynomial(draw, tuple(quotient[::-1]))
        shift = f"x-{r}" if r > 0 else f"x+{-r}"
        tail = fraction_forms(rest)[0]
        return f"({shift})\\left({inner}\\right)" + (tail if tail.startswith("-") else "+" + tail)
    terms = [
        multiple(draw, coefficient, power) if power != "1" else draw(st.sampled_from(fraction_forms(coefficient)[:2]))
        for coefficient, power in zip(coefficients, powers, strict=False)
        if coefficient
    ]
    return added(draw, terms)


def written_scalar(draw: Draw, meaning: Meaning) -> str:
    """Write a value so that it may stand among others."""
    kind, value = meaning
    if kind == "number":
        forms = fraction_forms(value)
        return draw(st.sampled_from([*forms, decimal(value)] if is_finite(value) else forms))
    if kind == "radical":
        a, b, square = value
        terms = [radical(draw, b, square)]
        return added(draw, [*terms, *([draw(st.sampled_from(fraction_forms(a)[:2]))] if a else [])])
    assert kind == "pi"
    a, b = value
    terms = [multiple(draw, b, "\\pi")]
    return added(draw, [*terms, *([draw(st.sampled_from(fraction_forms(a)[:2]))] if a else [])])


def written_range(draw: Draw, pieces: tuple[Any, ...]) -> str:
    """Write a union of intervals with brackets, or as inequalities in x."""
    texts = []
    style = draw(st.sampled_from(["brackets", "left-right", "inequality"]))
    for low, high, low_open, high_open in pieces:
        left = "-\\infty" if low is None else draw(st.sampled_from(fraction_forms(low)))
        right = "\\infty" if high is None else draw(st.sampled_from(fraction_forms(high)))
        if style != "inequality":
            sizes = ("\\left", "\\right") if style == "left-right" else ("", "")
            opening, closing = "(" if low_open else "[", ")" if high_open else "]"
            texts.append(f"{sizes[0]}{opening}{left}, {right}{sizes[1]}{closing}")
        elif low is None:
            texts.append(f"x {'<' if high_open else draw(st.sampled_from(['≤', chr(92) + 'leq']))} {right}")
        elif high is None:
            texts.append(f"{left} < x" if low_open else f"x \\ge {left}")
        else:
            texts.append(
                f"{left} {'<' if low_open else chr(92) + 'le'} x {'<' if high_open else chr(92) + 'le'} {right}"
            )
    joint = " \\text{ or } " if style == "inequality" else draw(st.sampled_from([" \\cup ", "∪"]))
    return joint.join(draw(st.permutations(texts)))


@st.composite
def texts_of(draw: Draw, meaning: Meaning) -> str:
    """Write a meaning in one of its notations."""
    kind, value = meaning
    if kind == "number":
        return draw(st.sampled_from(number_forms(value)))
    if kind in ("radical", "pi"):
        return written_scalar(draw, meaning)
    if kind == "complex":
        a, b = value
        return added(draw, [multiple(draw, b, "i"), *([draw(st.sampled_from(fraction_forms(a)[:2]))] if a else [])])
    if kind == "polynomial":
        return written_polynomial(draw, value)
    if kind == "range":
        return written_range(draw, value)
    if kind == "quantity":
        return draw(st.sampled_from(quantity_forms(*value)))
    if kind == "product":
        factor, letters = value
        return multiple(draw, factor, draw(st.sampled_from(["", " ", "\\cdot "])).join(draw(st.permutations(letters))))
    if kind == "word":
        cased = draw(st.sampled_from([value, value.lower(), value.capitalize()]))
        dressed = draw(st.sampled_from(["{}", "\\text{{{}}}", "\\textbf{{{}}}", "\\text{{ {} }}"])).format(cased)
        return dressed + draw(st.sampled_from(["", "."]))
    members = [written_scalar(draw, member) for member in value]
    if kind == "tuple":
        form = draw(st.sampled_from(["({})", "\\left( {} \\right)", "\\langle {} \\rangle", "column"]))
        if form == "column":
            return "\\begin{pmatrix}" + " \\\\ ".join(members) + "\\end{pmatrix}"
        return form.format(", ".join(members))
    members = draw(st.permutations([*members, *draw(st.sampled_from([[], members[:1]]))]))
    form = draw(st.sampled_from(["\\{{{}\\}}", "\\left\\{{ {} \\right\\}}", "{}", "named", "and"]))
    if form == "named":
        return " \\text{ or } ".join(f"x = {member}" for member in members)
    return " \\text{ and } ".join(members) if form == "and" else form.format(", ".join(members))


def radicals() -> st.SearchStrategy[Meaning]:
    return st.tuples(st.just("radical"), st.tuples(fractions, nonzero, st.sampled_from([2, 3, 5, 6, 7, 10])))


numbers: st.SearchStrategy[Meaning] = st.tuples(st.just("number"), fractions)
scalars = st.one_of(numbers, numbers, radicals(), st.tuples(st.just("pi"), st.tuples(fractions, nonzero)))
polynomials = st.tuples(
    st.just("polynomial"),
    st.tuples(fractions, nonzero)
    | st.tuples(fractions, fractions, nonzero)
    | st.tuples(fractions, fractions, fractions, nonzero),
)


@st.composite
def ranges(draw: Draw) -> Meaning:
    ends: list[Fraction | None] = [*sorted(draw(st.sets(fractions, min_size=2, max_size=4)))]
    ends = ends[: len(ends) // 2 * 2]
    if draw(st.booleans()):
        ends[0] = None
    if draw(st.booleans()) and len(ends) > 2:
        ends[-1] = None
    pieces = [
        (low, high, low is None or draw(st.booleans()), high is None or draw(st.booleans()))
        for low, high in zip(ends[::2], ends[1::2], strict=True)
    ]
    return "range", tuple(pieces)


meanings = st.one_of(
    scalars,
    polynomials,
    ranges(),
    st.tuples(st.just("complex"), st.tuples(fractions, nonzero)),
    st.tuples(st.just("quantity"), st.tuples(fractions, st.sampled_from(UNITS))),
    st.tuples(st.just("product"), st.tuples(nonzero, st.sampled_from(["xy", "abc", "ab", "xyz"]))),
    st.tuples(st.just("word"), st.sampled_from(WORDS)),
    st.tuples(st.just("tuple"), st.tuples(scalars, scalars) | st.tuples(scalars, scalars, scalars)),
    st.tuples(st.just("set"), st.lists(numbers, min_size=2, max_size=4, unique=True).map(tuple)),
)


@st.composite
def changed(draw: Draw, meaning: Meaning) -> Meaning:
    """Return a meaning of the same kind that is not the same."""
    kind, value = meaning
    if kind == "number":
        return kind, -value if value and draw(st.booleans()) else value + draw(shifts)
    if kind == "word":
        return kind, draw(st.sampled_from(WORDS).filter(lambda other: other != value))
    if kind in ("quantity", "product"):
        other = draw(st.sampled_from([-value[0], value[0] + draw(shifts), value[0] * 10]))
        assume(other not in (0, value[0]))
        return kind, (other, value[1])
    if kind in ("tuple", "set"):
        way = draw(st.sampled_from(["member", "more", "fewer"]))
        at = draw(st.integers(0, len(value) - 1))
        if way == "more":
            return kind, (*value, draw(numbers.filter(lambda extra: extra not in value)))
        if way == "fewer" and len(value) > 2:
            return kind, value[:at] + value[at + 1 :]
        other = draw(changed(value[at]))
        if kind == "set" and other in value:
            return kind, (*value, ("number", Fraction(1000)))
        return kind, (*value[:at], other, *value[at + 1 :])
    if kind == "range":
        at = draw(st.integers(0, len(value) - 1))
        low, high, low_open, high_open = value[at]
        if high is not None and draw(st.booleans()):
            piece = (low, high, low_open, not high_open)
        elif low is not None and draw(st.booleans()):
            piece = (low - Fraction(1, 1000), high, low_open, high_open)
        elif high is not None:
            piece = (low, high - Fraction(1, 1000), low_open, high_open)
        else:
            piece = (low, Fraction(1000), low_open, True)
        return kind, (*value[:at], piece, *value[at + 1 :])
    parts = list(value)
    at = draw(st.integers(0, 1 if kind in ("radical", "pi", "complex") else len(parts) - 1))
    parts[at] += draw(shifts)
    assume(parts[1] if kind in ("radical", "pi", "complex") else parts[-1])
    return kind, tuple(parts)


written_twice = meanings.flatmap(lambda meaning: st.tuples(texts_of(meaning), texts_of(meaning)))
written_apart = meanings.flatmap(lambda meaning: st.tuples(texts_of(meaning), changed(meaning).flatmap(texts_of)))


def percents(*texts: str) -> bool:
    """Tell whether the rule of the percent sign, which has a direction, is in play."""
    return any("%" in text for text in texts)


# ---- sameness

VALUES = [
    Fraction(n, d) for n in (0, 1, -1, 7, -12, 15, 1001, -98765) for d in (1, 2, 4, 3, 7, 12, 100) if gcd(n, d) == 1
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_every_notation_of_a_number_is_that_number(verifier: MathVerifier, value: Fraction) -> None:
    forms, plain = number_forms(value), f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
    for form, other in zip(forms, forms[1:] + forms[:1], strict=True):
        assert same(verifier, form, plain), (form, plain)
        assert same(verifier, plain, form), (plain, form)
        assert same(verifier, form, other), (form, other)
    for form, other in zip(forms, number_forms(value + 1), strict=False):
        assert not same(verifier, form, other), (form, other)
        assert not same(verifier, other, form), (other, form)
        if value:
            negated = number_forms(-value)[len(form) % 5]
            assert not same(verifier, form, negated), (form, negated)


@settings(steady, max_examples=300)
@given(written_twice)
def test_one_value_in_two_notations_is_the_same(verifier: MathVerifier, pair: tuple[str, str]) -> None:
    score = judged(verifier, *pair)
    assert score.reward == 1.0, (pair, score)


@settings(steady, max_examples=300)
@given(written_apart)
def test_a_changed_value_is_different_both_ways(verifier: MathVerifier, pair: tuple[str, str]) -> None:
    for answer, reference in (pair, pair[::-1]):
        score = judged(verifier, answer, reference)
        assert score.status is Status.INCORRECT, (answer, reference, score)


@settings(steady, max_examples=150)
@given(scalars, scalars, st.data())
def test_two_values_are_the_same_only_if_they_are_equal(
    verifier: MathVerifier, one: Meaning, other: Meaning, data: st.DataObject
) -> None:
    answer, reference = data.draw(texts_of(one)), data.draw(texts_of(other))
    assume(one == other or not percents(answer, reference))
    assert same(verifier, answer, reference) == (one == other), (answer, reference)


@settings(steady, max_examples=150)
@given(meanings.flatmap(texts_of))
def test_every_reference_is_the_same_as_itself(verifier: MathVerifier, reference: str) -> None:
    assert judged(verifier, reference, reference).status is Status.CORRECT
    # Not by being the same text only.
    assert judged(verifier, f"{{{{{reference}}}}}", reference).status is Status.CORRECT


@st.composite
def arithmetic(draw: Draw, depth: int = 3) -> tuple[str, Fraction]:
    """An expression of whole numbers and what it is worth, by Python's own fractions."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        n = draw(st.integers(0, 12))
        return str(n), Fraction(n)
    operator = draw(st.sampled_from(["+", "-", "\\cdot", "\\times", "frac", "/", "^", "neg", "()"]))
    a, x = draw(arithmetic(depth - 1))
    if operator == "neg":
        return f"-\\left({a}\\right)", -x
    if operator == "()":
        return f"({a})", x
    if operator == "^":
        power = draw(st.integers(0, 3))
        assume(x or power)
        return f"({a})^{{{power}}}", x**power
    b, y = draw(arithmetic(depth - 1))
    if operator in ("frac", "/"):
        assume(y)
        return (f"\\frac{{{a}}}{{{b}}}" if operator == "frac" else f"({a})/({b})"), x / y
    value = x + y if operator == "+" else x - y if operator == "-" else x * y
    return f"({a}) {operator} ({b})", value


@settings(steady, max_examples=150)
@given(arithmetic(), shifts)
def test_arithmetic_is_worth_what_python_says(
    verifier: MathVerifier, sum_: tuple[str, Fraction], shift: Fraction
) -> None:
    text, value = sum_
    over, under = value.numerator, value.denominator
    assert same(verifier, text, f"\\frac{{{over}}}{{{under}}}")
    assert same(verifier, f"{over}/{under}", text)
    other = value + shift
    assert not same(verifier, text, f"\\frac{{{other.numerator}}}{{{other.denominator}}}")


@steady
@given(arithmetic())
def test_work_left_undone_earns_nothing_where_it_is_asked_for(
    evaluated: MathVerifier, sum_: tuple[str, Fraction]
) -> None:
    text, value = sum_
    assume(any(sign in text for sign in (" + ", " - ", "cdot", "times", "^")))
    plain = fraction_forms(value)[0]
    assert not same(evaluated, text, plain), text
    # The chain of the computation with its result is done.
    assert same(evaluated, f"{text} = {plain}", plain), text


# ---- rounding, against its rule in integers


def cut_and_rounded(value: Fraction, places: int) -> tuple[set[Fraction], int]:
    """Return the decimals of so many places that a value may be shown as, and how many digits it shows."""
    scale = 10**places
    scaled = abs(value) * scale
    floor = scaled.numerator // scaled.denominator
    shown = {Fraction(floor, scale), Fraction(floor + (2 * (scaled - floor) >= 1), scale)}
    return {(-one if value < 0 else one) for one in shown}, places


@settings(steady, max_examples=400)
@given(
    st.builds(Fraction, st.integers(-5000, 5000), st.integers(1, 130) | st.sampled_from([8, 32, 64, 125, 128, 640])),
    st.integers(1, 9) | st.integers(1, 4),
    st.sampled_from([0, 0, 0, 1, -1, 5]),
)
def test_a_decimal_rounds_a_value_only_by_the_rule(
    verifier: MathVerifier, value: Fraction, places: int, off: int
) -> None:
    allowed, _ = cut_and_rounded(value, places)
    shown = sorted(allowed)[0] + Fraction(off, 10**places)
    digits = str(abs(shown.numerator * 10**places // shown.denominator)).rjust(places + 1, "0")
    text = f"{'-' if shown < 0 else ''}{digits[:-places]}.{digits[-places:]}"
    significant = len(digits.lstrip("0"))
    expected = shown == value if is_finite(value) else shown in allowed and significant >= 4
    exact = f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
    assert same(verifier, text, exact) == expected, (text, exact)
    assert same(verifier, exact, text) == expected, (exact, text)


@settings(steady, max_examples=100)
@given(st.integers(10**4, 10**12), st.sampled_from([1, -1, 2, 10]))
def test_close_is_not_equal(verifier: MathVerifier, n: int, off: int) -> None:
    assert not same(verifier, str(n + off), str(n))
    assert not same(verifier, f"{n + off}.0", str(n))
    assert not same(verifier, f"{n}.5", str(n))
    assert not same(verifier, f"{n}.00001", str(n))


# ---- symmetry, on texts that need not say anything sensible

ATOMS = (
    "0 1 2 -1 1/2 0.5 0.3333 \\frac13 x y x+1 2x \\pi \\sqrt2 i 90^\\circ 5\\text{cm} \\$5 \\infty A C \\text{yes}"
).split()
SHAPES = [
    "{0}", "-{0}", "({0})", "({0},{1})", "[{0},{1})", "({0},{1}]", "[{0},{1}]", "\\{{{0},{1}\\}}", "\\{{{0}\\}}", "{0}, {1}",
    "{0} \\text{{ or }} {1}", "x={0}", "y={0}", "x={0}, y={1}", "x={0} \\text{{ or }} x={1}", "{0}={1}", "x>{0}", "x\\le {0}",
    "{0}<x<{1}", "\\pm {0}", "{0}\\pm {1}", "{0}:{1}", "{0}+{1}", "{0}\\cdot({1})", "\\frac{{{0}}}{{{1}}}", "({0})^2",
    "\\begin{{pmatrix}}{0}\\\\{1}\\end{{pmatrix}}", "\\begin{{pmatrix}}{0}&{1}\\end{{pmatrix}}", "|{0}|", "({0})!",
    "(-\\infty,{0})\\cup({1},\\infty)", "\\text{{({0})}}", "\\sqrt{{{0}}}", "{0}\\approx {1}", "{0}\\text{{ cm}}", "f(x)={0}",
]  # fmt: skip
anything = st.builds(
    lambda shape, a, b: shape.format(a, b), st.sampled_from(SHAPES), st.sampled_from(ATOMS), st.sampled_from(ATOMS)
)


@settings(steady, max_examples=600)
@given(anything, anything)
def test_same_is_symmetric(verifier: MathVerifier, one: str, other: str) -> None:
    there, back = judged(verifier, one, other), judged(verifier, other, one)
    assert (there.reward == 1.0) == (back.reward == 1.0), (one, other, there, back)


# ---- one setting against another


@settings(steady, max_examples=250)
@given(anything, anything, st.sampled_from(["{}", "What is {}?", "Simplify $ {} $.", "Compute"]), st.data())
def test_a_guard_only_ever_takes_away(
    verifier: MathVerifier, evaluated: MathVerifier, answer: str, reference: str, asked: str, data: st.DataObject
) -> None:
    """Neither the prompt nor form="evaluated" makes right what is wrong without it."""
    answer = data.draw(st.sampled_from([answer, reference]))
    plain = judged(verifier, answer, reference)
    prompt = asked.format(data.draw(st.sampled_from([answer, reference])))
    guarded = verifier.score(f"\\boxed{{{answer}}}", Problem("p", prompt, (reference,)))
    done = evaluated.score(f"\\boxed{{{answer}}}", reference)
    assert guarded.reward in (plain.reward, 0.0)
    assert done.reward in (plain.reward, 0.0)


@settings(steady, max_examples=150)
@given(anything, anything)
def test_a_box_is_read_alike_in_both_modes(
    verifier: MathVerifier, lenient: MathVerifier, answer: str, reference: str
) -> None:
    response = f"The answer is \\boxed{{{answer}}}."
    assert lenient.score(response, reference)[:2] == verifier.score(response, reference)[:2]


@settings(steady, max_examples=150)
@given(anything, st.lists(anything, min_size=1, max_size=3), st.data())
def test_one_more_reference_never_hurts(
    verifier: MathVerifier, answer: str, references: list[str], data: st.DataObject
) -> None:
    response = f"\\boxed{{{answer}}}"
    alone = [verifier.score(response, reference).reward for reference in references]
    order = tuple(data.draw(st.permutations(references)))
    together = verifier.score(response, Problem("p", references=order)).reward
    assert (together == 1.0) == (1.0 in alone)


BEFORE = st.sampled_from(
    ["", "The answer is ", "It is not 7, it is ", "not ", "instead of ", "$", "\\[ x = ", "2+2=4, so ", "<b>", "`", "100% ",
     "<think>a</think>", "<think>", "</think>", "\\boxed{3} or ", "\\fbox{3}\n", '"', "```\n", "> ", "% ", "\\phantom{", "~~",
     "never ", "# ", "5! = ", "x \\neq ", "é ", "\\boxed{}", "We don't get "]
)  # fmt: skip
AFTER = st.sampled_from(
    ["", ".", "$", " is wrong.", "\n", " and \\boxed{4}", "</think>", " \\]", "</b>", "`", "!", " %", "}", '"', "\n```",
     "~~", "?", "<|im_end|>", " apples", "\n\nSo \\boxed 4", " $.\n"]
)  # fmt: skip
digits = st.sampled_from(
    ["4", "04", "004", "42", "7", "0", "000", "1200", "1" * 15, "1" * 16, "²", "٤", "4 ", "", "-4"]
)


@settings(steady, max_examples=500)
@given(BEFORE, BEFORE, digits, AFTER, digits)
def test_the_shortcut_for_whole_numbers_changes_no_verdict(
    verifier: MathVerifier, far: str, near: str, answer: str, after: str, reference: str
) -> None:
    """`score` decides the commonest case without extraction and reader; `explain` always takes the long way."""
    response = f"{far}{near}\\boxed{{{answer}}}{after}"
    short, long = verifier.score(response, reference), verifier.explain(response, reference).score
    assert (short.reward, short.status) == (long.reward, long.status), (response, short, long)
    assert short.answer is None or short.answer.strip() == (long.answer or "").strip()


@settings(steady, max_examples=50)
@given(st.lists(st.tuples(anything, anything), max_size=8))
def test_many_are_judged_as_one_by_one(verifier: MathVerifier, pairs: list[tuple[str, str]]) -> None:
    boxed = [(f"\\boxed{{{answer}}}", reference) for answer, reference in pairs]
    alone = [verifier.score(*pair)[:4] for pair in boxed]
    assert [score[:4] for score in verifier.score_many(iter(boxed))] == alone
    # Backwards: no verdict rests on what was judged before it.
    assert [score[:4] for score in verifier.score_many(boxed[::-1])] == alone[::-1]
