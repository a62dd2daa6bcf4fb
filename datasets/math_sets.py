r"""How does a row of GSM8K or MATH-500 become a Problem?

The prompt is the question and, below it, a request to put the answer in \boxed{}; `instruction` changes or (empty)
removes it. GSM8K's answer is what follows `####`, without its thousands commas; the worked solution is in `meta`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ..records import Problem
from .fields import final_answer
from .source import Row, Source

__all__ = ["BOXED", "gsm8k", "math500"]

BOXED = r"Reason step by step, and put the final answer in \boxed{}."

GSM8K = {
    split: Source(f"gsm8k {split}", (f"gsm8k/{split}.jsonl",), "openai/gsm8k", "main", split)
    for split in ("train", "test")
}
MATH500 = Source("math500", ("math500/test.jsonl",), "HuggingFaceH4/MATH-500", None, "test")


def gsm8k(
    split: str = "test",
    *,
    path: str | Path | None = None,
    limit: int | None = None,
    instruction: str = BOXED,
) -> Iterator[Problem]:
    """Yield GSM8K's problems (Cobbe et al. 2021): 7,473 in "train", 1,319 in "test"."""
    if split not in GSM8K:
        raise ValueError(f"gsm8k has the splits {', '.join(map(repr, GSM8K))}, not {split!r}")
    other = next(name for name in GSM8K if name != split)
    if path is not None and Path(path).name.startswith(f"{other}.json"):
        raise ValueError(f"{path} is the {other} split, and {split!r} is asked for; pass split={other!r}")
    rows = GSM8K[split].rows(path)
    return islice((_gsm8k(row, split, number, instruction) for number, row in enumerate(rows)), limit)


def _gsm8k(row: Row, split: str, number: int, instruction: str) -> Problem:
    question, solution = row.text("question"), row.text("answer")
    answer = final_answer(solution)
    if not answer:
        raise row.error("the answer has no line '#### number'; is this GSM8K's own format? If not, use jsonl()")
    return Problem(
        id=f"gsm8k-{split}-{number}",
        prompt=_asked(question, instruction),
        references=(answer,),
        meta={"question": question, "solution": solution, "split": split},
    )


def math500(
    *,
    path: str | Path | None = None,
    limit: int | None = None,
    instruction: str = BOXED,
) -> Iterator[Problem]:
    """Yield the 500 problems of MATH (Hendrycks et al. 2021) that Lightman et al. 2023 kept for testing."""
    return islice((_math500(row, instruction) for row in MATH500.rows(path)), limit)


def _math500(row: Row, instruction: str) -> Problem:
    question = row.text("problem")
    return Problem(
        id=row.text("unique_id", "id"),
        prompt=_asked(question, instruction),
        references=(row.text("answer"),),
        meta={"question": question} | {name: row.fields.get(name) for name in ("solution", "subject", "level")},
    )


def _asked(question: str, instruction: str) -> str:
    return f"{question}\n\n{instruction}" if instruction else question
