"""How does a model train that is too large for each device? Every process holds a share of each tensor (FSDP2).

`accelerate launch --use_fsdp --fsdp_version 2` asks for it. torch's `fully_shard` makes the tensors of one layer whole while
that layer is computed, forward and backward, shares them out again, and averages gradients on the way. Three things follow:

    where      FSDP acts before and after a module's forward pass, so whatever reads a module's tensors runs in there: a
               layer of ours in the layer's, all that reads embedding, last norm and head in that of a module around
               the model. What is computed is what one device computes.
    when       each pass is a meeting of all processes. One with less to learn makes up for it by passes of one token
               whose loss counts nothing (`idle_passes`, `idle`).
    sampling   meets nobody: refresh() gathers the weights, each process samples from a copy of its own, and release()
               gives it back. A vLLM server needs no such copy.

Shared out are all weights, gradients and the optimizer's means, of the frozen second model too. Checkpoints hold whole tensors,
the same as without sharding. Every process reads the model into the machine's memory before it takes its share.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, overload

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map_only

from .decoder import Attend, Decoder, Layer, Linear
from .distributed import LaunchError, gather_rows, process_count
from .families import read_layer
from .padded import head_is_plain
from .policy import DTYPES, Policy, compute_dtype, open_policy
from .settings import Settings

__all__ = ["ShardedPolicy", "is_wanted", "open_sharded"]

T = TypeVar("T")

# What accelerate can ask of FSDP and does not get here, and what to do.
REFUSED = {
    "FSDP_OFFLOAD_PARAMS": "leave out --fsdp_offload_params; more processes, or use_peft: true, take less memory",
    "FSDP_ACTIVATION_CHECKPOINTING": "leave out --fsdp_activation_checkpointing and set gradient_checkpointing: true",
}


def is_wanted() -> bool:
    """Whether `accelerate launch --use_fsdp` started several processes.

    Raises LaunchError for FSDP's first version, and for what is not to be had with the second.
    """
    if not _is_true("ACCELERATE_USE_FSDP"):
        return False
    version = os.environ.get("FSDP_VERSION", "1")
    if version != "2":
        raise LaunchError(f"FSDP version {version} is asked for, and only version 2 is known: add --fsdp_version 2")
    for name, remedy in REFUSED.items():
        if _is_true(name):
            raise LaunchError(f"{name.lower()} is asked for, which is not to be had here: {remedy}")
    return process_count() > 1


def open_sharded(settings: Settings, device: torch.device) -> ShardedPolicy:
    """Load the model that the settings name and keep this process's share of it on the device; all have to call.

    Raises ModelError for what cannot be loaded, or has no such layers.
    """
    from accelerate import FullyShardedDataParallelPlugin

    # As the plugin says so in the environment, transformers reads the weights in every process, not in the first alone.
    asked = FullyShardedDataParallelPlugin(fsdp_version=2, cpu_ram_efficient_loading=False)
    policy = open_policy(settings, "cpu")  # no device could take it whole
    mesh = init_device_mesh(device.type, (process_count(),))
    return _shared_out(policy, mesh, device, DTYPES[settings.dtype], bool(asked.reshard_after_forward))


@dataclass
class ShardedPolicy(Policy):
    """A policy, or its frozen reference, of which this process holds a share.

    around  the module around the model in whose forward pass the tensors outside the layers are whole
    """

    around: Any = field(kw_only=True)

    sharded = True

    def _logprobs(
        self, prompt: Sequence[int], completions: Sequence[Sequence[int]], temperature: float, adapted: bool
    ) -> tuple[Tensor, Tensor]:
        def inside() -> tuple[Tensor, Tensor]:
            if isinstance(self.decoder, _ShardedDecoder):
                self.decoder = self.decoder.at_present()
            return super(ShardedPolicy, self)._logprobs(prompt, completions, temperature, adapted)

        found: tuple[Tensor, Tensor] = self.around(inside)
        if not torch.is_grad_enabled():  # otherwise the backward pass does so
            self._share_out()
        return found

    def idle_passes(self, mine: int) -> int:
        """Return how many passes the busiest process makes more than this one, which makes `mine`; all have to call."""
        return int(gather_rows(torch.tensor([mine], device=self.device)).max()) - mine

    def idle(self) -> None:
        """Go through the model and back with one token, which adds nothing to the gradient."""
        logprobs, _ = self.logprobs([0], [[0]], 1.0)
        (logprobs.sum() * 0).backward()

    def begin_sampling(self) -> Decoder | None:
        """Make weights whole to sample from; all have to call. A decoder's are copies, whose layers come one by one."""
        self._share_out()
        if isinstance(self.decoder, _ShardedDecoder):
            return self.decoder.gathered()
        for module in self._shares():  # and they stay whole, whatever number of forward passes each process makes
            module.set_reshard_after_forward(False)
            module.unshard()
        return None

    def end_sampling(self) -> None:
        """Share out again what `begin_sampling` made whole."""
        if self.decoder is None:
            for module in self._shares():
                module.set_reshard_after_forward(module is not self.around)
        self._share_out()

    def gathered(self, tree: T, *, keep: bool = True) -> T:
        """Return nested containers with their tensors whole, in the machine's memory; all have to call.

        keep  false: this process takes part, and has None for each tensor
        """

        def whole(tensor: DTensor) -> Tensor | None:
            full = tensor.detach().full_tensor()
            return full.cpu() if keep else None

        found: T = tree_map_only(DTensor, whole, tree)
        return found

    def share(self, whole: Tensor, parameter: Tensor) -> Tensor:
        """Return this process's share of a tensor that belongs to a parameter and has its shape; others as they are."""
        if not isinstance(parameter, DTensor) or whole.shape != parameter.shape:
            return whole
        return distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None)

    def save(self, folder: Path, *, here: bool = True) -> None:
        """Gather the weights, in which all have to take part, and write them as `Policy.save` does."""
        weights = self.gathered(dict(self.trainable), keep=here)
        if here:
            self.model.save_pretrained(folder, state_dict=weights)
            self.tokenizer.save_pretrained(folder)

    def _shares(self) -> list[FSDPModule]:
        return [module for module in self.around.modules() if isinstance(module, FSDPModule)]

    def _share_out(self) -> None:
        for module in self._shares():
            module.reshard()


