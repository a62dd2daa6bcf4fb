r"""Where do problems come from when there is no data set at hand? Sums, differences, products, word problems.

The same arguments always give the same problems. The two splits are disjoint whatever the seeds, kinds and
digits: which split a problem belongs to is a property of its calculation (a hash of the operation and its
operands, order put aside where it does not matter), not of the draw. So `12 + 34`, `34 + 12` and a story about 12
apples and 34 more are all in the one split or all in the other, and one calculation in five is for evaluation.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Literal, NamedTuple

from ..records import Problem

__all__ = ["KINDS", "arithmetic", "split_of"]

Split = Literal["train", "eval"]

KINDS = ("sum", "difference", "product", "word")
INSTRUCTION = r"Give the answer as a number in \boxed{}."
EVAL_SHARE = 5  # one calculation in so many is for evaluation
PATIENCE = 2000  # draws in a row without a new problem after which a kind counts as used up


class Calculation(NamedTuple):
    """What a question asks to work out, apart from its wording."""

    operation: str  # in the letters a, b, c
    operands: tuple[int, ...]
    answer: int

    @property
    def fact(self) -> str:
        """The calculation as text, the same for both orders of a sum or a product."""
        commutes = self.operation in ("a + b", "a * b")
        operands = sorted(self.operands) if commutes else self.operands
        return f"{self.operation}: {', '.join(map(str, operands))}"

    @property
    def worked(self) -> str:
        """The calculation as an equation."""
        numbers = dict(zip("abc", map(str, self.operands), strict=False))
        return f"{''.join(numbers.get(letter, letter) for letter in self.operation)} = {self.answer}"


class Question(NamedTuple):
    """One draw."""

    text: str
    calculation: Calculation


class Size(NamedTuple):
    """How long operands are, in digits, and how large at most."""

    least: int
    most: int
    largest: int


# The worked example of a one-shot prompt, by kind. A question about the same calculation is never asked.
APPLES = "Rosa has 13 apples and buys 25 more. How many apples does Rosa have now?"
EXAMPLES = {
    "sum": Question("What is 13 + 25?", Calculation("a + b", (13, 25), 38)),
    "difference": Question("What is 58 - 23?", Calculation("a - b", (58, 23), 35)),
    "product": Question("What is 12 * 4?", Calculation("a * b", (12, 4), 48)),
    "word": Question(APPLES, Calculation("a + b", (13, 25), 38)),
}
EXAMPLE_FACTS = frozenset(example.calculation.fact for example in EXAMPLES.values())

NAMES = ("Ada", "Bruno", "Chen", "Dalia", "Emeka", "Farah", "Goran", "Hana", "Ines", "Jonas", "Kofi", "Lena")
THINGS = ("apples", "books", "coins", "eggs", "marbles", "pencils", "shells", "stamps", "stickers", "tickets")


def split_of(fact: str) -> Split:
    """Return the split that a calculation belongs to; nothing but the calculation decides."""
    digest = blake2b(fact.encode(), digest_size=8).digest()
    return "eval" if int.from_bytes(digest, "big") % EVAL_SHARE == 0 else "train"


def arithmetic(
    count: int,
    split: Split = "train",
    *,
    seed: int = 0,
    kinds: Sequence[str] = KINDS,
    digits: int | tuple[int, int] = 2,
    largest: int | None = None,
    one_shot: bool = True,
) -> Iterator[Problem]:
    r"""Yield `count` different problems whose answer, a whole number, is asked for in \boxed{}.

    kinds     which kinds of problem, in turn: "sum", "difference", "product", "word" (one or two steps)
    digits    how many digits an operand has: a number, or the least and the most. Operands of one digit start at 2;
              in word problems the number of groups has one digit.
    largest   no operand is above it: 59 with 2 digits asks for sums up to 118
    one_shot  begin the prompt with a worked example of the same kind, which small models need

    Raises ValueError for arguments that make no sense, and when the kinds and digits asked for do not have `count`
    different problems in the split.
    """
    least, most = (digits, digits) if isinstance(digits, int) else digits
    if not 1 <= least <= most:
        raise ValueError(f"digits must be at least 1 and in order, not {digits!r}")
    if split not in ("train", "eval"):
        raise ValueError(f"split must be 'train' or 'eval', not {split!r}")
    if largest is not None and largest < _smallest(most):
        raise ValueError(f"largest {largest} leaves no operand of {most} digits; raise it, or lower digits")
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise ValueError(f"kinds must be among {', '.join(KINDS)}, not {', '.join(unknown) or 'empty'}")
    if count < 0:
        raise ValueError(f"count must not be negative, it is {count}")
    return _problems(count, split, seed, tuple(kinds), Size(least, most, largest or 10**most), one_shot)


def _problems(
    count: int, split: Split, seed: int, kinds: tuple[str, ...], size: Size, one_shot: bool
) -> Iterator[Problem]:
    rng = random.Random(f"{split}/{seed}")
    seen: set[str] = set()
    for number in range(count):
        kind = kinds[number % len(kinds)]
        for _ in range(PATIENCE):
            text, calculation = DRAW[kind](rng, size)
            fact = calculation.fact
            if text not in seen and fact not in EXAMPLE_FACTS and split_of(fact) == split:
                break
        else:
            raise ValueError(
                f"{kind} problems with {size.least} to {size.most} digits are used up in the {split} split after "
                f"{number} problems; ask for fewer, or for more digits or kinds"
            )
        seen.add(text)
        yield Problem(
            id=f"{kind}-{blake2b(text.encode(), digest_size=6).hexdigest()}",
            prompt=_prompt(kind, text, one_shot),
            references=(str(calculation.answer),),
            meta={
                "kind": kind,
                "split": split,
                "question": text,
                "operation": calculation.operation,
                "operands": list(calculation.operands),
            },
        )


def _prompt(kind: str, text: str, one_shot: bool) -> str:
    if not one_shot:
        return f"{text} {INSTRUCTION}"
    example, calculation = EXAMPLES[kind]
    worked = f"{calculation.worked}, so the answer is \\boxed{{{calculation.answer}}}."
    return f"{INSTRUCTION}\n\nQuestion: {example}\nAnswer: {worked}\n\nQuestion: {text}\nAnswer:"


def _smallest(length: int) -> int:
    """Return the smallest operand of so many digits."""
    return 2 if length == 1 else 10 ** (length - 1)


def _operand(rng: random.Random, size: Size) -> int:
    length = rng.randint(size.least, size.most)
    return rng.randint(_smallest(length), min(10**length - 1, size.largest))


def _two(rng: random.Random, size: Size) -> tuple[int, int]:
    return _operand(rng, size), _operand(rng, size)


def _sum(rng: random.Random, size: Size) -> Question:
    a, b = _two(rng, size)
    return Question(f"What is {a} + {b}?", Calculation("a + b", (a, b), a + b))


def _difference(rng: random.Random, size: Size) -> Question:
    b, a = sorted(_two(rng, size))
    return Question(f"What is {a} - {b}?", Calculation("a - b", (a, b), a - b))


def _product(rng: random.Random, size: Size) -> Question:
    a, b = _two(rng, size)
    return Question(f"What is {a} * {b}?", Calculation("a * b", (a, b), a * b))


def _word(rng: random.Random, size: Size) -> Question:
    name, things = rng.choice(NAMES), rng.choice(THINGS)
    low, high = sorted(_two(rng, size))
    a, b = (low, high) if rng.random() < 0.5 else (high, low)
    groups = rng.randint(2, 9)
    story = rng.choice(STORIES)
    return story(name, things, a, b, groups)


def _buys(name: str, things: str, a: int, b: int, _: int) -> Question:
    text = f"{name} has {a} {things} and buys {b} more. How many {things} does {name} have now?"
    return Question(text, Calculation("a + b", (a, b), a + b))


def _sells(_: str, things: str, a: int, b: int, __: int) -> Question:
    text = f"A shop sold {a} {things} on Monday and {b} on Tuesday. How many {things} did it sell in all?"
    return Question(text, Calculation("a + b", (a, b), a + b))


def _gives(name: str, things: str, a: int, b: int, _: int) -> Question:
    b, a = sorted((a, b))
    text = f"{name} had {a} {things} and gave {b} of them away. How many {things} does {name} have left?"
    return Question(text, Calculation("a - b", (a, b), a - b))


def _awaits(_: str, things: str, a: int, b: int, __: int) -> Question:
    b, a = sorted((a, b))
    text = f"A school ordered {a} {things}, and {b} have arrived. How many {things} are still to come?"
    return Question(text, Calculation("a - b", (a, b), a - b))


def _packs(_: str, things: str, a: int, __: int, groups: int) -> Question:
    text = f"There are {a} {things} in each box. How many {things} are there in {groups} boxes?"
    return Question(text, Calculation("a * b", (a, groups), a * groups))


def _packs_and_more(name: str, things: str, a: int, b: int, groups: int) -> Question:
    text = f"{name} fills {groups} boxes with {a} {things} each and has {b} {things} over. "
    text += f"How many {things} does {name} have in all?"
    return Question(text, Calculation("a * b + c", (a, groups, b), a * groups + b))


def _buys_and_gives(name: str, things: str, a: int, b: int, groups: int) -> Question:
    text = f"{name} had {a} {things}, bought {b} more and then gave {groups} away. "
    text += f"How many {things} does {name} have now?"
    return Question(text, Calculation("a + b - c", (a, b, groups), a + b - groups))


STORIES: tuple[Callable[[str, str, int, int, int], Question], ...] = (
    _buys,
    _sells,
    _gives,
    _awaits,
    _packs,
    _packs_and_more,
    _buys_and_gives,
)

DRAW: dict[str, Callable[[random.Random, Size], Question]] = {
    "sum": _sum,
    "difference": _difference,
    "product": _product,
    "word": _word,
}
