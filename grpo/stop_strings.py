"""Has a completion just written one of the stop strings? Asked after each token, answered mostly without decoding.

A stop string is complete with its last character, so a token that does not write that character ends nothing; what a
token writes is looked up once. Only where it does is the end of the completion decoded, as far back as a stop string
can reach. Special tokens count as the text that the tokenizer shows for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["StopStrings"]

SLACK = 16  # tokens decoded before those that a stop string can reach: they may write nothing, or half a character


class StopStrings:
    """Looks for stop strings in what a tokenizer's tokens say. Raises ValueError for an empty one."""

    def __init__(self, tokenizer: Any, strings: Sequence[str]) -> None:
        if "" in strings:
            raise ValueError("an empty stop string ends every completion at once; leave it out")
        self.tokenizer = tokenizer
        self.strings = tuple(strings)
        self.last = {each[-1] for each in strings}
        self.reach = SLACK + max((len(each.encode()) for each in strings), default=0)
        self._may_end: dict[int, bool] = {}

    def ended(self, tokens: Sequence[int]) -> bool:
        """Whether the last of these tokens completes a stop string, which began at any token."""
        if not self.strings or not tokens or not self._writes_last(tokens[-1]):
            return False
        text, before = self._text(tokens[-self.reach :]), self._text(tokens[-self.reach : -1])
        same = 0  # a character that was cut in two is shown otherwise once it is whole
        while same < min(len(text), len(before)) and text[same] == before[same]:
            same += 1
        return any(text.find(each, max(0, same - len(each) + 1)) >= 0 for each in self.strings)

    def _writes_last(self, token: int) -> bool:
        found = self._may_end.get(token)
        if found is None:
            text = self._text([token])
            # a lone token may lose its blank, or be a part of a character: then look at the whole
            found = "\ufffd" in text or not self.last.isdisjoint(text) or any(each.isspace() for each in self.last)
            self._may_end[token] = found
        return found

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False))
