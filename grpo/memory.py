"""How much memory does a set-up of reinforcement learning need? Arithmetic on a model's sizes, without torch.

A run holds at every moment the weights of all its models and the optimizer's state. On top of that come, one after the
other and never together:

    rollout    merged weights to sample from, the cache of keys and values, logits of the next token
    scores     a pass without gradients, under the reference (and reward and value models where there are any)
    training   what the backward pass keeps, logits or blocks of them, gradients
    update     gradients, and what the optimizer works with

The peak is the largest of the four, not the sum of all. What a pass keeps is counted in memory_activations.py. Bytes a
parameter: weights in their type; of what is trained, weights, gradients and AdamW's two means in float32, 16 together
(Rajbhandari et al. 2020, section 3.1; here without a second copy in half precision: it is narrowed as it is used).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .memory_activations import FLOAT, Pass, packed_pass, padded_pass
from .model_shapes import ModelShape

__all__ = ["OPTIMIZERS", "SETUPS", "WIDTHS", "Estimate", "Plan", "PlanError", "Setup", "estimate"]

Setup = Literal["PPO", "GRPO, reward model", "GRPO", "LoRA-GRPO", "QLoRA-GRPO"]
SETUPS: tuple[Setup, ...] = ("PPO", "GRPO, reward model", "GRPO", "LoRA-GRPO", "QLoRA-GRPO")

WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}
# Bytes of state a trained parameter: AdamW's two means in float32; the same in 8 bits with a float32 scale for each block
# of 256 (Dettmers et al. 2022); none.
OPTIMIZERS = {"adamw": 8.0, "adamw_8bit": 2.0 + 2 * 4 / 256, "sgd": 0.0}
# NF4 with double quantization: 4 bits, a scale of 8 bits for 64 of them, one of 32 bits for 256 scales (Dettmers 2023).
NF4 = (4 + 8 / 64 + 32 / (64 * 256)) / 8
HALF = 2
PACKED = 512  # fbgemm packs fp16 weights in blocks of so many inputs, the last one filled up

# Of native_rollouts.py, group_cache.py and packed_weights.py, which cannot be imported without torch; a test compares them.
CACHE_BYTES = 1 << 30
ENCODED = 2048
SLICE = 4096


class PlanError(ValueError):
    """The numbers of a plan make no sense; the message names the one that does not."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run; names are those of `Settings` where it has them.

    compute   type of activations, where it is not that of the weights
    form      of the weights that are sampled from, as packed_weights.py chooses it: fp16 or plain are copies, shared none
    device    "cpu" where AdamW goes tensor by tensor; "cuda" where it takes all at once
    shard     several devices: each holds everything (ddp), or its share of weights, gradients and state (fsdp)
    """

    shape: ModelShape
    dtype: str = "bfloat16"
    per_device_train_batch_size: int = 8
    gradient_accumulation_steps: int = 1
    num_generations: int = 8
    prompt_length: int = 512
    max_completion_length: int = 256
    lora_r: int = 16
    gradient_checkpointing: bool = False
    beta: bool = True
    optimizer: str = "adamw"
    devices: int = 1
    shard: str = "ddp"
    value_head: bool = False
    keep_rollout_weights: bool = True
    compute: str | None = None
    form: str = "plain"
    device: str = "cuda"

    def __post_init__(self) -> None:
        for name in (
            "per_device_train_batch_size",
            "gradient_accumulation_steps",
            "prompt_length",
            "lora_r",
            "devices",
        ):
            if getattr(self, name) < 1:
                raise PlanError(f"{name} is {getattr(self, name)}; it has to be 1 or more")
        for name in ("num_generations", "max_completion_length"):
            if getattr(self, name) < 2:
                raise PlanError(f"{name} is {getattr(self, name)}; it has to be 2 or more")
        for name, known in (("dtype", WIDTHS), ("compute", WIDTHS), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) is not None and getattr(self, name) not in known:
                raise PlanError(f"{name} is {getattr(self, name)!r}; known are {', '.join(known)}")
        if self.shard not in ("ddp", "fsdp"):
            raise PlanError(f"shard is {self.shard!r}; known are ddp, fsdp")

    @property
    def width(self) -> int:
        """Bytes of a number in the type of activations."""
        return WIDTHS[self.compute or self.dtype]

    @property
    def stored(self) -> int:
        """Bytes of a number in the type of frozen weights."""
        return WIDTHS[self.dtype]

    @property
    def beside(self) -> bool:
        """Whether adapters lie beside the weights that are sampled from, and all of it stays between samplings."""
        return self.form == "shared" or (self.form == "fp16" and self.keep_rollout_weights)

    @property
    def sampled(self) -> int:
        """Completions that one device samples at one time."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps

    @property
    def groups(self) -> int:
        """Prompts of which it does."""
        return -(-self.sampled // self.num_generations)

    @property
    def rows(self) -> int:
        """Completions of one prompt that go through the model together, in this project's loop."""
        return min(self.per_device_train_batch_size, self.num_generations)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes on one device, part by part; parts that are never there together do not add up to the peak.

    phases  bytes of each of the four phases
    own     this project's loop; otherwise a plain trainer's, with padding and full logits
    """

    setup: Setup
    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    rollouts: int
    phases: dict[str, int]
    own: bool
    note: str = field(default="", compare=False)

    @property
    def phase(self) -> str:
        """The phase in which memory is fullest."""
        return max(self.phases, key=lambda name: self.phases[name])

    @property
    def peak(self) -> int:
        """Bytes in that phase."""
        return self.phases[self.phase]


def estimate(plan: Plan, setup: Setup, *, own: bool | None = None) -> Estimate:
    """Return what a set-up needs on one device.

    own  False: as a plain trainer would run it; None: by this project's loop where it can, which is GRPO and LoRA-GRPO
    """
    if own is None:
        own = setup in ("GRPO", "LoRA-GRPO") and plan.shape.exact
    shape = plan.shape
    adapted = setup in ("LoRA-GRPO", "QLoRA-GRPO")
    trained = shape.adapter(plan.lora_r) if adapted else shape.parameters
    value = 0
    if setup == "PPO":
        value = shape.hidden if plan.value_head else shape.parameters - (0 if shape.tied else shape.embedding)
    frozen = _frozen(plan, setup)
    weights = frozen + FLOAT * (trained + value)
    gradients = FLOAT * (trained + value)
    optimizer = round(OPTIMIZERS[plan.optimizer] * (trained + value))
    own_pass, other = _passes(plan, setup, own)
    rollouts = _rollouts(plan, setup, own)

    gathered = 0
    if plan.shard == "fsdp" and plan.devices > 1:
        weights, gradients, optimizer = (-(-part // plan.devices) for part in (weights, gradients, optimizer))
        # Whole are two layers, one at work and one on its way, and all that lies outside of layers (sharded.py).
        gathered = plan.width * (2 * shape.linear // shape.layers + shape.embedding * (1 if shape.tied else 2))
    kept = _copies(plan, setup) if own and setup == "LoRA-GRPO" and plan.beside else 0
    resident = weights + optimizer + kept

    # Gradients of an earlier part of the same update are there from the start; otherwise they come as activations go.
    parts = -(-plan.sampled // plan.rows) if own else plan.gradient_accumulation_steps
    held = gradients if parts > 1 else 0
    tied = own_pass.head_grad
    embedding = 0 if adapted else FLOAT * shape.embedding
    training = max(
        held + own_pass.saved + own_pass.logits,
        held + own_pass.activations + tied,
        max(held, gradients - embedding) + own_pass.last + tied,
        gradients + tied,
    )
    update = gradients + _update(plan, trained + value)
    return Estimate(
        setup,
        weights,
        gradients,
        optimizer,
        max(own_pass.activations, own_pass.last),
        own_pass.logits,
        rollouts,
        {
            "rollout": resident + gathered + rollouts - kept,
            "scores": resident + gathered + max(other.forward, other.scores),
            "training": resident + gathered + training,
            "update": resident + update,
        },
        own,
        _note(plan, setup, own),
    )


def _frozen(plan: Plan, setup: Setup) -> int:
    """Return the bytes of weights that are not trained."""
    shape = plan.shape
    headless = shape.parameters - (0 if shape.tied else shape.embedding)
    reference = shape.parameters * plan.stored if plan.beta else 0
    if setup == "QLoRA-GRPO":
        return round(shape.linear * NF4) + (shape.parameters - shape.linear) * max(HALF, plan.stored)
    if setup == "LoRA-GRPO":
        return shape.parameters * plan.stored
    if setup == "GRPO":
        return reference
    return reference + headless * plan.stored  # the reward model has one column for a head


def _passes(plan: Plan, setup: Setup, own: bool) -> tuple[Pass, Pass]:
    """Return the pass with gradients, and the one without that comes before it."""
    rank = plan.lora_r if setup in ("LoRA-GRPO", "QLoRA-GRPO") else None
    stored = plan.stored if rank is not None else FLOAT
    if own:
        one = packed_pass(
            plan.shape,
            prompt=plan.prompt_length,
            rows=plan.rows,
            completion=plan.max_completion_length,
            width=plan.width,
            stored=stored,
            rank=rank,
            checkpointed=plan.gradient_checkpointing,
            frozen_stored=plan.stored,
        )
        return one, one if plan.beta else _nothing()
    rows = plan.per_device_train_batch_size
    one = padded_pass(
        plan.shape,
        rows=rows,
        length=plan.prompt_length + plan.max_completion_length,
        targets=rows * plan.max_completion_length,
        width=plan.width,
        stored=0 if setup == "QLoRA-GRPO" else stored,  # never the type of activations: widened as it is used
        rank=rank,
        checkpointed=plan.gradient_checkpointing,
    )
    if setup == "PPO" and not plan.value_head:  # the policy's and the value model's backward passes are one
        twice = one.saved + one.saved, one.activations + one.saved, one.last * 2
        one = Pass(twice[1], twice[0], twice[2], one.logits, one.head_grad, one.forward, one.scores)
    return one, one


def _nothing() -> Pass:
    return Pass(0, 0, 0, 0, 0, 0, 0)


def _rollouts(plan: Plan, setup: Setup, own: bool) -> int:
    """Return the bytes that sampling holds beside the models: cache, merged weights, logits of one token a row.

    Keys and values of a token: 2 * layers * K numbers. This project's engine keeps a group's prompt once on a CPU; its
    CUDA graphs, as a plain `generate`, keep it in every row.
    """
    shape = plan.shape
    token = 2 * shape.layers * shape.kv * plan.width
    length = plan.prompt_length + plan.max_completion_length
    if not own:
        # Autocast keeps narrowed copies of trained weights; adapters are not merged.
        narrowed = 0 if setup in ("LoRA-GRPO", "QLoRA-GRPO") or plan.width == FLOAT else shape.parameters * plan.width
        drawn = plan.sampled * shape.vocabulary * (plan.width + 2 * FLOAT)  # logits, probabilities, their sum or order
        return token * plan.sampled * length + narrowed + drawn
    at_once = max(1, CACHE_BYTES // (token * plan.num_generations * length))  # groups; the others wait
    groups = min(plan.groups, at_once)
    rows = min(plan.sampled, groups * plan.num_generations)
    shared = plan.device != "cuda"
    cache = token * (groups * plan.prompt_length + rows * (plan.max_completion_length if shared else length))
    encoded = min(groups * plan.prompt_length, max(ENCODED, plan.prompt_length))  # tokens of prompts at one time
    inner = plan.width * encoded * (3 * shape.hidden + 3 * shape.intermediate)
    # The logits of this token and of the last; scores of attention and their softmax.
    step = rows * (2 * FLOAT * shape.vocabulary + shape.heads * length * (plan.width + FLOAT))
    return _copies(plan, setup) + max(_wide(plan, setup), cache + max(step, inner))


def _copies(plan: Plan, setup: Setup) -> int:
    """Return the bytes of what is made of the weights to sample from: fused, with adapters merged in or beside."""
    shape = plan.shape
    stored = FLOAT if setup == "GRPO" else plan.stored
    adapters = _adapters_beside(plan) if plan.beside and setup == "LoRA-GRPO" else 0
    if plan.form == "shared":
        rows = {shape.vocabulary: shape.hidden, shape.intermediate: shape.hidden, shape.hidden: shape.intermediate}
        largest = max(min(SLICE, out) * each for out, each in rows.items())  # widened at one time
        return adapters + (plan.width * largest if plan.width != stored else 0)
    if plan.form == "fp16":
        hidden, inner, attention = (
            -(-size // PACKED) * PACKED for size in (shape.hidden, shape.intermediate, shape.attention)
        )
        layer = hidden * (shape.attention + 2 * shape.kv + 2 * shape.intermediate)
        layer += (attention + inner) * shape.hidden
        return adapters + HALF * (shape.layers * layer + hidden * shape.vocabulary)
    return plan.width * (shape.linear + (shape.embedding if plan.width != stored else 0))


def _adapters_beside(plan: Plan) -> int:
    """Return the bytes of adapters fused like the layers they belong to: A one below the other, B in blocks, else zero."""
    shape, rank = plan.shape, plan.lora_r
    hidden, inner, attention = shape.hidden, shape.intermediate, shape.attention
    down = 3 * hidden + attention + 2 * hidden + inner
    up = 3 * (attention + 2 * shape.kv) + hidden + 2 * (2 * inner) + hidden
    return plan.width * shape.layers * rank * (down + up)


def _wide(plan: Plan, setup: Setup) -> int:
    """Return the bytes at work while those are made: gate and up in float32, apart and joined; or the head."""
    if plan.form == "shared":
        return 0
    stored = FLOAT if setup == "GRPO" else plan.stored
    head = FLOAT * plan.shape.embedding if plan.form == "fp16" and stored != FLOAT else 0
    return max(FLOAT * 4 * plan.shape.hidden * plan.shape.intermediate, head)


def _update(plan: Plan, trained: int) -> int:
    """Return the bytes at work when the optimizer steps, or when gradients travel before."""
    if plan.shard == "fsdp":
        trained = -(-trained // plan.devices)
    largest = min(trained, max(plan.shape.embedding, plan.shape.largest_matrix))
    work = 0
    if plan.optimizer == "adamw":  # the root of the second mean, of every parameter or of one at a time
        work = FLOAT * trained if plan.device == "cuda" else 2 * FLOAT * largest
    message = FLOAT * trained if plan.devices > 1 and plan.shard == "ddp" else 0
    return max(work, message)


def _note(plan: Plan, setup: Setup, own: bool) -> str:
    """Return what is assumed, in a phrase."""
    how = "this loop" if own else "a plain trainer, padded, full logits"
    models = {
        "PPO": "policy, reference, reward model, and a value "
        + ("head on the policy" if plan.value_head else "model of the policy's size, trained"),
        "GRPO, reward model": "policy, reference, reward model",
        "GRPO": "policy, reference" if plan.beta else "policy (beta 0)",
        "LoRA-GRPO": "one base, one adapter",
        "QLoRA-GRPO": "one base in 4 bits (NF4), one adapter",
    }[setup]
    return f"{models}; {how}"
