"""Thinking tags: every rule of the module's docstring, and what hostile text does to it."""

from __future__ import annotations

import time

import pytest
from assay.verifiers.thinking import check_tags, split_thinking
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("response", "thinking", "visible"),
    [
        ("plain answer", None, "plain answer"),
        ("", None, ""),
        ("<think>why</think>answer", "why", "answer"),
        ("before<think>why</think>after", "why", "before\nafter"),
        ("<think>a</think>b<think>c</think>d", "a\nc", "b\nd"),
        # an opening tag without its end
        ("b<think>rest", "rest", "b"),
        ("<think>a</think>b<think>rest", "a\nrest", "b"),
        # an end without an opening
        ("why</think>answer", "why", "answer"),
        ("</think>answer", "", "answer"),
        ("<think>a</think>b</think>c", "<think>a</think>b", "c"),
        ("a</think>b<think>c</think>d", "a\nc", "b\nd"),
        # a tag inside thinking
        ("<think>a<think>b</think>c", "a<think>b", "c"),
        ("<think>a<think>b</think>c</think>d", "<think>a<think>b</think>c", "d"),
        # only exact tags count
        ("<THINK>a</THINK>b", None, "<THINK>a</THINK>b"),
        ("<think >a</think >b", None, "<think >a</think >b"),
        ("\uff1cthink\uff1ea\uff1c/think\uff1eb", None, "\uff1cthink\uff1ea\uff1c/think\uff1eb"),
    ],
)
def test_the_rules_for_responses_that_write_their_own_tags(response: str, thinking: str | None, visible: str) -> None:
    assert split_thinking(response) == (thinking, visible)


@pytest.mark.parametrize(
    ("response", "thinking", "visible"),
    [
        ("why</think>answer", "why", "answer"),
        ("no end at all", "no end at all", ""),
        ("", "", ""),
        ("<think>repeated</think>answer", "<think>repeated", "answer"),
        ("a</think>b<think>c</think>d", "a\nc", "b\nd"),
        ("a</think>b</think>c", "a</think>b", "c"),
    ],
)
def test_a_prefilled_response_starts_inside_thinking(response: str, thinking: str, visible: str) -> None:
    assert split_thinking(response, prefilled=True) == (thinking, visible)


def test_tags_can_be_any_text() -> None:
    assert split_thinking("[THINK]a[/THINK]b", "[THINK]", "[/THINK]") == ("a", "b")
    assert split_thinking("(.*)a.+b", "(.*)", ".+") == ("a", "b")


def test_text_on_two_sides_of_a_thought_never_grows_together() -> None:
    assert "42" not in split_thinking(r"\boxed{4<think>x</think>2}")[1]


@pytest.mark.parametrize(
    ("open", "close"), [("", "</a>"), ("<a>", " "), ("x", "x"), ("think", "/think"), ("<a><b>", "<b>")]
)
def test_tags_that_cannot_be_told_apart_are_refused(open: str, close: str) -> None:
    with pytest.raises(ValueError, match="tag"):
        check_tags(open, close)


def split_as_an_automaton(response: str, prefilled: bool) -> tuple[str, str]:
    """The rules again, tag by tag, with no care for speed: ('thought', 'seen') with nothing joined."""
    thought, seen, inside = "", "", prefilled
    while response:
        if response.startswith("</t>"):
            if not inside:
                thought, seen = "", ""
            inside, response = False, response[4:]
        elif response.startswith("<t>") and not inside:
            inside, response = True, response[3:]
        elif inside:
            thought, response = thought + response[0], response[1:]
        else:
            seen, response = seen + response[0], response[1:]
    return thought, seen


@given(st.lists(st.sampled_from(["<t>", "</t>", "<", ">", "/", "t", "a", "b"])).map("".join), st.booleans())
def test_visible_text_agrees_with_the_rules_applied_tag_by_tag(response: str, prefilled: bool) -> None:
    _, visible = split_thinking(response, "<t>", "</t>", prefilled)
    assert visible.replace("\n", "") == split_as_an_automaton(response, prefilled)[1]


@given(st.text(), st.booleans())
def test_no_text_raises(response: str, prefilled: bool) -> None:
    thinking, visible = split_thinking(response, "<", ">", prefilled)
    assert len(thinking or "") + len(visible) <= len(response) + response.count("<") + response.count(">")


@pytest.mark.parametrize(
    "unit", ["<think>", "</think>", "<think></think>", "<think>a</think>b", "</think><think>", "<", "<think"]
)
@pytest.mark.parametrize("end", ["", "<think>", "</think>"])
def test_time_grows_with_the_length_and_not_with_its_square(unit: str, end: str) -> None:
    def cost(count: int) -> float:
        response = unit * count + end
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            split_thinking(response)
            best = min(best, time.process_time() - start)
        return best

    # 16 times the text; a quadratic reader would take 256 times as long
    assert cost(80_000) < 80 * cost(5_000) + 0.01
