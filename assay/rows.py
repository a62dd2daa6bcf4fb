"""How does a row go out exactly as it came in, with its verdict added?

A line of the input is never rebuilt from what was parsed: the new members are spliced in before its last brace. So
big integers, `1.10`, duplicate keys, escapes and the order of the keys all come back byte for byte.

A row that is scored gets `score`; a row that cannot be scored gets `line` and `error`. A field of its own that has
such a name is kept as `score_before` (`line_before`, `error_before`), so nothing is lost. A line that is no JSON
object at all comes back as `{"line": n, "error": "..."}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .records import Problem, Score

__all__ = ["Row", "added_error", "added_score", "room_for"]

SCORE = ("score",)
ERROR = ("line", "error")
EMPTY = b"{"  # the body of an error row whose own text is no object


@dataclass(slots=True)
class Row:
    """One line of the input, ready to be scored, or with the reason why it cannot be.

    number   the line, from 1
    body     the text of the row up to its closing brace, with room for what is added
    problem  None when `error` says why the row is not scored
    label    what the row itself says about being right, None if it does not say
    """

    number: int
    body: bytes
    response: str = ""
    problem: Problem | None = None
    error: str | None = None
    label: bool | None = None


def room_for(text: bytes, row: dict[str, Any], added: tuple[str, ...]) -> bytes:
    """Return the text of an object without its closing brace, its own members of the added names renamed."""
    text = text.strip()
    if any(name in row for name in added):
        text = _renamed(text, row, added)
    return text[:-1].rstrip()


def _renamed(text: bytes, row: dict[str, Any], added: tuple[str, ...]) -> bytes:
    taken = set(row)
    pieces: list[str] = []
    copied = 0
    source = text.decode("utf-8", "surrogatepass")
    for key, start, end in _keys(source):
        if key in added:
            new = _free(f"{key}_before", taken)
            taken.add(new)
            pieces += [source[copied:start], json.dumps(new)]
            copied = end
    return "".join([*pieces, source[copied:]]).encode("utf-8", "surrogatepass")


def _free(name: str, taken: set[str]) -> str:
    number = 1
    while (candidate := name if number == 1 else f"{name}_{number}") in taken:
        number += 1
    return candidate


def _integer(digits: str) -> int | str:
    """Leave the longest integers unread: reading them is quadratic, and Python refuses past 4,300 digits."""
    return int(digits) if len(digits) < 4000 else digits


_values = json.JSONDecoder(parse_int=_integer)


def _keys(source: str) -> Iterator[tuple[str, int, int]]:
    """Yield (key, where it starts, where it ends) for each member of the object, duplicates too."""

    def after_space(at: int) -> int:
        while source[at] in " \t\r\n":
            at += 1
        return at

    at = after_space(source.index("{") + 1)
    while source[at] != "}":
        key, end = _values.raw_decode(source, at)
        yield key, at, end
        colon = after_space(end)
        _, value_end = _values.raw_decode(source, after_space(colon + 1))
        comma = after_space(value_end)
        at = after_space(comma + 1) if source[comma] == "," else comma


def added_score(body: bytes, score: Score) -> bytes:
    """Return the whole line of a scored row, with its line end."""
    return b'%b%b"score": %b}\n' % (body, _comma(body), _score(score).encode())


def _score(score: Score) -> str:
    """Return `json.dumps(score.as_dict())`, in a third of the time for a score without parts."""
    if score.parts:
        return json.dumps(score.as_dict())
    reward = "null" if score.reward is None else repr(float(score.reward))
    answer = "null" if score.answer is None else json.dumps(score.answer)
    return (
        f'{{"reward": {reward}, "status": "{score.status.value}", "answer": {answer}, '
        f'"detail": {json.dumps(score.detail)}, "seconds": {round(score.seconds, 6)!r}}}'
    )


def added_error(body: bytes, number: int, error: str) -> bytes:
    """Return the whole line of a row that cannot be scored, with its line end."""
    return b'%b%b"line": %d, "error": %b}\n' % (body, _comma(body), number, json.dumps(error).encode())


def _comma(body: bytes) -> bytes:
    return b"" if body == EMPTY else b", "
