"""How does one side ask the other to do something with an object, and answer what it is asked meanwhile?

Both sides are alike: `ask` sends a request and waits for its reply, serving the requests that come in between
(a solution that calls a function which the test passed in). What the examiner lets a solution do with the objects
of a test is little: call functions, take items from iterators, use public attributes of instances. Never an
attribute of a function, class or module: `__globals__` would lead to the tests.

    request  ["?", operation, number, name, arguments, keywords, nodes, dropped, extras]
    reply    ["=", value, nodes, dropped, extras]   ["!", exception, ...]   ["~", why it cannot cross]
"""

from __future__ import annotations

import copy
from _thread import get_ident  # threading itself is for those programs that have threads
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import kinds
from .frames import Channel, Closed, Late, Malformed
from .outcome import CallLog
from .proxies import Proxy, Unverifiable, described, stand_in
from .values import Objects

__all__ = ["Gone", "Peer"]

# What a solution may do with an object of the tests beside using its public attributes.
HARMLESS = frozenset(
    "__len__ __iter__ __next__ __getitem__ __setitem__ __bool__ __str__ __repr__ __call__ __enter__ __exit__".split()
)


class Gone(BaseException):
    """The other side cannot answer any more; no test must swallow that."""


class Peer:
    """One side. `trusting` is for the candidate, which has nothing to hide from its examiner.

    extras  () -> what to send beside each message; `apply` gets what came. For state that a program in one
            process would share: the random generator, the recursion limit, captured output.
    """

    def __init__(
        self,
        channel: Channel,
        trusting: bool,
        extras: Callable[[], Any] = lambda: None,
        apply: Callable[[Any], None] = lambda extras: None,
    ) -> None:
        self.channel = channel
        self.trusting = trusting
        self.extras = extras
        self.apply = apply
        self.objects = Objects(1 if trusting else 0, described, lambda *found: stand_in(self, *found))
        self.log = CallLog()
        self.thread = get_ident()
        self.unverifiable = ""  # why, once something could not cross
        self.gone: str = ""  # why, once the other side is lost: "closed", "late" or what was malformed
        self.asked = 0
        self.depth = 0  # of calls within calls
        self.failed = False  # an assert of the tests failed in a function that they passed in

    # ---- asking

    def ask(
        self,
        operation: str,
        number: int,
        name: str | None = None,
        args: Sequence[Any] = (),
        keywords: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return what the operation gives on the other side, or raise what it raises there."""
        if get_ident() != self.thread:
            raise self.note("a call from a second thread")
        if self.gone:
            raise Gone(self.gone)
        self.asked += 1
        keywords = keywords or {}
        if operation == "call":
            self.log.asked(type(self.objects.by_number[number]).__name__, args, keywords)
        try:
            value = self._asked(operation, number, name, args, keywords)
        except (StopIteration, StopAsyncIteration):
            # In a function that map() or a comprehension calls, it would look like the end of the cases.
            raise self.note(f"StopIteration raised by {operation}") from None
        except BaseException as error:
            if operation == "call":
                self.log.raised = error
            raise
        if operation == "call":
            self.log.gave(value)
        return value

    def _asked(
        self, operation: str, number: int, name: str | None, args: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:
        dropped = [] if self.trusting else self.objects.dropped()
        items, nodes = self._pack([*args, *keywords.values()], self.depth > 0)
        named = dict(zip(keywords, items[len(args) :], strict=True))
        self._send(["?", operation, number, name, items[: len(args)], named, nodes, dropped, self.extras()])
        del args, keywords, items, nodes, named
        while True:
            message = self._receive()
            if message[0] != "?":
                return self._reply(message)
            self._serve(message)

    def _reply(self, message: list[Any]) -> Any:
        try:
            if message[0] == "~":
                raise self.note(str(message[1])[:300])
            tag, item, nodes, dropped, extras = message
            self._drop(dropped)
            (value,) = self.objects.unpack([item], nodes)
            if tag == "!" and not isinstance(value, BaseException):
                raise Malformed("a raised value that is no exception")
            self.apply(extras)
        except (Malformed, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise self._lost(f"malformed: {error}") from None
        if tag == "!":
            raise value
        return value

    # ---- answering

    def serve(self) -> None:
        """Answer requests until the other side is gone."""
        while True:
            message = self._receive()
            if message[0] == "?":
                self._serve(message)

    def _serve(self, message: list[Any]) -> None:
        try:
            _, operation, number, name, args, keywords, nodes, dropped, extras = message
            self._drop(dropped)
            values = self.objects.unpack([*args, *keywords.values()], nodes)
            target = self.objects.by_number[number]
            self.apply(extras)
        except (Malformed, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise self._lost(f"malformed: {error}") from None
        outermost = self.trusting and not self.depth
        self.depth += 1
        try:
            try:
                tag, value = (
                    "=",
                    self._perform(
                        operation, target, name, values, dict(zip(keywords, values[len(args) :], strict=True))
                    ),
                )
            except (Unverifiable, Gone):
                raise
            except BaseException as error:  # whatever a program raises is its answer
                self.failed = self.failed or _is_failure(error)
                error.__traceback__ = None
                tag, value = "!", error
            del values, target, message
            (item,), written = self._pack([value], brief=not outermost)
            self._send([tag, item, written, [], self.extras()])
        except Unverifiable as error:
            self._send(["~", str(error)])
        finally:
            self.depth -= 1

    def _perform(self, operation: str, target: Any, name: Any, values: list[Any], keywords: dict[str, Any]) -> Any:
        args = values[: len(values) - len(keywords)]
        if not self.trusting:
            self._allow(operation, target, name)
        if operation == "call":
            return target(*args, **keywords)
        if operation == "next":
            items, end = _portion(target, args[0])
            self.failed = self.failed or _is_failure(end)
            return items, end
        if operation == "get":
            return getattr(target, name)
        if operation == "set":
            return setattr(target, name, args[0])
        if operation == "del":
            return delattr(target, name)
        if operation == "plain":
            return kinds.cut(target)
        if operation == "isinstance":
            return target in type(args[0]).__mro__
        if operation == "issubclass":
            return target in args[0].__mro__
        if operation == "await":
            import asyncio  # large, and rarely needed

            return asyncio.run(_awaited(target))
        if name in ("__copy__", "__deepcopy__"):
            return copy.copy(target) if name == "__copy__" else copy.deepcopy(target)
        return getattr(type(target), name)(target, *args)

    def _allow(self, operation: str, target: Any, name: Any) -> None:
        closed = (
            isinstance(target, Proxy) or type(target).__module__ == "typing"
        )  # whose aliases forward to the classes
        form = "m" if closed else described(target, lambda value: None)[0]
        if operation == "call" and form in ("f", "c", "i"):
            return
        if operation == "next" and form == "i" and hasattr(target, "__next__"):
            return
        if operation == "await":
            raise self.note("a coroutine of the tests that the solution awaits")  # an assert in it would not be heard
        if form == "i" and type(name) is str:
            public = not name.startswith(("_", "gi_", "cr_", "ag_"))  # nor the frame of a generator
            if _is_of_mock(target, name):
                raise self.note(f"{name} of a mock, which records or decides what the tests ask")
            if operation in ("set", "del") and callable(getattr(target, name, None)):
                raise self.note(f"a method of the tests' {type(target).__name__} that the solution replaces")
            if (operation in ("get", "set", "del") and public) or (operation == "do" and _harmless(name)):
                return
        raise AttributeError(f"a {form} of the tests does not allow {operation} {str(name)[:40]}")

    # ---- the wire

    def end(self) -> None:
        """Answer and ask no more: the run is over, and what is left of its objects must not speak in the next."""
        self.gone = self.gone or "over"

    def note(self, why: str) -> Unverifiable:
        """Remember that something could not cross, whatever a test makes of the exception."""
        self.unverifiable = self.unverifiable or why
        return Unverifiable(why)

    def _pack(self, values: list[Any], brief: bool = False) -> tuple[list[Any], list[Any]]:
        try:
            return self.objects.pack(values, brief)
        except Exception as error:  # a value of the program whose own code fails while it is read
            raise self.note(f"a value that cannot cross: {type(error).__name__}: {str(error)[:200]}") from None

    def _send(self, message: list[Any]) -> None:
        try:
            self.channel.send(message)
        except Closed:
            raise self._lost("closed") from None
        except Late:
            raise self._lost("late") from None
        except (TypeError, ValueError, RecursionError, MemoryError) as error:
            raise self.note(f"a value that cannot cross: {type(error).__name__}: {str(error)[:200]}") from None

    def _receive(self) -> list[Any]:
        try:
            message = self.channel.receive()
        except Closed:
            raise self._lost("closed") from None
        except Late:
            raise self._lost("late") from None
        except Malformed as error:
            raise self._lost(f"malformed: {error}") from None
        if type(message) is not list or len(message) < 2:
            raise self._lost("malformed: no message")
        return message

    def _drop(self, numbers: Any) -> None:
        if self.trusting:  # only the examiner decides what is forgotten
            for number in numbers:
                self.objects.drop(number)

    def _lost(self, why: str) -> Gone:
        self.gone = self.gone or why
        return Gone(why)


def _harmless(name: str) -> bool:
    return name in HARMLESS


def _is_failure(error: BaseException | None) -> bool:
    """Tell whether an assert failed: that of a test, if the test had passed in what raised it."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(AssertionError) is not None
    return isinstance(error, AssertionError)


def _is_of_mock(target: Any, name: str) -> bool:
    """Tell whether a name is unittest.mock's own, such as `configure_mock` or `called`, and no attribute that was mocked."""
    made = type(target)
    mocks = any(each.__module__ == "unittest.mock" for each in made.__mro__)
    return mocks and not name.startswith("_") and hasattr(made, name)


def _portion(iterator: Any, size: int) -> tuple[list[Any], BaseException | None]:
    """Return up to `size` items, and what ended the iterator if it ended."""
    items: list[Any] = []
    try:
        while len(items) < size:
            items.append(next(iterator))
    except (Unverifiable, Gone):
        raise
    except BaseException as error:
        error.__traceback__ = None
        return items, error
    return items, None


async def _awaited(target: Any) -> Any:
    return await target
