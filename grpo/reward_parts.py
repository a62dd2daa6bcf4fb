"""What earns reward? The `reward:` part of a recipe, a list of verifiers with their weights.

    reward:
      - {verifier: math, weight: 1, form: evaluated, gate: true}   # gate: without it the others earn nothing
      - {verifier: think, weight: 0.2}
      - {verifier: "my_rewards:short", weight: 0.1}                # one of your own: module:name, called without arguments

The reward is the weighted mean of what they give, as assay.Reward says.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from ..records import Limits, Problem
from ..verifiers.code_verifier import CodeVerifier
from ..verifiers.math_verifier import MathVerifier
from ..verifiers.reward import Reward
from ..verifiers.think_format import ThinkFormat
from ..verifiers.thinking import CLOSE, OPEN
from ..verifiers.verifier import Verifier
from .recipe_file import RecipeError
from .section import Count, NotNegative, Positive, Section

__all__ = [
    "CodePart",
    "MathPart",
    "OwnPart",
    "Part",
    "ThinkPart",
    "described",
    "find_own",
    "opened",
    "opened_reward",
    "twice",
    "unfit",
]


class _Part(Section):
    weight: NotNegative = 1.0
    """its weight in the mean; 0 only writes its verdict down"""
    gate: bool = False
    """the others earn nothing where this one does not"""
    name: str | None = None
    """its name in the files; two verifiers of one kind need two"""


class _Thinking(_Part):
    open: str = OPEN
    """thinking starts here"""
    close: str = CLOSE
    """and ends here"""
    prefilled: bool | None = None
    """the prompt ends with the opening tag already; if not given, whether prompt.prefill does"""


class MathPart(_Thinking):
    """Is the answer the reference's? See docs/answers.md."""

    verifier: Literal["math"]
    extract: Literal["boxed", "lenient"] = "boxed"
    """boxed: only a boxed answer earns; lenient: also `#### x`, `the answer is x`, a bare answer"""
    form: Literal["value", "evaluated"] = "value"
    """evaluated: a numeric answer must have been worked out, 12+34 is not 46"""
    deadline: Positive = 1.0
    """CPU seconds for one comparison"""
    answer_after: str | None = None
    """take the answer from what follows the last such mark, as in `A:`"""


class ThinkPart(_Thinking):
    """Is there one thought between its tags, then an answer?"""

    verifier: Literal["think"]


class CodePart(_Thinking):
    """Does the program pass its tests? See docs/code.md."""

    verifier: Literal["code"]
    sandbox: Literal["auto", "docker", "bubblewrap", "restricted"] = "auto"
    """where programs run; auto takes docker, else bubblewrap"""
    credit: Literal["all", "fraction"] = "all"
    """all: every test or nothing; fraction: the share of the tests that pass"""
    blocks: Literal["last", "all"] = "last"
    """last: the last code block that defines the function; all: all blocks are one program"""
    image: str | None = None
    """docker's image, for packages"""
    workers: Count | None = None
    """programs at one time; one for each processor if not given"""
    cpu_seconds: Positive = 5.0
    """of a program"""
    wall_seconds: Positive = 10.0
    """of a program, from its start to its end"""
    memory_mib: Count = 1024
    """of a program"""


class OwnPart(_Part):
    """A verifier of your own: `module:name` of a class or function that is called without arguments and returns it.

    The module is an installed one, or a file beside the recipe or in the current folder.
    """

    verifier: str


def _kind(part: Any) -> str | None:
    verifier = part.get("verifier") if isinstance(part, dict) else getattr(part, "verifier", None)
    if not isinstance(verifier, str):
        return None
    return "module:name" if ":" in verifier else verifier


Part = Annotated[
    Annotated[MathPart, Tag("math")]
    | Annotated[ThinkPart, Tag("think")]
    | Annotated[CodePart, Tag("code")]
    | Annotated[OwnPart, Tag("module:name")],
    Discriminator(_kind),
]


def opened_reward(parts: Sequence[Any], prefill: str, folder: Path | None = None) -> Reward:
    """Return the reward of these parts, with sandboxes opened.

    prefill  what the prompt ends with, by which verifiers know whether thinking has begun there
    folder   the recipe's, where modules with verifiers are looked for too
    Raises RecipeError for parts that make no reward, SandboxUnavailable.
    """
    made: list[tuple[Verifier, float]] = []
    gate = None
    try:
        for part in parts:
            verifier = _own(part, folder) if isinstance(part, OwnPart) else _verifier(part, prefill)
            made.append((verifier, part.weight))
            if part.gate:
                gate = verifier.name
        if why := twice([verifier.name for verifier, _ in made]):
            raise RecipeError(f"reward: {why}")
        return opened(Reward(made, gate=gate))
    except BaseException as error:
        for verifier, _ in made:
            verifier.close()
        if isinstance(error, ValueError | TypeError) and not isinstance(error, RecipeError):
            raise RecipeError(f"reward: {error}") from None
        raise


