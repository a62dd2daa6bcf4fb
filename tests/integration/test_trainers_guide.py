"""The guide docs/trainers.md does what it says: its code is run, trainers aside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "trainers.md"


def guide_code(heading: str) -> str:
    """Return the first Python block below a heading of the guide."""
    section = re.split(r"^#+ ", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    body = next(part for part in section if part.startswith(heading))
    found = re.search(r"```python\n(.*?)```", body, re.DOTALL)
    assert found, heading
    return found.group(1)


def ran(heading: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(guide_code(heading), f"{GUIDE.name}: {heading}", "exec"), names)
    return names


@pytest.mark.parametrize(
    "heading",
    ["Use assay", "TRL", "verl", "OpenRLHF", "prime-rl", "Your own loop", "A verifier of your own"],
)
def test_every_block_is_python(heading: str) -> None:
    compile(guide_code(heading), heading, "exec")


def test_the_first_example() -> None:
    score = ran("Use assay")["score"]
    assert score.reward == 1.0
    assert score.parts["math"].detail


def test_the_file_for_verl() -> None:
    compute_score = ran("verl")["compute_score"]
    result = compute_score("d", r"<think>a</think>\boxed{46}", "46", {"question": "What is 12+34?"})
    assert (result["score"], result["acc"], result["verdict"]) == (1.0, 1.0, 1.0)


def test_the_file_for_openrlhf() -> None:
    reward_func = ran("OpenRLHF")["reward_func"]
    prompt = "<|im_start|>user\nWhat is $12+34$?<|im_end|>\n<|im_start|>assistant\n"
    rewards = [
        reward_func([prompt + response + "<|im_end|>"], [prompt], ["46"])
        for response in (r"<think>a</think>\boxed{46}", r"<think>a</think>\boxed{12+34}", r"\boxed{46}")
    ]
    assert [result["rewards"] for result in rewards] == pytest.approx([1.0, 1 / 6, 5 / 6])
    assert [result["scores"] for result in rewards] == [1.0, 0.0, 1.0]
    # OpenRLHF makes a tensor of every logged value
    assert all(isinstance(value, float) for result in rewards for value in result["extra_logs"].values())


def test_the_plain_loop() -> None:
    names = ran("Your own loop")
    assert [score.reward for score in names["scores"]] == [1.0, 0.0, 1.0, 0.0]
    assert names["advantages"] == [0.5, -0.5, 0.5, -0.5]


def test_the_verifier_of_ones_own() -> None:
    reward = ran("A verifier of your own")["reward"]
    assert reward.for_trl()(prompts=["?"] * 2, completions=["short", "long" * 200]) == [1.0, 0.0]
