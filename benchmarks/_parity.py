"""The same batch through TRL's GRPOTrainer and through assay: losses, and the gradients of every adapter.

TRL's own `training_step` runs on inputs made by hand, so its scaling for accumulation is in it. Old and reference
log-probabilities lie away from the policy's: ratios reach across both clips.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from assay.grpo.decoder import Decoder
from assay.grpo.families import read_decoder
from assay.grpo.logprobs import group_logprobs
from assay.grpo.losses import Tally, per_token, policy_loss, token_weights, tokens_per_update
from assay.grpo.settings import Settings
from torch import Tensor

GROUP = 4
LONGEST = 12  # max_completion_length
END = 2
ADVANTAGES = [[1.2, -0.9, 0.4, -0.7], [-1.1, 0.8, 0.0, 0.6]]
# Mean log ratio of each completion's tokens: beyond a clip and within, with the advantage and against it.
MOVED = [[0.3, -0.08, 0.05, -0.4], [0.3, -0.3, 0.0, 0.1]]


@dataclass(frozen=True)
class Case:
    """One configuration, in TRL's names."""

    name: str
    loss_type: str
    given: dict[str, Any] = field(default_factory=dict)
    accumulate: int = 1
    steps_per_generation: int | None = None
    engine: bool = False  # sampled by an engine that computes otherwise

    def settings(self, **other: Any) -> Settings:
        return Settings(
            model_name_or_path="none",
            max_completion_length=LONGEST,
            loss_type=self.loss_type,
            num_generations=GROUP,
            per_device_train_batch_size=GROUP,
            gradient_accumulation_steps=self.accumulate,
            **{**self.given, **other},
        )


CISPO = {"epsilon_high": 1.2}
GSPO = {"importance_sampling_level": "sequence", "epsilon": 0.1, "epsilon_high": 0.15}
CASES = [
    *(Case(kind, kind) for kind in ("grpo", "dr_grpo", "dapo", "bnpo")),
    Case("cispo", "cispo", CISPO),
    Case("GSPO", "grpo", GSPO),
    *(Case(f"{kind}, beta", kind, {"beta": 0.2}) for kind in ("grpo", "dr_grpo", "dapo", "bnpo")),
    Case("cispo, beta", "cispo", {**CISPO, "beta": 0.2}),
    Case("GSPO, beta", "grpo", {**GSPO, "beta": 0.2}),
    Case("grpo, epsilon_high", "grpo", {"epsilon": 0.1, "epsilon_high": 0.4}),
    Case("dapo, epsilon_high", "dapo", {"epsilon": 0.2, "epsilon_high": 0.28}),
    Case("grpo, delta", "grpo", {"delta": 1.4, "beta": 0.04}),
    Case("GSPO, delta", "grpo", {**GSPO, "delta": 1.2}),
    Case("dr_grpo, temperature", "dr_grpo", {"temperature": 0.7, "beta": 0.04}),
    Case("cispo, temperature", "cispo", {**CISPO, "temperature": 1.3}),
    *(
        Case(f"{kind}, truncated masked", kind, {"mask_truncated_completions": True, "beta": 0.1})
        for kind in ("grpo", "dr_grpo", "dapo", "bnpo")
    ),
    Case("cispo, truncated masked", "cispo", {**CISPO, "mask_truncated_completions": True}),
    Case("GSPO, truncated masked", "grpo", {**GSPO, "mask_truncated_completions": True}),
    *(Case(f"{kind}, 2 passes", kind, {"beta": 0.04}, accumulate=2) for kind in ("grpo", "dr_grpo", "dapo", "bnpo")),
    Case("cispo, 2 passes", "cispo", CISPO, accumulate=2),
    Case("GSPO, 2 passes", "grpo", GSPO, accumulate=2),
    Case("grpo, KL as published", "grpo", {"beta": 0.2, "use_bias_correction_kl": False}),
    Case("cispo, KL as published", "cispo", {**CISPO, "beta": 0.2, "use_bias_correction_kl": False}),
    Case("grpo, engine apart", "grpo", {"beta": 0.1}, engine=True),
    Case("dapo, engine apart", "dapo", {"vllm_importance_sampling_mode": "token_truncate"}, engine=True),
    Case("cispo, engine apart", "cispo", {**CISPO, "vllm_importance_sampling_mode": "token_mask"}, engine=True),
    Case("GSPO, engine apart", "grpo", {**GSPO, "vllm_importance_sampling_mode": "sequence_truncate"}, engine=True),
    Case("dapo, 1 pass of 2 sampled", "dapo", {"beta": 0.04}, accumulate=1, steps_per_generation=2),
]


@dataclass(frozen=True)
class Batch:
    """Two prompts with a group each; old, ref and engine hold log-probabilities of each completion's tokens."""

    prompts: list[list[int]]
    groups: list[list[list[int]]]
    advantages: list[list[float]]
    old: list[list[Tensor]]
    ref: list[list[Tensor]]
    engine: list[list[Tensor]]

    def kept(self, group: int) -> list[bool]:
        """Whether each completion ended by itself."""
        return [completion[-1] == END for completion in self.groups[group]]


