"""The reader's level of atoms: numbers, symbols, brackets and what LaTeX commands make."""

from __future__ import annotations

import re

from .expr import REALS, Expr, Unreadable
from .matrices import determinant
from .numerals import literal
from .token_stream import Foreign
from .tokens import FUNCTIONS, GREEK
from .unit_reader import CURRENCY, UnitReader
from .units import is_unit

__all__ = ["AtomReader"]

_FOREIGN = frozenset("int iint iiint oint lim limsup liminf partial nabla prime det vmatrix infty_".split())
_MATRICES = frozenset("pmatrix bmatrix matrix Bmatrix smallmatrix array cases vmatrix".split())
_SPLIT_LETTERS = re.compile(r"pi|.")
_FULL_NAME = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "sgn": "sign",
}  # fmt: skip


class AtomReader(UnitReader):
    """Reads one operand: a literal, a symbol, a bracketed statement, a command with its arguments."""

    def atom(self) -> Expr:
        kind, text, _ = self.tokens[self.at]
        if kind == "n":
            self.at += 1
            if self.next_is("_"):
                raise Unreadable("a numeral in a base stands inside an expression")
            return literal(text)
        if kind == "w":
            self.at += 1
            return self.letters(text)
        if kind == "c":
            self.at += 1
            return self.command(text)
        if kind == "o":
            if text == "{":
                return self.braced()
            if text in "([]":
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
            if text in CURRENCY:
                return self.product()
        if kind == "t" and text.isalpha() and (len(text) == 1 or text.isupper()):
            self.at += 1
            return self.symbol(text)
        return self.fail("a number, a symbol or a bracket")

    def argument(self) -> Expr:
        """Read a TeX argument: a braced expression, one digit, one letter or one command."""
        kind, text, _ = self.tokens[self.at]
        if kind == "n":
            if len(text) > 1 and text.isdigit():
                self.tokens[self.at] = ("n", text[1:], False)
                return literal(text[0])
            self.at += 1
            return literal(text)
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
        if self.tokens[self.at][0] != "o" or closing not in (")", "]", "["):
            self.fail("a closing bracket")
        self.at += 1
        self.bars = bars
        self.nesting -= 1
        if opening == "]" or closing == "[":  # ]2, 5[ is the open interval, as written in France
            if len(items) != 2:
                raise Unreadable("the brackets do not match")
            return ("interval", items[0], items[1], opening in "](", closing in "[)")
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
        if first[0] == "system" and not self.next_is("set}"):  # a brace before a system, closed by \\right.
            self.nesting -= 1
            return first
        if self.take("|") or self.take(":"):
            of = first
            first = self.statement()
            if first[0] != "range":
                raise Unreadable("a set by a condition that is not a range")
            if of not in (("sym", first[1]), ("range", first[1], REALS)):
                raise Unreadable("a set of something other than the real numbers that meet a condition")
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
            inside = ("/", inside, literal(self.tokens[self.at][1]))
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
            raise Unreadable(f"the environment {name[:20]} is not read")
        rows = self.rows(name)
        if all(len(row) == 1 and row[0][0] == "named" for row in rows) and len({row[0][1] for row in rows}) == len(
            rows
        ):
            return ("system", *(row[0] for row in rows)) if len(rows) > 1 else rows[0][0]
        return determinant(rows) if name == "vmatrix" else ("matrix", rows)

    def rows(self, name: str) -> tuple[tuple[Expr, ...], ...]:
        self.deeper()
        rows: list[tuple[Expr, ...]] = []
        row: list[Expr] = []
        while True:
            if self.tokens[self.at][:2] == ("c", "end"):
                self.at += 1
                break
            row.append(self.relation())
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


def _plain_symbol(letter: str) -> Expr:
    return ("const", letter) if letter in ("e", "i") else ("sym", letter)


def _bind(body: Expr, variable: str) -> Expr:
    """Make the loop's variable a symbol in its body, also where it would be read as the imaginary unit."""
    if body == ("const", variable):
        return ("sym", variable)
    return tuple(_bind(part, variable) if isinstance(part, tuple) else part for part in body)
