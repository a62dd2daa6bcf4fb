"""Rewards for programs as trainers call them: tests come from the columns, or from verl's ground_truth."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

import pytest
from assay.sandbox import opening
from assay.sandbox.errors import SandboxUnavailable

from assay import AssertTests, CodeVerifier, Judgement, MathVerifier, Reward, Status, StdioTests, ThinkFormat

PROGRAM = "```python\ndef f(x):\n    return x + 1\n```"
WRONG = "```python\ndef f(x):\n    return x\n```"
READER = "```python\nprint(int(input()) + 1)\n```"
CHECK = "def check(candidate):\n    assert candidate(1) == 2"
START = "def f(x):\n    'Add one.'\n"


class Oracle:
    """A sandbox that runs nothing: what has `+ 1` in it is right."""

    backend = "oracle"
    workers = 2

    def __init__(self) -> None:
        self.asked: list[tuple[str, AssertTests | StdioTests]] = []

    def judge(self, solution: str, tests: AssertTests | StdioTests) -> Judgement:
        self.asked.append((solution, tests))
        right = "+ 1" in solution
        return Judgement(Status.CORRECT if right else Status.INCORRECT, 2 * right, 2)

    def close(self) -> None:
        pass


@pytest.fixture
def box() -> Oracle:
    return Oracle()


def trl(box: Oracle, **settings: Any) -> Any:
    return Reward([(CodeVerifier(box), 1)]).for_trl(workers=1, **settings)


EXTRAS: dict[str, Any] = {"completion_ids": None, "trainer_state": object(), "environments": [None]}


@pytest.mark.parametrize(
    ("columns", "tests"),
    [
        ({"test_list": ["assert f(1) == 2"], "test_setup_code": "import math", "task_id": 3},
         AssertTests(["assert f(1) == 2"], "import math")),
        ({"test_list": ["assert f(1) == 2"], "test_imports": ["import math"], "code": "def f(x): return 1"},
         AssertTests(["assert f(1) == 2"], "import math", "f", START)),
        ({"test": CHECK, "entry_point": "f"}, AssertTests(["check(f)"], CHECK, "f", START)),
        ({"tests": ["assert f(1) == 2"]}, AssertTests(["assert f(1) == 2"])),
        ({"tests": AssertTests(["assert f(1)"])}, AssertTests(["assert f(1)"])),
    ],
)  # fmt: skip
def test_tests_come_from_the_usual_columns(box: Oracle, columns: dict[str, Any], tests: AssertTests) -> None:
    many = {name: [value] * 2 for name, value in columns.items()}
    rewards = trl(box)(prompts=[START] * 2, completions=[PROGRAM, WRONG], **many, **EXTRAS)
    assert rewards == [1.0, 0.0]
    assert [asked for _, asked in box.asked] == [tests, tests]


@pytest.mark.parametrize(
    "column",
    [
        {"input_output": '{"inputs": ["1\\n"], "outputs": ["2\\n"]}'},
        {
            "verification_info": {
                "language": "python",
                "test_cases": [{"input": "1\n", "output": "2\n", "type": "stdin_stdout"}],
            }
        },
        {"tests": [{"input": "1\n", "output": "2\n"}]},
        {"answer": '[{"input": "1\\n", "output": "2\\n"}]'},
    ],
)
def test_pairs_of_input_and_output(box: Oracle, column: dict[str, Any]) -> None:
    ((name, value),) = column.items()
    assert trl(box)(["Add."] * 2, [READER, WRONG], **{name: [value] * 2}, **EXTRAS) == [1.0, 0.0]
    assert box.asked[0][1] == StdioTests([("1\n", "2\n")])


def test_a_chat_keeps_the_start_of_the_program_in_a_column(box: Oracle) -> None:
    chat = [[{"role": "user", "content": "Complete the function f."}]]
    said = [[{"role": "assistant", "content": "    return x + 1"}]]
    assert trl(box)(chat, said, test=[CHECK], entry_point=["f"], starter_code=[START], **EXTRAS) == [1.0]
    assert box.asked[0][0] == START + "    return x + 1\n"


def test_the_column_can_be_named(box: Oracle) -> None:
    columns = {"hidden": ["assert f(1) == 2"], "tests": ["x"]}
    assert trl(box, tests="hidden")([""], [PROGRAM], **columns, **EXTRAS) == [1.0]
    with pytest.raises(
        ValueError, match="no column 'gone' in the data set; its columns besides the prompt are 'hidden'"
    ):
        trl(box, tests="gone")([""], [PROGRAM], **columns, **EXTRAS)


def test_a_data_set_without_tests_is_told_at_once(box: Oracle) -> None:
    with pytest.raises(ValueError, match=r"no column with tests.*'answer'.*for_trl\(tests="):
        trl(box)([""], [PROGRAM], answer=["5"], **EXTRAS)


def test_a_bad_row_is_skipped_and_the_run_goes_on(box: Oracle) -> None:
    details: dict[str, list[str]] = {}
    rewards = trl(box)(
        [""] * 3,
        [PROGRAM, PROGRAM, PROGRAM],
        tests=["assert f(", None, "assert f(1)"],
        **EXTRAS,
        log_extra=details.__setitem__,
    )
    assert rewards == [None, None, 1.0]
    assert details["reward_status"] == ["bad_reference", "bad_reference", "correct"]
    assert "not Python" in details["reward_detail"][0]


def test_answers_and_programs_in_one_reward(box: Oracle) -> None:
    reward = Reward([(CodeVerifier(box), 1), (MathVerifier(), 1), (ThinkFormat(), 2)])
    response = f"<think>hm</think>{PROGRAM}\nSo it is \\boxed{{3}}."
    assert reward.for_trl()([""], [response], tests=["assert f(1) == 2"], answer=["3"], **EXTRAS) == [1.0]
    with pytest.raises(ValueError, match="no reference column"):
        reward.for_trl()([""], [response], tests=["assert f(1) == 2"], **EXTRAS)


def test_the_coroutine_does_the_same(box: Oracle) -> None:
    function = trl(box, asynchronous=True)
    assert asyncio.run(function([""] * 2, [PROGRAM, WRONG], tests=["assert f(1) == 2"] * 2, **EXTRAS)) == [1.0, 0.0]


def test_a_missing_sandbox_stops_the_run_at_its_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict of None for every sample would train on nothing, silently."""

    def missing(backend: str, **settings: Any) -> Any:
        raise SandboxUnavailable("no engine: start it")

    monkeypatch.setattr(opening, "open_sandbox", missing)
    reward = Reward([(CodeVerifier("docker"), 1)])
    with pytest.raises(SandboxUnavailable, match="start it"):
        reward.for_trl()([""], [PROGRAM], tests=["assert f(1)"], **EXTRAS)
    with pytest.raises(SandboxUnavailable, match="start it"):
        reward.for_verl()("code", PROGRAM, "assert f(1)")


