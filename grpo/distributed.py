"""How do several processes learn as one? Gradients are averaged, counts are summed, over whatever torch.distributed has.

The loss of each process is weighed so that the mean of their gradients is the gradient of the joined batch (see
`losses.token_weights`). A single process, or one where nothing was initialised, gets back what it gave.
`accelerate launch` and torchrun initialise; every process has to call these functions, in the same order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

__all__ = [
    "LaunchError",
    "gather_objects",
    "gather_rows",
    "join",
    "process_count",
    "process_index",
    "reduce_gradients",
    "sum_over_processes",
]

T = TypeVar("T")


class LaunchError(ValueError):
    """`accelerate launch` was asked for something that is not to be had; the message says what to change."""


def join() -> torch.device | None:
    """Join the processes that `accelerate launch` or torchrun started, if they did; return the device of this one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return None
    from accelerate import PartialState

    device: torch.device = PartialState(cpu=not torch.cuda.is_available()).device
    return torch.device("cpu") if device.type == "cpu" else device  # a saved tensor of cpu:0 cannot be read again


def process_count() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def process_index() -> int:
    """Return which of them this one is, from 0."""
    return distributed.get_rank() if process_count() > 1 else 0


@torch.no_grad()
def reduce_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes; one that lacks counts as 0.

    A process that had nothing to learn calls this as well. A parameter without a gradient anywhere stays without: the
    optimizer leaves it alone. Gradients travel in one message for each type and device, in float32 if narrower.
    """
    processes = process_count()
    if processes == 1:
        return
    bundles: dict[tuple[torch.dtype, torch.device], list[nn.Parameter]] = {}
    for parameter in parameters:
        bundles.setdefault((parameter.dtype, parameter.device), []).append(parameter)
    for (dtype, device), bundle in bundles.items():
        wide = torch.promote_types(dtype, torch.float32)
        there = torch.tensor([parameter.grad is not None for parameter in bundle], dtype=wide, device=device)
        grads = [torch.zeros_like(each) if each.grad is None else each.grad for each in bundle]
        flat = torch.cat([there, *(grad.reshape(-1).to(wide) for grad in grads)])
        distributed.all_reduce(flat)
        anywhere = (flat[: len(bundle)] > 0).tolist()
        at = len(bundle)
        for parameter, somebody_has_it in zip(bundle, anywhere, strict=True):
            mean = flat[at : at + parameter.numel()].view(parameter.shape).div_(processes)
            at += parameter.numel()
            if somebody_has_it and parameter.grad is None:
                parameter.grad = mean.to(dtype).clone()
            elif parameter.grad is not None:
                parameter.grad.copy_(mean)


def sum_over_processes(numbers: Sequence[float], device: torch.device | None = None) -> list[float]:
    """Return the sums of numbers over the processes; device, where the backend works (the GPU for NCCL)."""
    if process_count() == 1:
        return [float(number) for number in numbers]
    sums = torch.tensor(numbers, dtype=torch.float64, device=device)
    distributed.all_reduce(sums)
    return [float(number) for number in sums.tolist()]


def gather_rows(rows: Tensor) -> Tensor:
    """Return the rows of all processes (processes * n, ...), in the order of the processes; each gives (n, ...)."""
    processes = process_count()
    if processes == 1:
        return rows
    every = [torch.empty_like(rows) for _ in range(processes)]
    distributed.all_gather(every, rows.contiguous())
    return torch.cat(every)


def gather_objects(mine: T) -> list[T]:
    """Return what each process gave, in their order; anything that pickle takes."""
    if process_count() == 1:
        return [mine]
    every: list[Any] = [None] * process_count()
    distributed.all_gather_object(every, mine)
    return every
