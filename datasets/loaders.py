"""Which loader does a name or a path ask for? `load` answers; `jsonl` reads files of any make.

    load("gsm8k", split="train")            a name, or the id that the data set has on the Hugging Face hub
    load("problems.jsonl.gz")               a file: fields by their usual names, or named

Loaders give Problems one by one. A row that cannot be used raises RowError, which names the file, the line and
the remedy: a row is never left out in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ..given_tests import BadTests, find_tests, has_tests, looks_like_tests
from ..records import Problem
from .code_sets import humaneval, humaneval_problem, mbpp, mbpp_problem
from .fields import FieldError, find_field, missing
from .math_sets import gsm8k, math500
from .source import DatasetNotFoundError, Row, file_rows

__all__ = ["gsm8k", "humaneval", "jsonl", "load", "math500", "mbpp"]

Loader = Callable[..., Iterator[Problem]]

LOADERS: dict[str, Loader] = {
    "gsm8k": gsm8k,
    "math500": math500,
    "mbpp": mbpp,
    "mbpp-sanitized": partial(mbpp, sanitized=True),
    "humaneval": humaneval,
}
ONE_SPLIT = ("math500", "humaneval")

# What else people call them; compared in lower case
ALIASES = {
    "openai/gsm8k": "gsm8k",
    "math-500": "math500",
    "huggingfaceh4/math-500": "math500",
    "google-research-datasets/mbpp": "mbpp",
    "sanitized-mbpp": "mbpp-sanitized",
    "mbpp/sanitized": "mbpp-sanitized",
    "openai_humaneval": "humaneval",
    "openai/openai_humaneval": "humaneval",
}


def load(
    name_or_path: str | Path,
    *,
    split: str | None = None,
    path: str | Path | None = None,
    limit: int | None = None,
    **settings: Any,
) -> Iterator[Problem]:
    """Return the problems of a data set, by name, by hub id, or in a JSON Lines file.

    split     "test" where it is not given; see the loader of each data set
    path      where the data set lies, if not in the folder that ASSAY_DATA names: its file, or a folder with it
    limit     give at most so many problems
    settings  what else the loader takes (`sanitized=True`, `instruction=""`, `reference_field="gold"`, ...)

    Raises DatasetNotFoundError if there is no such thing here or on the hub, RowError when a row cannot be used.
    """
    name = str(name_or_path).lower()
    name = ALIASES.get(name, name)
    if name in LOADERS:
        if name in ONE_SPLIT:
            if split not in (None, "test"):
                raise ValueError(f"{name} has only the split 'test', not {split!r}")
        elif split is not None:
            settings["split"] = split
        return LOADERS[name](path=path, limit=limit, **settings)
    if Path(name_or_path).expanduser().is_file():
        if split is not None or path is not None:
            raise ValueError(f"{name_or_path} is a file: it has no splits and no other path; leave them out")
        return jsonl(name_or_path, limit=limit, **settings)
    raise DatasetNotFoundError(
        f"no data set is called {str(name_or_path)!r}, and there is no such file; names are "
        f"{', '.join(LOADERS)}; anything else loads from a .jsonl or .jsonl.gz file"
    )


def jsonl(
    path: str | Path,
    *,
    limit: int | None = None,
    prompt_field: str | None = None,
    reference_field: str | None = None,
    id_field: str | None = None,
    needs_prompt: bool = False,
) -> Iterator[Problem]:
    """Yield the problems in a JSON Lines file (gzip or not), or in a .json file that holds one array.

    Fields are found among the usual names (see `fields.USUAL`) or named here. A row without a reference is a
    problem judged by tests if it has `test_list` (as in MBPP), `test` and `entry_point` (as in HumanEval), or tests in
    another shape that `given_tests` knows, such as pairs of inputs and outputs. A row without an id gets the file's
    name and its line. Fields with no other use are in `meta`.

    needs_prompt  a row without a prompt, or with an empty one, is an error (training); else its prompt is ""

    Raises DatasetNotFoundError at once if there is no such file.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DatasetNotFoundError(f"no file {file}; expected JSON Lines, one object a line, gzip or not")
    rows = file_rows(file)

    def read(row: Row) -> Problem:
        problem = _problem(row, prompt_field, reference_field, id_field)
        return _asked(row, problem, prompt_field) if needs_prompt else problem

    return islice(map(read, rows), limit)


def _asked(row: Row, problem: Problem, prompt_field: str | None) -> Problem:
    """Return the problem of a row if it asks something. Raises RowError."""
    if problem.prompt.strip():
        return problem
    if (found := find_field(row.fields, "prompt", prompt_field)) is None:
        raise row.error(missing(row.fields, "prompt", "prompt_field="))
    raise row.error(f"the prompt in {found.name!r} is empty; give the row a prompt or take it out")


def _problem(row: Row, prompt_field: str | None, reference_field: str | None, id_field: str | None) -> Problem:
    try:
        prompt = find_field(row.fields, "prompt", prompt_field)
        identity = find_field(row.fields, "id", id_field)
        references = find_field(row.fields, "reference", reference_field)
    except FieldError as error:
        raise row.error(str(error)) from None
    name = identity.value if identity else f"{Path(row.source).name}-{row.line}"
    if references is None:
        if (problem := _tested(row, name, prompt.value if prompt else "")) is not None:
            return problem
        raise row.error(missing(row.fields, "reference", "reference_field="))
    if looks_like_tests(references.value[0]) and (problem := _tested(row, name, prompt.value if prompt else "")):
        return problem
    if not all(reference.strip() for reference in references.value):
        raise row.error(f"the reference in {references.name!r} is empty; give the row an answer or take it out")
    used = {found.name for found in (prompt, identity, references) if found is not None}
    return Problem(
        id=name,
        prompt=prompt.value if prompt else "",
        references=references.value,
        meta={name: value for name, value in row.fields.items() if name not in used},
    )


def _tested(row: Row, name: str, prompt: str) -> Problem | None:
    """Return the problem of a row that is judged by tests, None if it has none."""
    if "test_list" in row.fields and ("text" in row.fields or "prompt" in row.fields):
        return mbpp_problem(row, name)
    if "test" in row.fields and "entry_point" in row.fields:
        return humaneval_problem(row, name)
    try:
        tests = find_tests(row.fields, prompt)
    except BadTests as error:
        raise row.error(str(error)) from None
    if tests is None:
        return None
    field = has_tests(row.fields)
    return Problem(name, prompt, tests=tests, meta={key: value for key, value in row.fields.items() if key != field})
