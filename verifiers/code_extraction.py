"""Which code is in this response?

`find_code` returns a whole program, or says what it looked for. For a named entry point it takes, in this order,

1. the last fenced block that parses and defines the entry point, whatever its tag says;
2. the last block that continues the prompt's function, where there is such a prompt (HumanEval);
3. the same from the text outside the blocks: code without fences, amid prose too;
4. code that means to define the entry point but does not parse; it is judged, and crashes.

Without an entry point it is the last block that reads input (where the tests write some), else the last that parses.
With blocks="all" every Python block that parses is part of one program. Nothing is run; everything is linear in the
response, and bounded for what is costly.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .code_completion import continued, whole_program
from .code_fences import Block, fenced_blocks
from .code_parsing import Parser, defines

__all__ = ["LONGEST_RESPONSE", "Found", "Wanted", "find_code"]

LONGEST_RESPONSE = 1_000_000  # characters behind the thinking
MOST_ANCHORS = 3  # definitions of the entry point in prose that are tried, from the last
MOST_CUTS = 8  # attempts to find where code ends and prose begins
LONGEST_LOOK = 300  # characters of a line that tell whether it is code
MOST_PIECES = 40  # blocks, and texts between them, that are looked at from the end


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the code should be.

    entry_point  the name that it must define, None if that is not known
    hints        names that the tests use, where there is no entry point: code that defines them is preferred
    prefix       the prompt that it may continue
    reads_input  whether it is a program that reads standard input
    """

    entry_point: str | None = None
    hints: tuple[str, ...] = ()
    prefix: str = ""
    reads_input: bool = False


class Found(NamedTuple):
    """The program, None if there is none, and in words where it was or what was looked for."""

    code: str | None
    how: str


def find_code(text: str, wanted: Wanted, blocks: Literal["last", "all"] = "last") -> Found:
    """Return the program that a response (without its thinking) offers."""
    if len(text) > LONGEST_RESPONSE:
        return Found(None, f"the response is {len(text):,} characters long; at most {LONGEST_RESPONSE:,} are read")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.lstrip("\ufeff")
    if not text.strip():
        return Found(None, "there is no code: the response is empty, or ends inside its thinking")
    return _Search(text, wanted).find(blocks)


