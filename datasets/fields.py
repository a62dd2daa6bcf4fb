"""Which field of a row holds the response, the reference, the prompt, the id?

Data sets, trainers and evaluation tools name the same thing differently. `find_field` knows the usual names
and reads the usual shapes: a plain string, a number, a list of references, chat messages, an OpenAI-style
answer. An explicit name always wins and may be a dotted path (`reward_model.ground_truth`).

The first usual name that the row has, and that is not null, is taken; the order in `USUAL` is the rule.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, overload

__all__ = ["USUAL", "FieldError", "Found", "final_answer", "find_field", "last_boxed", "missing"]

Kind = Literal["response", "reference", "prompt", "id"]

USUAL: Mapping[str, tuple[str, ...]] = {
    "response": (
        "response",
        "completion",
        "output",
        "generated_text",
        "generation",
        "generated",
        "prediction",
        "model_output",
        "model_response",
        "responses",
        "completions",
        "outputs",
        "resps",
        "choices",
        "messages",
        "conversation",
    ),
    # `answer` comes late: beside a field that can only be the reference, it is more likely the model's
    "reference": (
        "reference",
        "references",
        "reference_answer",
        "ground_truth",
        "gold",
        "gold_answer",
        "target",
        "expected_answer",
        "expected",
        "correct_answer",
        "answer",
        "answers",
        "final_answer",
        "reward_model.ground_truth",
        "solution",
    ),
    "prompt": ("prompt", "question", "problem", "input", "instruction", "query", "messages", "conversation"),
    "id": (
        "id",
        "task_id",
        "unique_id",
        "problem_id",
        "question_id",
        "custom_id",
        "uid",
        "doc_id",
        "idx",
        "index",
    ),
}


class FieldError(ValueError):
    """A row has no field of the kind asked for, or what it holds cannot be used."""


class Found(NamedTuple):
    """The field's name, and its value: a tuple of strings for a reference, a string otherwise."""

    name: str
    value: Any


class Text(NamedTuple):
    """A field that holds one text."""

    name: str
    value: str


class Texts(NamedTuple):
    """A field that holds acceptable answers."""

    name: str
    value: tuple[str, ...]


@overload
def find_field(
    row: Mapping[str, Any], kind: Literal["response", "prompt", "id"], explicit: str | None = None
) -> Text | None: ...
@overload
def find_field(row: Mapping[str, Any], kind: Literal["reference"], explicit: str | None = None) -> Texts | None: ...
def find_field(row: Mapping[str, Any], kind: Kind, explicit: str | None = None) -> Text | Texts | None:
    """Return the name and value of the row's field of this kind, or None if it has none of the usual names.

    kind      "response", "prompt", "id": the value is one string; "reference": a tuple of acceptable answers.
    explicit  the field's name, instead of the usual ones.

    Raises FieldError if `explicit` is not there, or if the value cannot be read as this kind of thing.
    """
    if explicit is not None:
        value = _lookup(row, explicit)
        if value is None:
            state = "null" if _has(row, explicit) else "not there"
            raise FieldError(f"the {kind} field {explicit!r} is {state}; fields are {_names(row)}")
        return _read(kind, explicit, value)
    for name in USUAL[kind]:
        value = _lookup(row, name)
        if value is None:
            continue
        if name in _CHATS and not _holds(kind, value):
            continue
        if name == "solution" and not (isinstance(value, str) and last_boxed(value) is not None):
            continue  # a program, or prose: nothing that could be compared
        return _read(kind, name, value)
    return None


def missing(row: Mapping[str, Any], kind: Kind, remedy: str) -> str:
    """Say that a row has no field of this kind; `remedy` is how to name it ("--reference-field NAME")."""
    nulls = [name for name in USUAL[kind] if _has(row, name) and _lookup(row, name) is None]
    found = f"{nulls[0]!r} is null" if nulls else f"no {kind} found"
    return f"{found}; fields are {_names(row)}; name it with {remedy}"


