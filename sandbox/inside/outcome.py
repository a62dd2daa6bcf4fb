"""What became of a test case, in words that people can act on?"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from .proxies import Proxy

__all__ = ["BadTests", "CallLog", "Outcome", "described", "ended"]

CUT = 300  # characters of a text in a case


class BadTests(Exception):
    """The tests cannot be run, whatever the solution is."""


class Outcome:
    """What became of one case; `status` is one of the names of records.Status, in lower case."""

    def __init__(self, status: str, source: str = "", input: str = "", expected: str = "", got: str = "") -> None:
        self.words = [status, cut(source), cut(input), cut(expected), cut(got)]
        self.status = status


class CallLog:
    """The last call of the solution and what came of it, for people; a peer fills it."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget the last call."""
        self.asked("", (), {})
        self.error: BaseException | None = None

    def asked(self, name: str, args: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Remember a call."""
        self.name, self.args, self.keywords = name, args, keywords
        self.value: Any = None
        self.answered = False
        self.raised: BaseException | None = None

    def gave(self, value: Any) -> None:
        """Remember what the last call returned."""
        self.value, self.answered = value, True

    def call(self) -> str:
        """Return the last call as text."""
        if not self.name:
            return ""
        words = [*map(shown, self.args), *(f"{name}={shown(value)}" for name, value in self.keywords.items())]
        return f"{self.name}({', '.join(words)})"

    def result(self) -> str:
        """Return the last result as text."""
        return shown(self.value) if self.answered else ""


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 100
        self.maxlist = self.maxtuple = self.maxset = self.maxdict = 20

    def repr_instance(self, x: Any, level: int) -> str:
        return f"<{type(x).__name__} of the solution>" if isinstance(x, Proxy) else super().repr_instance(x, level)

    def repr1(self, x: Any, level: int) -> str:
        if isinstance(x, Proxy):
            return f"<{type(x).__name__} of the solution>"
        return super().repr1(x, level)


_short = _Short()


def shown(value: Any) -> str:
    """Return a short text of a value, without asking the solution for anything."""
    try:
        return _short.repr(value)
    except BaseException:  # sorting a set of proxies refuses
        return f"<{type(value).__name__}>"


def described(error: BaseException) -> str:
    """Return `Type: text` of an exception."""
    try:
        text = str(error)
    except BaseException:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def cut(text: str) -> str:
    """Return a text of at most CUT characters."""
    return text if len(text) <= CUT else f"{text[: CUT - 4]} ..."


def ended(end: Mapping[str, Any]) -> str:
    """Return in words how a process ended."""
    if "signal" in end:
        return f"was killed by signal {end['signal']}"
    return f"ended by itself with exit code {end.get('code', 0)}"
