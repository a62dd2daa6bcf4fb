"""Rewards as trainers call them: TRL's and verl's arguments in, what each of them understands out.

tests/integration runs the same through the trainers themselves, where they are installed.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import pickle
from typing import Any

import pytest
from assay.verifiers.verifier import Verifier

from assay import MathVerifier, Problem, Reward, Score, Status, ThinkFormat


class Same(Verifier):
    """The response ends with one of the references; remembers what it was asked."""

    def __init__(self, name: str = "same") -> None:
        self.name = name
        self.asked: list[tuple[str, Problem]] = []

    def score(self, response: str, problem: Problem | str) -> Score:
        assert isinstance(problem, Problem)
        self.asked.append((response, problem))
        if not problem.references:
            return Score(None, Status.BAD_REFERENCE, None, "no reference")
        if response.endswith(problem.references):
            return Score(1.0, Status.CORRECT, response, "the same")
        return Score(0.0, Status.INCORRECT, response, "another")


class Fails(Verifier):
    """A verifier with a bug."""

    name = "fails"

    def score(self, response: str, problem: Problem | str) -> Score:
        raise RuntimeError("bug")


def said(*contents: Any) -> list[list[dict[str, Any]]]:
    return [[{"role": "assistant", "content": content}] for content in contents]


def trl_extras() -> dict[str, Any]:
    """What TRL passes besides the columns, logging left out."""
    return {"trainer_state": object(), "environments": [None]}


# ---- TRL


def test_strings_are_read_and_none_is_passed_on() -> None:
    same = Same()
    function = Reward([(same, 1)]).for_trl()
    rewards = function(
        prompts=["2+2?", "3+3?", "?"],
        completions=["it is 4", "it is 5", "it is 6"],
        completion_ids=[[1], [2], [3]],
        answer=["4", "6", None],
        **trl_extras(),
    )
    assert rewards == [1.0, 0.0, None]
    assert [(r, p.prompt, p.references) for r, p in same.asked] == [
        ("it is 4", "2+2?", ("4",)),
        ("it is 5", "3+3?", ("6",)),
        ("it is 6", "?", ()),
    ]


def test_messages_are_read() -> None:
    same = Same()
    function = Reward([(same, 1)]).for_trl(workers=1)
    prompt = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "2+2?"}]},
    ]
    with_tools = [
        {"role": "assistant", "content": None, "tool_calls": [{"type": "function"}]},
        {"role": "tool", "content": "5"},
        {"role": "assistant", "content": "4"},
    ]
    cut_off = [{"role": "assistant", "content": ""}, {"role": "tool", "content": "4"}]
    without_role = [{"content": "4"}]
    completions = [*said("4", [{"type": "text", "text": "4"}]), with_tools, cut_off, without_role, []]
    rewards = function(prompts=[prompt] * 6, completions=completions, answer=["4"] * 6)
    assert rewards == [1.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    assert {problem.prompt for _, problem in same.asked} == {"2+2?"}


@pytest.mark.parametrize("field", ["reasoning_content", "thinking"])
def test_thinking_that_the_trainer_parsed_off_is_put_back(field: str) -> None:
    message = [{"role": "assistant", field: "\nhm\n", "content": "4"}]
    for settings in ({}, {"prefilled": True}, {"open": "[T]", "close": "[/T]"}):
        function = Reward([(ThinkFormat(**settings), 1)]).for_trl()  # type: ignore[arg-type]
        assert function(prompts=["?"], completions=[message]) == [1.0]
        assert function(prompts=["?"], completions=[[{**message[0], "content": ""}]]) == [0.0]
    math_function = Reward([(MathVerifier(), 1)]).for_trl()
    hidden = [{"role": "assistant", field: r"\boxed{4}", "content": "four"}]
    assert math_function(prompts=["?"], completions=[hidden], answer=["4"]) == [0.0]


@pytest.mark.parametrize("column", ["answer", "reference", "ground_truth", "target", "gold", "solution"])
def test_the_reference_is_found_by_the_usual_names(column: str) -> None:
    function = Reward([(Same(), 1)]).for_trl()
    assert function(prompts=["?"], completions=["4"], level=["1"], **{column: ["4"]}) == [1.0]


def test_the_short_answer_is_preferred_and_a_name_overrules() -> None:
    columns = {"solution": ["5"], "answer": ["4"], "mine": ["6"]}
    assert Reward([(Same(), 1)]).for_trl()(prompts=["?"], completions=["4"], **columns) == [1.0]
    assert Reward([(Same(), 1)]).for_trl("solution")(prompts=["?"], completions=["5"], **columns) == [1.0]
    assert Reward([(Same(), 1)]).for_trl("mine")(prompts=["?"], completions=["6"], **columns) == [1.0]


def test_a_missing_reference_column_is_an_error_that_names_what_is_there() -> None:
    arguments: dict[str, Any] = {"prompts": ["?"], "completions": ["4"], "level": ["1"], **trl_extras()}
    with pytest.raises(ValueError, match=r"'answer' or .* are 'level'\. Name it: reward\.for_trl\(reference="):
        Reward([(Same(), 1)]).for_trl()(**arguments)
    with pytest.raises(ValueError, match=r"no reference column 'gold_answer' .* 'level'"):
        Reward([(Same(), 1)]).for_trl("gold_answer")(**arguments)
    with pytest.raises(ValueError, match="are none"):
        Reward([(Same(), 1)]).for_trl()(prompts=["?"], completions=["4"])


def test_form_alone_needs_no_reference() -> None:
    function = Reward([(ThinkFormat(), 1)]).for_trl()
    assert function(prompts=["?", "?"], completions=["<think>a</think>b", "b"]) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("cell", "references"),
    [
        ("4", ("4",)),
        (4, ("4",)),
        (4.5, ("4.5",)),
        (["4", "four"], ("4", "four")),
        (("4", 5), ("4", "5")),
        (None, ()),
        (math.nan, ()),
        ({"a": 1}, ()),
        ([], ()),
        ([None, "4"], ("4",)),
        ("She sells 9 * 2 = <<9*2=18>>18.\n#### 18", ("18",)),
        ("Well.\n#### 1,200\n", ("1,200",)),
        (r"We add: $2+2 = \boxed{4}$, as claimed.", ("4",)),
        (r"First \boxed{3}. No, wait: \boxed{4}.", ("4",)),
        (r"\boxed{\frac{1}{2}}", (r"\frac{1}{2}",)),
        (r"\boxed{", (r"\boxed{",)),
    ],
)
def test_a_cell_of_the_reference_column_becomes_the_answers_it_holds(cell: Any, references: tuple[str, ...]) -> None:
    same = Same()
    Reward([(same, 1)]).for_trl()(prompts=["?"], completions=["4"], answer=[cell])
    assert same.asked[0][1].references == references
    Reward([(same, 1)]).for_verl()("data", "4", cell)
    assert same.asked[1][1].references == references


def test_arrays_from_parquet_files_are_read() -> None:
    numpy = pytest.importorskip("numpy")
    same = Same()
    function = Reward([(same, 1)]).for_verl()
    prompt = numpy.array([{"role": "user", "content": "2+2?"}], dtype=object)
    for truth in (numpy.array(["4", "four"], dtype=object), numpy.int64(4), numpy.str_("4")):
        assert function("data", "4", truth, {"prompt": prompt})["score"] == 1.0
        assert same.asked[-1][1].prompt == "2+2?"


def test_details_go_to_the_completions_table_and_means_to_the_metrics() -> None:
    extra: dict[str, list[Any]] = {}
    metrics: dict[str, float] = {}
    function = Reward([(Same(), 1), (ThinkFormat(), 1)], name="r").for_trl()
    function(
        prompts=["?"] * 3,
        completions=["<think>a</think>4", "5", "4"],
        answer=["4", "4", None],
        log_extra=extra.__setitem__,
        log_metric=metrics.__setitem__,
    )
    assert extra["r_status"] == ["correct", "incorrect", "bad_reference"]
    assert [len(column) for column in extra.values()] == [3, 3]
    assert "think_format: no <think>" in extra["r_detail"][1]
    assert metrics == {"r/same": 0.5, "r/think_format": pytest.approx(1 / 3), "r/no_verdict": pytest.approx(1 / 3)}


def test_a_metric_without_any_value_is_left_out() -> None:
    metrics: dict[str, float] = {}
    function = Reward([(Fails(), 1)]).for_trl()
    assert function(prompts=["?"], completions=["4"], answer=["4"], log_metric=metrics.__setitem__) == [None]
    assert metrics == {"reward/no_verdict": 1.0}
    assert function(prompts=[], completions=[], answer=[], log_metric=metrics.__setitem__) == []


def test_the_asynchronous_one_is_recognised_and_says_the_same() -> None:
    function = Reward([(Same(), 1)]).for_trl(asynchronous=True)
    assert inspect.iscoroutinefunction(function.__call__)  # this is how TRL tells them apart
    assert not inspect.iscoroutinefunction(Reward([(Same(), 1)]).for_trl().__call__)
    call = function(prompts=["?"] * 2, completions=said("4", "5"), answer=["4", "4"], **trl_extras())
    assert asyncio.run(call) == [1.0, 0.0]


def test_names_and_workers() -> None:
    assert Reward([(Same(), 1)], name="mine").for_trl().__name__ == "mine"
    assert Reward([(Same(), 1)], name="mine").for_verl().__name__ == "mine"
    with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
        Reward([(Same(), 1)]).for_trl(workers=0)


def test_lengths_that_differ_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        Reward([(Same(), 1)]).for_trl()(prompts=["?"], completions=["4", "5"], answer=["4", "5"])


# ---- verl


def test_verl_gets_a_number_and_the_same_keys_whatever_happens() -> None:
    function = Reward([(Same(), 3), (ThinkFormat(), 1)]).for_verl(none_as=0.25)
    right = function("gsm8k", "<think>a</think>4", "4", {"question": "2+2?", "index": 7})
    wrong = function(data_source="gsm8k", solution_str="5", ground_truth="4", extra_info=None, router_address="x")
    none = function("gsm8k", "<think>a</think>4", None, {})
    assert list(right) == list(wrong) == list(none)
    assert right == {
        "score": 1.0, "acc": 1.0, "verdict": 1.0, "status": "correct", "detail": right["detail"],
        "pred": "<think>a</think>4", "same_reward": 1.0, "think_format_reward": 1.0,
    }  # fmt: skip
    assert (wrong["score"], wrong["acc"], wrong["verdict"], wrong["status"]) == (0.0, 0.0, 1.0, "incorrect")
    assert (none["score"], none["verdict"], none["status"], none["same_reward"]) == (0.25, 0.0, "bad_reference", 0.25)
    for result in (right, wrong, none):
        assert all(type(value) in (float, str) for value in result.values())


def test_acc_is_the_leading_verifier_without_the_form() -> None:
    result = Reward([(ThinkFormat(), 1), (Same(), 3)]).for_verl()("d", "<think>a</think>5", "4")
    assert (result["score"], result["acc"]) == (0.25, 0.0)


def test_verl_is_told_the_prompt_where_its_data_holds_it() -> None:
    same = Same()
    function = Reward([(same, 1)]).for_verl()
    for info in ({"question": "q"}, {"problem": "q"}, {"prompt": [{"role": "user", "content": "q"}]}):
        function("d", "4", "4", info)
        assert same.asked[-1][1].prompt == "q"
    function("d", "4", "4", {"split": "train"})
    assert same.asked[-1][1].prompt == ""


def test_texts_for_verl_are_short_and_can_be_written() -> None:
    result = Reward([(Same(), 1)]).for_verl()("d", "\ud800" * 100_000, "4")
    for key in ("pred", "detail"):
        assert isinstance(result[key], str)
        assert len(str(result[key]).encode("utf-8")) <= 200


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_none_needs_a_finite_number(value: float) -> None:
    with pytest.raises(ValueError, match="finite number"):
        Reward([(Same(), 1)]).for_verl(none_as=value)


# ---- both


def all_adapters() -> list[Any]:
    reward = Reward([(MathVerifier(), 1), (ThinkFormat(), 0.5)], gate="math", name="mine")
    return [reward, reward.for_trl(), reward.for_trl(asynchronous=True), reward.for_verl(none_as=0.5)]


def judged_by(adapter: Any, response: str, reference: str) -> Any:
    if isinstance(adapter, Reward):
        return adapter.score(response, reference).reward
    if hasattr(adapter, "none_as"):
        return adapter("data", response, reference)["score"]
    result = adapter(prompts=["?"], completions=[response], answer=[reference])
    return (asyncio.run(result) if inspect.iscoroutine(result) else result)[0]


@pytest.mark.parametrize("module", ["pickle", "cloudpickle"])
@pytest.mark.parametrize("used", [False, True])
def test_everything_a_trainer_gets_survives_the_way_to_its_workers(module: str, used: bool) -> None:
    pickler = pytest.importorskip(module)
    for adapter in all_adapters():
        if used:
            # \int needs the slow lane: a verifier with running processes must be sent as well as a fresh one.
            judged_by(adapter, r"<think>a</think>\boxed{\int_0^1 2x dx}", "1")
        again = pickle.loads(pickler.dumps(adapter))
        assert judged_by(again, r"<think>a</think>\boxed{4}", "4") == 1.0
        assert judged_by(again, r"\boxed{4}", "4") == pytest.approx(2 / 3)
        assert judged_by(again, r"<think>a</think>\boxed{5}", "4") == 0.0
        for each in (adapter, again):
            getattr(each, "reward", each).close()


def test_a_verifier_with_a_bug_is_a_skipped_sample_for_trl_and_marked_for_verl() -> None:
    reward = Reward([(Same(), 1), (Fails(), 1)])
    assert reward.for_trl()(prompts=["?"], completions=["4"], answer=["4"]) == [None]
    result = reward.for_verl()("d", "4", "4")
    assert (result["score"], result["verdict"], result["status"]) == (0.0, 0.0, "infra_error")


def test_the_prompt_reaches_the_guard_against_echoes() -> None:
    function = Reward([(MathVerifier(), 1)]).for_trl()
    prompt = [{"role": "user", "content": "What is $12+34$?"}]
    echo, answer = r"\boxed{12+34}", r"\boxed{46}"
    assert function(prompts=[prompt] * 2, completions=said(echo, answer), answer=["46"] * 2) == [0.0, 1.0]
    result = Reward([(MathVerifier(), 1)]).for_verl()("d", echo, "46", {"question": "What is $12+34$?"})
    assert result["score"] == 0.0