class _Search:
    """One response on its way to a program."""

    def __init__(self, text: str, wanted: Wanted) -> None:
        self.text = text
        self.wanted = wanted
        self.parser = Parser()
        self.blocks = fenced_blocks(text)

    def find(self, blocks: Literal["last", "all"]) -> Found:
        if blocks == "all" and len(self.blocks) > 1 and (joined := self._joined()) is not None:
            return Found(joined, "all Python blocks, joined")
        for search in (self._in_blocks, self._outside_blocks, self._broken):
            if (found := search()) is not None:
                return found
        return Found(None, self._looked_for())

    def _looked_for(self) -> str:
        number = len(self.blocks)
        name = self.wanted.entry_point
        what = f"defines {name!r}" if name is not None else "is a program"
        if not number:
            return f"no code found that {what}; the response has no fenced block, and its text is no such code"
        return f"no code found that {what}, in {number} fenced block{'s' if number > 1 else ''} or beside them"

    # ---- blocks

    def _joined(self) -> str | None:
        parts = []
        for block in self.blocks:
            if block.may_be_python and (code := self._parsed(block.text)) is not None:
                parts.append(code.strip("\n"))
        return self._program("\n\n\n".join(parts)) if parts else None

    def _in_blocks(self) -> Found | None:
        last = self.blocks[-1:-MOST_PIECES:-1]
        name = self.wanted.entry_point
        if name is None:
            return self._unnamed(last)
        imported = None
        for block in last:
            if name in block.text and (code := self._program(block.text, cut_off=not block.closed)) is not None:
                found = Found(code, f"the last fenced block that defines {name!r}")
                if f"{name} =" in code or f"{name}=" in code or _definition(name).search(code):
                    return found
                imported = imported or found  # tests of it, most likely: `from solution import f`
        if imported is not None:
            return imported
        if self.wanted.prefix:
            bodies = [block for block in last if block.may_be_python]
            bodies.sort(key=lambda block: _GIVES.search(block.text) is None)  # stable: still from the last
            for block in bodies:
                code = continued(block.text, name, self.wanted.prefix, self.parser)
                if code is not None:
                    return Found(code, "a fenced block that continues the prompt")
        return None

    def _unnamed(self, last: Sequence[Block]) -> Found | None:
        """Return the last block that parses, preferring Python's, those that fit the tests, and more than a value."""
        best: tuple[int, str] | None = None
        for block in last:
            code = self._parsed(block.text, cut_off=not block.closed)
            if code is None:
                continue
            fits = self._fits(code)
            rank = 4 * fits + 2 * block.is_python + (_PROGRAM.search(code) is not None)
            if best is None or rank > best[0]:
                best = rank, code
        if best is None or best[0] == 0:  # a number alone is sample output
            return None
        return Found(best[1], "the last fenced block that is a program")

    def _fits(self, code: str) -> bool:
        if self.wanted.reads_input:
            return _READS.search(code) is not None
        if not self.wanted.hints:
            return False
        module = self.parser.parse(code)
        return module is not None and any(defines(module, (name,)) for name in self.wanted.hints)

    def _parsed(self, code: str, *, cut_off: bool = False) -> str | None:
        """Return the code if it parses as it is, moved to the margin, or without what a cut-off end has torn."""
        code = code.lstrip("\ufeff")
        if not code.strip():
            return None
        if self.parser.parse(code) is not None:
            return code
        faulty = self.parser.error_line
        if code.lstrip("\n")[:1] in (" ", "\t"):
            moved = textwrap.dedent(code)
            if moved != code and self.parser.parse(moved) is not None:
                return moved
        if cut_off and (whole := _before(code.split("\n"), faulty)):
            code = "\n".join(whole)
            return code if self.parser.parse(code) is not None else None
        return None

    def _program(self, code: str, *, cut_off: bool = False) -> str | None:
        """Return the whole program that this code is, or None if it does not define the entry point."""
        name = self.wanted.entry_point
        code = code.lstrip("\ufeff")
        module = self.parser.parse(code)
        if module is None:
            parsed = self._parsed(code, cut_off=cut_off)
            if parsed is None:
                return None
            code = parsed
            module = self.parser.parse(code)
        if name is None or module is None:
            return code
        return whole_program(code, module, name, self.wanted.prefix)

    # ---- text outside the blocks

    def _outside_blocks(self) -> Found | None:
        name = self.wanted.entry_point
        for piece in self._pieces():
            if name is None:
                code = self._parsed(piece)
                if code is None or not _PROGRAM.search(code) or (self.wanted.reads_input and not self._fits(code)):
                    code = self._section(piece, None)
            elif name in piece and (code := self._program(piece)) is not None:
                pass
            elif self.wanted.prefix and (code := continued(piece, name, self.wanted.prefix, self.parser)) is not None:
                return Found(code, "the text continues the prompt")
            else:
                code = self._section(piece, name) if name in piece else None
            if code is not None:
                return Found(code, "code outside fenced blocks")
        return None

    def _pieces(self) -> Iterator[str]:
        """Yield the texts between the blocks, from the last; last of all what stands before the first fence.

        A prompt may have opened the fence already: then that is the code, and the first fence closes it.
        """
        if not self.blocks:
            yield self.text
            return
        ends = [0, *(block.end for block in self.blocks)]
        starts = [*(block.start for block in self.blocks), len(self.text)]
        for start, end in list(zip(ends, starts, strict=True))[: -MOST_PIECES - 1 : -1]:
            if self.text[start:end].strip():
                yield self.text[start:end]
        if len(self.blocks) >= MOST_PIECES:
            yield self.text[: self.blocks[0].start]

    def _section(self, text: str, name: str | None) -> str | None:
        """Return the lines amid prose that are code and define the name."""
        lines = text.split("\n")
        anchors = list(_anchors(lines, name))
        for anchor in anchors[: -MOST_ANCHORS - 1 : -1] if name is not None else anchors[:MOST_ANCHORS]:
            region, at = _region(lines, anchor)
            code = self._grown(region, at, name)
            if code is not None:
                return code
        return None

    def _grown(self, lines: list[str], anchor: int, name: str | None) -> str | None:
        """Return the longest code found around this line, down first, then up."""
        tail = lines[anchor:]
        for _ in range(MOST_CUTS):
            if self.parser.parse("\n".join(tail)) is not None:
                break
            tail = _before(tail, self.parser.error_line)
            if not tail:
                return None
        else:
            return None
        first = anchor
        while first > 0 and _CODE_LINE.match(lines[first - 1][:LONGEST_LOOK]):
            first -= 1
        head = lines[first:anchor]
        for _ in range(MOST_CUTS):
            code = "\n".join([*head, *tail]).strip("\n")
            if self.parser.parse(code) is not None:
                break
            head = head[self.parser.error_line or len(head) :]
        else:
            code = "\n".join(tail)
        return code if name is None else self._program(code)

    # ---- code that does not parse

    def _broken(self) -> Found | None:
        """Return what was meant to be the program: it is the response's fault that it does not compile."""
        name = self.wanted.entry_point
        for block in self.blocks[-1:-MOST_PIECES:-1]:
            meant = block.is_python if name is None else _definition(name).search(block.text) is not None
            if meant and self.parser.parse(block.text) is None:
                return Found(block.text, "a fenced block that does not parse")
        for piece in self._pieces() if name is not None else ():
            if at := [match.start() for match in _definition(name or "").finditer(piece)]:
                code = textwrap.dedent(piece[at[-1] :])
                return Found(code, "code that does not parse") if self.parser.parse(code) is None else None
        return None


