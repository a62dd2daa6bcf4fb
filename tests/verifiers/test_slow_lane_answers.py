"""Property: the slow lane's verdicts are those of docs/answers.md, whichever side says it, and never rest on nonsense."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from assay.verifiers.slow_lane import SlowLane
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DEADLINE = 5.0  # the tests are about verdicts here; a slow machine shall not change them

SAME = [
    # integrals, in many notations
    (r"\frac13", r"\int_0^1 x^2 dx"),
    (r"\frac13", r"$\displaystyle\int\limits_{0}^{1} x^{2} \, \mathrm{d}x$"),
    (r"\frac13", r"∫_0^1 x² dx"),
    (r"\frac13", r"\int_0^1 x^2 dx = \frac13"),
    (r"\int_0^1 x^2 dx = \frac13", "1/3"),
    (r"\int_0^1 x^2\,dx", r"\int_0^1 t^2\,dt"),
    (r"\ln 2", r"\int_1^2 \frac{dx}{x}"),
    (r"\ln 2", r"\int_1^2\frac1x\,dx"),
    (r"\frac{\sqrt\pi}{2}", r"\int_0^\infty e^{-x^2}dx"),
    (r"\frac{\pi}{2}", r"\int_0^\infty\frac{\sin x}{x}dx"),
    (r"\frac18", r"\int_0^1\int_0^x xy\,dy\,dx"),
    (r"\frac14", r"\int_0^1\!\!\int_0^1 xy \,dx\,dy"),
    (r"\frac{x^2}{2}", r"\int_0^x t\,dt"),
    ("3", r"\int_0^3 \lfloor x\rfloor dx"),
    ("-1", r"\int_1^0 2x dx"),
    (r"\frac{\pi}{8}\ln 2", r"\int_0^1\frac{\ln(1+x)}{1+x^2}dx"),
    (r"\int x^2 dx", r"\int x^2\,\mathrm{d}x"),
    (r"2\int_0^1 x dx + 1", "2"),
    # limits, derivatives
    ("e", r"\lim_{n\to\infty}\left(1+\frac1n\right)^n"),
    ("1", r"\lim_{x \rightarrow 0}\frac{\sin x}{x}"),
    (r"\infty", r"\lim_{x\to0^+}\frac1x"),
    (r"2x", r"\lim_{h\to0}\frac{(x+h)^2-x^2}{h}"),
    ("3x^2", r"\frac{d}{dx}x^3"),
    ("6x", r"\frac{d^2}{dx^2}x^3"),
    ("2xy", r"\frac{\partial}{\partial x}\left(x^2y\right)"),
    (r"\frac{dy}{dx}=2x", r"\frac{\mathrm{d}y}{\mathrm{d}x} = x+x"),
    # sums and products
    (r"\frac{\pi^2}{6}", r"\sum_{n=1}^{\infty}\frac{1}{n^2}"),
    (r"\frac{n(n+1)}{2}", r"\sum_{k=1}^n k"),
    ("500000000500000000", r"\sum_{i=1}^{10^9} i"),
    ("2^n", r"\sum_{k=0}^n\binom nk"),
    ("n!", r"\prod_{k=1}^n k"),
    (r"\frac12", r"\prod_{k=2}^\infty\left(1-\frac1{k^2}\right)"),
    (r"(-1)^n", r"\cos(n\pi)"),
    # functions of the same variables
    (r"\sqrt{x^2}", "|x|"),
    (r"\sqrt[3]{x^3}", "x"),
    (r"\ln(x^2)", r"2\ln|x|"),
    (r"\frac{x^2-1}{x-1}", "x+1"),
    (r"\sin 2x", r"2\sin x\cos x"),
    ("f(x)+f(x)", "2f(x)"),
    (r"e^{i\pi}", "-1"),
    (r"\sqrt{x-20}^2", "x-20"),
    ("n+1", r"\frac{n^2-1}{n-1}+0\cdot n!"),
    (r"-\ln(1-x)", r"\sum_{n=1}^\infty\frac{x^n}{n}"),
    (r"e^x", r"\sum_{n=0}^\infty\frac{x^n}{n!}"),
    # statements and collections
    (r"x^2+y^2=1", "2x^2+2y^2-2=0"),
    (r"y=2x+1", "2x-y+1=0"),
    (r"x=\int_0^1 t dt", r"\frac12"),
    (r"\left(\int_0^1 xdx,\ 3\right)", "(0.5, 3)"),
    (r"\{\int_0^1 xdx, 3\}", r"3, \frac12"),
    (r"[0,\int_0^3 dx)", "[0,3)"),
    (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2"),
    (r"\det\begin{pmatrix}a&b\\c&d\end{pmatrix}", "ad-bc"),
    (r"\begin{pmatrix}\int_0^1 xdx\\2\end{pmatrix}", r"\begin{pmatrix}1/2\\2\end{pmatrix}"),
    (r"\int_0^2 dx\text{ m}", r"200\text{ cm}"),
    (r"\int_0^1 x^2dx \approx 0.33", r"\frac13"),
    (r"\pi", r"\pi\int_0^1 dx = \pi \approx 3.1"),
    (r"\int_0^{90} dx^\circ", r"\frac{\pi}{2}"),
    (r"\{x^2|_{x=2}, 3\}", "3, 4"),  # one for latex2sympy
    # a decimal for a value without a finite expansion
    (r"\int_0^1 x^2dx", "0.3333"),
    (r"\int_0^1 x^xdx", "0.7834"),
    (r"\pi\int_0^1 dx", "3.142"),
    (r"\pi\int_0^1 dx", "3.1415"),
    (r"\frac{1}{1000}\int_0^1 x^2dx", r"3.333\times10^{-4}"),
    (r"\int_0^1 x dx", "0.50"),
]

DIFFERENT = [
    (r"\frac13", r"\int_0^1 x^2 dx = \frac14"),
    (r"\frac13", r"\int_0^1 x^3 dx"),
    (r"\frac{x^3}{3}", r"\int x^2 dx"),
    (r"\frac{x^3}{3}+C", r"\int x^2 dx"),
    (r"\int_0^1 x^2dx", "0.333"),
    (r"\int_0^1 x^2dx", "0.3334"),
    (r"\int_0^1 x dx", "0.5001"),
    (r"\pi\int_0^1 dx", "3.14"),
    (r"\sqrt{x^2}", "x"),
    (r"\ln(x^2)", r"2\ln x"),
    (r"\frac{n(n+1)}{2}", r"\sum_{k=1}^n k^2"),
    (r"\sum_{k=1}^{n} k", r"\sum_{k=1}^{m} k"),
    (r"x^2+y^2=1", "x+y=1"),
    (r"\sum_{k=0}^n\binom nk", "n^2-n+2"),
    (r"\frac13", r"\int_0^1 x^2dx \approx 0.4"),
    ("5", r"5\int_0^1 dx \approx 7"),
    ("x=5", "2x=10"),
    ("x=5", "y=5"),
    (r"\int_0^1 x dx", "x"),
    (r"(\int_0^1 xdx, 3)", r"(3, \frac12)"),
    (r"(\int_0^1 xdx, 3)", r"\{\frac12, 3\}"),
    (r"\{\int_0^1 xdx, 3\}", r"\frac12"),
    (r"\{\int_0^1 xdx, 3\}", r"\frac12, 3, 4"),
    (r"[0,\int_0^3 dx)", "(0,3)"),
    (r"\int_0^2 dx\text{ m}", r"2\text{ kg}"),
    (r"\int_0^\infty e^{x}dx", "5"),
    (r"\int_0^1 x dx", "x>3"),
    ("i", "1"),
]

# Nothing here has a value; two things without a value are not the same thing.
WITHOUT_VALUE = [
    (r"\frac10", r"\frac20"),
    (r"\frac10", r"\infty"),
    (r"\frac00", "0"),
    (r"\infty-\infty", "0"),
    (r"\lim_{x\to0}\frac1x", r"\frac10"),
    (r"\lim_{x\to\infty}\sin x", "0"),
    (r"\int_{-1}^1\frac{dx}{x}", "0"),
    (r"0=0", "1=1+x-x"),
]

UNREADABLE = [
    "",
    r"\int_0^1 x^2",
    r"\int_0 x dx",
    r"\frac{1}{2",
    r"\lim x",
    "ᐁ+1",
    r"\nabla\cdot f",
    "{" * 500,
    "(" * 60 + "x" + ")" * 60,
    "1" * 1500,
    "x" * 2001,
    "\x00\ud800",
]


@pytest.fixture(scope="module")
def lane() -> Iterator[SlowLane]:
    with_two = SlowLane(workers=2)
    yield with_two
    with_two.close()


@pytest.mark.parametrize(("reference", "answer"), SAME)
def test_same_in_both_directions(lane: SlowLane, reference: str, answer: str) -> None:
    assert lane.compare(reference, answer, DEADLINE).relation == "same"
    assert lane.compare(answer, reference, DEADLINE).relation == "same"


@pytest.mark.parametrize(("reference", "answer"), DIFFERENT)
def test_different_in_both_directions(lane: SlowLane, reference: str, answer: str) -> None:
    assert lane.compare(reference, answer, DEADLINE).relation == "different"
    assert lane.compare(answer, reference, DEADLINE).relation == "different"


@pytest.mark.parametrize(("reference", "answer"), WITHOUT_VALUE)
def test_what_has_no_value_is_the_same_as_nothing(lane: SlowLane, reference: str, answer: str) -> None:
    assert lane.compare(reference, answer, DEADLINE).relation not in ("same", "lost")
    assert lane.compare(answer, reference, DEADLINE).relation not in ("same", "lost")


@pytest.mark.parametrize("text", sorted({text for pair in SAME + DIFFERENT for text in pair}))
def test_every_text_is_the_same_as_itself(lane: SlowLane, text: str) -> None:
    assert lane.compare(text, text, DEADLINE).relation == "same"


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_read_is_blamed_on_its_own_side(lane: SlowLane, text: str) -> None:
    assert lane.compare(text, "1", DEADLINE).relation == "unreadable_reference"
    assert lane.compare("1", text, DEADLINE).relation == "unreadable_answer"
    assert lane.compare(text, text, DEADLINE).relation == "unreadable_reference"


def test_percent_is_the_one_rule_with_a_direction(lane: SlowLane) -> None:
    assert lane.compare(r"30\%", "30", DEADLINE).relation == "same"
    assert lane.compare(r"30\%", "0.3", DEADLINE).relation == "same"
    assert lane.compare("0.3", r"30\%", DEADLINE).relation == "same"
    assert lane.compare("30", r"30\%", DEADLINE).relation == "different"


def test_the_readings_and_the_reason_are_told(lane: SlowLane) -> None:
    outcome = lane.compare(r"\int_0^1 x^2 dx", r"\lim_{t\to2} \frac{1}{t}", DEADLINE)
    assert outcome.reference_read == "int(x^2, x=0..1)"
    assert outcome.answer_read == "lim(1/t, t->2)"
    assert outcome.relation == "different"
    assert outcome.detail == "their values differ"
    assert outcome.seconds > 0


_WORDS = r"""0 1 2 3 7 9 x y n e i + - * / ^ _ ( ) { } [ ] | ! , = . % & < ' " ≤ ² \int \int_0^1 dx \frac {1}{2} \sqrt \sin \ln \pi
    \lim_{x\to0} \sum_{k=1}^{n} \infty e^{ \frac{d}{dx} \text{ \left \right \det \binom \% \\ \begin{pmatrix} \end{pmatrix}
    \cap \mathbb{R} \operatorname{""".split()
_PIECES = st.sampled_from([*_WORDS, " ", "\x00", "\ud800"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(_PIECES, max_size=14), others=st.lists(_PIECES, max_size=8))
def test_any_text_gets_a_verdict_and_the_lane_lives_on(lane: SlowLane, pieces: list[str], others: list[str]) -> None:
    text, other = "".join(pieces), "".join(others)
    itself = lane.compare(text, text, 0.5)
    assert itself.relation in ("same", "unreadable_reference", "reference_timeout", "reference_memory")
    assert "Error" not in itself.detail  # a fault of ours, caught by the last net
    outcome = lane.compare(text, other, 0.5)
    assert outcome.relation != "lost"
    assert "Error" not in outcome.detail
