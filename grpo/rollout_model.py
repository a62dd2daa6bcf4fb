"""What does the policy look like while it samples? The decoder's forward pass on fused weights of its own.

The same computation as `Decoder.hidden`, without gradients, in four products a layer. Two things are laid out otherwise,
which the scores of attention don't see: the features of each query and key are reordered so that the pairs that rotary
positions turn lie side by side, and are turned as complex numbers; and queries come scaled by 1 / sqrt(head size).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .decoder import Decoder, Layer, Linear
from .packed_weights import Form, Product, Scratch

__all__ = ["Attend", "RolloutModel"]

# (index of the layer, q (N, heads, size) scaled, k (N, kv heads, size), v) -> (N, heads * size)
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class _Layer:
    norm: Tensor
    qkv: Product
    q_norm: Tensor | None
    k_norm: Tensor | None
    o: Product
    mlp_norm: Tensor
    gate_up: Product
    down: Product


class RolloutModel:
    """The decoder with weights of its own.

    form   of the weights (packed_weights.choose_form)
    merge  adapters into the weights; else they lie beside, and follow() takes over their present values
    """

    def __init__(self, decoder: Decoder, form: Form, *, merge: bool) -> None:
        self.decoder, self.form, self.merge = decoder, form, merge
        self.compute = decoder.compute
        self.scratch = Scratch()
        self.heads, self.kv_heads, self.size = decoder.heads, decoder.kv_heads, decoder.head_size
        self.order = self._paired(decoder.heads + decoder.kv_heads, decoder.kv_heads)
        self.layers = [self._layer(layer) for layer in decoder.layers]  # one at a time: no wide copy of the model
        self.norm = decoder.norm.detach().to(self.compute)
        self.head = Product([Linear(decoder.head)], form, self.compute, merge=False, scratch=self.scratch)

    def follow(self) -> bool:
        """Take over the adapters' present values. False if the weights themselves may have changed: build anew."""
        products = [each for layer in self.layers for each in (layer.qkv, layer.o, layer.gate_up, layer.down)]
        if not all(each.frozen for each in (*products, self.head)):
            return False
        for each in products:
            each.follow()
        return True

    @torch.inference_mode()
    def hidden(self, tokens: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """Return the last hidden states (N, hidden), normed, for tokens (N,) at positions (N,)."""
        decoder, heads, both = self.decoder, self.heads, self.heads + self.kv_heads
        x = functional.embedding(tokens, decoder.embedding).to(self.compute)
        turns = self._turns(positions)
        for index, layer in enumerate(self.layers):
            qkv = layer.qkv(self._norm(x, layer.norm)).view(len(x), both + self.kv_heads, self.size)
            if layer.q_norm is not None:
                qkv[:, :heads] = self._norm(qkv[:, :heads], layer.q_norm)
            if layer.k_norm is not None:
                qkv[:, heads:both] = self._norm(qkv[:, heads:both], layer.k_norm)
            _turn(qkv[:, :both], turns)
            x += layer.o(attend(index, qkv[:, :heads], qkv[:, heads:both], qkv[:, both:]))
            gate_up = layer.gate_up(self._norm(x, layer.mlp_norm))
            gate, up = gate_up.chunk(2, -1)
            x += layer.down(functional.silu(gate).mul_(up))
        return self._norm(x, self.norm)

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """Return logits (N, vocabulary) in float32, the caller's own."""
        return self.head(hidden).float()

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, x.shape[-1:], weight, self.decoder.epsilon)

    def _turns(self, positions: Tensor) -> Tensor:
        """Return e^(i angle) (N, heads + kv heads, size / 2), those of queries over the root of the size."""
        cos, sin = (x[..., : self.size // 2].float() for x in self.decoder.angles(positions))
        turns = torch.complex(cos, sin).repeat(1, self.heads + self.kv_heads, 1)
        turns[:, : self.heads] *= self.size**-0.5
        return turns

    def _layer(self, layer: Layer) -> _Layer:
        def product(*layers: Linear, order: Tensor | None = None) -> Product:
            return Product(layers, self.form, self.compute, merge=self.merge, order=order, scratch=self.scratch)

        def norm(weight: Tensor | None) -> Tensor | None:
            return None if weight is None else weight.detach()[self.order[: self.size]].to(self.compute)

        return _Layer(
            norm=layer.norm.detach().to(self.compute),
            qkv=product(layer.q, layer.k, layer.v, order=self.order),
            q_norm=norm(layer.q_norm),
            k_norm=norm(layer.k_norm),
            o=product(layer.o),
            mlp_norm=layer.mlp_norm.detach().to(self.compute),
            gate_up=product(layer.gate, layer.up),
            down=product(layer.down),
        )

    def _paired(self, turned: int, others: int) -> Tensor:
        """Return the order of features in which i and i + size/2 of each turned head lie side by side."""
        pairs = torch.arange(turned * self.size).view(turned, 2, self.size // 2).transpose(1, 2).reshape(-1)
        return torch.cat((pairs, torch.arange(turned * self.size, (turned + others) * self.size))).to(
            self.decoder.embedding.device
        )


def _turn(x: Tensor, turns: Tensor) -> None:
    """Turn neighbouring pairs of x (N, heads, size), in place."""
    if x.dtype == torch.float32:
        torch.view_as_complex(x.unflatten(-1, (-1, 2))).mul_(turns)
    else:
        x.copy_(torch.view_as_real(torch.view_as_complex(x.float().unflatten(-1, (-1, 2))) * turns).flatten(-2))
