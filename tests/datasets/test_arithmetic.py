"""Generated problems: the same again for the same seed, right answers, and no calculation in both splits."""

from __future__ import annotations

import re
from typing import Any

import pytest
from assay.datasets.arithmetic import EXAMPLES, KINDS, Calculation, arithmetic, split_of
from hypothesis import given, settings
from hypothesis import strategies as st

DIGITS = st.one_of(st.integers(2, 6), st.tuples(st.integers(1, 2), st.integers(2, 5)))


def fact_of(problem: Any) -> str:
    return Calculation(problem.meta["operation"], tuple(problem.meta["operands"]), 0).fact


@settings(max_examples=30, deadline=None)
@given(st.integers(), st.integers(), DIGITS, DIGITS, st.booleans(), st.booleans())
def test_no_calculation_is_in_both_splits(
    one_seed: int, other_seed: int, digits: Any, other_digits: Any, shot: bool, other_shot: bool
) -> None:
    train = list(arithmetic(60, "train", seed=one_seed, digits=digits, one_shot=shot))
    held_out = list(arithmetic(60, "eval", seed=other_seed, digits=other_digits, one_shot=other_shot))
    assert not {fact_of(problem) for problem in train} & {fact_of(problem) for problem in held_out}
    assert not {problem.meta["question"] for problem in train} & {problem.meta["question"] for problem in held_out}
    assert not {problem.id for problem in train} & {problem.id for problem in held_out}


def test_the_splits_are_disjoint_where_there_is_little_to_choose_from() -> None:
    """With one digit, the draws of a few seeds meet every calculation there is."""
    facts: dict[Any, set[str]] = {"train": set(), "eval": set()}
    for split, found in facts.items():
        for seed in range(20):
            for count, kind in ((5, "sum"), (3, "difference"), (5, "product"), (20, "word")):
                problems = arithmetic(count, split, seed=seed, kinds=[kind], digits=1)
                found.update(map(fact_of, problems))
    assert not facts["train"] & facts["eval"]
    assert len(facts["train"]) > 100
    assert len(facts["eval"]) > 25


def test_the_split_is_a_matter_of_the_calculation_alone() -> None:
    for a in range(2, 40):
        for b in range(2, 40):
            assert Calculation("a + b", (a, b), 0).fact == Calculation("a + b", (b, a), 0).fact
            assert Calculation("a * b", (a, b), 0).fact == Calculation("a * b", (b, a), 0).fact
    assert Calculation("a - b", (5, 3), 0).fact != Calculation("a - b", (3, 5), 0).fact
    share = sum(split_of(f"a + b: {a}, {a + 1}") == "eval" for a in range(4000)) / 4000
    assert 0.17 < share < 0.23


def work_out(question: str) -> int:
    """Read the question again, on our own, from its words."""
    numbers = list(map(int, re.findall(r"\d+", question)))
    if "What is" in question:
        operator = question.split()[3]
        return {"+": sum(numbers), "-": numbers[0] - numbers[1], "*": numbers[0] * numbers[1]}[operator]
    if "fills" in question:
        return numbers[0] * numbers[1] + numbers[2]
    if "in each box" in question:
        return numbers[0] * numbers[1]
    if "then gave" in question:
        return numbers[0] + numbers[1] - numbers[2]
    if "gave" in question or "ordered" in question:
        return numbers[0] - numbers[1]
    assert "buys" in question or "sold" in question
    return sum(numbers)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", ["train", "eval"])
def test_the_answers_are_right(kind: str, split: Any) -> None:
    for problem in arithmetic(300, split, kinds=[kind], digits=(2, 4), seed=3):
        assert problem.references == (str(work_out(problem.meta["question"])),)
        assert int(problem.references[0]) >= 0
        assert problem.meta["kind"] == kind
        assert problem.meta["split"] == split == split_of(fact_of(problem))


