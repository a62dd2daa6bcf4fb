"""Rewards inside verl itself: loaded from the user's file as verl loads it, called by its reward managers.

Skipped where verl is not installed. Checked with verl 0.9.1 (`pip install verl` wants ray and tensordict as well).
"""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("verl") is None, reason="verl is not installed"),
    pytest.mark.filterwarnings("ignore"),  # theirs
]

# The file from docs/trainers.md.
USER_FILE = """\
from assay import MathVerifier, Reward, ThinkFormat

compute_score = Reward([(MathVerifier(), 0.75), (ThinkFormat(), 0.25)]).for_verl()
"""

RESPONSES = {
    "<think>add</think>\\boxed{46}": 1.0,
    "\\boxed{12+34}": 0.0,  # echoes the prompt
    "<think>\\boxed{46}</think> somewhere": 0.25,
    "\ufffd\x00": 0.0,
}


@pytest.fixture
def config(tmp_path: Path) -> Any:
    from omegaconf import OmegaConf

    file = tmp_path / "my_reward.py"
    file.write_text(USER_FILE, encoding="utf-8")
    return OmegaConf.create(
        {
            "reward": {
                "num_workers": 1,
                "custom_reward_function": {"path": str(file), "name": "compute_score", "reward_kwargs": {}},
                "reward_manager": {"source": "register", "name": "naive"},
                "reward_kwargs": {},
            }
        }
    )


class Bytes:
    """The least tokenizer that a reward manager needs: one token for each character."""

    def decode(self, ids: Any, skip_special_tokens: bool = True) -> str:
        return "".join(chr(int(i)) for i in ids)


def batch(responses: list[str], truth: Any = "46") -> Any:
    import numpy
    import torch
    from verl import DataProto

    prompt = [ord(letter) for letter in "What is 12+34?"]
    longest = max(map(len, responses))
    ids = torch.zeros(len(responses), longest, dtype=torch.long)
    mask = torch.zeros(len(responses), len(prompt) + longest, dtype=torch.long)
    mask[:, : len(prompt)] = 1
    for row, text in enumerate(responses):
        ids[row, : len(text)] = torch.tensor([ord(letter) for letter in text])
        mask[row, len(prompt) : len(prompt) + len(text)] = 1

    def column(value: Any) -> Any:
        cells = numpy.empty(len(responses), dtype=object)
        cells[:] = [dict(value) if isinstance(value, dict) else value for _ in responses]
        return cells

    return DataProto.from_dict(
        tensors={"prompts": torch.tensor([prompt] * len(responses)), "responses": ids, "attention_mask": mask},
        non_tensors={
            "data_source": column("sums"),
            "reward_model": column({"style": "rule", "ground_truth": truth}),
            "extra_info": column({"split": "train", "index": 0, "question": "What is $12+34$?"}),
        },
    )


@pytest.mark.parametrize("manager", ["naive", "dapo"])
def test_the_reward_managers_call_the_function_of_the_users_file(config: Any, manager: str) -> None:
    from verl.trainer.ppo.reward import load_reward_manager

    config.reward.reward_manager.name = manager

    async def run() -> list[dict[str, Any]]:
        loaded = load_reward_manager(config, Bytes())
        data = batch(list(RESPONSES))
        return await asyncio.gather(*(loaded.run_single(data[i : i + 1]) for i in range(len(data))))

    results = asyncio.run(run())
    assert [result["reward_score"] for result in results] == list(RESPONSES.values())
    assert [result["reward_extra_info"]["acc"] for result in results] == [1.0, 0.0, 0.0, 0.0]
    assert len({tuple(result["reward_extra_info"]) for result in results}) == 1  # verl wants the same keys


def test_no_verdict_is_a_number_that_can_be_seen(config: Any) -> None:
    from verl.trainer.ppo.reward import load_reward_manager

    async def run() -> dict[str, Any]:
        loaded = load_reward_manager(config, Bytes())
        return await loaded.run_single(batch(["\\boxed{46}"], truth=None))  # type: ignore[no-any-return]

    result = asyncio.run(run())
    assert result["reward_score"] == 0.0
    assert (result["reward_extra_info"]["verdict"], result["reward_extra_info"]["status"]) == (0.0, "bad_reference")


def test_the_older_manager_fills_its_tensor_and_the_metrics_can_be_computed(config: Any) -> None:
    from verl.trainer.ppo.metric_utils import process_validation_metrics
    from verl.trainer.ppo.reward import get_custom_reward_fn
    from verl.workers.reward_manager.naive import NaiveRewardManager

    manager = NaiveRewardManager(Bytes(), num_examine=0, compute_score=get_custom_reward_fn(config))
    out = manager(batch(list(RESPONSES)), return_dict=True)
    assert out["reward_tensor"].sum(dim=1).tolist() == list(RESPONSES.values())
    infos = dict(out["reward_extra_info"])
    metrics = process_validation_metrics(["sums"] * 4, ["one prompt"] * 4, infos)["sums"]
    assert metrics["acc"]["mean@4"] == 0.25
    assert metrics["verdict"]["mean@4"] == 1.0
    assert "status" not in metrics
    assert metrics["math_reward"]["best@4/mean"] > 0


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_the_function_reaches_ray_workers(config: Any) -> None:
    import ray
    from verl.trainer.ppo.reward import load_reward_manager

    config.reward.reward_manager.name = "remote"
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:

        async def run() -> list[float]:
            loaded = load_reward_manager(config, Bytes())
            data = batch(list(RESPONSES))
            return [(await loaded.run_single(data[i : i + 1]))["reward_score"] for i in range(len(data))]

        assert asyncio.run(run()) == list(RESPONSES.values())
    finally:
        ray.shutdown()
