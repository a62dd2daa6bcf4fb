"""Python text is parsed from many threads at a time, and nobody else hears of it."""

from __future__ import annotations

import ast
import gc
import os
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assay import parsing
from assay.parsing import FAULTS, parse

NESTED = "x = " + "[" * 60 + "(1, 2, 3)" + "]" * 60 + "\n"
CODE = NESTED * 10


@pytest.fixture
def switching() -> Iterator[None]:
    """Let another thread run at each garbage collection, also in the middle of a tree."""
    before = gc.get_threshold()

    def switch(phase: str, info: dict[str, Any]) -> None:
        time.sleep(0.001)

    gc.set_threshold(700)
    gc.callbacks.append(switch)
    yield
    gc.callbacks.remove(switch)
    gc.set_threshold(*before)


@pytest.mark.usefixtures("switching")
def test_threads_do_not_disturb_each_others_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lock, one tree in ten fails here on Python 3.11."""
    monkeypatch.setattr(parsing, "ATTEMPTS", 1)

    def work(_: int) -> int:
        return len(parse(CODE).body)

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(work, range(300))) == [10] * 300


def test_a_tree_that_others_disturbed_is_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [SystemError("AST constructor recursion depth mismatch (before=180, after=39)")] * 2
    original = ast.parse

    def disturbed(code: str) -> ast.Module:
        if failures:
            raise failures.pop()
        return original(code)

    monkeypatch.setattr(ast, "parse", disturbed)
    assert len(parse("x = 1").body) == 1
    failures += [SystemError("again and again")] * 3
    with pytest.raises(FAULTS):
        parse("x = 1")


def test_nobody_is_warned() -> None:
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        parse('x = 1if y else "\\w"')
    assert caught == []
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: parse('x = "\\w"'), range(400)))
    assert list(warnings.filters) == before


@pytest.mark.parametrize(
    "code", ["(", "x\0", "'\ud800'", "x = " + "-" * 100_000 + "1", "x = 1" + "+1" * 100_000, "x = " + "9" * 9999]
)
def test_what_does_not_parse_is_told_by_one_of_few_exceptions(code: str) -> None:
    with pytest.raises(FAULTS):
        parse(code)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_does_not_inherit_a_held_lock() -> None:
    with parsing._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if parse("x = 1").body else 1)
        for _ in range(1000):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            threading.Event().wait(0.01)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
            pytest.fail("the child waits for a lock that nobody holds")
    assert os.waitstatus_to_exitcode(status) == 0
