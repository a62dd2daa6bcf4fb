"""What does an undressed answer say? Text to `Expr`, by recursive descent.

    statement   relation ((',' | ';' | 'and' | 'or') relation)*
    relation    side (('=' | '<' | '≤' | '≠' | '≈' | '∈' ...) side)*
    side        sum (('∪' | '∩' | '∖') sum)*          then  ':' side  for ratios
    sum         [sign] product (('+' | '-' | '±') product)*
    product     power (['*' | '/'] power)* [unit]
    power       atom (superscript | '!' | '%' | '°')*

Nothing is evaluated here: what is read is data, and its size is bounded by the length of the text. Nesting is bounded
because the caller's stack is finite. Constructs that need a computer algebra system raise `Foreign`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NoReturn

from .expr import Expr, Unreadable, number, symbols
from .matrices import determinant, folded
from .tokens import CONNECTORS, FUNCTIONS, GREEK, Token, tokenize
from .units import Unit, combine, is_unit, unit_of

__all__ = ["MAX_LENGTH", "Foreign", "read"]

MAX_LENGTH = 4_000  # characters; the longest reference in MATH has 159
MAX_NESTING = 55  # brackets in brackets; ten frames of the caller's stack each
MAX_DIGITS = 4_000  # int() of more is refused by Python, and quadratic

_FOREIGN = frozenset("int iint iiint oint lim limsup liminf partial nabla prime det vmatrix infty_".split())
_INFINITE_WORDS = {
    "all real numbers",
    "all reals",
    "any real number",
    "real numbers",
    "the set of all real numbers",
}
_NOTHING_WORDS = {"empty set", "the empty set"}
_LEADING_WORDS = frozenset(
    "the final answer answers ans is are equals result value solution solutions approximately about thus so therefore "
    "hence exactly we get have".split()
)
_AFTERTHOUGHTS = frozenset(
    "is are was not no isn't wrong incorrect false never than except but maybe unless if mistake perhaps possibly".split()
)  # words that take back or qualify a number, where a unit would stand
_SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_CURRENCY_CODES = {"USD": "dollar", "EUR": "euro", "GBP": "£", "JPY": "yen", "INR": "rupee", "Rs": "rupee"}
_CURRENCY = {"$": "dollar", "€": "euro", "£": "£", "¥": "yen", "₹": "rupee", "¢": "cent"}
_END: Token = ("end", "", False)
_MATRICES = frozenset("pmatrix bmatrix matrix Bmatrix smallmatrix array vmatrix".split())
_RELATIONS = frozenset(("=", "<", ">", "le", "ge", "ne", "approx", "in"))
_FLIPPED = {"<": ">", ">": "<", "le": "ge", "ge": "le"}
_BASE_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "sixteen": 16,
}  # fmt: skip
_BASED = re.compile(r"(-?)([0-9A-Za-z]+)(?:_|base-?)(\d{1,2}|[a-z]+)")
_BASE_DRESSING = re.compile(r"\\text|[{}()\s]")
_REPEATING = re.compile(r"(-?)\s*(\d*)\.(\d*)(?:\\(?:overline|bar|dot)\s*\{?(\d+)\}?|\((\d+)\))")
_ELLIPSIS = re.compile(r"(-?)\s*(\d*)\.(\d+)\s*\.\.\.")
_SPLIT_LETTERS = re.compile(r"pi|.")

REALS: Expr = ("interval", ("neg", ("const", "inf")), ("const", "inf"), True, True)


class Foreign(Unreadable):
    """The text holds a construct that only the slow lane reads (an integral, a limit, ...)."""


def read(text: str, *, soft_units: bool = True) -> Expr:
    """Return what an undressed answer says; words that are no mathematics come back as ("text", words).

    soft_units: read a spaced run of letters at the end of a number ("5 m") as its unit; False reads a product.
    Raises Unreadable (Foreign for what the slow lane may know).
    """
    if len(text) > MAX_LENGTH:
        raise Unreadable(f"the answer has {len(text):,} characters; at most {MAX_LENGTH:,} are read")
    plain = text.lower()
    if plain in _INFINITE_WORDS or plain.replace("\\text{", "").rstrip("}") in _INFINITE_WORDS:
        return REALS
    if plain in _NOTHING_WORDS:
        return ("set",)
    special = _special_number(text)
    if special is not None:
        return special
    try:
        return _Reader(tokenize(text), soft_units).answer()
    except RecursionError:
        raise Unreadable("the answer is nested too deeply") from None


def _special_number(text: str) -> Expr | None:
    """Read the notations that are a matter of digits: repeating decimals and numerals in a base."""
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
    if ("_" in text or "base" in text) and (
        found := _BASED.fullmatch(_BASE_DRESSING.sub("", text).replace("_base", "_"))
    ):
        sign, digits, name = found.groups()
        base = int(name) if name.isdigit() else _BASE_WORDS.get(name, 0)
        if 2 <= base <= 36 and digits[0].isdigit() | digits.isupper() and all(int(c, 36) < base for c in digits):
            numeral: Expr = ("based", digits.upper().lstrip("0") or "0", base)
            return ("neg", numeral) if sign else numeral
    return None


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


class _Reader:
    def __init__(self, tokens: list[Token], soft_units: bool) -> None:
        self.tokens = tokens
        self.tokens.append(_END)
        self.at = 0
        self.nesting = 0
        self.soft_units = soft_units
        self.bars = 0  # open |...|: a bar closes rather than opens

    # ---- moving along

    def fail(self, wanted: str) -> NoReturn:
        found = self.tokens[self.at][1] or "the end"
        raise Unreadable(f"expected {wanted}, found {found!r}")

    def next_is(self, sign: str) -> bool:
        kind, text, _ = self.tokens[self.at]
        return kind == "o" and text == sign

    def take(self, sign: str) -> bool:
        kind, text, _ = self.tokens[self.at]
        if kind == "o" and text == sign:
            self.at += 1
            return True
        return False

    def need(self, sign: str) -> None:
        if not self.take(sign):
            self.fail(repr(sign))

    def deeper(self) -> None:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise Unreadable(f"nested more than {MAX_NESTING} deep")

    # ---- statements

    def answer(self) -> Expr:
        while (token := self.tokens[self.at])[0] == "t" and token[1].lower() in _LEADING_WORDS:
            self.at += 1
        if (
            self.tokens[self.at][:2] in (("o", ":"), ("o", "="), ("o", "approx"))
            and self.tokens[self.at + 1][0] != "end"
        ):
            self.at += 1
        result = self.statement()
        if self.tokens[self.at][0] != "end":
            self.fail("an operator or the end")
        return folded(result)

    def statement(self) -> Expr:
        items = [self.relation()]
        joins: list[str] = []
        while True:
            join = ""
            while True:
                kind, text, _ = self.tokens[self.at]
                if (kind == "o" and text in ",;") or (kind == "t" and text in CONNECTORS):
                    join = text if text in CONNECTORS else join or ","
                    self.at += 1
                else:
                    break
            if not join or self.tokens[self.at][0] == "end":
                break
            joins.append(join)
            items.append(self.relation())
        return items[0] if len(items) == 1 else _joined(items, joins)

    def relation(self) -> Expr:
        names: list[str | None] = []
        sides: list[Expr] = []
        operators: list[str] = []
        while True:
            name = self.name_ahead()
            names.append(name[0] if name else None)
            if name and (name[1] or name[2]):
                # A left side that only names (Area, AB, f(2)) need not be readable as mathematics.
                start = self.at
                try:
                    side = self.side()
                    if self.at != name[3]:
                        raise Unreadable("a name")
                except Unreadable:
                    self.at = start
                    side = ("sym", name[0])
                self.at = name[3]
                sides.append(side)
            else:
                sides.append(self.side())
            kind, text, _ = self.tokens[self.at]
            if kind == "o" and text in _RELATIONS:
                operators.append(text)
                self.at += 1
            elif kind == "c" and text in ("equiv", "to", "implies", "Rightarrow", "iff", "pmod", "bmod"):
                raise Unreadable(f"\\{text} is not read")
            else:
                break
        if not operators:
            return sides[0]
        return _related(names, sides, operators)

    def name_ahead(self) -> tuple[str, bool, bool, int] | None:
        """Look for a name up to the next relation sign or end of the item: letters, with subscripts or arguments.

        Returns (name, a relation follows, only prose or points, index after it), None where the side is not a name.
        """
        at = self.at
        letters = False
        prose = False
        depth = 0
        out: list[str] = []
        while True:
            kind, text, _ = self.tokens[at]
            if kind == "w" or kind == "t":
                if kind == "t" and text in CONNECTORS:
                    break
                letters = True
                prose = prose or kind == "t"
                out.append(text)
            elif kind == "c" and (
                text in GREEK
                or text in ("angle", "triangle", "overline", "measuredangle", "odot", "Delta", "frac", "circ")
            ):
                letters = letters or text in GREEK
                prose = prose or (text not in GREEK and text != "frac")
                out.append(text)
            elif (
                kind == "o"
                and text == "^"
                and out
                and [t[1] for t in self.tokens[at + 1 : at + 5]] == ["{", "-", "1", "}"]
            ):
                out.append("^-1")
                at += 4
            elif kind == "c" and text in ("dim", "deg", "Pr", "arg", "ker"):
                out.append(text + " ")
                prose = True
            elif kind == "c" and text in FUNCTIONS and text not in ("sqrt", "exp", "abs", "log", "ln"):
                out.append(text + " ")
            elif kind == "n" and (depth or (out and out[-1] == "_")):
                if not (out[-1] == "_" or "_{" in "".join(out[-3:]) or out[-1] in "(,"):
                    return None
                out.append(text)
            elif kind == "o" and text in "(){}_',|[]:" and (out or text in "|{("):
                if text in "({[":
                    depth += 1
                elif text in ")}]":
                    if depth == 0:
                        break
                    depth -= 1
                elif text == "," and depth == 0:
                    break
                elif text in "|:":
                    if self.bars:
                        break
                    prose = True
                out.append(text)
            else:
                break
            at += 1
        kind, text, _ = self.tokens[at]
        follows = kind == "o" and text in _RELATIONS
        if not letters or depth or not (follows or (kind == "end" and at > self.at)):
            return None
        name = "".join(out).replace("{", "").replace("}", "")
        if name in ("e", "i", "") or (not follows and prose):
            return None
        return name, follows, prose and follows, at

    def side(self) -> Expr:
        left = self.sum()
        while True:
            kind, text, _ = self.tokens[self.at]
            if kind == "o" and text == "cup":
                self.at += 1
                right = self.sum()
                if left[0] == right[0] == "set":
                    left = (*left, *right[1:])
                else:
                    left = (*left, right) if left[0] == "union" else ("union", left, right)
            elif kind == "c" and text in ("over", "choose"):
                self.at += 1
                left = ("/", left, self.sum()) if text == "over" else ("fn", "binom", left, self.sum())
            elif kind == "o" and text == "cap":
                raise Unreadable("an intersection is left undone")
            elif kind == "c" and text == "setminus":
                self.at += 1
                left = ("minus", left, self.sum())
            elif kind == "o" and text == ":" and not self.bars:
                self.at += 1
                right = self.sum()
                left = (*left, right) if left[0] == "ratio" else ("ratio", left, right)
            else:
                return left

    # ---- arithmetic

    def sum(self) -> Expr:
        kind, text, _ = self.tokens[self.at]
        first: Expr
        if kind == "o" and text in "+-":
            self.at += 1
            first = self.product()
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
        return value

    def money_ahead(self) -> str | None:
        """Return the currency whose sign stands before the number ahead."""
        kind, text, _ = self.tokens[self.at]
        if kind == "o" and text in _CURRENCY:
            return _CURRENCY[text]
        if kind in "wt" and text in _CURRENCY_CODES and self.tokens[self.at + 1][0] == "n":
            return _CURRENCY_CODES[text]
        return None

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
                if (result[-1] if flat else result)[0] == "^":
                    self.fail("an operator after a power")
                factor = self.power()
            elif kind == "w":
                if self.at_unit(result, text, spaced):
                    break
                factor = self.power()
            elif kind == "c":
                if (text == "frac" and self.tokens[self.at + 1][1] == "{" and self.tokens[self.at + 2][0] == "t") or (
                    text == "min" and self.tokens[self.at + 1][1] not in ("(", "{", "set{")
                ):
                    break  # a unit: km over h, minutes
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
            part: Expr = ("/", self.literal(tokens[at][1]), self.literal(tokens[at + 2][1]))
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
                if self.take_degree():
                    base = ("deg", base)
                else:
                    base = ("^", base, self.script())
            elif text == "!":
                self.at += 1
                if self.take("!"):
                    raise Unreadable("a double factorial is not read")
                base = ("fn", "factorial", base)
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

    def script(self) -> Expr:
        """Read an exponent: a braced sum, a signed number (2^-1, 2^10), one symbol, or a bracket."""
        if self.take("-"):
            return ("neg", self.script())
        self.take("+")
        kind, text, _ = self.tokens[self.at]
        if kind == "n":
            self.at += 1
            return self.literal(text)
        if kind == "w" and len(text) > 1 and not text.isupper():
            return self.letter()
        if kind == "w":
            self.at += 1
            return self.symbol(text)
        return self.atom()

    def argument(self) -> Expr:
        """Read a TeX argument: a braced expression, one digit, one letter or one command."""
        kind, text, spaced = self.tokens[self.at]
        if kind == "n":
            if len(text) > 1 and text.isdigit():
                self.tokens[self.at] = ("n", text[1:], False)
                return self.literal(text[0])
            self.at += 1
            return self.literal(text)
        if kind == "w" and len(text) > 1:
            return self.letter()
        if kind == "c" and text not in GREEK and text not in ("pi", "sqrt", "frac", "infty", "binom"):
            self.fail("an argument in braces")
        if kind == "w":
            self.at += 1
            return _plain_symbol(text)
        return self.atom()

    def letter(self) -> Expr:
        """Take the first letter of a run."""
        _, text, _ = self.tokens[self.at]
        self.tokens[self.at] = ("w", text[1:], False)
        return _plain_symbol(text[0])

    # ---- atoms

    def atom(self) -> Expr:
        kind, text, _ = self.tokens[self.at]
        if kind == "n":
            self.at += 1
            if self.next_is("_"):
                raise Unreadable("a numeral in a base stands inside an expression")
            return self.literal(text)
        if kind == "w":
            self.at += 1
            return self.letters(text)
        if kind == "c":
            self.at += 1
            return self.command(text)
        if kind == "o":
            if text == "{":
                return self.braced()
            if text in "([":
                return self.bracketed(text)
            if text == "set{":
                return self.braces_of_set()
            if text == "|":
                self.at += 1
                self.deeper()
                self.bars += 1
                inside = self.sum()
                self.need("|")
                self.bars -= 1
                self.nesting -= 1
                return ("fn", "abs", inside)
            if text in _CURRENCY:
                return self.product()
        if kind == "t" and text.isalpha() and (len(text) == 1 or text.isupper()):
            self.at += 1
            return self.symbol(text)
        return self.fail("a number, a symbol or a bracket")

    def literal(self, text: str) -> Expr:
        if "e" in text or "E" in text:
            digits, _, exponent = text.lower().partition("e")
            if len(exponent) > 6:
                raise Unreadable("an exponent of more than five digits")
            power = int(exponent)
            return (
                "*",
                self.literal(digits),
                ("^", ("num", 10), ("num", power) if power >= 0 else ("neg", ("num", -power))),
            )
        if "." in text:
            return _decimal(text)
        if len(text) > MAX_DIGITS:
            raise Unreadable(f"a number has more than {MAX_DIGITS} digits")
        return ("num", int(text))

    def letters(self, text: str) -> Expr:
        if len(text) == 1 or text.isupper():
            return self.symbol(text)
        if is_unit(text):
            self.at -= 1
            self.fail("a number before a unit")
        run = _SPLIT_LETTERS.findall(text)
        if self.next_is("^") or self.next_is("_") or self.next_is("!") or self.next_is("("):
            # The mark belongs to the last letter alone: ab^2 is a b^2.
            self.at -= 1
            self.tokens[self.at] = ("w", text[len(run[0]) :], False)
            return self.symbol(run[0])
        return ("*", *(self.symbol(letter) for letter in run))

    def symbol(self, letter: str) -> Expr:
        if letter == "e" and not self.next_is("_"):
            return ("const", "e")
        if letter == "i" and not self.next_is("_"):
            return ("const", "i")
        if letter == "pi":
            return ("const", "pi")
        if letter in ("f", "g") and self.next_is("(") and not self.tokens[self.at][2]:
            inside = self.bracketed("(")
            arguments = inside[1:] if inside[0] == "tuple" else (inside,)
            return ("call", letter, *arguments)
        return self.subscripted(letter)

    def subscripted(self, letter: str) -> Expr:
        name = letter
        kind, text, spaced = self.tokens[self.at]
        if kind == "n" and not spaced and text.isdigit():  # x1 is x with an index
            self.at += 1
            name += "_" + text
        while self.next_is("'"):
            self.at += 1
            name += "'"
        if self.take("_"):
            kind, text, _ = self.tokens[self.at]
            if self.take("{"):
                parts = []
                while not self.next_is("}"):
                    kind, text, _ = self.tokens[self.at]
                    if kind == "end":
                        self.fail("'}'")
                    parts.append(text)
                    self.at += 1
                self.need("}")
                name += "_" + "".join(parts)
            elif kind in ("n", "w", "t", "c"):
                self.at += 1
                name += "_" + text
            else:
                self.fail("a subscript")
        return ("sym", name)

    def braced(self) -> Expr:
        self.need("{")
        self.deeper()
        inside = self.statement() if not self.next_is("}") else self.fail("an expression in the braces")
        self.need("}")
        self.nesting -= 1
        return inside

    def bracketed(self, opening: str) -> Expr:
        """Read (a), (a, b), [a, b), ...: a grouping, a tuple or an interval."""
        self.need(opening)
        self.deeper()
        bars, self.bars = self.bars, 0
        items = [self.relation()]
        while self.take(",") or self.take(";"):
            items.append(self.relation())
        closing = self.tokens[self.at][1]
        if self.tokens[self.at][0] != "o" or closing not in ")]":
            self.fail("a closing bracket")
        self.at += 1
        self.bars = bars
        self.nesting -= 1
        if len(items) == 1:
            if (opening, closing) not in (("(", ")"), ("[", "]")):
                raise Unreadable("the brackets do not match")
            return items[0]
        if (opening, closing) == ("(", ")") or (len(items) > 2 and (opening, closing) == ("[", "]")):
            return ("tuple", *items)
        if len(items) == 2:
            return ("interval", items[0], items[1], opening == "(", closing == ")")
        raise Unreadable("the brackets do not match")

    def braces_of_set(self) -> Expr:
        self.need("set{")
        self.deeper()
        if self.take("set}"):
            self.nesting -= 1
            return ("set",)
        self.bars += 1  # a bar in here is "such that"
        first = self.statement()
        self.bars -= 1
        if self.take("|") or self.take(":"):
            first = self.statement()
            if first[0] != "range":
                raise Unreadable("a set by a condition that is not a range")
            self.need("set}")
            self.nesting -= 1
            return first
        self.need("set}")
        self.nesting -= 1
        return ("set", *first[1:]) if first[0] == "list" else ("set", first)

    def command(self, name: str) -> Expr:
        if name == "frac":
            self.deeper()
            over = self.argument()
            under = self.argument()
            self.nesting -= 1
            if over in (("sym", "d"), ("*", ("sym", "d"), ("sym", "y"))) and "d" in str(under):
                raise Foreign("a derivative")
            return ("/", over, under)
        if name == "sqrt" or name == "cbrt":
            self.deeper()
            index: Expr = ("num", 2 if name == "sqrt" else 3)
            if self.take("["):
                index = self.sum()
                self.need("]")
            inside = self.argument()
            self.nesting -= 1
            return ("root", inside, index)
        if name == "pi":
            return ("const", "pi")
        if name == "infty":
            return ("const", "inf")
        if name == "Gamma" and self.next_is("("):
            return ("fn", "factorial", ("+", self.atom(), ("neg", ("num", 1))))
        if name in GREEK:
            return self.subscripted(name)
        if name in FUNCTIONS:
            return self.function(name)
        if name == "binom":
            self.deeper()
            top, bottom = self.argument(), self.argument()
            self.nesting -= 1
            return ("fn", "binom", top, bottom)
        if name in ("lfloor", "lceil", "langle"):
            return self.delimited(name)
        if name == "begin":
            return self.environment()
        if name in ("sum", "prod"):
            return self.loop(name)
        if name == "emptyset":
            return ("set",)
        if name == "mathbb":
            kind, text, _ = self.tokens[self.at]
            if self.take("{"):
                kind, text, _ = self.tokens[self.at]
                self.at += 1
                self.need("}")
                return REALS if text == "R" else ("text", "\\mathbb{" + text + "}")
            self.fail("{R}")
        if name in _FOREIGN:
            raise Foreign(f"\\{name} needs the computer algebra system")
        if name in ("angle", "triangle", "overline", "odot", "measuredangle"):
            kind, text, _ = self.tokens[self.at]
            if self.take("{"):
                kind, text, _ = self.tokens[self.at]
                self.at += 1
                self.need("}")
                return ("sym", name + " " + text)
            if kind == "w":
                self.at += 1
                return ("sym", name + " " + text)
        raise Foreign(f"\\{name} is not read")

    def delimited(self, name: str) -> Expr:
        closing = {"lfloor": "rfloor", "lceil": "rceil", "langle": "rangle"}[name]
        self.deeper()
        items = [self.sum()]
        while name == "langle" and self.take(","):
            items.append(self.sum())
        if self.tokens[self.at][:2] != ("c", closing):
            self.fail("\\" + closing)
        self.at += 1
        self.nesting -= 1
        if name == "langle":
            return ("tuple", *items)
        return ("fn", "floor" if name == "lfloor" else "ceil", items[0])

    def function(self, name: str) -> Expr:
        self.deeper()
        if name in ("log", "lg", "ln"):
            base: Expr = ("const", "e") if name == "ln" else ("num", 10)
            if self.take("_"):
                base = self.argument()
            exponent = self.script() if self.take("^") else None
            result: Expr = ("log", base, self.function_argument())
        else:
            exponent = self.script() if self.take("^") else None
            inside = self.function_argument()
            if name in ("gcd", "lcm", "min", "max"):
                result = ("fn", name, *(inside[1:] if inside[0] in ("tuple", "list", "set") else (inside,)))
            elif exponent == ("neg", ("num", 1)):
                result, exponent = ("fn", "arc" + name, inside), None
            else:
                result = ("fn", _FULL_NAME.get(name, name), inside)
        self.nesting -= 1
        return result if exponent is None else ("^", result, exponent)

    def function_argument(self) -> Expr:
        if self.next_is("(") or self.next_is("{") or self.next_is("set{"):
            return self.atom()
        if self.take("-"):
            return ("neg", self.factors(implicit_only=True))
        inside = self.factors(implicit_only=True)
        if self.next_is("/") and self.tokens[self.at + 1][0] == "n" and "pi" in str(inside):
            self.at += 1
            inside = ("/", inside, self.literal(self.tokens[self.at][1]))
            self.at += 1
        return inside

    def loop(self, kind: str) -> Expr:
        """Read \\sum_{k=1}^{10} body; a bound that is missing or not `k = low` is left to the slow lane."""
        self.deeper()
        if not self.take("_") or not self.take("{"):
            raise Foreign(f"a \\{kind} without bounds")
        variable_kind, variable, _ = self.tokens[self.at]
        self.at += 1
        if variable_kind != "w" or len(variable) != 1 or not self.take("="):
            raise Foreign(f"a \\{kind} over something other than k = low")
        low = self.sum()
        self.need("}")
        if not self.take("^"):
            raise Foreign(f"a \\{kind} without an upper bound")
        high = self.script()
        body = self.factors()
        self.nesting -= 1
        return (kind, variable, low, high, _bind(body, variable))

    def environment(self) -> Expr:
        name = self.environment_name()
        if name == "array" and self.take("{"):
            while not self.take("}"):
                if self.tokens[self.at][0] == "end":
                    self.fail("'}'")
                self.at += 1
        if name not in _MATRICES:
            if name == "cases":
                raise Foreign("a definition by cases")
            raise Unreadable(f"the environment {name[:20]} is not read")
        rows = self.rows(name)
        return determinant(rows) if name == "vmatrix" else ("matrix", rows)

    def rows(self, name: str) -> tuple[tuple[Expr, ...], ...]:
        self.deeper()
        rows: list[tuple[Expr, ...]] = []
        row: list[Expr] = []
        while True:
            if self.tokens[self.at][:2] == ("c", "end"):
                self.at += 1
                break
            row.append(self.sum())
            if self.take("&"):
                continue
            rows.append(tuple(row))
            row = []
            if not self.take("row") and self.tokens[self.at][:2] != ("c", "end"):
                self.fail("& or \\\\ or \\end")
        if self.environment_name() != name:
            raise Unreadable("\\end does not match \\begin")
        if not rows or len({len(row) for row in rows}) != 1:
            raise Unreadable("the rows of the matrix differ in length")
        self.nesting -= 1
        return tuple(rows)

    def environment_name(self) -> str:
        self.need("{")
        _, name, _ = self.tokens[self.at]
        self.at += 1
        self.need("}")
        return name

    # ---- units

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
        return ends and (len(text) > 1 or text in "mgshLlNJWAV") and self.tokens[self.at - 1][0] != "w"

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

    def unit(self, value: Expr) -> tuple[Unit, frozenset[str]] | str | None:
        """Read the unit after a value: words, powers, `per`; "%" and "°" for the words percent and degrees."""
        kind, text, spaced = self.tokens[self.at]
        if kind in "tw" and text.lower() in ("percent", "pct"):
            self.at += 1
            return "pct"
        if kind in "tw" and text.lower() in ("degrees", "degree", "deg"):
            self.at += 1
            return self.temperature() or "deg"
        if value[0] == "deg" and (scale := self.temperature()):
            return scale
        if kind == "o" and text in _CURRENCY:
            self.at += 1
            return (unit_of(_CURRENCY[text]), frozenset())
        if kind == "c" and text == "min":
            self.at += 1
            return (unit_of("min"), frozenset())
        if kind == "c" and text == "frac":
            return self.unit_fraction(value)
        parts: list[tuple[Unit, int]] = []
        words: set[str] = set()
        sign = 1
        pending = 1
        start = self.at
        while True:
            kind, text, spaced = self.tokens[self.at]
            if kind == "t" and text in CONNECTORS:
                break
            if kind == "t" or (kind == "w" and (parts or pending > 1 or self.at_unit(value, text, spaced))):
                lower = text.lower().rstrip(".")
                self.at += 1
                if lower in _AFTERTHOUGHTS:
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


_FULL_NAME = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "sgn": "sign",
}  # fmt: skip


def _plain_symbol(letter: str) -> Expr:
    return ("const", letter) if letter in ("e", "i") else ("sym", letter)


def _proper(part: Expr) -> bool:
    """Tell whether an expression is a proper fraction of two whole numbers, as in a mixed number."""
    return (
        part[0] == "/"
        and part[1][0] == "num"
        and part[2][0] == "num"
        and isinstance(part[1][1], int)
        and 0 < part[1][1] < part[2][1]
    )


def _bind(body: Expr, variable: str) -> Expr:
    """Make the loop's variable a symbol in its body, also where it would be read as the imaginary unit."""
    if body == ("const", variable):
        return ("sym", variable)
    return tuple(_bind(part, variable) if isinstance(part, tuple) else part for part in body)


