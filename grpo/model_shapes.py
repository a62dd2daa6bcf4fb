"""How large are a model's matrices? Read from its configuration alone: no weight is opened or downloaded.

Llama, Mistral, Qwen2 and Qwen3 (SmolLM2 is a Llama) are counted exactly, without torch. Any other causal language model
of transformers is built on torch's meta device, where tensors have a shape and no memory, to count its parameters;
its activations are then those of a Llama of the same sizes, and `exact` is false.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .small_model import SMALL_MODEL

__all__ = ["ModelShape", "ShapeError", "read_config", "read_shape"]

FAMILY = ("llama", "mistral", "qwen2", "qwen3")

# What the configuration of SMALL_MODEL says: it can be planned before its package is installed.
SMALL_CONFIG = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
    "max_position_embeddings": 8192,
}


class ShapeError(ValueError):
    """The model's sizes cannot be found; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes of a decoder: all are numbers of columns, rows or layers, none are bytes.

    counted  parameters, where they were counted in another family's model
    exact    the family that `Decoder` computes: activations are known tensor by tensor
    context  tokens that the model can take, where it says
    packed   how its configuration says that the weights are quantized, which the counts here are not; "" if they are not
    """

    name: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    tied: bool
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    counted: int | None = None
    exact: bool = True
    context: int | None = None
    packed: str = ""

    @property
    def attention(self) -> int:
        """Columns of all queries."""
        return self.heads * self.head_size

    @property
    def kv(self) -> int:
        """Columns of all keys; values have as many."""
        return self.kv_heads * self.head_size

    @property
    def embedding(self) -> int:
        """Parameters of the embedding; the head has as many, or is the same where they are tied."""
        return self.vocabulary * self.hidden

    @property
    def linear(self) -> int:
        """Parameters of the seven matrices of all layers, without biases."""
        one = 2 * self.hidden * (self.attention + self.kv) + 3 * self.hidden * self.intermediate
        return self.layers * one

    @property
    def largest_matrix(self) -> int:
        """Parameters of a layer's largest matrix."""
        return self.hidden * max(self.intermediate, self.attention)

    @property
    def parameters(self) -> int:
        """Parameters of the whole model."""
        if self.counted is not None:
            return self.counted
        one = 2 * self.hidden  # norms
        one += self.qkv_bias * (self.attention + 2 * self.kv) + self.o_bias * self.hidden
        one += self.mlp_bias * (2 * self.intermediate + self.hidden)
        one += self.qk_norm * 2 * self.head_size
        return self.linear + self.layers * one + self.embedding * (1 if self.tied else 2) + self.hidden

    def adapter(self, rank: int) -> int:
        """Return the parameters of a LoRA adapter on all seven matrices: A (rank, in) and B (out, rank) of each.

        Source: Hu et al. 2021, section 4.1.
        """
        hidden, inner = self.hidden, self.intermediate
        pairs = 2 * (hidden + self.attention) + 2 * (hidden + self.kv) + 3 * (hidden + inner)
        return self.layers * rank * pairs


def read_shape(model: str) -> ModelShape:
    """Return the sizes of a model: a hub id, a folder, a config.json, or the small model's name.

    Raises ShapeError, which names what is missing and the remedy.
    """
    config = read_config(model)
    packed = _packed(config.get("quantization_config"))
    text = config.get("text_config")
    if isinstance(text, dict) and "num_hidden_layers" not in config:
        config = {"tie_word_embeddings": config.get("tie_word_embeddings", False), **text}
        shape = _other_shape(model, config, {})
    elif config.get("model_type") in FAMILY:
        shape = _family_shape(model, config)
    else:
        shape = _other_shape(model, config, config)
    context = config.get("max_position_embeddings")
    return replace(shape, context=context if isinstance(context, int) else None, packed=packed)


def _packed(quantization: Any) -> str:
    """Return a quantization_config in words: "gptq, 4 bits"."""
    if not isinstance(quantization, dict):
        return ""
    bits = quantization.get("bits") or next((n for n in (4, 8) if quantization.get(f"load_in_{n}bit")), None)
    return str(quantization.get("quant_method", "quantized")) + (f", {bits} bits" if bits else "")


def read_config(model: str) -> dict[str, Any]:
    """Return a model's configuration as plain data. Raises ShapeError if there is none."""
    if model == SMALL_MODEL:
        return dict(SMALL_CONFIG)
    path = Path(model).expanduser()
    if path.is_dir():
        path = path / "config.json"
        if not path.is_file():
            raise ShapeError(f"{model}: the folder has no config.json; give the folder of a transformers model")
    elif not path.is_file():
        if path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1 or model.endswith(".json"):
            raise ShapeError(f"{model}: there is no such file or folder")
        path = _from_hub(model)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ShapeError(f"{path}: cannot be read as JSON ({error}); give a transformers config.json") from None
    if not isinstance(config, dict):
        raise ShapeError(f"{path}: holds a {type(config).__name__}, not the object of a transformers config.json")
    return config


