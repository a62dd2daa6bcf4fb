"""How is a JSON Lines file read so that no line of it can stop, or hide from, the rest?

`read_rows` yields one item for every line that is not blank, in order, with its number: the object on the line,
or a `RowError` that says why there is none; `read_lines` gives the line's own bytes beside it. Covered: gzip (by
its first bytes, not by the name; truncated and corrupt too), any line end, a byte order mark, bytes that are not
UTF-8, values that are not objects, NaN, lone surrogates, huge integers, nesting deeper than the parser's stack,
and lines too long to hold. Memory stays that of one line, however long the file is, and a row from a pipe comes
out when its line is complete.

Not covered: which fields a row has (`fields`), and JSON files that hold one array.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

__all__ = ["RowError", "read_rows"]

MAX_LINE = 64 << 20  # bytes; beyond this a line is no row but a file without line ends
CHUNK = 1 << 16
GZIP_MAGIC = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class RowError(ValueError):
    """A row that cannot be used: where it stands, and why."""

    def __init__(self, source: str, line: int, problem: str) -> None:
        super().__init__(f"{source}, line {line}: {problem}" if source else f"line {line}: {problem}")
        self.source = source
        self.line = line
        self.problem = problem


def read_rows(source: str | Path | IO[bytes] | IO[str]) -> Iterator[tuple[int, dict[str, Any] | RowError]]:
    """Yield (line number from 1, row or RowError) for every line that is not blank.

    `source` is a path or an open stream; `sys.stdin` and `sys.stdin.buffer` both do, and are left open.
    Raises OSError if the file cannot be opened or read: that is not a matter of one line.
    """
    for number, _, row in read_lines(source):
        yield number, row


def read_lines(
    source: str | Path | IO[bytes] | IO[str],
) -> Iterator[tuple[int, bytes, dict[str, Any] | RowError]]:
    """Yield what `read_rows` does, with the line's bytes in the middle (empty where they could not be held)."""
    if isinstance(source, str | Path):
        with open(source, "rb") as stream:
            yield from _read(_chunks(stream), str(source))
    else:
        yield from _read(_chunks(source), _name_of(source))


def _name_of(stream: Any) -> str:
    name = getattr(stream, "name", "")
    return name if isinstance(name, str) else ""


def _chunks(stream: Any) -> Iterator[bytes]:
    """Yield what the stream has, as it comes; a text stream is read beneath its decoder where it has one."""
    stream = getattr(stream, "buffer", stream)
    # read1 returns what a pipe has now; read would wait for the whole chunk and hold back finished lines
    read = getattr(stream, "read1", stream.read)
    while chunk := read(CHUNK):
        yield chunk.encode("utf-8", "surrogatepass") if isinstance(chunk, str) else chunk


def _read(chunks: Iterator[bytes], source: str) -> Iterator[tuple[int, bytes, dict[str, Any] | RowError]]:
    number = 0
    try:
        for number, line in enumerate(_lines(_inflated(chunks)), 1):
            if line is None:
                problem = f"longer than {MAX_LINE >> 20} MiB; expected one JSON object a line"
                yield number, b"", RowError(source, number, problem)
                continue
            if number == 1:
                line = line.removeprefix(BYTE_ORDER_MARK)  # noqa: PLW2901
            if not line.strip():
                continue
            row = _parse(line)
            yield number, line, RowError(source, number, row) if isinstance(row, str) else row
    except _BrokenGzip as broken:
        problem = f"{broken}; {number} lines before it were read"
        yield number + 1, b"", RowError(source, number + 1, problem)


def _parse(line: bytes) -> dict[str, Any] | str:
    """Return the object on a line, or what is wrong with it."""
    try:
        row = _json(line.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} of the line is not UTF-8; convert the file to UTF-8"
    except RecursionError:
        return "nested too deeply to parse; expected one JSON object a line"
    except json.JSONDecodeError as error:
        hint = "; the file looks like one JSON array, expected one object a line" if line[:1] == b"[" else ""
        return f"not valid JSON: {error.msg} at character {error.colno}{hint}"
    if isinstance(row, dict):
        return row
    return f"expected a JSON object, found {_KIND.get(type(row), type(row).__name__)}"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of more digits than Python converts; rare, so the slower way only then
        return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | str:
    """Return the integer, or its digits where Python refuses to convert so many: no row is lost for one."""
    try:
        return int(digits)
    except ValueError:
        return digits


_KIND: dict[type, str] = {
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes | None]:
    """Split at line feeds; a line beyond MAX_LINE comes out as None and is never held."""
    parts: list[bytes] = []  # the unfinished line
    held = 0
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        if held <= MAX_LINE:
            parts.append(first)
            held += len(first)
        if held > MAX_LINE:
            parts.clear()
        if others:
            yield b"".join(parts) if held <= MAX_LINE else None
            yield from others[:-1]
            parts, held = [others[-1]], len(others[-1])
    if held:
        yield b"".join(parts) if held <= MAX_LINE else None


class _BrokenGzip(Exception):
    """The compressed stream cannot be read further."""


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress, piece by piece, if the first two bytes are gzip's; several members are one file."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(GZIP_MAGIC):
            break
    if not head.startswith(GZIP_MAGIC):
        if head:
            yield head
        yield from chunks
        return
    member = zlib.decompressobj(wbits=31)  # 31: gzip header and checksum
    try:
        for data in chain([head], chunks):
            while data:
                if member.eof:
                    data = data.lstrip(b"\0")  # noqa: PLW2901 (tapes and some tools pad with zeros)
                    if not data:
                        break
                    member = zlib.decompressobj(wbits=31)
                if piece := member.decompress(data, 1 << 20):
                    yield piece
                data = member.unused_data if member.eof else member.unconsumed_tail  # noqa: PLW2901
    except zlib.error as error:
        raise _BrokenGzip(f"the gzip data is corrupt ({error}); make or fetch the file again") from None
    if not member.eof:
        raise _BrokenGzip("the gzip data ends in the middle; make or fetch the file again")