def _related(names: list[str | None], sides: list[Expr], operators: list[str]) -> Expr:
    """Build the statement that a chain of relations makes."""
    if operators == ["in"] and names[0]:
        inside = sides[1]
        if inside[0] in ("interval", "union", "minus"):
            return ("range", names[0], inside)
        if inside[0] in ("range", "set", "list"):
            return ("named", names[0], inside[2] if inside[0] == "range" else inside)
        if inside[0] == "tuple" and len(inside) == 3:
            return ("range", names[0], ("interval", inside[1], inside[2], True, True))
        raise Unreadable("membership in something that is no set")
    equal = all(op in ("=", "approx") for op in operators)
    if equal:
        first = next((k for k, name in enumerate(names) if name is None), len(sides) - 1)
        if names[0] is not None and names[0] in symbols(sides[-1]):
            return _chain(sides, operators)  # x = 2x + 1 names nothing
        if names[0] is not None:
            parts = names[0][1:-1].split(",") if names[0].startswith("(") and names[0].endswith(")") else []
            if len(parts) > 1 and sides[-1][0] == "tuple" and len(sides[-1]) == len(parts) + 1:
                return ("system", *(("named", part, value) for part, value in zip(parts, sides[-1][1:], strict=True)))
            first = max(1, min(first, len(sides) - 1))
            return ("named", names[0], _chain(sides[first:], operators[first:]))
        if names[-1] is not None and len(sides) == 2 and operators == ["="]:
            return ("named", names[-1], sides[0])
        return _chain(sides, operators)
    named = [k for k, name in enumerate(names) if name is not None]
    if len(sides) == 2 and len(named) >= 1 and operators[0] != "in":
        at = named[0]
        operator = operators[0] if at == 0 else _FLIPPED.get(operators[0], operators[0])
        return ("range", names[at], _half_line(operator, sides[1 - at]))
    if len(sides) == 3 and named == [1]:
        low, high = sides[0], sides[2]
        if operators[0] in (">", "ge") and operators[1] in (">", "ge"):
            low, high = high, low
            operators = [_FLIPPED[operators[1]], _FLIPPED[operators[0]]]
        if operators[0] in ("<", "le") and operators[1] in ("<", "le"):
            return ("range", names[1], ("interval", low, high, operators[0] == "<", operators[1] == "<"))
    return ("chain", tuple(sides), tuple(operators))


