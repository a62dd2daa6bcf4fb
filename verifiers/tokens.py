"""Which words is an undressed answer made of?

A token is (kind, text, spaced): kind "n" a number, "w" a run of letters that is a symbol, function or unit, "t" a word
of prose (from \\text, or letters too long for a product of variables), "c" a command without its backslash, "o" one
operator or bracket, "end" after the last; spaced says whether white space came before it.
"""

from __future__ import annotations

import re

from .expr import Unreadable
from .units import is_unit

__all__ = ["CONNECTORS", "FUNCTIONS", "GREEK", "PROSE_OPERATORS", "Token", "tokenize"]

Token = tuple[str, str, bool]

FUNCTIONS = frozenset(
    "sin cos tan sec csc cot arcsin arccos arctan arccot arcsec arccsc asin acos atan sinh cosh tanh coth sech "
    "csch arcsinh arccosh arctanh asinh acosh atanh ln log lg exp gcd lcm min max floor ceil abs sqrt cbrt sgn "
    "sign det".split()
)
GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi "
    "psi omega Gamma Delta Theta Lambda Xi Sigma Upsilon Phi Psi Omega ell".split()
)
CONNECTORS = frozenset(("and", "or"))
PROSE_OPERATORS = frozenset(("and", "or", "to"))
_CONSTANTS = {
    "pi": "pi",
    "Pi": "pi",
    "infinity": "infty",
    "Infinity": "infty",
    "inf": "infty",
    "infty": "infty",
    "oo": "infty",
}
_LONGEST_PRODUCT = 3  # letters; "abc" is a product, "area" is a word

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<n>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+(?![\d.]*[A-Za-z]))?)|(?P<w>[^\W\d_]+)|(?P<c>\\[A-Za-z]+|\\.)|(?P<o><=|>=|:=|!=|==|\*\*|\.\.\.|->|.)",
    re.DOTALL,
)
_SPLIT_FUNCTION = re.compile("(" + "|".join(sorted(FUNCTIONS, key=len, reverse=True)) + r")([a-zA-Z]|pi|theta|)\Z")
_OPERATOR = {":=": "=", "<=": "le", ">=": "ge", "!=": "ne", "==": "="}


def tokenize(text: str) -> list[Token]:
    """Return the tokens; raises Unreadable on a \\text without its closing brace."""
    tokens: list[Token] = []
    _read_into(tokens, text, prose=False)
    return tokens


def _read_into(tokens: list[Token], text: str, *, prose: bool) -> None:
    spaced = False
    position = 0
    match = _TOKEN.match
    while (found := match(text, position)) is not None:
        position = found.end()
        kind = found.lastgroup
        word = found.group()
        if kind == "space":
            spaced = True
            continue
        if kind == "n":
            tokens.append(("n", word, spaced))
        elif kind == "w":
            _letters(tokens, word, spaced, prose)
        elif kind == "c":
            name = word[1:]
            if name == "text":
                position = _prose(tokens, text, position)
            elif name in ("le", "ge", "ne", "in", "cup", "cap", "approx"):
                tokens.append(("o", name, spaced))
            elif name in ("$", "%", "{", "}", "\\"):
                tokens.append(("o", {"{": "set{", "}": "set}", "\\": "row"}.get(name, name), spaced))
            elif name in ("cdot", "times"):
                tokens.append(("o", "*", spaced))
            elif name == "div":
                tokens.append(("o", "/", spaced))
            elif name == "land":
                tokens.append(("t", "and", spaced))
            elif name == "lor":
                tokens.append(("t", "or", spaced))
            else:
                tokens.append(("c", name, spaced))
        else:
            tokens.append(("o", _OPERATOR.get(word, word), spaced))
        spaced = False


def _letters(tokens: list[Token], word: str, spaced: bool, prose: bool) -> None:
    if word in PROSE_OPERATORS or (prose and word.lower() in PROSE_OPERATORS):
        tokens.append(("t", word.lower(), spaced))
    elif word in _CONSTANTS:
        tokens.append(("c", _CONSTANTS[word], spaced))
    elif prose and word not in FUNCTIONS:
        tokens.append(("t", word, spaced))
    elif word in FUNCTIONS or word in GREEK:
        tokens.append(("c", word, spaced))
    elif len(word) == 1 or is_unit(word) or word.isupper():
        tokens.append(("w", word, spaced))
    elif split := _SPLIT_FUNCTION.match(word):
        tokens.append(("c", split.group(1), spaced))
        if split.group(2):
            _letters(tokens, split.group(2), False, prose)
    elif len(word) <= _LONGEST_PRODUCT or not (word.islower() or word.istitle() or len(word) > 8):
        # The run stays one token: the reader decides between a unit ("5 men") and a product ("5ab").
        tokens.append(("w", word, spaced))
    else:
        tokens.append(("t", word, spaced))


def _prose(tokens: list[Token], text: str, position: int) -> int:
    """Read the argument of \\text from `position`; return where it ends."""
    while position < len(text) and text[position] == " ":
        position += 1
    if position >= len(text):
        return position
    if text[position] != "{":
        _read_into(tokens, text[position], prose=True)
        return position + 1
    depth = 0
    for end in range(position, len(text)):
        if text[end] == "{" and text[end - 1] != "\\":
            depth += 1
        elif text[end] == "}" and text[end - 1] != "\\":
            depth -= 1
            if depth == 0:
                _read_into(tokens, text[position + 1 : end].replace("\\text", "").rstrip(" .,;:"), prose=True)
                return end + 1
    raise Unreadable("\\text{ is not closed")
