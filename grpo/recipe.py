"""What is trained on what, and what for? A recipe says it: a YAML file of settings, data, prompt, reward and evaluation.

    recipe = load_recipe("sums", ["max_steps=10", "data.digits=3"])     a file, or the name of a recipe that comes with assay
    recipe.settings           grpo/settings.py: the flat keys of the file
    recipe.problems()         list[Problem] to train on;  recipe.eval_problems(): held out, disjoint from them
    recipe.notices()          what there is to say about them
    recipe.open_reward()      a Reward, its sandbox opened; close it
    recipe.with_reward(reward)           the recipe with a Reward that was made in Python
    recipe.encode(problem, tokenizer)    token ids of the prompt, by the chat template
    recipe.as_dict()          everything, resolved, as plain data: a recipe again

Everything that is wrong is told with the file's line, the key, what was expected, and what was meant perhaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from ..records import Problem
from ..verifiers.reward import Reward
from ..verifiers.thinking import CLOSE, OPEN
from .problems import Data, Split
from .recipe_file import RecipeError, Source, find_recipe, in_words, meant
from .reward_parts import (
    CodePart,
    MathPart,
    OwnPart,
    Part,
    ThinkPart,
    described,
    find_own,
    opened,
    opened_reward,
    twice,
    unfit,
)
from .section import Count, Positive, Section, Whole
from .settings import Settings

__all__ = ["EvalSettings", "Prompt", "Recipe", "RecipeError", "load_recipe"]

PLACE = "{prompt}"
THINK = "Think between {open} and {close} first. After {close} write your answer."


class Prompt(Section):
    """How a problem becomes a prompt."""

    system: str | None = None
    """the system message; not given, the chat template's own"""
    template: str = PLACE
    """the user's message: this text, with the problem in place of {prompt}"""
    think: bool = False
    """ask for thinking between the tags of the reward, in the system message"""
    prefill: str = ""
    """the response begins with this, as part of the prompt: `<think>` for example"""
    chat: bool = True
    """by the tokenizer's chat template; false: the text itself, for base models"""
    chat_template_kwargs: dict[str, Any] = Field({})
    """for the chat template: {enable_thinking: false} for example"""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if PLACE not in self.template:
            raise ValueError(f"prompt.template: expected a text with {PLACE} in it, not {self.template!r}")
        return self


class EvalSettings(Section):
    """How the policy is evaluated on the problems held out."""

    greedy: bool = True
    """the likeliest answer to each"""
    k: list[Count] = Field([])
    """pass@k for each of these, from sampled answers"""
    samples: Count | None = None
    """answers sampled to each problem; the greatest k if not given"""
    temperature: Positive | None = None
    """of sampling; that of training if not given"""
    max_tokens: Count | None = None
    """of an answer; max_completion_length if not given"""
    before: bool = True
    """evaluate before the first step, for comparison"""
    steps: Whole = 0
    """evaluate each so many steps too; 0: before and after alone"""
    batch: Count = 16
    """problems answered at one time"""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.samples is not None and self.samples < max(self.k, default=1):
            raise ValueError(f"eval.samples: expected at least {max(self.k)}, the greatest eval.k, not {self.samples}")
        return self