def _from_hub(model: str) -> Path:
    """Fetch config.json, and nothing else, of a repository on the hub."""
    local = f"or give a folder or a config.json; {SMALL_MODEL} needs neither"
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise ShapeError(
            f"{model}: no such file or folder, and huggingface_hub, which would ask the hub, is not installed: "
            f"pip install huggingface_hub, {local}"
        ) from None
    try:
        return Path(hf_hub_download(model, "config.json"))
    except Exception as error:  # the library's own errors, those of HTTP and of the network below it
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ShapeError(
            f"{model}: there is no such file or folder, and its config.json could not be had from the Hugging Face hub "
            f"({type(error).__name__}: {reason}); "
            f"look at the spelling, log in with `hf auth login` if it is gated, {local}"
        ) from None


def _size(model: str, config: dict[str, Any], name: str, default: int | None = None) -> int:
    value = config.get(name)
    if value is None:
        value = default
    if value is None:
        known = ", ".join(sorted(key for key in config if key.endswith("_size") or key.startswith("num_")))
        raise ShapeError(
            f"{model}: its configuration has no {name}" + (f" (it has {known})" if known else "") + "; add it"
        )
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ShapeError(f"{model}: {name} is {value!r} in its configuration; a whole number above 0 is needed")
    return value


def _family_shape(model: str, config: dict[str, Any]) -> ModelShape:
    kind = config["model_type"]
    hidden = _size(model, config, "hidden_size")
    heads = _size(model, config, "num_attention_heads")
    kv_heads = _size(model, config, "num_key_value_heads", 8 if kind == "mistral" else heads)
    if heads % kv_heads:
        raise ShapeError(f"{model}: {heads} attention heads cannot share {kv_heads} heads of keys and values")
    bias = bool(config.get("attention_bias", False))
    return ModelShape(
        name=model,
        hidden=hidden,
        intermediate=_size(model, config, "intermediate_size"),
        layers=_size(model, config, "num_hidden_layers"),
        heads=heads,
        kv_heads=kv_heads,
        head_size=_size(model, config, "head_dim", 128 if kind == "qwen3" else hidden // heads),
        vocabulary=_size(model, config, "vocab_size"),
        tied=bool(config.get("tie_word_embeddings", False)),
        qkv_bias=kind == "qwen2" or bias,
        o_bias=kind != "qwen2" and bias,
        mlp_bias=kind == "llama" and bool(config.get("mlp_bias", False)),
        qk_norm=kind == "qwen3",
    )


def _other_shape(model: str, config: dict[str, Any], whole: dict[str, Any]) -> ModelShape:
    """Count the parameters on the meta device; the sizes are those that most configurations have, under any name."""
    kind = config.get("model_type")
    if not kind:
        raise ShapeError(f"{model}: its configuration has no model_type; is it the config.json of a language model?")
    try:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM
    except ImportError:
        raise ShapeError(
            f"{model}: a {kind} model is counted by building it without memory, for which torch and transformers are "
            f"needed; install torch and assay-rewards[train] (without them: {', '.join(FAMILY)})"
        ) from None
    try:
        given = dict(whole or config)
        settings: Any = AutoConfig.for_model(given.pop("model_type"), **given)
        with torch.device("meta"):
            built: Any = AutoModelForCausalLM.from_config(settings)
    except Exception as error:  # whatever the library thinks of the configuration
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ShapeError(f"{model}: transformers makes no causal language model of it: {reason}") from None
    known = settings.get_text_config().to_dict() | {
        name: value
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
        if isinstance(value := getattr(settings, name, None), int)  # attribute_map: n_embd, n_layer, ...
    }
    if known.get("num_attention_heads") is None:
        raise ShapeError(
            f"{model}: a {kind} model has no attention heads, and only models with attention are planned here"
        )
    hidden = _size(model, known, "hidden_size")
    heads = _size(model, known, "num_attention_heads")
    return ModelShape(
        name=model,
        hidden=hidden,
        intermediate=next(
            (known[name] for name in ("intermediate_size", "ffn_dim", "n_inner") if isinstance(known.get(name), int)),
            4 * hidden,
        ),
        layers=_size(model, known, "num_hidden_layers"),
        heads=heads,
        kv_heads=_size(model, known, "num_key_value_heads", heads),
        head_size=_size(model, known, "head_dim", hidden // heads),
        vocabulary=_size(model, known, "vocab_size"),
        tied=built.get_input_embeddings().weight is built.get_output_embeddings().weight,
        counted=sum(parameter.numel() for parameter in built.parameters()),
        exact=False,
    )
