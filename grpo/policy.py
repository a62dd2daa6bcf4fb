"""Which models does a run hold in memory? One, as a rule: the base is the reference, the base with its adapter the policy.

The base is frozen; switching the adapter off gives the reference exactly. Where all weights are trained instead
(`use_peft: false`) a second, frozen model is the reference, if the KL term needs one.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from .decoder import Decoder, NotOurs
from .families import read_decoder
from .free_memory import give_back_large_blocks
from .logprobs import group_logprobs
from .model_shapes import ShapeError, read_config
from .settings import Settings
from .small_model import SMALL_MODEL, small_model

__all__ = ["DTYPES", "ModelError", "Policy", "TargetError", "compute_dtype", "open_policy"]

T = TypeVar("T")

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


class ModelError(ValueError):
    """A model, or the adapter on it, cannot be had as the settings say; one line names it and the remedy."""


class TargetError(ModelError):
    """The adapter is asked for on layers that the model does not have, or that take none."""


@dataclass
class Policy:
    """The model in training, and its reference.

    model      of transformers, within peft's wrapper where an adapter is trained
    decoder    the same tensors as our own forward pass reads them; None for a model of another family
    reference  the frozen second model of a full fine-tune, as a Policy; None: `model` without its adapter
    trainable  the parameters in training, by name
    """

    name: str
    model: Any
    tokenizer: Any
    decoder: Decoder | None
    reference: Policy | None
    trainable: dict[str, nn.Parameter]
    end_tokens: frozenset[int]
    device: torch.device
    compute: torch.dtype
    checkpointed: bool = False

    sharded: ClassVar[bool] = False  # sharded.py has the other kind, which differs in what is said for it below

    @property
    def is_adapter(self) -> bool:
        """Whether a LoRA adapter is trained, and not all weights."""
        return hasattr(self.model, "peft_config")

    def logprobs(
        self,
        prompt: Sequence[int],
        completions: Sequence[Sequence[int]],
        temperature: float,
        *,
        reference: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and entropies (N,) of all tokens of the completions, packed one after the other.

        reference  under the reference, and without gradients
        """
        if not reference:
            return self._logprobs(prompt, completions, temperature, True)
        with torch.no_grad():
            if self.reference is not None:
                return self.reference._logprobs(prompt, completions, temperature, False)
            return self._logprobs(prompt, completions, temperature, False)

    def _logprobs(
        self, prompt: Sequence[int], completions: Sequence[Sequence[int]], temperature: float, adapted: bool
    ) -> tuple[Tensor, Tensor]:
        checkpointed = self.checkpointed and torch.is_grad_enabled()
        if self.decoder is not None:
            return group_logprobs(
                self.decoder, prompt, completions, temperature, adapted=adapted, checkpointed=checkpointed
            )
        from .padded import padded_logprobs

        if adapted or not hasattr(self.model, "disable_adapter"):
            return padded_logprobs(self.model, prompt, completions, temperature, checkpointed=checkpointed)
        with self.model.disable_adapter():
            return padded_logprobs(self.model, prompt, completions, temperature, checkpointed=checkpointed)

    def save(self, folder: Path, *, here: bool = True) -> None:
        """Write the adapter as peft does, or the whole model as transformers does, with the tokenizer beside it.

        here  false: another process writes, which needs all to call where weights are sharded
        """
        if here:
            self.model.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)

    # ---- where processes hold shares of the weights, every one has to call these

    def idle_passes(self, mine: int) -> int:
        """Return how many passes are to be made up for by `idle`, beside the `mine` that have something to compute."""
        return 0

    def idle(self) -> None:
        """Take part in a forward and backward pass of the other processes, and add nothing to it."""

    def begin_sampling(self) -> Decoder | None:
        """Return what rollouts read; None where they use the model itself. The weights are those of now."""
        return self.decoder

    def end_sampling(self) -> None:
        """Give back what sampling took; `begin_sampling` comes before the next."""

    def gathered(self, tree: T, *, keep: bool = True) -> T:
        """Return nested containers with whole tensors in the place of shares, to be written down by who keeps them."""
        return tree

    def share(self, whole: Tensor, parameter: Tensor) -> Tensor:
        """Return the part of what was written down that this process holds of a parameter."""
        return whole


