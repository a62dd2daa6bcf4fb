r"""Is the response written as it was asked: one thought between its tags, then an answer?

    <think> ...something... </think> ...something for the reader...

What counts, and why:

- Exactly one pair, in this order, matched letter for letter wherever it stands. A tag that is quoted or in a
  code block is a tag, because the server that splits the text at the tags will not know better; `<THINK>` and
  look-alikes from other scripts are not.
- Only white space before the opening tag: an answer first and a thought afterwards is not thinking.
- The thought holds something that can be seen; white space and invisible characters are nothing.
- After it stands an answer: a letter, a digit or a symbol such as \infty. Punctuation, an empty `\boxed{}`
  and further tags, alone, are none. Whether the answer is *right* is not asked here.
- `prefilled=True` is for prompts that end with the opening tag: then exactly one closing tag is due and no
  opening one. A model that repeats the opening tag has opened twice, and earns nothing.

Not covered: whether the thought has anything to do with the answer.
"""

from __future__ import annotations

import re
import time
import unicodedata

from ..records import Problem, Score, Status
from .thinking import CLOSE, OPEN, check_tags
from .verifier import Verifier

__all__ = ["ThinkFormat"]

# What can stand after the thought and still say nothing: tags, and LaTeX that only wraps, spaces or hides.
# The bound on a tag's length keeps the search linear in a text of many "<a".
_EMPTY_DRESS = re.compile(
    r"</?[A-Za-z|!][^<>\n]{0,80}>"
    r"|\\(?:begin|end)\s*\{[A-Za-z*]{0,20}\}"
    r"|\\(?:boxed|fbox|text[a-z]{0,6}|math[a-z]{0,6}|displaystyle|left|right|quad|qquad|hspace|vspace|newline|par"
    r"|h?phantom)(?![A-Za-z])"
)

# Letters and symbols, by their category, that draw nothing: Hangul fillers and the blank Braille cell.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")


class ThinkFormat(Verifier):
    """Earns 1.0 for exactly one thought between the tags and an answer after it, else 0.0.

    The tags may be any two texts, of which neither holds the other: `ThinkFormat("[THINK]", "[/THINK]")`.
    """

    # The form is judged without a reference: nobody needs to find one on its account.
    needs_reference = False

    def __init__(
        self, open: str = OPEN, close: str = CLOSE, prefilled: bool = False, name: str = "think_format"
    ) -> None:
        check_tags(open, close)
        self.name = name
        self.open, self.close_tag, self.prefilled = open, close, prefilled

    def score(self, response: str, problem: Problem | str = "") -> Score:
        """Return CORRECT, or INCORRECT and in the detail which rule was broken; `problem` is not read."""
        start = time.perf_counter()
        fault = _fault(response, self.open, self.close_tag, self.prefilled)
        seconds = time.perf_counter() - start
        if fault:
            return Score(0.0, Status.INCORRECT, None, fault, seconds)
        return Score(1.0, Status.CORRECT, None, "one thought, then an answer", seconds)


def _fault(response: str, open: str, close: str, prefilled: bool) -> str:
    """Return which rule the response breaks, in words, or "" if it breaks none."""
    opens = response.count(open)
    closes = response.count(close)
    if prefilled:
        if opens:
            return f"{open} is written again: the prompt has opened the thought already"
    elif opens == 0:
        if closes:
            return f"{close} without {open}: if the prompt ends with {open}, set prefilled=True"
        if open.casefold() in response.casefold():
            return f"no {open}: the tag must be written exactly so, capital and small letters included"
        return f"no {open}: the response does not think between tags"
    elif opens > 1:
        return f"{opens} times {open}: exactly one thought is allowed"
    if closes == 0:
        return f"no {close}: the thought never ends, perhaps because the response was cut off"
    if closes > 1:
        return f"{closes} times {close}: exactly one thought is allowed"

    ends = response.index(close)
    begins = 0
    if not prefilled:
        begins = response.index(open)
        if ends < begins:
            return f"{close} stands before {open}"
        if _shows_something(response[:begins]):
            return f"there is text before {open}: the thought comes first"
        begins += len(open)
    if not _shows_something(response[begins:ends]):
        return f"nothing is thought between {open} and {close}"
    if not _says_something(response[ends + len(close) :]):
        return f"no answer after {close}"
    return ""


def _shows_something(text: str) -> bool:
    """Whether a reader sees any character at all."""
    return any(
        not character.isspace()
        and character not in _BLANK
        # marks alone, format and control characters, surrogates and unassigned code points draw nothing
        and unicodedata.category(character)[0] not in "MCZ"
        for character in text
    )


def _says_something(text: str) -> bool:
    """Whether a letter, a digit or a symbol is left when tags and empty LaTeX are taken off."""
    first = text.lstrip()[:1]
    if first.isalnum() and first not in _BLANK:  # nearly every response: no need to look further
        return True
    return any(
        (character.isalnum() and character not in _BLANK)
        or (not character.isascii() and unicodedata.category(character) in ("Sm", "So"))
        for character in _EMPTY_DRESS.sub("", text)
    )
