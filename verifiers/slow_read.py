r"""What does a text say that holds integrals, limits or derivatives? Text to `Expr`, for the slow lane.

Both lanes read with one reader, so that a notation means the same in both. It does not know calculus; this module
cuts each such construct out, reads its parts by themselves, and leaves a letter that nobody writes in its place:

    2\int_0^1 x\,dx + 1   ->   2(0+ᐁ) + 1,   ᐁ = ("int", "x", 0, 1, ("sym", "x"))

which adds these tags to those of expr.py:

    ("int", variable, low | None, high | None, body)     both bounds None: an antiderivative
    ("lim", variable, to, "+" | "-" | "", body)          the side that it comes from
    ("diff", variable, order, body)

Bounded here: length, nesting, the number of constructs. Nothing is evaluated.
"""

from __future__ import annotations

import re

from .dressing import undress
from .expr import Expr, Unreadable
from .reader import read

__all__ = ["MAX_DIGITS", "IncompleteConstruct", "check_text", "group", "read_calculus"]

MAX_CONSTRUCTS = 12
MAX_NESTING = 40
MAX_DIGITS = 1_000
FIRST_MARK = 0x1401  # ᐁ and on: Canadian syllabics, letters to the reader

_ROMAN_D = re.compile(r"\\(?:mathrm|text|rm|operatorname|mathop|textrm)\s*\{\s*d\s*\}|\{\s*\\rm\s+d\s*\}")
_MARKS = re.compile(f"[{chr(FIRST_MARK)}-{chr(FIRST_MARK + MAX_CONSTRUCTS)}]")
_MULTIPLE = re.compile(r"\\(ii?)int(?![A-Za-z])\s*")
_CONSTRUCT = re.compile(r"\\(?:int|lim|frac)(?![A-Za-z])")
_DIGITS = re.compile(r"\d+")
_ESCAPED_BRACE = re.compile(r"\\[{}]")
_LETTER = r"(?:[A-Za-z]|\\[a-zA-Z]+)"
_DIFFERENTIAL = re.compile(rf"\s*d\s*({_LETTER})(?![A-Za-ce-z])\s*")
_ENDING_DIFFERENTIAL = re.compile(rf"\A(.*?)d\s*({_LETTER})\s*\Z", re.DOTALL)
_DERIVATIVE_TOP = re.compile(r"(?:d|\\partial)\s*(?:\^\s*\{?\s*(\d)\s*\}?)?\s*((?![+*/=^-]).*)\Z", re.DOTALL)
_DERIVATIVE_BOTTOM = re.compile(rf"(?:d|\\partial)\s*({_LETTER})\s*(?:\^\s*\{{?\s*(\d)\s*\}}?)?\s*\Z")
_APPROACH = re.compile(rf"\s*({_LETTER})\s*\\(?:to|rightarrow|longrightarrow)(?![A-Za-z])(.*)\Z", re.DOTALL)
_SIDE = re.compile(r"(.*?)(?:\^\s*\{?\s*([+-])\s*\}?|([+-]))\s*\Z", re.DOTALL)
_COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)", re.DOTALL)
_DIFFERENTIAL_OR_FRACTION = re.compile(rf"\s*d\s*{_LETTER}|\\frac(?![A-Za-z])")
_TERM_END = re.compile(r"[+,;=<>-]|\\(?:(?:le|ge|ne|approx|cup|cap|in|pm|mp|text|land|lor|equiv)(?![A-Za-z])|\\|\})")
_NOTHING = re.compile(r"(?!)")


class IncompleteConstruct(Unreadable):
    """An integral, limit or derivative lacks a part."""


def check_text(text: str) -> None:
    """Raise Unreadable for a text that nobody should try to read."""
    if _MARKS.search(text):
        raise Unreadable(f"the letters {chr(FIRST_MARK)}... are not read")
    if any(len(digits) > MAX_DIGITS for digits in _DIGITS.findall(text)):
        raise Unreadable(f"a number has more than {MAX_DIGITS} digits")
    braces = depth = 0
    for sign in _ESCAPED_BRACE.sub("", text):
        depth += (sign in "{([") - (sign in "})]")
        braces += (sign == "{") - (sign == "}")
        if depth > MAX_NESTING:
            raise Unreadable(f"it is nested more than {MAX_NESTING} deep")
    if braces:
        raise Unreadable("its braces do not match")


def read_calculus(text: str) -> Expr:
    """Return what a text says; raises Unreadable."""
    text = undress(_ROMAN_D.sub(" d ", text))
    text = _MULTIPLE.sub(lambda found: r"\int " * (len(found.group(1)) + 1), text)
    return _Cutter().read(text)