def open_policy(settings: Settings, device: torch.device | str | None = None) -> Policy:
    """Load the model that the settings name, put a fresh adapter on it, or ready it for a full fine-tune.

    device  None takes the GPU where there is one. The adapter's first weights depend on `settings.seed` alone.
    Raises ModelError for what cannot be loaded, or has no such layers.
    """
    place = torch.device(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")
    if place.type == "cpu" and not settings.keep_rollout_weights:  # memory matters more than time
        give_back_large_blocks()
    path = _found(settings.model_name_or_path)
    tokenizer = _tokenizer(path)
    base = _load(path, settings, place, DTYPES[settings.dtype] if settings.use_peft else torch.float32)
    compute = compute_dtype(DTYPES[settings.dtype], place)
    reference = None
    model: Any = base.requires_grad_(False)
    if settings.use_peft:
        model = _with_adapter(base, path, settings)
    else:
        model.requires_grad_(True)
        if settings.beta > 0:
            frozen = _load(path, settings, place, DTYPES[settings.dtype]).requires_grad_(False)
            reference = _policy(path, frozen, tokenizer, None, place, compute, settings)
    return _policy(path, model, tokenizer, reference, place, compute, settings)


def _found(name: str) -> str:
    """Return the path or hub id of a model that is there. Raises ModelError."""
    try:
        path = str(small_model()) if name == SMALL_MODEL else os.path.expanduser(name)
        adapter = Path(path, "adapter_config.json")
        if adapter.is_file():  # transformers would load its base, and leave out what was trained
            base = read_config(str(adapter)).get("base_model_name_or_path")
            raise ModelError(
                f"model_name_or_path: {name} is an adapter of {base}: merge it into a model (merge_and_unload of peft), "
                "or go on with the run that it comes from"
            )
        read_config(path)
    except (ShapeError, FileNotFoundError) as error:
        raise ModelError(f"model_name_or_path: {error}") from None
    return path


def _tokenizer(path: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path)
    except Exception as error:  # of transformers and the libraries below it, all sorts
        raise ModelError(
            f"the tokenizer of {path} cannot be loaded ({_sentence(error)}): it has to lie beside the model, as its "
            "save_pretrained writes it"
        ) from error


def _load(path: str, settings: Settings, place: torch.device, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype, attn_implementation=settings.attn_implementation, device_map={"": place}
        )
    except Exception as error:
        reason = _sentence(error)
        raise ModelError(f"{path} cannot be loaded ({reason}): {_remedy(reason)}") from error
    return model.eval()  # no dropout but the adapter's own


def _sentence(error: Exception) -> str:
    """Return the first sentence of what a library says."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words.partition('. ')[0].rstrip('.:')}"


def _remedy(reason: str) -> str:
    if re.search("attention|attn_", reason, re.IGNORECASE):
        return "attn_implementation=eager is what every model has"
    if "out of memory" in reason:
        return "`assay memory MODEL` says what fits"
    return "it has to be a causal language model with all its weights, as its save_pretrained writes them"


def _with_adapter(base: Any, path: str, settings: Settings) -> Any:
    from peft import LoraConfig, get_peft_model
    from transformers.pytorch_utils import Conv1D

    asked = settings.lora_target_modules
    names = [name for name, _ in base.named_modules()]
    linear = {name.rpartition(".")[2] for name, each in base.named_modules() if isinstance(each, nn.Linear | Conv1D)}
    refused = (
        "lora_target_modules: {} cannot take the adapter ({}); its linear layers are {}, all-linear is all but the head"
    )
    lacking = [] if isinstance(asked, str) else [each for each in asked if not _matches(each, names)]
    if lacking:  # peft is content if it finds one of them
        raise TargetError(refused.format(path, f"there is no {', '.join(lacking)}", ", ".join(sorted(linear))))
    torch.manual_seed(settings.seed)
    config = LoraConfig(
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=asked,
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for an attribute of its older name
        try:
            model = get_peft_model(base, config)  # adapters in float32, whatever the base
        except (ValueError, re.error) as error:
            raise TargetError(refused.format(path, _sentence(error), ", ".join(sorted(linear)))) from error
    model.peft_config["default"].base_model_name_or_path = path
    return model.train(settings.lora_dropout > 0)


def _matches(target: str, names: Sequence[str]) -> bool:
    """Whether a target is the name of a module or the end of one, as peft compares them."""
    return any(f".{name}".endswith(f".{target}") for name in names)


def _policy(
    path: str,
    model: Any,
    tokenizer: Any,
    reference: Policy | None,
    place: torch.device,
    compute: torch.dtype,
    settings: Settings,
) -> Policy:
    decoder = None
    try:
        decoder = read_decoder(model, compute)
    except NotOurs as reason:
        warnings.warn(f"{path} is computed by its own forward pass, with padding: {reason}", stacklevel=3)
    trainable = {name: each for name, each in model.named_parameters() if each.requires_grad}
    return Policy(
        path,
        model,
        tokenizer,
        decoder,
        reference,
        trainable,
        _end_tokens(model, tokenizer),
        place,
        compute,
        settings.gradient_checkpointing,
    )


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end a completion, by the model's generation config and its tokenizer."""
    found: set[int] = set()
    for each in (getattr(model.generation_config, "eos_token_id", None), tokenizer.eos_token_id):
        found.update(each if isinstance(each, list) else [] if each is None else [each])
    return frozenset(found)


def compute_dtype(dtype: torch.dtype, place: torch.device) -> torch.dtype:
    """Return the type of activations: that of the weights, or float32 on CPUs where half precision is slower.

    Weights stay as they are and are widened one layer at a time as they are used.
    """
    if dtype == torch.float32 or place.type != "cpu":
        return dtype
    capable = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return dtype if dtype == torch.bfloat16 and capable else torch.float32
