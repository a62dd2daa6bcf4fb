"""How much memory do the set-ups really take? They are run, with random weights, each in a process of its own.

What runs is the loop's own code: the rollout engine, the log-probabilities before training, two weight updates by the
Learner (the optimizer's state is there from the second on). Completions are random tokens, all of full length. Loading is left
out. On a GPU the peak is `max_memory_allocated`. On a CPU it is the peak of the resident set, from which is taken what
the process had after the same code had run on a tiny model: the interpreter, the libraries and what they keep.

A resident set counts what the C library keeps for later, too: by default it takes back pieces up to 32 MB without telling
the kernel. So the processes run with MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ set: what is freed is gone, and
the figure is what the run needs rather than what it once had. Linux only, for VmHWM, which is reset before each phase.
"""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .memory import Plan, Setup, estimate
from .model_shapes import ModelShape, read_config

__all__ = ["MeasureError", "Measured", "measure", "measure_setups"]

MEASURABLE: tuple[Setup, ...] = ("GRPO", "LoRA-GRPO")
UPDATES = 2
HONEST = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_ARENA_MAX": "2"}
TINY = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2}
TINY |= {"num_key_value_heads": 1, "head_dim": 32, "vocab_size": 500}


class MeasureError(RuntimeError):
    """A set-up could not be run; the message says why."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes that a set-up was predicted to take on this machine, and those that it took; by phase, where known."""

    setup: Setup
    dtype: str
    checkpointed: bool
    device: str
    compute: str
    predicted: int
    measured: int
    predicted_phases: dict[str, int]
    phases: dict[str, int]

    @property
    def off(self) -> float:
        """How far the prediction is from the measurement, as a share of it."""
        return self.predicted / self.measured - 1

    @property
    def phase(self) -> str:
        """The phase in which most was measured."""
        return max(self.phases, key=lambda name: self.phases[name])


def measure_setups(model: str, plan: Plan, timeout: float = 1800) -> list[Measured]:
    """Run what exists here of a plan: full fine-tune and LoRA, one device. Raises MeasureError."""
    if not plan.shape.exact:
        raise MeasureError(
            f"{plan.shape.name}: only Llama, Mistral, Qwen2 and Qwen3 are counted well enough to compare"
        )
    if plan.devices > 1 or plan.optimizer != "adamw":
        raise MeasureError(
            "what is measured runs on one device with AdamW: leave --devices and --optimizer as they are"
        )
    return [measure(model, plan, setup, timeout) for setup in MEASURABLE]


