"""How are many calls that mostly wait made at one time?

In threads that are left behind when one call fails or the user interrupts: they do not keep the interpreter from ending, as
those of concurrent.futures would until the last answer has come.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

__all__ = ["at_one_time"]

MOST = 256  # calls under way

Item = TypeVar("Item")
Result = TypeVar("Result")


def at_one_time(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return work(item) of each item, in order. Raises the first error at once; what is under way then is left to itself."""
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Result | None, BaseException | None]] = queue.SimpleQueue()
    failed = threading.Event()
    for at in range(len(items)):
        todo.put(at)

    def serve() -> None:
        while not failed.is_set():
            try:
                at = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((at, work(items[at]), None))
            except BaseException as error:
                failed.set()
                done.put((at, None, error))

    for _ in range(min(len(items), MOST)):
        threading.Thread(target=serve, daemon=True).start()
    results: dict[int, Any] = {}
    try:
        while len(results) < len(items):
            at, result, error = done.get()
            if error is not None:
                raise error
            results[at] = result
    finally:
        failed.set()
    return [results[at] for at in range(len(items))]
