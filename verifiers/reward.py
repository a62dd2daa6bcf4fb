"""How do several verdicts on one response become one reward?

    Reward([(MathVerifier(), 1.0), (ThinkFormat(), 0.2)])

The reward is the weighted mean sum(w * r) / sum(w), in [0, 1] like its parts. The rest of the Score:

parts    the Score of every verifier by its name, also of those that earned nothing
status   of the leading part: the one with the greatest weight, the first among equals. Right and badly
         formatted is CORRECT with less than 1; wrong and well formatted is INCORRECT with more than 0.
         When a gate shuts, it is the gate's status
answer   of the leading part, or of the first part that found one
detail   every part's detail behind its name

Any part without a verdict (reward None) makes the whole None, with that part's status: a mean over the other
parts would stand on another scale than the rewards it is compared with. A verifier that raises, or answers
what is no sound Score, has a bug; that costs one verdict (INFRA_ERROR, None) and never the training run.
"""

from __future__ import annotations

import asyncio
import math
import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from ..records import Problem, Score, Status
from .verifier import Verifier

if TYPE_CHECKING:
    from .reward_adapters import AsyncTrlReward, TrlReward, VerlReward

__all__ = ["Reward"]

_DETAIL_LIMIT = 300  # characters of an error's text; a response may be in it


class Reward(Verifier):
    """A weighted mean of verifiers; with gate="math" the others earn only if the verifier named math earned.

    A weight may be 0: the verdict is in the parts, to be logged, and counts for nothing.
    """

    def __init__(
        self,
        weighted: Sequence[tuple[Verifier, float]],
        gate: str | None = None,
        name: str = "reward",
    ) -> None:
        """Raise ValueError or TypeError if the weights or names cannot make a reward."""
        pairs = [_checked_pair(position, pair) for position, pair in enumerate(weighted)]
        if not pairs:
            raise ValueError("Reward needs at least one (verifier, weight), got an empty list")
        self.verifiers = tuple(verifier for verifier, _ in pairs)
        self.weights = tuple(weight for _, weight in pairs)
        self.name = name
        self.gate = gate

        names = [verifier.name for verifier in self.verifiers]
        for twice in names:
            if names.count(twice) > 1:
                raise ValueError(
                    f"two verifiers are named {twice!r}, and parts go by name: give one of them another, "
                    f"as in {type(self.verifiers[names.index(twice)]).__name__}(name=...)"
                )
        if gate is not None and gate not in names:
            raise ValueError(f"gate={gate!r} is no verifier of this reward; there are {', '.join(names)}")
        heaviest = max(self.weights)
        if heaviest == 0:
            raise ValueError(f"the weights {list(self.weights)} are all 0; at least one must be above 0")
        self.leading = names[self.weights.index(heaviest)]
        # Between 0 and 1, so that weights as small or as large as floats go neither vanish nor overflow.
        self._shares = tuple(weight / heaviest for weight in self.weights)

    @property
    def needs_reference(self) -> bool:
        """Whether any verifier compares with a reference; ThinkFormat alone does not."""
        return any(getattr(verifier, "needs_reference", True) for verifier in self.verifiers)

    @property
    def needs_tests(self) -> bool:
        """Whether any verifier runs programs against tests."""
        return any(getattr(verifier, "needs_tests", False) for verifier in self.verifiers)

    def score(self, response: str, problem: Problem | str) -> Score:
        """Return the weighted mean of all verdicts on one response; never raises for what a verifier does."""
        start = time.perf_counter()
        parts = {verifier.name: _verdict(verifier, response, problem) for verifier in self.verifiers}
        return self._whole(parts, time.perf_counter() - start)

    async def ascore(self, response: str, problem: Problem | str) -> Score:
        """Return the same without blocking the event loop; the verifiers work at the same time."""
        start = time.perf_counter()
        scores = await asyncio.gather(*(_averdict(verifier, response, problem) for verifier in self.verifiers))
        parts = {verifier.name: score for verifier, score in zip(self.verifiers, scores, strict=True)}
        return self._whole(parts, time.perf_counter() - start)

    def close(self) -> None:
        """Close every verifier, also when one of them fails to; the first failure is raised at the end."""
        failures: list[Exception] = []
        for verifier in self.verifiers:
            try:
                verifier.close()
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]

    @overload
    def for_trl(
        self,
        reference: str | None = ...,
        *,
        tests: str | None = ...,
        workers: int | None = ...,
        asynchronous: Literal[False] = ...,
    ) -> TrlReward: ...

    @overload
    def for_trl(
        self,
        reference: str | None = ...,
        *,
        tests: str | None = ...,
        workers: int | None = ...,
        asynchronous: Literal[True],
    ) -> AsyncTrlReward: ...

    def for_trl(
        self,
        reference: str | None = None,
        *,
        tests: str | None = None,
        workers: int | None = None,
        asynchronous: bool = False,
    ) -> TrlReward | AsyncTrlReward:
        """Return this reward as TRL's trainers call it: `GRPOTrainer(reward_funcs=reward.for_trl(), ...)`.

        reference     the column that holds the reference; None finds it among the usual names
        tests         the column that holds the tests of programs; None finds them in the usual columns
        workers       verdicts at one time, in threads: they overlap where a verifier waits for its processes; None
                      means 4, or one more than a sandbox has workers
        asynchronous  TRL then runs it beside its other asynchronous reward functions
        """
        from .reward_adapters import AsyncTrlReward, TrlReward

        return (AsyncTrlReward if asynchronous else TrlReward)(self, reference, workers, tests)

    def for_verl(self, *, none_as: float = 0.0) -> VerlReward:
        """Return this reward as verl's reward managers call it.

        none_as  the score where there is no verdict: verl cannot skip a sample; see `VerlReward`
        """
        from .reward_adapters import VerlReward

        return VerlReward(self, none_as)

    def _whole(self, parts: dict[str, Score], seconds: float) -> Score:
        detail = "; ".join(f"{name}: {part.detail or part.status.value}" for name, part in parts.items())
        leader = parts[self.leading]
        answer = leader.answer
        if answer is None:
            answer = next((part.answer for part in parts.values() if part.answer is not None), None)

        earned = []
        for share, part in zip(self._shares, parts.values(), strict=True):
            if part.reward is None:
                return Score(None, part.status, answer, detail, seconds, parts)
            earned.append(share * part.reward)
        if self.gate is not None and not parts[self.gate].reward:
            shut = f"{detail}; nothing is earned without {self.gate}"
            return Score(0.0, parts[self.gate].status, answer, shut, seconds, parts)
        # fsum, so that rounding makes no 0.9999999999999999 of what is right in every part
        mean = min(1.0, math.fsum(earned) / math.fsum(self._shares))
        return Score(mean, leader.status, answer, detail, seconds, parts)


