"""The reader's level of arithmetic: sums, products, powers and marks, in their order of binding."""

from __future__ import annotations

from .atom_reader import AtomReader
from .expr import Expr, number
from .numerals import literal
from .tokens import FUNCTIONS
from .units import unit_of

__all__ = ["TermReader"]

_SCALES = {
    "dozen": 12,
    "score": 20,
    "gross": 144,
    "lakh": 10**5,
    "crore": 10**7,
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}


_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4, "fifth": 5,
    "fifths": 5, "sixth": 6, "sixths": 6, "eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10, "hundredth": 100,
    "hundredths": 100, "thousandth": 1000, "thousandths": 1000,
}  # fmt: skip


class TermReader(AtomReader):
    """Reads an arithmetic expression; a unit after a product belongs to it."""

    def sum(self) -> Expr:
        kind, text, _ = self.tokens[self.at]
        first: Expr
        if kind == "o" and text in "+-":
            self.at += 1
            first = self.signed_product()
            if text == "-":
                first = ("neg", first)
        elif kind == "c" and text in ("pm", "mp"):
            self.at += 1
            first = (text, ("num", 0), self.product())
        else:
            first = self.product()
        terms = [first]
        while True:
            kind, text, _ = self.tokens[self.at]
            if kind == "o" and text == "+":
                self.at += 1
                terms.append(self.signed_product())
            elif kind == "o" and text == "-":
                self.at += 1
                taken = self.signed_product()
                if taken[0] == "set" and len(terms) == 1:
                    return ("minus", terms[0], taken)
                terms.append(("neg", taken))
            elif kind == "c" and text in ("pm", "mp"):
                self.at += 1
                terms = [(text, terms[0] if len(terms) == 1 else ("+", *terms), self.product())]
            else:
                break
        if len(terms) == 1:
            return terms[0]
        if terms[-1][0] == "qty" and not any(term[0] == "qty" for term in terms[:-1]):
            return ("qty", ("+", *terms[:-1], terms[-1][1]), terms[-1][2])
        return ("+", *terms)

    def signed_product(self) -> Expr:
        if self.take("-"):
            return ("neg", self.signed_product())
        if self.take("+"):
            return self.signed_product()
        return self.product()

    def product(self) -> Expr:
        money = self.money_ahead()
        if money:
            self.at += 1
            amount = self.scaled(self.signed_power())
            self.unit(amount)  # "$5 dollars" says it twice
            return ("qty", amount, (unit_of(money), frozenset()))
        result = self.scaled(self.factors())
        unit = self.unit(result)
        if unit is None:
            return result
        if isinstance(unit, str):
            return (unit, result)
        if result[0] == "deg":  # a temperature
            result = result[1]
        return ("qty", result, unit)

    def scaled(self, value: Expr) -> Expr:
        """Read `5 million` as the number that it is."""
        while value[0] in ("num", "dec") and (token := self.tokens[self.at])[0] == "t" and token[1].lower() in _SCALES:
            self.at += 1
            value = number(value[1] * _SCALES[token[1].lower()])
        if value[0] in ("num", "dec") and (token := self.tokens[self.at])[0] == "t" and token[1].lower() in _PARTS:
            self.at += 1
            value = ("/", value, ("num", _PARTS[token[1].lower()]))
        return value

    def factors(self, *, implicit_only: bool = False) -> Expr:
        result = self.power()
        flat = False  # whether `result` is a product made here, so that a further factor joins it
        while True:
            kind, text, spaced = self.tokens[self.at]
            if kind == "o":
                if text == "*" and not implicit_only:
                    self.at += 1
                    factor = self.signed_power()
                elif text == "/" and not implicit_only:
                    self.at += 1
                    result = ("/", result, self.signed_power())
                    flat = False
                    continue
                elif text in ("(", "{") or (text == "|" and not self.bars):
                    factor = self.power()
                else:
                    break
            elif kind == "n":
                if self.tokens[self.at - 1][0] == "n":
                    mixed = self.mixed_tail(result)
                    if mixed is None:
                        self.fail("an operator between two numbers")
                    result = mixed
                    continue
                if result[0] == "deg" and self.tokens[self.at + 1][:2] == ("o", "'"):
                    self.at += 2  # 45° 30', sixty minutes to the degree
                    result = ("deg", ("+", result[1], ("/", literal(text), ("num", 60))))
                    continue
                if (result[-1] if flat else result)[0] == "^":
                    self.fail("an operator after a power")
                factor = self.power()
            elif kind == "w":
                if self.at_unit(result, text, spaced):
                    break
                factor = self.power()
            elif kind == "c" and text == "bmod":
                self.at += 1
                result, flat = ("fn", "mod", result, self.signed_power()), False
                continue
            elif kind == "c":
                if (text == "frac" and self.tokens[self.at + 1][1] == "{" and self.tokens[self.at + 2][0] == "t") or (
                    text == "min" and self.tokens[self.at + 1][1] not in ("(", "{", "set{")
                ):
                    break  # a unit: km over h, minutes, ohms
                if text == "Omega" and spaced and result[0] in ("num", "dec"):
                    break
                if (
                    text == "frac"
                    and result[0] == "num"
                    and isinstance(result[1], int)
                    and self.tokens[self.at - 1][0] == "n"
                ):
                    part = self.power()
                    mark = part[0] if part[0] in ("pct", "deg") else ""
                    if _proper(part[1] if mark else part):
                        result = ("mixed", result, part[1] if mark else part)
                        result = (mark, result) if mark else result
                        continue
                    factor = part
                elif text in (
                    "pm",
                    "mp",
                    "over",
                    "choose",
                    "setminus",
                    "to",
                    "equiv",
                    "implies",
                    "Rightarrow",
                    "iff",
                    "pmod",
                    "bmod",
                    "rangle",
                    "rfloor",
                    "rceil",
                    "end",
                ) or (implicit_only and (text in FUNCTIONS and text != "sqrt")):
                    break
                else:
                    factor = self.power()
            elif kind == "t" and text in ("i", "e"):
                factor = self.power()
            else:
                break
            if factor[0] == "tuple" and result[0] == "tuple":
                self.fail("one point")
            if factor == ("condition",):  # (k in Z) after a value
                continue
            result = (*result, factor) if flat else ("*", result, factor)
            flat = True
        return result

    def mixed_tail(self, whole: Expr) -> Expr | None:
        """Read `1 1/2` after the whole part: a number, a slash, a larger number."""
        tokens = self.tokens
        at = self.at
        if (
            whole[0] == "num"
            and tokens[at][2]
            and tokens[at][1].isdigit()
            and tokens[at + 1][:2] == ("o", "/")
            and tokens[at + 2][0] == "n"
            and tokens[at + 2][1].isdigit()
        ):
            part: Expr = ("/", literal(tokens[at][1]), literal(tokens[at + 2][1]))
            if _proper(part):
                self.at += 3
                return ("mixed", whole, part)
        return None

    def signed_power(self) -> Expr:
        if self.take("-"):
            return ("neg", self.signed_power())
        if self.take("+"):
            return self.signed_power()
        return self.power()

    def power(self) -> Expr:
        base = self.atom()
        while True:
            kind, text, _ = self.tokens[self.at]
            if kind != "o":
                return base
            if text in ("^", "**"):
                self.at += 1
                if self.take_degree() or (base[0] == "num" and self.take_letter_o()):
                    base = ("deg", base)
                else:
                    base = ("^", base, self.script())
            elif text == "!":
                self.at += 1
                base = ("fn", "double factorial" if self.take("!") else "factorial", base)
            elif text == "%":
                self.at += 1
                base = ("pct", base)
            else:
                return base

    def take_degree(self) -> bool:
        """After `^`: take \\circ or {\\circ}; a following C or F belongs to the unit, which is read later."""
        start = self.at
        braced = self.take("{")
        kind, text, _ = self.tokens[self.at]
        if (kind == "c" and text == "circ") or (kind == "w" and text == "o" and braced):
            self.at += 1
            if not braced or self.take("}"):
                return True
        self.at = start
        return False

    def take_letter_o(self) -> bool:
        """After `90^`: take the letter that some write for the degree sign."""
        pieces = [token[1] for token in self.tokens[self.at : self.at + 3]]
        if pieces[:1] != ["o"] and pieces != ["{", "o", "}"]:
            return False
        self.at += 1 if pieces[0] == "o" else 3
        return True

    def script(self) -> Expr:
        """Read an exponent: a braced sum, a signed number (2^-1, 2^10), one symbol, or a bracket."""
        if self.take("-"):
            return ("neg", self.script())
        self.take("+")
        kind, text, _ = self.tokens[self.at]
        if kind == "n":
            self.at += 1
            return literal(text)
        if kind == "w" and len(text) > 1 and not text.isupper():
            return self.letter()
        if kind == "w":
            self.at += 1
            return self.symbol(text)
        return self.atom()


def _proper(part: Expr) -> bool:
    """Tell whether an expression is a proper fraction of two whole numbers, as in a mixed number."""
    return (
        part[0] == "/"
        and part[1][0] == "num"
        and part[2][0] == "num"
        and isinstance(part[1][1], int)
        and 0 < part[1][1] < part[2][1]
    )