class _Cutter:
    def __init__(self) -> None:
        self.found: dict[str, Expr] = {}  # by the letter that stands for it

    def read(self, text: str) -> Expr:
        """Cut the constructs out of a text, the last first: it holds no other. Then read what is left."""
        while constructs := [found for found in _CONSTRUCT.finditer(text) if self.is_ours(text, found)]:
            if len(self.found) == MAX_CONSTRUCTS:
                raise Unreadable(f"more than {MAX_CONSTRUCTS} integrals, limits and derivatives")
            start = constructs[-1]
            cut = {"\\int": self.integral, "\\lim": self.limit, "\\frac": self.derivative}[start.group()]
            node, end = cut(text, start.end())
            mark = chr(FIRST_MARK + len(self.found))
            self.found[mark] = node
            text = f"{text[: start.start()]}(0+{mark}){text[end:]}"  # a bare letter would be read as a name
        return self.part(text)

    @staticmethod
    def is_ours(text: str, found: re.Match[str]) -> bool:
        r"""Tell whether a construct is calculus: of the fractions, only \frac{d ...}{dx}."""
        if found.group() != "\\frac":
            return True
        upper, at = group(text, found.end())
        lower, at = group(text, at)
        return _DERIVATIVE_TOP.match(upper.strip()) is not None and _DERIVATIVE_BOTTOM.match(lower.strip()) is not None

    def part(self, text: str) -> Expr:
        return self.put_in(read(text.strip(), soft_units=False))

    def put_in(self, expr: Expr) -> Expr:
        tag = expr[0] if expr else None
        if tag == "+" and len(expr) == 3 and expr[1] == ("num", 0) and expr[2][0] == "sym" and expr[2][1] in self.found:
            return self.found[expr[2][1]]
        if tag in ("named", "range", "call", "text", "sym") and _MARKS.search(str(expr[1])):
            raise Unreadable("a statement of that kind is not read")
        return tuple(self.put_in(part) if isinstance(part, tuple) else part for part in expr)

    def integral(self, text: str, at: int) -> tuple[Expr, int]:
        low, high, at = self.scripts(text, at)
        if (low is None) != (high is None):
            raise IncompleteConstruct("an integral with one bound is not read")
        here = at
        while (here := _next(text, here, _DIFFERENTIAL_OR_FRACTION)) < len(text):
            if (differential := _DIFFERENTIAL.match(text, here)) is not None:
                body = self.part(text[at:here].strip() or "1")
                return ("int", _name(differential.group(1)), low, high, body), differential.end()
            if text[here] != "\\":
                here += 1
                continue
            top, after = group(text, here + len("\\frac"))
            bottom, after = group(text, after)
            if (ending := _ENDING_DIFFERENTIAL.match(top)) is not None:  # \int \frac{dx}{x}
                body = self.part(f"{text[at:here]}\\frac{{{ending.group(1).strip() or '1'}}}{{{bottom}}}")
                return ("int", _name(ending.group(2)), low, high, body), after
            here = after
        raise IncompleteConstruct("an integral without its differential")

    def limit(self, text: str, at: int) -> tuple[Expr, int]:
        under = re.compile(r"\s*_").match(text, at)
        if under is None:
            raise IncompleteConstruct("a limit of nothing in particular is not read")
        inside, at = group(text, under.end())
        approach = _APPROACH.match(inside)
        if approach is None:
            raise IncompleteConstruct("a limit is read as \\lim_{x \\to a}")
        target, side = approach.group(2), ""
        if (sided := _SIDE.match(target)) is not None:
            target, side = sided.group(1), sided.group(2) or sided.group(3)
        body, end = self.term(text, at)
        return ("lim", _name(approach.group(1)), self.part(target), side, body), end

    def derivative(self, text: str, at: int) -> tuple[Expr, int]:
        upper, at = group(text, at)
        lower, at = group(text, at)
        top, bottom = _DERIVATIVE_TOP.match(upper.strip()), _DERIVATIVE_BOTTOM.match(lower.strip())
        if top is None or bottom is None or (top.group(1) or "1") != (bottom.group(2) or "1"):
            raise IncompleteConstruct("a derivative of that kind is not read")
        variable, order = _name(bottom.group(1)), int(top.group(1) or 1)
        if what := top.group(2).strip():
            body = self.part(what)
            if body[0] == "sym":  # dy/dx is a name for something, not the derivative of a constant
                return ("sym", f"d{top.group(1) or ''}{body[1]}/d{variable}{bottom.group(2) or ''}"), at
            return ("diff", variable, order, body), at
        body, at = self.term(text, at)
        return ("diff", variable, order, body), at

    def scripts(self, text: str, at: int) -> tuple[Expr | None, Expr | None, int]:
        bounds: dict[str, Expr] = {}
        while (script := re.compile(r"\s*([_^])").match(text, at)) is not None and script.group(1) not in bounds:
            inside, at = group(text, script.end())
            bounds[script.group(1)] = self.part(inside)
        return bounds.get("_"), bounds.get("^"), at

    def term(self, text: str, at: int) -> tuple[Expr, int]:
        """Read what an operator in front of it takes: all that is multiplied, up to a sum, a relation or a comma."""
        start = re.compile(r"\s*-?").match(text, at)
        end = _next(text, start.end() if start else at, _TERM_END)
        return self.part(text[at:end]), end


def _next(text: str, at: int, wanted: re.Pattern[str]) -> int:
    """Return where `wanted` next matches outside brackets, or where a bracket closes that was open, or the end."""
    depth = 0
    while at < len(text):
        if depth == 0 and wanted.match(text, at):
            return at
        if text[at] == "\\":
            command = _COMMAND.match(text, at)
            at = command.end() if command else at + 1
            continue
        if text[at] in "{([":
            depth += 1
        elif text[at] in "})]":
            depth -= 1
            if depth < 0:
                return at
        elif text[at] in "^_" and text[at + 1 : at + 2] in "+-":  # a sign in an exponent ends no term
            at += 1
        at += 1
    return len(text)


def group(text: str, at: int) -> tuple[str, int]:
    """Return the argument that starts at `at`, as TeX takes it (a group, a command or one character), and its end."""
    while at < len(text) and text[at] == " ":
        at += 1
    if at >= len(text) or text[at] in "})]":
        raise IncompleteConstruct("an argument is missing")
    if text[at] == "\\":
        command = _COMMAND.match(text, at)
        end = command.end() if command else len(text)
        return text[at:end], end
    if text[at] != "{":
        return text[at], at + 1
    end = _next(text, at + 1, _NOTHING)
    if end >= len(text) or text[end] != "}":
        raise IncompleteConstruct("a brace is not closed")
    return text[at + 1 : end], end + 1


def _name(letter: str) -> str:
    return letter.removeprefix("\\")