def _checked_pair(position: int, pair: Any) -> tuple[Verifier, float]:
    try:
        verifier, weight = pair
    except (TypeError, ValueError):
        raise TypeError(f"item {position} of Reward is {pair!r}; expected (verifier, weight)") from None
    if not callable(getattr(verifier, "score", None)) or not isinstance(getattr(verifier, "name", None), str):
        raise TypeError(
            f"item {position} of Reward: {verifier!r} is no verifier: it needs a name and a method "
            "score(response, problem); order is (verifier, weight)"
        )
    try:
        value = float(weight)
    except (TypeError, ValueError):
        raise TypeError(f"weight of {verifier.name!r}: {weight!r} is no number") from None
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"weight of {verifier.name!r}: {weight!r} must be finite and at least 0")
    return verifier, value


def _verdict(verifier: Verifier, response: str, problem: Problem | str) -> Score:
    try:
        return _sound(verifier.score(response, problem))
    except Exception as error:
        return _failure(error)


async def _averdict(verifier: Verifier, response: str, problem: Problem | str) -> Score:
    try:
        return _sound(await verifier.ascore(response, problem))
    except Exception as error:
        return _failure(error)


def _sound(score: Score) -> Score:
    """Return the score if a trainer can use it, else raise: a NaN in one reward ruins its whole group."""
    if score.reward is None:
        if score.status.is_verdict:
            raise ValueError(f"the verifier gave no reward and the status {score.status.value}, which is a verdict")
    elif not 0 <= score.reward <= 1 or not score.status.is_verdict:
        raise ValueError(f"the verifier gave the reward {score.reward!r} with the status {score.status.value}")
    return score


def _failure(error: Exception) -> Score:
    said = traceback.format_exception_only(error)[-1].strip()  # str(error) could itself raise
    return Score(None, Status.INFRA_ERROR, None, f"the verifier failed with {said[:_DETAIL_LIMIT]}")
