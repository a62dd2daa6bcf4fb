"""What is there to learn from? Completions of problems, judged, each with its advantage.

One call of `Collector.collect` is a sampling: draw problems, sample a group of completions for each, score them, turn scores
into advantages, and note how likely the tokens were under the policy that sampled (where it will have moved on before all
is learnt from) and under the reference (where the KL term needs it). Groups that teach nothing are left out or replaced
if the settings say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..records import Problem, Score
from ..verifiers.reward import Reward
from .advantages import Advantages, advantages_of
from .distributed import gather_rows, process_count, process_index, sum_over_processes
from .evaluate import judge, response_text
from .guards import Guards, out_of_memory
from .metrics import Sample
from .policy import Policy
from .problem_order import drawn
from .rollouts import Group, Rollouts, Sampling
from .settings import Settings

__all__ = ["Collected", "Collector", "Experience"]

Prompted = tuple[Problem, list[int]]  # a problem and the tokens of its prompt


@dataclass(frozen=True, slots=True)
class Experience:
    """A group to learn from.

    advantages  of each completion
    kept        of each: false teaches nothing and counts nowhere (no verdict, or cut off, if the settings say so)
    old         log-probabilities (N,) of all tokens, packed, under the policy that sampled; None: it is the policy itself
    reference   the same under the reference; None where the loss has no KL term
    """

    prompt: list[int]
    completions: list[list[int]]
    advantages: list[float]
    kept: list[bool]
    old: Tensor | None = None
    reference: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """One sampling: what this process learns from, and what there is to tell of all processes'."""

    experiences: list[Experience]
    tokens: int  # of kept completions, of all processes
    drawn: int  # problems drawn so far, by all processes
    numbers: dict[str, float]
    samples: list[Sample]


