"""What is there to learn from? Completions of problems, judged, each with its advantage.

One call of `Collector.collect` is a sampling: draw problems, sample a group of completions for each, score them, turn scores
into advantages, and note how likely the tokens were under the policy that sampled (where it will have moved on before all
is learnt from) and under the reference (where the KL term needs it). Groups that teach nothing are left out or replaced
if the settings say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor

from ..records import Problem, Score
from ..verifiers.reward import Reward
from .advantages import Advantages, advantages_of
from .distributed import gather_objects, gather_rows, process_count, process_index, sum_over_processes
from .evaluate import judge, response_text
from .free_memory import return_memory
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
    engine      the same as the engine that sampled saw them; None where that is no other computation, or it did not say
    """

    prompt: list[int]
    completions: list[list[int]]
    advantages: list[float]
    kept: list[bool]
    old: Tensor | None = None
    reference: Tensor | None = None
    engine: Tensor | None = None

    def teaches(self, place: int, beta: float) -> bool:
        """Tell whether a completion has a gradient: without an advantage and a KL term it has none."""
        return self.kept[place] and bool(self.completions[place]) and (self.advantages[place] != 0 or beta > 0)

    def has_to_teach(self, beta: float) -> bool:
        """Tell whether any of its completions has a gradient."""
        return any(self.teaches(place, beta) for place in range(len(self.completions)))


IDLE = Experience([0], [[0]], [1.0], [True])  # what is computed only because other processes have something to compute


