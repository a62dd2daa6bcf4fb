"""How is math-verify, the peer in every table, asked for a verdict?

With its default settings, as its README shows: parse the gold, parse the response, verify(gold, answer). The gold is
wrapped in a box, which its parser reads best. Its timeouts are signals: main thread only. Where it is not installed
`PEER` is None and the tables say so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

__all__ = ["PEER", "PEER_NAME"]


def _load() -> tuple[Callable[[str, str], bool] | None, str]:
    try:
        from math_verify import parse, verify

        name = f"math-verify {version('math-verify')}"
    except (ImportError, PackageNotFoundError):
        return None, "math-verify is not installed: pip install 'assay-rewards[bench]'"
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)

    def same(response: str, reference: str) -> bool:
        try:
            return bool(verify(parse(f"\\boxed{{{reference}}}"), parse(response)))
        except Exception:
            return False

    return same, name


PEER, PEER_NAME = _load()
