"""Which problems are trained on, and which are held out? The `data:` part of a recipe.

    data:
      name: gsm8k          # sums, gsm8k, math500, mbpp, mbpp-sanitized, humaneval, or a .jsonl file
      eval_count: 100      # problems held out

A data set with splits is trained on in one and evaluated in the other. Of one without (humaneval, math500, a file)
`eval_count` problems are drawn and kept out of training. Either way no problem is asked in both: whatever
training shares with evaluation, compared as text, is taken out of training, with a notice.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, model_validator

from ..datasets.arithmetic import arithmetic
from ..datasets.jsonl import RowError
from ..datasets.loaders import ALIASES, LOADERS, load
from ..datasets.source import DatasetNotFoundError
from ..records import Problem
from .recipe_file import RecipeError, meant
from .section import Count, Number, Section, Whole

__all__ = ["Data", "Split"]

SUMS = "sums"
SUMS_COUNT = 1000  # generated to train on if no count is given
NAMES = (SUMS, *LOADERS)
SPLITS = {
    SUMS: ("train", "eval"),
    "gsm8k": ("train", "test"),
    "mbpp": ("train", "test"),
    "mbpp-sanitized": ("train", "test"),
}  # to train on and to evaluate on; the others have one split
OPTIONS: dict[str, tuple[str, ...]] = {
    SUMS: ("kinds", "digits", "largest", "one_shot"),
    "gsm8k": ("instruction",),
    "math500": ("instruction",),
    "mbpp": ("shown", "challenge"),
    "mbpp-sanitized": ("shown", "challenge"),
    "humaneval": (),
}
OF_FILES = ("prompt_field", "reference_field", "id_field")


class Split(NamedTuple):
    """The problems of a run, and what there is to say about them."""

    train: list[Problem]
    held_out: list[Problem]
    notices: list[str]


class Data(Section):
    """The data of a recipe."""

    name: str
    """sums (generated arithmetic), gsm8k, math500, mbpp, mbpp-sanitized, humaneval, or a .jsonl or .jsonl.gz file"""
    path: str | None = None
    """where the data set lies (its file, or a folder with it), if not where ASSAY_DATA says or on the hub"""
    split: str | None = None
    """the split to train on; `train` where there is one"""
    count: Count | None = None
    """train on at most so many problems; of sums, so many are generated (1000)"""
    eval_name: str | None = None
    """evaluate on another data set than the one trained on"""
    eval_path: str | None = None
    """where that one lies"""
    eval_split: str | None = None
    """the split to evaluate on; `test` where there is one"""
    eval_count: Whole = 100
    """problems held out for evaluation, drawn at random; 0 evaluates nothing"""
    seed: Annotated[int, Number] = 0
    """of generated problems, and of which are drawn"""
    kinds: list[str] = Field(["sum"])
    """sums: kinds of problem among sum, difference, product, word"""
    digits: Whole | tuple[Whole, Whole] = 2
    """sums: digits of an operand, or [least, most]"""
    largest: Count | None = None
    """sums: no operand is above it"""
    one_shot: bool = True
    """sums: begin the prompt with a worked example"""
    instruction: str | None = None
    """gsm8k, math500: the sentence below the question; it asks for a boxed answer if not given"""
    shown: Whole = 1
    """mbpp: how many of the asserts the prompt shows; all are scored"""
    challenge: bool = False
    """mbpp: score the challenge tests too"""
    prompt_field: str | None = None
    """files: the field with the prompt, if it has no usual name"""
    reference_field: str | None = None
    """files: the field with the right answer"""
    id_field: str | None = None
    """files: the field with the id"""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Refuse options that the data sets named do not have."""
        sets = [_known(name) for name in (self.name, self.eval_name) if name is not None]
        allowed = {option for name in sets for option in (OF_FILES if name is None else OPTIONS[name])}
        everyone = {*OF_FILES, *(option for options in OPTIONS.values() for option in options)}
        for option in sorted((self.model_fields_set & everyone) - allowed):
            if getattr(self, option) == type(self).model_fields[option].default:
                continue  # as written by Recipe.as_dict()
            owners = [name for name, options in OPTIONS.items() if option in options] or ["files"]
            raise ValueError(f"data.{option}: it is for {', '.join(owners)}, not for {self.name}")
        if self.eval_path is not None and self.eval_name is None:
            raise ValueError("data.eval_path: it goes with data.eval_name; data.path is where data.name lies")
        return self

    def split_up(self, beside: Path | None = None) -> Split:
        """Load the problems. A relative path is looked for here, then `beside` (the recipe's folder).

        Raises RecipeError when they are not to be had, or none are left.
        """
        notices: list[str] = []
        name, eval_name = _key(self.name, beside), _key(self.eval_name or self.name, beside)
        train_split = self.split or SPLITS.get(name, (None, None))[0]
        eval_split = self.eval_split or SPLITS.get(eval_name, (None, None))[1]
        eval_path = self.eval_path if self.eval_name is not None else self.path
        if self.eval_count and (name, self.path, train_split) == (eval_name, eval_path, eval_split):
            everything = self._load(name, self.path, train_split, None)
            held_out = _drawn(everything, self.eval_count, self.seed)
            if len(held_out) == len(everything):
                raise RecipeError(
                    f"data: {self.name} has {len(everything)} problems, and data.eval_count {self.eval_count} holds all "
                    "of them out; lower it"
                )
            out = {id(problem) for problem in held_out}
            train = [problem for problem in everything if id(problem) not in out]
        else:
            train = self._load(name, self.path, train_split, self.count)
            held_out = []
            if self.eval_count:
                every = self._load(eval_name, eval_path, eval_split, self.eval_count)
                held_out = _drawn(every, self.eval_count, self.seed)
        asked = {_question(problem) for problem in held_out}
        left = [problem for problem in train if _question(problem) not in asked]
        if len(left) < len(train):
            notices.append(
                f"{len(train) - len(left)} problems are in the held-out set too and are not trained on: {len(left)} are left"
            )
        if self.eval_count and len(held_out) < self.eval_count:
            notices.append(f"{len(held_out)} problems are held out; there are no {self.eval_count} (data.eval_count)")
        if not left:
            raise RecipeError(f"data: no problem of {self.name} is left to train on")
        if self.count is not None:
            left = _drawn(left, self.count, self.seed)
        return Split(left, held_out, notices)

    def _load(self, name: str, path: str | None, split: str | None, count: int | None) -> list[Problem]:
        options: dict[str, Any] = {}
        for option in OPTIONS.get(name, OF_FILES):
            if (value := getattr(self, option)) is not None:
                options[option] = value
        try:
            return list(self._rows(name, path, split, count, options))
        except (DatasetNotFoundError, RowError, ValueError, OSError) as error:
            said = re.sub(r"\b(path|prompt_field|reference_field)=", r"data.\1", str(error))
            raise RecipeError(f"data: {said}") from None

    def _rows(
        self, name: str, path: str | None, split: str | None, count: int | None, options: dict[str, Any]
    ) -> Iterator[Problem]:
        if name not in NAMES:
            options["needs_prompt"] = True
        if name != SUMS:
            return load(name, split=split, path=path, **options)
        if path is not None:
            raise ValueError("data.path is not for sums, which are generated")
        digits = options.pop("digits")
        return arithmetic(count or SUMS_COUNT, split or "train", seed=self.seed, digits=digits, **options)  # type: ignore[arg-type]