def last_boxed(text: str) -> str | None:
    r"""Return what the last complete `\boxed{...}` of a worked solution holds, or None if there is none."""
    open_braces: list[tuple[int, bool]] = []  # where each starts, and whether it is a box's
    last: tuple[int, int] | None = None
    for match in _BRACE.finditer(text):
        if match.group().endswith("{") and not match.group().startswith("\\{"):
            open_braces.append((match.end(), match.group() != "{"))
        elif match.group() == "}" and open_braces:
            start, is_box = open_braces.pop()
            if is_box and (last is None or start > last[0]):
                last = (start, match.start())
    return None if last is None else text[last[0] : last[1]].strip()


_BRACE = re.compile(r"\\f?box(?:ed)?\s*\{|\\.|[{}]", re.DOTALL)


# Whole conversations: they are a response only if an assistant speaks in them, a prompt only if a user does.
_CHATS = frozenset({"messages", "conversation"})


def _holds(kind: Kind, value: Any) -> bool:
    return isinstance(value, list) and _spoken(value, "assistant" if kind == "response" else "user") is not None


def _lookup(row: Mapping[str, Any], name: str) -> Any:
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _has(row: Mapping[str, Any], name: str) -> bool:
    if name in row or "." not in name:
        return name in row
    parent = _lookup(row, name.rpartition(".")[0])
    return isinstance(parent, Mapping) and name.rpartition(".")[2] in parent


def _names(row: Mapping[str, Any]) -> str:
    shown = ", ".join(str(name) for name in list(row)[:20])
    return (shown + (", ..." if len(row) > 20 else "")) or "none"


def _read(kind: Kind, name: str, value: Any) -> Text | Texts:
    if kind == "reference":
        return Texts(name, _references(name, value))
    text = _scalar(value) if kind == "id" else _text(value, "user" if kind == "prompt" else "assistant")
    if text is None:
        expected = "a string or a number" if kind == "id" else "a string or chat messages"
        raise FieldError(f"the {kind} field {name!r} holds {_describe(value)}; expected {expected}")
    return Text(name, text)


def _references(name: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    texts = [_scalar(item) for item in values]
    if not texts or None in texts:
        raise FieldError(
            f"the reference field {name!r} holds {_describe(value)}; expected a string, a number or a list"
        )
    return tuple(_final(name, text) for text in texts if text is not None)


def final_answer(solution: str) -> str | None:
    """Return what follows the last `####` of a worked solution (GSM8K's mark), or None if it has none.

    A number loses its thousands commas: the mark is followed by one number, never by a list.
    """
    if "####" not in solution:
        return None
    answer = solution.rpartition("####")[2].strip()
    return answer.replace(",", "") if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", answer) else answer


def _final(name: str, text: str) -> str:
    """Return the answer that a worked solution ends with (`#### 18`, or a `solution`'s box), or the text."""
    marked = final_answer(text)
    if marked is not None:
        return marked
    return (last_boxed(text) or text) if name == "solution" else text


def _scalar(value: Any) -> str | None:
    """Return a string for a string or a finite number."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    return None


def _text(value: Any, role: str) -> str | None:
    """Return the text in a string, a message, a conversation, an API answer, or a list of one of them."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _scalar(value)
    if isinstance(value, Mapping):
        for key in ("content", "message", "text", "choices", "body"):
            if value.get(key) is not None:
                return _parts(value[key]) if key == "content" else _text(value[key], role)
        return None
    if isinstance(value, list):
        if any(isinstance(item, Mapping) and "role" in item for item in value):
            return _spoken(value, role)
        if len(value) == 1:
            return _text(value[0], role)
    return None


def _spoken(messages: list[Any], role: str) -> str | None:
    """Return what this role said last, None if it never spoke."""
    for message in reversed(messages):
        if isinstance(message, Mapping) and message.get("role") == role:
            return _parts(message.get("content"))
    return None


def _parts(content: Any) -> str | None:
    """Return a message's content, which is a string or a list of typed parts; only text parts count."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "".join(text for text in texts if isinstance(text, str))
    return None


def _describe(value: Any) -> str:
    if isinstance(value, list) and len(value) > 1:
        return f"a list of {len(value)}"
    return {list: "an empty list", dict: "an object", bool: "true or false"}.get(type(value), repr(value)[:40])
