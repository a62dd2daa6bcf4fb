"""How is Python text parsed, from any thread, without a word to anybody else?

Two things of CPython's are shared by all threads. The parser counts, up to Python 3.12, the depth of the tree that it
builds in one place for all of them, and fails with a SystemError (or a RecursionError that is none) when another thread
parses meanwhile. And the filters of `warnings`, which have to be changed while code such as "\\w" is parsed, are global:
two threads that change them beside each other leave them changed. So one thread parses at a time; the parser holds the
interpreter's lock anyway.
"""

from __future__ import annotations

import ast
import os
import re
import threading
import warnings

__all__ = ["FAULTS", "parse"]

FAULTS = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError, SystemError)
ATTEMPTS = 3  # threads of others may parse, too

# What the parser may warn of: escapes that mean nothing, and numbers glued to words (1if).
_MAY_WARN = re.compile(r"\\|[0-9](?:and|else|for|if|in|is|not|or)")
_lock = threading.Lock()


def parse(code: str) -> ast.Module:
    """Return the module; raises one of FAULTS for what is no Python, or too much of it."""
    with _lock:
        for _ in range(ATTEMPTS - 1):
            try:
                return _quietly(code)
            except SystemError:
                continue
        return _quietly(code)


def _quietly(code: str) -> ast.Module:
    if not _MAY_WARN.search(code):
        return ast.parse(code)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(code)


def _after_fork() -> None:
    """Replace the lock, which a thread of the parent may have held."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
