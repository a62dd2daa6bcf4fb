"""How does a Python value cross between examiner and candidate as plain data, exactly typed, identity and all?

Scalars (None, bool, int, float, str) stand for themselves, and `{"t": [...]}` is a tuple of them. Everything else is
a node `[number, kind, ...]` in a flat list, and `[number]` refers to it: shared parts stay shared, cycles and any depth
of nesting need no recursion.

Mutable containers keep their number for the whole run, on both sides. Before each message a side looks which of
them changed since they were last in step and sends these anew: so arguments that are changed in place come back,
and a returned list that the test changes is changed in the solution, as in one process.

What is no value becomes a *handle*: a node that only names the object (see proxies.py).

The reader trusts nothing: numbers, kinds and types are checked, and whatever does not fit raises `Malformed`.
"""

from __future__ import annotations

import binascii
import operator
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from . import kinds
from .frames import Malformed

__all__ = ["Objects"]

SCALARS = frozenset({type(None), bool, int, float, str})
NESTED = frozenset({list, dict})
MANY_BITS = 4096  # ints above cross as hexadecimal text: decimal takes quadratic time
SEQUENCES: dict[Any, str] = {list: "l", set: "s", deque: "q", bytearray: "ba"}
MAPPINGS: dict[Any, str] = {dict: "d", OrderedDict: "od", defaultdict: "dd", Counter: "c"}
MUTABLE = frozenset({*SEQUENCES, *MAPPINGS})
EMPTY: dict[str, Callable[[], Any]] = {
    "l": list, "s": set, "q": deque, "ba": bytearray, "d": dict, "od": OrderedDict, "dd": defaultdict, "c": Counter,
}  # fmt: skip
OF_KIND = {kind: made for made, kind in (*SEQUENCES.items(), *MAPPINGS.items())}


def contents(value: Any) -> list[Any]:
    """Return what a mutable container holds, flat and in its order."""
    if isinstance(value, dict):
        return [*value, *value.values(), getattr(value, "default_factory", None)]
    if isinstance(value, bytearray):
        return [bytes(value)]
    return list(value)


def same(before: list[Any], now: list[Any]) -> bool:
    """Tell whether two flat contents are the same objects."""
    return len(before) == len(now) and (
        all(map(operator.is_, before, now)) or (before == now and type(now[0]) is bytes and len(now) == 1)
    )


class Objects:
    """What has crossed so far, by number, seen from one side.

    first    0 for the examiner, 1 for the candidate: each numbers in steps of two
    export   (object) -> the words of the node that names it as a handle, or None if it may not cross
    imported (number, words) -> the proxy that stands for the other side's object
    """

    def __init__(
        self,
        first: int,
        export: Callable[[Any, Callable[[Any], Any]], list[Any]],
        imported: Callable[[int, list[Any], Callable[[Any], Any]], Any],
    ) -> None:
        self.next = first
        self.first = first
        self.export = export
        self.imported = imported
        self.by_number: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}  # id(object) -> its number; by_number keeps the object alive
        self.in_step: dict[int, list[Any]] = {}  # contents of the mutable ones when both sides last agreed

    # ---- writing

    def pack(self, values: Iterable[Any], brief: bool = False) -> tuple[list[Any], list[list[Any]]]:
        """Return (items, nodes): one item for each value, and the nodes that they and all changes need.

        brief  leave changes for later where only scalars are sent: for calls within calls, of which there may be many
        """
        values = list(values)
        if (brief or not self.in_step) and _flat(values):
            return values, []
        writer = _Writer(self)
        items = [writer.item(value) for value in values]
        for number, before in self.in_step.items():
            now = contents(self.by_number[number])
            if not same(before, now):
                writer.again(number, self.by_number[number])
        return items, writer.finish()

    def new(self, value: Any) -> int:
        """Give an object of this side a number."""
        number, self.next = self.next, self.next + 2
        self.keep(number, value)
        return number

    def keep(self, number: int, value: Any) -> None:
        """Remember an object under a number."""
        self.by_number[number] = value
        self.numbers[id(value)] = number

    def dropped(self) -> list[int]:
        """Forget the mutable containers that nothing but this table holds; return their numbers."""
        gone = []
        for number in list(self.in_step):
            value = self.by_number[number]
            if sys.getrefcount(value) == 3:  # `value`, the table, the argument of getrefcount
                gone.append(number)
                del value
                self.drop(number)
        return gone

    def drop(self, number: int) -> None:
        """Forget one object."""
        value = self.by_number.pop(number, None)
        self.in_step.pop(number, None)
        self.numbers.pop(id(value), None)

    # ---- reading

    def unpack(self, items: list[Any], nodes: list[Any]) -> list[Any]:
        """Return the values of items that came with nodes; raises Malformed."""
        if not nodes and not any(type(item) in NESTED for item in items):
            return items
        reader = _Reader(self)
        try:
            reader.read(nodes)
            return [reader.value(item) for item in items]
        except (Exception, RecursionError, MemoryError) as error:
            if isinstance(error, Malformed):
                raise
            raise Malformed(f"a value that cannot be read ({type(error).__name__})") from None


