"""Is this model one that `Decoder` can compute, and where are its tensors?

Nobody keeps a list of model types: the tensors are looked for by the names that the family shares, whatever is left over
is a reason to refuse, and the two forward passes are compared: on a small copy of the model, of the same class and in
float32, where they must agree closely, and on the model itself, where its type leaves noise.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from .decoder import Decoder, Layer, Linear, NotOurs

__all__ = ["read_decoder", "read_layer"]

PROBE = 12  # tokens on which the two forward passes are compared
CLOSE = 1e-4  # how far their logits may be apart on the small copy, relative to their norm
NOISE = {torch.float32: 1e-3, torch.bfloat16: 0.3, torch.float16: 0.05}  # and on the model itself

# What a layer of the family has, and nothing else.
NORMS = {"input_layernorm", "post_attention_layernorm"}
ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
MLP = {"gate_proj", "up_proj", "down_proj"}


def read_decoder(model: nn.Module, compute: torch.dtype) -> Decoder:
    """Return the tensors of a causal language model of transformers, with or without peft's adapters, unchanged.

    Raises NotOurs, with the reason, for a model that is not of the family.
    """
    causal: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
    decoder = _read(causal, compute)
    small = _small_copy(causal)
    apart = _difference(_read(small, torch.float32), small)
    if not apart <= CLOSE:
        raise NotOurs(f"the logits of a small copy differ from its own by {apart:.2g}")
    apart = _difference(decoder, model)
    if not apart <= max(NOISE[decoder.embedding.dtype], NOISE[compute]):
        raise NotOurs(f"its logits differ from the model's own by {apart:.2g}")
    return decoder


def _read(causal: Any, compute: torch.dtype) -> Decoder:
    config = causal.config
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
    for name, value in config.to_dict().items():
        if isinstance(value, list) and len(value) == len(inner.layers) and len(set(map(str, value))) > 1:
            raise NotOurs(f"its layers differ in {name}")
    layers = tuple(read_layer(layer) for layer in inner.layers)
    attention = inner.layers[0].self_attn
    heads = config.num_attention_heads
    size = getattr(attention, "head_dim", None) or config.hidden_size // heads
    return Decoder(
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
        padding=getattr(inner.embed_tokens, "padding_idx", None),
    )


def read_layer(layer: nn.Module) -> Layer:
    """Return the tensors of one layer, unchanged. Raises NotOurs for one that is not of the family."""
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
    base: Any = getattr(module, "base_layer", None)
    if type(base) is not nn.Linear or not hasattr(module, "lora_A"):
        raise NotOurs(f"one of its layers is a {type(module).__name__}, which is no plain linear layer")
    if len(adapters) != 1:
        raise NotOurs(f"{len(adapters)} adapters are active")
    name = adapters[0]
    if name not in module.lora_A:
        return Linear(base.weight, base.bias)
    dropout = module.lora_dropout[name]
    if not isinstance(dropout, nn.Identity) and getattr(dropout, "p", True):
        raise NotOurs("its adapter has dropout")
    if name in getattr(module, "lora_variant", ()) or module.lora_A[name].bias is not None:
        raise NotOurs("its adapter is a variant of LoRA (DoRA, for example)")
    if module.lora_B[name].bias is not None:
        raise NotOurs("its adapter has a bias")
    if any(parameter.requires_grad for parameter in base.parameters()):
        raise NotOurs("layers with an adapter are trained themselves as well")
    return Linear(
        base.weight, base.bias, module.lora_A[name].weight, module.lora_B[name].weight, float(module.scaling[name])
    )


def _small_copy(causal: Any) -> Any:
    """Return a model of the same class with two small layers and random weights, in float32."""
    config = copy.deepcopy(causal.config)
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    shared = min(2, heads // (getattr(config, "num_key_value_heads", None) or heads))
    smaller = {
        "num_hidden_layers": 2,
        "num_attention_heads": 2 * shared,
        "num_key_value_heads": 2,
        "hidden_size": 2 * shared * size,
        "intermediate_size": 96,
        "vocab_size": 64,
        "pad_token_id": None,
        "quantization_config": None,
        "tie_word_embeddings": config.tie_word_embeddings,
    }
    for name, value in smaller.items():
        if hasattr(config, name):
            setattr(config, name, value)
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:2]
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            small = type(causal)(config).float().eval()
            for parameter in small.parameters():
                nn.init.normal_(parameter, std=0.2)
    except Exception as error:
        raise NotOurs(f"no small copy of it can be made ({type(error).__name__}: {error})") from None
    return small.requires_grad_(False)


@torch.no_grad()
def _difference(decoder: Decoder, model: Any) -> float:
    """Return how far the logits of the two forward passes are apart, relative to the norm of the model's own."""
    from .logprobs import causal_attention

    tokens = torch.arange(1, PROBE + 1, device=decoder.embedding.device) * 7 % decoder.embedding.shape[0]
    positions = torch.arange(PROBE, device=tokens.device)
    try:
        own = decoder.hidden(tokens, positions, causal_attention).float() @ decoder.head.float().t()
    except RuntimeError as error:  # shapes that do not fit: heads turned in part, norms over all heads
        raise NotOurs(f"our forward pass does not fit it ({error})") from None
    was_training = model.training
    model.eval()
    try:
        theirs = model(input_ids=tokens[None], use_cache=False).logits[0].float()
    except Exception as error:
        raise NotOurs(f"its own forward pass fails on a few tokens ({type(error).__name__}: {error})") from None
    finally:
        model.train(was_training)
    return float((own - theirs).norm() / theirs.norm())
