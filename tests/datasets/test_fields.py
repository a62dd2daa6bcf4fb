"""Every usual name is found, an explicit one wins, and what cannot be read says so instead of being guessed."""

from __future__ import annotations

from typing import Any

import pytest
from assay.datasets.fields import USUAL, FieldError, find_field, last_boxed, missing

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is 1 + 1?"},
    {"role": "assistant", "content": "3"},
    {"role": "user", "content": "Sure?"},
    {"role": "assistant", "content": [{"type": "text", "text": "No: "}, {"type": "text", "text": "2"}]},
]


@pytest.mark.parametrize("kind", USUAL)
def test_every_usual_name_is_found(kind: Any) -> None:
    for name in USUAL[kind]:
        value: Any = r"so \boxed{7}" if name == "solution" else "7"
        if name in ("messages", "conversation"):
            value = [{"role": "assistant" if kind == "response" else "user", "content": "7"}]
        row: Any = {"other": "x", name: value}
        if "." in name:
            outer, _, inner = name.partition(".")
            row = {outer: {inner: value}}
        found = find_field(row, kind)
        assert found is not None, name
        assert found.name == name
        assert found.value == (("7",) if kind == "reference" else "7")


@pytest.mark.parametrize(
    "value",
    [
        "2",
        2,
        ["2"],
        [["2"]],
        CHAT,
        {"role": "assistant", "content": "2"},
        {"choices": [{"message": {"role": "assistant", "content": "2"}}]},
        {"status_code": 200, "body": {"choices": [{"message": {"content": "2"}}]}},
        [{"text": "2"}],
    ],
)
def test_a_response_is_read_in_the_shapes_that_tools_write(value: Any) -> None:
    found = find_field({"response": value}, "response")
    assert found is not None
    assert found.value in ("2", "No: 2")


def test_the_last_assistant_and_the_last_user_speak_for_a_conversation() -> None:
    row = {"messages": CHAT}
    response, prompt = find_field(row, "response"), find_field(row, "prompt")
    assert (response and response.value) == "No: 2"
    assert (prompt and prompt.value) == "Sure?"
    assert find_field({"messages": CHAT[:2]}, "response") is None  # nobody has answered yet


@pytest.mark.parametrize("value", [["a", "b"], [], {}, True, {"tokens": [1, 2]}, float("nan"), [["a", "b"]]])
def test_what_is_not_one_response_is_refused(value: Any) -> None:
    with pytest.raises(FieldError, match="response field 'output'"):
        find_field({"output": value}, "response")


def test_an_empty_response_is_a_response() -> None:
    found = find_field({"response": "", "completion": "x"}, "response")
    assert found == ("response", "")


@pytest.mark.parametrize(
    ("value", "references"),
    [
        ("7", ("7",)),
        (7, ("7",)),
        (0.5, ("0.5",)),
        (["1/2", 0.5], ("1/2", "0.5")),
        ("She has 3 + 4 = <<3+4=7>>7.\n#### 7", ("7",)),
        ("That makes\n#### 1,234,567", ("1234567",)),
        ("#### 1,2", ("1,2",)),
        ("#### -2,000.50", ("-2000.50",)),
        ("1,200", ("1,200",)),
    ],
)
def test_references(value: Any, references: tuple[str, ...]) -> None:
    found = find_field({"answer": value}, "reference")
    assert (found and found.value) == references


@pytest.mark.parametrize("value", [[], {}, [None], ["7", {}], float("inf"), [["7"]]])
def test_what_is_no_reference_is_refused(value: Any) -> None:
    with pytest.raises(FieldError, match="reference field 'gold'"):
        find_field({"gold": value}, "reference")


def test_a_field_that_can_only_be_the_reference_goes_before_an_answer() -> None:
    row = {"answer": "what the model said", "ground_truth": "7"}
    found = find_field(row, "reference")
    assert (found and found.value) == ("7",)


def test_a_solution_is_a_reference_only_by_its_box() -> None:
    found = find_field({"solution": r"Now \boxed{1}, no: \boxed{\frac{1}{2}}."}, "reference")
    assert (found and found.value) == (r"\frac{1}{2}",)
    assert find_field({"solution": "def f(): pass"}, "reference") is None


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (r"\boxed{a}", "a"),
        (r"\boxed {a}", "a"),
        (r"\fbox{a}", "a"),
        (r"\boxed{a{b{c}}d}", "a{b{c}}d"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{1} and \boxed{2", "1"),
        (r"\boxed{", None),
        ("none", None),
        (r"\boxed{\boxed{7}}", "7"),
        (r"\boxed{" * 100_000, None),
        (r"{\boxed{7}" * 2, "7"),
    ],
)
def test_last_boxed(text: str, inside: str | None) -> None:
    assert last_boxed(text) == inside


def test_an_explicit_name_wins_and_may_be_a_path() -> None:
    row = {"response": "usual", "mine": "this", "deep": {"er": "that"}, "a.b": "dotted"}
    assert find_field(row, "response", "mine") == ("mine", "this")
    assert find_field(row, "response", "deep.er") == ("deep.er", "that")
    assert find_field(row, "response", "a.b") == ("a.b", "dotted")


@pytest.mark.parametrize(("name", "state"), [("nope", "not there"), ("empty", "null"), ("deep.nope", "not there")])
def test_an_explicit_name_that_is_not_there_is_an_error(name: str, state: str) -> None:
    with pytest.raises(FieldError, match=f"{state}; fields are id, empty, deep"):
        find_field({"id": 1, "empty": None, "deep": {}}, "response", name)


def test_null_is_passed_over_and_said_when_nothing_else_is_there() -> None:
    assert find_field({"response": None, "output": "x"}, "response") == ("output", "x")
    assert find_field({"response": None}, "response") is None
    assert missing({"response": None}, "response", "--response-field NAME").startswith("'response' is null")


def test_what_is_missing_names_the_fields_and_the_remedy() -> None:
    said = missing({"id": 1, "text": "x"}, "reference", "--reference-field NAME")
    assert said == "no reference found; fields are id, text; name it with --reference-field NAME"
    assert "..." in missing(dict.fromkeys(map(str, range(100)), 0), "reference", "x")
    assert missing({}, "reference", "x").startswith("no reference found; fields are none;")


@pytest.mark.parametrize(("value", "text"), [(7, "7"), ("a/7", "a/7"), (0, "0")])
def test_ids_are_text(value: Any, text: str) -> None:
    assert find_field({"id": value}, "id") == ("id", text)
