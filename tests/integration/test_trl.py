"""Rewards inside TRL itself: GRPOTrainer calls them, on a tiny random model that is made here and not downloaded.

Skipped where trl is not installed. Checked with TRL 1.16.
"""

from __future__ import annotations

import importlib.util
import json
import math
import runpy
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay import MathVerifier, Reward, ThinkFormat

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="trl is not installed"),
    pytest.mark.filterwarnings("ignore"),  # theirs
]

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

ROWS = [
    {"question": "What is $12+34$?", "answer": "46", "level": 1},
    {"question": "What is half of one?", "answer": "Half of 1 is 0.5.\n#### 1/2", "level": 2},
    {"question": "Name a number.", "answer": None, "level": 3},
]


def byte_tokenizer() -> Any:
    """A tokenizer that knows every byte and nothing else: any text goes in and comes out again."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytes_only = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_only,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        additional_special_tokens=["<|im_start|>"],
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


@pytest.fixture
def make_trainer(tmp_path: Path) -> Callable[..., Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from transformers import Qwen2Config, Qwen2ForCausalLM
        from trl import GRPOConfig, GRPOTrainer

        from datasets import Dataset

    def make(reward_funcs: Any, conversational: bool = False, **settings: Any) -> Any:
        tokenizer = byte_tokenizer()
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
                num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=512, tie_word_embeddings=True,
                eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
            )
        )  # fmt: skip
        rows = [
            {
                "prompt": [{"role": "user", "content": row["question"]}] if conversational else row["question"],
                **{key: value for key, value in row.items() if key != "question"},
            }
            for row in ROWS
        ]
        config = GRPOConfig(
            output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to=[], logging_steps=1, save_strategy="no",
            per_device_train_batch_size=6, num_generations=2, max_completion_length=8, disable_tqdm=True, **settings,
        )  # fmt: skip
        return GRPOTrainer(
            model=model,
            reward_funcs=reward_funcs,
            args=config,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
        )

    return make


def mine() -> Reward:
    return Reward([(MathVerifier(), 0.75), (ThinkFormat(), 0.25)], name="mine")


TEXTS = [
    "<think>add</think>\\boxed{46}",  # all right
    "\\boxed{12+34}",  # echoes the prompt, no thinking
    "\\boxed{0.5}",  # right without thinking
    "<think>\\boxed{0.5}</think> somewhere",  # well formed, the box in the thinking
    "<think>x</think>\\boxed{3}",  # there is no reference
    "\ufffd\x00",
]
REWARDS = [1.0, 0.0, 0.75, 0.25, None, None]


@pytest.mark.parametrize("conversational", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_trainer_gets_our_rewards(make_trainer: Any, conversational: bool, asynchronous: bool) -> None:
    trainer = make_trainer(mine().for_trl(asynchronous=asynchronous), conversational)
    inputs = [row for row in trainer.train_dataset for _ in range(2)]
    prompts = [row["prompt"] for row in inputs]
    completions = [[{"role": "assistant", "content": text}] for text in TEXTS] if conversational else TEXTS
    if trainer._has_async_funcs:
        assert asynchronous
    rewards = trainer._calculate_rewards(inputs, prompts, completions, [[1]] * len(TEXTS))
    got = [None if math.isnan(value) else value for value in rewards[:, 0].tolist()]
    assert got == pytest.approx(REWARDS)
    assert list(trainer._pending_extra_logs) == ["mine_status", "mine_detail"]
    assert trainer._pending_metrics["mine/no_verdict"] == [pytest.approx(1 / 3)]


def test_beside_other_reward_functions_both_kinds_at_once(make_trainer: Any) -> None:
    def length(completions: list[str], **others: Any) -> list[float]:
        return [float(len(text)) for text in completions]

    ours = [mine().for_trl(), Reward([(MathVerifier(), 1)], name="math_only").for_trl(asynchronous=True)]
    trainer = make_trainer([length, *ours])
    assert trainer.reward_func_names == ["length", "mine", "math_only"]
    inputs = [row for row in trainer.train_dataset for _ in range(2)]
    rewards = trainer._calculate_rewards(inputs, [row["prompt"] for row in inputs], TEXTS, [[1]] * len(TEXTS))
    assert rewards[:2].tolist() == [[28.0, 1.0, 1.0], [13.0, 0.0, 0.0]]


def test_a_missing_column_stops_the_run_at_its_first_step(make_trainer: Any) -> None:
    trainer = make_trainer(mine().for_trl("ground_truth"), max_steps=1)
    with pytest.raises(ValueError, match=r"no reference column 'ground_truth' .* 'answer', 'level'"):
        trainer.train()


@pytest.mark.parametrize("conversational", [False, True])
def test_a_training_run_from_end_to_end(make_trainer: Any, conversational: bool) -> None:
    reward = mine()
    trainer = make_trainer(
        [reward.for_trl(), reward.for_trl(asynchronous=True)], conversational, max_steps=2, log_completions=False
    )
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "reward" in entry]
    assert len(logs) == 2
    for entry in logs:
        assert entry["rewards/mine/mean"] == 0.0  # random bytes are no answer
        assert entry["mine/math"] == 0.0
        assert entry["mine/no_verdict"] == pytest.approx(1 / 3)  # the row without a reference, skipped
        assert not math.isnan(entry["reward"])


def test_the_example_trains(make_trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tiny"
    trainer = make_trainer(mine().for_trl())
    trainer.save_model(folder)
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(json.dumps({"question": f"1+{i}?", "answer": f"We add.\n#### {1 + i}"}) + "\n" for i in range(4)),
        encoding="utf-8",
    )
    example = Path(__file__).resolve().parents[2] / "examples" / "trl_grpo.py"
    settings = {"model": folder, "data": rows, "output": tmp_path / "out", "steps": 1, "generations": 2, "tokens": 4}
    monkeypatch.setattr(sys, "argv", [str(example), "--cpu", *(f"--{k}={v}" for k, v in settings.items())])
    runpy.run_path(str(example), run_name="__main__")
    assert (tmp_path / "out" / "model.safetensors").is_file()


@pytest.mark.parametrize("prefilled", [False, True])
def test_thinking_that_trl_parses_off_a_message_is_judged_as_written(prefilled: bool) -> None:
    from trl import chat_template_utils

    tokenizer = byte_tokenizer()
    template = getattr(chat_template_utils, "qwen3_template", None)
    if template is None or not hasattr(tokenizer, "parse_response"):
        pytest.skip("this TRL does not parse responses with a template")
    tokenizer.response_template = template
    prompt = "<|im_start|>user\n?<|im_end|>\n<|im_start|>assistant\n" + ("<think>\n" if prefilled else "")
    opened = "" if prefilled else "<think>\n"
    written = [
        opened + "add\n</think>\n\n\\boxed{46}",
        opened + "\\boxed{46}\n</think>\n\nsomewhere",
        opened + "\\boxed{46} and no end",
    ]
    parsed = [
        chat_template_utils.parse_response(
            tokenizer, tokenizer(text + "<|im_end|>")["input_ids"], prefix=tokenizer(prompt)["input_ids"]
        )
        for text in written
    ]
    assert parsed[0]["reasoning_content"].strip() == "add"
    assert "think>" not in parsed[0]["content"]
    reward = Reward([(MathVerifier(prefilled=prefilled), 0.75), (ThinkFormat(prefilled=prefilled), 0.25)])
    rewards = reward.for_trl()(
        prompts=[[{"role": "user", "content": "?"}]] * 3,
        completions=[[message] for message in parsed],
        answer=["46"] * 3,
    )
    assert rewards == pytest.approx([1.0, 0.25, 0.0])