def test_the_worked_examples_are_right_and_never_asked() -> None:
    for example, calculation in EXAMPLES.values():
        assert work_out(example) == calculation.answer == eval(calculation.worked.partition("=")[0])
        fact = calculation.fact
        kinds = ["product" if "*" in fact else "difference" if "-" in fact else "sum"]
        digits = (1, 2)
        facts = {fact_of(problem) for problem in arithmetic(700, split_of(fact), kinds=kinds, digits=digits)}
        assert fact not in facts
    assert next(arithmetic(1)).prompt == PROMPT


PROMPT = r"""Give the answer as a number in \boxed{}.

Question: What is 13 + 25?
Answer: 13 + 25 = 38, so the answer is \boxed{38}.

Question: What is 45 + 56?
Answer:"""


def test_the_same_arguments_give_the_same_problems() -> None:
    assert list(arithmetic(50, seed=7)) == list(arithmetic(50, seed=7))
    assert list(arithmetic(50, seed=7)) != list(arithmetic(50, seed=8))
    assert list(arithmetic(20, seed=7)) == list(arithmetic(50, seed=7))[:20]


def test_the_problems_of_a_seed_never_change() -> None:
    """Whoever trained on seed 0 last year finds the same problems today, on any Python."""
    assert [(problem.meta["question"], problem.references) for problem in arithmetic(4)] == PINNED


PINNED = [
    ("What is 45 + 56?", ("101",)),
    ("What is 48 - 21?", ("27",)),
    ("What is 54 * 98?", ("5292",)),
    ("A shop sold 82 coins on Monday and 11 on Tuesday. How many coins did it sell in all?", ("93",)),
]


def test_problems_differ_and_come_in_turn() -> None:
    problems = list(arithmetic(400))
    assert len({problem.id for problem in problems}) == 400
    assert [problem.meta["kind"] for problem in problems[:8]] == [*KINDS, *KINDS]


@pytest.mark.parametrize("digits", [1, 2, 3, 7])
def test_operands_have_the_digits_asked_for(digits: int) -> None:
    count = 5 if digits == 1 else 100
    for problem in arithmetic(count, kinds=["sum", "difference", "product"], digits=digits):
        assert all(len(str(operand)) == digits for operand in problem.meta["operands"])


@pytest.mark.parametrize("digits", [1, 2, (1, 2)])
def test_no_operand_is_above_the_largest(digits: Any) -> None:
    largest = 7 if digits == 1 else 31
    problems = list(arithmetic(8 if digits == 1 else 150, kinds=["sum", "product"], digits=digits, largest=largest))
    operands = [operand for problem in problems for operand in problem.meta["operands"]]
    assert max(operands) == largest


def test_a_mix_of_digits_has_them_all() -> None:
    problems = arithmetic(200, kinds=["sum"], digits=(2, 4))
    assert {len(str(n)) for problem in problems for n in problem.meta["operands"]} == {2, 3, 4}


def test_prompts_ask_for_a_box() -> None:
    for one_shot in (True, False):
        for problem in arithmetic(20, one_shot=one_shot):
            assert r"\boxed{" in problem.prompt
            assert problem.meta["question"] in problem.prompt
            assert ("Question:" in problem.prompt) is one_shot


def test_more_than_there_is_is_an_error_not_a_wait() -> None:
    with pytest.raises(ValueError, match="sum problems with 1 to 1 digits are used up in the eval split after"):
        list(arithmetic(1000, "eval", kinds=["sum"], digits=1))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"digits": 0}, "digits"),
        ({"digits": (3, 2)}, "digits"),
        ({"digits": 2, "largest": 9}, "largest 9 leaves no operand of 2 digits"),
        ({"split": "test"}, "'train' or 'eval'"),
        ({"kinds": ["sums"]}, "sum, difference, product, word, not sums"),
        ({"kinds": []}, "empty"),
        ({"count": -1}, "negative"),
    ],
)
def test_wrong_use_is_said_at_once(wrong: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        arithmetic(**({"count": 1} | wrong))
