"""Which recipe is asked for, and what stands in it? The YAML file, found by path or by name, with what was changed on top.

YAML is read as its version 1.2 has it: `off`, `no` and `yes` are words, `5e-4` is a number, `010` is 10. A key that stands
twice in one place is a mistake. Overrides are `key=value`, the key dotted (`data.digits=3`, `reward.think.weight=0.5`), the
value YAML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

__all__ = ["RecipeError", "Source", "as_yaml", "find_recipe", "in_words", "meant", "shipped_recipes"]


class RecipeError(ValueError):
    """A recipe cannot be used; the message names the file, the key, what was expected and what was meant perhaps."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's idea of plain scalars, where it differs from the 1.1 that SafeLoader reads."""


_Loader.yaml_implicit_resolvers = {
    letter: [pair for pair in pairs if pair[0].rpartition(":")[2] not in ("bool", "int", "float")]
    for letter, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false|True|False)$"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)

Path_ = tuple[str | int, ...]

EXAMPLES = {"data": ", as in `data: {name: sums}`", "reward": ", as in `reward: [{verifier: math}]`"}


class Source:
    """The contents of a recipe, and where each key was said: on a line of the file, or by an override."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines: dict[Path_, int] = {}
        self.overridden: dict[Path_, str] = {}
        try:
            loader = _Loader(text)
            try:
                node = loader.get_single_node()
                if node is not None:
                    self._walk(node, ())
                self.data: Any = loader.construct_document(node) if node is not None else {}
            finally:
                loader.dispose()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f" line {mark.line + 1}" if mark else ""
            raise RecipeError(f"{name}{line}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
        if not isinstance(self.data, dict):
            raise RecipeError(f"{name}: expected `key: value` lines, as in recipes/sums.yaml")

    def _walk(self, node: yaml.Node, path: Path_) -> None:
        self.lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._walk(item, (*path, index))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*path, str(key.value))
                if inner in self.lines:
                    first, second = self.lines[inner], key.start_mark.line + 1
                    raise RecipeError(
                        f"{self.name} line {second}: {dotted(inner)} stands here again, first on line {first}"
                    )
                self._walk(value, inner)
                self.lines[inner] = key.start_mark.line + 1

    def override(self, text: str) -> None:
        """Take over one `key=value`. Raises RecipeError if it is none, or goes into what is no mapping."""
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise RecipeError(f"{text!r}: expected key=value, as in max_steps=10 or data.digits=3")
        try:
            read = yaml.load(value, _Loader)
        except yaml.YAMLError:
            raise RecipeError(f"{text!r}: {value!r} is not valid YAML; put quotes round it") from None
        place: Any = self.data
        path: Path_ = ()
        names = key.split(".")
        for name in names[:-1]:
            step = self._step(place, name, text)
            if isinstance(place, dict) and place.get(step) is None:
                place[step] = {}
            place, path = place[step], (*path, step)
            if not isinstance(place, dict | list):
                raise RecipeError(f"{text!r}: {dotted(path)} is {place!r}, which has nothing inside")
        step = self._step(place, names[-1], text)
        place[step] = read
        self.overridden[(*path, step)] = text

    def _step(self, place: dict[str, Any] | list[Any], name: str, text: str) -> Any:
        """Return the key or index that `name` stands for; entries of a list also go by their name or verifier."""
        if isinstance(place, dict):
            return name
        if name.isdigit() and int(name) < len(place):
            return int(name)
        names = [
            str(item.get("name") or item.get("verifier")) if isinstance(item, dict) else str(index)
            for index, item in enumerate(place)
        ]
        if name in names:
            return names.index(name)
        raise RecipeError(f"{text!r}: the list has no entry {name!r}; entries are {', '.join(names) or 'none'}")

    def where(self, path: Path_) -> str:
        """Return where a key was said, for the beginning of a message."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.overridden:
                return f"{self.overridden[path[:end]]!r}"
        for said, text in self.overridden.items():
            if path and said[: len(path)] == path:
                return f"{text!r}"  # it made a section of what is none
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return f"{self.name} line {self.lines[path[:end]]}"
        return self.name


def dotted(path: Path_) -> str:
    """Return a key as people write it: data.digits."""
    return ".".join(map(str, path))