class Recipe(Section):
    """A run, described whole."""

    settings: Settings
    data: Data
    prompt: Prompt = Prompt()
    reward: Annotated[list[Part], Field(min_length=1)]
    eval: EvalSettings = EvalSettings()

    _folder: Path | None = PrivateAttr(None)
    _split: Split | None = PrivateAttr(None)
    _given: Reward | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        gates = [part for part in self.reward if part.gate]
        if len(gates) > 1:
            raise ValueError("reward: one verifier can be the gate, not several")
        if why := twice([part.name or part.verifier for part in self.reward]):
            raise ValueError(f"reward: {why}")
        if not any(part.weight for part in self.reward):
            raise ValueError("reward: the weights are all 0; at least one must be above")
        try:
            self.settings.prompts_per_generation()
        except ValueError as error:
            raise ValueError(str(error)) from None
        return self

    def split_up(self) -> Split:
        """Return the problems, loaded once.

        Raises RecipeError if they cannot be had, if they cannot be judged by this reward or it is not to be had, or if the
        model is a folder that is not there.
        """
        if self._split is None:
            if why := _not_there(self.settings.model_name_or_path):
                raise RecipeError(f"model_name_or_path: {why}")
            if self._given is None:
                find_own(self.reward, self._folder)
            split = self.data.split_up(self._folder)
            if why := unfit(self.reward, [*split.train, *split.held_out]):
                raise RecipeError(f"reward: {why}")
            self._split = split
        return self._split

    def problems(self) -> list[Problem]:
        """Return the problems to train on."""
        return self.split_up().train

    def eval_problems(self) -> list[Problem]:
        """Return the problems to evaluate on, none of which is trained on."""
        return self.split_up().held_out

    def notices(self) -> list[str]:
        """Return what there is to say about the problems: those left out, and why."""
        return self.split_up().notices

    def open_reward(self) -> Reward:
        """Return the reward, its sandbox opened; close it. Raises RecipeError, SandboxUnavailable."""
        if self._given is not None:
            return opened(self._given)
        return opened_reward(self.reward, self.prompt.prefill, self._folder)

    def with_reward(self, reward: Reward) -> Self:
        """Return the recipe with this reward in place of its own. It is opened by the run, and closed after it.

        What is written down of it are the classes, names and weights of its verifiers.
        """
        other = self.model_copy(update={"reward": [*described(reward)]})
        other._given, other._split = reward, None
        return other

    def tags(self) -> tuple[str, str]:
        """Return the tags that thinking is asked for between."""
        for kind in (ThinkPart, MathPart, CodePart):
            for part in self.reward:
                if isinstance(part, kind):
                    return part.open, part.close
        return OPEN, CLOSE

    def messages(self, problem: Problem) -> list[dict[str, str]]:
        """Return what the model is asked, as chat messages."""
        system = [self.prompt.system] if self.prompt.system else []
        if self.prompt.think:
            opening, closing = self.tags()
            system.append(THINK.format(open=opening, close=closing))
        user = {"role": "user", "content": self.prompt.template.replace(PLACE, problem.prompt)}
        return [{"role": "system", "content": "\n\n".join(system)}, user] if system else [user]

    def encode(self, problem: Problem, tokenizer: Any) -> list[int]:
        """Return the token ids of a prompt, to its last token before the completion.

        Raises RecipeError if the tokenizer has no chat template and one is asked for, or if its template begins the
        thinking itself and the reward does not know.
        """
        messages = self.messages(problem)
        if not self.prompt.chat:
            text = "\n\n".join(message["content"] for message in messages) + self.prompt.prefill
            return list(tokenizer(text)["input_ids"])
        if not getattr(tokenizer, "chat_template", None):
            raise RecipeError(
                "prompt.chat: this model's tokenizer has no chat template; set prompt.chat=false, or take a model that "
                "was trained to chat"
            )
        from jinja2 import TemplateError

        try:
            text = tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **self.prompt.chat_template_kwargs
            )
        except TemplateError as error:
            raise RecipeError(
                f"prompt: this model's chat template refuses the messages ({error}); if it knows no system message, put "
                "the words of prompt.system, and what prompt.think asks for, into prompt.template"
            ) from None
        opening, _ = self.tags()
        ours = [part for part in self.reward if not isinstance(part, OwnPart)]  # others know for themselves
        told = not ours or any(part.prefilled is not None for part in ours)
        if not told and not self.prompt.prefill and text.rstrip().endswith(opening):
            raise RecipeError(
                f"reward: this model's chat template ends the prompt with {opening}: write `prefilled: true` at each "
                "verifier"
            )
        # The template has written the special tokens, the first of them too.
        return list(tokenizer(text + self.prompt.prefill, add_special_tokens=False)["input_ids"])

    def as_dict(self) -> dict[str, Any]:
        """Return the whole recipe, resolved, as plain data that is a recipe again."""
        plain = self.model_dump(mode="json")
        settings: dict[str, Any] = plain.pop("settings")
        return settings | plain


SECTIONS: dict[str, type[Section]] = {"data": Data, "prompt": Prompt, "eval": EvalSettings}


def _not_there(model: str) -> str | None:
    """Return what to do about a path at which no model lies; None where one does, and for an id of the hub."""
    is_path = model.startswith(("/", ".", "~")) or model.count("/") > 1
    if not is_path or Path(model).is_dir():
        return None
    return f"there is no folder {model}; give its whole path, or the model's id on the Hugging Face hub"


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe of a file, or of a name that comes with assay, with `key=value` overrides on top.

    Raises RecipeError, each of whose lines names the place, the key, what was expected and perhaps what was meant.
    """
    file = find_recipe(name_or_path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    source = Source(str(file), text)
    for override in overrides:
        source.override(override)
    recipe = _validated(source)
    recipe._folder = file.parent
    return recipe


def _validated(source: Source) -> Recipe:
    given: Mapping[str, Any] = source.data
    inner = {name: list(section.model_fields) for name, section in SECTIONS.items()}
    known = {"": [*Settings.model_fields, *inner, "reward"], **inner, "reward": _reward_keys(given.get("reward"))}
    faults = [_no_such_setting(key, source, known) for key in given if key not in known[""]]
    settings = {key: value for key, value in given.items() if key in Settings.model_fields}
    sections = {key: given[key] for key in (*inner, "reward") if given.get(key) not in (None, {}, [])}
    try:
        recipe = Recipe.model_validate({"settings": settings, **sections})
    except ValidationError as error:
        faults += in_words(error, source, known)
    if faults:
        raise RecipeError("\n".join(faults))
    return recipe


def _no_such_setting(key: str, source: Source, known: Mapping[str, Sequence[str]]) -> str:
    section = next((name for name in SECTIONS if key in known[name]), None)
    hint = f"; it belongs into {section}: {section}.{key}" if section else meant(key, known[""])
    return f"{source.where((key,))}: {key}: there is no such setting" + (hint or "; see docs/settings.md")


def _reward_keys(parts: Any) -> list[str]:
    """Return the keys that the entries of `reward:` have."""
    kinds = {"math": MathPart, "think": ThinkPart, "code": CodePart}
    used = {part.get("verifier") for part in parts if isinstance(part, dict)} if isinstance(parts, list) else set()
    fields = [field for kind in kinds if kind in used for field in kinds[kind].model_fields]
    return list(dict.fromkeys(fields or [field for part in kinds.values() for field in part.model_fields]))