@dataclass(frozen=True)
class Found:
    """A loss, summed over the passes, the gradients by parameter, and what was told about the loss."""

    loss: float
    gradients: dict[str, Tensor]
    told: dict[str, float]

    def apart(self, other: Found) -> float:
        """The largest difference of a parameter's gradient, as a part of its length."""
        return max(
            ((self.gradients[name] - theirs).norm() / theirs.norm()).item() for name, theirs in other.gradients.items()
        )


def tiny_model() -> tuple[Any, Any]:
    """Return a random Llama of two layers with an adapter, and a tokenizer that knows every byte."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[])),
        eos_token=letters[END],
        pad_token=letters[0],
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(letters), hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.2, eos_token_id=END, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    return adapted(LlamaForCausalLM(config)), tokenizer


def adapted(model: Any) -> Any:
    """Put an adapter on all projections of a model, one that changes what it says."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(
            model, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
        )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return model


def make_batch(decoder: Decoder, temperature: float) -> Batch:
    """Draw prompts of different lengths and completions of 1 to 12 tokens, two of which are cut off."""
    random = torch.Generator().manual_seed(5)
    vocabulary = decoder.embedding.shape[0]

    def tokens(count: int) -> list[int]:
        return torch.randint(END + 1, vocabulary, (count,), generator=random).tolist()

    prompts = [tokens(5), tokens(9)]
    groups = [
        [[*tokens(length - 1), END] for length in (4, 9, 1)] + [tokens(LONGEST)],
        [tokens(LONGEST)] + [[*tokens(length - 1), END] for length in (7, 2, 11)],
    ]
    old, ref, engine = [], [], []
    for prompt, group, moves in zip(prompts, groups, MOVED, strict=True):
        lengths = [len(completion) for completion in group]
        with torch.no_grad():
            logprobs, _ = group_logprobs(decoder, prompt, group, temperature)
        noise = [0.3 * torch.randn(length, generator=random) for length in lengths]
        parts = list(logprobs.split(lengths))
        old.append([p - move - (n - n.mean()) for p, move, n in zip(parts, moves, noise, strict=True)])
        ref.append([p + 0.3 * torch.randn(len(p), generator=random) for p in parts])
    for group in old:
        engine.append([p + 0.25 * torch.randn(len(p), generator=random) for p in group])
    return Batch(prompts, groups, ADVANTAGES, old, ref, engine)


# ---- TRL's side


def make_trainer(model: Any, tokenizer: Any, case: Case, folder: Path) -> Any:
    """Build TRL's trainer around a model with an adapter."""
    from trl import GRPOConfig, GRPOTrainer

    from datasets import Dataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        args = GRPOConfig(
            output_dir=str(folder), use_cpu=True, bf16=False, report_to=[], save_strategy="no", disable_tqdm=True,
            per_device_train_batch_size=2 * GROUP // passes(case), gradient_accumulation_steps=case.accumulate,
            steps_per_generation=passes(case), num_generations=GROUP, max_completion_length=LONGEST,
            loss_type=case.loss_type, gradient_checkpointing=False, **case.given,
        )  # fmt: skip
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            args=args,
            train_dataset=Dataset.from_list([{"prompt": "x"}] * 4),
            processing_class=tokenizer,
        )
    trainer._prepare_inputs = lambda inputs: inputs  # made by hand
    trainer.current_gradient_accumulation_steps = case.accumulate
    trainer.use_vllm = case.engine
    return trainer


def passes(case: Case) -> int:
    """Return the passes that one sampling feeds."""
    return case.steps_per_generation or case.accumulate


def trl_inputs(batch: Batch, case: Case) -> Iterator[dict[str, Tensor]]:
    """Return what TRL makes of the batch for each pass of an update: prompts padded left, completions right."""
    masked = case.given.get("mask_truncated_completions", False)
    longest = max(len(prompt) for prompt in batch.prompts)
    rows: list[dict[str, Tensor]] = []
    for group, prompt in enumerate(batch.prompts):
        for index, completion in enumerate(batch.groups[group]):
            before, after = longest - len(prompt), LONGEST - len(completion)
            there = 0 if masked and completion[-1] != END else 1
            rows.append(
                {
                    "prompt_ids": torch.tensor([0] * before + prompt),
                    "prompt_mask": torch.tensor([0] * before + [1] * len(prompt)),
                    "completion_ids": torch.tensor(completion + [0] * after),
                    "completion_mask": torch.tensor([there] * len(completion) + [0] * after),
                    "advantages": torch.tensor(batch.advantages[group][index]),
                    "old_per_token_logps": torch.nn.functional.pad(batch.old[group][index], (0, after)),
                    "ref_per_token_logps": torch.nn.functional.pad(batch.ref[group][index], (0, after)),
                }
            )
            if case.engine:
                apart = torch.nn.functional.pad(batch.old[group][index] - batch.engine[group][index], (0, after))
                rows[-1]["importance_sampling_ratio"] = correction(apart, case.settings().vllm_importance_sampling_mode)
    tokens = sum(row["completion_mask"].sum() for row in rows)
    size = len(rows) // passes(case)
    for start in range(0, case.accumulate * size, size):
        part = rows[start : start + size]
        yield {name: torch.stack([row[name] for row in part]) for name in part[0]} | {"num_items_in_batch": tokens}