def _known(name: str) -> str | None:
    """Return the data set of a name, None for a file. Raises ValueError for what is neither."""
    lower = name.lower()
    lower = ALIASES.get(lower, lower)
    if lower in NAMES:
        return lower
    if name.endswith((".jsonl", ".jsonl.gz", ".json")):
        return None
    near = meant(lower, NAMES)
    raise ValueError(
        f"data.name: there is no data set {name!r}{near or ';'} they are {', '.join(NAMES)}, or a .jsonl file"
    )


def _key(name: str, beside: Path | None) -> str:
    """Return the data set's own name, or the path of a file where it lies."""
    known = _known(name)
    if known is not None:
        return known
    file = Path(name).expanduser()
    if not file.is_file() and not file.is_absolute() and beside is not None and (beside / file).is_file():
        file = beside / file
    return str(file)


def _drawn(problems: Sequence[Problem], count: int, seed: int) -> list[Problem]:
    """Return `count` of the problems, drawn at random, in their order."""
    if count >= len(problems):
        return list(problems)
    chosen = sorted(random.Random(seed).sample(range(len(problems)), count))
    return [problems[index] for index in chosen]


def _question(problem: Problem) -> str:
    """Return what makes two problems the same one: the words of the question."""
    return " ".join(str(problem.meta.get("question") or problem.prompt or problem.id).split())