class _Around(nn.Module):
    """A module whose forward pass is whatever is handed in; FSDP makes tensors whole before it and shares them out after."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, do: Callable[..., T], *given: Any) -> T:
        """Do it."""
        return do(*given)


def _do(do: Callable[..., T], *given: Any) -> T:
    """Be the forward pass of a layer, in the same way."""
    return do(*given)


class _Layers(Sequence[Layer]):
    """The layers' tensors as they are when one asks: whole within the layer's forward pass, else this process's share."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = modules

    def __len__(self) -> int:
        return len(self.modules)

    @overload
    def __getitem__(self, at: int) -> Layer: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Layer]: ...
    def __getitem__(self, at: int | slice) -> Layer | Sequence[Layer]:
        return _Layers(self.modules[at]) if isinstance(at, slice) else read_layer(self.modules[at])


class _GatheredLayers(_Layers):
    """Copies of the layers' tensors, whole; each is gathered as one comes to it, and kept by nobody else."""

    def __iter__(self) -> Iterator[Layer]:
        return (_whole(layer) for layer in super().__iter__())


@dataclass(frozen=True, slots=True)
class _ShardedDecoder(Decoder):
    """A decoder that computes each layer within the forward pass of the layer's module."""

    causal: Any = field(kw_only=True)

    def at_present(self) -> _ShardedDecoder:
        """Return it with the tensors outside the layers as they are now."""
        inner = self.causal.model
        return replace(
            self, embedding=inner.embed_tokens.weight, norm=inner.norm.weight, head=self.causal.lm_head.weight
        )

    def gathered(self) -> Decoder:
        """Return it with copies of the tensors, whole, those outside the layers in the type of computing."""
        now = self.at_present()
        embedding, norm = (_whole(each).to(self.compute) for each in (now.embedding, now.norm))
        head = embedding if now.head is now.embedding else _whole(now.head).to(self.compute)
        return replace(
            self, embedding=embedding, norm=norm, head=head, layers=_GatheredLayers(self.causal.model.layers)
        )

    def _layer(self, index: int, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend, adapted: bool) -> Tensor:
        compute = partial(Decoder._layer, self, index)
        y: Tensor = self.causal.model.layers[index](compute, x, cos, sin, attend, adapted)
        return y


def _shared_out(
    policy: Policy, mesh: DeviceMesh, device: torch.device, dtype: torch.dtype, reshard: bool
) -> ShardedPolicy:
    """Share out a policy's tensors, and those of its reference.

    reshard  share out a layer's tensors after its forward pass, and gather them again for the backward pass
    """
    reference = policy.reference and _shared_out(policy.reference, mesh, device, dtype, reshard)
    compute = compute_dtype(dtype, device)
    causal = policy.model.get_base_model() if policy.is_adapter else policy.model
    decoder = None
    if policy.decoder is None:
        head_is_plain(causal)  # which looks through the model, and keeps what it saw
        names = set(getattr(causal, "_no_split_modules", None) or ())
        layers = [module for module in causal.modules() if type(module).__name__ in names]
    else:
        layers = list(causal.model.layers)
        known = {each.name: getattr(policy.decoder, each.name) for each in fields(Decoder)}
        decoder = _ShardedDecoder(**{**known, "layers": _Layers(layers), "compute": compute}, causal=causal)
        for layer in layers:
            layer.forward = _do
    # All weights in training travel in the type of computing, and so does the embedding's gradient on its way out. An adapter
    # and its base are of two types: they travel as they are, and are turned as they are used.
    narrow = compute if decoder is not None and not policy.is_adapter else None
    precision = MixedPrecisionPolicy(param_dtype=narrow, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for layer in layers:
        fully_shard(layer, mesh=mesh, mp_policy=precision, reshard_after_forward=reshard)
    around: Any = fully_shard(_Around(policy.model), mesh=mesh, mp_policy=precision, reshard_after_forward=False)
    around.set_reduce_scatter_unused_params(True)  # experts that nobody asked in one process, and somebody in another
    with torch.no_grad():
        around(lambda: None)  # it is to be the outermost one, whoever is called first
    around.reshard()
    return ShardedPolicy(
        **{
            **{each.name: getattr(policy, each.name) for each in fields(Policy)},
            "decoder": decoder,
            "reference": reference,
            "trainable": {name: each for name, each in policy.model.named_parameters() if each.requires_grad},
            "device": device,
            "compute": compute,
        },
        around=around,
    )


def _whole(part: Any) -> Any:
    """Return a tensor, or the tensors of a layer, gathered from all processes."""
    if isinstance(part, DTensor):
        return part.detach().full_tensor()
    if isinstance(part, Layer | Linear):
        return replace(part, **{each.name: _whole(getattr(part, each.name)) for each in fields(part)})
    return part


def _is_true(name: str) -> bool:
    return os.environ.get(name, "false").lower() in ("true", "1", "yes")
