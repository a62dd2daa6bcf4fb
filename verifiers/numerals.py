"""Which number do these digits write? Decimals, repeating decimals, scientific notation, numerals in a base."""

from __future__ import annotations

import re
from fractions import Fraction

from .expr import Expr, Unreadable, number

__all__ = ["literal", "special_number", "without_repeating"]

MAX_DIGITS = 4_000  # int() of more is refused by Python, and quadratic

_BASE_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "sixteen": 16,
}  # fmt: skip
_BASED = re.compile(r"(-?)([0-9A-Za-z]+?)(?:_|(?:in)?base-?)(\d{1,2}|[a-z]+)")
_BASE_DRESSING = re.compile(r"\\text|[{}()\s]")
_REPEATING = re.compile(r"(-?)\s*(\d*)\.(\d*)(?:\\(?:overline|bar|dot)\s*\{?(\d+)\}?|\((\d+)\))")
_CHOSEN = re.compile(  # C(5,2)    {}_5C_2 and ^5C_2    C_5^2
    r"(C)\s*\((\d{1,4}),\s*(\d{1,4})\)"
    r"|(?:\{\s*\})?[_^]\{?(\d{1,4})\}?\s*([CP])_\{?(\d{1,4})\}?"
    r"|([CP])_\{?(\d{1,4})\}?\^\{?(\d{1,4})\}?"
)
_BARRED = re.compile(r"(\d*)\.(\d*)\\(?:overline|bar)\s*\{?(\d+)\}?")
_ELLIPSIS = re.compile(r"(-?)\s*(\d*)\.(\d+)\s*\.\.\.")


def special_number(text: str) -> Expr | None:
    """Read what is a notation of one number only: repeating decimals, numerals in a base, nCr, a number in words."""
    if ("C" in text or "P" in text) and (found := _CHOSEN.fullmatch(text)):
        n, kind, k = next((found[a], found[b], found[c]) for a, b, c in ((2, 1, 3), (4, 5, 6), (8, 7, 9)) if found[a])
        chosen: Expr = ("fn", "binom", ("num", int(n)), ("num", int(k)))
        return chosen if kind == "C" else ("*", chosen, ("fn", "factorial", ("num", int(k))))
    if "." in text and (found := _REPEATING.fullmatch(text)):
        sign, whole, fixed, barred, bracketed = found.groups()
        return _repeating(sign, whole, fixed, barred or bracketed)
    if text.endswith("...") and (found := _ELLIPSIS.fullmatch(text)):
        sign, whole, digits = found.groups()
        for length in range(1, len(digits) // 2 + 1):
            cycle = digits[-length:]
            times = len(digits) // length
            repeats = 0
            while (
                repeats < times
                and digits[len(digits) - (repeats + 1) * length : len(digits) - repeats * length] == cycle
            ):
                repeats += 1
            if repeats * length >= 3 and (repeats >= 3 or (repeats >= 2 and length > 1)):
                return _repeating(sign, whole, digits[: len(digits) - repeats * length], cycle)
        shown = _decimal(f"{whole}.{digits}")
        return ("neg", shown) if sign else shown
    if (
        ("_" in text or "base" in text)
        and text.count("(") == text.count(")")
        and (found := _BASED.fullmatch(_BASE_DRESSING.sub("", text).replace("_base", "_")))
    ):
        sign, digits, name = found.groups()
        base = int(name) if name.isdigit() else _BASE_WORDS.get(name, 0)
        if 2 <= base <= 36 and digits[0].isdigit() | digits.isupper() and all(int(c, 36) < base for c in digits):
            numeral: Expr = ("based", digits.upper().lstrip("0") or "0", base)
            return ("neg", numeral) if sign else numeral
    word = text.removeprefix("\\text").strip(" {}").lower() if len(text) < 24 else ""
    return ("num", _WORDS[word]) if word in _WORDS else None


def _number_words() -> dict[str, int]:
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty"
    ).split()
    words = {word: value for value, word in enumerate(small)}
    tens = "thirty forty fifty sixty seventy eighty ninety".split()
    return words | {word: 10 * value for value, word in enumerate(tens, 3)}


_WORDS = _number_words()


def literal(text: str) -> Expr:
    """Read digits, with a point or an exponent if they have one (12, 1.25, 6.02e23)."""
    if "e" in text or "E" in text:
        digits, _, exponent = text.lower().partition("e")
        if len(exponent) > 6:
            raise Unreadable("an exponent of more than five digits")
        power = int(exponent)
        return (
            "*",
            literal(digits),
            ("^", ("num", 10), ("num", power) if power >= 0 else ("neg", ("num", -power))),
        )
    if "." in text:
        return _decimal(text)
    if len(text) > MAX_DIGITS:
        raise Unreadable(f"a number has more than {MAX_DIGITS} digits")
    return ("num", int(text))


def without_repeating(text: str) -> str:
    """Write repeating decimals that stand inside an expression as fractions."""

    def fraction(found: re.Match[str]) -> str:
        value = Fraction(_repeating("", found[1], found[2], found[3])[1])
        return f"{{\\frac{{{value.numerator}}}{{{value.denominator}}}}}"

    return _BARRED.sub(fraction, text) if "\\overline" in text or "\\bar" in text else text


def _repeating(sign: str, whole: str, fixed: str, cycle: str) -> Expr:
    if len(whole) + len(fixed) + len(cycle) > MAX_DIGITS:
        raise Unreadable(f"a number has more than {MAX_DIGITS} digits")
    shift = 10 ** len(fixed)
    value = Fraction(int(whole + fixed or "0"), shift) + Fraction(int(cycle), shift * (10 ** len(cycle) - 1))
    return number(-value if sign else value)


def _decimal(text: str) -> Expr:
    if len(text) > MAX_DIGITS:
        raise Unreadable(f"a number has more than {MAX_DIGITS} digits")
    whole, _, places = text.partition(".")
    digits = int(whole + places) if whole + places else 0
    value = Fraction(digits, 10 ** len(places))
    return (
        "dec",
        value if value.denominator > 1 else value.numerator,
        len(places),
        len((whole + places).lstrip("0")),
    )
