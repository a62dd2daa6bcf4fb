"""Does a set-up fit a card, and if not, which setting should be changed first?

Of a card's memory some is never the run's: the CUDA context and the libraries' workspaces, and what the allocator keeps
in pieces too small to use. So a set-up fits if its peak is at most `usable(card)`.

Settings are tried one at a time in the order of what they cost the run: those that give the same weights a little later
come before those that change what is learnt. The first that is enough is the answer, with the largest value that fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .memory import Plan, PlanError, Setup, estimate

__all__ = ["CARDS", "Card", "advice", "card_of", "remedy", "usable"]

MIB, GIB = 1 << 20, 1 << 30
CONTEXT = 0.6 * GIB  # the CUDA context with cuBLAS and cuDNN; measured values lie between 0.4 and 0.7
PIECES = 0.05  # share of what the allocator holds that fits nothing

# MiB, as nvidia-smi and rocm-smi report them.
CARDS = {
    "MI300X": 196592,
    "B200": 183359,
    "H200": 143771,
    "H100": 81559,
    "A100": 81920,
    "A100-40GB": 40960,
    "L40S": 46068,
    "A6000": 49140,
    "A40": 46068,
    "A10G": 23028,
    "A10": 23028,
    "L4": 23034,
    "V100": 32768,
    "V100-16GB": 16384,
    "T4": 15360,
    "5090": 32607,
    "4090": 24564,
    "4080": 16376,
    "3090": 24576,
    "3060": 12288,
}


@dataclass(frozen=True, slots=True)
class Card:
    """A device. size: bytes of its memory, all of them."""

    name: str
    size: int


def card_of(text: str) -> Card:
    """Return the card of that name or size: H100, "RTX 4090", 80GB, 24GiB, 80000MB, 24. Raises PlanError for anything else.

    A size in GB is taken as makers of cards write it, in GiB, and one in MB in MiB.
    """
    given = text.strip()
    size = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(GB|GiB|G|MB|MiB|M)?", given, re.IGNORECASE)
    bare = re.sub(r"^(nvidia|geforce|tesla|rtx|amd|instinct|\s|-|_)+", "", given, flags=re.IGNORECASE)
    for name, mebibytes in CARDS.items():
        plain = _plain(name)
        if _plain(bare) in (plain, f"{plain}{round(mebibytes / 1024)}gb"):
            return Card(name, mebibytes * MIB)
    if size and float(size[1]) > 0:
        in_bytes = round(float(size[1]) * (MIB if (size[2] or "G")[0] in "mM" else GIB))
        return Card(f"{in_bytes / GIB:.4g} GiB", in_bytes)
    raise PlanError(f"card {text!r} is not known; give its memory, as in 24GB, or one of {', '.join(CARDS)}")


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def usable(card: Card) -> int:
    """Return the bytes of a card that a run's tensors can take."""
    return max(0, int((card.size - CONTEXT) * (1 - PIECES)))


def advice(plan: Plan, setup: Setup, room: int) -> str:
    """Return in words the first change that makes a set-up fit into `room` bytes, with its peak; or that none does."""
    found = remedy(plan, setup, room)
    if setup == "GRPO" and (found is None or found[1].devices > plan.devices):
        adapter = estimate(plan, "LoRA-GRPO").peak
        if adapter <= room:
            return f"use_peft=true, which is LoRA-GRPO: {_gib(adapter)}"
    if found is not None:
        change, better = found
        said = f"{change}: {_gib(estimate(better, setup).peak)}"
        ours = setup in ("GRPO", "LoRA-GRPO")
        how = "started by accelerate launch --use_fsdp --fsdp_version 2" if ours else "in a trainer that has FSDP"
        return said + (f" on each, {how}" if better.devices > plan.devices else "")
    least = estimate(_smallest(plan), setup)
    held = least.weights + least.optimizer
    return f"nothing here is enough: weights and the optimizer alone take {_gib(held)}; take a smaller model" + (
        "" if "LoRA" in setup else " or train an adapter"
    )


def remedy(plan: Plan, setup: Setup, room: int) -> tuple[str, Plan] | None:
    """Return the first change that makes a set-up fit into `room` bytes, and the changed plan.

    Where no single change is enough, those that leave the result as it is are made all at once, and then devices added.
    """
    for change, better in _changes(plan, setup):
        if estimate(better, setup).peak <= room:
            return change, better
    small = _smallest(plan)
    cheap = "gradient_checkpointing=true per_device_train_batch_size=1"
    cheap += f" gradient_accumulation_steps={small.gradient_accumulation_steps}"
    cheap += " dtype=bfloat16" if small.dtype != plan.dtype else ""
    if estimate(small, setup).peak <= room:
        return cheap, small
    for devices in (2, 4, 8, 16, 32, 64):
        more = replace(small, devices=devices, shard="fsdp")
        if devices > plan.devices and estimate(more, setup).peak <= room:
            return f"{cheap} and --devices {devices} --shard fsdp", more
    return None


def _smallest(plan: Plan) -> Plan:
    """Return the plan with all changes that leave the result as it is."""
    return replace(
        plan,
        gradient_checkpointing=True,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=plan.sampled,
        dtype="bfloat16" if plan.dtype == "float32" else plan.dtype,
    )


def _changes(plan: Plan, setup: Setup) -> Iterator[tuple[str, Plan]]:
    """Yield changes of one setting each, in the order of what they cost."""
    if not plan.gradient_checkpointing:
        yield "gradient_checkpointing=true", replace(plan, gradient_checkpointing=True)
    batch = plan.per_device_train_batch_size
    for smaller in (size for size in range(batch - 1, 0, -1) if batch % size == 0):
        steps = plan.gradient_accumulation_steps * batch // smaller
        yield (
            f"per_device_train_batch_size={smaller} gradient_accumulation_steps={steps}",
            replace(plan, per_device_train_batch_size=smaller, gradient_accumulation_steps=steps),
        )
    if plan.dtype == "float32":
        yield "dtype=bfloat16", replace(plan, dtype="bfloat16")
    if plan.optimizer == "adamw" and setup not in ("GRPO", "LoRA-GRPO"):
        yield "--optimizer adamw_8bit", replace(plan, optimizer="adamw_8bit")
    if plan.gradient_accumulation_steps > 1 and plan.sampled % plan.num_generations == 0:
        one = replace(plan, gradient_accumulation_steps=max(1, plan.num_generations // batch))
        yield f"gradient_accumulation_steps={one.gradient_accumulation_steps}", one
    yield from _shorter(plan, "max_completion_length")
    yield from _shorter(plan, "prompt_length")
    if plan.beta and setup == "GRPO":
        yield "beta=0 (no reference)", replace(plan, beta=False)
    for devices in (2, 4, 8):
        if devices > plan.devices:
            yield f"--devices {devices} --shard fsdp", replace(plan, devices=devices, shard="fsdp")


def _shorter(plan: Plan, name: str) -> Iterator[tuple[str, Plan]]:
    """Yield shorter lengths down to a quarter; below, a run is another one."""
    length: int = getattr(plan, name)
    step = max(1, length // 16)
    for size in range(length - step, max(2, length // 4) - 1, -step):
        if name == "prompt_length":
            yield f"max_prompt_length={size}", replace(plan, prompt_length=size)
        else:
            yield f"{name}={size}", replace(plan, max_completion_length=size)


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
