"""What does a decoder of the Llama family compute? Its forward pass on packed tokens, without padding.

Covers the models of transformers that are RMSNorm, rotary positions, (grouped-query) attention and a gated SwiGLU, with
or without biases and norms of queries and keys: Llama, SmolLM2, Mistral, Qwen2, Qwen3 and their kin. `open_decoder` reads
their tensors in place, adapters included, and compares itself with the model on a few tokens before anybody uses it;
where it differs, or finds something that it does not know, it says so and the model's own forward pass is used.

Everything but attention works on tokens one by one, so they are packed: x is (N, hidden) for N tokens of any number of
sequences. What attends to what is the business of the `attend` that is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

__all__ = ["Attend", "Decoder", "Layer", "Linear", "NotOurs", "rms_norm", "rotate", "swiglu"]

# (index of the layer, q (N, heads, size), k (N, kv heads, size), v) -> (N, heads, size)
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


class NotOurs(Exception):
    """The model is of another family; its own forward pass has to do."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A layer y = x W' + b, with a low-rank adapter y += scale * (x A') B' where there is one."""

    weight: Tensor
    bias: Tensor | None = None
    down: Tensor | None = None  # A, (rank, in)
    up: Tensor | None = None  # B, (out, rank)
    scale: float = 1.0

    def __call__(self, x: Tensor, adapted: bool) -> Tensor:
        if not adapted or self.down is None or self.up is None:
            bias = None if self.bias is None else self.bias.to(x.dtype)
            return functional.linear(x, self.weight.to(x.dtype), bias)
        return _Adapted.apply(x, self.weight, self.bias, self.down, self.up, self.scale)

    def merged(self) -> Tensor:
        """Return W + scale * B A, in float32, as a tensor of its own."""
        weight = self.weight.detach().float()
        if self.down is None or self.up is None:
            return weight.clone() if weight is self.weight else weight
        return torch.addmm(weight, self.up.detach().float(), self.down.detach().float(), alpha=self.scale)


class _Adapted(torch.autograd.Function):
    """A frozen linear layer and its adapter, keeping x and x A' alone for the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        low = x @ down.to(x.dtype).t()
        y = functional.linear(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))
        y.addmm_(low, up.to(x.dtype).t(), alpha=scale)
        ctx.save_for_backward(x, weight, down, up, low)
        ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, up, low = ctx.saved_tensors
        (grad,) = grads
        grad_low = (grad @ up.to(grad.dtype)).mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight.to(grad.dtype)).addmm_(grad_low, down.to(grad.dtype))
        grad_down = (grad_low.t() @ x).to(down.dtype)
        grad_up = (grad.t() @ low).mul_(ctx.scale).to(up.dtype)
        return grad_x, None, None, grad_down, grad_up, None


class _RMSNorm(torch.autograd.Function):
    """x / rms(x) * weight for a frozen weight, keeping x and 1/rms alone (Zhang and Sennrich 2019)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        wide = x.float()
        inverse = torch.rsqrt(wide.square().mean(-1, keepdim=True).add_(epsilon))
        ctx.save_for_backward(x, weight, inverse)
        return (wide * inverse).to(x.dtype) * weight.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, inverse = ctx.saved_tensors
        normed = x.float() * inverse
        grad = grads[0].float() * weight.float()
        mean = (grad * normed).mean(-1, keepdim=True)
        return ((grad - normed * mean) * inverse).to(x.dtype), None, None


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """Return x / sqrt(mean(x^2) + epsilon) * weight, over the last dimension."""
    if weight.requires_grad:
        wide = x.float()
        normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)
        return normed.to(x.dtype) * weight.to(x.dtype)
    return _RMSNorm.apply(x, weight, epsilon)


class _SwiGLU(torch.autograd.Function):
    """silu(gate) * up, keeping the two inputs alone."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        gate, up = ctx.saved_tensors
        (grad,) = grads
        sigmoid = torch.sigmoid(gate)
        silu = gate * sigmoid
        slope = sigmoid.add_(silu * (1 - sigmoid))  # of silu
        return slope.mul_(grad).mul_(up), silu.mul_(grad)


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """Return silu(gate) * up."""
    return _SwiGLU.apply(gate, up)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs (i, i + size/2) by their position's angle (Su et al. 2021); x is (N, heads, size), cos (N, 1, size)."""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), -1)
    return x * cos + turned * sin


@dataclass(frozen=True, slots=True)
class Layer:
    """The tensors of one layer, where the model has them."""

    norm: Tensor
    q: Linear
    k: Linear
    v: Linear
    o: Linear
    q_norm: Tensor | None
    k_norm: Tensor | None
    mlp_norm: Tensor
    gate: Linear
    up: Linear
    down: Linear


@dataclass(frozen=True, slots=True)
class Decoder:
    """A model of the family, as tensors that belong to it.

    compute  the type that activations have; weights are turned into it as they are used
    """

    embedding: Tensor  # (vocabulary, hidden)
    layers: Sequence[Layer]
    norm: Tensor
    head: Tensor  # (vocabulary, hidden)
    rotary: nn.Module
    heads: int
    kv_heads: int
    head_size: int
    epsilon: float
    compute: torch.dtype
    padding: int | None = None  # a token whose embedding is not trained, as transformers has it

    def hidden(
        self, tokens: Tensor, positions: Tensor, attend: Attend, *, adapted: bool = True, checkpointed: bool = False
    ) -> Tensor:
        """Return the last hidden states (N, hidden), normed, ready for the head.

        tokens, positions  (N,) whole numbers
        adapted            with the adapters, or without: the frozen base, exactly
        checkpointed       keep one tensor a layer for the backward pass, and compute the others again
        """
        x = functional.embedding(tokens, self.embedding, self.padding).to(self.compute)
        cos, sin = self.angles(positions)
        for index in range(len(self.layers)):
            if checkpointed:
                x = checkpoint(self._layer, index, x, cos, sin, attend, adapted, use_reentrant=False)
            else:
                x = self._layer(index, x, cos, sin, attend, adapted)
        return rms_norm(x, self.norm, self.epsilon)

    def angles(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosine and sine of the rotary angles, each (N, 1, head size), in the type of computing."""
        probe = torch.empty(0, dtype=self.compute, device=positions.device)
        cos, sin = self.rotary(probe, positions[None])
        return cos[0, :, None], sin[0, :, None]

    def _layer(self, index: int, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend, adapted: bool) -> Tensor:
        layer, size = self.layers[index], self.head_size
        y = rms_norm(x, layer.norm, self.epsilon)
        q = layer.q(y, adapted).view(-1, self.heads, size)
        k = layer.k(y, adapted).view(-1, self.kv_heads, size)
        v = layer.v(y, adapted).view(-1, self.kv_heads, size)
        if layer.q_norm is not None:
            q = rms_norm(q, layer.q_norm, self.epsilon)
        if layer.k_norm is not None:
            k = rms_norm(k, layer.k_norm, self.epsilon)
        y = attend(index, rotate(q, cos, sin), rotate(k, cos, sin), v)
        x = x + layer.o(y.reshape(-1, self.heads * size), adapted)
        y = rms_norm(x, layer.mlp_norm, self.epsilon)
        return x + layer.down(swiglu(layer.gate(y, adapted), layer.up(y, adapted)), adapted)
