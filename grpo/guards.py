"""When must a run stop, and what should be changed then? Each guard says so in words, naming the setting.

A run that a guard stops is left as its last checkpoint has it: after the change (or without one) the same command resumes it.

    guards = Guards(settings)
    guards.tell = log.say                     where a notice goes: the first step without a verdict, before it stops the run
    guards.rewards(step, groups)              after the rewards: all None, or no group that teaches
    guards.update(step, loss, grad_norm)      before each weight update: what is not finite is never applied
    guards.drift(step, kl)                    after it: how far the policy is from the reference
    with out_of_memory(settings, "training"): around what may run out of memory
    kept = fitting(problems, encode, settings, tell)   before the first step: prompts that are too long

Everything raises TrainingStopped. Not covered: a process that the kernel kills for its memory hears of nothing; its run
resumes from the last checkpoint like any other that was killed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..records import Problem, Score
from .settings import Settings

__all__ = ["EQUAL_STEPS", "UNJUDGED_STEPS", "Guards", "TrainingStopped", "fitting", "out_of_memory"]

EQUAL_STEPS = 20  # in a row in which no group teaches anything
UNJUDGED_STEPS = 3  # in a row without a single verdict
NO_MEMORY = (
    "out of memory",  # CUDA, XPU, MPS
    "can't allocate memory",  # torch's allocator on the CPU
    "cannot allocate memory",
    "not enough memory",
    "bad_alloc",
    "cublas_status_alloc_failed",
)


class TrainingStopped(RuntimeError):
    """A run cannot go on; the message says why and which setting to change."""


class Guards:
    """The checks of one run; they count steps in a row, anew after a resume."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tell: Callable[[str], None] = lambda notice: None
        self._equal = 0
        self._unjudged = 0

    def rewards(self, step: int, groups: Sequence[Sequence[Score]]) -> None:
        """Look at the scores of a step, group by group."""
        known = [[score.reward for score in group if score.reward is not None] for group in groups]
        judged = [reward for group in known for reward in group]
        self._unjudged = 0 if judged else self._unjudged + 1
        if not judged:
            self._no_verdict(step, groups)
            return  # says nothing about the groups
        teaches = any(max(group) > min(group) for group in known if group)
        self._equal = 0 if teaches else self._equal + 1
        if self._equal >= EQUAL_STEPS:
            raise TrainingStopped(self._all_equal(step, judged))

    def _no_verdict(self, step: int, groups: Sequence[Sequence[Score]]) -> None:
        """Tell of the first step without a verdict, and stop the run at the last that it may have."""
        said = Counter(f"{score.status.value}: {score.detail}" for group in groups for score in group)
        why = said.most_common(1)[0][0][:300]
        if self._unjudged >= UNJUDGED_STEPS:
            raise TrainingStopped(
                f"step {step}: no completion had a verdict for {UNJUDGED_STEPS} steps, the last ones mostly with "
                f"`{why}`; look at `reward` and `data` in the recipe (`assay sandbox check`, where programs run)"
            )
        if self._unjudged == 1:
            self.tell(
                f"step {step}: no completion had a verdict, so nothing was learnt, mostly with `{why}`; after "
                f"{UNJUDGED_STEPS} such steps in a row the run stops"
            )

    def _all_equal(self, step: int, judged: Sequence[float]) -> str:
        """Return what to do about groups in which no completion is better than another."""
        start = (
            f"step {step}: in {EQUAL_STEPS} steps no group held two different rewards, so there was nothing to learn; "
        )
        low, high = min(judged), max(judged)
        size = self.settings.num_generations
        if high == 0:
            return (
                start
                + "all rewards are 0: make it easier (easier problems in `data`, a worked example or clearer words in "
                f"`prompt`, partial credit in `reward`), raise num_generations ({size}), or raise max_completion_length "
                f"({self.settings.max_completion_length}) if completions.jsonl shows answers that are cut off"
            )
        if low == 1:
            return start + "all rewards are 1: these problems are solved; take harder ones in `data`, or stop here"
        return (
            start + f"rewards lie from {low:.3g} to {high:.3g}: raise num_generations ({size}) or temperature "
            f"({self.settings.temperature:g}), or take problems that are neither always nor never solved"
        )

    def update(self, step: int, loss: float, grad_norm: float) -> None:
        """Look at the loss and the norm of the gradient of a weight update that is about to be made."""
        for name, value in (("loss", loss), ("norm of the gradient", grad_norm)):
            if not math.isfinite(value):
                settings = self.settings
                precision = " or set dtype: bfloat16 or float32," if settings.dtype == "float16" else ""
                clip = " set max_grad_norm: 1.0," if not settings.max_grad_norm else ""
                raise TrainingStopped(
                    f"step {step}: the {name} is {value}; the weights were left as they were; lower learning_rate "
                    f"({settings.learning_rate:g}),{precision}{clip} or raise warmup_steps ({settings.warmup_steps}); if "
                    "it comes at the first step, the model or its dtype is at fault: try dtype: float32"
                )

    def drift(self, step: int, kl: float | None) -> None:
        """Look at the mean KL divergence from the reference, per token; None where there is no reference."""
        most = self.settings.max_kl
        if kl is None or most is None or not kl > most:
            return  # no number comes of a step without tokens; one that ruins the loss is caught there
        raise TrainingStopped(
            f"step {step}: the policy has drifted from the reference by a KL divergence of {kl:.3g} per token, above max_kl "
            f"({most:g}); lower learning_rate ({self.settings.learning_rate:g}), raise beta ({self.settings.beta:g}), or, if "
            "completions.jsonl still reads well, raise max_kl"
        )