def meant(word: object, known: Iterable[str]) -> str:
    """Return "; did you mean X?" for the known word that is nearest, "" if none is near."""
    near = get_close_matches(str(word), list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def in_words(error: ValidationError, source: Source, known: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what is wrong, a sentence for each fault, with the place of each.

    known  the keys that there are, by the dotted key of the section (indexes of lists left out)
    """
    sentences = []
    for fault in error.errors():
        path = _real(fault["loc"], source)
        said = _sentence(fault, path, known)
        if fault["type"] == "value_error":  # a check of several keys
            sentences.append(f"{source.where(_at_fault(said, source))}: {said}")
        else:
            sentences.append(f"{source.where(path)}: {dotted(path)}{': ' if path else ''}{said}")
    return sentences


def _at_fault(said: str, source: Source) -> Path_:
    """Return the key that a sentence begins with, else the first in it that was overridden, or that the file has."""
    if named := re.match(r"([a-z_]+(?:\.[a-z_]+)*): ", said):
        return tuple(named[1].split("."))
    keys = [tuple(word.split(".")) for word in re.findall(r"[a-z_]+(?:\.[a-z_]+)*", said)]
    return next((key for places in (source.overridden, source.lines) for key in keys if key in places), ())


def _real(loc: Path_, source: Source) -> Path_:
    """Leave out of a place what pydantic adds to it: the tag of a union and the like, which no file has."""
    place: Any = source.data
    path: list[str | int] = []
    for number, name in enumerate(loc):
        last = number == len(loc) - 1
        inside = (isinstance(place, dict) and name in place) or (
            isinstance(place, list) and isinstance(name, int) and name < len(place)
        )
        if inside:
            place = place[name]
            path.append(name)
        elif last and isinstance(name, str) and isinstance(place, dict):
            path.append(name)  # a key that is missing
    return tuple(path)


def _sentence(fault: Any, path: Path_, known: Mapping[str, Sequence[str]]) -> str:
    kind, context, given = fault["type"], fault.get("ctx", {}), fault["input"]
    if kind == "extra_forbidden":
        section = known.get(dotted(tuple(part for part in path[:-1] if isinstance(part, str))), ())
        return "there is no such key" + (meant(path[-1], section) or f"; keys are {', '.join(section)}")
    if kind == "missing":
        return "it has to be given" + EXAMPLES.get(dotted(path), "")
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        near = meant(given, re.findall(r"'([^']*)'", context["expected"]))
        return f"expected {context['expected']}, not {given!r}{near}"
    if kind == "union_tag_invalid":
        return f"expected a verifier among {context['expected_tags']}, not {context['tag']!r}"
    if kind == "union_tag_not_found":
        return f"expected an entry such as {{verifier: math, weight: 1}}, not {given!r}"
    expected = {
        "greater_than": "a number above {gt}",
        "greater_than_equal": "a number of at least {ge}",
        "less_than": "a number below {lt}",
        "less_than_equal": "a number of at most {le}",
        "finite_number": "a finite number",
        "string_too_short": "a text that is not empty",
    }.get(kind, "")
    for begin, words in (
        ("int_", "a whole number"),
        ("float_", "a number"),
        ("bool_", "true or false"),
        ("string_", "text (in quotes, if it looks like something else)"),
        ("list_", "a list, as in [a, b]"),
        ("dict_", "`key: value` lines"),
        ("model_", "`key: value` lines"),
    ):
        expected = expected or (words if kind.startswith(begin) else "")
    if expected:
        bounds = {name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
        return f"expected {expected.format(**bounds)}, not {given!r}"
    message = str(fault["msg"])
    return f"{message[:1].lower()}{message[1:]}, not {given!r}"


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that come with assay, by name."""
    import assay

    folders = [Path(entry) / "recipes" for entry in assay.__path__]
    return {file.stem: file for folder in reversed(folders) for file in sorted(folder.glob("*.yaml"))}


def find_recipe(name_or_path: str | Path) -> Path:
    """Return the file of a recipe: a path, or the name of one that comes with assay. Raises RecipeError."""
    file = Path(name_or_path).expanduser()
    if file.is_file():
        return file
    shipped = shipped_recipes()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    if file.is_dir():
        if (file / "recipe.yaml").is_file():
            return file / "recipe.yaml"
        raise RecipeError(f"{file} is a folder without a recipe.yaml; name the recipe's file")
    raise RecipeError(
        f"there is no file {file}, and assay comes with no recipe of that name; "
        f"it comes with {', '.join(shipped) or 'none'}{meant(file.stem, shipped)}"
    )


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads: texts that YAML 1.2 would take for numbers get quotes."""


_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
_Dumper.add_representer(
    float, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:float", _float_text(value))
)


def _float_text(value: float) -> str:
    return repr(value) if math.isfinite(value) else f"{value}".replace("inf", ".inf").replace("nan", ".nan")


def as_yaml(data: Any) -> str:
    """Return plain data as YAML that reads back the same."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))
