"""One contender of grpo_step.py in a process of its own: makes a GRPO step each time it reads a line.

    python _grpo_contender.py assay|trl JSON-of-settings

Prints for each line read: {"step": CPU s, "generation": CPU s, "peak": bytes of VmHWM, "tokens": completion tokens}.
Both take the same model, prompts, batch, adapter, loss and forced lengths, on one thread.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
warnings.simplefilter("ignore")

PROMPTS, GROUP, LENGTH, BETA = 2, 8, 64, 0.04
STEPS = 100  # more than are ever asked for


def main() -> None:
    contender, settings = sys.argv[1], json.loads(sys.argv[2])
    sys.stdout, answers = sys.stderr, sys.stdout  # libraries print

    def answer(step: float, generation: float, tokens: float) -> None:
        print(
            json.dumps({"step": step, "generation": generation, "peak": peak(), "tokens": tokens}),
            file=answers,
            flush=True,
        )

    {"assay": assay, "trl": trl}[contender](settings, answer)


def peak() -> int:
    """Return the largest resident set that this process ever had, in bytes."""
    words = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()
    return int(words[0]) * 1024


def wait() -> None:
    """Read a line; end at the end of input."""
    if not sys.stdin.readline():
        os._exit(0)


def assay(settings: dict[str, Any], answer: Any) -> None:
    """Make steps with assay's own loop: collect, then learn."""
    import torch

    torch.set_num_threads(1)
    from assay.grpo.experience import Collector
    from assay.grpo.guards import Guards
    from assay.grpo.learning import Learner, passes_of
    from assay.grpo.policy import open_policy
    from assay.grpo.recipe import load_recipe
    from assay.grpo.train import open_rollouts

    model = settings.pop("model")
    recipe = load_recipe(
        "sums",
        [
            f"model_name_or_path={model}",
            "prompt.chat=true",  # as TRL's trainer makes of messages
            f"num_generations={GROUP}",
            f"max_completion_length={LENGTH}",
            f"per_device_train_batch_size={PROMPTS * GROUP}",
            "gradient_accumulation_steps=1",
            f"beta={BETA}",
            "dynamic_sampling=off",
            "lora_r=16",
            "lora_alpha=32",
            "loss_type=dapo",
            *(f"{name}={value}" for name, value in settings.items()),
        ],
    )
    policy = open_policy(recipe.settings)
    guards = Guards(recipe.settings)
    learner = Learner(policy, recipe.settings, guards)
    rollouts = open_rollouts(policy, recipe.settings)
    problems = [(problem, recipe.encode(problem, policy.tokenizer)) for problem in recipe.problems()]
    collector = Collector(problems, policy, rollouts, Spread(), recipe.settings, guards)
    collector.sampling = type(collector.sampling)(LENGTH, min_tokens=LENGTH)
    spent = [0.0]
    timed(rollouts, "generate", spent)
    timed(rollouts, "refresh", spent)  # merging the adapter is part of what generation costs
    at = 0
    for step in range(1, STEPS):
        wait()
        start, spent[0] = time.process_time(), 0.0
        collected = collector.collect(step, at)
        at = collected.drawn
        learner.update(step, passes_of(collected.experiences, PROMPTS * GROUP), collected.tokens)
        answer(time.process_time() - start, spent[0], collected.tokens)


def trl(settings: dict[str, Any], answer: Any) -> None:
    """Make steps with TRL's trainer; its clock runs from the beginning of a step to its end."""
    import tempfile

    import torch

    torch.set_num_threads(1)
    from assay.grpo.recipe import load_recipe
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from datasets import Dataset

    model, dtype = settings.pop("model"), settings.pop("dtype")
    recipe = load_recipe("sums", [f"model_name_or_path={model}", "prompt.chat=true"])
    rows = [{"prompt": recipe.messages(problem)} for problem in recipe.problems()]
    spent = [0.0]

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            wait()
            self.start, spent[0] = time.process_time(), 0.0

        def on_step_end(self, *_: Any, **__: Any) -> None:
            answer(time.process_time() - self.start, spent[0], PROMPTS * GROUP * LENGTH)

    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype)),
        processing_class=AutoTokenizer.from_pretrained(model),
        reward_funcs=spread,
        args=GRPOConfig(
            output_dir=tempfile.mkdtemp(),
            max_steps=STEPS,
            num_generations=GROUP,
            generation_batch_size=PROMPTS * GROUP,
            max_completion_length=LENGTH,
            generation_kwargs={"min_new_tokens": LENGTH},
            top_k=0,
            beta=BETA,
            loss_type="dapo",
            learning_rate=5e-4,
            save_strategy="no",
            report_to=[],
            logging_steps=1000,
            disable_tqdm=True,
            use_cpu=True,
            **settings,
        ),
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[Clock()],
    )
    timed(trainer, "_generate", spent)
    trainer.train()


def timed(thing: Any, name: str, spent: list[float]) -> None:
    """Add the CPU seconds of each call of a method to spent[0]."""
    real = getattr(thing, name)

    def call(*arguments: Any, **more: Any) -> Any:
        start = time.process_time()
        try:
            return real(*arguments, **more)
        finally:
            spent[0] += time.process_time() - start

    setattr(thing, name, call)


def spread(completions: list[Any], **_: Any) -> list[float]:
    """Return rewards that differ within each group, so that everything is learnt from."""
    return [place % GROUP / GROUP for place in range(len(completions))]


class Spread:
    """The same as a Reward of assay's."""

    verifiers = ()

    def score_many(self, pairs: Any, **_: Any) -> Any:
        """Yield a score for each pair."""
        from assay import Score, Status

        for place, _pair in enumerate(pairs):
            yield Score(place % GROUP / GROUP, Status.CORRECT)


if __name__ == "__main__":
    main()
