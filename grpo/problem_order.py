"""Which problem comes next? A function of the seed and of how many were drawn, so that a resumed run needs one number."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

__all__ = ["drawn"]

T = TypeVar("T")


def drawn(problems: Sequence[T], start: int, count: int, *, seed: int, shuffle: bool) -> list[T]:
    """Return draws start .. start + count: all problems once, in an order of its own, before any comes again."""
    order = [_order(len(problems), seed, at // len(problems), shuffle) for at in range(start, start + count)]
    return [problems[each[at % len(problems)]] for at, each in enumerate(order, start)]


@lru_cache(maxsize=2)
def _order(size: int, seed: int, epoch: int, shuffle: bool) -> list[int]:
    places = list(range(size))
    if shuffle:
        random.Random(f"order/{seed}/{epoch}").shuffle(places)
    return places
