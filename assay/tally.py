"""What do the verdicts add up to, in memory that does not grow with their number?

Counts, means, the slowest rows, agreement with labels, and pass@k when several responses share an id. Only the
tallies of pass@k grow, with the number of ids, and they stop at `MOST_IDS`.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .records import Score, Status

__all__ = ["MOST_IDS", "PassAtK", "Tally", "pass_at_k"]

MOST_IDS = 200_000  # about 30 MB of counts
SLOWEST = 3
EXAMPLES = 3


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Return the unbiased estimate that one of k samples is correct (Chen et al. 2021, arXiv 2107.03374).

    1 - C(samples - correct, k) / C(samples, k), as a product, which neither overflows nor cancels.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"k must lie between 1 and the {samples} samples, not {k}")
    if samples - correct < k:
        return 1.0
    failure = 1.0
    for i in range(samples - correct + 1, samples + 1):
        failure *= 1.0 - k / i
    return 1.0 - failure


@dataclass(frozen=True, slots=True)
class PassAtK:
    """The mean of pass@k over the ids that have at least k responses."""

    k: int
    value: float
    ids: int


@dataclass(slots=True)
class Tally:
    """Counts over the rows so far. `add` takes a scored row, `add_error` one that could not be scored.

    correct   rows whose answer was right
    earlier   rows that an earlier, cut-off run had already written
    labels    Counter of (verdict is correct, label)
    """

    statuses: Counter[Status] = field(default_factory=Counter)
    errors: int = 0
    first_errors: list[tuple[int, str]] = field(default_factory=list)
    verdicts: int = 0
    correct: int = 0
    reward_sum: float = 0.0
    parts: dict[str, tuple[int, float]] = field(default_factory=dict)
    earlier: int = 0
    labels: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    slowest: list[tuple[float, int, str]] = field(default_factory=list)
    _groups: dict[int, tuple[int, int]] | None = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.statuses.total() + self.errors

    @property
    def without_verdict(self) -> int:
        return self.rows - self.verdicts

    @property
    def accuracy(self) -> float | None:
        """The share of verdicts that are correct; None before the first verdict."""
        return self.correct / self.verdicts if self.verdicts else None

    @property
    def mean_reward(self) -> float | None:
        return self.reward_sum / self.verdicts if self.verdicts else None

    def add(self, number: int, id: str, score: Score, label: bool | None = None) -> None:
        self.statuses[score.status] += 1
        if score.reward is not None:
            # A reward of several parts may be below 1 though the answer is right: the first part is the answer's.
            answer = next(iter(score.parts.values())) if score.parts else score
            right = answer.status is Status.CORRECT and answer.reward == 1.0
            self.verdicts += 1
            self.correct += right
            self.reward_sum += score.reward
            for name, part in score.parts.items():
                count, total = self.parts.get(name, (0, 0.0))
                self.parts[name] = (count + 1, total + (part.reward or 0.0))
            if label is not None:
                self.labels[right, label] += 1
            if id:
                self._count(id, right)
        if len(self.slowest) < SLOWEST:
            heapq.heappush(self.slowest, (score.seconds, -number, id))
        elif score.seconds > self.slowest[0][0]:
            heapq.heapreplace(self.slowest, (score.seconds, -number, id))

    def add_error(self, number: int, message: str) -> None:
        self.errors += 1
        if len(self.first_errors) < EXAMPLES:
            self.first_errors.append((number, message))

    def _count(self, id: str, right: bool) -> None:
        if self._groups is None:
            return
        key = hash(id)  # 64 bits: ids may be long, and a collision among so few is not to be expected
        samples, correct = self._groups.get(key, (0, 0))
        self._groups[key] = (samples + 1, correct + right)
        if len(self._groups) > MOST_IDS:
            self._groups = None

    @property
    def too_many_ids(self) -> bool:
        return self._groups is None

    def pass_at(self) -> list[PassAtK]:
        """Return pass@k for 1, 2, 4, ... up to the most responses of an id; nothing if no id has two."""
        kinds = Counter((self._groups or {}).values())  # few: (samples, correct) repeats over the ids
        most = max((samples for samples, _ in kinds), default=0)
        if most < 2:
            return []
        powers = {1 << bit for bit in range(most.bit_length())}
        return [_mean_pass_at(k, kinds.items()) for k in sorted({*powers, most})]


def _mean_pass_at(k: int, kinds: Iterable[tuple[tuple[int, int], int]]) -> PassAtK:
    able = [(samples, correct, ids) for (samples, correct), ids in kinds if samples >= k]
    ids = sum(ids for _, _, ids in able)
    return PassAtK(k, sum(pass_at_k(samples, correct, k) * ids for samples, correct, ids in able) / ids, ids)