@dataclass(frozen=True, slots=True)
class Draw:
    """A problem that was drawn, what was sampled for it, as tokens and as texts, and what it scored."""

    problem: Problem
    group: Group
    texts: list[str]
    scores: list[Score]


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
            draws = self._sampled(at + process_index() * self.mine, self.mine, f"{step}/0")
            at += self.mine * processes
            judged = self._advantages(draws)
            replaced: list[Draw] = []
            for number in range(1, self._redraws() + 1):
                dull = judged.equal.nonzero()[:, 0].tolist()
                wanted = gather_rows(torch.tensor([len(dull)], device=self.policy.device)).tolist()
                if not sum(wanted):
                    break
                fresh = self._sampled(at + sum(wanted[: process_index()]), len(dull), f"{step}/{number}")
                at += sum(wanted)
                for place, draw in zip(dull, fresh, strict=True):
                    replaced.append(draws[place])
                    draws[place] = draw
                judged = self._advantages(draws)
            self.rollouts.release()
        mine = [[score._replace(parts={}) for score in draw.scores] for draw in draws]
        self.guards.rewards(step, [scores for theirs in gather_objects(mine) for scores in theirs])  # all stop, or none
        rows = zip(draws, judged.values.tolist(), judged.equal.tolist(), strict=True)
        experiences = [self._experience(*row) for row in rows]
        idle = self.policy.idle_passes(sum(each.has_to_teach(settings.beta) for each in experiences))
        with out_of_memory(settings, "training"):
            experiences = [self._with_logprobs(each) for each in experiences]
            for _ in range(idle):
                self._with_logprobs(IDLE)
        return_memory(self.policy.device)
        tokens = sum(
            len(c) for each in experiences for c, keep in zip(each.completions, each.kept, strict=True) if keep
        )
        tokens = int(sum_over_processes([tokens], self.policy.device)[0])
        return Collected(experiences, tokens, at, self._numbers(draws, replaced, judged), self._samples(draws, judged))

    def _redraws(self) -> int:
        return self.settings.dynamic_sampling_rounds if self.settings.dynamic_sampling == "redraw" else 0

    def _sampled(self, start: int, count: int, draw: str) -> list[Draw]:
        """Draw problems, sample for each, judge."""
        if not count:
            return []
        settings, policy = self.settings, self.policy
        chosen = drawn(self.problems, start, count, seed=settings.seed, shuffle=settings.shuffle_dataset)
        seed = number_of(settings.seed, draw, process_index())
        groups = self.rollouts.generate([tokens for _, tokens in chosen], settings.num_generations, self.sampling, seed)
        texts = [
            [response_text(completion, policy.tokenizer, policy.end_tokens) for completion in group.completions]
            for group in groups
        ]
        pairs = [(text, problem) for (problem, _), row in zip(chosen, texts, strict=True) for text in row]
        scores = judge(self.reward, pairs)
        size = settings.num_generations
        return [
            Draw(problem, group, row, scores[place * size : (place + 1) * size])
            for place, ((problem, _), group, row) in enumerate(zip(chosen, groups, texts, strict=True))
        ]

    def _advantages(self, draws: Sequence[Draw]) -> Advantages:
        """Return the advantages of this process's groups; a standard deviation over the batch is that of all processes."""
        rewards = torch.tensor(
            [[float("nan") if score.reward is None else score.reward for score in draw.scores] for draw in draws],
            dtype=torch.float64,
        )
        every = advantages_of(gather_rows(rewards.to(self.policy.device)).cpu(), self.settings.scale_rewards)
        rows = slice(process_index() * self.mine, (process_index() + 1) * self.mine)
        return replace(every, values=every.values[rows], verdicts=every.verdicts[rows], equal=every.equal[rows])

    def _experience(self, draw: Draw, advantages: list[float], equal: bool) -> Experience:
        settings = self.settings
        left_out = equal and settings.dynamic_sampling != "off"
        kept = [
            score.reward is not None and not left_out and (done or not settings.mask_truncated_completions)
            for score, done in zip(draw.scores, draw.group.finished, strict=True)
        ]
        engine = None
        if draw.group.logprobs is not None and settings.vllm_importance_sampling_correction:
            engine = torch.tensor([each for row in draw.group.logprobs for each in row], device=self.policy.device)
        return Experience(draw.group.prompt, draw.group.completions, advantages, kept, engine=engine)

    @torch.no_grad()
    def _with_logprobs(self, experience: Experience) -> Experience:
        """Add what the loss compares with, as far as it is needed."""
        settings = self.settings
        moves_on = settings.num_iterations > 1 or settings.passes_per_generation > settings.gradient_accumulation_steps
        teaches = experience.has_to_teach(settings.beta)
        given = (experience.prompt, experience.completions, settings.temperature)
        old = self.policy.logprobs(*given)[0] if moves_on and teaches else None
        reference = self.policy.logprobs(*given, reference=True)[0] if settings.beta > 0 and teaches else None
        return replace(experience, old=old, reference=reference)

    # ---- what there is to tell

    def _numbers(self, draws: list[Draw], replaced: list[Draw], judged: Advantages) -> dict[str, float]:
        """Return the figures of this sampling, over all processes.

        They count what was replaced, too: without the groups that are all right, a model that learns would seem not to.
        """
        sampled = draws + replaced
        equal = len(replaced) + int(judged.equal.sum())
        scores = [score for draw in sampled for score in draw.scores]
        verdicts = [score.reward for score in scores if score.reward is not None]
        lengths = [len(completion) for draw in sampled for completion in draw.group.completions]
        cut = sum(not done for draw in sampled for done in draw.group.finished)
        sums = [len(scores), len(verdicts), sum(verdicts), sum(lengths), cut, len(sampled), equal]
        names = [verifier.name for verifier in self.reward.verifiers]
        for name in names:
            earned = [score.parts[name].reward for score in scores if name in score.parts]
            known = [each for each in earned if each is not None]
            sums += [sum(known), len(known)]
        totals = sum_over_processes(sums, self.policy.device)
        samples, with_verdict, reward, tokens, cut_, groups, dull = totals[:7]
        numbers = {
            "reward": reward / with_verdict if with_verdict else float("nan"),
            "reward_std": judged.std,
            "frac_reward_zero_std": dull / groups,
            "no_verdict": 1 - with_verdict / samples,
            "completions/mean_length": tokens / samples,
            "completions/clipped_ratio": cut_ / samples,
            "sampled_tokens": tokens,
        }
        for name, total, count in zip(names, totals[7::2], totals[8::2], strict=True):
            numbers[f"rewards/{name}/mean"] = total / count if count else float("nan")
        return numbers

    def _samples(self, draws: Sequence[Draw], judged: Advantages) -> list[Sample]:
        return [
            Sample(draw.problem, text, score, None if score.reward is None else advantage, len(completion), done)
            for draw, advantages in zip(draws, judged.values.tolist(), strict=True)
            for text, score, advantage, completion, done in zip(
                draw.texts, draw.scores, advantages, draw.group.completions, draw.group.finished, strict=True
            )
        ]


def number_of(*parts: Any) -> int:
    """Return 62 bits that depend on all parts, the same in every process and version."""
    return int.from_bytes(blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest(), "big") >> 2
