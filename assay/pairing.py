"""What in this row is the response, and what is it held against?

`Pairing` turns a parsed row into a response and a `Problem`, or says in one sentence why it cannot and which flag
would help. References come from the row itself, or by id from a file or a data set (`References`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from .datasets.fields import USUAL, FieldError, find_field, missing
from .datasets.jsonl import RowError, read_rows
from .given_tests import BadTests, find_tests, looks_like_tests
from .presets import CODE_TASKS, tests_in
from .records import AssertTests, Problem, StdioTests
from .verifiers.code_verifier import BAD_TESTS

__all__ = ["Fields", "Pairing", "References", "WrongUse"]


class WrongUse(Exception):
    """What was asked for cannot be done; the message says what to do instead."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The names given by flags; None looks for the usual ones. No label is read unless it is named."""

    response: str | None = None
    reference: str | None = None
    id: str | None = None
    prompt: str | None = None
    label: str | None = None


class References:
    """Problems by id, held in memory: as large as the references are, however long the file of responses is."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self._problems: dict[str, Problem] = {}
        for problem in problems:
            known = self._problems.setdefault(problem.id, problem)
            if known.references != problem.references or known.tests != problem.tests:
                what = "tests" if problem.tests is not None else "answers"
                raise WrongUse(f"--references {source}: two rows have the id {problem.id!r} and different {what}")

    def __len__(self) -> int:
        return len(self._problems)

    def fingerprint(self) -> str:
        """Return a short digest of what they say, whatever the file is called."""
        digest = hashlib.sha256()
        for id, problem in sorted(self._problems.items()):
            digest.update(repr((id, problem.references)).encode("utf-8", "surrogatepass"))
            if problem.tests is not None:
                digest.update(repr(problem.tests).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]

    def get(self, id: str) -> Problem | None:
        return self._problems.get(id)

    @classmethod
    def load(cls, source: str, fields: Fields) -> References:
        """Read a JSONL file, or the data set of that name; raises WrongUse for what cannot be used."""
        if Path(source).is_file():
            return cls(source, _read_problems(source, fields))
        from .datasets import loaders  # here: most runs have their references in the rows

        try:
            # by id: which split it is does not matter where ids are told apart across all of them
            return cls(source, loaders.load(source, split="all" if "mbpp" in source.lower() else None))
        except (LookupError, ValueError, OSError) as error:
            raise WrongUse(f"--references: {error}") from None


def _read_problems(source: str, fields: Fields) -> Iterable[Problem]:
    for number, row in read_rows(source):
        if isinstance(row, RowError):
            raise WrongUse(f"--references {row}")
        try:
            # The flags name fields of the responses; here they hold only where they fit.
            id = find_field(row, "id", fields.id if fields.id in row else None)
            prompt = find_field(row, "prompt", fields.prompt if fields.prompt in row else None)
            if id is None:
                raise FieldError(missing(row, "id", "--id-field"))
            named = fields.reference if fields.reference in row else None
            if tests_in(row) or (named is not None and looks_like_tests(row[named])):
                text = prompt.value if prompt else ""
                yield Problem(id.value, text, tests=_tests(row, text, named))
                continue
            found = find_field(row, "reference", named)
            if found is None:
                raise FieldError(missing(row, "reference", "--reference-field"))
        except (FieldError, BadTests) as error:
            raise WrongUse(f"--references {source}, line {number}: {error}") from None
        yield Problem(id.value, prompt.value if prompt else "", found.value)


@dataclass(frozen=True, slots=True)
class Pairing:
    """How rows become pairs of a response and a problem.

    answer_after  the mark after which a worked solution names its answer; it is cut out of references here, and out
                  of responses by the verifier, which must tell a response without the mark from one with a wrong answer
    references    where references are looked up by id; None reads them from the rows
    code          whether responses are programs, and held against tests
    """

    fields: Fields = Fields()
    references: References | None = None
    answer_after: str | None = None
    code: bool = False

    def pair(self, row: Mapping[str, Any]) -> tuple[str, Problem]:
        """Return (response, problem); raises FieldError with a sentence that names the fields and the flag to use."""
        response = self._field(row, "response")
        if response is None:
            raise FieldError(missing(row, "response", "--response-field"))
        name = self._field(row, "id") or ""
        if self.code:
            return response, self._tested(row, name)
        references, prompt = self._known(name) if self.references is not None else (self._own(row), "")
        if self.answer_after is not None:
            references = tuple([after_mark(text, self.answer_after) for text in references])
        return response, Problem(name, self._prompt(row) or prompt, references)

    def _field(self, row: Mapping[str, Any], kind: Literal["response", "prompt", "id"]) -> str | None:
        name = getattr(self.fields, kind)
        if name is None:
            text = _plain(row, kind)
            if text is not None or _USUAL_NAMES[kind].isdisjoint(row):
                return text
        found = find_field(row, kind, name)
        if found is not None and kind == "response" and name is None and found.name not in _OF_SEVERAL:
            _refuse_a_bare_list(row, found.name)
        return found.value if found else None

    def _own(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the references in the row itself."""
        text = _plain(row, "reference") if self.fields.reference is None else None
        if text is not None and "####" not in text:
            return (text,)
        found = find_field(row, "reference", self.fields.reference)
        if found is not None:
            return found.value
        if field := tests_in(row):
            raise FieldError(f"no reference but tests, in {field!r}; {_FOR_PROGRAMS}")
        raise FieldError(missing(row, "reference", "--reference-field"))

    def _known(self, id: str) -> tuple[tuple[str, ...], str]:
        """Return the references and the prompt of that id."""
        problem = self._found(id)
        if problem.tests is not None:
            raise FieldError(f"the problem {id!r:.80} is judged by tests; {_FOR_PROGRAMS}")
        return problem.references, problem.prompt

    def _tested(self, row: Mapping[str, Any], name: str) -> Problem:
        """Return the problem with the tests of the row itself, or of its id."""
        prompt = self._prompt(row)
        if self.references is None:
            try:
                return Problem(name, prompt, tests=_tests(row, prompt, self.fields.reference))
            except BadTests as error:  # no fault of the response, and a verdict of its own: BAD_REFERENCE
                return Problem(name, prompt, meta={BAD_TESTS: str(error)})
        problem = self._found(name)
        if problem.tests is None:
            raise FieldError(f"the problem {name!r:.80} has an answer but no tests; programs are judged by tests")
        return Problem(name, prompt or problem.prompt, tests=problem.tests)

    def _found(self, id: str) -> Problem:
        """Return the problem of that id."""
        assert self.references is not None
        if not id:
            raise FieldError("no id, so its reference cannot be looked up; name the field with --id-field")
        problem = self.references.get(id)
        if problem is None:
            raise FieldError(
                f"no reference for id {id!r:.80} among the {len(self.references):,} of {self.references.source}; "
                "ids of rows and references must be the same"
            )
        return problem

    def label(self, row: Mapping[str, Any]) -> bool | None:
        """Return what the row says about being right, or None; raises FieldError if that cannot be read."""
        name = self.fields.label
        value = row.get(name) if name is not None else None
        if value is None or isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if word in _LABELS:
            return _LABELS[word]
        raise FieldError(f"the label field {name!r} holds {value!r:.40}; expected true or false")

    def _prompt(self, row: Mapping[str, Any]) -> str:
        try:
            return self._field(row, "prompt") or ""
        except FieldError:
            if self.fields.prompt is not None:
                raise
            return ""  # a field that only looked like the prompt: the verdict can do without


