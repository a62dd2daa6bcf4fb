"""In which form do weights multiply fastest on this machine?

Rollouts multiply a few rows by every weight, over and over, so they have weights of their own: fused (queries, keys and
values in one product, gate and up in another) and in the form that `choose_form` picks. `fp16` is the one for CPUs
without fast bf16: less memory, and faster than float32 with a few rows. Packing costs as much as sampling some tokens; that
is why a frozen base may stay packed while its adapters, in float32, change beside it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from .decoder import Linear

__all__ = ["Form", "Product", "choose_form", "packs_fp16"]

Form = Literal["fp16", "plain", "shared"]

SLICE = 4096  # outputs of a layer that is widened as it is used, at one time
LARGEST = 65504.0  # of fp16
SMALLEST = 1e-3  # a matrix whose largest weight is below has too many among fp16's subnormal numbers


def choose_form(device: torch.device, compute: torch.dtype, *, copy: bool = True) -> Form:
    """Return the form for a device and the type of activations there; copy: memory may be had for it on a CPU.

    fp16   weights in half precision, packed by fbgemm, times float32 activations: CPUs that compute in float32
    plain  weights in the type of the activations: bf16 on GPUs and on CPUs with AMX or AVX512_BF16 (where the policy
           computes in bf16), float32 where there is neither that nor fbgemm
    shared the policy's own tensors, widened as they are used, with their adapters beside: no memory, more time
    """
    if device.type == "cpu" and not copy:
        return "shared"
    return "fp16" if device.type == "cpu" and compute == torch.float32 and packs_fp16() else "plain"


@functools.cache
def packs_fp16() -> bool:
    """Whether torch packs and multiplies fp16 weights on this CPU, and rightly: tried on a small product."""
    weight = (torch.arange(24 * 16, dtype=torch.float32) % 7 - 3).view(24, 16)
    x = (torch.arange(5 * 16, dtype=torch.float32) % 5 - 2).view(5, 16)
    try:
        packed = torch.ops.quantized.linear_prepack_fp16(weight, None)
        return torch.equal(torch.ops.quantized.linear_dynamic_fp16(x, packed), functional.linear(x, weight))
    except (AttributeError, RuntimeError):  # no such operator, no such engine, or a CPU without F16C
        return False


class Product:
    """y = x W' + b for layers that share their input, with their adapters merged into W or beside it.

    layers  one or more, whose outputs lie side by side
    order   of the output's features: feature i of y is feature order[i] of the layers'; None leaves them
    merge   adapters into the weights; otherwise they stay beside, and `follow` takes over their present values
    """

    def __init__(
        self,
        layers: Sequence[Linear],
        form: Form,
        compute: torch.dtype,
        *,
        merge: bool,
        order: Tensor | None = None,
        scratch: Scratch | None = None,
    ) -> None:
        self.scratch = scratch or Scratch()
        self.layers, self.compute, self.merge, self.order = tuple(layers), compute, merge, order
        self.shared = form == "shared"
        self.down: Tensor | None = None
        self.up: Tensor | None = None
        self.packed: Any = None
        self.weight: Tensor | None = None
        self.bias = self._bias()
        if not self.shared:
            self._load(form)
        self.follow()

    def __call__(self, x: Tensor) -> Tensor:
        """Return (N, out) for x (N, in)."""
        y: Tensor
        if self.shared:
            y = torch.cat([self.scratch.times(x, layer) for layer in self.layers], -1)
            y = y if self.order is None else y[:, self.order]
            y = y if self.bias is None else y.add_(self.bias)
        elif self.packed is not None:
            y = torch.ops.quantized.linear_dynamic_fp16(x, self.packed)
        else:
            y = functional.linear(x, self.weight, self.bias)
        if self.down is not None and self.up is not None:
            y.addmm_(functional.linear(x, self.down), self.up)
        return y

    @property
    def frozen(self) -> bool:
        """Whether what was packed is the base alone, which training leaves as it is."""
        return not self.merge and not any(layer.weight.requires_grad for layer in self.layers)

    def follow(self) -> None:
        """Take over the adapters' present values, where they lie beside the weights."""
        adapted = [layer for layer in self.layers if layer.down is not None and layer.up is not None]
        if self.merge or not adapted:
            return
        device = adapted[0].weight.device
        rank = sum(layer.down.shape[0] for layer in adapted if layer.down is not None)
        up = torch.zeros(rank, sum(layer.weight.shape[0] for layer in self.layers), device=device)
        row = column = 0
        for layer in self.layers:
            if layer.down is not None and layer.up is not None:
                block = up[row : row + layer.down.shape[0], column : column + layer.weight.shape[0]]
                torch.mul(layer.up.detach().t(), layer.scale, out=block)
                row += layer.down.shape[0]
            column += layer.weight.shape[0]
        up = up if self.order is None else up[:, self.order]
        self.up = up.to(self.compute)
        self.down = torch.cat([layer.down.detach() for layer in adapted if layer.down is not None]).to(self.compute)

    def _load(self, form: Form) -> None:
        if len(self.layers) == 1 and not self.merge and self.order is None and form == "plain":
            self.weight = self.layers[0].weight.detach().to(self.compute)  # the policy's own tensor if of this type
            return
        wide = [layer.merged() if self.merge else layer.weight.detach().float() for layer in self.layers]
        weight = wide[0] if len(wide) == 1 else torch.cat(wide)
        if self.order is not None:
            weight = weight[self.order]
        if form == "fp16" and SMALLEST <= max(abs(each.item()) for each in torch.aminmax(weight)) <= LARGEST:
            self.packed = torch.ops.quantized.linear_prepack_fp16(weight, self.bias)
        else:
            self.weight = weight.to(self.compute)

    def _bias(self) -> Tensor | None:
        if all(layer.bias is None for layer in self.layers):
            return None
        parts = [
            layer.weight.new_zeros(layer.weight.shape[0]) if layer.bias is None else layer.bias.detach()
            for layer in self.layers
        ]
        bias = torch.cat(parts).to(self.compute)
        return bias if self.order is None else bias[self.order]


class Scratch:
    """Room for weights that are widened as they are used: new memory for each would cost more than the product."""

    def __init__(self) -> None:
        self.room: Tensor | None = None

    def widened(self, weight: Tensor, dtype: torch.dtype) -> Tensor:
        """Return a weight in another type, valid until the next call."""
        if weight.dtype == dtype:
            return weight.detach()
        if self.room is None or self.room.numel() < weight.numel():
            self.room = torch.empty(weight.numel(), dtype=dtype, device=weight.device)
        return self.room[: weight.numel()].view(weight.shape).copy_(weight.detach())

    def times(self, x: Tensor, layer: Linear) -> Tensor:
        """Return what a layer gives without its adapter and its bias, some outputs at a time: heads are large."""
        parts = [functional.linear(x, self.widened(weight, x.dtype)) for weight in layer.weight.split(SLICE)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)
