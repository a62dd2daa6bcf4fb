"""How else may a reference be written, and what looks like it but is not it?

`rewritings` yields other notations of the same answer, `corruptions` answers that differ from it by one digit or a
sign. Both work on the text alone and know nothing of the verifier, so that they can examine it: a rewriting is only
offered where the text's shape makes it certain. For the benchmarks, and for the tests on MATH-500's references.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

__all__ = ["corruptions", "rewritings", "surely_different", "value_of"]

INTEGER = re.compile(r"-?\d+")
DECIMAL = re.compile(r"-?\d*\.\d+")
FRACTION = re.compile(r"(-?)\\[dt]?frac\{?(\d+)\}?\{?(\d+)\}?")
BRACED_FRACTION = re.compile(r"(-?)\\[dt]?frac\{(-?\d+)\}\{(\d+)\}")
TEXT = re.compile(r"\\text\{([A-Za-z]+)\}")


def value_of(reference: str) -> Fraction | None:
    """Return the number that the text plainly writes, None if it writes something else."""
    text = re.sub(r",\\! ?|\{,\}", "", reference).replace(" ", "")
    if re.fullmatch(r"\d{1,3}(,\d{3})+", text):
        text = text.replace(",", "")
    if INTEGER.fullmatch(text) or DECIMAL.fullmatch(text):
        return Fraction(text)
    found = BRACED_FRACTION.fullmatch(text) or re.fullmatch(r"(-?)\\[dt]?frac(\d)(\d)", text)
    if found and int(found[3]):
        return Fraction(int(found[2]), int(found[3])) * (-1 if found[1] else 1)
    return None


def surely_different(one: str, other: str) -> bool:
    """True where two references cannot be the same answer: different numbers, or different digits in them."""
    first, second = value_of(one), value_of(other)
    if first is not None and second is not None:
        return first != second
    return sorted(re.findall(r"\d+|\\?[A-Za-z]+", one)) != sorted(re.findall(r"\d+|\\?[A-Za-z]+", other)) and sorted(
        re.findall(r"\d+", one)
    ) != sorted(re.findall(r"\d+", other))


def rewritings(reference: str) -> Iterator[tuple[str, str]]:
    """Yield (what was done, the same answer in other notation); no text twice, never the reference itself."""
    seen = {reference}
    for name, text in _candidates(reference):
        if text not in seen:
            seen.add(text)
            yield name, text


def _candidates(reference: str) -> Iterator[tuple[str, str]]:
    value = value_of(reference)
    if value is not None:
        yield from _numbers(value)
    for size in ("dfrac", "tfrac", "frac"):
        yield size, re.sub(r"\\[dt]?frac(?![a-z])", rf"\\{size}", reference)
    yield "braces for \\frac12", re.sub(r"(\\[dt]?frac) ?(\d)(\d)(?!\d)", r"\1{\2}{\3}", reference)
    yield "bare \\frac", re.sub(r"(\\[dt]?frac)\{(\d)\}\{(\d)\}", r"\1\2\3", reference)
    yield "slash", re.sub(r"^(-?)\\[dt]?frac\{(\d+)\}\{(\d+)\}$", r"\1\2/\3", reference)
    yield "no \\left \\right", re.sub(r"\\(left|right)(?![a-z])\s*", "", reference)
    if not re.search(r"\\left|\\text", reference):
        yield "\\left \\right", _stretch(reference)
    yield "bmatrix", reference.replace("pmatrix", "bmatrix")
    if "text" not in reference:
        yield "fewer spaces", re.sub(r"(?<![a-zA-Z,]) +| +(?![a-zA-Z ])", "", reference)
    yield "more spaces", _spaced(reference)
    yield "\\cdot", re.sub(r"(?<![\d^_{}.\[])(\d+) ?(?=\\(sqrt|pi)(?![a-z]))", r"\1 \\cdot ", reference)
    yield "turned sum", _turned(reference)
    if re.fullmatch(r"-?\d+(, ?-?\d+)+", reference) and not value_of(reference):
        members = [member.strip() for member in reference.split(",")]
        yield "other order", ", ".join(reversed(members))
        yield "a set", "\\{" + ", ".join(members) + "\\}"
    if re.fullmatch(r"\d+\^\\circ", reference):
        yield from (("degree sign", reference[:-6] + "°"), ("degrees", reference[:-6] + r"\text{ degrees}"))
        yield "no degrees", reference[:-6]
    if re.fullmatch(r"\w+_\{?\d\}?", reference):
        digits, base = re.split(r"_\{?", reference.rstrip("}"))
        yield from (("base in braces", f"{digits}_{{{base}}}"), ("base without braces", f"{digits}_{base}"))
    if word := TEXT.fullmatch(reference):
        yield from (("no \\text", word[1]), ("bold", rf"\textbf{{{word[1]}}}"))
        yield "small letters", rf"\text{{{word[1].lower()}}}"
    if choice := re.fullmatch(r"\\text\{\(([A-E])\)\}", reference):
        yield from (("the letter", choice[1]), ("letter and dot", choice[1] + "."), ("brackets", f"({choice[1]})"))
    if money := re.fullmatch(r"\\\$([\d.,\\!]+)", reference):
        yield from (("no sign", money[1]), ("dollars", money[1] + r"\text{ dollars}"))
    if named := re.fullmatch(r"[a-z] ?(=|\\in) ?(.+)", reference):
        yield "no name", named[2]
    yield "a space before", "\\, " + reference
    yield "a full stop", reference + "."
    yield "dollar signs", f"${reference}$"
    yield "display style", "\\displaystyle " + reference


def _numbers(value: Fraction) -> Iterator[tuple[str, str]]:
    top, bottom, sign = abs(value.numerator), value.denominator, "-" if value < 0 else ""
    if bottom == 1:
        yield "point zero", f"{sign}{top}.0"
        yield "a name", f"x = {sign}{top}"
        yield "a fraction", rf"{sign}\frac{{{3 * top}}}{{3}}"
        yield "grouped", f"{sign}{top:,}".replace(",", "{,}")
        yield "grouped with commas", f"{sign}{top:,}"
        yield "a unit", rf"{sign}{top}\text{{ units}}"
        yield "full-width digits", sign + str(top).translate(str.maketrans("0123456789", "０１２３４５６７８９"))
        return
    yield "not reduced", rf"{sign}\frac{{{2 * top}}}{{{2 * bottom}}}"
    yield "slash", f"{sign}{top}/{bottom}"
    if top > bottom:
        yield "mixed", rf"{sign}{top // bottom}\frac{{{top % bottom}}}{{{bottom}}}"
    rest = bottom
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1:
        digits = next(n for n in range(1, 60) if 10**n % bottom == 0)
        yield "decimal", f"{sign}{top // bottom}.{top % bottom * 10**digits // bottom:0{digits}d}"
    else:
        yield "seven decimals", f"{sign}{top // bottom}.{(top % bottom * 10**7 * 2 + bottom) // (2 * bottom):07d}"


def _stretch(reference: str) -> str:
    if reference.count("(") + reference.count("[") != 1 or reference.count(")") + reference.count("]") != 1:
        return reference
    return re.sub(r"([(\[])(.*)([)\]])", r"\\left\1 \2 \\right\3", reference)


def _spaced(reference: str) -> str:
    """Set a space on both sides of each sign between two operands outside braces."""
    if re.search(r"\\text|\\mbox|\\begin|,\\!", reference):
        return reference
    return re.sub(r"(?<=[\w})]) ?([+=]|(?<![eE^_{])-) ?(?=[\w\\(])", r"  \1  ", reference)


def _turned(reference: str) -> str:
    """Turn a sum of two or more top-level terms round: 6 - 5i becomes -5i + 6."""
    if re.search(
        r"[=,<>\\&]\s*(?!frac|sqrt|pi|cdot)|\\(pm|text|mbox|in|cup|begin|le)", reference.replace("\\\\", "&&")
    ):
        return reference
    terms, depth, start = [], 0, 0
    for place, sign in enumerate(reference):
        depth += (sign in "({[") - (sign in ")}]")
        if (
            sign in "+-"
            and depth == 0
            and place > start
            and reference[start:place].strip()
            and reference[place - 1] not in "^_"
        ):
            terms.append(reference[start:place])
            start = place
    terms.append(reference[start:])
    if len(terms) < 2:
        return reference
    turned = " ".join(term.strip() if term.strip()[0] in "+-" else "+" + term.strip() for term in reversed(terms))
    return turned.removeprefix("+")


def corruptions(reference: str) -> Iterator[tuple[str, str]]:
    """Yield (what was done, an answer that is not the reference): every digit raised by one, and the sign changed."""
    for place, digit in enumerate(reference):
        if digit in "0123456789":
            yield f"digit {place}", f"{reference[:place]}{(int(digit) + 1) % 10}{reference[place + 1 :]}"
    value = value_of(reference)
    if value is not None and value != 0:
        yield "sign", reference[1:] if reference.startswith("-") else "-" + reference
        yield "one more", str(value + 1)
        yield "upside down and negative", str(-1 / value)
