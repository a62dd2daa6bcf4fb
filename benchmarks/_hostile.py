"""Which texts are made to hang, break or fool a verifier?

Each hostile text is made when it is asked for (some are ten megabytes). `ANSWERS` stand where an answer or a reference
does; `RESPONSES` are whole responses. None of the answers is 42, so that against the reference 42 nothing here may be
CORRECT, but for the few responses that say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import NamedTuple

__all__ = ["ANSWERS", "RESPONSES", "Hostile", "Trial", "trials"]

REFERENCE = "42"


class Hostile(NamedTuple):
    name: str
    make: Callable[[], str]
    right: bool = False  # does the response say 42, so that CORRECT is a true verdict?


class Trial(NamedTuple):
    name: str
    response: str
    reference: str
    may_be_correct: bool


def nest(opening: str, inner: str, closing: str, depth: int) -> str:
    return opening * depth + inner + closing * depth


def join(separator: str, count: int, one: Callable[[int], str] = str) -> str:
    return separator.join(one(i) for i in range(1, count + 1))


def tower(base: str, depth: int) -> str:
    return "^{".join([base] * depth) + "}" * (depth - 1)


def digits(count: int) -> str:
    return "".join(islice(cycle("7198253640"), count))


def matrix(rows: int, columns: int) -> str:
    body = r"\\".join("&".join(str(r * c % 7) for c in range(columns)) for r in range(rows))
    return rf"\begin{{pmatrix}}{body}\end{{pmatrix}}"


def unclosed(text: str, count: int) -> Callable[[], str]:
    return lambda: text * count


ANSWERS: list[Hostile] = [
    # numbers that do not fit anywhere
    Hostile("tower of nines", lambda: "9^{9^{9^9}}"),
    Hostile("tower without braces", lambda: "9^9^9^9^9"),
    Hostile("googolplex", lambda: "10^{10^{100}}"),
    Hostile("ten to a billion", lambda: "10^{1000000000}"),
    Hostile("two to the ten millionth, plus one", lambda: "2^{10000000}+1"),
    Hostile("minus googolplex", lambda: "-10^{10^{100}}"),
    Hostile("one over a tower", lambda: r"\frac{1}{9^{9^{9^9}}}"),
    Hostile("difference of two towers", lambda: "9^{9^{9^9}}-9^{9^{9^9}}+1"),
    Hostile("quotient of two towers", lambda: r"\frac{9^{9^{9^9}}}{9^{9^{9^8}}}"),
    Hostile("tiny power", lambda: "10^{-10^{10}}"),
    Hostile("tower of twos, 60 deep", lambda: tower("2", 60)),
    Hostile("tower of twos, 5,000 deep", lambda: tower("2", 5000)),
    Hostile("tower of fractions", lambda: tower(r"\frac{3}{2}", 40)),
    Hostile("tower of roots", lambda: tower(r"\sqrt{2}", 300)),
    Hostile("tower of e", lambda: tower("e", 12)),
    Hostile("tower of pi", lambda: tower(r"\pi", 12)),
    Hostile("tower of i", lambda: tower("i", 50)),
    Hostile("root of order a billion", lambda: r"\sqrt[1000000000]{2}"),
    Hostile("power of one over a billion", lambda: r"2^{\frac{1}{1000000007}}"),
    Hostile("tower of a million digits", lambda: "2^{" + digits(100_000) + "}"),
    Hostile("a million digits", lambda: digits(1_000_000)),
    Hostile("a million digits after the point", lambda: "0." + digits(1_000_000)),
    Hostile("a fraction of 100,000 digits", lambda: rf"\frac{{{digits(100_000)}}}{{{digits(99_999)}}}"),
    Hostile("a period of 100,000 digits", lambda: rf"0.\overline{{{digits(100_000)}}}"),
    Hostile("a period of no digits", lambda: r"0.\overline{}"),
    Hostile("100,000 threes", lambda: "0." + "3" * 100_000),
    Hostile("exponent of nine digits", lambda: "1e999999999"),
    Hostile("negative exponent of nine digits", lambda: "1e-999999999"),
    Hostile("exponent of 100,000 digits", lambda: "1e" + "9" * 100_000),
    Hostile("times ten to a trillion", lambda: r"3\times10^{1000000000000}"),
    Hostile("percent of a googolplex", lambda: r"10^{10^{100}}\%"),
    Hostile("numeral of 100,000 digits in base 7", lambda: "1" * 100_000 + "_7"),
    Hostile("numeral in base a billion", lambda: "12_{1000000000}"),
    Hostile("mixed number of 50,000 digits", lambda: digits(50_000) + r"\frac{1}{3}"),
    Hostile("thousands, 100,000 of them", lambda: "1" + ",000" * 100_000),
    Hostile("not a number", lambda: "nan"),
    Hostile("float infinity", lambda: "1e400"),
    Hostile("nought by nought", lambda: r"\frac{0}{0}"),
    Hostile("nested division by nought", lambda: r"\frac{1}{1-\frac{2}{2}}"),
    # factorials, binomials, sums, products
    Hostile("a million factorial", lambda: "1000000!"),
    Hostile("a billion factorial", lambda: "1000000000!"),
    Hostile("factorial of factorial of factorial", lambda: "((6!)!)!"),
    Hostile("a thousand factorial signs", lambda: "3" + "!" * 1000),
    Hostile("factorial of a tower", lambda: r"\left(9^{9^9}\right)!"),
    Hostile("quotient of factorials", lambda: r"\frac{100000000!}{99999999!}"),
    Hostile("Gamma of a billion", lambda: r"\Gamma(1000000000)"),
    Hostile("binomial of a billion", lambda: r"\binom{1000000000}{500000000}"),
    Hostile("nested binomials", lambda: nest(r"\binom{", "9", "}{3}", 12)),
    Hostile("sum to a billion", lambda: r"\sum_{i=1}^{10^9} i^2"),
    Hostile("harmonic sum", lambda: r"\sum_{i=1}^{10^7} \frac{1}{i}"),
    Hostile("sum of roots", lambda: r"\sum_{k=1}^{100000} \sqrt{k}"),
    Hostile("sum of factorials", lambda: r"\sum_{k=1}^{20000} k!"),
    Hostile("double sum", lambda: r"\sum_{i=1}^{10^5}\sum_{j=1}^{10^5} ij"),
    Hostile("eight sums, one in the other", lambda: r"\sum_{a=1}^{99}" * 8 + "a"),
    Hostile("product to a million", lambda: r"\prod_{i=1}^{10^6} i"),
    Hostile("product of polynomials", lambda: r"\prod_{k=1}^{200} (x^k+1)"),
    Hostile("infinite sum", lambda: r"\sum_{n=1}^{\infty} \frac{1}{n^{3}+n!}"),
    Hostile("infinite product", lambda: r"\prod_{n=1}^{\infty} \left(1+\frac{1}{n^n}\right)"),
    Hostile("sum up to a tower", lambda: r"\sum_{k=1}^{9^{9^9}} k"),
    Hostile("sum with the ends turned round", lambda: r"\sum_{k=10^9}^{1} k"),
    # calculus and algebra that never ends
    Hostile("an integral without closed form", lambda: r"\int_0^1 x^{x^{x}}\,dx"),
    Hostile("five integrals", lambda: r"\int_0^1\int_0^1\int_0^1\int_0^1\int_0^1 e^{xyzuv}\,dx\,dy\,dz\,du\,dv"),
    Hostile("a limit", lambda: r"\lim_{x\to0}\frac{\sin(\tan x)-\tan(\sin x)}{x^7}"),
    Hostile("power of a binomial", lambda: "(x+1)^{1000000}"),
    Hostile("power of a power of a sum", lambda: "((x+y+z+1)^{50})^{50}"),
    Hostile("power of a sum of fifty", lambda: "(" + join("+", 50, lambda i: f"x_{{{i}}}") + ")^{30}"),
    Hostile("product of 3,000 binomials", lambda: join("", 3000, lambda i: f"(x+{i})")),
    Hostile("sum of 100,000 terms", lambda: join("+", 100_000, lambda i: f"x^{{{i}}}")),
    Hostile("sum of 20,000 fractions", lambda: join("+", 20_000, lambda i: rf"\frac{{1}}{{{i}}}")),
    Hostile("sum of 20,000 fractions in x", lambda: join("+", 20_000, lambda i: rf"\frac{{1}}{{x+{i}}}")),
    Hostile("sum of 200 roots", lambda: join("+", 200, lambda i: rf"\sqrt{{{i}}}")),
    Hostile("sum of 40 cube roots, squared", lambda: "(" + join("+", 40, lambda i: rf"\sqrt[3]{{{i}}}") + ")^2"),
    Hostile("200 absolute values", lambda: join("+", 200, lambda i: f"|x-{i}|")),
    Hostile("200 floors", lambda: join("+", 200, lambda i: rf"\left\lfloor \frac{{x}}{{{i}}}\right\rfloor")),
    Hostile("product of cosines", lambda: join("", 60, lambda i: rf"\cos({2**i}x)")),
    Hostile("power of a sine", lambda: r"\sin^{1000000} x"),
    Hostile("sine of a tower", lambda: r"\sin(10^{10^{10}})"),
    Hostile("tangent of a big number", lambda: r"\tan(10^{300})"),
    Hostile("a thousand sines", lambda: nest(r"\sin(", "1", ")", 1000)),
    Hostile("a thousand logarithms", lambda: nest(r"\ln(", "10", ")", 1000)),
    Hostile("logarithm to a huge base", lambda: r"\log_{10^{10^6}} 7"),
    Hostile("power of a complex number", lambda: "(1+i)^{1000000007}"),
    Hostile("Binet to the millionth", lambda: r"\left(\frac{1+\sqrt5}{2}\right)^{1000000}"),
    Hostile("greatest common divisor", lambda: rf"\gcd({digits(50_000)},{digits(49_999)})"),
    Hostile("remainder of a tower", lambda: r"9^{9^{9}} \bmod 1000007"),
    Hostile("tower of x", lambda: tower("x", 2000)),
    Hostile("equation of degree a thousand", lambda: join("+", 1000, lambda i: f"{i}x^{{{i}}}") + "=0"),
    Hostile("equation between towers", lambda: "x^{9^{9^9}}=9^{9^9}"),
    Hostile("chain of 10,000 equals signs", lambda: "=".join(["1+1"] * 10_000)),
    Hostile("chain of 10,000 inequalities", lambda: join("<", 10_000)),
    Hostile("30 signs plus-minus", lambda: r"1" + r"\pm 2" * 30),
    Hostile("10,000 signs plus-minus", lambda: r"1" + r"\pm\sqrt{2}" * 10_000),
    # many members
    Hostile("set of 100,000", lambda: r"\{" + join(",", 100_000) + r"\}"),
    Hostile("tuple of 100,000", lambda: "(" + join(",", 100_000) + ")"),
    Hostile("list of 100,000", lambda: join(",", 100_000)),
    Hostile("list of 20,000 roots", lambda: join(",", 20_000, lambda i: rf"\sqrt{{{i}}}")),
    Hostile("set of 3,000 expressions", lambda: r"\{" + join(",", 3000, lambda i: f"(x+{i})^2") + r"\}"),
    Hostile("set of numbers with one hash", lambda: r"\{" + join(",", 3000, lambda i: str(i * (2**61 - 1))) + r"\}"),
    Hostile("100,000 alternatives", lambda: join(r"\text{ or }", 100_000)),
    Hostile("ratio of 50,000", lambda: ":".join(["1"] * 50_000)),
    Hostile("union of 10,000 intervals", lambda: join(r"\cup", 10_000, lambda i: f"({i},{i + 1})")),
    Hostile("matrix of 300 by 300", lambda: matrix(300, 300)),
    Hostile("determinant of 60 by 60", lambda: matrix(60, 60).replace("pmatrix", "vmatrix")),
    Hostile("power of a matrix", lambda: matrix(5, 5) + "^{1000000000}"),
    Hostile("matrix of 100,000 columns", lambda: matrix(1, 100_000)),
    Hostile("a million commas", lambda: "," * 1_000_000),
    # depth
    Hostile("100,000 braces", lambda: nest("{", "7", "}", 50_000)),
    Hostile("100,000 brackets", lambda: nest("(", "7", ")", 50_000)),
    Hostile("10,000 stretched brackets", lambda: nest(r"\left(", "7", r"\right)", 10_000)),
    Hostile("5,000 fractions, one in the other", lambda: nest(r"\frac{1}{1+", "7", "}", 5000)),
    Hostile("5,000 roots, one in the other", lambda: nest(r"\sqrt{2+", "7", "}", 5000)),
    Hostile("60 roots, one in the other", lambda: nest(r"\sqrt{2+", "7", "}", 60)),
    Hostile("5,000 absolute values", lambda: nest("|", "7", "|", 5000)),
    Hostile("10,000 texts", lambda: nest(r"\text{", "seven", "}", 10_000)),
    Hostile("10,000 boxes, one in the other", lambda: nest(r"\boxed{", "7", "}", 10_000)),
    Hostile("10,000 exponents", lambda: nest("x^{", "7", "}", 10_000)),
    Hostile("10,000 indices", lambda: nest("x_{", "7", "}", 10_000)),
    Hostile("sets in sets", lambda: nest(r"\{", "7", r"\}", 5000)),
    Hostile("2,000 matrices, one in the other", lambda: nest(r"\begin{pmatrix}", "7", r"\end{pmatrix}", 2000)),
    Hostile("200 sums, one in the other", lambda: nest(r"\sum_{k=1}^{", "9", "}k", 200)),
    # length
    Hostile("100,000 minus signs", lambda: "-" * 100_000 + "7"),
    Hostile("100,000 plus signs", lambda: "+" * 100_000 + "7"),
    Hostile("100,000 divisions", lambda: "/".join(["2"] * 100_000)),
    Hostile("100,000 factors", lambda: r"\cdot".join(["3"] * 100_000)),
    Hostile("100,000 terms", lambda: "+".join(["3"] * 100_000)),
    Hostile("100,000 percent signs", lambda: "7" + "%" * 100_000),
    Hostile("100,000 primes", lambda: "f" + "'" * 100_000 + "(x)"),
    Hostile("100,000 carets", lambda: "7" + "^" * 100_000 + "2"),
    Hostile("100,000 underscores", lambda: "7" + "_" * 100_000 + "2"),
    Hostile("100,000 backslashes", lambda: "\\ " * 100_000 + "7"),
    Hostile("100,000 unknown macros", lambda: r"\zzz" * 100_000),
    Hostile("100,000 dollar signs", lambda: "$" * 100_000 + "7"),
    Hostile("100,000 ampersands", lambda: r"\begin{array}{c}" + "&" * 100_000 + r"\end{array}"),
    Hostile("100,000 variables", lambda: join("", 100_000, lambda i: f"x_{{{i}}}")),
    Hostile("100,000 units", lambda: "7" + r"\text{ cm}" * 100_000),
    Hostile("a unit to the billionth", lambda: r"7\text{ cm}^{1000000000}"),
    Hostile("a million spaces", lambda: "7" + " " * 1_000_000 + "7"),
    Hostile("a million letters", lambda: "a" * 1_000_000),
    Hostile("a million words", lambda: r"\text{" + "seven " * 200_000 + "}"),
    Hostile("100,000 times not", lambda: r"\text{" + "not " * 100_000 + "7}"),
    Hostile("a chemical of digits and points", lambda: "1." * 100_000),
    Hostile("digits and spaces", lambda: "1 " * 100_000),
    Hostile("digits and commas, then a letter", lambda: "111," * 50_000 + "x"),
    # environments and macros that never end
    Hostile("an environment never closed", lambda: r"\begin{pmatrix} 1 & 2 \\ 3"),
    Hostile("1,000 environments never closed", lambda: r"\begin{cases}" * 1000),
    Hostile("an environment closed by another", lambda: r"\begin{pmatrix}7\end{cases}"),
    Hostile("ends without begin", lambda: r"\end{pmatrix}" * 1000 + "7"),
    Hostile("a macro that is itself", lambda: r"\def\x{\x\x}\x"),
    Hostile("a billion laughs", lambda: join("", 30, lambda i: rf"\def\l{chr(96 + i % 26)}{{\lx\lx}}") + r"\lx"),
    Hostile("a new command for frac", lambda: r"\renewcommand{\frac}[2]{\frac{\frac{#1}{#2}}{#2}}\frac12"),
    Hostile("an input", lambda: r"\input{/dev/zero}"),
    Hostile("a loop", lambda: r"\loop\iftrue\repeat"),
    # characters
    Hostile("null bytes", lambda: "7\x00\x00" * 1000),
    Hostile("lone surrogates", lambda: "\ud800\udfff7\udc00"),
    Hostile("100,000 lone surrogates", lambda: "\ud834" * 100_000),
    Hostile("right-to-left marks", lambda: "\u202e\u2067" * 50_000 + "7"),
    Hostile("combining characters", lambda: "7" + "\u0336\u0301" * 100_000),
    Hostile("zero-width characters", lambda: "\u200b\u2060\ufeff" * 100_000 + "7"),
    Hostile("line separators", lambda: "7\u2028\u2029\x0b\x0c\x85" * 1000),
    Hostile("control characters", lambda: "".join(map(chr, range(32))) * 100 + "7"),
    Hostile("digits of every script", lambda: "\u0663\u096a\uff15\U0001d7d8" * 20_000),
    Hostile("superscripts", lambda: "9" + "⁹" * 50_000),
    Hostile("vulgar fractions", lambda: "½⅓¼" * 20_000),
    Hostile("100,000 root signs", lambda: "√" * 100_000 + "7"),
    Hostile("private use and unassigned", lambda: "\ue000\U000e0001\U0010ffff" * 20_000),
    Hostile("letters that grow in lower case", lambda: "İ" * 100_000),
    Hostile("ligatures", lambda: "ﷺ" * 100_000),
    Hostile("emoji", lambda: "👩‍👩‍👧‍👦" * 20_000),
    # code
    Hostile("Python that leaves", lambda: "__import__('os')._exit(0)"),
    Hostile("Python that waits", lambda: "__import__('time').sleep(10**9)"),
    Hostile("Python that fills", lambda: "[0]*10**12"),
    Hostile("Python that loops", lambda: "(lambda f: f(f))(lambda f: f(f))"),
    Hostile("a format string", lambda: "{0.__class__.__mro__}%s%n%99999999d"),
    Hostile("a pickle", lambda: "cos\nsystem\n(S'true'\ntR."),
    Hostile("a JSON bomb", lambda: "[" * 100_000),
]

PROSE = "We now look at the next case, where the number of ways is even and the sum of its digits is odd. "


RESPONSES: list[Hostile] = [
    Hostile("nothing", lambda: ""),
    Hostile("ten megabytes of prose", lambda: PROSE * 100_000),
    Hostile("ten megabytes of prose, then 42", lambda: PROSE * 100_000 + r"So \boxed{42}.", right=True),
    Hostile("42, then ten megabytes of prose", lambda: r"So \boxed{42}. " + PROSE * 100_000, right=True),
    Hostile("ten megabytes in one box", lambda: r"\boxed{" + "7" * 10_000_000 + "}"),
    Hostile("ten megabytes in a box never closed", lambda: r"\boxed{" + "7" * 10_000_000),
    Hostile("ten megabytes of spaces", lambda: " " * 10_000_000),
    Hostile("ten megabytes of lines", lambda: "\n" * 10_000_000),
    Hostile("ten megabytes without a space", lambda: "a" * 10_000_000),
    Hostile("ten megabytes of digits", lambda: "7" * 10_000_000),
    Hostile("a million boxes", lambda: join(" ", 1_000_000, lambda i: r"\boxed{7}" if i % 2 else r"\boxed{8}")),
    Hostile("a million boxes, all 42", unclosed(r"\boxed{42} ", 1_000_000), right=True),
    Hostile("a million boxes in as many sentences", unclosed("So it is \\boxed{7}. ", 1_000_000)),
    Hostile("a million empty boxes", unclosed(r"\boxed{}", 1_000_000)),
    Hostile("100,000 boxes never closed", unclosed(r"\boxed{", 100_000)),
    Hostile("100,000 boxes without braces", unclosed(r"\boxed ", 100_000)),
    Hostile("a million braces opened", lambda: r"\boxed" + "{" * 1_000_000),
    Hostile("a million braces closed", lambda: r"\boxed{7" + "}" * 1_000_000),
    Hostile("half a box and a million braces", lambda: "{" * 1_000_000 + r"\boxed{42}", right=True),
    Hostile("100,000 openings of thought", unclosed("<think>", 100_000)),
    Hostile("100,000 ends of thought", unclosed("</think>", 100_000)),
    Hostile("100,000 thoughts", unclosed("<think>a</think>", 100_000)),
    Hostile("100,000 thoughts, one in the other", lambda: nest("<think>", r"\boxed{42}", "</think>", 100_000)),
    Hostile("100,000 fences", unclosed("```\n", 100_001)),
    Hostile("100,000 code blocks with boxes", unclosed("```\n\\boxed{42}\n```\n", 100_000)),
    Hostile("100,000 backticks", unclosed("`", 100_001)),
    Hostile("100,000 quoted lines", unclosed("> \\boxed{42}\n", 100_000)),
    Hostile("100,000 phantoms", lambda: r"\phantom{" * 100_000 + r"\boxed{42}"),
    Hostile("100,000 comments", unclosed("% \\boxed{42}\n", 100_000)),
    Hostile("100,000 hashes", unclosed("#", 400_000)),
    Hostile("100,000 times ####", unclosed("#### ", 100_000)),
    Hostile("100,000 stars", unclosed("**", 100_000)),
    Hostile("100,000 bold words", unclosed("**a** ", 100_000)),
    Hostile("100,000 answer tags", unclosed("<answer>", 100_000)),
    Hostile("100,000 empty answers", unclosed("<answer></answer>", 100_000)),
    Hostile("100,000 times the answer is", unclosed("the answer is ", 100_000)),
    Hostile("100,000 times the answer is not", unclosed("the answer is not 42. ", 100_000)),
    Hostile("the answer is, and a megabyte of spaces", lambda: "the answer is" + " " * 1_000_000),
    Hostile("the final final final answer", lambda: "the " + "final " * 200_000 + "answer"),
    Hostile("a million dollars", unclosed("$", 1_000_000)),
    Hostile("a million openings of mathematics", unclosed(r"\(", 500_000)),
    Hostile("100,000 displays", unclosed(r"\[7\] ", 100_000)),
    Hostile("100,000 environments", unclosed(r"\begin{align}", 100_000)),
    Hostile("a million full stops", unclosed(". ", 500_000)),
    Hostile("a million backslashes", unclosed("\\", 1_000_001)),
    Hostile("a million null bytes", unclosed("\x00", 1_000_000)),
    Hostile("a million surrogates", unclosed("\ud800", 1_000_000)),
    Hostile("commas and digits, for groupings", lambda: "The answer is " + "1," * 500_000),
    Hostile("spaces and digits, for groupings", lambda: "The answer is " + "1 " * 500_000 + "x"),
    Hostile("digits and a letter, for patterns", lambda: "The answer is " + "1" * 1_000_000 + "x"),
    Hostile("tags half written", unclosed("<thin", 200_000)),
    Hostile("words half written", unclosed(r"\boxe", 200_000)),
    Hostile("or, a million times", lambda: r"\boxed{42" + r" \text{ or }" * 100_000 + "}"),
    Hostile("a million lines between two words", lambda: "one" + "\n" * 1_000_000 + "two"),
    Hostile("answer tags and lines", unclosed("<answer>\n", 100_000)),
    Hostile("headings without an answer", unclosed("## Answer\n", 100_000)),
    Hostile("a megabyte of prompt", lambda: "What is 6 times 7? " * 50_000),
]


def trials() -> Iterator[Trial]:
    """Yield each hostile text where it can stand: as answer, as reference, on both sides; as a whole response."""
    for hostile in ANSWERS:
        text = hostile.make()
        yield Trial(f"{hostile.name}: answer", rf"\boxed{{{text}}}", REFERENCE, may_be_correct=False)
        yield Trial(f"{hostile.name}: reference", rf"\boxed{{{REFERENCE}}}", text, may_be_correct=False)
        yield Trial(f"{hostile.name}: both", rf"\boxed{{{text}}}", text, may_be_correct=True)
    for hostile in RESPONSES:
        yield Trial(f"{hostile.name}: response", hostile.make(), REFERENCE, may_be_correct=hostile.right)
