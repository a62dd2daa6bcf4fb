"""Which fenced blocks does a response hold?

Fences as models write them: of backticks or tildes, with any tag and attributes behind them, indented or quoted in
lists, inside longer fences (an example in Markdown), never closed because the generation was cut off. One pass over
the fence lines, in time linear in the text.

A closing fence may be indented by three columns more than the opening one; one that is indented further belongs to
the code (to a docstring, mostly). A fence with a Python tag inside an open block begins a block of its own, unless
the open block is Python inside a longer fence: then it is that code's text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["PYTHON_TAGS", "Block", "fenced_blocks"]

PYTHON_TAGS = frozenset({"python", "py", "python3", "py3", "python2", "ipython", "ipython3", "pycon", "sage"})

# Indentation, list markers and quotation marks; the fence; its tag and attributes. No two parts can take the same text.
_FENCE = re.compile(r"^((?:[ \t]*(?:[-*+]|\d{1,3}[.)]|>)(?=[ \t`~>]))*[ \t]*)(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_TAG = re.compile(r"[\s{.]*([A-Za-z0-9+#_-]*)")
_QUOTE = re.compile(r"^[ \t]*>[ \t]?")


class Block(NamedTuple):
    """One block: its tag in lower case, its text without the fences' indentation, and where it stands.

    start, end  of the whole block in the response, fences included
    closed      False if the response ends inside it
    """

    tag: str
    text: str
    start: int
    end: int
    closed: bool

    @property
    def is_python(self) -> bool:
        return self.tag in PYTHON_TAGS

    @property
    def may_be_python(self) -> bool:
        return not self.tag or self.tag in PYTHON_TAGS


class _Opening(NamedTuple):
    prefix: str
    fence: str
    tag: str
    start: int
    inside: int  # where its text begins


def fenced_blocks(text: str) -> list[Block]:
    """Return the blocks of a text, whose line ends are newlines, in order."""
    if "```" not in text and "~~~" not in text:
        return []
    blocks: list[Block] = []
    around: list[_Opening] = []  # longer fences that the open one stands in
    opening: _Opening | None = None
    for match in _FENCE.finditer(text):
        prefix, fence, info = match.groups()
        if fence[0] == "`" and "`" in info:
            continue  # code within a line
        tag = _TAG.match(info)
        found = _Opening(prefix, fence, tag[1].lower() if tag else "", match.start(), min(match.end() + 1, len(text)))
        if opening is None:
            opening = found
            continue
        bare = not info.strip()
        if bare and fence[0] == opening.fence[0] and len(fence) >= len(opening.fence):
            while around and len(fence) >= len(around[-1].fence) and fence[0] == around[-1].fence[0]:
                opening = around.pop()  # it closes the longer one; what stood open in it was never closed
            if _columns(prefix) <= _columns(opening.prefix) + 3:
                blocks.append(_block(text, opening, match.start(), match.end(), closed=True))
                opening = around.pop() if around else None
        elif found.tag in PYTHON_TAGS:
            longer = len(opening.fence) > len(fence)
            if longer and opening.tag in PYTHON_TAGS:
                continue
            if longer:
                around.append(opening)
            if longer or _columns(prefix) <= _columns(opening.prefix) + 3:
                opening = found
    if opening is not None:
        blocks.append(_block(text, opening, len(text), len(text), closed=False))
    return blocks


def _columns(prefix: str) -> int:
    return len(prefix.expandtabs(4))


def _block(text: str, opening: _Opening, inside_end: int, end: int, *, closed: bool) -> Block:
    inside = text[opening.inside : inside_end]
    if not closed and (glued := inside.find("```\n" if "```\n" in inside else "```")) >= 0:
        inside = inside[:glued]  # `return x```: the closing fence on the last line of the code
    if opening.prefix:
        inside = _without_prefix(inside, opening.prefix)
    return Block(opening.tag, inside, opening.start, end, closed)


def _without_prefix(inside: str, prefix: str) -> str:
    """Take the fence's own indentation off each line, or as much of it as the line has."""
    if ">" in prefix:
        return "\n".join(_QUOTE.sub("", line) for line in inside.split("\n"))
    width = len(prefix)
    lines = inside.split("\n")
    return "\n".join(line[min(width, len(line) - len(line.lstrip(" \t"))) :] for line in lines)