# What a body has that only shows how the function is called has not.
_GIVES = re.compile(r"\b(?:return|yield)\b")
_READS = re.compile(r"\binput\s*\(|\bstdin\b|\bopen\s*\(\s*0|\bfileinput\b|\bos\.read\b")
# More than a literal: a call, an assignment, a definition, an import.
_PROGRAM = re.compile(r"^[ \t]*(?:def|class|import|from|async|for|while|if|with)\b|=|\w\(", re.MULTILINE)

_CODE_LINE = re.compile(
    r"\s|$|[)\]}@#]|(?:import|from|def|class|async|if|for|while|try|with|else|elif|except|finally)\b"
    r"|[A-Za-z_][\w.]*(?:\[[^\]\n]*\])?(?:\s*:[^=\n]*)?\s*[-+*/%|&^]?=(?!=)"
)
_FIRST_LINE = re.compile(
    r"(?:import\s+\w|from\s+[\w.]+\s+import\b|def\s+\w+\s*\(|class\s+\w+\s*[(:]|@\w|for\s+.+:\s*(?:#.*)?$|while\s+.+:\s*(?:#.*)?$"
    r"|print\s*\(|[A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*\s*=(?!=))"
)


def _definition(name: str) -> re.Pattern[str]:
    return re.compile(rf"^[ \t]*(?:async[ \t]+def|def|class)[ \t]+{re.escape(name)}\b", re.MULTILINE)


def _anchors(lines: list[str], name: str | None) -> Iterator[int]:
    """Yield the lines at which the entry point is defined, or, without a name, code may begin."""
    if name is None:
        yield from (number for number, line in enumerate(lines) if _FIRST_LINE.match(line[:LONGEST_LOOK]))
        return
    pattern = re.compile(rf"[ \t]*(?:(?:async[ \t]+def|def|class)[ \t]+{re.escape(name)}\b|{re.escape(name)}\s*=(?!=))")
    yield from (number for number, line in enumerate(lines) if name in line and pattern.match(line))


def _region(lines: list[str], anchor: int) -> tuple[list[str], int]:
    """Return the lines that may belong to an anchor, moved to the margin, and where the anchor is among them."""
    width = _indent(lines[anchor])
    number = anchor
    while number > 0 and width > 0:  # a method: its class is the anchor
        number -= 1
        if lines[number].strip() and _indent(lines[number]) < width:
            start = lines[number].lstrip()
            if start.startswith("class "):
                anchor, width = number, _indent(lines[number])
            elif not start.startswith(("def ", "@", "async ")):
                break
    if width == 0:
        return lines, anchor
    first = anchor
    while first > 0 and (not lines[first - 1].strip() or _indent(lines[first - 1]) >= width):
        first -= 1
    last = anchor
    while last + 1 < len(lines) and (not lines[last + 1].strip() or _indent(lines[last + 1]) >= width):
        last += 1
    return [line[width:] for line in lines[first : last + 1]], anchor - first


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _before(lines: list[str], faulty: int) -> list[str]:
    """Return the lines before the last one at the margin that begins at or above the faulty line (from 1)."""
    for number in range(min(faulty, len(lines)) - 1, 0, -1):
        if lines[number].strip() and lines[number][0] not in " \t":
            return lines[:number]
    return []
