"""Is this model one that `Decoder` can compute, and where are its tensors?

Nobody keeps a list of model types: the tensors are looked for by the names that the family shares, whatever is left over
is a reason to refuse, and what was read is compared with the model's own answer on a few tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .decoder import Decoder, Layer, Linear, NotOurs

__all__ = ["read_decoder"]

PROBE = 12  # tokens on which the two forward passes are compared
CLOSE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}  # of logits, relative to their spread

# What a layer of the family has, and nothing else.
NORMS = {"input_layernorm", "post_attention_layernorm"}
ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
MLP = {"gate_proj", "up_proj", "down_proj"}


def read_decoder(model: nn.Module, compute: torch.dtype) -> Decoder:
    """Return the tensors of a causal language model of transformers, with or without peft's adapters, unchanged.

    Raises NotOurs, with the reason, for a model that is not of the family.
    """
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    config: Any = causal.config
    inner = getattr(causal, "model", None)
    head = getattr(causal, "lm_head", None)
    if inner is None or head is None or not hasattr(inner, "layers"):
        raise NotOurs(f"{type(causal).__name__} has no model.layers and lm_head")
    if not hasattr(inner, "rotary_emb") or not hasattr(inner, "embed_tokens"):
        raise NotOurs(f"{type(causal).__name__} has no rotary_emb and embed_tokens")
    if getattr(config, "hidden_act", None) not in ("silu", "swish"):
        raise NotOurs(f"its activation is {getattr(config, 'hidden_act', None)}, not silu")
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        raise NotOurs("it attends within a sliding window")
    if getattr(config, "attention_dropout", 0):
        raise NotOurs("it has attention dropout")
    layers = tuple(_layer(layer) for layer in inner.layers)
    attention = inner.layers[0].self_attn
    heads = config.num_attention_heads
    size = getattr(attention, "head_dim", None) or config.hidden_size // heads
    decoder = Decoder(
        embedding=_only_weight(inner.embed_tokens, "embed_tokens"),
        layers=layers,
        norm=_only_weight(inner.norm, "norm"),
        head=_only_weight(head, "lm_head"),
        rotary=inner.rotary_emb,
        heads=heads,
        kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_size=size,
        epsilon=config.rms_norm_eps,
        compute=compute,
    )
    _compare(decoder, model)
    return decoder


def _layer(layer: nn.Module) -> Layer:
    parts = dict(layer.named_children())
    expected = NORMS | {"self_attn", "mlp"}
    if set(parts) != expected:
        raise NotOurs(f"its layers hold {', '.join(sorted(set(parts) ^ expected))}")
    attention, mlp = dict(parts["self_attn"].named_children()), dict(parts["mlp"].named_children())
    if not ATTENTION <= set(attention) <= ATTENTION | {"q_norm", "k_norm", "rotary_emb"}:
        raise NotOurs(f"its attention holds {', '.join(sorted(set(attention) ^ ATTENTION))}")
    if not MLP <= set(mlp) <= MLP | {"act_fn"}:
        raise NotOurs(f"its MLP holds {', '.join(sorted(set(mlp) ^ MLP))}")
    return Layer(
        norm=_only_weight(parts["input_layernorm"], "input_layernorm"),
        q=_linear(attention["q_proj"]),
        k=_linear(attention["k_proj"]),
        v=_linear(attention["v_proj"]),
        o=_linear(attention["o_proj"]),
        q_norm=_only_weight(attention["q_norm"], "q_norm") if "q_norm" in attention else None,
        k_norm=_only_weight(attention["k_norm"], "k_norm") if "k_norm" in attention else None,
        mlp_norm=_only_weight(parts["post_attention_layernorm"], "post_attention_layernorm"),
        gate=_linear(mlp["gate_proj"]),
        up=_linear(mlp["up_proj"]),
        down=_linear(mlp["down_proj"]),
    )


def _only_weight(module: nn.Module, name: str) -> Tensor:
    parameters = dict(module.named_parameters())
    if set(parameters) != {"weight"}:
        raise NotOurs(f"{name} holds {', '.join(sorted(parameters)) or 'nothing'}, not a weight alone")
    return parameters["weight"]


def _linear(module: Any) -> Linear:
    """Read a layer, and the one adapter that peft may have put on it."""
    if type(module) is nn.Linear:
        return Linear(module.weight, module.bias)
    adapters = list(getattr(module, "active_adapters", []))
    base = getattr(module, "base_layer", None)
    if type(base) is not nn.Linear or not hasattr(module, "lora_A"):
        raise NotOurs(f"one of its layers is a {type(module).__name__}, which is no plain linear layer")
    if len(adapters) != 1:
        raise NotOurs(f"{len(adapters)} adapters are active")
    name = adapters[0]
    if name not in module.lora_A:
        return Linear(base.weight, base.bias)
    dropout = module.lora_dropout[name]
    if not isinstance(dropout, nn.Identity) and getattr(dropout, "p", 1):
        raise NotOurs("its adapter has dropout")
    if getattr(module, "lora_variant", {}).get(name) is not None or module.lora_A[name].bias is not None:
        raise NotOurs("its adapter is a variant of LoRA (DoRA, for example)")
    if module.lora_B[name].bias is not None:
        raise NotOurs("its adapter has a bias")
    return Linear(
        base.weight, base.bias, module.lora_A[name].weight, module.lora_B[name].weight, float(module.scaling[name])
    )


@torch.no_grad()
def _compare(decoder: Decoder, model: nn.Module) -> None:
    """Raise NotOurs unless both forward passes give the same logits."""
    from .logprobs import causal_attention

    tokens = torch.arange(1, PROBE + 1, device=decoder.embedding.device) * 7 % decoder.embedding.shape[0]
    positions = torch.arange(PROBE, device=tokens.device)
    own = decoder.hidden(tokens, positions, causal_attention)
    logits = own.float() @ decoder.head.float().t()
    was_training = model.training
    model.eval()
    try:
        theirs = model(input_ids=tokens[None], use_cache=False).logits[0].float()
    finally:
        model.train(was_training)
    apart = ((logits - theirs).abs().max() / theirs.std()).item()
    if not apart <= CLOSE[decoder.embedding.dtype]:
        raise NotOurs(f"its logits differ from the model's own by {apart:.2g} of their spread")