def _chain(sides: list[Expr], operators: list[str]) -> Expr:
    return sides[0] if len(sides) == 1 else ("chain", tuple(sides), tuple(operators))


def _half_line(operator: str, end: Expr) -> Expr:
    infinity: Expr = ("const", "inf")
    below: Expr = ("interval", ("neg", infinity), end, True, operator in ("<", "ne"))
    above: Expr = ("interval", end, infinity, operator in (">", "ne"), True)
    if operator == "ne":
        return ("union", below, above)
    return below if operator in ("<", "le") else above


def _joined(items: list[Expr], joins: list[str]) -> Expr:
    """Build what a list of statements makes: named values of one name, a system, a union of ranges, or a list."""
    tags = {item[0] for item in items}
    if tags == {"range"} and len({item[1] for item in items}) == 1:
        name = items[0][1]
        if all(join == "and" for join in joins) or (joins == [","] and _faces(items[0][2], items[1][2])):
            both = items[0][2]
            for item in items[1:]:
                both = _overlap(both, item[2])
            return ("range", name, both)
        return ("range", name, ("union", *(item[2] for item in items)))
    if tags == {"named", "range"} and len({item[1] for item in items}) == 1 and "and" not in joins:
        return (
            "range",
            items[0][1],
            ("union", *(("set", item[2]) if item[0] == "named" else item[2] for item in items)),
        )
    if items[0][0] == "named":
        named_items = [item for item in items if item[0] == "named"]
        if len({item[1] for item in named_items}) == 1 and all(item[0] not in ("range", "chain") for item in items):
            return (
                "named",
                items[0][1],
                ("list", *(item[2] if item[0] == "named" else item for item in items)),
            )
        if len(named_items) == len(items):
            return ("system", *items)
    return ("list", *items)


def _faces(a: Expr, b: Expr) -> bool:
    """Tell whether two half-lines point at each other, as in `x > 1, x < 5`."""
    if a[0] != "interval" or b[0] != "interval":
        return False
    infinity: Expr = ("const", "inf")
    return (a[2] == infinity) != (b[2] == infinity)


def _overlap(a: Expr, b: Expr) -> Expr:
    if not _faces(a, b):
        raise Unreadable("an intersection is left undone")
    low, high = (a, b) if a[2] == ("const", "inf") else (b, a)
    return ("interval", low[1], high[2], low[3], high[4])
