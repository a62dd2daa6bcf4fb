"""Which models does a run hold in memory? One, as a rule: the base is the reference, the base with its adapter the policy.

The base is frozen; switching the adapter off gives the reference exactly. Where all weights are trained instead
(`use_peft: false`) a second, frozen model is the reference, if the KL term needs one.
"""

from __future__ import annotations

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
from .settings import Settings
from .small_model import SMALL_MODEL, small_model

__all__ = ["DTYPES", "Policy", "compute_dtype", "open_policy"]

T = TypeVar("T")

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


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
    Raises OSError for a model that cannot be found or read.
    """
    from transformers import AutoTokenizer

    place = torch.device(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")
    if place.type == "cpu" and not settings.keep_rollout_weights:  # memory matters more than time
        give_back_large_blocks()
    path = str(small_model()) if settings.model_name_or_path == SMALL_MODEL else settings.model_name_or_path
    tokenizer = AutoTokenizer.from_pretrained(path)
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


def _load(path: str, settings: Settings, place: torch.device, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        path, dtype=dtype, attn_implementation=settings.attn_implementation, device_map={"": place}
    )
    return model.eval()  # no dropout but the adapter's own


def _with_adapter(base: Any, path: str, settings: Settings) -> Any:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(settings.seed)
    config = LoraConfig(
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=settings.lora_target_modules,
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for an attribute of its older name
        model = get_peft_model(base, config)  # adapters in float32, whatever the base
    model.peft_config["default"].base_model_name_or_path = path
    return model.train(settings.lora_dropout > 0)


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