def correction(log_ratios: Tensor, mode: str) -> Tensor:
    """Return what TRL 1.16 makes of the log ratios of one completion (T,), with its bound of 3: (T,) or (1,)."""
    ratios = (log_ratios.sum(-1, keepdim=True) if mode.startswith("sequence") else log_ratios).exp()
    return ratios.clamp(max=3.0) if mode.endswith("truncate") else ratios.masked_fill(ratios > 3.0, 0.0)


def theirs(trainer: Any, batch: Batch, case: Case) -> Found:
    """Run TRL's training step over the passes of one update."""
    model = trainer.model
    model.zero_grad()
    loss = sum(trainer.training_step(model, inputs, None).item() for inputs in trl_inputs(batch, case))
    told = {name: sum(values) / len(values) for name, values in trainer._metrics["train"].items() if values}
    return Found(loss, gradients(model), told)


# ---- ours


def ours(decoder: Decoder, model: Any, batch: Batch, case: Case, keep_all: bool = False, **other: Any) -> Found:
    """Do the same with the packed loss, a group at a time; other settings, or a mask left out, are for controls."""
    settings = case.settings(**other)
    model.zero_grad()
    masked = settings.mask_truncated_completions and not keep_all
    kept = [batch.kept(group) if masked else [True] * GROUP for group in range(len(batch.groups))]
    lengths = [[len(completion) for completion in group] for group in batch.groups]
    generated = sum(
        length
        for group in range(len(lengths))
        for length, keep in zip(lengths[group], kept[group], strict=True)
        if keep
    )
    in_pass = len(batch.groups) // passes(case)  # groups
    loss, tallies = 0.0, []
    for start in range(0, case.accumulate * in_pass, in_pass):
        groups = range(start, start + in_pass)
        weights = token_weights(
            settings.loss_type,
            [length for group in groups for length in lengths[group]],
            [keep for group in groups for keep in kept[group]],
            max_completion_length=LONGEST,
            tokens_in_update=tokens_per_update(generated, accumulate=case.accumulate, passes=passes(case)),
            accumulate=case.accumulate,
        ).split([sum(lengths[group]) for group in groups])
        for group, weight in zip(groups, weights, strict=True):
            logprobs, entropies = group_logprobs(
                decoder, batch.prompts[group], batch.groups[group], settings.temperature
            )
            advantages = per_token(torch.tensor(batch.advantages[group]), lengths[group])
            part, tally = policy_loss(
                logprobs,
                torch.cat(batch.old[group]),
                torch.cat(batch.ref[group]),
                advantages,
                weight,
                lengths[group],
                settings,
                entropies,
                torch.cat(batch.engine[group]) if case.engine else None,
            )
            part.backward()
            loss += part.item()
            tallies.append(tally.values)
    return Found(loss, gradients(model), Tally.total(torch.stack(tallies)).means())


def gradients(model: Any) -> dict[str, Tensor]:
    """Return a copy of each adapter's gradient."""
    return {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


def controls(case: Case) -> dict[str, dict[str, Any]]:
    """Return what could be got wrong in this case, as arguments of ours()."""
    wrong: dict[str, dict[str, Any]] = {}
    if case.given.get("beta"):
        wrong["beta"] = {"beta": case.given["beta"] * 1.5}
    low, high = case.given.get("epsilon", 0.2), case.given.get("epsilon_high")
    wrong["clip"] = (
        {"epsilon_high": high / 1.5}
        if case.loss_type == "cispo"
        else {"epsilon": low / 2, "epsilon_high": (high or low) / 2}
    )
    if case.given.get("mask_truncated_completions"):
        wrong["mask"] = {"keep_all": True}
    if case.given.get("delta"):
        wrong["delta"] = {"delta": None}
    if case.engine:
        wrong["bound"] = {"vllm_importance_sampling_clip_max": 1.3}
    if "temperature" in case.given:
        wrong["temperature"] = {"temperature": 1.0}
    return wrong


def compare(
    model: Any, tokenizer: Any, case: Case, folder: Path, with_controls: bool = True
) -> tuple[Found, Found, dict[str, Found]]:
    """Return TRL's, ours and each control's."""
    decoder = read_decoder(model, torch.float32)
    batch = make_batch(decoder, case.given.get("temperature", 1.0))
    reference = theirs(make_trainer(model, tokenizer, case, folder), batch, case)
    if "ref" in model.peft_config:
        model.delete_adapter("ref")  # TRL's reference; the trainer of the next case adds its own
    wrong = {
        name: ours(decoder, model, batch, case, **other)
        for name, other in (controls(case) if with_controls else {}).items()
    }
    return reference, ours(decoder, model, batch, case), wrong
