r"""ThinkFormat: one thought between its tags, then an answer; and what models do to earn it without."""

from __future__ import annotations

import copy
import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import Problem, Score, Status, ThinkFormat


def judged(response: str, **settings: object) -> Score:
    return ThinkFormat(**settings).score(response, Problem("1"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "response",
    [
        "<think>2+2 is 4</think>4",
        "<think>\nlong\n\nthought\n</think>\n\nThe answer is \\boxed{4}.",
        "  \n<think>x</think> y",
        "\ufeff<think>x</think>y",  # a byte order mark is not text
        "<think>...</think>...so it is 4",
        "<think>思考</think>答案是四",
        "<think>x</think>\\boxed{\\emptyset}",
        "<think>x</think>$\\infty$",
        "<think>x</think>∅",
        "<think>x</think><answer>4</answer>",
        "<think>x</think>**4**",
        "<think>x</think>$$\\boxed{\\text{even}}$$",
        "<think>x</think>```python\nprint(1)\n```",
        "<think>1 < 2 and 3 > 2, <b>bold</b></think>yes",
        "<think>I must not write <THINK> here</think>the answer mentions <thinking>",
    ],
)
def test_one_thought_then_an_answer_earns(response: str) -> None:
    score = judged(response)
    assert (score.reward, score.status) == (1.0, Status.CORRECT), score.detail


@pytest.mark.parametrize(
    ("response", "because"),
    [
        ("", "no <think>"),
        ("4", "no <think>"),
        ("<think></think>", "nothing is thought"),
        ("<think>x</think>", "no answer after"),
        ("<think>x", "no </think>"),
        ("x</think>4", "prefilled=True"),
        ("</think>x<think>4", "stands before"),
        # more than one
        ("<think>x</think><think>y</think>4", "2 times <think>"),
        ("<think>x<think>y</think>4", "2 times <think>"),
        ("<think>x<think>y</think>z</think>4", "2 times <think>"),
        ("<think>x</think>4</think>", "2 times </think>"),
        ("<think>x</think>4<think>", "2 times <think>"),
        ("<think>x</think>as I said in <think>, 4", "2 times <think>"),
        # something before
        ("4 <think>x</think>4", "text before"),
        ("```\n<think>x</think>\n```\n4", "text before"),
        ('"<think>x</think>" 4', "text before"),
        ("`<think>`x`</think>`4", "text before"),
        ("<b><think>x</think>4", "text before"),
        # nothing thought
        ("<think>  \n\t </think>4", "nothing is thought"),
        ("<think>\u200b\u2060\ufeff\u00ad</think>4", "nothing is thought"),
        ("<think>\u3164\u2800</think>4", "nothing is thought"),
        ("<think>\u0301</think>4", "nothing is thought"),
        ("<think>\x00\x1b</think>4", "nothing is thought"),
        # no answer
        ("<think>x</think> \n ", "no answer"),
        ("<think>x</think>.", "no answer"),
        ("<think>x</think>---\n***\n```\n```", "no answer"),
        ("<think>x</think>\\boxed{}", "no answer"),
        ("<think>x</think>$\\boxed{ }$", "no answer"),
        ("<think>x</think>\\[ \\boxed{\\text{ }} \\]", "no answer"),
        ("<think>x</think>\\begin{align*}\\quad\\,\\end{align*}", "no answer"),
        ("<think>x</think>\\boxed{\\phantom{}}", "no answer"),
        ("<think>x</think><answer></answer>", "no answer"),
        ("<think>x</think><|im_end|>", "no answer"),
        ("<think>x</think></THINK>", "no answer"),
        ("<think>x</think>\u3164\u200b", "no answer"),
        ("<think>x</think>\\boxed{?}", "no answer"),
        # not the tags
        ("<THINK>x</THINK>4", "capital and small"),
        ("<think >x</think >4", "no <think>"),
        ("< think>x</ think>4", "no <think>"),
        ("\uff1cthink\uff1ex\uff1c/think\uff1e4", "no <think>"),
        ("<th\u0456nk>x</th\u0456nk>4", "no <think>"),  # a Ukrainian i
        ("<thi\u200bnk>x</thi\u200bnk>4", "no <think>"),
        ("&lt;think&gt;x&lt;/think&gt;4", "no <think>"),
        ("<think>x</Think>4", "no </think>"),
        ("<think>x<\\/think>4", "no </think>"),
    ],
)
def test_a_broken_rule_earns_nothing_and_is_named(response: str, because: str) -> None:
    score = judged(response)
    assert (score.reward, score.status) == (0.0, Status.INCORRECT)
    assert because in score.detail


@pytest.mark.parametrize(
    ("response", "reward", "because"),
    [
        ("2+2 is 4</think>4", 1.0, ""),
        ("\n\nx\n</think>\n4", 1.0, ""),
        ("<think>x</think>4", 0.0, "opened the thought already"),
        ("x</think>4<think>", 0.0, "opened the thought already"),
        ("</think>4", 0.0, "nothing is thought"),
        (" \u200b</think>4", 0.0, "nothing is thought"),
        ("x</think>", 0.0, "no answer"),
        ("x", 0.0, "no </think>"),
        ("", 0.0, "no </think>"),
        ("x</think>y</think>4", 0.0, "2 times </think>"),
    ],
)
def test_prefilled_wants_the_closing_tag_alone(response: str, reward: float, because: str) -> None:
    score = judged(response, prefilled=True)
    assert score.reward == reward, score.detail
    assert because in score.detail


@pytest.mark.parametrize(
    ("open", "close"),
    [("<reasoning>", "</reasoning>"), ("[THINK]", "[/THINK]"), ("(*+?", "$^"), ("Thought:", "\nAnswer:")],
)
def test_tags_may_be_any_texts(open: str, close: str) -> None:
    assert judged(f"{open}x{close}4", open=open, close=close).reward == 1.0
    assert judged("<think>x</think>4", open=open, close=close).reward == 0.0
    assert judged(f"{open}x{close}{open}y{close}4", open=open, close=close).reward == 0.0


def test_tags_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be told apart"):
        ThinkFormat(open="THINK", close="/THINK")
    with pytest.raises(ValueError, match="close=''"):
        ThinkFormat(close="")


PIECES = [
    "<think>",
    "</think>",
    "<",
    ">",
    "a",
    " ",
    "\n",
    "\\boxed{",
    "}",
    "</answer>",
    "\u200b",
    "\ud800",
    ".",
]


@given(st.lists(st.sampled_from(PIECES)).map("".join), st.booleans())
def test_a_reward_implies_the_rules(response: str, prefilled: bool) -> None:
    score = judged(response, prefilled=prefilled)
    assert (score.reward == 1.0) == (score.status is Status.CORRECT)
    if score.reward:
        whole = "<think>" + response if prefilled else response
        before, thought, answer = (
            whole.partition("<think>")[0],
            whole.partition("<think>")[2].partition("</think>")[0],
            whole.partition("</think>")[2],
        )
        assert whole.count("<think>") == whole.count("</think>") == 1
        assert not before.strip("\u200b\n \ud800")
        assert thought.strip()
        assert any(character.isalnum() for character in answer)


@given(st.text(), st.booleans())
def test_no_text_raises(response: str, prefilled: bool) -> None:
    assert judged(response, prefilled=prefilled).reward in (0.0, 1.0)


def hostile_texts(count: int) -> list[str]:
    around = [
        "{}", "<think>{}</think>4", "<think>x</think>{}", "{}<think>x</think>4", "{}</think>{}"
    ]  # fmt: skip
    units = [
        "<think>",
        "</think>",
        "<think></think>",
        "<a",
        "<",
        "\\",
        "\\boxed{",
        "\\text",
        "\u3164",
        " ",
        "\u0301",
    ]
    return [text.replace("{}", unit * count) for text in around for unit in units]


def test_time_grows_with_the_length_and_not_with_its_square() -> None:
    def cost(response: str) -> float:
        start = time.process_time()
        ThinkFormat().score(response)
        return time.process_time() - start

    for small, large in zip(hostile_texts(2_000), hostile_texts(32_000), strict=True):
        # 16 times the text; a quadratic reader would take 256 times as long
        assert cost(large) < 100 * min(cost(small) for _ in range(3)) + 0.05, large[:60]


def test_it_survives_pickling_and_copying() -> None:
    verifier = ThinkFormat("[THINK]", "[/THINK]", prefilled=True, name="form")
    for copied in (pickle.loads(pickle.dumps(verifier)), copy.deepcopy(verifier)):
        assert (copied.name, copied.score("x[/THINK]4").reward) == ("form", 1.0)