def test_rewards_go_to_other_processes() -> None:
    reward = Reward([(CodeVerifier("docker"), 1)])
    for function in (reward.for_trl(), reward.for_verl()):
        assert pickle.loads(pickle.dumps(function)).reward.needs_tests


# ---- verl


@pytest.mark.parametrize(
    ("response", "ground_truth", "extra"),
    [
        (READER, json.dumps({"inputs": ["1\n"], "outputs": ["2\n"]}), {}),
        (PROGRAM, json.dumps({"fn_name": "f", "inputs": [[1]], "outputs": [2]}), {"question": "Add."}),
        (PROGRAM, json.dumps(["assert f(1) == 2"]), None),
        (PROGRAM, "assert f(1) == 2", {}),
        (PROGRAM, CHECK, {"entry_point": "f", "prompt": START}),
        ("    return x + 1", CHECK, {"entry_point": "f", "prompt": START}),
        (PROGRAM, {"test_list": ["assert f(1) == 2"]}, {}),
        (PROGRAM, "", {"test_list": ["assert f(1) == 2"]}),
        (PROGRAM, None, {"tests": ["assert f(1) == 2"]}),
    ],
)
def test_verl_has_the_tests_in_its_ground_truth(box: Oracle, response: str, ground_truth: Any, extra: Any) -> None:
    function = Reward([(CodeVerifier(box), 1)]).for_verl()
    result = function("code", response, ground_truth, extra)
    assert (result["score"], result["status"]) == (1.0, "correct"), result
    assert function("code", WRONG, ground_truth, extra)["score"] == 0.0


@pytest.mark.parametrize("ground_truth", [None, "", "assert f(", "{}", 5, float("nan")])
def test_verl_without_tests_has_no_verdict(box: Oracle, ground_truth: Any) -> None:
    result = Reward([(CodeVerifier(box), 1)]).for_verl(none_as=0.25)("code", PROGRAM, ground_truth)
    assert (result["score"], result["verdict"], result["status"]) == (0.25, 0.0, "bad_reference")