# Fields of samples, which are lists even where there is one sample.
_OF_SEVERAL = frozenset({"responses", "completions", "outputs", "resps", "choices"})


def _refuse_a_bare_list(row: Mapping[str, Any], name: str) -> None:
    """Raise FieldError where a field for one response holds a list of texts: pieces, tokens or samples, who knows?"""
    value = row.get(name)
    if isinstance(value, list) and value and not isinstance(value[0], Mapping):
        raise FieldError(
            f"the response field {name!r} holds a list of {len(value)} that is no chat; expected a string or chat "
            f"messages; a list of one sample is read from 'responses', or with --response-field {name}"
        )


_USUAL_NAMES = {kind: frozenset(names) for kind, names in USUAL.items()}

# The usual names that are plain keys, up to the first that `find_field` treats in a way of its own.
_PLAIN_NAMES = {
    kind: tuple(takewhile(lambda name: "." not in name and name not in ("messages", "conversation"), names))
    for kind, names in USUAL.items()
}


def _plain(row: Mapping[str, Any], kind: str) -> str | None:
    """Return what `find_field` finds where that is plain text under a usual name; None leaves it to find_field.

    Most rows are like that, and rows are read faster so.
    """
    for name in _PLAIN_NAMES[kind]:
        value = row.get(name)
        if value is not None:
            return value if type(value) is str else str(value) if type(value) is int else None
    return None


_FOR_PROGRAMS = f"--task {', '.join(CODE_TASKS)} run them"


def _tests(row: Mapping[str, Any], prompt: str, named: str | None) -> AssertTests | StdioTests:
    """Return the tests in a row; raises FieldError if there are none, BadTests if they cannot be used."""
    tests = find_tests(row, prompt, named)
    if tests is None:
        where = f"in {named!r}" if named is not None else "found"
        raise FieldError(
            f"no tests {where}; fields are {', '.join(map(str, row)) or 'none'}; "
            "name theirs with --reference-field, or take them by id with --references"
        )
    return tests


_LABELS: dict[str, bool] = {
    **dict.fromkeys(("true", "1", "1.0", "yes", "correct"), True),
    **dict.fromkeys(("false", "0", "0.0", "no", "incorrect"), False),
}


def after_mark(text: str, mark: str) -> str:
    """Return what follows the last mark, or the whole text of a reference that is the bare answer already."""
    return text.rpartition(mark)[2].strip() if mark in text else text