def fitting(
    problems: Sequence[Problem],
    encode: Callable[[Problem], list[int]],
    settings: Settings,
    tell: Callable[[str], None],
    context: int | None = None,
) -> list[tuple[Problem, list[int]]]:
    """Return the problems whose prompt is short enough, each with its tokens; `tell` gets a notice of those left out.

    context  tokens that the model can take (prompt and completion), where it says
    """
    limits = {}
    if settings.max_prompt_length is not None:
        limits["max_prompt_length"] = settings.max_prompt_length
    if context is not None:
        limits[f"the model's {context} tokens less max_completion_length {settings.max_completion_length}"] = (
            context - settings.max_completion_length
        )
    encoded = [(problem, encode(problem)) for problem in problems]
    if not limits:
        return encoded
    name, most = min(limits.items(), key=lambda limit: limit[1])
    kept = [(problem, tokens) for problem, tokens in encoded if len(tokens) <= most]
    left_out = [(len(tokens), problem.id) for problem, tokens in encoded if len(tokens) > most]
    if not kept and encoded:
        shortest = min(left_out)[0]
        change = "raise max_prompt_length" if name == "max_prompt_length" else "lower max_completion_length"
        raise TrainingStopped(
            f"no prompt is short enough: {most} tokens are allowed ({name}), and the shortest has {shortest}; {change}"
        )
    if left_out:
        length, longest = max(left_out)
        tell(
            f"{len(left_out)} of {len(encoded)} problems are left out: their prompts have more than {most} tokens ({name}); "
            f"the longest is {longest} with {length}"
        )
    return kept


@contextmanager
def out_of_memory(settings: Settings, doing: str) -> Iterator[None]:
    """Turn the many errors of memory that ran out into one TrainingStopped.

    doing  what was going on: "sampling", or anything with "training" in it
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, TrainingStopped) or not _is_lack_of_memory(error):
            raise
        raise TrainingStopped(f"memory ran out while {doing}; {_less_memory(settings, doing)}") from error


def _is_lack_of_memory(error: BaseException) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in NO_MEMORY)


def _less_memory(settings: Settings, doing: str) -> str:
    """Return which settings to change, the one that costs least first."""
    size, group = settings.per_device_train_batch_size, settings.num_generations
    advice = []
    if "sampling" in doing:
        per_sampling = size * settings.passes_per_generation
        if per_sampling > group:
            advice.append(f"sample fewer at one time (steps_per_generation, now {settings.passes_per_generation})")
    else:
        if not settings.gradient_checkpointing:
            advice.append("set gradient_checkpointing: true")
        if size > 1:
            accumulate = settings.gradient_accumulation_steps
            advice.append(
                f"halve per_device_train_batch_size ({size}) and double gradient_accumulation_steps ({accumulate})"
            )
        if not settings.use_peft:
            advice.append("set use_peft: true")
    advice.append(f"lower max_completion_length ({settings.max_completion_length})")
    if settings.dtype == "float32":
        advice.append("set dtype: bfloat16")
    advice.append(f"lower num_generations ({group})")
    return ", or ".join(advice) + "; `assay memory MODEL` says what fits"