class Collector:
    """Samples, judges and compares.

    problems  what is trained on, with the tokens of each prompt
    """

    def __init__(
        self,
        problems: Sequence[Prompted],
        policy: Policy,
        rollouts: Rollouts,
        reward: Reward,
        settings: Settings,
        guards: Guards,
    ) -> None:
        self.problems = problems
        self.policy = policy
        self.rollouts = rollouts
        self.reward = reward
        self.settings = settings
        self.guards = guards
        self.sampling = Sampling(
            settings.max_completion_length,
            settings.temperature,
            settings.top_p,
            settings.top_k,
            settings.min_p or 0.0,
            tuple(settings.stop_strings),
        )
        self.mine = settings.prompts_per_generation()  # groups of this process in one sampling

    def collect(self, step: int, at: int) -> Collected:
        """Sample for the weight update `step` and those that follow from it; `at`: problems drawn before.

        Draws depend on the settings, `step` and `at` alone. Raises TrainingStopped if the guards do.
        """
        settings, processes = self.settings, process_count()
        with out_of_memory(settings, "sampling"):
            self.rollouts.refresh()
            prompted, groups, scores = self._sampled(at, self.mine, f"{step}/0")
            at += self.mine * processes
            judged = self._advantages(scores)
            for number in range(
                1, settings.dynamic_sampling_rounds + 1 if settings.dynamic_sampling == "redraw" else 1
            ):
                dull = [place for place in range(self.mine) if bool(judged.equal[place])]
                wanted = gather_rows(torch.tensor([len(dull)], device=self.policy.device)).tolist()
                if not sum(wanted):
                    break
                skip = sum(wanted[: process_index()])
                others = self._sampled(at + skip, len(dull), f"{step}/{number}") if dull else ([], [], [])
                at += sum(wanted)
                for place, *fresh in zip(dull, *others, strict=True):
                    prompted[place], groups[place], scores[place] = fresh
                judged = self._advantages(scores)
            self.rollouts.release()
        self.guards.rewards(step, scores)
        experiences = [
            self._experience(*each)
            for each in zip(groups, scores, judged.values.tolist(), judged.equal.tolist(), strict=True)
        ]
        with out_of_memory(settings, "the log-probabilities before training"):
            experiences = [self._with_logprobs(each) for each in experiences]
        tokens = sum(
            len(c) for each in experiences for c, keep in zip(each.completions, each.kept, strict=True) if keep
        )
        tokens = int(sum_over_processes([tokens], self.policy.device)[0])
        return Collected(
            experiences,
            tokens,
            at,
            self._numbers(groups, scores, judged),
            self._samples(prompted, groups, scores, judged),
        )

    def _sampled(self, at: int, count: int, draw: str) -> tuple[list[Problem], list[Group], list[list[Score]]]:
        """Draw problems (each process its own), sample for each, judge."""
        settings = self.settings
        start = at + (process_index() * count if draw.endswith("/0") else 0)
        chosen = drawn(self.problems, start, count, seed=settings.seed, shuffle=settings.shuffle_dataset)
        seed = hash_of(settings.seed, draw, process_index())
        groups = self.rollouts.generate([tokens for _, tokens in chosen], settings.num_generations, self.sampling, seed)
        pairs = [
            (response_text(completion, self.policy.tokenizer, self.policy.end_tokens), problem)
            for (problem, _), group in zip(chosen, groups, strict=True)
            for completion in group.completions
        ]
        flat = judge(self.reward, pairs)
        size = settings.num_generations
        return [problem for problem, _ in chosen], groups, [flat[i : i + size] for i in range(0, len(flat), size)]

    def _advantages(self, scores: list[list[Score]]) -> Advantages:
        """Return the advantages of this process's groups; a standard deviation over the batch is that of all processes."""
        rewards = torch.tensor(
            [[float("nan") if score.reward is None else score.reward for score in group] for group in scores],
            dtype=torch.float64,
        )
        every = advantages_of(gather_rows(rewards.to(self.policy.device)).cpu(), self.settings.scale_rewards)
        rows = slice(process_index() * self.mine, (process_index() + 1) * self.mine)
        return replace(every, values=every.values[rows], verdicts=every.verdicts[rows], equal=every.equal[rows])

    def _experience(self, group: Group, scores: list[Score], advantages: list[float], equal: bool) -> Experience:
        settings = self.settings
        left_out = equal and settings.dynamic_sampling != "off"
        kept = [
            score.reward is not None and not left_out and (done or not settings.mask_truncated_completions)
            for score, done in zip(scores, group.finished, strict=True)
        ]
        return Experience(group.prompt, group.completions, advantages, kept)

    @torch.no_grad()
    def _with_logprobs(self, experience: Experience) -> Experience:
        """Add what the loss compares with, as far as it is needed."""
        settings = self.settings
        moves_on = settings.num_iterations > 1 or settings.passes_per_generation > settings.gradient_accumulation_steps
        teaches = any(experience.kept)
        given = (experience.prompt, experience.completions, settings.temperature)
        old = self.policy.logprobs(*given)[0] if moves_on and teaches else None
        reference = self.policy.logprobs(*given, reference=True)[0] if settings.beta > 0 and teaches else None
        return replace(experience, old=old, reference=reference)

    # ---- what there is to tell

    def _numbers(self, groups: list[Group], scores: list[list[Score]], judged: Advantages) -> dict[str, float]:
        """Return the figures of this sampling, over all processes."""
        flat = [score for group in scores for score in group]
        verdicts = [score.reward for score in flat if score.reward is not None]
        lengths = [len(completion) for group in groups for completion in group.completions]
        names = sorted({name for score in flat for name in score.parts})
        parts = {name: [s.parts[name].reward for s in flat if name in s.parts] for name in names}
        sums = [len(flat), len(verdicts), sum(verdicts), sum(lengths), len(lengths)]
        sums += [sum(not done for group in groups for done in group.finished), len(scores), float(judged.equal.sum())]
        for known in parts.values():
            sums += [sum(each for each in known if each is not None), sum(each is not None for each in known)]
        total = sum_over_processes(sums, self.policy.device)
        samples, with_verdict, reward, tokens, completions, cut, all_groups, dull = total[:8]
        numbers = {
            "reward": reward / with_verdict if with_verdict else float("nan"),
            "reward_std": judged.std,
            "frac_reward_zero_std": dull / all_groups,
            "no_verdict": 1 - with_verdict / samples,
            "completions/mean_length": tokens / completions,
            "completions/clipped_ratio": cut / completions,
            "sampled_tokens": tokens,
        }
        for name, earned, known_ in zip(names, total[8::2], total[9::2], strict=True):
            numbers[f"rewards/{name}/mean"] = earned / known_ if known_ else float("nan")
        return numbers

    def _samples(
        self, problems: list[Problem], groups: list[Group], scores: list[list[Score]], judged: Advantages
    ) -> list[Sample]:
        return [
            Sample(
                problem,
                response_text(completion, self.policy.tokenizer, self.policy.end_tokens),
                score,
                None if score.reward is None else advantage,
                len(completion),
                done,
            )
            for problem, group, row, advantages in zip(problems, groups, scores, judged.values.tolist(), strict=True)
            for completion, score, advantage, done in zip(
                group.completions, row, advantages, group.finished, strict=True
            )
        ]


def hash_of(*parts: Any) -> int:
    """Return 62 bits that depend on all parts, the same in every process and version."""
    from hashlib import blake2b

    return int.from_bytes(blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest(), "big") >> 2
