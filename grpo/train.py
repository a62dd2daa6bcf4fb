"""The loop of GRPO, top to bottom.

    sample a group of completions for each of some problems      experience.py, native_rollouts.py or vllm_rollouts.py
    score them by rule, compare each with its group              assay.verifiers, advantages.py
    learn from them, once or a few times                         learning.py, losses.py, logprobs.py
    write down what happened, evaluate, checkpoint               metrics.py, evaluate.py, checkpoint.py

docs/grpo.md walks through it with the formulas. Everything that is drawn depends on the seed and on the number of the update
alone, so a run that was killed goes on from its checkpoint to the same weights, bit for bit on a CPU.
"""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from ..verifiers.reward import Reward
from .checkpoint import Position, latest_checkpoint, load_newest, save_checkpoint
from .distributed import join, process_index
from .evaluate import Evaluation, Evaluator
from .experience import Collector
from .guards import Guards, fitting
from .learning import Learner, Part, passes_of
from .metrics import RunLog
from .policy import Policy, open_policy
from .recipe import Recipe
from .rollouts import Rollouts
from .settings import Settings

__all__ = ["Result", "train"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to. folder holds everything; model is the folder of the adapter, or of the whole model."""

    folder: Path
    model: Path
    steps: int
    before: Evaluation | None
    after: Evaluation | None


def train(recipe: Recipe, *, resume: bool = False) -> Result:
    """Train as the recipe says.

    resume  go on from the newest checkpoint in output_dir, if there is one

    Raises TrainingStopped, with the run left as its last checkpoint has it, ValueError for settings that do not go
    together, a checkpoint of another run, what accelerate was asked for (LaunchError), or a reward or checkpoints that
    cannot be opened (RecipeError), FileExistsError for a folder with a run that is not to be resumed, ModelError for a
    model that cannot be loaded. Does not keep other processes out of output_dir; run_folder.prepared does.
    """
    settings = recipe.settings
    settings.prompts_per_generation()  # raises for numbers that make no whole groups
    folder = Path(settings.output_dir)
    if latest_checkpoint(folder) is not None and not resume:
        raise FileExistsError(f"{folder} holds a run; go on with it (resume=True) or train into another output_dir")
    device = join()
    with recipe.open_reward() as reward:  # first: what is wrong with it is told at once, and no file written
        return _train(recipe, reward, device)


def _train(recipe: Recipe, reward: Reward, device: torch.device | None) -> Result:
    settings = recipe.settings
    folder = Path(settings.output_dir)
    torch.manual_seed(settings.seed)
    policy = _open_policy(settings, device)
    guards = Guards(settings)
    learner = Learner(policy, settings, guards)
    notices: list[str] = []
    position = load_newest(folder, policy, learner.optimizer, recipe.as_dict(), notices.append)
    with (
        RunLog(folder, settings, step=position.step, main=process_index() == 0, recipe=recipe.as_dict()) as log,
        closing(open_rollouts(policy, settings)) as rollouts,
    ):
        guards.tell = log.say
        for notice in notices:
            log.say(notice)
        context = getattr(policy.model.config, "max_position_embeddings", None)
        problems = fitting(
            recipe.problems(), lambda problem: recipe.encode(problem, policy.tokenizer), settings, log.say, context
        )
        collector = Collector(problems, policy, rollouts, reward, settings, guards)
        evaluator = Evaluator(recipe, reward, rollouts, policy.tokenizer, policy.end_tokens, log)
        before = after = evaluator.at(position.step)
        while position.step < settings.max_steps:
            started = time.perf_counter()
            step = position.step + 1
            samples = []
            if not position.buffer:
                collected = collector.collect(step, position.drawn)
                samples = collected.samples
                position.buffer, position.learnt, position.seconds = collected.experiences, 0, 0.0
                position.tokens, position.drawn, position.numbers = collected.tokens, collected.drawn, collected.numbers
                position.seen += int(collected.numbers["sampled_tokens"])
            numbers = learner.update(step, _next_passes(position, settings), position.tokens)
            position.step, position.learnt = step, position.learnt + 1
            seconds = time.perf_counter() - started
            position.seconds += seconds
            numbers |= position.numbers | {"num_tokens": position.seen, "step_time": seconds}
            sampled = numbers.pop("sampled_tokens")
            if position.learnt == _updates_per_sampling(settings):
                position.buffer = []
                numbers["tokens_per_second"] = sampled / position.seconds  # told once, when all is learnt from them
            log.step(step, numbers, samples)
            if _is_due(step, settings):
                save_checkpoint(
                    folder, position, policy, learner.optimizer, settings.save_total_limit, recipe.as_dict()
                )
            guards.drift(step, numbers.get("kl"))
            after = evaluator.at(step) or after
        model = folder / ("adapter" if policy.is_adapter else "model")
        policy.save(model, here=process_index() == 0)
    return Result(folder, model, position.step, before, after)


def _open_policy(settings: Settings, device: torch.device | None) -> Policy:
    if device is not None and "ACCELERATE_USE_FSDP" in os.environ:
        from .sharded import is_wanted, open_sharded

        if is_wanted():
            return open_sharded(settings, device)
    return open_policy(settings, device)


def open_rollouts(policy: Policy, settings: Settings) -> Rollouts:
    """Return the engine that the settings name."""
    if settings.rollouts == "vllm":
        from .vllm_rollouts import VllmRollouts

        shared = settings.vllm_adapter_dir
        return VllmRollouts(
            policy,
            settings.vllm_server_base_url,
            adapter_folder=Path(shared) if shared else None,
            patience=settings.vllm_server_timeout,
        )
    from .native_rollouts import NativeRollouts

    return NativeRollouts(policy, keep=settings.keep_rollout_weights)


def _updates_per_sampling(settings: Settings) -> int:
    return settings.passes_per_generation // settings.gradient_accumulation_steps * settings.num_iterations


def _next_passes(position: Position, settings: Settings) -> list[list[Part]]:
    """Return the passes of the next update; each iteration over what was sampled begins with the first again."""
    passes = passes_of(position.buffer, settings.per_device_train_batch_size)
    count = settings.gradient_accumulation_steps
    first = position.learnt * count % settings.passes_per_generation
    return passes[first : first + count]


def _is_due(step: int, settings: Settings) -> bool:
    return step == settings.max_steps or bool(settings.save_steps and step % settings.save_steps == 0)
