"""GRPO with TRL on GSM8K, rewarded by assay.

    pip install assay-rewards trl
    python examples/trl_grpo.py --model Qwen/Qwen2.5-0.5B-Instruct --steps 200

The answer earns 1.0, thinking between <think> tags 0.2 on top, but only with a right answer (the gate): a model that
learns the form first has learnt nothing yet.
"""

from __future__ import annotations

import argparse
from typing import Any

from assay import MathVerifier, Reward, ThinkFormat

INSTRUCTION = "Think between <think> and </think>. Then give the final answer inside \\boxed{}."


def make_reward() -> Reward:
    """Return the reward: GSM8K's answers are plain numbers, so a sum left undone is no answer."""
    return Reward([(MathVerifier(form="evaluated"), 1.0), (ThinkFormat(), 0.2)], gate="math", name="gsm8k")


def as_prompt(row: dict[str, Any]) -> dict[str, Any]:
    """Add the prompt; the column `answer` (a worked solution that ends with `#### 18`) is read as it is."""
    return {
        "prompt": [
            {"role": "system", "content": INSTRUCTION},
            {"role": "user", "content": row["question"]},
        ]
    }


def main() -> None:
    """Read the settings and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="Qwen/Qwen2.5-0.5B-Instruct", help="a Hugging Face id or a folder")
    parser.add_argument(
        "--data", default="openai/gsm8k", help="a Hugging Face id, or a .jsonl file with the same columns"
    )
    parser.add_argument("--output", default="gsm8k-grpo")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--generations", type=int, default=8, help="responses to each prompt")
    parser.add_argument("--tokens", type=int, default=512, help="the longest response")
    parser.add_argument("--cpu", action="store_true")
    chosen = parser.parse_args()

    from trl import GRPOConfig, GRPOTrainer

    from datasets import load_dataset

    if chosen.data.endswith(".jsonl"):
        rows = load_dataset("json", data_files=chosen.data, split="train")
    else:
        rows = load_dataset(chosen.data, "main", split="train")

    with make_reward() as reward:
        trainer = GRPOTrainer(
            model=chosen.model,
            reward_funcs=reward.for_trl(),
            args=GRPOConfig(
                output_dir=chosen.output,
                max_steps=chosen.steps,
                num_generations=chosen.generations,
                per_device_train_batch_size=chosen.generations,
                max_completion_length=chosen.tokens,
                logging_steps=1,
                log_completions=True,
                report_to=[],
                use_cpu=chosen.cpu,
                bf16=not chosen.cpu,
            ),
            train_dataset=rows.map(as_prompt),
        )
        trainer.train()
        trainer.save_model(chosen.output)


if __name__ == "__main__":
    main()
