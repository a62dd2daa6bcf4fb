"""Which part of a response is thinking, and which part does the reader see?

The one place that knows thinking tags. The rules, for a response read from left to right:

- Thinking lies between the opening tag and the next closing tag; several such pairs are all thinking.
- An opening tag inside thinking is text: the thinking still ends at the next closing tag.
- An opening tag without its end makes the rest thinking.
- A closing tag outside thinking makes everything before it thinking. That is what a response looks like when
  the chat template has already written the opening tag into the prompt, and how a pair inside a pair ends.
- With `prefilled=True` the response starts inside thinking, so without a closing tag all of it is thinking.

Tags are matched exactly, letter for letter, wherever they stand: trainers and servers split the text in this
way too, so a tag in quotes or in a code block is a tag. What a *good* format is, `think_format` decides.
"""

from __future__ import annotations

__all__ = ["CLOSE", "OPEN", "check_tags", "split_thinking"]

OPEN = "<think>"
CLOSE = "</think>"


def split_thinking(
    response: str, open: str = OPEN, close: str = CLOSE, prefilled: bool = False
) -> tuple[str | None, str]:
    """Return (thinking, visible), in time linear in the response; thinking is None when there is none.

    Pieces that stood apart are joined with a newline, so that no answer grows together from the text on two
    sides of a thought.
    """
    if close not in response:
        if prefilled:
            return response, ""
        if open not in response:
            return None, response

    thoughts: list[tuple[int, int]] = []
    seen: list[tuple[int, int]] = []
    at = 0
    inside = prefilled
    next_open = response.find(open)
    next_close = response.find(close)
    while True:
        # A tag is searched again only when its last hit was passed, so the text is read twice at most.
        if 0 <= next_close < at:
            next_close = response.find(close, at)
        if inside:
            if next_close < 0:
                thoughts.append((at, len(response)))
                break
            thoughts.append((at, next_close))
            at = next_close + len(close)
            inside = False
            continue
        if 0 <= next_open < at:
            next_open = response.find(open, at)
        if next_close >= 0 and (next_open < 0 or next_close < next_open):
            thoughts = [(0, next_close)]
            seen = []
            at = next_close + len(close)
        elif next_open >= 0:
            seen.append((at, next_open))
            at = next_open + len(open)
            inside = True
        else:
            seen.append((at, len(response)))
            break
    return _joined(response, thoughts), _joined(response, seen)


def check_tags(open: str, close: str) -> None:
    """Raise ValueError unless the two tags can be told apart wherever they stand."""
    for name, tag in (("open", open), ("close", close)):
        if not isinstance(tag, str) or not tag.strip():
            raise ValueError(f"{name}={tag!r}: a thinking tag is a text that is not blank, such as '<think>'")
    if open in close or close in open:
        raise ValueError(
            f"open={open!r} and close={close!r}: one tag holds the other, so they cannot be told apart; "
            "use two different tags, such as '<think>' and '</think>'"
        )


def _joined(response: str, spans: list[tuple[int, int]]) -> str:
    return "\n".join(response[start:end] for start, end in spans if start < end)