def measure(model: str, plan: Plan, setup: Setup, timeout: float = 1800) -> Measured:
    """Run one set-up in a fresh process, and compare. Raises MeasureError if it does not end well."""
    asked = asdict(plan) | {"shape": None, "config": _config(model), "setup": setup}
    command = [sys.executable, "-W", "ignore", "-m", __name__, json.dumps(asked)]
    places = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | HONEST | ({"PYTHONPATH": places} if not _installed() else {})
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise MeasureError(f"{setup} took more than {timeout:g} s; give smaller lengths or a smaller batch") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        killed = " (killed, most likely because memory ran out)" if done.returncode == -9 else ""
        raise MeasureError(f"{setup} in {plan.dtype} did not run{killed}: {last}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    here = replace(plan, compute=found["compute"], device=found["device"], form=found["form"])
    predicted = estimate(here, setup)
    return Measured(
        setup,
        plan.dtype,
        plan.gradient_checkpointing,
        found["device"],
        found["compute"],
        predicted.peak,
        max(found["phases"].values()),
        predicted.phases,
        found["phases"],
    )


def _installed() -> bool:
    """Whether a fresh interpreter finds the package by itself."""
    return Path(__file__).parents[1].name == "assay"


def _config(model: str) -> dict[str, Any]:
    config = read_config(model)
    return {name: value for name, value in config.items() if name not in ("quantization_config", "_name_or_path")}


# ---- in the process that is measured


def _main(asked: dict[str, Any]) -> None:
    import torch

    config, setup = asked.pop("config"), asked.pop("setup")
    asked.pop("shape")
    plan = Plan(ModelShape("", 1, 1, 1, 1, 1, 1, 1, True), **asked)
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tiny = replace(plan, prompt_length=8, max_completion_length=8, per_device_train_batch_size=4, num_generations=4)
    _Run(config | TINY, replace(tiny, gradient_accumulation_steps=1), setup, place).run(lambda *_: _nothing())
    gc.collect()
    meter = _Meter(place)
    run = _Run(config, plan, setup, place)
    run.run(meter.phase)
    compute = str(run.policy.compute).removeprefix("torch.")
    print(json.dumps({"device": place.type, "compute": compute, "form": run.form, "phases": meter.peaks}))


@contextmanager
def _nothing() -> Iterator[None]:
    yield


class _Meter:
    """Measures peaks above what there is when it is made."""

    def __init__(self, place: Any) -> None:
        self.place = place
        self.peaks: dict[str, int] = {}
        self.before = self._now()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self._reset()
        yield
        self.peaks[name] = max(self.peaks.get(name, 0), self._peak() - self.before)

    def _now(self) -> int:
        if self.place.type == "cuda":
            import torch

            return int(torch.cuda.memory_allocated(self.place))
        return _status("VmRSS")

    def _reset(self) -> None:
        if self.place.type == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats(self.place)
            return
        Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM to what is resident now

    def _peak(self) -> int:
        if self.place.type == "cuda":
            import torch

            return int(torch.cuda.max_memory_allocated(self.place))
        return _status("VmHWM")


def _status(name: str) -> int:
    """Return a line of /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) << 10
    raise MeasureError(f"/proc/self/status has no {name}; resident sets are measured on Linux alone")


class _Run:
    """One set-up, with random weights."""

    def __init__(self, config: dict[str, Any], plan: Plan, setup: Setup, place: Any) -> None:
        from .guards import Guards
        from .learning import Learner
        from .settings import Settings

        self.plan = plan
        self.settings = Settings(
            model_name_or_path="random",
            dtype=plan.dtype,
            use_peft=setup == "LoRA-GRPO",
            lora_r=plan.lora_r,
            gradient_checkpointing=plan.gradient_checkpointing,
            per_device_train_batch_size=plan.per_device_train_batch_size,
            gradient_accumulation_steps=plan.gradient_accumulation_steps,
            num_generations=plan.num_generations,
            max_completion_length=plan.max_completion_length,
            beta=0.04 if plan.beta else 0.0,
            keep_rollout_weights=plan.keep_rollout_weights,
        )
        self.policy = _random_policy(config, self.settings, place)
        self.learner = Learner(self.policy, self.settings, Guards(self.settings))
        self.form = "plain"
        self.vocabulary = int(config["vocab_size"])

    def run(self, phase: Callable[[str], Any]) -> None:
        """Go through all phases, each within `phase(name)`."""
        from .learning import passes_of
        from .native_rollouts import NativeRollouts
        from .rollouts import Sampling

        plan = self.plan
        draw = random.Random(0)
        length = plan.max_completion_length
        sampling = Sampling(length, min_tokens=length)
        rollouts = NativeRollouts(self.policy, keep=plan.keep_rollout_weights)
        self.form = rollouts.form
        for step in range(1, UPDATES + 1):
            prompts = [[draw.randrange(self.vocabulary) for _ in range(plan.prompt_length)] for _ in range(plan.groups)]
            with phase("rollout"):
                rollouts.refresh()
                groups = rollouts.generate(prompts, plan.num_generations, sampling, seed=step)
                rollouts.release()
            with phase("scores"):
                experiences = [self._experience(group) for group in groups]
            with phase("training"):
                passes = passes_of(experiences, plan.per_device_train_batch_size)
                self.learner.update(step, passes, plan.sampled * length)
        rollouts.close()

    def _experience(self, group: Any) -> Any:
        from .experience import Experience

        reference = None
        if self.plan.beta:
            reference = self.policy.logprobs(group.prompt, group.completions, 1.0, reference=True)[0]
        size = len(group.completions)
        advantages = [1.0 if place % 2 else -1.0 for place in range(size)]
        return Experience(group.prompt, group.completions, advantages, [True] * size, None, reference)


def _random_policy(config: dict[str, Any], settings: Any, place: Any) -> Any:
    """Return what `open_policy` returns, but with random weights and without a tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from . import policy as policies

    def made(dtype: Any) -> Any:
        given = dict(config)
        sizes = AutoConfig.for_model(given.pop("model_type"), **given)
        with torch.device(place):
            model = AutoModelForCausalLM.from_config(
                sizes, dtype=dtype, attn_implementation=settings.attn_implementation
            )
        return model.eval()

    dtype = policies.DTYPES[settings.dtype]
    compute = policies.compute_dtype(dtype, place)
    rest = (SimpleNamespace(eos_token_id=None), None, place, compute, settings)
    if settings.use_peft:
        base = made(dtype).requires_grad_(False)
        return policies._policy("random", policies._with_adapter(base, "random", settings), *rest)
    policy = policies._policy("random", made(torch.float32).requires_grad_(True), *rest)
    if settings.beta > 0:
        policy.reference = policies._policy("random", made(dtype).requires_grad_(False), *rest)
    return policy


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