class _Writer:
    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.nodes: list[list[Any]] = []
        self.passing: dict[int, int] = {}  # immutable ones have a number for this message alone
        self.alive: list[Any] = []  # ... and must not be freed before it is written
        self.waiting: deque[tuple[int, Any]] = deque()

    def item(self, value: Any) -> Any:
        made = type(value)
        if made in SCALARS:
            if made is int and value.bit_length() > MANY_BITS:
                return self._passing(value)
            return value
        known = self.objects.numbers.get(id(value))
        if known is not None:
            return [known]
        if made in MUTABLE:
            number = self.objects.new(value)
            self.waiting.append((number, value))
            return [number]
        if made is tuple and _flat(value):
            return {"t": [*value]}
        return self._passing(value)

    def _passing(self, value: Any) -> list[int]:
        known = self.passing.get(id(value))
        if known is not None:
            return [known]
        plain = kinds.plain(value)  # the base value of a subclass, a tuple for a struct, ...
        if plain is kinds.OPAQUE:
            number = self.objects.new(value)
            self.nodes.append([number, "h", *self.objects.export(value, self.item)])
            return [number]
        if plain is not value:
            self.alive.append(value)
            item = self.item(plain)
            if isinstance(item, list):
                self.passing[id(value)] = item[0]
            return item  # type: ignore[no-any-return]
        number, self.objects.next = self.objects.next, self.objects.next + 2
        self.passing[id(value)] = number
        self.alive.append(value)
        self.waiting.append((number, value))
        return [number]

    def again(self, number: int, value: Any) -> None:
        self.waiting.append((number, value))

    def finish(self) -> list[list[Any]]:
        while self.waiting:
            number, value = self.waiting.popleft()
            if type(value) in MUTABLE:
                self.objects.in_step[number] = contents(value)
            self.nodes.append([number, *self._words(value)])
        return self.nodes

    def _items(self, values: Iterable[Any]) -> list[Any]:
        values = list(values)
        if _flat(values):
            return values
        item = self.item
        return [item(value) for value in values]

    def _words(self, value: Any) -> list[Any]:
        made = type(value)
        if made is list:
            return ["l", *self._items(value)]
        if made is tuple:
            return ["t", *self._items(value)]
        if made in MAPPINGS:
            extra = [self.item(value.default_factory)] if made is defaultdict else []
            return [MAPPINGS[made], *extra, *self._items(value), *self._items(value.values())]
        if made is set or made is frozenset:
            return ["s" if made is set else "f", *self._items(value)]
        if made is deque:
            return ["q", value.maxlen, *self._items(value)]
        if made is bytes or made is bytearray:
            return ["b" if made is bytes else "ba", binascii.b2a_base64(value, newline=False).decode("ascii")]
        if made is int:
            return ["i", hex(value)]
        kind, values = kinds.parts(value)
        return [kind, *self._items(values)]


def _flat(values: Sequence[Any]) -> bool:
    """Tell whether all are scalars that stand for themselves."""
    types = set(map(type, values))
    return types <= SCALARS and (
        int not in types or all(value.bit_length() <= MANY_BITS for value in values if type(value) is int)
    )


