"""Moving along the tokens of an answer: what the parts of the reader share.

The reader is one recursive descent, written in layers: each reads its own level of the grammar and calls the levels
above it (a bracket holds a statement), which are declared here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NoReturn

from .expr import Expr, Unreadable
from .tokens import Token

__all__ = ["Foreign", "TokenStream"]

MAX_NESTING = 55  # brackets in brackets; ten frames of the caller's stack each
_END: Token = ("end", "", False)


class Foreign(Unreadable):
    """The text holds a construct that only the slow lane reads (an integral, a limit, ...)."""


class TokenStream(ABC):
    """Tokens and a place among them; depth is bounded because the caller's stack is finite."""

    def __init__(self, tokens: list[Token], soft_units: bool) -> None:
        self.tokens = tokens
        self.tokens.append(_END)
        self.at = 0
        self.nesting = 0
        self.soft_units = soft_units
        self.bars = 0  # open |...|: a bar closes rather than opens

    def fail(self, wanted: str) -> NoReturn:
        found = self.tokens[self.at][1] or "the end"
        raise Unreadable(f"expected {wanted}, found {found!r}")

    def next_is(self, sign: str) -> bool:
        kind, text, _ = self.tokens[self.at]
        return kind == "o" and text == sign

    def take(self, sign: str) -> bool:
        kind, text, _ = self.tokens[self.at]
        if kind == "o" and text == sign:
            self.at += 1
            return True
        return False

    def need(self, sign: str) -> None:
        if not self.take(sign):
            self.fail(repr(sign))

    def deeper(self) -> None:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise Unreadable(f"nested more than {MAX_NESTING} deep")

    # ---- the levels that inner levels call

    @abstractmethod
    def statement(self) -> Expr: ...

    @abstractmethod
    def relation(self) -> Expr: ...

    @abstractmethod
    def sum(self) -> Expr: ...

    @abstractmethod
    def product(self) -> Expr: ...

    @abstractmethod
    def factors(self, *, implicit_only: bool = False) -> Expr: ...

    @abstractmethod
    def script(self) -> Expr: ...
