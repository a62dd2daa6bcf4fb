"""The reader's level of units: what stands after a number and says of what it is the number."""

from __future__ import annotations

from .expr import Expr, Unreadable
from .token_stream import TokenStream
from .tokens import PROSE_OPERATORS
from .units import Unit, combine, is_unit, unit_of

__all__ = ["CURRENCY", "UnitReader"]

# Words that take back or qualify a number, where a unit would stand.
_AFTERTHOUGHTS = frozenset(
    "is are was not no isn't wrong incorrect false never than except but maybe unless if mistake perhaps possibly "
    "at least most more less "
    "rejected extraneous fails fail failed excluded invalid impossible discarded factorial double twice times plus minus".split()
)
_UNIT_LETTERS = frozenset("mgshLlNJWAVCKTFH")
_CURRENCY_CODES = {"USD": "dollar", "EUR": "euro", "GBP": "£", "JPY": "yen", "INR": "rupee", "Rs": "rupee"}
CURRENCY = {"$": "dollar", "€": "euro", "£": "£", "¥": "yen", "₹": "rupee", "¢": "cent"}


class UnitReader(TokenStream):
    """Reads money signs, percent and degree words, and units with their powers and quotients."""

    def money_ahead(self) -> str | None:
        """Return the currency whose sign stands before the number ahead."""
        kind, text, _ = self.tokens[self.at]
        if kind == "o" and text in CURRENCY:
            return CURRENCY[text]
        if kind in "wt" and text in _CURRENCY_CODES and self.tokens[self.at + 1][0] == "n":
            return _CURRENCY_CODES[text]
        return None

    def at_unit(self, value: Expr, text: str, spaced: bool) -> bool:
        """Tell whether the letters ahead are a unit of the number just read."""
        if value[0] not in ("num", "dec", "mixed", "/", "*", "root", "deg", "neg", "^"):
            return False
        if is_unit(text) and self.tokens[self.at + 1][1] != "(":
            return True
        if value[0] == "deg" and text in ("C", "F"):
            return True
        if text in ("sq", "cu") and self.tokens[self.at + 1][0] in "wt":
            return True
        if not self.soft_units or not spaced or self.tokens[self.at - 1][1] == "*":
            return False
        kind, after, _ = self.tokens[self.at + 1]
        ends = kind == "end" or (kind == "o" and after in (",", ";", "^", "/", ")")) or kind == "t"
        return (
            ends
            and ((len(text) > 1 and not (len(text) == 2 and text[0] == "d")) or text in _UNIT_LETTERS)
            and self.tokens[self.at - 1][0] != "w"
        )

    def unit(self, value: Expr) -> tuple[Unit, frozenset[str]] | str | None:
        """Read the unit after a value: words, powers, `per`; "%" and "°" for the words percent and degrees."""
        kind, text, spaced = self.tokens[self.at]
        if kind in "tw" and text.lower() in ("percent", "pct", "percentage"):
            self.at += 1
            return "pct"
        if kind in "tw" and text.lower() in ("degrees", "degree", "deg"):
            self.at += 1
            return self.temperature() or "deg"
        if value[0] == "deg" and (scale := self.temperature()):
            return scale
        if kind == "o" and text in CURRENCY:
            self.at += 1
            return (unit_of(CURRENCY[text]), frozenset())
        if kind == "c" and text in ("min", "Omega"):
            self.at += 1
            return (unit_of("min" if text == "min" else "ohm"), frozenset())
        if kind == "c" and text == "frac":
            return self.unit_fraction(value)
        parts: list[tuple[Unit, int]] = []
        words: set[str] = set()
        sign = 1
        pending = 1
        start = self.at
        while True:
            kind, text, spaced = self.tokens[self.at]
            if kind == "t" and text in PROSE_OPERATORS:
                break
            if kind == "t" or (kind == "w" and (parts or pending > 1 or self.at_unit(value, text, spaced))):
                lower = text.lower().rstrip(".")
                self.at += 1
                if lower in _AFTERTHOUGHTS or (kind == "t" and len(text) == 1 and text not in _UNIT_LETTERS):
                    raise Unreadable(f"{text!r} stands after a number")
                if lower in ("per", "each") and parts:
                    sign = -1
                elif lower in ("square", "sq", "squared", "cubic", "cu", "cubed"):
                    power = 2 if lower.startswith("s") else 3
                    if lower.endswith("ed") and parts:
                        parts[-1] = (parts[-1][0], power * sign)
                    else:
                        pending = power
                elif lower not in ("a", "an", "the", "of"):
                    unit = unit_of(text)
                    power = pending
                    pending = 1
                    if self.take("^"):
                        exponent = self.script()
                        while exponent[0] == "neg" and exponent[1][0] == "num":
                            exponent = ("num", -exponent[1][1])
                        if exponent[0] != "num" or not isinstance(exponent[1], int) or abs(exponent[1]) > 9:
                            self.fail("a small whole power of the unit")
                        power = exponent[1]
                    parts.append((unit, sign * power))
                    if len(unit[1]) == 1 and unit[1][0][0] == lower.rstrip("s"):
                        words.add(unit[1][0][0])
                    sign = 1
                self.take(".") if self.tokens[self.at][0] == "o" else None
            elif kind == "o" and text == "/" and parts:
                self.at += 1
                sign = -1
                if self.tokens[self.at][:2] == ("c", "min"):
                    self.at += 1
                    parts.append((unit_of("min"), -1))
            elif (kind == "o" and text in ("*",) and parts) or (
                kind == "o" and text == "-" and parts and self.tokens[self.at + 1][0] == "t"
            ):
                self.at += 1
            else:
                break
        if not parts:
            self.at = start
            return None
        return combine(parts), frozenset(words)

    def temperature(self) -> tuple[Unit, frozenset[str]] | None:
        kind, text, _ = self.tokens[self.at]
        if kind in ("w", "t") and text.lower() in ("c", "f", "celsius", "fahrenheit"):
            self.at += 1
            return (unit_of("°" + text[0].upper()), frozenset())
        return None

    def unit_fraction(self, value: Expr) -> tuple[Unit, frozenset[str]] | None:
        """Read \\frac{\\text{km}}{\\text{h}} after a number."""
        if self.tokens[self.at + 1][1] != "{" or self.tokens[self.at + 2][0] != "t":
            return None
        self.at += 1
        sides = []
        for _ in range(2):
            self.need("{")
            side = self.unit(value)
            if not isinstance(side, tuple):
                self.fail("a unit")
            self.need("}")
            sides.append(side)
        return combine([(sides[0][0], 1), (sides[1][0], -1)]), sides[0][1] | sides[1][1]
