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

from .expr import REALS, Expr, Unreadable
from .matrices import folded
from .numerals import special_number, without_repeating
from .statements import joined, related
from .term_reader import TermReader
from .token_stream import Foreign
from .tokens import CONNECTORS, FUNCTIONS, GREEK, tokenize

__all__ = ["MAX_LENGTH", "Foreign", "read"]

MAX_LENGTH = 4_000  # characters; the longest reference in MATH has 159

_INFINITE_WORDS = {
    "all real numbers",
    "all reals",
    "any real number",
    "real numbers",
    "the set of all real numbers",
}
_NOTHING_WORDS = {
    "empty set", "the empty set", "no solution", "no solutions", "no real solution", "no real solutions",
    "there is no solution", "there are no solutions",
}  # fmt: skip
_UNDEFINED_WORDS = {"undefined", "does not exist", "dne", "not defined"}
_LEADING_WORDS = frozenset(
    "the final answer answers ans is are equals result value solution solutions approximately about thus so therefore "
    "hence exactly we get have".split()
)
_MODULUS = frozenset(("pmod", "mod", "bmod"))
_RELATIONS = frozenset(("=", "<", ">", "le", "ge", "ne", "approx", "in"))


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
    if plain.replace("\\text{", "").rstrip("} ") in _NOTHING_WORDS:
        return ("set",)
    if plain.replace("\\text{", "").rstrip("} ") in _UNDEFINED_WORDS:
        return ("text", "undefined")
    special = special_number(text)
    if special is not None:
        return special
    return Reader(tokenize(without_repeating(text)), soft_units).answer()


class Reader(TermReader):
    """Reads a whole answer: what it states, of which names."""

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
                    join = text if text in CONNECTORS else join or text
                    self.at += 1
                else:
                    break
            if not join or self.tokens[self.at][0] == "end":
                break
            joins.append(join)
            items.append(self.relation())
        return items[0] if len(items) == 1 else joined(items, joins)

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
            elif kind == "c" and text == "equiv" and len(sides) == 1:
                self.at += 1
                return self.congruence(sides[0])
            elif kind == "c" and text in ("to", "implies", "Rightarrow", "iff", "pmod"):
                raise Unreadable(f"\\{text} is not read")
            else:
                break
        if not operators:
            return sides[0]
        return related(names, sides, operators)

    def congruence(self, side: Expr) -> Expr:
        """Read the rest of `side ≡ residue (mod m)`."""
        residue = self.sum()
        bracketed = self.take("(")
        _, text, _ = self.tokens[self.at]
        if text not in _MODULUS:
            self.fail("a modulus")
        self.at += 1
        modulus = self.script()
        if bracketed:
            self.need(")")
        return ("congruence", side, residue, modulus)

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
                prose = letters = True
            elif kind == "c" and text in FUNCTIONS and text not in ("sqrt", "exp", "abs", "log", "ln"):
                out.append(text + " ")
            elif kind == "n" and (depth or (out and out[-1] == "_")):
                if not letters or not (out[-1] == "_" or "_{" in "".join(out[-3:]) or out[-1] in "(,"):
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
        ends = kind == "end" or (kind == "t" and text in CONNECTORS) or (kind == "o" and text in ",;")
        if not letters or depth or not (follows or (ends and at > self.at)):
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
            elif (kind == "o" and text == ":" and not self.bars) or (kind == "t" and text == "to"):
                self.at += 1
                right = self.sum()
                left = (*left, right) if left[0] == "ratio" else ("ratio", left, right)
            else:
                return left
