"""What do the answers to held-out problems add up to? Shares that are exact, pass@k, mean rewards, in one small record.

An answer is right if the leading verifier of the reward (the one with the greatest weight) says CORRECT and gives 1: the
reward of several parts may be below 1 though the answer is right. Responses without a verdict count nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import Any

from ..records import Status
from ..tally import pass_at_k

__all__ = ["Evaluation", "is_right", "summed_up"]

Row = Mapping[str, Any]  # a response with its score, as eval_completions.jsonl has it


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found.

    step      weight updates that the policy has had
    problems  how many were asked
    exact     share of the problems whose greedy answer is right; None: greedy was not asked for, or had no verdict
    reward    mean reward of the greedy answers (of the sampled ones, if greedy was not asked for); parts: of each verifier
    pass_at   k -> the unbiased estimate that one of k samples is right (Chen et al. 2021), of `samples` each
    no_verdict, mean_length (tokens), clipped_ratio   of the same answers as reward
    seconds   on the clock
    """

    step: int
    problems: int
    exact: float | None = None
    reward: float | None = None
    parts: dict[str, float] = field(default_factory=dict)
    samples: int = 0
    pass_at: dict[int, float] = field(default_factory=dict)
    no_verdict: int = 0
    mean_length: float = 0.0
    clipped_ratio: float = 0.0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self) | {"pass_at": {str(k): value for k, value in self.pass_at.items()}}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Evaluation:
        """Return what `as_dict` gave."""
        return cls(**{**plain, "pass_at": {int(k): value for k, value in plain["pass_at"].items()}})

    def error(self, share: float) -> float:
        """Return the standard error of a share of the problems, as they were drawn from many."""
        return sqrt(share * (1 - share) / self.problems) if self.problems else 0.0

    def in_words(self) -> str:
        """Return one line for people."""
        words = [f"{self.problems} held-out problems"]
        if self.exact is not None:
            words.append(f"exact {self.exact:.1%} ± {self.error(self.exact):.1%}")
        words += [f"pass@{k} {value:.1%}" for k, value in self.pass_at.items()]
        if self.reward is not None:
            parts = ", ".join(f"{name} {value:.3f}" for name, value in self.parts.items())
            words.append(f"reward {self.reward:.3f}" + (f" ({parts})" if len(self.parts) > 1 else ""))
        if self.no_verdict:
            words.append(f"{self.no_verdict} without a verdict")
        return ", ".join([*words, f"{self.mean_length:.0f} tokens each", f"{self.seconds:.0f} s"])


def summed_up(rows: Sequence[Row], leading: str, ks: Sequence[int], *, step: int, seconds: float) -> Evaluation:
    """Return the record of some responses, greedy ones and sampled ones.

    leading  the name of the verifier whose verdict says what is right
    """
    greedy = [row for row in rows if row["greedy"]]
    sampled = [row for row in rows if not row["greedy"]]
    shown = greedy or sampled
    known = [row for row in shown if row["score"]["reward"] is not None]
    counts: dict[str, list[bool]] = {}
    for row in sampled:
        if row["score"]["reward"] is not None:
            counts.setdefault(row["id"], []).append(is_right(row["score"], leading))
    return Evaluation(
        step=step,
        problems=len({row["id"] for row in rows}),
        exact=_mean([is_right(row["score"], leading) for row in known]) if greedy else None,
        reward=_mean([row["score"]["reward"] for row in known]),
        parts=_parts(known),
        samples=max((row["sample"] + 1 for row in sampled), default=0),
        pass_at=_pass_at(list(counts.values()), ks),
        no_verdict=len(shown) - len(known),
        mean_length=_mean([row["tokens"] for row in shown]) or 0.0,
        clipped_ratio=_mean([not row["finished"] for row in shown]) or 0.0,
        seconds=round(seconds, 3),
    )


def is_right(score: Mapping[str, Any], leading: str) -> bool:
    """Whether the leading verifier holds the answer for right; score is plain, as `Score.as_dict` gives it."""
    leader = score.get("parts", {}).get(leading, score)
    return bool(leader["status"] == Status.CORRECT and leader["reward"] == 1.0)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _parts(rows: Sequence[Row]) -> dict[str, float]:
    """Return the mean of each verifier, over answers with a verdict: then every part has one."""
    names = rows[0]["score"].get("parts", {}) if rows else {}
    return {name: sum(row["score"]["parts"][name]["reward"] for row in rows) / len(rows) for name in names}


def _pass_at(groups: Sequence[Sequence[bool]], ks: Sequence[int]) -> dict[int, float]:
    """Return pass@k, over the problems that have k samples with a verdict."""
    found = {}
    for k in sorted(set(ks)):
        values = [pass_at_k(len(group), sum(group), k) for group in groups if len(group) >= k]
        if values:
            found[k] = sum(values) / len(values)
    return found