def opened(reward: Reward) -> Reward:
    """Return the reward with its sandboxes opened. Raises SandboxUnavailable."""
    for verifier in reward.verifiers:
        if isinstance(verifier, CodeVerifier):
            verifier.start()
    return reward


def described(reward: Reward) -> list[OwnPart]:
    """Return what a recipe says of a reward that was made elsewhere."""
    return [
        OwnPart(
            verifier=f"{type(verifier).__module__}:{type(verifier).__qualname__}",
            weight=weight,
            name=verifier.name,
            gate=verifier.name == reward.gate,
        )
        for verifier, weight in zip(reward.verifiers, reward.weights, strict=True)
    ]


def _verifier(part: Any, prefill: str) -> Verifier:
    prefilled = part.prefilled if part.prefilled is not None else prefill.rstrip().endswith(part.open)
    tags: dict[str, Any] = {"open": part.open, "close": part.close, "prefilled": prefilled}
    if part.name is not None:
        tags["name"] = part.name
    if isinstance(part, MathPart):
        return MathVerifier(part.extract, part.form, part.deadline, answer_after=part.answer_after, **tags)
    if isinstance(part, ThinkPart):
        return ThinkFormat(**tags)
    limits = Limits(cpu_seconds=part.cpu_seconds, wall_seconds=part.wall_seconds, memory_bytes=part.memory_mib << 20)
    return CodeVerifier(part.sandbox, part.credit, part.blocks, limits, part.workers, image=part.image, **tags)


def twice(names: Sequence[str]) -> str | None:
    """Return what to do about the first name that stands there twice, None if there is none."""
    for name in names:
        if names.count(name) > 1:
            return (
                f"two verifiers are named {name!r}, and verdicts are written down by name: give one of them another, as in "
                f"{{verifier: ..., name: {name.rpartition(':')[2]}2}}"
            )
    return None


def find_own(parts: Sequence[Any], folder: Path | None = None) -> None:
    """Import the modules of verifiers of one's own. Raises RecipeError if one is not to be had, or its class is none."""
    for part in parts:
        if isinstance(part, OwnPart):
            with _importable(part, folder):
                maker = _maker(part)
            if isinstance(maker, type) and not issubclass(maker, Verifier):
                raise _no_verifier(part, maker)


def _own(part: OwnPart, folder: Path | None) -> Verifier:
    with _importable(part, folder):
        verifier = _maker(part)()
    if part.name is not None:
        verifier.name = part.name
    if not isinstance(verifier, Verifier) or not isinstance(getattr(verifier, "name", None), str):
        raise _no_verifier(part, type(verifier))
    return verifier


def _no_verifier(part: OwnPart, kind: type) -> RecipeError:
    return RecipeError(
        f"reward: {part.verifier!r} gave {kind.__name__}, which is no verifier: expected a subclass of "
        "assay.verifiers.verifier.Verifier with a `name`, as in docs/trainers.md"
    )


def _maker(part: OwnPart) -> Any:
    module, _, name = part.verifier.partition(":")
    return getattr(importlib.import_module(module), name)


@contextmanager
def _importable(part: OwnPart, folder: Path | None) -> Iterator[None]:
    """Let modules be found beside the recipe and in the current folder too, after all others, and for now."""
    places = [str(place.absolute()) for place in (folder, Path()) if place is not None]
    places = [place for place in places if place not in sys.path]
    sys.path += places
    importlib.invalidate_caches()  # the file may be as fresh as the recipe
    try:
        yield
    except Exception as error:  # whatever a module does when it is imported
        said = f"reward: {part.verifier!r} gave no verifier: {type(error).__name__}: {error}"
        if isinstance(error, ModuleNotFoundError):
            said += "; modules are looked for in Python's path, beside the recipe, and in the current folder"
        raise RecipeError(said) from None
    finally:
        sys.path[:] = [place for place in sys.path if place not in places]


def unfit(parts: Sequence[Any], problems: Sequence[Problem]) -> str | None:
    """Return why these problems cannot be judged by these parts, None if they can."""
    for part in parts:
        if isinstance(part, MathPart) and (bad := next((one for one in problems if not one.references), None)):
            return f"math compares answers, and problem {bad.id} has none: its responses are judged by tests, with code"
        if isinstance(part, CodePart) and (bad := next((one for one in problems if one.tests is None), None)):
            return f"code runs tests, and problem {bad.id} has none: it has an answer, for math to compare with"
    return None