class _Reader:
    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.made: dict[int, Any] = {}
        self.words: dict[int, list[Any]] = {}

    def read(self, nodes: list[Any]) -> None:
        fresh = 1 - self.objects.first
        to_fill: list[tuple[int, Any, list[Any]]] = []
        for node in nodes:
            number, kind = node[0], node[1]
            if type(number) is not int or number < 0 or type(kind) is not str:
                raise Malformed("a node without number or kind")
            known = self.objects.by_number.get(number)
            if known is not None:
                if OF_KIND.get(kind) is not type(known):
                    raise Malformed("a change of something that cannot change so")
                to_fill.append((number, known, node))
            elif number % 2 != fresh or number in self.made or number in self.words:
                raise Malformed("a number that is not free")
            elif kind in EMPTY:
                value = deque(maxlen=_length(node[2])) if kind == "q" else EMPTY[kind]()
                self.made[number] = value
                to_fill.append((number, value, node))
            elif kind == "h":
                self.words[number] = node
            else:
                self.words[number] = node
        for number in list(self.words):
            self._build(number)
        for number, value, node in to_fill:
            self._fill(value, node)
            self.objects.keep(number, value)
            self.objects.in_step[number] = contents(value)

    def value(self, item: Any) -> Any:
        if type(item) is dict:
            (scalars,) = item.values()
            if "t" not in item or not set(map(type, scalars)) <= SCALARS:
                raise Malformed("an item that is no item")
            return tuple(scalars)
        if type(item) is not list:
            return item
        (number,) = item
        if number in self.made:
            return self.made[number]
        return self.objects.by_number[number]

    def _missing(self, node: list[Any]) -> Iterator[int]:
        for item in node[2:]:
            if type(item) is list and item[0] in self.words and item[0] not in self.made:
                yield item[0]

    def _build(self, number: int) -> None:
        """Build an immutable value after the immutable ones that it holds."""
        if number in self.made:
            return
        stack = [(number, self._missing(self.words[number]))]
        while stack:
            current, parts = stack[-1]
            missing = next(parts, None)
            if missing is None:
                self.made[current] = self._immutable(current, self.words[current])
                stack.pop()
            elif len(stack) > len(self.words):
                raise Malformed("values that hold each other and cannot")
            else:
                stack.append((missing, self._missing(self.words[missing])))

    def _immutable(self, number: int, node: list[Any]) -> Any:
        kind = node[1]
        if kind == "h":
            proxy = self.objects.imported(number, node[2:], self.value)
            self.objects.keep(number, proxy)
            return proxy
        if kind == "b":
            return binascii.a2b_base64(node[2], strict_mode=True)
        if kind == "i":
            return int(node[2], 16)
        value = self.value
        items = [value(item) if type(item) in NESTED else item for item in node[2:]]
        if kind == "t":
            return tuple(items)
        if kind == "f":
            return kinds.ordered_set(items, frozenset)
        if kind == "T" and self.objects.first == 0 and kinds.named_class(items[0]) in kinds.CATCHING:
            raise Malformed("an exception class that would catch what the asserts of the tests raise")
        return kinds.built(kind, items)

    def _fill(self, container: Any, node: list[Any]) -> None:
        kind, words = node[1], node[2:]
        value = self.value
        if kind == "ba":
            container[:] = binascii.a2b_base64(words[0], strict_mode=True)
            return
        if kind == "q" and _length(words.pop(0)) != container.maxlen:
            raise Malformed("a deque with another length")
        items = [value(item) if type(item) in NESTED else item for item in words]
        if kind == "l":
            container[:] = items
        elif kind == "q":
            container.clear()
            container.extend(items)
        elif kind == "s":
            kinds.refill(container, items)
        else:
            if kind == "dd":
                container.default_factory = items.pop(0)
            half, odd = divmod(len(items), 2)
            if odd:
                raise Malformed("a key without a value")
            container.clear()
            pairs = zip(items[:half], items[half:], strict=True)
            if kind == "od":
                container.update(pairs)
            else:  # a Counter's own update would count
                dict.update(container, pairs)


def _length(item: Any) -> int | None:
    if item is not None and (type(item) is not int or item < 0):
        raise Malformed("a length that is none")
    return item
